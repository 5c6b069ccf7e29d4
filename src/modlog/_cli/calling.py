"""What commands have in common: where the ledger is, for whom they answer, how they end."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterable
from typing import Any, Final

import click

from modlog._cli.escaping import ascii_json, visible, visible_json
from modlog._domain.guardrails import Guardrails
from modlog._services.ledger import ModLog, open_ledger

NO: Final = 1
BAD_INPUT: Final = 2
STORE_TROUBLE: Final = 3
INTERRUPTED: Final = 130
UNREAD: Final = 141


# What messages tell programmers to call, and what stands for it here.
_COMMANDS: Final = (
    ("accounts() lists", "modlog accounts lists"),
    ("sweeps() lists", "modlog sweep list lists"),
    ("approve(actor=…)", "modlog sweep approve"),
    ("accept_clock()", "modlog accept-clock"),
    ("create=True", "modlog import --create"),
    ("begins without mode= and read_only=", "begins with modlog import"),
    ("() needs a reason: give reason=…", " needs a --reason"),
    ("override_protection=True with approved_by=", "--override-protection with --approved-by"),
    ("say everything=True if that is meant", "choose some by --batch, --actor, --since …"),
    (", or set one for a block with modlog.acting(…)", ""),
    ("say force=True to", "say --force to"),
    ("format= one of", "--format one of"),
    ("rebuild() makes", "log.rebuild() in Python makes"),
    ("log.archive(target) writes", "modlog archive write makes"),
    ("say which one with ledger=:", "say which one with --ledger:"),
    ("leave buckets= out", "leave --buckets out"),
    ("choose another by=", "choose another --same"),
    ("as Actor.human('wan')", "as human:wan"),
    ("datetime.now(timezone.utc) has one", "write one, as +00:00, or --zone where there is that"),
)


def in_own_words(message: str) -> str:
    """A message that names commands where it named Python's calls."""
    for call, command in _COMMANDS:
        message = message.replace(call, command)
    return message


def complain(message: str) -> None:
    """One line on standard error."""
    click.echo(f"modlog: {visible(' '.join(in_own_words(message).split()))}", err=True)


Command = Callable[..., Any]


def options(command: Command) -> Command:
    """What every command takes: where the ledger is, and for whom the answer is."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Answer in JSON, for programs."),
        click.option(
            "--schema", metavar="NAME", help="PostgreSQL schema of the ledger, if it has its own."
        ),
        click.option(
            "--db",
            "url",
            metavar="URL",
            envvar="MODLOG_URL",
            show_envvar=True,
            required=True,
            help="The ledger: a path, sqlite:///FILE or postgresql://USER@HOST/DATABASE.",
        ),
    ):
        command = option(command)
    return command


def reading(url: str, schema: str | None) -> ModLog:
    """A ledger to ask: a misspelt path must not make a new one."""
    is_file = url.startswith("sqlite:///") and "?" not in url
    is_path = "://" not in url
    return open_ledger(f"{url}?mode=ro" if is_file else url, schema=schema, read_only=is_path)


def writing(url: str, schema: str | None) -> ModLog:
    """A ledger to act on, within the guardrails; one that is not there is not made."""
    is_file = url.startswith("sqlite:///") and "?" not in url
    if "://" not in url:
        open_ledger(url, read_only=True).close()  # tells of a path where there is none
    # A face that embeds the commands may bring its own.
    context = click.get_current_context(silent=True)
    guardrails = (context.obj if context else None) or Guardrails()
    return open_ledger(f"{url}?mode=rw" if is_file else url, schema=schema, guardrails=guardrails)


def tell(texts: Iterable[str]) -> None:
    """Print what may be long as it comes, through a pager where the terminal has one."""
    if sys.stdout.isatty():
        os.environ.setdefault("LESS", "FRX")  # what fits the screen is shown without asking
        # It ends the last line itself.
        click.echo_via_pager(f"\n{text}" if n else text for n, text in enumerate(texts))
        return
    for text in texts:
        click.echo(text)


def cut_to_terminal(line: str) -> str:
    """A line that fits the terminal that it is printed to; whole where there is none."""
    if not sys.stdout.isatty():
        return line
    from rich.cells import cell_len, set_cell_size

    width = shutil.get_terminal_size().columns
    return line if cell_len(line) <= width else f"{set_cell_size(line, width - 1).rstrip()}…"


def print_json(value: object) -> None:
    """One JSON value, in a line."""
    click.echo(json_text(value))


def json_text(value: object) -> str:
    """A JSON value in a line, as the standard output can take it."""
    text = visible_json(value)
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return ascii_json(text)  # what a stream escapes by itself is no JSON
    return text
