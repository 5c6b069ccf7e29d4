"""Questions to a ledger, from the command line."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

import click

from modlog._cli.calling import options, print_json, reading, tell
from modlog._cli.completing import labels
from modlog._cli.escaping import visible
from modlog._cli.near import on_account, warn_of_label
from modlog._cli.selecting import leaving_out
from modlog._cli.viewing import MOMENT, Viewpoint, viewed
from modlog._domain.account import Status
from modlog._domain.blame import blame
from modlog._domain.selection import Selection
from modlog._services.forensics.differences import AccountChange


@click.command()
@on_account
@viewed
@options
def show(
    *, account_id: str, viewpoint: Viewpoint, url: str, schema: str | None, as_json: bool
) -> None:
    """Show account ID as it is, and why.

    Sanctions that no longer stand are told as well, with who took them away.

    Example: modlog show 110018 --as-of "2026-11-21 11:44"
    """
    with reading(url, schema) as log:
        view = viewpoint.of(log)
        account, events = view.account(account_id), view.history(account_id)
    gone = [one for one in blame(events) if one.facet == "sanction" and not one.stands]
    if as_json:
        print_json({**account.as_dict(), "gone": [one.as_dict() for one in gone]})
        return
    from modlog._cli import terminal

    terminal.show(terminal.card(account, events, gone))


@click.command("blame")
@on_account
@viewed
@options
def blame_(
    *, account_id: str, viewpoint: Viewpoint, url: str, schema: str | None, as_json: bool
) -> None:
    """Show who made account ID what it is, facet by facet.

    Example: modlog blame 110018
    """
    with reading(url, schema) as log:
        facets = blame(viewpoint.of(log).history(account_id))
    if as_json:
        for one in facets:
            print_json(one.as_dict())
        return
    from modlog._cli import terminal

    tell([terminal.rendered(terminal.facets(facets))])


@click.command()
@click.argument("before", type=MOMENT)
@click.argument("after", type=MOMENT, default="now")
@options
def diff(
    *,
    before: int | datetime,
    after: int | datetime,
    url: str,
    schema: str | None,
    as_json: bool,
) -> None:
    """Show the accounts that differ between two moments.

    Each is a position or a time; AFTER is now if left out.

    Example: modlog diff "2 hours ago" now
    """
    with reading(url, schema) as log:
        _tell_changes(log.diff(log.as_of(before), log.as_of(after)), as_json)


@click.command()
@leaving_out
@options
def whatif(*, selection: Selection, url: str, schema: str | None, as_json: bool) -> None:
    """Show what would be if some events had never been.

    It lists the accounts that would differ, and writes nothing.

    Example: modlog whatif --without-batch clean-up-0309
    """
    with reading(url, schema) as log:
        _tell_changes(log.diff(log, log.without(selection)), as_json)


def _tell_changes(changes: Iterator[AccountChange], as_json: bool) -> None:
    if as_json:
        for change in changes:
            print_json(change.as_dict())
    else:
        tell(map(_changed, changes))


def _changed(change: AccountChange) -> str:
    before, after = (one.status if one else "unknown" for one in (change.before, change.after))
    # Of an account that is known on one side only, every facet differs.
    facets = ", ".join(change.facets) if change.before and change.after else ""
    return f"{before:<10} → {after:<10} {visible(change.id)}  {facets}".rstrip()


@click.command()
@on_account
@options
def history(account_id: str, url: str, schema: str | None, as_json: bool) -> None:
    """Show every event of account ID.

    Example: modlog history 110018
    """
    with reading(url, schema) as log:
        events = log.history(account_id)
    if as_json:
        for event in events:
            print_json(event.as_dict())
        return
    from modlog._cli import terminal

    tell([terminal.rendered(terminal.history(events))])


@click.command()
@options
@click.option(
    "--status",
    multiple=True,
    type=click.Choice([status.value for status in Status]),
    help="Only accounts with this status; may be repeated.",
)
@click.option(
    "--flagged",
    metavar="LABEL",
    shell_complete=labels,
    help="Only accounts with a flag of this label.",
)
@viewed
def accounts(
    *,
    viewpoint: Viewpoint,
    url: str,
    schema: str | None,
    as_json: bool,
    status: tuple[str, ...],
    flagged: str | None,
) -> None:
    """List accounts by id, each with its status.

    Example: modlog accounts --status deleted --as-of "2026-11-21 11:44"
    """
    with reading(url, schema) as log:
        if flagged is not None and viewpoint.is_present:
            warn_of_label(log, flagged)
        found = viewpoint.of(log).accounts(status=status or None, flagged=flagged)
        if as_json:
            for account in found:
                print_json(account.as_dict())
        else:
            tell(f"{account.status:<10} {visible(account.id)}" for account in found)


@click.command()
@viewed
@options
def count(*, viewpoint: Viewpoint, url: str, schema: str | None, as_json: bool) -> None:
    """Count the accounts of each status.

    Example: modlog count --as-of yesterday
    """
    with reading(url, schema) as log:
        counts = viewpoint.of(log).count()
    if as_json:
        print_json(counts)
        return
    for status, number in counts.items():
        click.echo(f"{status:<10} {number:>12,}")


QUESTIONS: Final = (show, history, blame_, diff, whatif, accounts, count)
