"""The list of a sweep: the digest that it is approved by, and what is acted on held to it.

The whole list is hashed before a sweep begins or goes on, and compared with the approved digest.
Meanwhile each piece of it gets a fingerprint; the statement that acts on a piece gives the
fingerprint of the very rows that it read. So nothing has to keep others from the list.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b, sha256
from typing import Any, Final, Self

import orjson
from attrs import frozen

from modlog._storage.codec import canonical
from modlog._storage.database import Database, Row, Session

# Ids that are read and hashed at a time; the digest depends on it.
PAGE: Final = 10_000


class ListDigest:
    """The SHA-256 of an action, its arguments and a list of ids, of which pages are added."""

    def __init__(self, action: str, arguments: Mapping[str, Any]) -> None:
        self._digest = sha256(canonical([action, dict(arguments)]))
        self.size = 0

    @classmethod
    def of(cls, action: str, arguments: Mapping[str, Any], ids: Sequence[str]) -> Self:
        """That of a list at hand, in its order."""
        digest = cls(action, arguments)
        for page in pages_of(ids):
            digest.add(page)
        return digest

    def add(self, page: list[str]) -> None:
        """The next ids: as many as a page has, but for the last."""
        self._digest.update(canonical(page))
        self.size += len(page)

    def passing(self, pages: Iterable[list[str]]) -> Iterator[list[str]]:
        """Add pages as they are read for something else."""
        for page in pages:
            self.add(page)
            yield page

    def text(self) -> str:
        """The digest of all that was added, in hexadecimal."""
        return self._digest.hexdigest()


def pages_of(ids: Sequence[str]) -> Iterator[list[str]]:
    """The ids of a list at hand, a transaction's worth at a time."""
    for first in range(0, len(ids), PAGE):
        yield list(ids[first : first + PAGE])


@frozen
class Piece:
    """A part of a list that is acted on at a time: the ids above one, up to another."""

    after: str
    last: str
    size: int
    fingerprint: bytes


def listed_pages(database: Database, session: Session, key: bytes) -> Iterator[list[str]]:
    """The ids that are kept as targets of a sweep, in their order."""
    page = (
        f"(SELECT account_id FROM {database.table('sweep_targets')} WHERE sweep = ?"
        f" AND account_id > ? ORDER BY account_id LIMIT {PAGE})"
    )
    after = ""
    while ids := ids_in(session.row(listed_sql(database, page), (key, after))):
        yield ids
        after = ids[-1]


def pieces_of(pages: Iterable[list[str]], after: str, size: int) -> Iterator[Piece]:
    """The pieces of so many ids each in which the rest of a list is acted on."""
    rest: list[str] = []
    for page in pages:
        rest += page if page[0] > after else [id_ for id_ in page if id_ > after]
        while len(rest) >= size:
            yield _piece(after, rest[:size])
            after, rest = rest[size - 1], rest[size:]
    if rest:
        yield _piece(after, rest)


def _piece(after: str, ids: list[str]) -> Piece:
    return Piece(after, ids[-1], len(ids), fingerprint(ids))


def fingerprint(ids: list[str]) -> bytes:
    """What a piece of a list is known by."""
    return blake2b(canonical(ids), digest_size=16).digest()


def listed_sql(database: Database, table: str) -> str:
    """A query for the ids in a table as one text: rows one by one cost three times as much."""
    ids = database.json_list("account_id")
    return f"SELECT {ids} FROM (SELECT account_id FROM {table} AS t ORDER BY account_id) AS listed"


def ids_in(row: Row | None) -> list[str]:
    """The ids that such a query gave."""
    ids: list[str] = orjson.loads(row[0]) if row and row[0] else []
    return ids
