"""What shells complete: names that the ledger knows, and how they learn it."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Final

import click
from click.shell_completion import get_completion_class

from modlog._cli.calling import reading
from modlog._errors import ModlogError
from modlog._storage.names import NameKind

VARIABLE: Final = "_MODLOG_COMPLETE"


def account_ids(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Ids of accounts that begin like this."""
    return _names(ctx, "account", incomplete)


def batch_ids(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Names of batches that begin like this."""
    return _names(ctx, "batch", incomplete)


def sweep_names(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Names of sweeps that begin like this."""
    return _names(ctx, "sweep", incomplete)


def actor_ids(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Ids of actors that begin like this."""
    return _names(ctx, "actor", incomplete)


def correlation_ids(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Ids of tickets, requests or traces that begin like this."""
    return _names(ctx, "correlation", incomplete)


def policy_codes(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Codes of policies that begin like this."""
    return _names(ctx, "policy", incomplete)


def labels(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Labels of flags that stand, and begin like this."""
    return _names(ctx, "label", incomplete)


def _names(ctx: click.Context, kind: NameKind, incomplete: str) -> list[str]:
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
    """Print what teaches SHELL to complete commands and names.

    Names are those of accounts, batches, sweeps, actors and policies in the ledger that
    MODLOG_URL names. To have it in every shell, put a line into the file that it reads as it
    starts:

    \b
        eval "$(modlog completion bash)"     in ~/.bashrc
        eval "$(modlog completion zsh)"      in ~/.zshrc
        modlog completion fish | source      in ~/.config/fish/config.fish

    Example: modlog completion bash
    """
    found = get_completion_class(shell)
    assert found is not None, "click has it"
    root = click.get_current_context().find_root().command
    click.echo(found(root, {}, "modlog", VARIABLE).source())
