"""What a ledger offers a platform that has its accounts already."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Unpack

from modlog._domain.values import Actor
from modlog._services.acting import Circumstances
from modlog._services.adoption.adopting import adopt
from modlog._services.adoption.creating import create_many
from modlog._services.adoption.outcomes import AdoptOutcome, CreateOutcome
from modlog._services.adoption.reconciling import Reconciliation, reconcile
from modlog._services.adoption.rows import Numbered
from modlog._services.work import Work


class SignedUp(Circumstances, total=False):
    """What `create_many` takes besides its own arguments; what is not given is inherited.

    Attributes:
        actor: who does it.
    """

    actor: Actor | None


class Adoption:
    """Accounts in bulk: brought in as they are, created, and compared with the platform's own."""

    _work: Work

    def adopt(
        self,
        rows: Iterable[Mapping[str, object]] | Numbered,
        *,
        batch_id: str | None = None,
        chunk: int = 10_000,
        progress: Callable[[AdoptOutcome], object] | None = None,
        strict: bool = False,
        dry_run: bool = False,
        actor: Actor | None = None,
        reason: str | None = None,
    ) -> AdoptOutcome:
        """Bring in accounts as they are, for a platform that has its users already.

        A row has `account_id`, `at` (when it registered: an aware datetime or ISO 8601 text; None
        where nobody knows), `status` (active, suspended or deleted), and may have `profile` and
        `until` (the end of the suspension; None for never). It becomes an `account.created` that
        occurred then, and a suspension or deletion that is in force from now on. A suspension that
        has ended is none. Accounts that the ledger knows are skipped, whatever their row says, so
        it may be run again, also for who has signed up since; one whose creation was reverted
        comes in again, and one that is erased stays so.

        It is outside of the guardrails, as imports are. Nothing is taken from `acting`: who runs
        an adoption has not imposed these sanctions.

        Args:
            rows: an iterable; it is read as the adoption goes on.
            batch_id: names the adoption in its events; a new name is made if left out.
            chunk: rows a transaction.
            progress: called after each transaction with the outcome so far.
            strict: raise at the first row that is rejected; its chunk is not written.
            dry_run: only tell what would come of it; nothing is written, and no lock is taken. An
                account that stands in two rows of different chunks is counted twice.
            actor: of all the events; ``Actor.system("adoption")`` if left out.
            reason: of all the events; one that says that nobody knows any more if left out.

        Returns:
            how many accounts came in, and as what, how many were known, and of these, how many
            have another status in the ledger (`reconcile` tells which), and which rows were
            rejected and why.

        Raises:
            ImportRejectedError: a row was rejected, with `strict`.
            GuardrailError: the actor's own account is suspended or deleted.
            InvalidInputError: an argument that cannot be; nothing was read.
        """
        return adopt(
            self._work,
            rows,
            batch_id=batch_id,
            chunk=chunk,
            progress=progress,
            strict=strict,
            dry_run=dry_run,
            actor=actor,
            reason=reason,
        )

    def create_many(
        self,
        rows: Iterable[Mapping[str, object]] | Numbered,
        *,
        chunk: int = 10_000,
        progress: Callable[[CreateOutcome], object] | None = None,
        strict: bool = False,
        **given: Unpack[SignedUp],
    ) -> CreateOutcome:
        """Open many accounts, each as `create` would: for sign-ups in bulk.

        A row has `account_id`, and may have `profile` and `at` (when it registered, if not now).
        One whose account exists is rejected, and the rest goes on; so is one that a rule of the
        platform's own refuses.

        Args:
            rows: an iterable; it is read as it goes on.
            chunk: rows a transaction.
            progress: called after each transaction with the outcome so far.
            strict: raise at the first row that is rejected; its chunk is not written.
            **given: actor, reason, policy, batch_id, occurred_at, correlation_id, confidence and
                metadata, of all the events; what is not given comes from `acting`.

        Raises:
            ImportRejectedError: a row was rejected, with `strict`.
            GuardrailError: the actor's own account is suspended or deleted.
            MissingActorError: nobody is named.
            InvalidInputError: an argument that cannot be; nothing was read.
        """
        return create_many(
            self._work, rows, chunk=chunk, progress=progress, strict=strict, given=given
        )

    def reconcile(
        self,
        rows: Iterable[Mapping[str, object]] | Numbered,
        *,
        hard_deletes: bool = False,
        progress: Callable[[Reconciliation], object] | None = None,
    ) -> Reconciliation:
        """Compare a platform's own table with the ledger as it is now; it writes nothing.

        A row has `account_id` and `status`, and may have `until`, which is compared where both
        have the account suspended, and `at` and `profile`, which are not looked at: the rows of
        `adopt` will do. They may come in any order, and none of them is kept: of each account that
        the ledger knows, a bit is. An erased account agrees with a row that says deleted, and with
        no row at all.

        Args:
            rows: an iterable; it is read as the differences are asked for.
            hard_deletes: whether the platform keeps no rows of deleted accounts, so that they are
                not told as unknown there.
            progress: called now and then with the numbers so far.

        Returns:
            an iterator over the differences, which counts them: first those of rows, in their
            order, and then the accounts that no row has, in the order in which the ledger came
            to know them.
        """
        return reconcile(self._work, rows, hard_deletes=hard_deletes, progress=progress)
