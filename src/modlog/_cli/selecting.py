"""Which events a command is about: every filter of a selection as an option."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Final

import click

from modlog._cli.acting import actor_of
from modlog._cli.calling import Command
from modlog._cli.completing import account_ids, batch_ids
from modlog._cli.instants import INSTANT
from modlog._domain.events import EVENT_CLASSES
from modlog._domain.selection import Selection
from modlog._domain.values import ACTOR_KINDS, Actor

_POSITION: Final = click.IntRange(min=0)
# Options by the filter that they give, in the order in which help shows them.
_OPTIONS: Final[dict[str, tuple[str, Mapping[str, Any]]]] = {
    "account_id": (
        "--account",
        {
            "metavar": "ID",
            "multiple": True,
            "shell_complete": account_ids,
            "help": "Of this account.",
        },
    ),
    "actor": (
        "--actor",
        {
            "metavar": "ID",
            "multiple": True,
            "help": "By this actor: human:wan, or an id of any kind.",
        },
    ),
    "actor_kind": (
        "--actor-kind",
        {"type": click.Choice(ACTOR_KINDS), "multiple": True, "help": "By actors of this kind."},
    ),
    "batch_id": (
        "--batch",
        {
            "metavar": "NAME",
            "multiple": True,
            "shell_complete": batch_ids,
            "help": "Of this batch.",
        },
    ),
    "type": (
        "--type",
        {
            "metavar": "TYPE",
            "type": click.Choice(sorted(EVENT_CLASSES)),
            "multiple": True,
            "help": "Of this type, such as account.deleted.",
        },
    ),
    "policy": ("--policy", {"metavar": "CODE", "multiple": True, "help": "By this policy."}),
    "correlation_id": (
        "--correlation",
        {"metavar": "ID", "multiple": True, "help": "Tied to this ticket, request or trace."},
    ),
    "since": ("--since", {"type": INSTANT, "help": "Recorded at this time or later."}),
    "until": ("--until", {"type": INSTANT, "help": "Recorded before this time."}),
    "occurred_since": (
        "--occurred-since",
        {"type": INSTANT, "help": "Happened at this time or later."},
    ),
    "occurred_until": ("--occurred-until", {"type": INSTANT, "help": "Happened before this time."}),
    "after_position": ("--after-position", {"type": _POSITION, "help": "After this position."}),
    "up_to_position": ("--up-to-position", {"type": _POSITION, "help": "Up to this position."}),
    "positions": (
        "--position",
        {"type": _POSITION, "multiple": True, "help": "At this position."},
    ),
}


def selecting(command: Callable[..., Any]) -> Command:
    """The options; the command gets what they select as `selection`.

    Those that can be repeated mean any of their values, and all that is given must hold.
    """

    @wraps(command)
    def called(**rest: Any) -> Any:
        asked = {name: rest.pop(f"its_{name}") for name in _OPTIONS}
        given = {name: value for name, value in asked.items() if value not in (None, ())}
        if "actor" in given:
            given["actor"] = [_actor(text) for text in given["actor"]]
        return command(selection=Selection(**given), **rest)

    decorated: Any = called
    for name, (option, settings) in reversed(_OPTIONS.items()):
        decorated = click.option(option, f"its_{name}", **settings)(decorated)
    return decorated  # type: ignore[no-any-return]


def _actor(text: str) -> Actor | str:
    """KIND:ID, or an id whatever its kind, which may have a colon of its own."""
    kind, _, _ = text.partition(":")
    return actor_of(text, None) if kind in ACTOR_KINDS and ":" in text else text
