"""Investigations from the command line: when, how often, how far."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, Final

import click

from modlog._cli.answers import length_of, name_of
from modlog._cli.calling import NO, complain, options, print_json, reading, tell
from modlog._cli.near import on_account
from modlog._cli.selecting import selecting
from modlog._domain.account import Account, Status
from modlog._domain.figures import BYS, By, Figures
from modlog._domain.impacts import ImpactLine
from modlog._domain.selection import Selection
from modlog._errors import InvalidInputError
from modlog._services.forensics.impacts import Impact
from modlog._services.views import ClockName
from modlog._storage.impacts import Repair

# So many accounts of an impact are shown; --json has them all.
_SHOWN: Final = 10


@click.command()
@on_account
@click.option(
    "--status", type=click.Choice([one.value for one in Status]), help="It first had this status."
)
@click.option("--flagged", metavar="LABEL", help="It first had a flag of this label.")
@click.option("--protected", is_flag=True, help="It was first protected.")
@click.option(
    "--clock",
    type=click.Choice(["recorded", "occurred"]),
    default="recorded",
    help="At which instant of each event: recorded (as left out), or when it happened.",
)
@options
def bisect(
    *,
    account_id: str,
    status: str | None,
    flagged: str | None,
    protected: bool,
    clock: ClockName,
    url: str,
    schema: str | None,
    as_json: bool,
) -> None:
    """Show after which event something held of account ID.

    It is the first such event; what is given has to hold at once. The exit code is 1 if it
    never did.

    Example: modlog bisect 110018 --status deleted
    """
    if not (status or flagged or protected):
        raise InvalidInputError("modlog bisect needs --status, --flagged or --protected")

    def held(account: Account) -> bool:
        return (
            status in (None, account.status)
            and (flagged is None or flagged in account.flags.values())
            and (account.protected or not protected)
        )

    with reading(url, schema) as log:
        event = log.bisect(account_id, held, clock=clock)
    if event is None:
        complain("that never held")
        click.get_current_context().exit(NO)
    if as_json:
        print_json(event.as_dict())
        return
    from modlog._cli import terminal

    terminal.show(terminal.entry(event, event.position, event.type, name_of(event.actor)))


@click.command()
@selecting
@click.option(
    "--by",
    type=click.Choice(BYS),
    default="actor",
    show_default=True,
    help="What each line is of; label has flags alone.",
)
@options
def stats(*, selection: Selection, by: By, url: str, schema: str | None, as_json: bool) -> None:
    """Count sanctions and flags, and what became of them.

    Example: modlog stats --by policy --occurred-since 2026-11-01
    """
    with reading(url, schema) as log:
        found = log.stats(selection, by)
    if as_json:
        for one in found:
            print_json(one.as_dict())
        return
    from modlog._cli import terminal

    if not found:
        complain(
            f"there are no {'flags' if by == 'label' else 'sanctions or flags'} among these events"
        )
        return
    columns = _OF_FLAGS if by == "label" else _OF_SANCTIONS
    rows = ([_by(one), *(told(one) for told in columns.values())] for one in found)
    tell([terminal.rendered(terminal.numbers(by, list(columns), rows))])


_Column = Callable[[Figures], str]


def _count(name: str) -> _Column:
    return lambda one: f"{getattr(one, name):,}"


def _time(name: str) -> _Column:
    return lambda one: length_of(getattr(one, name))


def _rate(one: Figures) -> str:
    return "–" if one.overturn_rate is None else f"{one.overturn_rate:.1%}"


def _by(one: Figures) -> str:
    return "none" if one.by is None else one.by


_OF_SANCTIONS: Final[Mapping[str, _Column]] = {
    "sanctions": _count("sanctions"),
    "lifted by\nothers": _count("lifted_by_others"),
    "by the\nsame": _count("lifted_by_same"),
    "over-\nturned": _rate,
    "lifted in\n(median)": _time("median_seconds"),
    "(95 %)": _time("p95_seconds"),
}
_OF_FLAGS: Final[Mapping[str, _Column]] = {
    "flags": _count("flags"),
    "accounts": _count("flagged_accounts"),
    "busiest hour (UTC)": lambda one: one.busiest_hour or "–",
    "flags\nin it": _count("busiest_flags"),
    "burst\n(actors)": _count("burst"),
    "on account": lambda one: one.burst_account or "–",
}


@click.command()
@selecting
@options
def impact(*, selection: Selection, url: str, schema: str | None, as_json: bool) -> None:
    """Show how far events reached, and what of it stands.

    Also who put what right after how long, and what is left to do.

    Example: modlog impact --batch clean-up-0309
    """
    with reading(url, schema) as log:
        found = log.impact(selection)
        if as_json:
            print_json({**found.as_dict(), "lines": [one.as_dict() for one in found.lines()]})
            return
        shown = list(islice(found.lines(), _SHOWN))
    from modlog._cli import terminal

    tell([terminal.rendered(terminal.facts(_facts(found, shown)))])


def _facts(found: Impact, shown: list[ImpactLine]) -> Iterator[tuple[str, Any]]:
    yield "events", f"{found.events:,}"
    yield "accounts", f"{found.accounts:,}"
    for kind, number in found.began.items():
        name = "creation" if kind == "existence" else kind
        yield name, f"{number:,}, of which {found.standing.get(kind, 0):,} stand"
    for one in found.repairs:
        yield "put right", _repair(one)
    yield "by several batches", _accounts(found.several_batches)
    for code, number in found.remarks.items():
        yield "to do", f"{code}: {_accounts(number)}"
    for line in shown:
        left = ", ".join(remark.code for remark in line.remarks) or "nothing to do"
        yield line.account_id, f"{line.status}: {left}"
    if found.accounts > len(shown):
        yield "", f"{len(shown)} of {found.accounts:,} accounts are shown; --json has them all"


def _accounts(number: int) -> str:
    return f"{number:,} account{'' if number == 1 else 's'}"


def _repair(one: Repair) -> str:
    return f"{one.number:,} by {one.by}, {one.type}, median {length_of(one.median_seconds)}"
