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
    Rules,
    ended_by,
    known,
    refusal_of,
    standing,
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
        listed = (
            "(SELECT account_id, status AS planned, protected AS shielded, rule AS planned_rule"
            f" FROM {self._table('sweep_targets')}"
            " WHERE sweep = ? AND account_id > ? AND account_id <= ?)"
        )
        of_list = (targets.key, targets.after, targets.last)
        known_, of_known = known(self.database, listed, judging.command, writer.at, judging.rules)
        refusal, of_refusal = refusal_of(judging.command, judging.rules)
        acted, of_acted = (
            self.database.among("account_id", judging.acted_on)
            if judging.acted_on
            else ("1 = 0", ())
        )
        return (
            # Materialised, so that what is asked of an account is asked once: half the time.
            f"WITH known AS MATERIALIZED ({known_}),"
            f" refused AS (SELECT known.*, coalesce(planned_rule, {refusal}) AS rule FROM known),"
            f" judged AS (SELECT refused.*, CASE WHEN {acted} THEN '{Outcome.ALREADY}'"
            f" {_OTHERWISE} END AS outcome FROM refused)"
            " SELECT account_id, j.stream, coalesce(c.version, 0) + 1, outcome,"
            f" CASE WHEN outcome = '{Outcome.REFUSED}' THEN rule END, data,"
            f" sum(CASE WHEN outcome = '{Outcome.DONE}' THEN 1 ELSE 0 END)"
            " OVER (ORDER BY account_id)"
            f" FROM judged AS j LEFT JOIN {self._table('accounts')} AS c ON c.stream = j.stream",
            (*of_known, *of_list, *of_refusal, *of_acted),
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


_OTHERWISE: Final = (
    f"WHEN status IS NULL AND planned IS NULL THEN '{Outcome.UNKNOWN}'"
    f" WHEN (status = planned) IS NOT TRUE OR protected <> shielded THEN '{Outcome.CHANGED}'"
    f" WHEN rule IS NOT NULL THEN '{Outcome.REFUSED}' ELSE '{Outcome.DONE}'"
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
