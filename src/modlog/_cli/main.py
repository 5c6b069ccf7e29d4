"""The command line.

Exit codes: 0 all is well; 1 the answer is no (findings, rejected records, no such account, a
guardrail, declined); 2 the call or the input is wrong; 3 the store cannot do it. Interrupted:
130; nobody reads the output any more: 141.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, BinaryIO, Final

import click
from attrs import asdict, define

from modlog._cli import streams
from modlog._cli.calling import (
    BAD_INPUT,
    INTERRUPTED,
    NO,
    STORE_TROUBLE,
    UNREAD,
    complain,
    options,
    print_json,
    reading,
)
from modlog._cli.clock import accept_clock
from modlog._cli.escaping import visible, visible_json
from modlog._cli.export import export
from modlog._cli.lines import opened, records
from modlog._cli.revert import revert
from modlog._cli.sweep import sweep
from modlog._cli.upgrade import upgrade
from modlog._domain.account import Account, Status
from modlog._domain.events import RecordedEvent
from modlog._errors import (
    AccountNotFoundError,
    ConflictError,
    GuardrailError,
    ImportRejectedError,
    InvalidInputError,
    IrreversibleError,
    ModlogError,
    RefusedError,
    StoreError,
    SweepNotFoundError,
    SweepStateError,
)
from modlog._services.import_outcomes import IngestOutcome, OnRefused, Rejection
from modlog._services.integrity import VerificationReport
from modlog._services.ledger import open_ledger

# Errors that say no to what was asked for, however well it was asked.
_ANSWERS: Final = (
    AccountNotFoundError,
    ConflictError,
    GuardrailError,
    ImportRejectedError,
    IrreversibleError,
    RefusedError,
    SweepNotFoundError,
    SweepStateError,
)

# So many rejected lines are told at once; a file takes them all.
_TOLD: Final = 10


def main() -> None:
    """Run the command that the arguments name, and exit."""
    streams.prepare()
    commands(prog_name="modlog")


class _Commands(click.Group):
    """Commands whose failures end in one line and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            super().invoke(ctx)
            sys.stdout.flush()
        except ModlogError as error:
            complain(str(error))
            ctx.exit(_exit_code(error))
        except BrokenPipeError:
            # Python flushes once more at its end, which would complain again.
            sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115
            ctx.exit(UNREAD)
        except OSError as error:
            complain(f"{error.filename or 'file'}: {error.strerror or error}")
            ctx.exit(BAD_INPUT)
        except KeyboardInterrupt:
            complain("interrupted")
            ctx.exit(INTERRUPTED)


def _exit_code(error: ModlogError) -> int:
    if isinstance(error, StoreError):
        return STORE_TROUBLE
    return NO if isinstance(error, _ANSWERS) else BAD_INPUT


def _print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        try:
            click.echo(f"modlog {version('modlog')}")
        except PackageNotFoundError:
            click.echo("modlog, not installed")
        ctx.exit()


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 all is well; 1 the answer is no (findings, rejected records, no such "
    "account, a guardrail); 2 wrong call or input; 3 trouble with the store.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version and exit.",
)
def commands() -> None:
    """The ledger of an account's life on a platform."""


commands.add_command(export)
commands.add_command(sweep)
commands.add_command(revert)
commands.add_command(accept_clock)
commands.add_command(upgrade)


# Import


@commands.command("import")
@click.argument("file")
@options
@click.option("--batch", metavar="NAME", help="Name of the import in its events.")
@click.option(
    "--chunk",
    type=click.IntRange(min=1),
    default=10_000,
    show_default=True,
    help="Records a transaction.",
)
@click.option(
    "--create", is_flag=True, help="Begin a ledger in the --schema if it is not there yet."
)
@click.option("--strict", is_flag=True, help="Stop at the first record that is rejected.")
@click.option(
    "--on-refused",
    type=click.Choice(["reject", "note"]),
    default="reject",
    show_default=True,
    help="What becomes of a record that the state of its account refuses.",
)
@click.option(
    "--rejected",
    "rejected_path",
    metavar="FILE",
    help="Write rejected records here, with line and reason, as JSON lines.",
)
def import_(
    *,
    file: str,
    url: str,
    schema: str | None,
    as_json: bool,
    batch: str | None,
    chunk: int,
    create: bool,
    strict: bool,
    on_refused: OnRefused,
    rejected_path: str | None,
) -> None:
    """Load history from FILE.

    A line of FILE is one record in JSON; FILE may be gzipped, and - is standard input. Records
    are decided in order, a chunk a transaction. One that cannot be taken is rejected and the
    rest goes on; the exit code is then 1. Records with a key are decided only once, however
    often they are loaded. An export in JSON Lines is taken as it is.
    """
    _check_rejected_path(file, rejected_path)
    with (
        opened(file) as (raw, text),
        open_ledger(url, schema=schema, create=create) as log,
        _writable(rejected_path) as rejects,
        _bar(raw) as move,
    ):
        watch = _Watch(move, rejects)
        try:
            outcome = log.ingest_numbered(
                records(text), batch, chunk, watch, strict, on_refused=on_refused
            )
        except ImportRejectedError:
            raise  # tells it all
        except BaseException:
            watch.tell_how_far()
            raise
    if as_json:
        print_json({**asdict(outcome, recurse=False), "rejected": len(outcome.rejected)})
    else:
        from modlog._cli import terminal

        terminal.show(terminal.summary(outcome))
    if outcome.rejected:
        if not rejected_path:
            _tell(outcome.rejected)
        click.get_current_context().exit(NO)


def _check_rejected_path(file: str, rejected_path: str | None) -> None:
    if rejected_path and Path(rejected_path).exists() and Path(rejected_path).samefile(file):
        raise InvalidInputError(f"{rejected_path} is the file that is read: name another")


@contextmanager
def _writable(path: str | None) -> Iterator[BinaryIO | None]:
    if path is None:
        yield None
        return
    with Path(path).open("wb") as file:
        yield file


@contextmanager
def _bar(raw: BinaryIO) -> Iterator[Callable[[IngestOutcome], None]]:
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from modlog._cli import terminal

    with terminal.import_bar(raw) as move:
        yield move


@define
class _Watch:
    """Follows an import, chunk by chunk."""

    move: Callable[[IngestOutcome], None]
    rejects: BinaryIO | None
    recorded: int = 0
    written: int = 0

    def __call__(self, outcome: IngestOutcome) -> None:
        self.recorded = outcome.recorded
        self.move(outcome)
        if self.rejects:
            for one in outcome.rejected[self.written :]:
                self.rejects.write(f"{visible_json(_rejection_data(one))}\n".encode())
            self.rejects.flush()
            self.written = len(outcome.rejected)

    def tell_how_far(self) -> None:
        """What an import that ends before its time leaves behind."""
        complain(
            f"the import stopped; {self.recorded:,} records before that are recorded. "
            "Loading the file again skips those that have a key"
        )


def _rejection_data(rejection: Rejection) -> Mapping[str, object]:
    fields = asdict(rejection, recurse=False)
    return fields if fields.pop("known") is False else {**fields, "known": True}


def _tell(rejected: list[Rejection]) -> None:
    for one in rejected[:_TOLD]:
        before = " before" if one.known else ""
        complain(f"line {one.line} rejected{before}: {one.reason}")
    if len(rejected) > _TOLD:
        complain(f"{len(rejected) - _TOLD:,} more rejected; --rejected FILE writes down all")


# Questions


@commands.command()
@click.argument("account_id", metavar="ID")
@options
def show(account_id: str, url: str, schema: str | None, as_json: bool) -> None:
    """Show account ID as it is, and why."""
    with reading(url, schema) as log:
        account = log.account(account_id)
        imposed = [] if as_json else log.history(account_id)
    if as_json:
        print_json(_account_data(account))
        return
    from modlog._cli import terminal

    terminal.show(terminal.card(account, imposed))


def _account_data(account: Account) -> Mapping[str, object]:
    return {
        **asdict(account, recurse=False),
        "sanctions": {version: asdict(one) for version, one in account.sanctions.items()},
    }


@commands.command()
@click.argument("account_id", metavar="ID")
@options
def history(account_id: str, url: str, schema: str | None, as_json: bool) -> None:
    """Show every event of account ID."""
    with reading(url, schema) as log:
        events = log.history(account_id)
    if as_json:
        for event in events:
            print_json(_event_data(event))
        return
    from modlog._cli import terminal

    terminal.show(terminal.history(events))


def _event_data(event: RecordedEvent) -> Mapping[str, object]:
    fields = asdict(event, recurse=False)
    del fields["event"]
    return {**fields, "actor": asdict(event.actor), "type": event.type, "data": event.data}


@commands.command()
@options
@click.option(
    "--status",
    multiple=True,
    type=click.Choice([status.value for status in Status]),
    help="Only accounts with this status; may be repeated.",
)
@click.option("--flagged", metavar="LABEL", help="Only accounts with a flag of this label.")
def accounts(
    url: str, schema: str | None, as_json: bool, status: tuple[str, ...], flagged: str | None
) -> None:
    """List accounts by id, each with its status."""
    with reading(url, schema) as log:
        for account in log.accounts(status=status or None, flagged=flagged):
            if as_json:
                print_json(_account_data(account))
            else:
                click.echo(f"{account.status:<10} {visible(account.id)}")


@commands.command()
@options
def count(url: str, schema: str | None, as_json: bool) -> None:
    """Count the accounts of each status."""
    with reading(url, schema) as log:
        counts = log.count()
    if as_json:
        print_json(counts)
        return
    for status, number in counts.items():
        click.echo(f"{status:<10} {number:>12,}")


@commands.command()
@options
def verify(url: str, schema: str | None, as_json: bool) -> None:
    """Check the ledger against itself.

    The exit code is 1 if anything is found.
    """
    with reading(url, schema) as log:
        report = log.verify()
    if as_json:
        print_json(_report_data(report))
    else:
        from modlog._cli import terminal

        terminal.show(terminal.verification(report))
    if not report.ok:
        click.get_current_context().exit(NO)


def _report_data(report: VerificationReport) -> Mapping[str, object]:
    return {"ok": report.ok, **asdict(report)}
