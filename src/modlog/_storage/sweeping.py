"""Sweeps inside the database: the list of targets, the look at it, and a chunk of its events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b, sha256
from itertools import islice
from typing import Any, Final

from attrs import define, frozen

from modlog._ground.decisions import ClearFlags, Command, Restore
from modlog._ground.events import (
    AccountFlagged,
    AccountRestored,
    AccountSuspended,
    Draft,
    Envelope,
    Event,
    FlagsCleared,
    RecordedEvent,
)
from modlog._ground.guardrails import (
    DELETION_RATE,
    OWN_ACCOUNT,
    PROTECTED,
    RESTORED_BY_HUMAN,
)
from modlog._ground.sweeps import Outcome
from modlog._ground.values import to_micros
from modlog._storage.chunks import Statement, events_of_chunk, move, write_chunk
from modlog._storage.codec import EVENT_COLUMNS, canonical, data_text, recorded_event
from modlog._storage.database import Database, Row, Session
from modlog._storage.schema import SWEEP_TARGETS
from modlog._storage.selecting import Condition
from modlog._storage.store import Writer

PAGE: Final = 10_000
# Rules by which the state itself refuses, beside those of the guardrails.
ERASED: Final = "account-erased"
NOTHING_IN_FORCE: Final = "nothing-in-force"

# What a sweep does to an account; an attempt that was refused, say, is none of it.
_ACTED: Final = (
    "account.deleted",
    "account.flagged",
    "account.restored",
    "account.suspended",
    "flags.cleared",
)
_LISTED: Final = ", ".join(f"'{name}'" for name in _ACTED)

_GIVEN: Final = "modlog_given"
_IDS: Final = "modlog_ids"
_CHUNK: Final = "modlog_sweep_chunk"


def sweep_key(batch_id: str, digest: str, at: int) -> bytes:
    """Under which the targets of a sweep are kept.

    The instant at which they were looked at keeps them apart from what a planning that was
    killed has left behind: accounts may have changed since.
    """
    return blake2b(f"{at}/{digest}/{batch_id}".encode(), digest_size=16).digest()


@frozen(kw_only=True)
class Rules:
    """The rules of the guardrails that look at each account of a sweep.

    Attributes:
        spares_protected: leave out protected accounts.
        own_account: leave out this account, the actor's own.
        restored_since: leave out accounts that a human restored after this instant, in
            microseconds; None if the rule does not bind the actor.
    """

    spares_protected: bool
    own_account: str | None
    restored_since: int | None


@frozen
class Range:
    """Targets of a sweep: those above one id, up to another."""

    batch_id: str
    key: bytes
    after: str
    last: str


@frozen
class Judging:
    """What decides what becomes of each target.

    Attributes:
        command: what is to happen to the accounts.
        rules: of the guardrails.
        acted_on: accounts that the batch has acted on already.
    """

    command: Command
    rules: Rules
    acted_on: Sequence[str]


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
        while some := list(islice(ids, PAGE)):
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
        digest = sha256(canonical([action, arguments]))
        size, after, ranges = 0, "", []
        while page := self.ids(after):
            digest.update(canonical(page))
            ranges.append((after, page[-1]))
            size, after = size + len(page), page[-1]
        return size, digest.hexdigest(), ranges

    def ids(self, after: str) -> list[str]:
        """The next page of ids."""
        rows = self.session.rows(
            f"SELECT account_id FROM {_IDS} WHERE account_id > ? ORDER BY account_id LIMIT {PAGE}",
            (after,),
        )
        return [account_id for (account_id,) in rows]

    def keep_targets(self, targets: Range, command: Command, at: int, rules: Rules) -> None:
        """Keep a page of ids as targets, with what the plan saw of the accounts."""
        known = f"SELECT 1 FROM {self._table('sweep_targets')} WHERE sweep = ? AND account_id = ?"
        if self.session.row(known, (targets.key, targets.last)):
            return  # a page is kept whole or not at all
        refusal, refused = self._planned_refusal(command, at, rules)
        self.database.steer(self.session)
        self.session.run(
            f"INSERT INTO {self._table('sweep_targets')} SELECT ?, i.account_id,"
            f" {self._status()}, coalesce(a.protected, 0), {refusal}"
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
        refusal, refused = self._planned_refusal(command, at, rules)
        found = self.session.rows(
            f"SELECT i.account_id, {refusal} FROM {_IDS} AS i"
            f" LEFT JOIN {self._table('accounts')} AS a ON a.account_id = i.account_id"
            " WHERE i.account_id > ? AND i.account_id <= ?",
            (*refused, after, last),
        )
        return {account_id: rule for account_id, rule in found if rule is not None}

    def _planned_refusal(
        self, command: Command, at: int, rules: Rules
    ) -> tuple[str, tuple[Any, ...]]:
        """What refuses account `i`, `a` in the projection, when the sweep is planned, as SQL."""
        refusal, refused = self._refusal("i.account_id", "coalesce(a.protected, 0)", rules)
        data, of_data = self._data(command, at)
        return (
            f"coalesce(CASE WHEN a.erased = 1 THEN '{ERASED}' END, {refusal},"
            f" CASE WHEN a.created = 1 AND {data} IS NULL THEN '{NOTHING_IN_FORCE}' END)",
            (*refused, *of_data),
        )

    def _refusal(self, account: str, protected: str, rules: Rules) -> tuple[str, tuple[Any, ...]]:
        """The first rule that refuses an account, as SQL; NULL if none does."""
        cases: list[str] = []
        params: list[Any] = []
        if rules.spares_protected:
            cases.append(f"WHEN {protected} = 1 THEN '{PROTECTED}'")
        if rules.own_account is not None:
            cases.append(f"WHEN {account} = ? THEN '{OWN_ACCOUNT}'")
            params.append(rules.own_account)
        if rules.restored_since is not None:
            cases.append(
                f"WHEN EXISTS (SELECT 1 FROM {self._table('events')} AS r"
                f" WHERE r.account_id = {account} AND r.actor_kind = 'human'"
                " AND r.type || '' IN ('account.restored', 'events.reverted')"
                f" AND r.recorded_at > ?) THEN '{RESTORED_BY_HUMAN}'"
            )
            params.append(rules.restored_since)
        if not cases:
            return "CAST(NULL AS text)", ()
        return f"CASE {' '.join(cases)} END", tuple(params)

    def _status(self) -> str:
        """The status of account `a` at an instant, its one parameter; NULL if it is unknown."""
        # One aggregate, so that no planner would rather read the sanctions of everybody.
        gravest = (
            "SELECT max(CASE WHEN s.kind = 'deletion' THEN 2"
            " WHEN s.until IS NULL OR s.until > ? THEN 1 END)"
            f" FROM {self._table('sanctions')} AS s WHERE s.account_id = a.account_id"
        )
        return (
            "CASE WHEN a.account_id IS NULL THEN NULL WHEN a.erased = 1 THEN 'erased'"
            " WHEN a.created = 0 THEN NULL ELSE"
            f" CASE ({gravest}) WHEN 2 THEN 'deleted' WHEN 1 THEN 'suspended' ELSE 'active' END END"
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
        row = self.session.row(
            f"SELECT count(*) FROM (SELECT 1 FROM {self._table('accounts')} AS a"
            " WHERE a.created = 1 AND a.erased = 0 AND NOT EXISTS"
            f" (SELECT 1 FROM {self._table('sanctions')} AS s WHERE s.account_id = a.account_id"
            " AND (s.kind = 'deletion' OR s.until IS NULL OR s.until > ?))"
            f" LIMIT {at_most}) AS active",
            (at,),
        )
        assert row is not None
        return int(row[0])

    # The records

    def records(self, batch_id: str) -> list[RecordedEvent]:
        """The records of a sweep, in order."""
        rows = self.session.rows(
            f"SELECT {', '.join(EVENT_COLUMNS)} FROM {self._table('events')}"
            " WHERE batch_id = ? AND account_id IS NULL AND foreign_id IS NULL ORDER BY version",
            (batch_id,),
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
            f" AND e.type || '' IN ({_LISTED})"
            f" AND EXISTS (SELECT 1 FROM {self._table('accounts')} AS a"
            " WHERE a.account_id = t.account_id AND a.reverted = 1)"
            " ORDER BY t.account_id, e.version LIMIT 1000",
            (key, after, last, batch_id),
        )
        return dict(rows)

    # A chunk

    def drop_chunk_table(self) -> None:
        """Give the room back."""
        self.session.run(f"DROP TABLE {_CHUNK}")

    def next_bounds(self, key: bytes, after: str, size: int) -> tuple[str, int] | None:
        """The last id of the next so many targets, and how many they are."""
        row = self.session.row(
            f"SELECT max(account_id), count(*) FROM (SELECT account_id"
            f" FROM {self._table('sweep_targets')} WHERE sweep = ? AND account_id > ?"
            f" ORDER BY account_id LIMIT {size}) AS page",
            (key, after),
        )
        return (row[0], row[1]) if row and row[1] else None

    def make_chunk_table(self) -> None:
        """The temporary table that chunks are worked out in."""
        self.database.temporary(
            self.session,
            _CHUNK,
            "account_id text, version bigint, outcome text, rule text, data text",
            "account_id",
            passing=True,
        )

    def acted_on(self, targets: Range, since: int) -> list[str]:
        """Accounts in a range and behind it that a batch has acted on since a position."""
        rows = self.session.rows(
            f"SELECT DISTINCT account_id FROM {self._table('events')}"
            " WHERE batch_id = ? AND position > ? AND account_id > ?"
            # || '' keeps planners from the index on types.
            f" AND type || '' IN ({_LISTED})",
            (targets.batch_id, since, targets.after),
        )
        return [account_id for (account_id,) in rows]

    def act(
        self,
        writer: Writer,
        targets: Range,
        judging: Judging,
        envelope: Envelope,
        allowed: int | None,
    ) -> dict[str, int]:
        """Do to the targets in a range what a sweep is to do; how many have which outcome.

        Args:
            writer: the transaction.
            targets: the range.
            judging: what decides on each of them.
            envelope: of the events.
            allowed: on how many accounts it may act, if a rate limits it.
        """
        sample = Draft("", 1, _sample(judging.command), envelope)
        self.database.steer(self.session)
        if allowed is None and self.database.writes_at_once:
            return self._act_at_once(writer, targets, judging, sample)
        self._judge_chunk(writer, targets, judging)
        outcomes = self._outcomes_of_chunk()
        if allowed is not None and outcomes.get(Outcome.DONE, 0) > allowed:
            self._refuse_beyond(allowed)
            outcomes = self._outcomes_of_chunk()
        done = f"(SELECT account_id, version, data FROM {_CHUNK} WHERE outcome = '{Outcome.DONE}')"
        if outcomes.get(Outcome.DONE):
            self.session.run(*self._change(judging.command, done, writer.at))
            write_chunk(writer, done, sample, outcomes[Outcome.DONE])
        self.session.run(*self._others(_CHUNK, targets))
        return outcomes

    def _act_at_once(
        self, writer: Writer, targets: Range, judging: Judging, sample: Draft
    ) -> dict[str, int]:
        """One statement: no chunk is written down between the judgement and what it leads to."""
        judged, of_judged = self._judged(writer, targets, judging)
        setting, of_setting = move(writer, sample)
        parts = (
            events_of_chunk(writer, "moved", sample),
            self._change(judging.command, "moved", writer.at),
            self._others("settled", targets),
        )
        rows = self.session.rows(
            f"WITH settled AS MATERIALIZED ({judged}),"
            f" moved AS (UPDATE {self._table('accounts')} AS a SET {setting} FROM settled AS t"
            f" WHERE a.account_id = t.account_id AND t.outcome = '{Outcome.DONE}'"
            " RETURNING a.account_id, a.version, t.data), "
            + ", ".join(f"part_{i} AS ({sql})" for i, (sql, _) in enumerate(parts))
            + " SELECT outcome, count(*) FROM settled GROUP BY outcome",
            (*of_judged, *of_setting, *(param for _, params in parts for param in params)),
        )
        outcomes: dict[str, int] = dict(rows)
        if outcomes.get(Outcome.DONE):
            writer.moved(outcomes[Outcome.DONE])
        return outcomes

    def _judged(self, writer: Writer, targets: Range, judging: Judging) -> Statement:
        """What becomes of each target in a range: as a query, and its parameters.

        Rows of account_id, the version of its next event, outcome, rule, and the event's data.
        """
        data, of_data = self._data(judging.command, writer.at)
        acted, of_acted = (
            self.database.among("t.account_id", judging.acted_on)
            if judging.acted_on
            else ("1 = 0", ())
        )
        refusal, of_refusal = self._refusal("t.account_id", "0", judging.rules)
        judged = (
            "SELECT t.account_id, coalesce(a.version, 0) + 1 AS version, t.rule AS planned_rule,"
            f" t.status AS planned, {self._status()} AS status, t.protected AS shielded,"
            f" coalesce(a.protected, 0) AS protected, {refusal} AS rule, {data} AS data,"
            f" CASE WHEN {acted} THEN 1 ELSE 0 END AS acted"
            f" FROM {self._table('sweep_targets')} AS t LEFT JOIN {self._table('accounts')} AS a"
            " ON a.account_id = t.account_id"
            " WHERE t.sweep = ? AND t.account_id > ? AND t.account_id <= ? ORDER BY t.account_id"
        )
        return (
            # Materialised, so that what is asked of an account is asked once.
            f"WITH judged AS MATERIALIZED ({judged}), settled AS (SELECT account_id, version,"
            f" {_OUTCOME} AS outcome, {_RULE} AS rule, data FROM judged)"
            f" SELECT account_id, version, outcome, CASE WHEN outcome = '{Outcome.REFUSED}'"
            " THEN rule END AS rule, data FROM settled",
            (
                writer.at,
                *of_refusal,
                *of_data,
                *of_acted,
                targets.key,
                targets.after,
                targets.last,
            ),
        )

    def _judge_chunk(self, writer: Writer, targets: Range, judging: Judging) -> None:
        """Put what becomes of each target in a range into the chunk."""
        judged, params = self._judged(writer, targets, judging)
        self.database.empty(self.session, _CHUNK)
        self.session.run(f"INSERT INTO {_CHUNK} {judged}", params)
        self.database.analyze(self.session, _CHUNK)

    def _refuse_beyond(self, allowed: int) -> None:
        """Let the rate refuse all but so many of the accounts that would be acted on."""
        self.session.run(
            f"UPDATE {_CHUNK} SET outcome = '{Outcome.REFUSED}', rule = ?"
            f" WHERE outcome = '{Outcome.DONE}' AND account_id > coalesce((SELECT max(account_id)"
            f" FROM (SELECT account_id FROM {_CHUNK} WHERE outcome = '{Outcome.DONE}'"
            f" ORDER BY account_id LIMIT {allowed}) AS allowed), '')",
            (DELETION_RATE,),
        )

    def _outcomes_of_chunk(self) -> dict[str, int]:
        """How many accounts of the chunk have which outcome."""
        return dict(self.session.rows(f"SELECT outcome, count(*) FROM {_CHUNK} GROUP BY outcome"))

    def _change(self, command: Command, chunk: str, at: int) -> Statement:
        """What the events of a chunk change in the projection beside the accounts."""
        flags, sanctions = self._table("flags"), self._table("sanctions")
        which = f"account_id IN (SELECT account_id FROM {chunk} AS chunk)"
        match command:
            case AccountFlagged():
                return (
                    f"INSERT INTO {flags} SELECT account_id, version, CAST(? AS text)"
                    f" FROM {chunk} AS chunk ORDER BY account_id",
                    (command.label,),
                )
            case ClearFlags():
                return f"DELETE FROM {flags} WHERE {which}", ()
            case Restore():
                return (
                    f"DELETE FROM {sanctions} WHERE {which} AND since <= ?"
                    " AND (until IS NULL OR until > ?)",
                    (at, at),
                )
        until = command.until if isinstance(command, AccountSuspended) else None
        return (
            f"INSERT INTO {sanctions} SELECT account_id, version, CAST(? AS text),"
            f" CAST(? AS bigint), CAST(? AS bigint) FROM {chunk} AS chunk ORDER BY account_id",
            (
                "suspension" if isinstance(command, AccountSuspended) else "deletion",
                at,
                None if until is None else to_micros(until),
            ),
        )

    def _data(self, command: Command, at: int) -> tuple[str, tuple[Any, ...]]:
        """The data of an account's event, as SQL; NULL if there is nothing to act on."""
        match command:
            case ClearFlags():
                return self._numbered("flags", "flags", "")
            case Restore():
                sql, _ = self._numbered(
                    "lifts", "sanctions", " AND x.since <= ? AND (x.until IS NULL OR x.until > ?)"
                )
                return sql, (at, at)
        return "CAST(? AS text)", (data_text(command),)

    def _numbered(self, name: str, table: str, condition: str) -> tuple[str, tuple[Any, ...]]:
        listed = self.database.joined("version")
        return (
            f"(SELECT '{{\"{name}\":[' || {listed} || ']}}' FROM (SELECT x.version"
            f" FROM {self._table(table)} AS x WHERE x.account_id = a.account_id{condition}"
            " ORDER BY x.version) AS standing)",
            (),
        )

    def _others(self, chunk: str, targets: Range) -> Statement:
        """What keeps the outcomes of the accounts of a chunk that are not acted on."""
        return (
            f"INSERT INTO {self._table('sweep_outcomes')} SELECT CAST(? AS text), account_id,"
            f" outcome, rule FROM {chunk} AS chunk WHERE outcome <> '{Outcome.DONE}'"
            " ORDER BY account_id",
            (targets.batch_id,),
        )

    # Outcomes

    def outcomes(self, batch_id: str, key: bytes, after: str, last: str) -> list[Row]:
        """The next targets that are through: account_id, outcome (NULL for done), rule."""
        return self.session.rows(
            f"SELECT t.account_id, o.outcome, o.rule FROM {self._table('sweep_targets')} AS t"
            f" LEFT JOIN {self._table('sweep_outcomes')} AS o ON o.account_id = t.account_id"
            " AND o.batch_id = ? WHERE t.sweep = ? AND t.account_id > ? AND t.account_id <= ?"
            " ORDER BY t.account_id LIMIT 1000",
            (batch_id, key, after, last),
        )


_OUTCOME: Final = (
    f"CASE WHEN acted = 1 THEN '{Outcome.ALREADY}'"
    f" WHEN status IS NULL AND planned IS NULL THEN '{Outcome.UNKNOWN}'"
    f" WHEN (status = planned) IS NOT TRUE OR protected <> shielded THEN '{Outcome.CHANGED}'"
    " WHEN planned_rule IS NOT NULL OR rule IS NOT NULL OR status = 'erased' OR data IS NULL"
    f" THEN '{Outcome.REFUSED}' ELSE '{Outcome.DONE}' END"
)
_RULE: Final = (
    f"coalesce(planned_rule, rule, CASE WHEN status = 'erased' THEN '{ERASED}'"
    f" WHEN data IS NULL THEN '{NOTHING_IN_FORCE}' END)"
)


def _sample(command: Command) -> Event:
    """An event of the kind that a command leads to; its data are each account's own."""
    match command:
        case ClearFlags():
            return FlagsCleared((1,))
        case Restore():
            return AccountRestored((1,))
    return command
