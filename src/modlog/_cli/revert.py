"""Taking events back from the command line."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

import click

from modlog._cli.acting import actor_of, as_actor, ask, bar, yes
from modlog._cli.calling import NO, complain, options, print_json, writing
from modlog._cli.selecting import selecting
from modlog._domain.selection import Selection
from modlog._errors import MissingReasonError
from modlog._services.reverts.plans import RevertOutcome, RevertPlan

_SHOWN = 10


@click.command()
@selecting
@click.option("--reason", help="Why, in words; due unless with --dry-run.")
@click.option("--dry-run", is_flag=True, help="Only show what it would come to.")
@click.option(
    "--name",
    metavar="NAME",
    help="Of the revert itself; the same again goes on where it stopped.",
)
@as_actor
@yes
@options
def revert(
    *,
    selection: Selection,
    reason: str | None,
    dry_run: bool,
    name: str | None,
    actor: str,
    own_account: str | None,
    yes: bool,
    url: str,
    schema: str | None,
    as_json: bool,
) -> None:
    """Take back a batch, or any selection of events.

    The result is the history in which they had never happened. The exit code is 1 if there is
    nothing to take back, or if accounts were left alone.

    Example: modlog revert --batch clean-up-0309 --reason "a mistake" --as human:mei --dry-run
    """
    who = actor_of(actor, own_account)
    if not (dry_run or reason):
        raise MissingReasonError("modlog revert needs --reason")
    with writing(url, schema) as log:
        plan = log.plan_revert(selection)
        if dry_run:
            _show(plan, as_json)
        if not plan.accounts:
            complain("there is nothing to take back: no such events")
            click.get_current_context().exit(NO)
        if dry_run:
            return
        if not yes:
            _ask(plan)
        with bar("to revert") as move:
            outcome = plan.apply(batch_id=name, actor=who, reason=reason, progress=move)
    _tell(outcome, as_json)


def _ask(plan: RevertPlan) -> None:
    from modlog._cli import plans

    ask(
        f"revert {plan.targets:,} events", plans.of_revert(plan, list(islice(plan.lines(), _SHOWN)))
    )


def _show(plan: RevertPlan, as_json: bool) -> None:
    if as_json:
        print_json(_data(plan))
        return
    from modlog._cli import plans, terminal

    terminal.show(plans.of_revert(plan, list(islice(plan.lines(), _SHOWN))))


def _data(plan: RevertPlan) -> Mapping[str, object]:
    return {
        **plan.as_dict(),
        "lines": [
            {
                "account_id": line.account_id,
                "before": line.before.status,
                "after": line.after.status,
                "targets": line.targets,
                "standing": [one.position for one in line.standing],
            }
            for line in plan.lines()
        ],
    }


def _tell(outcome: RevertOutcome, as_json: bool) -> None:
    if as_json:
        print_json(outcome.as_dict())
    else:
        from modlog._cli import plans, terminal

        terminal.show(plans.outcome_of_revert(outcome))
    if outcome.changed or outcome.refused:
        click.get_current_context().exit(NO)
