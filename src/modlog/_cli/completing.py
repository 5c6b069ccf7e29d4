"""What shells complete: ids of accounts and names of batches, and how they learn it."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Final

import click
from click.shell_completion import get_completion_class

from modlog._cli.calling import reading
from modlog._errors import ModlogError

VARIABLE: Final = "_MODLOG_COMPLETE"


def account_ids(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Ids of accounts that begin like this."""
    return _names(ctx, "account", incomplete)


def batch_ids(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Names of batches that begin like this."""
    return _names(ctx, "batch", incomplete)


def _names(ctx: click.Context, kind: str, incomplete: str) -> list[str]:
    url = ctx.params.get("url") or os.environ.get("MODLOG_URL")
    # A shell that completes has nowhere to tell what is wrong.
    with suppress(ModlogError, OSError):
        if url:
            with reading(url, ctx.params.get("schema")) as log:
                return log.names_from(kind, incomplete)
    return []


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what teaches SHELL to complete commands, options, accounts and batches.

    Example: eval "$(modlog completion bash)"
    """
    found = get_completion_class(shell)
    assert found is not None, "click has it"
    root = click.get_current_context().find_root().command
    click.echo(found(root, {}, "modlog", VARIABLE).source())
