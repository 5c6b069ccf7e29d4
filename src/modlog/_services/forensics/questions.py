"""Questions of those who look into what happened."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from operator import attrgetter
from typing import Any

from modlog._domain.account import Account
from modlog._domain.blame import Blame, blame
from modlog._domain.events import RecordedEvent
from modlog._domain.figures import By, Figures, checked_by
from modlog._domain.selection import Selection, checked_selection
from modlog._domain.spans import first_held
from modlog._domain.statements import Statement
from modlog._domain.values import checked_callable, checked_iterable, checked_text, shown
from modlog._errors import InvalidInputError
from modlog._services.forensics.differences import AccountChange, diff
from modlog._services.forensics.dsa.records import DsaRecord, dsa_records
from modlog._services.forensics.impacts import Impact, impact
from modlog._services.forensics.reports import Report, ReportProgress, report
from modlog._services.questions import Questions
from modlog._services.views import ClockName, View, check_clock
from modlog._storage.figures import figures


class Forensics(Questions):
    """What a ledger answers about what happened, who did it, and what it came to."""

    def diff(self, before: View | Questions, after: View | Questions) -> Iterator[AccountChange]:
        """The accounts in which two views differ, in the order of their ids, streaming.

        Args:
            before: a view, or the ledger itself for the present.
            after: likewise.
        """
        return diff(_view(before), _view(after))

    def blame(self, account_id: str) -> list[Blame]:
        """For each facet of an account, the event that made it so, or took it away.

        The facets are its existence, each key of its profile, each flag, each sanction, and
        its protection.

        Raises:
            AccountNotFoundError: the ledger has no event of it.
        """
        return blame(self.history(account_id))

    def statement(self, account_id: str, *, names: bool = False) -> Statement:
        """What was done to an account and what of it stands now, for its owner.

        It tells of nobody else's account, nor who acted. Reasons are told as they were recorded:
        whatever they name, it names.

        Args:
            account_id: the account.
            names: whether to tell who acted, too.

        Raises:
            AccountNotFoundError: the ledger has no event of it.
        """
        return _view(self).statement(account_id, names=names)

    def bisect(
        self,
        account_id: str,
        predicate: Callable[[Account], object],
        *,
        clock: ClockName = "recorded",
    ) -> RecordedEvent | None:
        """The event after which something first held of an account; None if it never did.

        Args:
            account_id: the account.
            predicate: called with the `Account` as it was after each of its events in turn; what
                it returns is taken for true or false. It need not have held ever since.
            clock: at which instant of each event that is: when it was "recorded", or when it
                "occurred", as imported history needs it: a suspension may have ended long before
                it was recorded.

        Raises:
            AccountNotFoundError: the ledger has no event of it.
        """
        if not callable(predicate):
            raise InvalidInputError(f"predicate must be something to call, not {shown(predicate)}")
        check_clock(clock)
        instant = attrgetter(f"{clock}_at")
        return first_held(self.history(account_id), account_id, predicate, instant)

    def stats(self, selection: Selection | None = None, by: By = "actor") -> list[Figures]:
        """Figures of sanctions and flags: how many, and what became of them up to now.

        Args:
            selection: the events that imposed them; all if left out. Who lifted what later need
                not be selected.
            by: what each of the `Figures` is of: "actor", "actor_kind", "policy", "batch",
                "label" (flags alone), "day" or "hour".

        Returns:
            a list, most sanctions first, then most flags, then by `by`.
        """
        by, selection = checked_by(by), checked_selection(selection, "stats()")
        with self._work.reader() as reader, self._work.snapshot_in(reader) as snapshot:
            return figures(snapshot, selection, by)

    def impact(self, selection: Selection | None = None) -> Impact:
        """What selected events came to: how far they reach, what stands, who put what right.

        Args:
            selection: the events, as of now: of a batch, an actor, or of `Selection.like`; all if
                left out.
        """
        return impact(self._work, checked_selection(selection, "impact()"))

    def dsa(
        self, selection: Selection | None = None, *, policies: Mapping[str, Any]
    ) -> Iterator[DsaRecord]:
        """Deletions and suspensions as statements for the EU's DSA Transparency Database.

        In the order of their positions, streaming; those recorded after the call are left out.
        Each is checked against the database's rules. What is missing is listed, never made up.

        Args:
            selection: the events, of which the sanctions are taken; all if left out.
            policies: what the platform's policies mean: `policies` (code → attributes),
                `defaults` (attributes of every statement), `puid_prefix`, `facts_from_reason`.

        Raises:
            InvalidInputError: policies with what no statement can have; jsonschema is not
                installed.
        """
        return dsa_records(self._work, checked_selection(selection, "dsa()"), policies)

    def report(
        self,
        selection: Selection | None = None,
        *,
        profile: Collection[str] = (),
        progress: Callable[[ReportProgress], object] | None = None,
    ) -> Report:
        """All that a report of an incident tells, gathered at one moment.

        Every account of it is replayed from its events, and held against what the ledger shows.

        Args:
            selection: the events, as of now; all if left out.
            profile: keys of profiles that are told as well, such as "nickname".
            progress: called now and then with how many accounts were looked at.
        """
        selection = checked_selection(selection, "report()")
        keys = [checked_text(key, "profile") for key in checked_iterable(profile, "profile")]
        checked_callable(progress, "progress")
        return report(self._work, selection, keys, progress)


def _view(view: View | Questions) -> View:
    if isinstance(view, Questions):
        return View(view._work)
    if not isinstance(view, View):
        raise InvalidInputError(f"diff() compares views or ledgers, not {shown(view)}")
    return view
