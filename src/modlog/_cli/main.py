"""The command line.

Exit codes: 0 all is well; 1 the answer is no (findings, rejected records, no such account, a
guardrail, declined); 2 the call or the input is wrong; 3 the store cannot do it. Interrupted:
130; nobody reads the output any more: 141.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Final

import click

from modlog import __version__
from modlog._cli import streams
from modlog._cli.adopt import adopt
from modlog._cli.archive import archive
from modlog._cli.backup import backup
from modlog._cli.calling import BAD_INPUT, INTERRUPTED, NO, STORE_TROUBLE, UNREAD, complain
from modlog._cli.clock import accept_clock
from modlog._cli.commands import ON_ACCOUNTS
from modlog._cli.completing import VARIABLE, completion
from modlog._cli.evidence import key, seal, verify
from modlog._cli.export import export
from modlog._cli.forensics import bisect, impact, stats
from modlog._cli.imports import import_
from modlog._cli.log import log
from modlog._cli.proofs import prove, verify_proof, witness
from modlog._cli.questions import QUESTIONS
from modlog._cli.reconcile import reconcile
from modlog._cli.reports.command import report
from modlog._cli.revert import revert
from modlog._cli.statement import statement
from modlog._cli.sweep import sweep
from modlog._cli.upgrade import upgrade
from modlog._errors import (
    AccountNotFoundError,
    ConflictError,
    GuardrailError,
    ImportRejectedError,
    IrreversibleError,
    ModlogError,
    ProofError,
    RefusedError,
    StoreError,
    SweepNotFoundError,
    SweepStateError,
)

# Errors that say no to what was asked for, however well it was asked.
_ANSWERS: Final = (
    AccountNotFoundError,
    ConflictError,
    GuardrailError,
    ImportRejectedError,
    IrreversibleError,
    ProofError,
    RefusedError,
    SweepNotFoundError,
    SweepStateError,
)


def main() -> None:
    """Run the command that the arguments name, and exit."""
    streams.prepare()
    commands(prog_name="modlog", complete_var=VARIABLE)


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
        click.echo(f"modlog {__version__}")
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


for _command in (
    *ON_ACCOUNTS,
    import_,
    adopt,
    reconcile,
    export,
    archive,
    log,
    *QUESTIONS,
    verify,
    bisect,
    stats,
    impact,
    statement,
    report,
    sweep,
    revert,
    accept_clock,
    key,
    seal,
    prove,
    verify_proof,
    witness,
    backup,
    upgrade,
    completion,
):
    commands.add_command(_command)
