"""Reverting a selection: its targets, account by account, and chunks of plain reverts.

The revert of an account is plain if all its targets only began something: closing what of that is
open is then all there is to do, whatever else has happened to the account. It is done for a whole
chunk in a few statements.

Plain as well is the revert of one revert, whatever chain of reverts that stands at the end of, if
the events at its beginning changed no more than what they name: it opens again what the revert
closed, and closes what that opened. What came later must not depend on it. For those, and for a few
accounts, spans are asked, and what they tell is written account by account. Every other account is
replayed.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Container, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Final

from attrs import define, field, frozen

from modlog._domain.account import Stays
from modlog._domain.effects import EFFECTS, effect_of, types_where, versions_ended_by
from modlog._domain.events import Draft, Envelope, EventsReverted
from modlog._storage.chunks import Ending, write_chunk
from modlog._storage.codec import event_from
from modlog._storage.database import Database, Row, Session
from modlog._storage.projection import stay_from
from modlog._storage.reading import PAGE, acted, selected
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
_REVERT: Final = bytes([_CODES[EventsReverted.TYPE]])
# Types that may do something else if what came before them does not count.
_DEPENDENT: Final = (
    *types_where(lambda effect: effect.ends or not effect.needs_account),
    EventsReverted.TYPE,
)


@frozen
class Target:
    """An account with its selected events.

    Attributes:
        stream: the number of its stream.
        versions: of the selected events.
        revertible: of those that a revert can name.
        is_plain: whether each of these only began something.
        is_revert: whether there is but one of these, itself a revert.
    """

    stream: int
    versions: Sequence[int]
    revertible: Sequence[int]
    is_plain: bool
    is_revert: bool


@frozen
class Plain:
    """The plain revert of an account.

    Attributes:
        target: the account, and what is named.
        versions: of what it may end or bring back.
        undone: the position of the revert that it takes back; None if it takes none back.
    """

    target: Target
    versions: Sequence[int]
    undone: int | None = None


@frozen
class Told:
    """What a plain revert ends, and what it brings back, by version."""

    ended: Stays = field(factory=dict)
    begun: Stays = field(factory=dict)


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
        others = types.translate(None, _PLAIN)
        revertible = [v for v, code in zip(versions, types, strict=True) if _REVERTIBLE[code]]
        return Target(
            self._streams[index],
            versions,
            revertible,
            is_plain=not others,
            is_revert=others == _REVERT and len(revertible) == 1,
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


def reverts_of_reverts(
    database: Database, session: Session, targets: Sequence[Target]
) -> Iterator[Plain]:
    """Of these accounts, each with one revert to take back, those whose revert is plain."""
    chains = _chains(database, session, targets)
    named = [(stream, version) for stream, (_, versions) in chains.items() for version in versions]
    concerned: dict[int, list[int]] = {stream: [] for stream in chains}
    for stream, version, *stored in _events_at(database, session, named):
        event = event_from(*stored)
        if stream in concerned and effect_of(event).changes_only_named:
            concerned[stream] += (version, *versions_ended_by(event))
        else:
            concerned.pop(stream, None)
    for target in targets:
        if target.stream in concerned:
            position, _ = chains[target.stream]
            yield Plain(target, concerned[target.stream], position)


def _chains(
    database: Database, session: Session, targets: Sequence[Target]
) -> dict[int, tuple[int, Sequence[int]]]:
    """The chains, each revert of the one below it, at whose upper ends these accounts' reverts are.

    Left out are accounts where something later may depend on whether the revert counts. A chain
    is walked in the database, and none of it is loaded but its lowest event.

    Returns:
        by stream the position of the revert, and the versions that its chain is about.
    """
    table = database.table
    top = (
        f"SELECT e.stream, e.version, e.position FROM (VALUES {_pairs(len(targets))}) AS v"
        f" CROSS JOIN {table('events')} AS e"
        " WHERE e.stream = v.column1 AND e.version = v.column2 AND NOT EXISTS ("
        f"SELECT 1 FROM {acted(database)} WHERE e.stream = v.column1 AND e.version > v.column2"
        f" AND a.type || '' IN ({', '.join('?' * len(_DEPENDENT))}))"
    )
    # Looked up one by one: joined to them, PostgreSQL would walk through the events of a new log.
    below = (
        "SELECT w.stream, (SELECT CAST(substr(e.data, 13, length(e.data) - 14) AS bigint)"
        f" FROM {table('events')} AS e WHERE e.stream = w.stream AND e.version = w.version"
        " AND e.data LIKE ? AND e.data NOT LIKE ?) FROM chain AS w WHERE w.version > 0"
    )
    rows = session.rows(
        f"WITH RECURSIVE top (stream, version, position) AS ({top}), chain (stream, version) AS"
        f" (SELECT stream, version FROM top UNION {below}), lowest (stream, version) AS"
        " (SELECT stream, min(version) FROM chain GROUP BY stream)"
        " SELECT t.stream, t.position, e.version, a.type, a.schema, e.data, e.personal"
        f" FROM top AS t CROSS JOIN lowest AS l CROSS JOIN {table('events')} AS e"
        f" CROSS JOIN {table('acts')} AS a WHERE l.stream = t.stream AND e.stream = l.stream"
        " AND e.version = l.version AND a.number = e.act",
        (
            *(number for one in targets for number in (one.stream, one.revertible[0])),
            *_DEPENDENT,
            *('{"targets":[%]}', "%,%"),  # a revert of one event
        ),
    )
    found: dict[int, tuple[int, Sequence[int]]] = {}
    for stream, position, version, *stored in rows:
        event = event_from(*stored)
        versions = event.targets if isinstance(event, EventsReverted) else (version,)
        found[stream] = position, versions
    return found


def _pairs(number: int) -> str:
    """So many rows of two numbers, as parameters."""
    return ", ".join(["(CAST(? AS bigint), CAST(? AS bigint))"] * number)


def _events_at(database: Database, session: Session, named: Sequence[Row]) -> Iterator[Row]:
    """The events of these streams and versions, as they are stored."""
    table = database.table
    for some in paged(named):
        yield from session.rows(
            "SELECT e.stream, e.version, a.type, a.schema, e.data, e.personal"
            f" FROM (VALUES {_pairs(len(some))}) AS v CROSS JOIN {table('events')} AS e"
            f" CROSS JOIN {table('acts')} AS a"
            " WHERE e.stream = v.column1 AND e.version = v.column2 AND a.number = e.act",
            [number for row in some for number in row],
        )


def told_by_spans(
    database: Database, session: Session, some: Sequence[Plain]
) -> list[tuple[Plain, Told]]:
    """What these reverts end and bring back."""
    told = {one.target.stream: Told() for one in some}
    named = [
        (one.target.stream, version, one.undone or 0) for one in some for version in one.versions
    ]
    for stream, version, closed, *stay in _named_spans(database, session, named):
        one = told[stream]
        (one.ended if closed is None else one.begun)[version] = stay_from(*stay)
    return [(one, told[one.target.stream]) for one in some]


def _named_spans(database: Database, session: Session, named: Sequence[Row]) -> Iterator[Row]:
    """The spans of these versions that are open, or that a revert opened or closed.

    Args:
        named: the stream and version of each, with the position of that revert; 0 for none.
    """
    numbers = "(CAST(? AS bigint), CAST(? AS bigint), CAST(? AS bigint))"
    for some in paged(named):
        yield from session.rows(
            "SELECT x.stream, x.version, x.closed, x.facet, x.since, x.until, x.label"
            f" FROM (VALUES {', '.join([numbers] * len(some))}) AS n"
            f" CROSS JOIN {database.table('spans')} AS x"
            " WHERE x.stream = n.column1 AND x.version = n.column2"
            " AND (x.closed = n.column3 OR (x.closed IS NULL AND n.column3 IN (0, x.opened)))",
            [number for row in some for number in row],
        )


def paged(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    return (rows[first : first + PAGE] for first in range(0, len(rows), PAGE))


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
