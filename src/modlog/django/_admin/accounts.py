"""Accounts: found, looked at, restored, and what happened to them taken back."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from attrs import frozen
from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.paginator import Paginator
from django.http import HttpResponse, HttpResponseRedirect

from modlog import (
    Account,
    AccountNotFoundError,
    ModlogError,
    RevertOutcome,
    RevertPlan,
    Selection,
    Status,
)
from modlog._cli.escaping import visible
from modlog.django._admin import shown
from modlog.django._admin.forms import RestoreForm, RevertForm, SearchForm, SelectionForm
from modlog.django._admin.pages import LedgerAdmin, Route
from modlog.django._ledgers import log

_SHOWN: Final = 100
_PAGE: Final = 100


class AccountAdmin(LedgerAdmin):
    """Accounts."""

    def routes(self) -> list[Route]:
        return [
            ("", self.listing, "changelist"),
            ("revert/", self.taking_back, "revert"),
            ("<path:object_id>/restore/", self.restoring, "restore"),
            ("<path:object_id>/change/", self.one, "change"),
        ]

    # Looking

    def listing(self, request: Any) -> HttpResponse:
        """Search by id, and the accounts of each status."""
        self.demand(request, "view")
        search, status = SearchForm(request.GET), request.GET.get("status", "")
        asked = search.cleaned_data["q"] if search.is_valid() else ""
        if asked and self._is_known(asked):
            return HttpResponseRedirect(self.address("change", asked))
        found, more = shown.first(self._found(asked, status), _SHOWN)
        return self.page(
            request,
            "account/change_list",
            "Accounts",
            above=[],
            asked=asked,
            status=status,
            counts=[(str(one), number) for one, number in log.count().items()],
            accounts=[(self.address("change", one.id), shown.account_row(one)) for one in found],
            more=more,
        )

    def _is_known(self, account_id: str) -> bool:
        try:
            log.account(account_id)
        except ModlogError:  # nor is one whose id cannot be
            return False
        return True

    def _found(self, asked: str, status: str) -> Any:
        if asked:
            return map(log.account, log.names_from("account", asked))
        return log.accounts(status=Status(status) if status in set(Status) else None)

    def one(self, request: Any, object_id: str) -> HttpResponse:
        """An account: what it is, what stands against it, and all that happened to it."""
        self.demand(request, "view")
        account_id = unquote(object_id)
        try:
            history, account = log.history(account_id), log.account(account_id)
        except ModlogError as error:
            return self._unknown(request, error)
        pages = Paginator(shown.timeline(history), _PAGE)
        return self.page(
            request,
            "account/change_form",
            account_id,
            account=shown.account_row(account),
            sanctions=shown.sanctions(account, history),
            events=pages.get_page(request.GET.get("p")),
            may_restore=self.may(request, "restore"),
            may_revert=self.may(request, "revert"),
            restore=self.address("restore", account_id),
            revert=self.address("revert"),
        )

    def _unknown(self, request: Any, error: ModlogError) -> HttpResponse:
        self.say(request, str(error), messages.WARNING)
        return HttpResponseRedirect(self.address("changelist"))

    # Restoring

    def restoring(self, request: Any, object_id: str) -> HttpResponse:
        """What lifting some sanctions comes to; and, if that is meant, doing it."""
        self.demand(request, "restore")
        account_id = unquote(object_id)
        try:
            account, history = log.account(account_id), log.history(account_id)
        except AccountNotFoundError as error:
            return self._unknown(request, error)
        standing = shown.sanctions(account, history)
        asked = set(request.POST.getlist("lifts") or request.GET.getlist("lifts"))
        lifted = [one for one in standing if str(one.version) in asked]
        if not lifted:
            self.say(request, "Choose what is to be lifted.", messages.WARNING)
            return HttpResponseRedirect(self.address("change", account_id))
        given = {"lifts": [one.version for one in lifted], "version": account.version}
        form = RestoreForm([one.version for one in standing], request.POST or None, initial=given)
        if form.is_valid() and self._restored(request, account_id, form):
            return HttpResponseRedirect(self.address("change", account_id))
        return self.page(
            request,
            "account/restore",
            f"Restore {account_id}",
            above=self._above(account_id),
            account=shown.account_row(account),
            after=self._after(account, given["lifts"]),
            lifted=lifted,
            left=[one for one in standing if one not in lifted],
            form=form,
            back=self.address("change", account_id),
        )

    def _above(self, account_id: str) -> list[tuple[str, str]]:
        name = visible(account_id)
        return [
            (self.address("changelist"), "Accounts"),
            (self.address("change", account_id), name),
        ]

    def _after(self, account: Account, lifts: object) -> str:
        """The status that the account would have."""
        record = {"do": "restore", "account_id": account.id, "lifts": lifts}
        record |= {"reason": "?", "actor": {"kind": "system", "id": "preview"}}
        return log.with_([record]).account(account.id).status

    def _restored(self, request: Any, account_id: str, form: RestoreForm) -> bool:
        with self.acting(request):
            log.restore(
                account_id,
                lifts=form.cleaned_data["lifts"],
                expected_version=form.cleaned_data["version"],
                **form.why(),
            )
            self.say(request, f"What was chosen is lifted: {log.account(account_id).status}.")
            return True
        return False

    # Taking back

    def taking_back(self, request: Any) -> HttpResponse:
        """What taking events back comes to; and, if that is meant, doing it."""
        self.demand(request, "revert")
        asked = SelectionForm(request.POST or request.GET)
        with self.acting(request):
            selection = asked.selection()
            if selection is not None:
                return self._revert(request, asked, selection)
            self.say(request, "Choose what is to be taken back.", messages.WARNING)
        return HttpResponseRedirect(self._back(request.GET.get("account")))

    def _revert(self, request: Any, asked: SelectionForm, selection: Selection) -> HttpResponse:
        sight = _sight(log.plan_revert(selection))
        form = RevertForm(request.POST or None, initial={"shown": sight.digest})
        if form.is_valid():
            if form.cleaned_data["shown"] == sight.digest:
                return self._reverted(request, sight.plan.apply(**form.why()), asked)
            self.say(
                request,
                "Something has happened meanwhile: this is what it would come to now.",
                messages.WARNING,
            )
            form.data = form.data.copy()
            form.data["shown"] = sight.digest
        return self.page(
            request,
            "account/revert",
            "Take events back",
            plan=sight.plan,
            moves=sorted(sight.plan.moves.items()),
            irreversible=sorted(sight.plan.irreversible.items()),
            changes=[(self.address("change", row.id), row) for row in sight.rows],
            more=sight.more,
            form=form,
            asked=[
                *(("position", position) for position in asked.cleaned_data["position"]),
                *((name, asked.cleaned_data[name]) for name in ("batch", "account")),
                ("head", asked.cleaned_data["head"] or sight.plan.head),
            ],
            back=self._back(asked.cleaned_data["account"]),
        )

    def _back(self, account_id: str | None) -> str:
        return self.address("change", account_id) if account_id else self.address("changelist")

    def _reverted(self, request: Any, outcome: RevertOutcome, asked: SelectionForm) -> HttpResponse:
        self.say(
            request,
            f"Taken back: {shown.some(outcome.targets, 'event')} of "
            f"{shown.some(outcome.reverted, 'account')}, as batch {outcome.batch_id}, which can "
            "be taken back itself.",
        )
        for left, why in ((outcome.refused, "a guardrail"), (outcome.changed, "newer events")):
            if left:
                names = ", ".join(left[:10])
                self.say(request, f"{len(left):,} left alone for {why}: {names}", messages.WARNING)
        return HttpResponseRedirect(self._back(asked.cleaned_data["account"]))


@frozen
class _Sight:
    """A plan as it is seen: its numbers, its first lines, and a digest of them."""

    plan: RevertPlan
    rows: list[shown.ChangeRow]
    more: bool
    digest: str


def _sight(plan: RevertPlan) -> _Sight:
    lines, more = shown.first(plan.lines(), _SHOWN)
    rows = [shown.change_row(line) for line in lines]
    numbers = (plan.accounts, plan.targets, plan.idle, plan.unprotects)
    seen = repr((numbers, sorted(plan.moves.items()), sorted(plan.irreversible.items()), rows))
    return _Sight(plan, rows, more, hashlib.sha256(seen.encode()).hexdigest())
