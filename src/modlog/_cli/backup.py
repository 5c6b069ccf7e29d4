"""A copy of a ledger on SQLite, from the command line."""

from __future__ import annotations

import click

from modlog._cli.acting import bar
from modlog._cli.calling import options, print_json
from modlog._cli.escaping import visible
from modlog._services.backups import backup as back_up


@click.command()
@click.argument("file")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@options
def backup(*, file: str, force: bool, url: str, schema: str | None, as_json: bool) -> None:
    """Copy a ledger on SQLite to FILE while others use it.

    The copy is the ledger as it was when this began. FILE has its name only once it is whole;
    modlog verify --db FILE checks it. A ledger on PostgreSQL is backed up by the server's own
    programs.

    Example: modlog backup monday.db
    """
    with bar("to back up", "bytes") as move:
        outcome = back_up(url, file, schema=schema, force=force, progress=move)
    if as_json:
        print_json(outcome.as_dict())
        return
    click.echo(
        f"backed up to {visible(file)}: {outcome.head:,} events, {outcome.size:,} bytes; modlog "
        "verify --db checks it"
    )
