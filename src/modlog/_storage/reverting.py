"""Reverting a selection inside the database, with the plain replay where that is not enough.

The targets are gathered into a temporary table in the order of accounts. An account is regular
if nothing in its history was ever reverted, nothing newer than the selection has happened to
it, and all its targets only added a flag or a sanction: taking those away is then all there is
to do, for a whole chunk of accounts in a few statements. Every other account is replayed.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Final

from attrs import define, field

from modlog._ground.account import Status
from modlog._ground.events import Draft, Envelope, EventsReverted
from modlog._ground.reversal import IRREVERSIBLE_TYPES
from modlog._storage.chunks import write_chunk
from modlog._storage.database import Database, Row, Session
from modlog._storage.schema import ACCOUNTS
from modlog._storage.selecting import Condition
from modlog._storage.store import Writer

# What a target asks for when it is taken away: one row less, a replay, or nothing.
_ADDITIVE: Final = ("account.flagged", "account.suspended", "account.deleted")
_REMOVE, _REPLAY, _NOTHING = 0, 1, 2

# A session may hold several of them, where one plan is looked at while another is shown.
_numbers: Final = count(1)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"'{name}'" for name in names)


@define
class Targets:
    """The selected events of accounts, in a temporary table of one session.

    Attributes:
        head: the last position that counts as selected.
    """

    database: Database
    session: Session
    head: int
    _number: int = field(factory=_numbers.__next__, init=False)

    @property
    def _targets(self) -> str:
        return f"modlog_targets_{self._number}"

    @property
    def _chunk(self) -> str:
        return f"modlog_chunk_{self._number}"

    def gather(self, condition: Condition) -> None:
        """Fill the table with the events for which a condition holds."""
        self.database.temporary(
            self.session,
            self._targets,
            "account_id text, version bigint, class smallint",
            "account_id, version",
        )
        self.database.temporary(
            self.session,
            self._chunk,
            "account_id text, version bigint, data text",
            "account_id",
        )
        self.session.run(
            f"INSERT INTO {self._targets} SELECT account_id, version, CASE"
            f" WHEN type IN ({_listed(_ADDITIVE)}) THEN {_REMOVE}"
            f" WHEN type IN ({_listed(IRREVERSIBLE_TYPES)}) THEN {_NOTHING} ELSE {_REPLAY} END"
            f" FROM {self._events} WHERE account_id IS NOT NULL AND position <= ?"
            f" AND {condition.sql} ORDER BY account_id, version",
            (self.head, *condition.params),
        )
        self.database.analyze(self.session, self._targets)

    def drop(self) -> None:
        """Give the room back."""
        for name in (self._targets, self._chunk):
            self.session.run(f"DROP TABLE {name}")

    def named_by_chunk(self) -> int:
        """How many targets the accounts in the chunk have."""
        row = self.session.row(
            f"SELECT count(*) FROM {self._chunk} AS c CROSS JOIN {self._targets} AS t"
            f" WHERE t.account_id = c.account_id AND t.class = {_REMOVE}"
        )
        assert row is not None
        return int(row[0])

    @property
    def _events(self) -> str:
        return self.database.table("events")

    def leave_out_batch(self, batch_id: str, after_position: int = 0) -> int:
        """Forget accounts that a batch has reverted events of already; how many they are.

        Args:
            batch_id: the batch.
            after_position: look only at what it did after this position.
        """
        done = (
            f"SELECT account_id FROM {self._events} WHERE batch_id = ? AND position > ?"
            " AND type = 'events.reverted'"
        )
        row = self.session.row(
            f"SELECT count(DISTINCT account_id) FROM {self._targets} WHERE account_id IN ({done})",
            (batch_id, after_position),
        )
        self.session.run(
            f"DELETE FROM {self._targets} WHERE account_id IN ({done})", (batch_id, after_position)
        )
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

    def totals(self) -> tuple[int, int, int]:
        """How many accounts have targets, how many targets there are, and how many others."""
        row = self.session.row(
            f"SELECT count(DISTINCT CASE WHEN class < {_NOTHING} THEN account_id END),"
            f" count(CASE WHEN class < {_NOTHING} THEN 1 END),"
            f" count(CASE WHEN class = {_NOTHING} THEN 1 END) FROM {self._targets}"
        )
        assert row is not None
        return int(row[0]), int(row[1]), int(row[2])

    def irreversible(self) -> dict[str, int]:
        """The selected events that no revert can name: how many of each type."""
        rows = self.session.rows(
            f"SELECT e.type, count(*) FROM {self._targets} AS t CROSS JOIN {self._events} AS e"
            " WHERE e.account_id = t.account_id AND e.version = t.version"
            f" AND t.class = {_NOTHING} GROUP BY e.type ORDER BY e.type"
        )
        return dict(rows)

    def bounds(self, size: int) -> Iterator[tuple[str, str]]:
        """Ranges of account ids with so many accounts in each: above the first, up to the last."""
        after = ""
        while True:
            rows = self.session.rows(
                f"SELECT max(account_id) FROM (SELECT DISTINCT account_id FROM {self._targets}"
                f" WHERE account_id > ? ORDER BY account_id LIMIT {size}) AS page",
                (after,),
            )
            last = rows[0][0]
            if last is None:
                return
            yield after, last
            after = last

    def choose_regular(self, after: str, last: str) -> int:
        """Put the regular accounts of a range into the chunk; how many they are."""
        self.database.steer(self.session)
        self.session.run(f"DELETE FROM {self._chunk}")
        several = (
            f"(SELECT {self.database.joined('version')} FROM"
            f" (SELECT version FROM {self._targets} AS x"
            f" WHERE x.account_id = t.account_id AND x.class < {_NOTHING}"
            " ORDER BY version) AS sorted)"
        )
        self.session.run(
            f"INSERT INTO {self._chunk} SELECT t.account_id, a.version, '{{\"targets\":[' ||"
            f" CASE WHEN t.number = 1 THEN CAST(t.first AS text) ELSE {several} END || ']}}'"
            f" FROM (SELECT account_id, count(*) AS number, min(version) AS first"
            f" FROM {self._targets} WHERE account_id > ? AND account_id <= ?"
            f" AND class < {_NOTHING} GROUP BY account_id HAVING max(class) = {_REMOVE}) AS t"
            f" CROSS JOIN {self.database.table(ACCOUNTS.name)} AS a"
            f" WHERE a.account_id = t.account_id"
            f" AND NOT EXISTS (SELECT 1 FROM {self._events} AS r"
            # || '' keeps planners from the index on types: an account has few events, and the
            # log may have many reverts.
            " WHERE r.account_id = t.account_id AND r.type || '' = 'events.reverted')"
            f" AND (SELECT position FROM {self._events} AS l"
            " WHERE l.account_id = t.account_id AND l.version = a.version) <= ?",
            (after, last, self.head),
        )
        self.database.analyze(self.session, self._chunk)
        row = self.session.row(f"SELECT count(*) FROM {self._chunk}")
        assert row is not None
        return int(row[0])

    def irregular(self, after: str, last: str) -> list[str]:
        """The accounts of a range that have targets and are not in the chunk."""
        rows = self.session.rows(
            f"SELECT DISTINCT account_id FROM {self._targets} WHERE account_id > ?"
            f" AND account_id <= ? AND class < {_NOTHING}"
            f" AND account_id NOT IN (SELECT account_id FROM {self._chunk}) ORDER BY account_id",
            (after, last),
        )
        return [account_id for (account_id,) in rows]

    def all_in(self, after: str, last: str) -> dict[str, list[int]]:
        """The selected versions of each account of a range, revertible or not."""
        found: dict[str, list[int]] = {}
        for account_id, version in self.session.rows(
            f"SELECT account_id, version FROM {self._targets}"
            " WHERE account_id > ? AND account_id <= ? ORDER BY account_id, version",
            (after, last),
        ):
            found.setdefault(account_id, []).append(version)
        return found

    def first_newer(self, after: str, last: str) -> dict[str, int]:
        """For accounts of a range with events after the head, the first version of those."""
        rows = self.session.rows(
            f"SELECT t.account_id, min(e.version) FROM (SELECT DISTINCT account_id"
            f" FROM {self._targets} WHERE account_id > ? AND account_id <= ?) AS t"
            f" CROSS JOIN {self._events} AS e"
            " WHERE e.account_id = t.account_id AND e.position > ? GROUP BY t.account_id",
            (after, last, self.head),
        )
        return dict(rows)

    def statuses(self, at: int) -> list[Row]:
        """Of the accounts in the chunk, how many go from which status to which."""
        sanctions = self.database.table("sanctions")

        def status(left_out: str) -> str:
            standing = f"SELECT 1 FROM {sanctions} AS s WHERE s.account_id = c.account_id{left_out}"
            return (
                "CASE WHEN a.erased = 1 THEN 'erased' WHEN a.created = 0 THEN 'absent'"
                f" WHEN EXISTS ({standing} AND s.kind = 'deletion') THEN 'deleted'"
                f" WHEN EXISTS ({standing} AND s.kind = 'suspension'"
                " AND (s.until IS NULL OR s.until > ?)) THEN 'suspended' ELSE 'active' END"
            )

        untargeted = (
            f" AND NOT EXISTS (SELECT 1 FROM {self._targets} AS t"
            " WHERE t.account_id = s.account_id AND t.version = s.version)"
        )
        return self.session.rows(
            f"SELECT {status('')}, {status(untargeted)}, count(*) FROM {self._chunk} AS c"
            f" CROSS JOIN {self.database.table('accounts')} AS a"
            " WHERE a.account_id = c.account_id GROUP BY 1, 2",
            (at, at),
        )

    def write_regular(self, writer: Writer, envelope: Envelope, number: int) -> None:
        """Write one revert for each account in the chunk, and what it changes."""
        table = self.database.table
        for name in ("sanctions", "flags"):
            self.session.run(
                f"DELETE FROM {table(name)} WHERE (account_id, version) IN"
                f" (SELECT t.account_id, t.version FROM {self._chunk} AS c"
                f" CROSS JOIN {self._targets} AS t"
                f" WHERE t.account_id = c.account_id AND t.class = {_REMOVE})"
            )
        write_chunk(writer, self._chunk, Draft("", 1, EventsReverted((1,)), envelope), number)


def status_moves(rows: list[Row]) -> Iterator[tuple[Status, Status, int]]:
    """The rows of `Targets.statuses` as statuses and numbers."""
    for before, after, number in rows:
        yield Status(before), Status(after), number
