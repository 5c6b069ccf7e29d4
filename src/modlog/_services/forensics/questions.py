"""Questions of those who look into what happened."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import attrgetter

from modlog._domain.account import Account
from modlog._domain.blame import Blame, blame
from modlog._domain.events import RecordedEvent
from modlog._domain.figures import BYS, By, Figures
from modlog._domain.selection import Selection
from modlog._domain.spans import first_held
from modlog._domain.values import shown
from modlog._errors import InvalidInputError
from modlog._services.forensics.differences import AccountChange, diff
from modlog._services.forensics.impacts import Impact, impact
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
        if by not in BYS:
            raise InvalidInputError(f"by must be one of {', '.join(BYS)}, not {shown(by)}")
        selection = self._checked(selection, "stats()")
        with self._work.reader() as reader, self._work.snapshot_in(reader) as snapshot:
            return figures(snapshot, selection, by)

    def impact(self, selection: Selection | None = None) -> Impact:
        """What selected events came to: how far they reach, what stands, who put what right.

        Args:
            selection: the events, as of now: of a batch, an actor, or of `Selection.like`; all if
                left out.
        """
        return impact(self._work, self._checked(selection, "impact()"))


def _view(view: View | Questions) -> View:
    if isinstance(view, Questions):
        return View(view._work)
    if not isinstance(view, View):
        raise InvalidInputError(f"diff() compares views or ledgers, not {shown(view)}")
    return view
