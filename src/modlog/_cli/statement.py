"""Statements for owners of accounts, from the command line."""

from __future__ import annotations

import click

from modlog._cli.calling import options, print_json, reading, tell
from modlog._cli.escaping import visible
from modlog._cli.mappings import mapping_from
from modlog._cli.near import on_account
from modlog._cli.viewing import Viewpoint, viewed


@click.command()
@on_account
@click.option("--names", is_flag=True, help="Also tell who acted, by name.")
@click.option(
    "--words",
    metavar="FILE",
    help="Sentences in TOML or JSON that stand in for those of modlog, in any language.",
)
@viewed
@options
def statement(
    *,
    account_id: str,
    names: bool,
    words: str | None,
    viewpoint: Viewpoint,
    url: str,
    schema: str | None,
    as_json: bool,
) -> None:
    """Tell the owner of account ID what was done to it.

    It names nobody else, unless a reason that was recorded does: read it before it is sent.

    Example: modlog statement 110018
    """
    sentences = None if words is None else mapping_from(words)
    with reading(url, schema) as log:
        told = viewpoint.of(log).statement(account_id, names=names)
    text = told.text(sentences)
    if as_json:
        print_json({**told.as_dict(), "text": text})
        return
    tell(visible(line) for line in text.split("\n"))
