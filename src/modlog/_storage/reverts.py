"""Reverting a selection inside the database, with the plain replay where that is not enough.

The targets are gathered into a temporary table in the order of accounts. An account is regular
if nothing in its history was ever reverted, nothing newer than the selection has happened to
it, and all its targets only added a flag or a sanction: taking those away is then all there is
to do, for a whole chunk of accounts in a few statements. Every other account is replayed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any, Final

from attrs import define, field, frozen

from modlog._domain.account import Status
from modlog._domain.effects import types_where
from modlog._domain.events import Draft, Envelope, EventsReverted
from modlog._storage.chunks import Statement, events_of_chunk, move, write_chunk
from modlog._storage.database import Database, Row, Session
from modlog._storage.projection import sanctioned_sql
from modlog._storage.schema import ACCOUNTS
from modlog._storage.selecting import Condition
from modlog._storage.store import Writer

# What a target asks for when it is taken away: one row less of a table, a replay, or nothing.
_SANCTIONS: Final = types_where(lambda does: does.only_begins and does.begins == "sanction")
_FLAGS: Final = types_where(lambda does: does.only_begins and does.begins == "flag")
_IRREVERSIBLE: Final = types_where(lambda does: not does.is_revertible)
_SANCTION, _FLAG, _REPLAY, _NOTHING = 0, 1, 2, 3
_REMOVED_FROM: Final = {_SANCTION: "sanctions", _FLAG: "flags"}

# A session may hold several of them, where one plan is looked at while another is shown.
_numbers: Final = count(1)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"'{name}'" for name in names)


@frozen
class Range:
    """Accounts that have targets: those with ids above one, up to another.

    Attributes:
        accounts: how many they are, those included whose targets no revert can name.
    """

    after: str
    last: str
    accounts: int


@define
class Targets:
    """The selected events of accounts, in a temporary table of one session.

    Attributes:
        head: the last position that counts as selected.
        in_steps: whether regular accounts are put into a chunk first, to look at them or because
            the database takes one step at a time.
        numbers: how many targets there are of each class.
    """

    database: Database
    session: Session
    head: int
    in_steps: bool
    numbers: dict[int, int] = field(factory=dict, init=False)
    _number: int = field(factory=_numbers.__next__, init=False)

    @property
    def _targets(self) -> str:
        return f"modlog_targets_{self._number}"

    @property
    def _chunk(self) -> str:
        return f"modlog_chunk_{self._number}"

    def gather(self, condition: Condition) -> None:
        """Fill the table with the events for which a condition holds."""
        self._make_tables()
        self.session.run(
            f"INSERT INTO {self._targets} SELECT account_id, version, CASE"
            f" WHEN type IN ({_listed(_SANCTIONS)}) THEN {_SANCTION}"
            f" WHEN type IN ({_listed(_FLAGS)}) THEN {_FLAG}"
            f" WHEN type IN ({_listed(_IRREVERSIBLE)}) THEN {_NOTHING} ELSE {_REPLAY} END"
            f" FROM {self._events} WHERE account_id IS NOT NULL AND position <= ?"
            f" AND {condition.sql} ORDER BY account_id, version",
            (self.head, *condition.params),
        )
        self.database.analyze(self.session, self._targets)
        self.numbers = dict(
            self.session.rows(f"SELECT class, count(*) FROM {self._targets} GROUP BY class")
        )

    def _make_tables(self) -> None:
        self.database.temporary(
            self.session,
            self._targets,
            "account_id text, version bigint, class smallint",
            "account_id, version",
        )
        if self.in_steps:
            self.database.temporary(
                self.session,
                self._chunk,
                "account_id text, version bigint, number bigint, first bigint, data text",
                "account_id",
                passing=True,
            )

    def drop(self) -> None:
        """Give the room back."""
        self.session.run(f"DROP TABLE {self._targets}")
        if self.in_steps:
            self.session.run(f"DROP TABLE {self._chunk}")

    @property
    def _events(self) -> str:
        return self.database.table("events")

    def leave_out_batch(self, batch_id: str, after_position: int, up_to_position: int) -> int:
        """Forget accounts that a batch has reverted events of already; how many they are.

        Args:
            batch_id: the batch.
            after_position: look only at what it did after this position.
            up_to_position: a position that the log has reached. Without it, what another process
                does between the two statements would be forgotten and not counted.
        """
        done = (
            f"SELECT account_id FROM {self._events}"
            " WHERE batch_id = ? AND position > ? AND position <= ?"
            # || '' keeps planners from the index on types: the log may have many reverts.
            " AND type || '' = 'events.reverted'"
        )
        params = (batch_id, after_position, up_to_position)
        row = self.session.row(
            f"SELECT count(DISTINCT account_id) FROM {self._targets} WHERE account_id IN ({done})",
            params,
        )
        self.session.run(f"DELETE FROM {self._targets} WHERE account_id IN ({done})", params)
        assert row is not None
        return int(row[0])

    def of(self, account_id: str) -> list[int]:
        """The selected versions of one account."""
        rows = self.session.rows(
            f"SELECT version FROM {self._targets} WHERE account_id = ? ORDER BY version",
            (account_id,),
        )
        return [version for (version,) in rows]

    def leave_out(self, account_id: str) -> None:
        """Forget one account."""
        self.session.run(f"DELETE FROM {self._targets} WHERE account_id = ?", (account_id,))

    @property
    def number(self) -> int:
        """How many targets there are, those that no revert can name left out."""
        return sum(number for kind, number in self.numbers.items() if kind < _NOTHING)

    def accounts(self) -> int:
        """How many accounts have targets."""
        row = self.session.row(
            f"SELECT count(*) FROM (SELECT DISTINCT account_id FROM {self._targets}"
            f" WHERE class < {_NOTHING}) AS targeted"
        )
        assert row is not None
        return int(row[0])

    def irreversible(self) -> dict[str, int]:
        """The selected events that no revert can name: how many of each type."""
        if _NOTHING not in self.numbers:
            return {}
        rows = self.session.rows(
            f"SELECT e.type, count(*) FROM {self._targets} AS t CROSS JOIN {self._events} AS e"
            " WHERE e.account_id = t.account_id AND e.version = t.version"
            f" AND t.class = {_NOTHING} GROUP BY e.type ORDER BY e.type"
        )
        return dict(rows)

    def ranges(self, size: int) -> Iterator[Range]:
        """Ranges of account ids with so many accounts in each."""
        after = ""
        while True:
            ((last, accounts),) = self.session.rows(
                f"SELECT max(account_id), count(*) FROM (SELECT DISTINCT account_id"
                f" FROM {self._targets} WHERE account_id > ? ORDER BY account_id LIMIT {size})"
                " AS page",
                (after,),
            )
            if last is None:
                return
            yield Range(after, last, accounts)
            after = last

    def _grouped(self, within: Range) -> Statement:
        """The accounts of a range whose targets can all be taken away row by row."""
        several = (
            f"(SELECT {self.database.joined('version')} FROM"
            f" (SELECT version FROM {self._targets} AS x"
            f" WHERE x.account_id = g.account_id AND x.class < {_NOTHING}"
            " ORDER BY version) AS sorted)"
        )
        return (
            "SELECT account_id, number, first, '{\"targets\":[' ||"
            f" CASE WHEN number = 1 THEN CAST(first AS text) ELSE {several} END || ']}}' AS data"
            " FROM (SELECT account_id, count(*) AS number, min(version) AS first"
            f" FROM {self._targets} WHERE account_id > ? AND account_id <= ? AND class < {_NOTHING}"
            f" GROUP BY account_id HAVING max(class) < {_REPLAY}) AS g",
            (within.after, within.last),
        )

    def _is_regular(self, *, newer: bool) -> Statement:
        """What must hold for account `a` beside that."""
        if not newer:
            return "a.reverted = 0", ()
        last = (
            f"SELECT position FROM {self._events} AS l"
            " WHERE l.account_id = a.account_id AND l.version = a.version"
        )
        return f"a.reverted = 0 AND ({last}) <= ?", (self.head,)

    def choose_regular(self, within: Range, *, newer: bool) -> tuple[int, int]:
        """Put the regular accounts of a range into the chunk; how many they are, and targets.

        Args:
            within: the range.
            newer: whether there may be events behind the head of accounts that have targets.
        """
        grouped, of_grouped = self._grouped(within)
        regular, of_regular = self._is_regular(newer=newer)
        self.database.steer(self.session)
        self.database.empty(self.session, self._chunk)
        self.session.run(
            f"INSERT INTO {self._chunk}"
            " SELECT t.account_id, a.version + 1, t.number, t.first, t.data"
            f" FROM ({grouped}) AS t CROSS JOIN {self.database.table(ACCOUNTS.name)} AS a"
            f" WHERE a.account_id = t.account_id AND {regular}",
            (*of_grouped, *of_regular),
        )
        self.database.analyze(self.session, self._chunk)
        return self._two_numbers(f"SELECT count(*), sum(number) FROM {self._chunk}")

    def _two_numbers(self, sql: str, params: Sequence[Any] = ()) -> tuple[int, int]:
        row = self.session.row(sql, params)
        assert row is not None
        return int(row[0]), int(row[1] or 0)

    def revert_regular(
        self, writer: Writer, within: Range, envelope: Envelope, *, newer: bool
    ) -> tuple[int, int]:
        """Write one revert for each regular account of a range, and what it changes.

        Args:
            writer: the transaction.
            within: the range.
            envelope: of the reverts.
            newer: whether there may be events behind the head of accounts that have targets.

        Returns:
            how many accounts they are, and how many targets.
        """
        sample = Draft("", 1, EventsReverted((1,)), envelope)
        if not self.in_steps:
            return self._revert_at_once(writer, within, sample, newer=newer)
        number, named = self.choose_regular(within, newer=newer)
        if number:
            for statement in self._removals(self._chunk):
                self.session.run(statement)
            write_chunk(writer, self._chunk, sample, number)
        return number, named

    def _revert_at_once(
        self, writer: Writer, within: Range, sample: Draft, *, newer: bool
    ) -> tuple[int, int]:
        """One statement: it finds each account once, and no chunk is written down meanwhile."""
        grouped, of_grouped = self._grouped(within)
        regular, of_regular = self._is_regular(newer=newer)
        setting, of_setting = move(writer, sample)
        events, of_events = events_of_chunk(writer, "moved", sample)
        parts = {"events": events} | {
            f"removal_{i}": removal for i, removal in enumerate(self._removals("moved"))
        }
        self.database.steer(self.session)
        number, named = self._two_numbers(
            f"WITH moved AS (UPDATE {self.database.table(ACCOUNTS.name)} AS a SET {setting}"
            f" FROM ({grouped}) AS t WHERE a.account_id = t.account_id AND {regular}"
            " RETURNING a.account_id, a.version, t.number, t.first, t.data), "
            + ", ".join(f"{name} AS ({sql})" for name, sql in parts.items())
            + " SELECT count(*), sum(number) FROM moved",
            (*of_setting, *of_grouped, *of_regular, *of_events),
        )
        if number:
            writer.moved(number)
        return number, named

    def _removals(self, chunk: str) -> list[str]:
        """What takes away the rows that targets of the accounts in a chunk have added.

        Most accounts have one target, which is at hand; no other row has its version.
        """
        return [
            f"DELETE FROM {self.database.table(name)} WHERE (account_id, version) IN"
            f" (SELECT account_id, first FROM {chunk} AS c WHERE number = 1 UNION ALL"
            f" SELECT t.account_id, t.version FROM {chunk} AS c CROSS JOIN {self._targets} AS t"
            f" WHERE c.number > 1 AND t.account_id = c.account_id AND t.class = {kind})"
            for kind, name in _REMOVED_FROM.items()
            if kind in self.numbers
        ]

    def not_chosen(self, within: Range) -> list[str]:
        """The accounts of a range that have targets and are not in the chunk."""
        return self._irregular(within, f"SELECT account_id FROM {self._chunk}", ())

    def not_reverted(self, within: Range, since: int) -> list[str]:
        """The accounts of a range that have targets and no event since a position."""
        written = f"SELECT account_id FROM {self._events} WHERE position > ?"
        return self._irregular(within, f"{written} AND account_id IS NOT NULL", (since,))

    def _irregular(self, within: Range, regular: str, params: Sequence[Any]) -> list[str]:
        rows = self.session.rows(
            f"SELECT DISTINCT account_id FROM {self._targets} WHERE account_id > ?"
            f" AND account_id <= ? AND class < {_NOTHING}"
            f" AND account_id NOT IN ({regular}) ORDER BY account_id",
            (within.after, within.last, *params),
        )
        return [account_id for (account_id,) in rows]

    def all_in(self, within: Range) -> dict[str, list[int]]:
        """The selected versions of each account of a range, revertible or not."""
        found: dict[str, list[int]] = {}
        for account_id, version in self.session.rows(
            f"SELECT account_id, version FROM {self._targets}"
            " WHERE account_id > ? AND account_id <= ? ORDER BY account_id, version",
            (within.after, within.last),
        ):
            found.setdefault(account_id, []).append(version)
        return found

    def first_newer(self, within: Range) -> dict[str, int]:
        """For accounts of a range with events after the head, the first version of those."""
        rows = self.session.rows(
            f"SELECT t.account_id, min(e.version) FROM (SELECT DISTINCT account_id"
            f" FROM {self._targets} WHERE account_id > ? AND account_id <= ?) AS t"
            f" CROSS JOIN {self._events} AS e"
            " WHERE e.account_id = t.account_id AND e.position > ? GROUP BY t.account_id",
            (within.after, within.last, self.head),
        )
        return dict(rows)

    def statuses(self, at: int) -> list[Row]:
        """Of the accounts in the chunk, how many go from which status to which."""

        def status(which: str = "") -> str:
            sanctioned = sanctioned_sql(self.database, f"s.account_id = c.account_id{which}")
            return (
                "CASE WHEN a.erased = 1 THEN 'erased' WHEN a.created = 0 THEN 'absent'"
                f" ELSE {sanctioned} END"
            )

        untargeted = (
            f" AND NOT EXISTS (SELECT 1 FROM {self._targets} AS t"
            " WHERE t.account_id = s.account_id AND t.version = s.version)"
        )
        return self.session.rows(
            f"SELECT {status()}, {status(untargeted)}, count(*) FROM {self._chunk} AS c"
            f" CROSS JOIN {self.database.table('accounts')} AS a"
            " WHERE a.account_id = c.account_id GROUP BY 1, 2",
            (at, at),
        )


def status_moves(rows: list[Row]) -> Iterator[tuple[Status, Status, int]]:
    """The rows of `Targets.statuses` as statuses and numbers."""
    for before, after, number in rows:
        yield Status(before), Status(after), number
