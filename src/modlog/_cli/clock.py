"""Letting a ledger go on whose last instant lies in the future, from the command line."""

from __future__ import annotations

import click

from modlog._cli.acting import actor_of, as_actor
from modlog._cli.calling import options, print_json, writing
from modlog._domain.values import instant_text


@click.command("accept-clock")
@click.option("--reason", required=True, help="Why, in words; recorded for ever.")
@click.option("--dry-run", is_flag=True, help="Only show what would be recorded.")
@as_actor
@options
def accept_clock(
    *,
    reason: str,
    dry_run: bool,
    actor: str,
    own_account: str | None,
    url: str,
    schema: str | None,
    as_json: bool,
) -> None:
    """Let the ledger go on after an instant in the future.

    Each transaction then gets the last instant and a microsecond, until the clock has caught
    up. The exit code is 1 if nothing needs to be accepted.

    Example: modlog accept-clock --reason "clock was wrong" --as human:wan --dry-run
    """
    who = actor_of(actor, own_account)
    with writing(url, schema) as log:
        accepted = log.accept_clock(reason=reason, actor=who, dry_run=dry_run)
    if as_json:
        print_json(accepted.as_dict())
        return
    click.echo(
        f"{'would go on' if dry_run else 'goes on'} after position {accepted.position:,} from "
        f"{instant_text(accepted.ledger)}, while the clock says {instant_text(accepted.clock)}"
    )
