"""`manage.py modlog`: the command line, on the ledger of the settings."""

from __future__ import annotations

import argparse
import os
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import click
from django.core.management.base import BaseCommand, CommandError

from modlog._cli import streams
from modlog._cli.main import commands
from modlog.django._settings import Place, place


class Command(BaseCommand):
    """All of `modlog`; `--db` and `--schema` are what the settings say."""

    help = "The command line of modlog, on the ledger of the settings: see modlog --help."
    requires_system_checks = ()

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("arguments", nargs=argparse.REMAINDER)

    def run_from_argv(self, argv: list[str]) -> None:
        """Everything is modlog's, but for the two options that Django has acted on already."""
        own = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
        own.add_argument("--settings")
        own.add_argument("--pythonpath")
        _, rest = own.parse_known_args(argv[2:])
        streams.prepare()
        _run(rest, f"{Path(argv[0]).name} {argv[1]}")

    def handle(self, *_: Any, **options: Any) -> None:
        """As others call it, by `call_command("modlog", …)`."""
        with redirect_stdout(self.stdout._out), redirect_stderr(self.stderr._out):
            try:
                _run(options["arguments"], "modlog")
            except SystemExit as end:
                if end.code:
                    raise CommandError("it did not end well", returncode=end.code) from end


def _run(arguments: list[str], name: str) -> None:
    where = place()
    os.environ.pop("MODLOG_URL", None)  # it would be stronger than what the settings say
    defaults = _defaults(commands, where)
    commands(arguments, prog_name=name, default_map=defaults, obj=where.guardrails)


def _defaults(command: click.Command, where: Place) -> dict[str, Any]:
    """For each command and those below it, where the ledger is."""
    if isinstance(command, click.Group):
        return {name: _defaults(below, where) for name, below in command.commands.items()}
    return {"url": where.url, "schema": where.schema}
