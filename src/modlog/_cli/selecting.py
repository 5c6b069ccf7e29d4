"""Options that say which events are meant: a `Selection` for any command that takes one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any, Final

import click
from attrs import frozen

from modlog._cli.acting import actor_of
from modlog._cli.calling import Command
from modlog._domain.selection import Selection
from modlog._domain.values import ACTOR_KINDS, Actor, parsed_instant


def instant(text: str, option: str) -> datetime:
    """The instant that an option's value names: ISO 8601 with an offset.

    Raises:
        InvalidInputError: it names none.
    """
    return parsed_instant(text, option)


def chosen_actor(text: str) -> Actor | str:
    """KIND:ID, or an id whatever its kind, which may have a colon of its own."""
    kind, _, _ = text.partition(":")
    return actor_of(text, None) if kind in ACTOR_KINDS and ":" in text else text


def _as_it_is(value: Any, _: str) -> Any:
    return value


@frozen
class _Filter:
    """A filter of `Selection` as an option.

    Attributes:
        option: its name.
        metavar: what its value is called.
        help: what it is about.
        several: whether it may be repeated.
        type: what click takes for its value.
        read: makes the filter's value of the option's, given the option's name.
    """

    option: str
    metavar: str
    help: str
    several: bool = False
    type: Any = str
    read: Callable[[Any, str], Any] = _as_it_is


_POSITION: Final = click.IntRange(min=0)
# By the filter's name, in the order in which the help has them. A new filter is a line here.
_FILTERS: Final = {
    "account_id": _Filter("--account", "ID", "Only of this account.", several=True),
    "actor": _Filter(
        "--actor",
        "ID",
        "Only what this actor did: human:wan, or an id of any kind.",
        several=True,
        read=lambda texts, _: [chosen_actor(text) for text in texts],
    ),
    "batch_id": _Filter("--batch", "NAME", "Only of this batch.", several=True),
    "type": _Filter("--type", "TYPE", "Only of this type, as account.deleted.", several=True),
    "policy": _Filter("--policy", "CODE", "Only under this policy.", several=True),
    "since": _Filter(
        "--since", "WHEN", "Recorded then or later: 2026-03-09T22:10:00Z.", read=instant
    ),
    "until": _Filter("--until", "WHEN", "Recorded before then.", read=instant),
    "after_position": _Filter("--after-position", "N", "After this position.", type=_POSITION),
    "up_to_position": _Filter("--up-to-position", "N", "Up to this position.", type=_POSITION),
    "positions": _Filter("--position", "N", "Only at this position.", several=True, type=_POSITION),
}


def selecting(command: Command) -> Command:
    """Options for each filter; the command gets the `selection` that they amount to."""

    @wraps(command)
    def selected(**given: Any) -> Any:
        filters = {
            name: one.read(value, one.option)
            for name, one in _FILTERS.items()
            if (value := given.pop(name)) not in (None, ())
        }
        return command(selection=Selection(**filters), **given)

    for name, one in reversed(_FILTERS.items()):
        selected = click.option(
            one.option,
            name,
            metavar=one.metavar,
            multiple=one.several,
            type=one.type,
            help=f"{one.help}{' May be repeated.' if one.several else ''}",
        )(selected)
    return selected


# How many, for commands that list; it is no filter.
limit = click.option(
    "--limit", metavar="N", type=click.IntRange(min=1), help="At most so many, the first ones."
)
