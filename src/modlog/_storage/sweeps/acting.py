"""A sweep carried out inside the database: chunks of its targets are judged and acted on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from attrs import define, frozen

from modlog._domain.decisions import ClearFlags, Command, Restore
from modlog._domain.events import AccountRestored, Draft, Envelope, Event, FlagsCleared
from modlog._domain.guardrails import DELETION_RATE
from modlog._domain.sweeps import Outcome
from modlog._storage.chunks import Ending, Statement, write_chunk
from modlog._storage.database import Database, Session
from modlog._storage.sweeps.judging import (
    ERASED,
    NOTHING_IN_FORCE,
    Rules,
    data_of_event,
    ended_by,
    is_protected,
    known_targets,
    refusal_of,
    standing,
    status_of,
)
from modlog._storage.sweeps.lists import fingerprint, ids_in, listed_sql
from modlog._storage.sweeps.targets import ACTS, Range
from modlog._storage.writing import Writer

_CHUNK: Final = "modlog_chunk"
_DONE: Final = f"(SELECT * FROM {_CHUNK} WHERE outcome = '{Outcome.DONE}')"


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

    def acted_on(self, targets: Range, since: int) -> list[str]:
        """Accounts in a range and behind it that a batch has acted on since a position."""
        # CROSS JOIN, or SQLite without ANALYZE goes through all accounts: 268 ms of 60,000, not 0.
        rows = self.session.rows(
            f"SELECT DISTINCT s.id FROM {self._table('acts')} AS a"
            f" CROSS JOIN {self._table('events')} AS e CROSS JOIN {self._table('streams')} AS s"
            " WHERE e.act = a.number AND s.number = e.stream AND s.kind = 'account'"
            f" AND a.batch_id = ? AND a.number > ? AND s.id > ? AND a.type IN ({ACTS})",
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

        Args:
            writer: the transaction.
            targets: the range.
            judging: what decides on each of them.
            envelope: of the events.
            allowed: on how many accounts it may act, if a rate limits it.

        Returns:
            how many have which outcome, and the fingerprint of the targets that were read.
        """
        self._judge(writer, targets, judging)
        listed = ids_in(self.session.row(listed_sql(self.database, _CHUNK)))
        if allowed is not None:
            self._refuse_beyond(allowed)
        outcomes: dict[str, int] = dict(
            self.session.rows(f"SELECT outcome, count(*) FROM {_CHUNK} GROUP BY outcome")
        )
        done = outcomes.get(Outcome.DONE, 0)
        if done:
            sample = Draft("", 1, _sample(judging.command), envelope)
            write_chunk(writer, _DONE, sample, done, _ending(judging.command, writer.at))
        if done < sum(outcomes.values()):
            self.session.run(*self._others(targets))
        return outcomes, fingerprint(listed)

    def _judge(self, writer: Writer, targets: Range, judging: Judging) -> None:
        """Put what becomes of each target in a range into the chunk."""
        self.database.passing(
            self.session,
            _CHUNK,
            "account_id text, stream bigint, version bigint, outcome text, rule text, data text,"
            " ordinal bigint",
        )
        sql, params = self._judged(writer, targets, judging)
        self.session.run(f"INSERT INTO {_CHUNK} {sql}", params)
        self.database.analyze(self.session, _CHUNK)

    def _judged(self, writer: Writer, targets: Range, judging: Judging) -> Statement:
        data, of_data = data_of_event(self.database, judging.command, writer.at)
        acted, of_acted = (
            self.database.among("t.account_id", judging.acted_on)
            if judging.acted_on
            else ("1 = 0", ())
        )
        protected = is_protected(self.database)
        refusal, of_refusal = refusal_of(self.database, protected, judging.rules)
        listed = (
            f"(SELECT * FROM {self._table('sweep_targets')}"
            " WHERE sweep = ? AND account_id > ? AND account_id <= ?)"
        )
        judged = (
            "SELECT t.account_id, s.number AS stream, coalesce(c.version, 0) + 1 AS version,"
            f" t.rule AS planned_rule, t.status AS planned, {status_of(self.database)} AS status,"
            f" t.protected AS shielded, {protected} AS protected,"
            f" {refusal} AS rule, {data} AS data, CASE WHEN {acted} THEN 1 ELSE 0 END AS acted"
            f" FROM {known_targets(self.database, listed)}"
        )
        lacks = "data IS NULL" if ended_by(judging.command) else "1 = 0"
        outcome, rule = _OUTCOME.format(lacks=lacks), _RULE.format(lacks=lacks)
        return (
            # Materialised, so that what is asked of an account is asked once: half the time.
            f"WITH judged AS MATERIALIZED ({judged}), settled AS (SELECT account_id, stream,"
            f" version, {outcome} AS outcome, {rule} AS rule, data FROM judged)"
            " SELECT account_id, stream, version, outcome,"
            f" CASE WHEN outcome = '{Outcome.REFUSED}' THEN rule END, data,"
            f" sum(CASE WHEN outcome = '{Outcome.DONE}' THEN 1 ELSE 0 END)"
            " OVER (ORDER BY account_id) FROM settled",
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

    def _refuse_beyond(self, allowed: int) -> None:
        """Let the rate refuse all but so many of the accounts that would be acted on."""
        self.session.run(
            f"UPDATE {_CHUNK} SET outcome = '{Outcome.REFUSED}', rule = ?"
            f" WHERE outcome = '{Outcome.DONE}' AND ordinal > ?",
            (DELETION_RATE, allowed),
        )

    def _others(self, targets: Range) -> Statement:
        """What keeps the outcomes of the accounts of the chunk that are not acted on."""
        return (
            f"{self.database.insert_into('sweep_outcomes')} SELECT CAST(? AS text), account_id,"
            f" outcome, rule FROM {_CHUNK} WHERE outcome <> '{Outcome.DONE}' ORDER BY account_id",
            (targets.batch_id,),
        )


_OUTCOME: Final = (
    f"CASE WHEN acted = 1 THEN '{Outcome.ALREADY}'"
    f" WHEN status IS NULL AND planned IS NULL THEN '{Outcome.UNKNOWN}'"
    f" WHEN (status = planned) IS NOT TRUE OR protected <> shielded THEN '{Outcome.CHANGED}'"
    " WHEN planned_rule IS NOT NULL OR rule IS NOT NULL OR status = 'erased' OR {lacks}"
    f" THEN '{Outcome.REFUSED}' ELSE '{Outcome.DONE}' END"
)
_RULE: Final = (
    f"coalesce(planned_rule, rule, CASE WHEN status = 'erased' THEN '{ERASED}'"
    f" WHEN {{lacks}} THEN '{NOTHING_IN_FORCE}' END)"
)


def _ending(command: Command, at: int) -> Ending | None:
    facet = ended_by(command)
    return Ending(_DONE, *standing(facet, at)) if facet else None


def _sample(command: Command) -> Event:
    """An event of the kind that a command leads to; its data are each account's own."""
    match command:
        case ClearFlags():
            return FlagsCleared((1,))
        case Restore():
            return AccountRestored((1,))
    return command
