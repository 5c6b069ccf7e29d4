"""Answers for people: small tables that fit a terminal."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, BinaryIO, Final

import click
from rich import box
from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from modlog._cli.answers import instant_of, name_of
from modlog._cli.escaping import visible, visible_json
from modlog._domain.account import Account, Sanction, Status
from modlog._domain.blame import Blame
from modlog._domain.events import RecordedEvent
from modlog._domain.values import instant_text
from modlog._services.exports.exporting import ExportProgress
from modlog._services.import_outcomes import IngestOutcome
from modlog._services.integrity import VerificationReport
from modlog._services.reverts.plans import RevertProgress
from modlog._services.sweeps.plans import SweepProgress
from modlog._storage.clock import AcceptedClock

_COLOURS: Final[Mapping[Status, str]] = {
    Status.ACTIVE: "green",
    Status.SUSPENDED: "yellow",
    Status.DELETED: "red",
}


def show(renderable: RenderableType, err: bool = False) -> None:
    """Print to standard output, or to standard error."""
    # Written by click, which leaves a broken pipe to its caller.
    click.echo(rendered(renderable), err=err)


def rendered(renderable: RenderableType) -> str:
    """The lines that are to be printed."""
    console = Console(highlight=False, markup=False, emoji=False)
    with console.capture() as captured:
        console.print(renderable)
    lines = captured.get().splitlines()
    return "\n".join(line.rstrip() for line in lines)


def text(value: str, style: str = "") -> Text:
    return Text(visible(value), style=style, overflow="fold")


def stacked(lines: Sequence[Text]) -> Text:
    return Text("\n", overflow="fold").join(lines)


def _value(value: object) -> str:
    return value if isinstance(value, str) else visible_json(value)


# One account


def card(
    account: Account, events: Sequence[RecordedEvent], gone: Sequence[Blame] = ()
) -> RenderableType:
    """An account as it is, who imposed what stands against it, and what no longer does."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in _facts(account, {event.version: event for event in events}):
        grid.add_row(name, value)
    for one in gone:
        grid.add_row(f"no {one.value}", _gone(one))
    return grid


def _facts(account: Account, events: Mapping[int, RecordedEvent]) -> Iterator[tuple[str, Text]]:
    yield "account", text(account.id, "bold")
    yield "status", text(account.status, _COLOURS.get(account.status, ""))
    yield "version", text(str(account.version))
    if account.protected:
        yield "protected", text("yes")
    if account.profile:
        yield "profile", stacked([text(f"{k}: {_value(v)}") for k, v in account.profile.items()])
    if account.flags:
        yield "flags", stacked([text(f"{v}: {label}") for v, label in account.flags.items()])
    for version, sanction in account.sanctions.items():
        yield sanction.kind, _sanction(version, sanction, events[version])


def _sanction(version: int, sanction: Sanction, event: RecordedEvent) -> Text:
    end = "" if sanction.kind == "deletion" else f" until {_until(sanction.until)}"
    force = "" if sanction.in_force else " (not in force)"
    first = f"version {version}, since {instant_of(sanction.since)} UTC{end}{force}"
    return stacked([text(first), text(f"by {name_of(event.actor)}"), *_why(event)])


def _gone(one: Blame) -> Text:
    made, ended = one.made_by, one.gone_by
    assert ended is not None, "it is gone"
    since, until = instant_of(made.occurred_at), instant_of(ended.occurred_at)
    return stacked(
        [
            text(f"version {made.version}, from {since} to {until} UTC", "dim"),
            text(f"by {name_of(made.actor)}", "dim"),
            text(f"{ended.type} by {name_of(ended.actor)}", "dim"),
        ]
    )


def _until(until: datetime | None) -> str:
    return f"{instant_of(until)} UTC" if until else "somebody lifts it"


def _why(event: RecordedEvent) -> list[Text]:
    lines = [text(event.reason)] if event.reason else []
    named = (("policy", event.policy), ("batch", event.batch_id), ("for", event.correlation_id))
    told = event.reason or ""
    return lines + [
        text(f"{name} {value}", "dim") for name, value in named if value and value not in told
    ]


def history(events: Sequence[RecordedEvent]) -> RenderableType:
    """The events of an account, one a row; instants in UTC."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    table.add_column("", justify="right", style="dim", no_wrap=True)
    table.add_column("when (UTC)", no_wrap=True)
    table.add_column("what", no_wrap=True)
    table.add_column("who and why", overflow="fold")
    for event in events:
        details = _details(event.data) + _details(event.metadata)
        table.add_row(
            str(event.version),
            _when(event),
            text(event.type),
            stacked([text(name_of(event.actor)), *_why(event), *details]),
        )
    return table


def entry(
    first: RecordedEvent, last: int, types: str, actors: str, reasons: int = 1
) -> RenderableType:
    """Events that belong together: which, when, who and why; instants in UTC."""
    places = f"{first.position:,}" if last == first.position else f"{first.position:,}–{last:,}"
    one = [] if first.account_id is None or last != first.position else [text(first.account_id)]
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(places, text(types, "bold"))
    for name, lines in (
        ("account", one),
        ("when", [text(f"{instant_of(first.occurred_at)} UTC")]),
        ("by", [text(actors)]),
        ("why", _why(first) if reasons == 1 else _reasons(first, reasons)),
        ("what", _details(first.data) if last == first.position else []),
    ):
        if lines:
            grid.add_row(f"  {name}", stacked(lines))
    return Group(grid, "")


def _reasons(first: RecordedEvent, number: int) -> list[Text]:
    return [text(f"batch {first.batch_id}"), text(f"{number:,} reasons; see --events", "dim")]


def numbers(name: str, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> RenderableType:
    """A table of which the first column is a name, and the others are numbers."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column(name, overflow="fold")
    for heading in headings:
        table.add_column(heading, justify="right", overflow="fold")
    for row in rows:
        table.add_row(*map(text, row))
    return table


def facts(found: Iterable[tuple[str, str]]) -> RenderableType:
    """Names, each with what is said of it."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", overflow="fold")
    grid.add_column(overflow="fold")
    for name, value in found:
        grid.add_row(text(name), text(value))
    return grid


def facets(found: Sequence[Blame]) -> RenderableType:
    """The facets of an account, one a row, with the events behind them; instants in UTC."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    table.add_column("what", overflow="fold")
    table.add_column("made by (UTC)", overflow="fold")
    table.add_column("gone by (UTC)", overflow="fold")
    for one in found:
        name = one.facet if one.key is None else f"{one.facet} {one.key}"
        value = [] if one.value is None else [text(_value(one.value), "dim")]
        table.add_row(
            stacked([text(name, "" if one.stands else "dim"), *value]),
            _behind(one.made_by),
            _behind(one.gone_by) if one.gone_by else "",
        )
    return table


def _behind(event: RecordedEvent) -> Text:
    when = f"{instant_of(event.occurred_at)}, version {event.version}"
    return stacked([text(f"{event.type} by {name_of(event.actor)}"), text(when, "dim")])


def _when(event: RecordedEvent) -> Text:
    lines = [text(instant_of(event.occurred_at))]
    if event.recorded_at.date() != event.occurred_at.date():
        lines.append(text(f"noted {event.recorded_at:%Y-%m-%d}", "dim"))
    return stacked(lines)


def _details(data: Mapping[str, Any]) -> list[Text]:
    return [text(f"{name}: {_value(value)}", "dim") for name, value in data.items() if value]


# Import


def summary(outcome: IngestOutcome) -> RenderableType:
    """What became of an import's records."""
    return tally(
        outcome.batch_id,
        ("recorded", outcome.recorded, ""),
        ("late", outcome.late, "of these, older than their account's newest event"),
        ("noted", outcome.noted, "of these, refused by their account's state, kept as notes"),
        ("created", outcome.created, "accounts that were seen for the first time"),
        ("skipped", outcome.skipped, "known already, or records of a sweep in an export"),
        ("rejected", len(outcome.rejected), ""),
    )


def tally(batch_id: str | None, *lines: tuple[str, int, str]) -> RenderableType:
    """Numbers with their names and what they mean, and the name of the batch if there is one."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(style="dim", overflow="fold")
    for name, number, meaning in lines:
        table.add_row(name, f"{number:,}", meaning)
    return Group(table, *([text(f"batch  {batch_id}")] if batch_id else []))


@contextmanager
def import_bar(
    raw: BinaryIO | None, what: str = "importing", of: str = "records"
) -> Iterator[Callable[[Any], None]]:
    """A bar on standard error that moves with the bytes read, if it is known how many there are."""
    progress = Progress(
        TextColumn(what),
        BarColumn(),
        TextColumn(f"{{task.fields[records]:,}} {of}"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with progress:
        task = progress.add_task("", total=_size(raw) if raw else None, records=0)

        def move(outcome: Any) -> None:
            at = raw.tell() if raw and raw.seekable() else 0
            progress.update(task, completed=at, records=outcome.total)

        yield move


def _size(raw: BinaryIO) -> int | None:
    """The bytes of a file; None for a pipe, which does not tell."""
    try:
        status = os.fstat(raw.fileno())
    except OSError:
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


@contextmanager
def chunk_bar(
    what: str, of: str
) -> Iterator[Callable[[SweepProgress | RevertProgress | ExportProgress], None]]:
    """A bar on standard error that moves with the accounts, or what else, that are through."""
    progress = Progress(
        TextColumn(what),
        BarColumn(),
        TextColumn(f"{{task.completed:,}} of {{task.total:,}} {of}"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with progress:
        task = progress.add_task("", total=1)
        yield lambda now: progress.update(task, completed=now.done, total=now.total)


# Verification


def verification(report: VerificationReport) -> RenderableType:
    """What was looked at, and what is not as it must be."""
    number = sum(report.events.values())
    seen = f"{number:,} events up to position {report.head:,}, {report.accounts:,} accounts"
    if report.sealed is not None:
        seen += f"; sealed up to {report.sealed:,}"
    clocks = [text(_accepted(one)) for one in report.accepted_clocks]
    if report.ok:
        return Group(text(f"consistent: {seen}"), *clocks)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for heading in ("check", "position", "account", "finding"):
        table.add_column(heading, overflow="fold")
    for finding in report.findings:
        position = "" if finding.position is None else str(finding.position)
        table.add_row(
            finding.check, position, text(finding.account_id or ""), text(finding.message)
        )
    headline = text(f"NOT CONSISTENT, {len(report.findings)} findings: {seen}", "bold red")
    return Group(headline, table, *clocks)


def _accepted(clock: AcceptedClock) -> str:
    return (
        f"after position {clock.position:,} instants go on from {instant_text(clock.ledger)}: "
        f"accepted by {name_of(clock.actor)} when the clock said {instant_text(clock.clock)}: "
        f"{clock.reason}"
    )
