"""Who acts from the command line, and whether they mean it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click
from rich.console import RenderableType

from modlog._cli.calling import BAD_INPUT, NO, Command, complain
from modlog._domain.values import Actor, shown
from modlog._errors import InvalidInputError

Move = Callable[[Any], None]


def as_actor(command: Command) -> Command:
    """Options that say who acts."""
    for option in (
        click.option(
            "--own-account",
            metavar="ID",
            envvar="MODLOG_OWN_ACCOUNT",
            show_envvar=True,
            help="The actor's own account on the platform.",
        ),
        click.option(
            "--as",
            "actor",
            metavar="KIND:ID",
            envvar="MODLOG_ACTOR",
            show_envvar=True,
            required=True,
            help="Who acts: human:wan, bot:sweeper, system:cron, model:NAME@VERSION.",
        ),
    ):
        command = option(command)
    return command


def actor_of(text: str, own_account: str | None) -> Actor:
    """The actor that the options name.

    Raises:
        InvalidInputError: they name none.
    """
    kind, colon, name = text.partition(":")
    version = None
    if kind == "model" and "@" in name:
        name, _, version = name.rpartition("@")
    if not (colon and name):
        raise InvalidInputError(f"--as takes KIND:ID, as human:wan, not {shown(text)}")
    return Actor(kind=kind, id=name, version=version, account_id=own_account)  # type: ignore[arg-type]


yes = click.option("--yes", is_flag=True, help="Do not show and ask first.")


def ask(question: str, plan: RenderableType) -> None:
    """Show what is about to happen, and go on only if that is meant.

    Where nobody can be asked, the call ends with 2; if the answer is no, with 1.
    """
    context = click.get_current_context()
    if not sys.stdin.isatty():
        complain(f"{question}: there is no terminal to ask on; --yes says that it is meant")
        context.exit(BAD_INPUT)
    from modlog._cli import terminal

    terminal.show(plan, err=True)
    if not click.confirm(question, err=True):
        complain("nothing was done")
        context.exit(NO)


@contextmanager
def bar(what: str, of: str = "accounts") -> Iterator[Move]:
    """Shows how far it is, on a terminal: of so many accounts, or of what else there is."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from modlog._cli import terminal

    with terminal.chunk_bar(what, of) as move:
        yield move
