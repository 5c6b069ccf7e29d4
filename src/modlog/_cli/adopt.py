"""A platform's accounts, brought in as they are, from the command line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import tzinfo
from typing import Any

import click
from attrs import evolve
from rich.console import RenderableType

from modlog._cli.acting import ask, yes
from modlog._cli.calling import NO, complain, options, print_json
from modlog._cli.imports import Watch, bar_of, check_rejected_path, tell_rejected, writable
from modlog._cli.sources import Source, sources
from modlog._errors import ImportRejectedError
from modlog._services.adoption.outcomes import AdoptOutcome
from modlog._services.adoption.rows import TO_ADOPT
from modlog._services.ledger import ModLog, open_ledger


@click.command()
@sources
@options
@click.option("--batch", metavar="NAME", help="Name of the adoption in its events.")
@click.option("--reason", help="Of its events; else one that says that nobody knows any more.")
@click.option(
    "--chunk",
    type=click.IntRange(min=1),
    default=10_000,
    show_default=True,
    help="Accounts a transaction.",
)
@click.option(
    "--create", is_flag=True, help="Begin a ledger in the --schema if it is not there yet."
)
@click.option("--strict", is_flag=True, help="Stop at the first row that is rejected.")
@click.option(
    "--rejected",
    "rejected_path",
    metavar="FILE",
    help="Write rejected rows here, with line and reason, as JSON lines.",
)
@click.option("--dry-run", is_flag=True, help="Only show what it would come to.")
@yes
def adopt(
    *,
    file: str | None,
    from_url: str | None,
    query: str | None,
    zone: tzinfo | None,
    url: str,
    schema: str | None,
    as_json: bool,
    batch: str | None,
    reason: str | None,
    chunk: int,
    create: bool,
    strict: bool,
    rejected_path: str | None,
    dry_run: bool,
    yes: bool,
) -> None:
    """Bring in a platform's accounts as they are.

    FILE has CSV with the names of the columns first, or JSON lines; or the rows come from a
    query. They have account_id, at (when it registered), status (active, suspended or deleted),
    and may have until, profile (JSON), and columns like profile.nickname. Accounts that the ledger
    knows are skipped, so it may be run again. The exit code is 1 if rows were rejected.

    Example: modlog adopt accounts.csv --db moderation.db --dry-run
    """
    source = Source.chosen(file, from_url, query, zone)
    if file:
        check_rejected_path(file, rejected_path)
    given = {"batch_id": batch, "reason": reason, "chunk": chunk, "strict": strict}
    with open_ledger(url, schema=schema, create=create) as log:
        if not (yes or dry_run):
            _ask(log, source, given)
        outcome = _adopted(log, source, rejected_path, {**given, "dry_run": dry_run})
    if as_json:
        numbers = evolve(outcome, rejected=[]).as_dict()
        print_json({**numbers, "rejected": len(outcome.rejected), "dry_run": dry_run})
    else:
        from modlog._cli import terminal

        terminal.show(_summary(outcome, dry_run))
    if outcome.rejected:
        if not rejected_path:
            tell_rejected(outcome.rejected)
        click.get_current_context().exit(NO)


def _ask(log: ModLog, source: Source, given: dict[str, Any]) -> None:
    """Show what it would come to, where that can be looked at first."""
    if not source.can_be_read_again:
        ask("adopt what comes in", "the rows come from standard input: they cannot be shown first")
        return
    outcome = _adopted(log, source, None, {**given, "dry_run": True})
    ask(f"adopt {outcome.adopted:,} accounts", _summary(outcome, dry_run=True))


def _adopted(
    log: ModLog, source: Source, rejected_path: str | None, given: dict[str, Any]
) -> AdoptOutcome:
    what = "looking" if given["dry_run"] else "adopting"
    with (
        source.rows(TO_ADOPT) as (raw, rows),
        writable(rejected_path) as rejects,
        bar_of(raw, what, "rows") as move,
    ):
        watch = Watch(move, rejects)
        with _told_how_far(watch, given["dry_run"]):
            return log.adopt(rows, progress=watch, **given)


@contextmanager
def _told_how_far(watch: Watch, dry_run: bool) -> Iterator[None]:
    try:
        yield
    except ImportRejectedError:
        raise  # tells it all
    except BaseException:
        if not dry_run:
            complain(f"the adoption stopped; {_so_far(watch)}. Running it again skips them")
        raise


def _so_far(watch: Watch) -> str:
    if not (watch.last and watch.last.adopted):
        return "no account before that is in"
    return f"{watch.last.adopted:,} accounts before that are in, as batch {watch.last.batch_id}"


def _summary(outcome: AdoptOutcome, dry_run: bool) -> RenderableType:
    from modlog._cli import terminal

    return terminal.tally(
        outcome.batch_id if outcome.adopted and not dry_run else None,
        ("to adopt" if dry_run else "adopted", outcome.adopted, ""),
        ("suspended", outcome.suspended, "of these"),
        ("deleted", outcome.deleted, "of these"),
        ("expired", outcome.expired, "of these, active, as their suspension is over"),
        ("known", outcome.known, "skipped: the ledger has them"),
        ("differing", outcome.differing, "of the known, with another status in the ledger"),
        ("rejected", len(outcome.rejected), ""),
    )
