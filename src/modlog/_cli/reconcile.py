"""A platform's own table beside the ledger, from the command line."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, tzinfo
from itertools import islice

import click

from modlog._cli.calling import BAD_INPUT, NO, options, print_json, reading
from modlog._cli.escaping import visible
from modlog._cli.imports import bar_of
from modlog._cli.sources import Source, sources
from modlog._domain.values import instant_text
from modlog._services.adoption.reconciling import DIFFERENCES, Difference, Reconciliation
from modlog._services.adoption.rows import TO_COMPARE


@click.command()
@sources
@click.option(
    "--hard-deletes", is_flag=True, help="The platform keeps no rows of accounts it has deleted."
)
@click.option("--limit", "-n", type=click.IntRange(min=0), help="Show so many at most; all count.")
@options
def reconcile(
    *,
    file: str | None,
    from_url: str | None,
    query: str | None,
    zone: tzinfo | None,
    hard_deletes: bool,
    limit: int | None,
    url: str,
    schema: str | None,
    as_json: bool,
) -> None:
    """Compare a platform's own table with the ledger.

    The rows are those of modlog adopt; account_id and status are enough. A line is an account that
    the ledger does not know, or no row, or that has another status. The exit code is 0 if there is
    none, 1 if there are some, and 2 if rows could not be compared.

    Example: modlog reconcile accounts.csv --db moderation.db
    """
    source = Source.chosen(file, from_url, query, zone)
    with (
        reading(url, schema) as log,
        source.rows(TO_COMPARE) as (raw, rows),
        bar_of(raw, "comparing", "rows") as move,
    ):
        found = log.reconcile(rows, hard_deletes=hard_deletes, progress=move)
        _show(found, _as_json if as_json else _as_line, limit)
    if as_json:
        print_json({"head": found.head, "rows": found.total, "differences": _counts(found)})
    else:
        click.echo(_summary(found))
    if not found.same:
        click.get_current_context().exit(BAD_INPUT if found.counts["unreadable"] else NO)


def _show(found: Reconciliation, show: Callable[[Difference], object], limit: int | None) -> None:
    for difference in islice(found, limit):
        show(difference)
    for _ in found:
        pass  # counted by itself


def _as_json(difference: Difference) -> None:
    print_json(difference.as_dict())


def _as_line(difference: Difference) -> None:
    click.echo(
        f"{difference.kind:<13}  {visible(difference.account_id or '')}  {_what(difference)}"
    )


def _what(difference: Difference) -> str:
    one = difference
    if one.reason:
        return f"line {one.line}: {visible(one.reason)}"
    if one.kind == "until":
        return f"here {_end(one.here_until)}, there {_end(one.there_until)}"
    sides = (("here", one.here), ("there", one.there))
    return ", ".join(f"{where} {status}" for where, status in sides if status)


def _end(until: datetime | None) -> str:
    return f"until {instant_text(until)}" if until else "until somebody lifts it"


def _counts(found: Reconciliation) -> dict[str, int]:
    return {kind: found.counts[kind] for kind in DIFFERENCES}


def _summary(found: Reconciliation) -> str:
    read = f"{found.total:,} rows, and the ledger at position {found.head:,}"
    if found.same:
        return f"the same: {read}"
    counted = ", ".join(f"{number:,} {kind}" for kind, number in _counts(found).items() if number)
    return f"NOT the same: {counted} ({read})"
