"""Keys and seals, from the command line."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from time import sleep

import click

from modlog._cli.acting import bar
from modlog._cli.calling import NO, Command, options, print_json, reading, writing
from modlog._cli.escaping import visible
from modlog._cli.instants import LENGTH
from modlog._errors import InvalidInputError
from modlog._services.crew import MOST_PROCESSES
from modlog._services.evidence.keys import SigningKey, write_keys
from modlog._services.evidence.sealing import SealOutcome
from modlog._services.ledger import ModLog


@click.group()
def key() -> None:
    """Make keys that sign checkpoints.

    Example: modlog key generate --name example.com/ledger -o other.key
    """


@key.command()
@click.option(
    "--name",
    metavar="NAME",
    required=True,
    help="Of the key, such as example.com/ledger; of a ledger's it is its checkpoints' origin.",
)
@click.option("--for-witness", "witness", is_flag=True, help="A key that cosigns.")
@click.option("-o", "--output", metavar="FILE", required=True, help="The file of the private key.")
@click.option("--force", is_flag=True, help="Replace files that are there.")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON, for programs.")
def generate(*, name: str, witness: bool, output: str, force: bool, as_json: bool) -> None:
    """Make a key: FILE, for whoever seals alone, and FILE.pub, for everybody who checks.

    Keep FILE where the database's administrators cannot read it. Whoever has it can sign other
    histories.

    Example: modlog key generate --name example.com/ledger -o new.key
    """
    made = SigningKey.generate(name, witness=witness)
    public = write_keys(made, output, force=force)
    if as_json:
        print_json({"name": name, "file": output, "public": public, "key": made.verifier.text})
        return
    click.echo(f"made {visible(output)}, which nobody else may read, and {visible(public)}:")
    click.echo(visible(made.verifier.text))


@click.command()
@click.option("--key", "key_file", metavar="KEY", required=True, help="File of the signing key.")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="Where the checkpoint is kept outside: a file, a folder, a file:// URL.",
)
@click.option("--every", type=LENGTH, help="Go on so often, until Ctrl-C: 1s, 1 min.")
@options
def seal(
    *,
    key_file: str,
    output: str | None,
    every: timedelta | None,
    url: str,
    schema: str | None,
    as_json: bool,
) -> None:
    """Sign what is recorded so far, against changes.

    The checkpoint is kept in the ledger and, with -o, outside of it: give it a place where the
    database's administrators cannot change it. Without -o it is printed.

    Example: modlog seal --key ledger.key -o checkpoint
    """
    if every is not None and not every:
        raise InvalidInputError("--every takes a length of time, such as 1s")
    with writing(url, schema) as log:
        _tell(_sealed(log, key_file, output), output, as_json=as_json)
        while every:
            sleep(every.total_seconds())
            outcome = _sealed(log, key_file, output)
            if outcome.sealed:
                _tell(outcome, output, as_json=as_json)


def _sealed(log: ModLog, key_file: str, output: str | None) -> SealOutcome:
    with bar("to seal", "events") as move:
        return log.seal(key_file, output, progress=move)


def _tell(outcome: SealOutcome, output: str | None, *, as_json: bool) -> None:
    if as_json:
        print_json(outcome.as_dict())
        return
    click.echo(
        f"sealed {outcome.sealed:,} events; the checkpoint of {visible(outcome.origin)} is of "
        f"{outcome.size:,}",
        err=output is None,
    )
    if output is None:
        click.echo(outcome.note, nl=False)


def of_signers(command: Command) -> Command:
    """Options that say whose signatures count."""
    for option in (
        click.option(
            "--quorum", type=int, help="How many witnesses must have cosigned; all, if left out."
        ),
        click.option(
            "--witness",
            "witnesses",
            metavar="FILE",
            multiple=True,
            help="The public key of a witness; may be repeated.",
        ),
    ):
        command = option(command)
    return command


@click.command()
@click.option(
    "--checkpoint",
    "checkpoints",
    metavar="FILE",
    multiple=True,
    help="A checkpoint that lay outside of the database; may be repeated.",
)
@click.option("--key", "key_file", metavar="KEY", help="File of the ledger's public key, .pub.")
@of_signers
@click.option(
    "--processes",
    type=click.IntRange(1, MOST_PROCESSES),
    help="How many look at a large ledger side by side; one for each core, if left out.",
)
@options
def verify(
    *,
    checkpoints: Iterable[str],
    key_file: str | None,
    witnesses: Iterable[str],
    quorum: int | None,
    processes: int | None,
    url: str,
    schema: str | None,
    as_json: bool,
) -> None:
    """Check the ledger against itself and its seals.

    The exit code is 0 if all is right, 1 if anything is found or a signature is wrong, and 2 if
    it could not be checked: a file that is no key, a checkpoint of another ledger.

    Example: modlog verify --db moderation.db
    """
    with ExitStack() as stack:
        log = stack.enter_context(reading(url, schema))
        move = stack.enter_context(bar("verifying", "events and accounts"))
        report = log.verify(
            move,
            checkpoints=[Path(one) for one in checkpoints],
            key=key_file,
            witnesses=[*witnesses],
            quorum=quorum,
            processes=processes or min(os.cpu_count() or 1, MOST_PROCESSES),
        )
    if as_json:
        print_json(report.as_dict())
    else:
        from modlog._cli import terminal

        terminal.show(terminal.verification(report))
    if not report.ok:
        click.get_current_context().exit(NO)
