"""What commands have in common: where the ledger is, for whom they answer, how they end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import click

from modlog._cli.escaping import visible, visible_json
from modlog._domain.guardrails import Guardrails
from modlog._services.ledger import ModLog, open_ledger

NO: Final = 1
BAD_INPUT: Final = 2
STORE_TROUBLE: Final = 3
INTERRUPTED: Final = 130
UNREAD: Final = 141


def complain(message: str) -> None:
    """One line on standard error."""
    click.echo(f"modlog: {visible(' '.join(message.split()))}", err=True)


Command = Callable[..., Any]


def options(command: Command) -> Command:
    """What every command takes: where the ledger is, and for whom the answer is."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Answer in JSON, for programs."),
        click.option("--schema", help="PostgreSQL schema of the ledger, if it has its own."),
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
    return open_ledger(f"{url}?mode=rw" if is_file else url, schema=schema, guardrails=Guardrails())


def print_json(value: object) -> None:
    click.echo(visible_json(value))
