"""Sweeps inside the database: the list of targets, the look at it, the records, the outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Final

from attrs import define, frozen

from modlog._domain.decisions import Command
from modlog._domain.events import RecordedEvent
from modlog._domain.sweeps import Sweep
from modlog._domain.values import to_micros
from modlog._storage.codec import recorded_event
from modlog._storage.database import Database, Row, Session
from modlog._storage.projection import EXISTENCE, FLAG, GRAVE, numbers, status_of_stream
from modlog._storage.reading import recorded_sql, selected
from modlog._storage.selecting import Condition
from modlog._storage.sweeps.judging import (
    Rules,
    known,
    refusal_of,
)

TARGET_COLUMNS: Final = ("sweep", "account_id", "status", "protected", "rule")
OUTCOME_COLUMNS: Final = ("batch_id", "account_id", "outcome", "rule")
# What a sweep does to an account, as a list in SQL; an attempt that was refused is none of it.
ACTS: Final = (
    "'account.deleted', 'account.flagged', 'account.restored', 'account.suspended', 'flags.cleared'"
)


def sweep_key(batch_id: str, digest: str, at: int) -> bytes:
    """Under which the targets of a sweep are kept.

    The instant at which they were looked at keeps them apart from what a planning that was
    killed has left behind: accounts may have changed since.
    """
    return blake2b(f"{at}/{digest}/{batch_id}".encode(), digest_size=16).digest()


def key_of(sweep: Sweep) -> bytes:
    """The key of a sweep's targets."""
    planned = sweep.planned
    return sweep_key(str(planned.batch_id), sweep.plan.digest, to_micros(planned.occurred_at))


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

    def selected_ids(self, condition: Condition, head: int) -> list[str]:
        """The accounts of the events up to a head for which a condition holds, by id."""
        rows = self.session.rows(
            f"SELECT DISTINCT s.id {selected(self.database, condition)}"
            " AND s.kind = 'account' AND e.position <= ? ORDER BY s.id",
            (*condition.params, head),
        )
        return [account_id for (account_id,) in rows]

    def keep_targets(
        self, key: bytes, ids: Sequence[str], command: Command, at: int, rules: Rules
    ) -> None:
        """Keep a page of ids as targets, with what the plan saw of the accounts."""
        known = f"SELECT 1 FROM {self._table('sweep_targets')} WHERE sweep = ? AND account_id = ?"
        if self.session.row(known, (key, ids[-1])):
            return  # a page is kept whole or not at all
        looked_at, params = self._looked_at(ids, command, at, rules)
        refusal, refused = refusal_of(command, rules)
        self.session.run(
            f"{looked_at} {self.database.insert_into('sweep_targets')}"
            f" SELECT ?, account_id, status, protected, {refusal} FROM known ORDER BY account_id",
            (*params, key, *refused),
        )

    def keep_judged(self, rows: Sequence[Row]) -> None:
        """Keep targets that own rules have looked at, as rows of the table."""
        self.session.many(
            f"INSERT INTO {self._table('sweep_targets')} ({', '.join(TARGET_COLUMNS)})"
            f" VALUES ({', '.join('?' * len(TARGET_COLUMNS))}) ON CONFLICT DO NOTHING",
            rows,
        )

    def judge(self, ids: Sequence[str], command: Command, at: int, rules: Rules) -> dict[str, str]:
        """Which ids of a page the rules refuse, and which rule it is."""
        looked_at, params = self._looked_at(ids, command, at, rules)
        refusal, refused = refusal_of(command, rules)
        found = self.session.rows(
            f"{looked_at} SELECT account_id, {refusal} FROM known", (*params, *refused)
        )
        return {account_id: rule for account_id, rule in found if rule is not None}

    def _looked_at(
        self, ids: Sequence[str], command: Command, at: int, rules: Rules
    ) -> tuple[str, tuple[Any, ...]]:
        """The beginning of a statement for which the accounts are `known`."""
        given, of_given = self.database.values_query(ids)
        query, of_query = known(self.database, "given", command, at, rules)
        return (
            f"WITH given (account_id) AS MATERIALIZED ({given}), known AS MATERIALIZED ({query})",
            (*of_given, *of_query),
        )

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
        return self.session.rows(
            "SELECT t.account_id, t.status, t.protected, coalesce((SELECT max(1) FROM"
            f" {self._table('spans')} AS f WHERE f.stream = s.number AND f.facet = {FLAG}), 0)"
            " AS flagged, a.recorded_at, CASE WHEN a.actor_kind = 'system'"
            " AND a.actor_id = 'import' THEN 1 ELSE 0 END"
            f" FROM {self._table('sweep_targets')} AS t JOIN {self._table('streams')} AS s"
            " ON s.kind = 'account' AND s.id = t.account_id"
            f" JOIN {self._table('events')} AS e ON e.stream = s.number AND e.version = 1"
            f" JOIN {self._table('acts')} AS a ON a.number = e.act"
            f" WHERE t.sweep = ? ORDER BY flagged, s.number LIMIT {number}",
            (key,),
        )

    def active(self, at: int, at_most: int) -> int:
        """How many accounts are active at an instant, counted up to a limit."""
        spans = f"{self._table('spans')} AS x"
        # Most are not sanctioned: where there are that many accounts and sanctioned ones on top,
        # none of them has to be looked at. One statement, so that nobody writes in between.
        number, more = self._numbers(
            f"WITH grave AS (SELECT count(*) AS more FROM (SELECT 1 FROM {spans}"
            f" WHERE x.facet IN ({numbers(GRAVE)}) AND x.closed IS NULL LIMIT {at_most}) AS g)"
            f" SELECT (SELECT count(*) FROM (SELECT 1 FROM {spans} WHERE x.facet = {EXISTENCE}"
            f" AND x.closed IS NULL LIMIT {at_most} + (SELECT more FROM grave)) AS existing),"
            " more FROM grave"
        )
        if not more or (more < at_most and number == at_most + more):
            return min(number, at_most)
        status = status_of_stream(self.database, "s.number")
        (number,) = self._numbers(
            f"SELECT count(*) FROM (SELECT 1 FROM {self._table('streams')} AS s"
            f" WHERE s.kind = 'account' AND {status} = 'active' LIMIT {at_most}) AS active",
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
            f"{recorded_sql(self.database)} WHERE s.kind = 'sweep' AND s.id = ? ORDER BY e.version",
            (batch_id,),
        )
        return [recorded_event(row) for row in rows]

    def decisions_after(self, position: int) -> list[RecordedEvent]:
        """What was planned, approved and rejected after a position, in order."""
        rows = self.session.rows(
            f"{recorded_sql(self.database)} WHERE a.type IN"
            " ('sweep.planned', 'sweep.approved', 'sweep.rejected') AND a.number > ?"
            " ORDER BY e.position",
            (position,),
        )
        return [recorded_event(row) for row in rows]

    def batch_ids(self) -> list[str]:
        """The batches of all sweeps, in the order in which they were planned."""
        rows = self.session.rows(
            f"SELECT s.id FROM {self._table('acts')} AS a JOIN {self._table('events')} AS e"
            f" ON e.act = a.number JOIN {self._table('streams')} AS s ON s.number = e.stream"
            " WHERE a.type = 'sweep.planned' AND s.kind = 'sweep' ORDER BY e.position"
        )
        return [batch_id for (batch_id,) in rows]

    def batch_ids_with(self, type_name: str, after: int, last: int) -> list[str]:
        """The batches of sweeps that have a record of a type above one position up to another."""
        rows = self.session.rows(
            f"SELECT DISTINCT s.id FROM {self._table('acts')} AS a"
            f" JOIN {self._table('events')} AS e ON e.act = a.number"
            f" JOIN {self._table('streams')} AS s ON s.number = e.stream"
            " WHERE a.type = ? AND a.number > ? AND a.number <= ? ORDER BY s.id",
            (type_name, after, last),
        )
        return [batch_id for (batch_id,) in rows]

    def is_taken(self, batch_id: str) -> bool:
        """Whether any event belongs to a batch, attempts that were refused apart."""
        row = self.session.row(
            f"SELECT 1 FROM {self._table('acts')} WHERE batch_id = ?"
            " AND type <> 'action.refused' LIMIT 1",
            (batch_id,),
        )
        return row is not None

    def with_reverts(self, batch_id: str, after: int) -> list[Row]:
        """The next accounts that a sweep acted on and that have later reverts.

        Rows of the position of what it did, the account's stream and id, and its version.
        """
        events, acts = self._table("events"), self._table("acts")
        return self.session.rows(
            f"SELECT e.position, s.number, s.id, e.version FROM {acts} AS a"
            f" JOIN {events} AS e ON e.act = a.number"
            f" JOIN {self._table('streams')} AS s ON s.number = e.stream"
            f" WHERE a.batch_id = ? AND a.type IN ({ACTS}) AND s.kind = 'account'"
            " AND e.position > ?"
            f" AND EXISTS (SELECT 1 FROM {events} AS r JOIN {acts} AS ra ON ra.number = r.act"
            " WHERE r.stream = e.stream AND r.version > e.version"
            " AND ra.type = 'events.reverted') ORDER BY e.position LIMIT 1000",
            (batch_id, after),
        )

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
