"""Reverting a selection: its targets, account by account, and chunks of plain reverts.

The revert of an account is plain if all its targets only began something: closing what of that is
open is then all there is to do, whatever else has happened to the account. It is done for a whole
chunk in a few statements. Every other account is replayed.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Container, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Final

from attrs import define, field, frozen

from modlog._domain.effects import EFFECTS
from modlog._domain.events import Draft, Envelope, EventsReverted
from modlog._storage.chunks import Ending, write_chunk
from modlog._storage.database import Database, Session
from modlog._storage.reading import selected
from modlog._storage.selecting import Condition
from modlog._storage.writing import Writer

_CHUNK: Final = "modlog_chunk"
_ENDED: Final = "modlog_ended"
# Types of events as single bytes: whether a revert can name them; and those that leave a revert
# plain, because they only begin something or no revert names them.
_TYPES: Final = tuple(EFFECTS)
_CODES: Final = {name: code for code, name in enumerate(_TYPES)}
_REVERTIBLE: Final = tuple(EFFECTS[name].is_revertible for name in _TYPES)
_PLAIN: Final = bytes(
    code
    for code, name in enumerate(_TYPES)
    if EFFECTS[name].only_begins or not EFFECTS[name].is_revertible
)


@frozen
class Target:
    """An account with its selected events.

    Attributes:
        stream: the number of its stream.
        versions: of the selected events.
        revertible: of those that a revert can name.
        is_plain: whether each of these only began something.
    """

    stream: int
    versions: Sequence[int]
    revertible: Sequence[int]
    is_plain: bool


@define
class Targets:
    """The selected events of accounts, in the order of accounts' ids.

    Attributes:
        head: the last position that counts as selected.
        irreversible: selected events that no revert can name: how many of each type.
        number: how many events a revert can name.
    """

    head: int
    irreversible: dict[str, int] = field(factory=dict)
    number: int = 0
    _accounts: int = 0
    _streams: array[int] = field(factory=lambda: array("q"))
    _firsts: array[int] = field(factory=lambda: array("q"))
    _versions: array[int] = field(factory=lambda: array("q"))
    _types: bytearray = field(factory=bytearray)

    @classmethod
    def gathered(
        cls, database: Database, session: Session, condition: Condition, head: int
    ) -> Targets:
        """The events of accounts up to a head for which a condition holds.

        They are kept in a few bytes each, so that no table has to be made and no transaction
        stays open while they are looked at.
        """
        targets = cls(head)
        rows = session.rows(
            f"SELECT e.stream, e.version, a.type {selected(database, condition)}"
            " AND s.kind = 'account' AND e.position <= ? ORDER BY s.id, e.version",
            (*condition.params, head),
        )
        for stream, own in groupby(rows, itemgetter(0)):
            targets._streams.append(stream)
            targets._firsts.append(len(targets._versions))
            is_meant = False
            for _, version, type_name in own:
                code = _CODES[type_name]
                targets._versions.append(version)
                targets._types.append(code)
                is_meant = is_meant or _REVERTIBLE[code]
            targets._accounts += is_meant
        targets._add_up()
        return targets

    def _add_up(self) -> None:
        for code, name in enumerate(_TYPES):
            number = self._types.count(code)
            if number and EFFECTS[name].is_revertible:
                self.number += number
            elif number:
                self.irreversible[name] = number

    def __len__(self) -> int:
        return len(self._streams)

    def of(self, index: int) -> Target:
        """The account at a place in the order of ids."""
        first = self._firsts[index]
        end = self._firsts[index + 1] if index + 1 < len(self._streams) else len(self._versions)
        versions = self._versions[first:end]
        types = self._types[first:end]
        return Target(
            self._streams[index],
            versions,
            [v for v, code in zip(versions, types, strict=True) if _REVERTIBLE[code]],
            not types.translate(None, _PLAIN),
        )

    def chunks(self, size: int, without: Container[int] = ()) -> Iterator[list[Target]]:
        """Accounts with targets that a revert can name, so many at a time.

        Args:
            size: how many at the most.
            without: the streams of accounts that are left out.
        """
        some: list[Target] = []
        for index in range(len(self._streams)):
            target = self.of(index)
            if target.revertible and target.stream not in without:
                some.append(target)
                if len(some) == size:
                    yield some
                    some = []
        if some:
            yield some

    def accounts(self, without: Collection[int] = ()) -> int:
        """How many accounts have targets that a revert can name; some may be left out."""
        return sum(map(len, self.chunks(1_000, without))) if without else self._accounts


def reverted_by(
    database: Database, session: Session, batch_id: str, after: int, up_to: int
) -> set[int]:
    """The streams of accounts of which a batch has reverted events, between two positions."""
    rows = session.rows(
        f"SELECT e.stream FROM {database.table('acts')} AS a"
        f" JOIN {database.table('events')} AS e ON e.act = a.number"
        " WHERE a.batch_id = ? AND a.number > ? AND a.number <= ? AND a.type = 'events.reverted'",
        (batch_id, after, up_to),
    )
    return {stream for (stream,) in rows}


def first_newer(
    database: Database, session: Session, streams: Sequence[int], head: int
) -> dict[int, int]:
    """For those of these accounts that have events after a head, the first version of those."""
    among, params = database.among("e.stream", streams)
    rows = session.rows(
        f"SELECT e.stream, min(e.version) FROM {database.table('events')} AS e"
        f" WHERE {among} AND e.position > ? GROUP BY e.stream",
        (*params, head),
    )
    return dict(rows)


def changed_since(
    database: Database, session: Session, streams: Sequence[int], head: int
) -> set[int]:
    """Which of these accounts have events after a head."""
    among, params = database.among("c.stream", streams)
    rows = session.rows(
        f"SELECT c.stream FROM {database.table('accounts')} AS c"
        f" JOIN {database.table('events')} AS e ON e.stream = c.stream AND e.version = c.version"
        f" WHERE {among} AND e.position > ?",
        (*params, head),
    )
    return {stream for (stream,) in rows}


def listed(target: Target) -> str:
    """The versions that a revert names, as JSON has them in an array."""
    return ",".join(map(str, target.revertible))


def revert_plain(writer: Writer, targets: Sequence[Target], envelope: Envelope) -> None:
    """Write one revert for each of these accounts, all of them plain, and what it changes."""
    database, session = writer.store.database, writer.session
    database.passing(session, _CHUNK, "stream bigint, ordinal bigint, data text", "stream")
    database.fill(
        session,
        _CHUNK,
        ("stream", "ordinal", "data"),
        [
            (target.stream, ordinal, f'{{"targets":[{listed(target)}]}}')
            for ordinal, target in enumerate(targets, 1)
        ],
    )
    database.passing(session, _ENDED, "stream bigint, version bigint, ordinal bigint")
    database.fill(
        session,
        _ENDED,
        ("stream", "version", "ordinal"),
        [
            (target.stream, version, ordinal)
            for ordinal, target in enumerate(targets, 1)
            for version in target.revertible
        ],
    )
    for name in (_CHUNK, _ENDED):
        database.analyze(session, name)
    chunk = (
        "(SELECT t.stream, n.version + 1 AS version, t.ordinal, t.data"
        f" FROM {_CHUNK} AS t CROSS JOIN {database.table('accounts')} AS n"
        " WHERE n.stream = t.stream)"
    )
    sample = Draft("", 1, EventsReverted((1,)), envelope)
    write_chunk(writer, chunk, sample, len(targets), Ending(_ENDED, "x.version = c.version"))
