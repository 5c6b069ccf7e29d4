"""modlog report: an incident as one file for people."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import BinaryIO

import click

from modlog._cli.acting import bar
from modlog._cli.calling import NO, complain, options, print_json, reading
from modlog._cli.escaping import visible
from modlog._cli.selecting import selecting
from modlog._domain.selection import Selection
from modlog._errors import InvalidInputError
from modlog._services.exports.outputs import output as opened
from modlog._services.forensics.reports import Report
from modlog._services.integrity import VerificationReport


@click.command()
@selecting
@click.option(
    "-o", "--output", metavar="FILE", required=True, help="The file; - is standard output."
)
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@click.option(
    "--show",
    metavar="KEY",
    multiple=True,
    default=("nickname",),
    show_default=True,
    help="This key of profiles beside each account; may be repeated, and '' is none.",
)
@click.option("--verify", is_flag=True, help="Check the whole ledger, and say what came of it.")
@options
def report(
    *,
    selection: Selection,
    output: str,
    force: bool,
    show: tuple[str, ...],
    verify: bool,
    url: str,
    schema: str | None,
    as_json: bool,
) -> None:
    """Write an incident as one HTML file, for people.

    It opens by itself in a browser, and prints: what happened, a timeline, who did what, what
    still stands, every account, and what was checked. The file has its name only once it is whole.

    Example: modlog report --batch clean-up-0309 -o incident.html
    """
    _check_installed()
    profile = [key for key in show if key]
    with reading(url, schema) as log:
        target = sys.stdout.buffer if output == "-" else output
        with opened(target, force=force, packed=False) as file, _uncollected():
            with bar("to report") as move:
                found = log.report(selection, profile=profile, progress=move)
            if not found.impact.events:
                complain("no events are selected, so there is nothing to report")
                click.get_current_context().exit(NO)
            verified = log.verify() if verify else None
            _write(file, found, profile, verified)
    if as_json and output != "-":
        print_json({**_numbers(found), "output": output})
    elif output != "-":
        impact = found.impact
        click.echo(
            f"reported to {visible(output)}: events {impact.events:,}, "
            f"accounts {impact.accounts:,}, up to position {impact.head:,}"
        )


def _check_installed() -> None:
    """Refuse what needs Jinja2 where it is not there.

    Raises:
        InvalidInputError: it is not installed.
    """
    try:
        import jinja2  # noqa: F401
    except ImportError as error:
        raise InvalidInputError(
            "a report needs Jinja2, which is not installed: pip install 'modlog[report]'"
        ) from error


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without looks for garbage: a report is none before its end, and they take a fifth of it."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _write(
    file: BinaryIO, found: Report, profile: Sequence[str], verified: VerificationReport | None
) -> None:
    from modlog._cli.reports.pages import pages

    for piece in pages(found, profile, verified):
        file.write(piece.encode())


def _numbers(found: Report) -> Mapping[str, object]:
    return {
        "events": found.impact.events,
        "accounts": found.impact.accounts,
        "head": found.impact.head,
        "findings": len(found.findings),
    }
