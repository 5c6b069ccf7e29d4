"""A sweep carried out inside the database: chunks of its targets are judged and acted on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from attrs import define, frozen

from modlog._domain.decisions import ClearFlags, Command, Restore
from modlog._domain.events import (
    AccountFlagged,
    AccountRestored,
    AccountSuspended,
    Draft,
    Envelope,
    Event,
    FlagsCleared,
)
from modlog._domain.guardrails import DELETION_RATE
from modlog._domain.sweeps import Outcome
from modlog._domain.values import to_micros
from modlog._storage.chunks import Statement, events_of_chunk, move, write_chunk
from modlog._storage.database import Database, Session
from modlog._storage.store import Writer
from modlog._storage.sweeps.judging import (
    ERASED,
    NOTHING_IN_FORCE,
    Rules,
    data_of_event,
    refusal_of,
    status_of,
)
from modlog._storage.sweeps.lists import fingerprint, ids_in, listed_sql
from modlog._storage.sweeps.targets import ACTS, Range

_CHUNK: Final = "modlog_sweep_chunk"


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
class SweepChunks:
    """The chunks of a sweep, in one session."""

    database: Database
    session: Session

    def _table(self, name: str) -> str:
        return self.database.table(name)

    def drop_table(self) -> None:
        """Give the room back."""
        self.session.run(f"DROP TABLE {_CHUNK}")

    def make_table(self) -> None:
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
            f" AND type || '' IN ({ACTS})",
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
    ) -> tuple[dict[str, int], bytes]:
        """Do to the targets in a range what a sweep is to do.

        Returns:
            how many have which outcome, and the fingerprint of the ids that were acted on.

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
        listed = ids_in(self.session.row(listed_sql(self.database, _CHUNK)))
        outcomes = self._outcomes_of_chunk()
        if allowed is not None and outcomes.get(Outcome.DONE, 0) > allowed:
            self._refuse_beyond(allowed)
            outcomes = self._outcomes_of_chunk()
        done = f"(SELECT account_id, version, data FROM {_CHUNK} WHERE outcome = '{Outcome.DONE}')"
        if outcomes.get(Outcome.DONE):
            self.session.run(*self._change(judging.command, done, writer.at))
            write_chunk(writer, done, sample, outcomes[Outcome.DONE])
        self.session.run(*self._others(_CHUNK, targets))
        return outcomes, fingerprint(listed)

    def _act_at_once(
        self, writer: Writer, targets: Range, judging: Judging, sample: Draft
    ) -> tuple[dict[str, int], bytes]:
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
            + " SELECT outcome, count(*), NULL FROM settled GROUP BY outcome"
            # From the rows that the other parts took, which may have changed by the next statement.
            f" UNION ALL SELECT NULL, NULL, ({listed_sql(self.database, 'settled')})",
            (*of_judged, *of_setting, *(param for _, params in parts for param in params)),
        )
        outcomes: dict[str, int] = {row[0]: row[1] for row in rows if row[0]}
        if outcomes.get(Outcome.DONE):
            writer.moved(outcomes[Outcome.DONE])
        return outcomes, fingerprint(ids_in(next(row[2:] for row in rows if not row[0])))

    def _judged(self, writer: Writer, targets: Range, judging: Judging) -> Statement:
        """What becomes of each target in a range: as a query, and its parameters.

        Rows of account_id, the version of its next event, outcome, rule, and the event's data.
        """
        data, of_data = data_of_event(self.database, judging.command, writer.at)
        acted, of_acted = (
            self.database.among("t.account_id", judging.acted_on)
            if judging.acted_on
            else ("1 = 0", ())
        )
        refusal, of_refusal = refusal_of(
            self.database, "t.account_id", "coalesce(a.protected, 0)", judging.rules
        )
        judged = (
            "SELECT t.account_id, coalesce(a.version, 0) + 1 AS version, t.rule AS planned_rule,"
            f" t.status AS planned, {status_of(self.database)} AS status, t.protected AS shielded,"
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
        insert_into = self.database.insert_into
        which = f"account_id IN (SELECT account_id FROM {chunk} AS chunk)"
        match command:
            case AccountFlagged():
                return (
                    f"{insert_into('flags')} SELECT account_id, version, CAST(? AS text)"
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
            f"{insert_into('sanctions')} SELECT account_id, version, CAST(? AS text),"
            f" CAST(? AS bigint), CAST(? AS bigint) FROM {chunk} AS chunk ORDER BY account_id",
            (
                "suspension" if isinstance(command, AccountSuspended) else "deletion",
                at,
                None if until is None else to_micros(until),
            ),
        )

    def _others(self, chunk: str, targets: Range) -> Statement:
        """What keeps the outcomes of the accounts of a chunk that are not acted on."""
        return (
            f"{self.database.insert_into('sweep_outcomes')} SELECT CAST(? AS text), account_id,"
            f" outcome, rule FROM {chunk} AS chunk WHERE outcome <> '{Outcome.DONE}'"
            " ORDER BY account_id",
            (targets.batch_id,),
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
