"""Sweeps from the command line: plan, show, approve, reject, execute, resume, list."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import BinaryIO

import click
from attrs import asdict

from modlog._cli.acting import actor_of, as_actor, ask, bar, yes
from modlog._cli.calling import NO, complain, options, print_json, reading, writing
from modlog._cli.escaping import visible
from modlog._cli.instants import INSTANT
from modlog._cli.near import on_sweep
from modlog._domain.sweeps import ACTIONS, Outcome, SweepState
from modlog._domain.values import checked_id
from modlog._errors import InvalidInputError
from modlog._services.ledger import ModLog
from modlog._services.lines import opened
from modlog._services.sweeps.plans import SweepPlan

# Well above any id; a file without line ends must not fill the memory.
_MAX_LINE = 4_096
# What leaves the exit code at 0; all else is an account on which nothing was done.
_WELL = (Outcome.DONE, Outcome.ALREADY)


@click.group()
def sweep() -> None:
    """Do one thing to many accounts: plan, look, carry out.

    Example: modlog sweep list
    """


@sweep.command()
@click.argument("file")
@click.option("--action", type=click.Choice(ACTIONS), required=True, help="What to do to each.")
@click.option("--reason", required=True, help="Why, in words.")
@click.option("--policy", metavar="CODE", help="The rule that is applied.")
@click.option("--until", type=INSTANT, help="When the suspensions end; never if left out.")
@click.option("--label", metavar="LABEL", help="What the accounts are flagged as.")
@click.option("--score", type=click.FloatRange(0, 1), help="How sure that is, 0 to 1.")
@click.option("--batch", metavar="NAME", help="Name of the sweep; the same again is the same plan.")
@as_actor
@options
def plan(
    *,
    file: str,
    action: str,
    reason: str,
    policy: str | None,
    until: datetime | None,
    label: str | None,
    score: float | None,
    batch: str | None,
    actor: str,
    own_account: str | None,
    url: str,
    schema: str | None,
    as_json: bool,
) -> None:
    """Lay down a sweep of the accounts in FILE.

    Nothing is done to them yet. A line of FILE is one id, and - is standard input.

    Example: modlog sweep plan ids.txt --action delete --batch clean-up-0309 --reason spam
    --as human:wan
    """
    with opened(file) as (_, text), writing(url, schema) as log:
        planned = log.plan_sweep(
            _ids(text),
            action,
            batch_id=batch,
            until=until,
            label=label,
            score=score,
            actor=actor_of(actor, own_account),
            reason=reason,
            policy=policy,
        )
        _show(planned, as_json)


def _ids(text: BinaryIO) -> Iterator[str]:
    number = 0
    while line := text.readline(_MAX_LINE):
        number += 1
        if number == 1:
            line = line.removeprefix(BOM_UTF8)
        line = line.rstrip(b"\r\n")
        if line:
            try:
                account_id = line.decode()
            except UnicodeDecodeError:
                raise InvalidInputError(f"line {number} is not UTF-8") from None
            yield checked_id(account_id, f"line {number}")


def _show(planned: SweepPlan, as_json: bool) -> None:
    if as_json:
        print_json(_data(planned))
        return
    from modlog._cli import plans, terminal

    terminal.show(plans.of_sweep(planned))


def _brief(planned: SweepPlan) -> dict[str, object]:
    return {
        "batch_id": planned.batch_id,
        "state": planned.state,
        "action": planned.action,
        "arguments": planned.arguments,
        "size": planned.size,
        "counts": planned.counts,
        "actor": asdict(planned.planned.actor),
        "reason": planned.planned.reason,
        "policy": planned.planned.policy,
        "planned_at": planned.planned.recorded_at,
        "needs_approval": planned.needs_approval,
        "approved_by": asdict(planned.approved_by) if planned.approved_by else None,
    }


def _data(planned: SweepPlan) -> Mapping[str, object]:
    return {
        **_brief(planned),
        "digest": planned.digest,
        "statuses": planned.statuses,
        "protected": planned.protected,
        "refusals": planned.refusals,
        "outliers": [asdict(one) for one in planned.outliers()],
        "sample": planned.sample(),
        "guardrails": planned.planned.data["guardrails"],
        "reverted": planned.reverted(),
    }


@sweep.command()
@on_sweep
@click.option(
    "--accounts", is_flag=True, help="Instead, each account that is through and what became of it."
)
@options
def show(batch: str, accounts: bool, url: str, schema: str | None, as_json: bool) -> None:
    """Show sweep NAME: its plan, and how far it is.

    Example: modlog sweep show clean-up-0309
    """
    with reading(url, schema) as log:
        planned = log.sweep(batch)
        if accounts:
            _print_outcomes(planned, as_json)
        else:
            _show(planned, as_json)


def _print_outcomes(planned: SweepPlan, as_json: bool) -> None:
    for line in planned.outcomes():
        if as_json:
            print_json(asdict(line))
        else:
            rule = f"  {line.rule}" if line.rule else ""
            click.echo(visible(f"{line.outcome:<8} {line.account_id}{rule}"))


@sweep.command()
@on_sweep
@click.option("--reason", help="Why, in words.")
@as_actor
@yes
@options
def approve(
    *,
    batch: str,
    reason: str | None,
    actor: str,
    own_account: str | None,
    yes: bool,
    url: str,
    schema: str | None,
    as_json: bool,
) -> None:
    """Approve of sweep NAME as a second person.

    Example: modlog sweep approve clean-up-0309 --as human:mei
    """
    with writing(url, schema) as log:
        planned = log.sweep(batch)
        if not yes:
            _ask("approve of this sweep", planned)
        planned.approve(actor=actor_of(actor, own_account), reason=reason)
        _tell(planned, as_json)


@sweep.command()
@on_sweep
@click.option("--reason", required=True, help="Why, in words.")
@as_actor
@options
def reject(
    *,
    batch: str,
    reason: str,
    actor: str,
    own_account: str | None,
    url: str,
    schema: str | None,
    as_json: bool,
) -> None:
    """Say that sweep NAME will not be carried out.

    Example: modlog sweep reject clean-up-0309 --reason "wrong list" --as human:mei
    """
    with writing(url, schema) as log:
        planned = log.sweep(batch).reject(actor=actor_of(actor, own_account), reason=reason)
        _tell(planned, as_json)


def _tell(planned: SweepPlan, as_json: bool) -> None:
    if as_json:
        print_json(_brief(planned))
    else:
        click.echo(visible(f"{planned.state:<10} {planned.batch_id}"))


@sweep.command()
@on_sweep
@as_actor
@yes
@options
def execute(
    *,
    batch: str,
    actor: str,
    own_account: str | None,
    yes: bool,
    url: str,
    schema: str | None,
    as_json: bool,
) -> None:
    """Carry sweep NAME out, and go on where it stopped.

    The exit code is 1 if there are accounts to which nothing was done.

    Example: modlog sweep execute clean-up-0309 --as human:wan
    """
    with writing(url, schema) as log:
        planned = log.sweep(batch)
        if not yes and planned.state is not SweepState.COMPLETED:
            _ask(f"{planned.action} these {planned.size:,} accounts", planned)
        _carry_out(log, planned, actor, own_account)
        _tell_outcome(planned, as_json)


# The same under the name that somebody looks for whose sweep has stopped.
sweep.add_command(execute, "resume")


def _carry_out(log: ModLog, planned: SweepPlan, actor: str, own_account: str | None) -> None:
    try:
        with bar(f"to {planned.action}") as move:
            planned.execute(progress=move, actor=actor_of(actor, own_account))
    except BaseException:
        stopped = log.sweep(planned.batch_id)
        if stopped.state is SweepState.RUNNING:
            complain(
                f"the sweep stopped after {stopped.sweep.through:,} of {stopped.size:,} accounts: "
                f"modlog sweep resume {planned.batch_id} goes on with it"
            )
        raise


def _tell_outcome(planned: SweepPlan, as_json: bool) -> None:
    if as_json:
        print_json(_brief(planned))
    else:
        from modlog._cli import plans, terminal

        terminal.show(plans.outcome_of_sweep(planned))
    if any(number for name, number in planned.counts.items() if Outcome(name) not in _WELL):
        click.get_current_context().exit(NO)


def _ask(question: str, planned: SweepPlan) -> None:
    from modlog._cli import plans

    ask(question, plans.of_sweep(planned))


@sweep.command("list")
@options
def list_(url: str, schema: str | None, as_json: bool) -> None:
    """List all sweeps, with their state and counts.

    Example: modlog sweep list
    """
    with reading(url, schema) as log:
        if as_json:
            for planned in log.sweeps():
                print_json(_brief(planned))
            return
        from modlog._cli import plans, terminal

        terminal.show(plans.of_sweeps(list(log.sweeps())))
