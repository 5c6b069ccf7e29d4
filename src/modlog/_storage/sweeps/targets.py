"""Sweeps inside the database: the list of targets, the look at it, the records, the outcomes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from itertools import islice
from typing import Any, Final

from attrs import define, frozen

from modlog._domain.decisions import Command
from modlog._domain.events import (
    RecordedEvent,
)
from modlog._storage.codec import EVENT_COLUMNS, recorded_event
from modlog._storage.database import Database, Row, Session
from modlog._storage.schema import SWEEP_TARGETS
from modlog._storage.selecting import Condition
from modlog._storage.sweeps import lists
from modlog._storage.sweeps.judging import Rules, planned_refusal, status_of
from modlog._storage.sweeps.lists import ListDigest

# What a sweep does to an account, as a list in SQL; an attempt that was refused is none of it.
ACTS: Final = (
    "'account.deleted', 'account.flagged', 'account.restored', 'account.suspended', 'flags.cleared'"
)

_GIVEN: Final = "modlog_given"
_IDS: Final = "modlog_ids"


def sweep_key(batch_id: str, digest: str, at: int) -> bytes:
    """Under which the targets of a sweep are kept.

    The instant at which they were looked at keeps them apart from what a planning that was
    killed has left behind: accounts may have changed since.
    """
    return blake2b(f"{at}/{digest}/{batch_id}".encode(), digest_size=16).digest()


@frozen
class Range:
    """Targets of a sweep: those above one id, up to another."""

    batch_id: str
    key: bytes
    after: str
    last: str


@define
class Sweeping:
    """The tables of sweeps, in one session."""

    database: Database
    session: Session

    def _table(self, name: str) -> str:
        return self.database.table(name)

    # The list

    def gather_ids(self, account_ids: Iterable[str]) -> None:
        """Put ids into a temporary table, each once."""
        self.database.temporary(self.session, _GIVEN, "account_id text")
        ids = iter(account_ids)
        while some := list(islice(ids, lists.PAGE)):
            self.database.fill(self.session, _GIVEN, some)
        self._keep_ids(f"SELECT DISTINCT account_id FROM {_GIVEN} ORDER BY account_id", ())
        self.session.run(f"DROP TABLE {_GIVEN}")

    def gather_selected(self, condition: Condition, head: int) -> None:
        """Put the accounts of the events into a temporary table for which a condition holds."""
        self._keep_ids(
            f"SELECT DISTINCT account_id FROM {self._table('events')}"
            f" WHERE account_id IS NOT NULL AND position <= ? AND {condition.sql}"
            " ORDER BY account_id",
            (head, *condition.params),
        )

    def _keep_ids(self, query: str, params: Sequence[Any]) -> None:
        self.database.temporary(self.session, _IDS, "account_id text", "account_id")
        self.session.run(f"INSERT INTO {_IDS} {query}", params)
        self.database.analyze(self.session, _IDS)

    def size_and_digest(
        self, action: str, arguments: dict[str, Any]
    ) -> tuple[int, str, list[tuple[str, str]]]:
        """How many ids there are, and the SHA-256 of the action, its arguments and the ids.

        With it, the ranges in which the ids were read: above one, up to another.
        """
        digest = ListDigest(action, arguments)
        after, ranges = "", []
        while page := self.ids(after):
            digest.add(page)
            ranges.append((after, page[-1]))
            after = page[-1]
        return digest.size, digest.text(), ranges

    def ids(self, after: str) -> list[str]:
        """The next page of ids."""
        rows = self.session.rows(
            f"SELECT account_id FROM {_IDS} WHERE account_id > ?"
            f" ORDER BY account_id LIMIT {lists.PAGE}",
            (after,),
        )
        return [account_id for (account_id,) in rows]

    def keep_targets(self, targets: Range, command: Command, at: int, rules: Rules) -> None:
        """Keep a page of ids as targets, with what the plan saw of the accounts."""
        known = f"SELECT 1 FROM {self._table('sweep_targets')} WHERE sweep = ? AND account_id = ?"
        if self.session.row(known, (targets.key, targets.last)):
            return  # a page is kept whole or not at all
        refusal, refused = planned_refusal(self.database, command, at, rules)
        self.database.steer(self.session)
        self.session.run(
            f"{self.database.insert_into('sweep_targets')} SELECT ?, i.account_id,"
            f" {status_of(self.database)}, coalesce(a.protected, 0), {refusal}"
            f" FROM {_IDS} AS i LEFT JOIN {self._table('accounts')} AS a"
            " ON a.account_id = i.account_id WHERE i.account_id > ? AND i.account_id <= ?"
            " ORDER BY i.account_id",
            (targets.key, at, *refused, targets.after, targets.last),
        )

    def keep_judged(self, rows: Sequence[Row]) -> None:
        """Keep targets that own rules have looked at, as rows of the table."""
        names = SWEEP_TARGETS.names
        self.session.many(
            f"INSERT INTO {self._table('sweep_targets')} ({', '.join(names)})"
            f" VALUES ({', '.join('?' * len(names))}) ON CONFLICT DO NOTHING",
            rows,
        )

    def judge(
        self, after: str, last: str, command: Command, at: int, rules: Rules
    ) -> dict[str, str]:
        """Which ids of a page the rules refuse, and which rule it is."""
        refusal, refused = planned_refusal(self.database, command, at, rules)
        found = self.session.rows(
            f"SELECT i.account_id, {refusal} FROM {_IDS} AS i"
            f" LEFT JOIN {self._table('accounts')} AS a ON a.account_id = i.account_id"
            " WHERE i.account_id > ? AND i.account_id <= ?",
            (*refused, after, last),
        )
        return {account_id: rule for account_id, rule in found if rule is not None}

    # The look at it

    def planned(self, key: bytes) -> tuple[dict[str, int], dict[str, int], int]:
        """Of the targets: how many have which status, are refused by which rule, are protected."""
        statuses: dict[str, int] = {}
        rules: dict[str, int] = {}
        protected = 0
        for status, rule, shielded, number in self.session.rows(
            f"SELECT status, rule, protected, count(*) FROM {self._table('sweep_targets')}"
            " WHERE sweep = ? GROUP BY 1, 2, 3",
            (key,),
        ):
            statuses[status or "unknown"] = statuses.get(status or "unknown", 0) + number
            if rule:
                rules[rule] = rules.get(rule, 0) + number
            protected += number if shielded else 0
        return dict(sorted(statuses.items())), dict(sorted(rules.items())), protected

    def targets(self, key: bytes, after: str, limit: int) -> list[Row]:
        """The next targets: account_id, status, protected, rule."""
        return self.session.rows(
            "SELECT account_id, status, protected, rule"
            f" FROM {self._table('sweep_targets')} WHERE sweep = ? AND account_id > ?"
            f" ORDER BY account_id LIMIT {limit}",
            (key, after),
        )

    def outliers(self, key: bytes, number: int) -> list[Row]:
        """Known targets that are least like a culprit: never flagged first, then the oldest.

        Rows of account_id, status, protected, whether it was ever flagged, the instant of its
        first event, and whether an import created it.
        """
        events = self._table("events")
        return self.session.rows(
            "SELECT t.account_id, t.status, t.protected, CASE WHEN EXISTS"
            f" (SELECT 1 FROM {events} AS f WHERE f.account_id = t.account_id"
            " AND f.type || '' = 'account.flagged') THEN 1 ELSE 0 END AS flagged,"
            " first.recorded_at, CASE WHEN first.actor_kind = 'system' AND first.actor_id ="
            " 'import' THEN 1 ELSE 0 END"
            f" FROM {self._table('sweep_targets')} AS t CROSS JOIN {events} AS first"
            " WHERE t.sweep = ? AND first.account_id = t.account_id AND first.version = 1"
            f" ORDER BY flagged, first.position LIMIT {number}",
            (key,),
        )

    def active(self, at: int, at_most: int) -> int:
        """How many accounts are active at an instant, counted up to a limit."""
        existing = f"{self._table('accounts')} AS a WHERE a.created = 1 AND a.erased = 0"
        sanctions = f"{self._table('sanctions')} AS s"
        # Most are not sanctioned: where there are that many accounts and sanctions on top, or no
        # sanctions at all, none of them has to be looked up by its account. One statement, so
        # that nobody writes between the two counts.
        number, more = self._numbers(
            f"WITH sanctioned AS (SELECT count(*) AS more FROM (SELECT 1 FROM {sanctions}"
            f" LIMIT {at_most}) AS counted) SELECT (SELECT count(*) FROM (SELECT 1 FROM {existing}"
            f" LIMIT {at_most} + (SELECT more FROM sanctioned)) AS counted), more FROM sanctioned"
        )
        if not more or (more < at_most and number == at_most + more):
            return min(number, at_most)
        (number,) = self._numbers(
            f"SELECT count(*) FROM (SELECT 1 FROM {existing} AND NOT EXISTS (SELECT 1"
            f" FROM {sanctions} WHERE s.account_id = a.account_id"
            " AND (s.kind = 'deletion' OR s.until IS NULL OR s.until > ?))"
            f" LIMIT {at_most}) AS active",
            at,
        )
        return number

    def _numbers(self, sql: str, *params: int) -> list[int]:
        row = self.session.row(sql, params)
        assert row is not None
        return [int(number) for number in row]

    # The records

    def records(self, batch_id: str) -> list[RecordedEvent]:
        """The records of a sweep, in order."""
        rows = self.session.rows(
            f"SELECT {', '.join(EVENT_COLUMNS)} FROM {self._table('events')}"
            " WHERE batch_id = ? AND account_id IS NULL AND foreign_id IS NULL ORDER BY version",
            (batch_id,),
        )
        return [recorded_event(row) for row in rows]

    def decisions_after(self, position: int) -> list[RecordedEvent]:
        """What was planned, approved and rejected after a position, in order."""
        rows = self.session.rows(
            f"SELECT {', '.join(EVENT_COLUMNS)} FROM {self._table('events')} WHERE type IN"
            " ('sweep.planned', 'sweep.approved', 'sweep.rejected') AND position > ?"
            " ORDER BY position",
            (position,),
        )
        return [recorded_event(row) for row in rows]

    def batch_ids(self) -> list[str]:
        """The batches of all sweeps, in the order in which they were planned."""
        rows = self.session.rows(
            f"SELECT batch_id FROM {self._table('events')} WHERE type = 'sweep.planned'"
            " ORDER BY position"
        )
        return [batch_id for (batch_id,) in rows]

    def is_taken(self, batch_id: str) -> bool:
        """Whether any event belongs to a batch, attempts that were refused apart."""
        row = self.session.row(
            f"SELECT 1 FROM {self._table('events')} WHERE batch_id = ?"
            " AND type || '' <> 'action.refused' LIMIT 1",
            (batch_id,),
        )
        return row is not None

    def with_reverts(self, batch_id: str, key: bytes, after: str, last: str) -> dict[str, int]:
        """The next targets that a sweep acted on and that have reverts, and at which version."""
        events = self._table("events")
        rows = self.session.rows(
            f"SELECT t.account_id, e.version FROM {self._table('sweep_targets')} AS t"
            f" CROSS JOIN {events} AS e WHERE t.sweep = ? AND t.account_id > ?"
            " AND t.account_id <= ? AND e.account_id = t.account_id"
            # coalesce keeps planners from the index on batches: an account has few events.
            " AND coalesce(e.batch_id, '') = ?"
            f" AND e.type || '' IN ({ACTS})"
            f" AND EXISTS (SELECT 1 FROM {self._table('accounts')} AS a"
            " WHERE a.account_id = t.account_id AND a.reverted = 1)"
            " ORDER BY t.account_id, e.version LIMIT 1000",
            (key, after, last, batch_id),
        )
        return dict(rows)

    # Outcomes

    def kept_outcomes(self, batch_id: str) -> int:
        """How many accounts are kept as those on which a sweep did not act."""
        row = self.session.row(
            f"SELECT count(*) FROM {self._table('sweep_outcomes')} WHERE batch_id = ?", (batch_id,)
        )
        assert row is not None
        return int(row[0])

    def outcomes(self, batch_id: str, key: bytes, after: str, last: str) -> list[Row]:
        """The next targets that are through: account_id, outcome (NULL for done), rule."""
        return self.session.rows(
            f"SELECT t.account_id, o.outcome, o.rule FROM {self._table('sweep_targets')} AS t"
            f" LEFT JOIN {self._table('sweep_outcomes')} AS o ON o.account_id = t.account_id"
            " AND o.batch_id = ? WHERE t.sweep = ? AND t.account_id > ? AND t.account_id <= ?"
            " ORDER BY t.account_id LIMIT 1000",
            (batch_id, key, after, last),
        )
