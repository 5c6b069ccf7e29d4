"""Bringing a ledger to the newest schema, from the command line."""

from __future__ import annotations

import click
from rich.console import RenderableType

from modlog._cli.acting import ask, yes
from modlog._cli.calling import options, print_json
from modlog._services.upgrading import UpgradeOutcome
from modlog._services.upgrading import upgrade as upgrade_ledger


@click.command()
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@yes
@options
def upgrade(*, dry_run: bool, yes: bool, url: str, schema: str | None, as_json: bool) -> None:
    """Bring a ledger of an older modlog to the newest schema.

    Make a backup first, and end whatever has the ledger open. Interrupted, it leaves the ledger
    as it was.

    Example: modlog upgrade --dry-run
    """
    outcome = upgrade_ledger(url, schema=schema, dry_run=True)
    if outcome.migrations and not dry_run:
        if not yes:
            ask(
                f"upgrade from schema {outcome.schema_before} to {outcome.schema}",
                _steps(outcome, "make a backup first; nobody is to use the ledger meanwhile"),
            )
        outcome = upgrade_ledger(url, schema=schema)
    if as_json:
        print_json({**outcome.as_dict(), "dry_run": dry_run})
        return
    if outcome.migrations:
        from modlog._cli import terminal

        terminal.show(_steps(outcome))
    click.echo(_summary(outcome))


def _steps(outcome: UpgradeOutcome, *more: str) -> RenderableType:
    from modlog._cli import terminal

    steps = [f"{one.number:04}  {one.title}" for one in outcome.migrations]
    return terminal.stacked([terminal.text(line) for line in (*steps, *more)])


def _summary(outcome: UpgradeOutcome) -> str:
    if not outcome.migrations:
        return f"nothing to do: the ledger has schema {outcome.schema}, the newest"
    if outcome.dry_run:
        return f"would lead from schema {outcome.schema_before} to {outcome.schema}"
    return (
        f"upgraded from schema {outcome.schema_before} to {outcome.schema}; modlog verify "
        "checks the ledger"
    )
