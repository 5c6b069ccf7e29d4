"""Idempotency keys, in a narrow table of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import Final

from attrs import frozen

from modlog._storage.database import Database, Row, Session
from modlog._storage.reading import PAGE, sources

KEY_COLUMNS: Final = ("key", "request", "position", "rejection")
# A key, its request, and the event that answered it, or why an import rejected it.
KeyRow = tuple[str, bytes, int | None, str | None]
# The request that a key belongs to, and why it was rejected; None if it was not.
Answer = tuple[bytes, str | None]
# What tells of an event which requests may have led to it; `occurred_at` as it was given.
_ANSWERS: Final = (
    "e.position, s.id, e.version, e.occurred_at, a.reason, a.policy, a.metadata,"
    " a.actor_kind, a.actor_id, a.actor_version, a.actor_account_id, a.type, a.schema, e.data,"
    " e.personal"
)
# A longer key is kept as its digest, so that every key fits into an index.
_LONGEST: Final = 200


@frozen
class Key:
    """An idempotency key and the request that it belongs to, as a 16-byte digest."""

    text: str
    request: bytes

    def row(self, position: int) -> KeyRow:
        """Its row, once it is answered by the event at that position."""
        return (kept_as(self.text), self.request, position, None)


def pages_of_answers(database: Database, session: Session) -> Iterator[list[Row]]:
    """The requests that were answered, each with the event that its key leads to.

    Yields:
        for some keys at a time, the digest and the columns `_ANSWERS`; those that lead to no
        account's event are left out.
    """
    after = ""
    while rows := session.rows(
        f"SELECT key, request, position FROM {database.table('keys')}"
        f" WHERE key > ? AND position IS NOT NULL ORDER BY key LIMIT {PAGE}",
        (after,),
    ):
        after = rows[-1][0]
        among, params = database.among("e.position", [position for _, _, position in rows])
        events = session.rows(
            f"SELECT {_ANSWERS} FROM {sources(database)} WHERE {among} AND s.kind = 'account'",
            params,
        )
        found = {row[0]: row for row in events}
        yield [(request, *found[at]) for _, request, at in rows if at in found]


def data_of_flags(
    database: Database, session: Session, account_id: str, versions: Sequence[int]
) -> list[Row]:
    """Of an account's flags of these versions: schema, data and what is personal, as stored."""
    among, params = database.among("+e.version", versions)
    return session.rows(
        f"SELECT a.type, a.schema, e.data, e.personal FROM {sources(database)}"
        f" WHERE s.kind = 'account' AND s.id = ? AND {among} AND a.type = 'account.flagged'",
        (account_id, *params),
    )


def kept_as(key: str) -> str:
    """Under which an idempotency key is kept.

    As it is, so that the ascending keys of one source lie beside each other. The sign before it
    tells keys from digests.
    """
    if len(key) <= _LONGEST:
        return f"={key}"
    return f"#{blake2b(key.encode(), digest_size=32).hexdigest()}"
