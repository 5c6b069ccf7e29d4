"""Sweeps: planned, looked at, approved by a second person, carried out."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

from attrs import frozen
from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse

from modlog import ModlogError, SweepPlan, SweepState
from modlog._cli.escaping import visible
from modlog.django._admin import shown
from modlog.django._admin.forms import DecisionForm, SweepForm
from modlog.django._admin.pages import LedgerAdmin, Route
from modlog.django._ledgers import log
from modlog.django.middleware import actor_of

_SHOWN: Final = 20
_LISTED: Final = 200


@frozen
class SweepRow:
    """A sweep."""

    name: str
    action: str
    size: int
    state: str
    planned: shown.EventRow
    approved_by: str
    needs_approval: bool
    arguments: str
    counts: list[tuple[str, int]]


class SweepAdmin(LedgerAdmin):
    """Sweeps."""

    def has_add_permission(self, request: Any) -> bool:
        return self.may(request, "plan")

    def routes(self) -> list[Route]:
        return [
            ("", self.listing, "changelist"),
            ("add/", self.planning, "add"),
            ("<path:object_id>/change/", self.one, "change"),
        ]

    def listing(self, request: Any) -> HttpResponse:
        """All sweeps, the newest first."""
        self.demand(request, "view")
        newest = list(log.sweeps())[: -_LISTED - 1 : -1]
        return self.page(
            request,
            "sweep/change_list",
            "Sweeps",
            above=[],
            sweeps=[(self.address("change", one.batch_id), _row(one)) for one in newest],
            add=self.address("add") if self.may(request, "plan") else None,
        )

    # Planning

    def planning(self, request: Any) -> HttpResponse:
        """A new sweep: recorded as a plan, nothing is done yet."""
        self.demand(request, "plan")
        form = SweepForm(request.POST or None)
        if form.is_valid():
            with self.acting(request):
                plan = log.plan_sweep(**form.given())
                self.say(request, f"The sweep of {shown.some(plan.size, 'account')} is planned.")
                return HttpResponseRedirect(self._after_planning(request, plan))
        back = self.address("changelist")
        return self.page(request, "sweep/add_form", "Plan a sweep", form=form, back=back)

    def _after_planning(self, request: Any, plan: SweepPlan) -> str:
        if self.may(request, "view"):
            return self.address("change", plan.batch_id)
        return self.address("add")

    # Looking and deciding

    def one(self, request: Any, object_id: str) -> HttpResponse:
        """A sweep, and what may be done with it."""
        self.demand(request, "view")
        try:
            plan = log.sweep(unquote(object_id))
        except ModlogError as error:
            self.say(request, str(error), messages.WARNING)
            return HttpResponseRedirect(self.address("changelist"))
        form = DecisionForm(request.POST or None)
        if form.is_valid():
            do = form.cleaned_data["do"]
            self.demand(request, do)
            self._decide(request, plan, do, form.cleaned_data["reason"] or None)
            return HttpResponseRedirect(self.address("change", plan.batch_id))
        return self.page(
            request,
            "sweep/change_form",
            plan.batch_id,
            sweep=_row(plan),
            form=form,
            digest=plan.digest,
            statuses=[pair for pair in plan.statuses.items() if pair[1]],
            refusals=[(visible(rule), number) for rule, number in plan.refusals.items()],
            protected=plan.protected,
            outliers=[_outlier(one) for one in plan.outliers(_SHOWN)],
            sample=[visible(one) for one in plan.sample(_SHOWN)],
            reverted=plan.reverted(),
            revert=self._revert(request, plan),
            **self._possible(request, plan),
        )

    def may(self, request: Any, action: str) -> bool:
        """Who may approve may reject."""
        return super().may(request, "approve" if action == "reject" else action)

    def _possible(self, request: Any, plan: SweepPlan) -> dict[str, bool]:
        """What this user may do with it as it is."""
        is_planner = plan.planned.actor == actor_of(request)
        undecided = plan.state is SweepState.PLANNED
        ready = undecided and not plan.needs_approval
        ready = ready or plan.state in (SweepState.APPROVED, SweepState.RUNNING)
        return {
            "may_approve": undecided and self.may(request, "approve") and not is_planner,
            "may_reject": undecided and self.may(request, "approve"),
            "may_execute": ready and self.may(request, "execute"),
            "waits_for_another": undecided and plan.needs_approval and is_planner,
        }

    def _decide(self, request: Any, plan: SweepPlan, do: str, reason: str | None) -> None:
        with self.acting(request):
            if do == "execute":
                counts = plan.execute(actor=actor_of(request)).counts
                told = ", ".join(f"{number:,} {name}" for name, number in counts.items() if number)
                self.say(request, f"The sweep is carried out: {told}.")
            elif do == "approve":
                plan.approve(reason=reason)
                self.say(request, "The sweep is approved.")
            else:
                plan.reject(reason=reason)
                self.say(request, "The sweep is rejected.")

    def _revert(self, request: Any, plan: SweepPlan) -> str | None:
        """Where it can be taken back, by who may."""
        if not (plan.counts["done"] and request.user.has_perm("modlog.revert_account")):
            return None
        found = reverse("admin:modlog_account_revert", current_app=self.admin_site.name)
        return f"{found}?{urlencode({'batch': plan.batch_id})}"


def _row(plan: SweepPlan) -> SweepRow:
    return SweepRow(
        name=visible(plan.batch_id),
        action=plan.action.replace("_", " "),
        size=plan.size,
        state=plan.state,
        planned=shown.event_row(plan.planned),
        approved_by=shown.who(plan.approved_by) if plan.approved_by else "",
        needs_approval=plan.needs_approval,
        arguments=visible(
            ", ".join(f"{k} {v}" for k, v in plan.arguments.items() if v is not None)
        ),
        counts=[(name, number) for name, number in plan.counts.items() if number],
    )


def _outlier(one: Any) -> tuple[str, str, Any, str]:
    return visible(one.account_id), one.status, one.since, ", ".join(one.why)
