"""The archive from the command line: write it, check it, make a ledger of it again."""

from __future__ import annotations

from datetime import timedelta
from time import sleep

import click

from modlog._cli.acting import bar
from modlog._cli.calling import NO, Command, options, print_json, reading
from modlog._cli.escaping import visible
from modlog._cli.instants import LENGTH
from modlog._services.archive.archives import open_archive
from modlog._services.archive.archiving import ArchiveOutcome
from modlog._services.archive.verifying import ArchiveReport
from modlog._services.ledger import ModLog


@click.group()
def archive() -> None:
    """Keep the log in Parquet, and make a ledger of it again.

    Example: modlog archive write archive
    """


def _of_ledger(command: Command) -> Command:
    return click.option(
        "--ledger", metavar="ID", help="Which ledger, where the archive has several."
    )(command)


@archive.command()
@click.argument("target")
@click.option("--follow", "-f", is_flag=True, help="Go on with what is recorded, until Ctrl-C.")
@click.option(
    "--every",
    type=LENGTH,
    default="1min",
    show_default=True,
    help="With --follow: how often it looks.",
)
@click.option(
    "--buckets", type=int, help="Into how many the accounts are spread; it stays what it was first."
)
@options
def write(
    *,
    target: str,
    follow: bool,
    every: timedelta,
    buckets: int | None,
    url: str,
    schema: str | None,
    as_json: bool,
) -> None:
    """Bring the archive of a ledger up to its end.

    TARGET is a folder, or s3://BUCKET/PATH. It goes on where the archive ends; interrupted at any
    moment, or run twice at once, it has each event once.

    Example: modlog archive write archive
    """
    with reading(url, schema) as log:
        _tell(_written(log, target, buckets), target, as_json=as_json)
        while follow:
            sleep(every.total_seconds() or 1)
            outcome = _written(log, target, buckets)
            if outcome.events:
                _tell(outcome, target, as_json=as_json)


def _written(log: ModLog, target: str, buckets: int | None) -> ArchiveOutcome:
    with bar("to archive", "positions") as move:
        return log.archive(target, buckets=buckets, progress=move)


def _tell(outcome: ArchiveOutcome, target: str, *, as_json: bool) -> None:
    if as_json:
        print_json(outcome.as_dict())
    else:
        click.echo(
            f"archived {outcome.events:,} events in {outcome.size:,} bytes; {visible(target)} goes "
            f"up to position {outcome.last:,}"
        )


@archive.command()
@click.argument("target")
@_of_ledger
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON, for programs.")
@click.option(
    "--schema", metavar="NAME", help="PostgreSQL schema of the ledger, if it has its own."
)
@click.option(
    "--db",
    "url",
    metavar="URL",
    envvar="MODLOG_URL",
    show_envvar=True,
    help="The ledger to compare with: a path, sqlite:///FILE or postgresql://USER@HOST/DATABASE.",
)
def verify(
    *, target: str, ledger: str | None, url: str | None, schema: str | None, as_json: bool
) -> None:
    """Check an archive against itself, and against its ledger where that is named.

    The exit code is 1 if anything is found.

    Example: modlog archive verify archive
    """
    found = open_archive(target, ledger)
    if url is None:
        report = found.verify()
    else:
        with reading(url, schema) as log:
            report = found.verify(log)
    if as_json:
        print_json(report.as_dict())
    else:
        _show(report)
    if not report.ok:
        click.get_current_context().exit(NO)


def _show(report: ArchiveReport) -> None:
    for finding in report.findings:
        click.echo(visible(finding.message))
    against = "itself and the ledger" if report.compared else "itself"
    click.echo(
        f"{len(report.findings):,} findings: {report.events:,} events in {report.files:,} files, "
        f"{report.size:,} bytes, up to position {report.last:,}; checked against {against}"
    )
    if report.leftovers:
        click.echo(
            f"{len(report.leftovers):,} more files belong to nothing: of writers that were killed, "
            "or are at work"
        )


@archive.command()
@click.argument("target")
@_of_ledger
@click.option("--create", is_flag=True, help="Make the --schema if it is not there yet.")
@options
def restore(
    *,
    target: str,
    ledger: str | None,
    create: bool,
    url: str,
    schema: str | None,
    as_json: bool,
) -> None:
    """Make a ledger again from its archive, in a new database.

    All of it or nothing. Let no other copy of the ledger go on as well; modlog verify checks it.

    Example: modlog archive restore archive --db restored.db
    """
    found = open_archive(target, ledger)
    with bar("to restore", "positions") as move:
        outcome = found.restore(url, schema=schema, create=create, progress=move)
    if as_json:
        print_json(outcome.as_dict())
    else:
        click.echo(f"restored {outcome.events:,} events: the ledger {outcome.ledger}")
