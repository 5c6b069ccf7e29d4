"""Plans for people: what stands out first, then what it adds up to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from modlog._cli.answers import instant_of, name_of
from modlog._cli.terminal import stacked, text
from modlog._domain.sweeps import Outcome, SweepState
from modlog._services.reverts.plans import RevertLine, RevertOutcome, RevertPlan
from modlog._services.sweeps.plans import Outlier, SweepPlan

_MEANING: Mapping[Outcome, str] = {
    Outcome.REFUSED: "by a rule",
    Outcome.ALREADY: "this sweep had acted on them before",
    Outcome.UNKNOWN: "no such account",
    Outcome.CHANGED: "no longer what the plan showed",
}


def _table(*headings: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _grid(facts: Iterator[tuple[str, Text]]) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in facts:
        grid.add_row(name, value)
    return grid


def _numbers(counts: Mapping[str, int]) -> Text:
    return stacked([text(f"{number:,} {name}") for name, number in counts.items() if number])


# Sweeps


def of_sweep(plan: SweepPlan) -> RenderableType:
    """A sweep: the accounts that are unlike the others, and all that there is to know of it."""
    outliers = plan.outliers()
    parts: list[RenderableType] = [_outliers(outliers)] if outliers else []
    return Group(*parts, _grid(_facts(plan)))


def _outliers(outliers: Sequence[Outlier]) -> RenderableType:
    table = _table("look at these first", "status", "since (UTC)", "why")
    table.columns[2].no_wrap = True
    for one in outliers:
        table.add_row(
            text(one.account_id, "bold"),
            text(one.status),
            instant_of(one.since),
            stacked([text(why) for why in one.why]),
        )
    return table


def _facts(plan: SweepPlan) -> Iterator[tuple[str, Text]]:
    planned = plan.planned
    yield "sweep", text(plan.batch_id, "bold")
    arguments = "".join(f", {name} {value}" for name, value in plan.arguments.items() if value)
    yield "action", text(f"{plan.action}{arguments}")
    yield "by", text(f"{name_of(planned.actor)}, {instant_of(planned.recorded_at)} UTC")
    yield "reason", text(planned.reason or "")
    if planned.policy:
        yield "policy", text(planned.policy)
    yield "accounts", text(f"{plan.size:,}")
    yield "when planned", _numbers(_causes(plan))
    if plan.protected:
        yield "protected", text(f"{plan.protected:,}")
    if plan.refusals:
        yield "left out", _numbers({f"by {rule}": n for rule, n in plan.refusals.items()})
    yield "among them", stacked([text(account_id) for account_id in plan.sample(5)])
    yield "state", text(_state(plan), "bold")
    if plan.approved_by:
        yield "approved by", text(name_of(plan.approved_by))
    if plan.state in (SweepState.RUNNING, SweepState.COMPLETED):
        yield "outcome", _numbers(plan.counts)
        yield "reverted", text(f"{plan.reverted():,}")


def _causes(plan: SweepPlan) -> Mapping[str, int]:
    further = " (each gets a further cause)" if plan.action == "delete" else ""
    return {
        f"{status}{further if status == 'deleted' else ''}": number
        for status, number in plan.statuses.items()
    }


def _state(plan: SweepPlan) -> str:
    waiting = plan.needs_approval and plan.state is SweepState.PLANNED
    return f"{plan.state}, needs a second person's approval" if waiting else str(plan.state)


def outcome_of_sweep(plan: SweepPlan) -> RenderableType:
    """What became of a sweep's accounts."""
    return _counted(
        [(name, number, _MEANING.get(Outcome(name), "")) for name, number in plan.counts.items()],
        plan.batch_id,
    )


def _counted(rows: Sequence[tuple[str, int, str]], batch_id: str) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(style="dim", overflow="fold")
    for name, number, meaning in rows:
        table.add_row(name, f"{number:,}", meaning)
    return Group(table, text(f"batch  {batch_id}"))


def of_sweeps(plans: Sequence[SweepPlan]) -> RenderableType:
    """All sweeps, one a row."""
    table = _table("sweep", "state", "action", "accounts", "done", "by", "planned")
    for column in table.columns[1:5]:
        column.no_wrap = True
    for plan in plans:
        table.add_row(
            text(plan.batch_id),
            str(plan.state),
            plan.action,
            f"{plan.size:,}",
            f"{plan.counts['done']:,}",
            text(name_of(plan.planned.actor)),
            f"{plan.planned.recorded_at:%Y-%m-%d}",
        )
    return table


# Reverts


def of_revert(plan: RevertPlan, lines: Sequence[RevertLine]) -> RenderableType:
    """What taking events back would come to, and the first accounts of it."""
    table = _table("account", "before", "after", "still stands")
    for line in lines:
        standing = [f"{one.type} by {name_of(one.actor)}" for one in line.standing]
        table.add_row(
            text(line.account_id),
            str(line.before.status),
            str(line.after.status),
            stacked([text(one) for one in standing]),
        )
    more = [text(f"{len(lines)} of {plan.accounts:,} accounts are shown", "dim")]
    return Group(table, *(more if len(lines) < plan.accounts else []), _grid(_revert_facts(plan)))


def _revert_facts(plan: RevertPlan) -> Iterator[tuple[str, Text]]:
    yield "accounts", text(f"{plan.accounts:,}")
    yield "events", text(f"{plan.targets:,}")
    if plan.idle:
        yield "of these", text(f"{plan.idle:,} reverted already")
    moves = {f"{before} → {after}": number for (before, after), number in plan.moves.items()}
    yield "status", _numbers(moves)
    if plan.unprotects:
        yield "no longer protected", text(f"{plan.unprotects:,} (left alone by bots and models)")
    if plan.irreversible:
        yield "left out", _numbers(plan.irreversible)


def outcome_of_revert(outcome: RevertOutcome) -> RenderableType:
    """What became of the accounts."""
    rows = [
        ("reverted", outcome.reverted, f"accounts, {outcome.targets:,} events"),
        ("already", outcome.already, "done under this name before"),
        ("changed", len(outcome.changed), "newer events lead elsewhere than the plan showed"),
        ("refused", len(outcome.refused), "the actor's own, or protected from the actor"),
    ]
    return _counted(rows, outcome.batch_id)
