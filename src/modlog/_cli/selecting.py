"""Which events a command is about: every filter of a selection as an option."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from difflib import get_close_matches
from functools import wraps
from typing import Any, Final

import click

from modlog._cli.acting import actor_of
from modlog._cli.calling import Command, reading
from modlog._cli.completing import account_ids, actor_ids, batch_ids, correlation_ids, policy_codes
from modlog._cli.instants import INSTANT, LENGTH
from modlog._cli.near import warn_of_unknown
from modlog._domain.events import EVENT_CLASSES
from modlog._domain.selection import LIKENESSES, Likeness, Selection
from modlog._domain.values import ACTOR_KINDS, Actor
from modlog._errors import InvalidInputError
from modlog._services.ledger import ModLog


class _Type(click.Choice[str]):
    """A type of event, which tells of those that are near."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:  # noqa: ARG002
        near = get_close_matches(value, self.choices, n=6, cutoff=0.5)
        return f"{value!r} is no type of event; near it: " + ", ".join(near or self.choices)


_WITHOUT: Final = "--without-"
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
            "shell_complete": actor_ids,
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
            "type": _Type(sorted(EVENT_CLASSES)),
            "multiple": True,
            "help": "Of this type, such as account.deleted.",
        },
    ),
    "policy": (
        "--policy",
        {
            "metavar": "CODE",
            "multiple": True,
            "shell_complete": policy_codes,
            "help": "By this policy.",
        },
    ),
    "correlation_id": (
        "--correlation",
        {
            "metavar": "ID",
            "multiple": True,
            "shell_complete": correlation_ids,
            "help": "Tied to this ticket, request or trace.",
        },
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


_LIKE: Final[dict[str, tuple[str, Mapping[str, Any]]]] = {
    "like": (
        "--like",
        {"metavar": "POSITION", "type": int, "help": "What is like the event there, around it."},
    ),
    "same": (
        "--same",
        {
            "type": click.Choice(LIKENESSES),
            "help": "What it has in common with that; the actor if left out.",
        },
    ),
    "within": (
        "--within",
        {"type": LENGTH, "help": "How long before and after that, as 30 min; 1h if left out."},
    ),
}


def selecting(command: Callable[..., Any]) -> Command:
    """The options; the command gets what they select as `selection`.

    Those that can be repeated mean any of their values, and all that is given must hold.
    """
    return _choosing(command, "--")


def leaving_out(command: Callable[..., Any]) -> Command:
    """The same options, each beginning with --without, for what is left out of a view."""
    return _choosing(command, _WITHOUT)


def _choosing(command: Callable[..., Any], prefix: str) -> Command:
    @wraps(command)
    def called(
        *,
        like: int | None,
        same: Likeness | None,
        within: timedelta | None,
        url: str,
        schema: str | None,
        **rest: Any,
    ) -> Any:
        asked = {name: rest.pop(f"its_{name}") for name in _OPTIONS}
        given = {name: value for name, value in asked.items() if value not in (None, ())}
        if "actor" in given:
            given["actor"] = [_actor(text) for text in given["actor"]]
        if like is None and (same or within is not None):
            raise InvalidInputError(f"--same and --within go with {prefix}like")
        selection = Selection(**given)
        if not selection.is_everything or like is not None:
            with reading(url, schema) as log:
                if like is not None:
                    selection = _with_alike(given, _alike(log, like, same, within), prefix)
                warn_of_unknown(log, dict(selection.given()))
        return command(selection=selection, url=url, schema=schema, **rest)

    decorated: Any = called
    for name, (option, settings) in reversed(_LIKE.items()):
        shown = option if name != "like" else _prefixed(option, prefix)
        decorated = click.option(shown, name, **settings)(decorated)
    for name, (option, settings) in reversed(_OPTIONS.items()):
        decorated = click.option(_prefixed(option, prefix), f"its_{name}", **settings)(decorated)
    return decorated  # type: ignore[no-any-return]


def _prefixed(option: str, prefix: str) -> str:
    return prefix + option.removeprefix("--")


def _alike(
    log: ModLog, position: int, same: Likeness | None, within: timedelta | None
) -> Mapping[str, Any]:
    """The filters that select what is like the event at a position."""
    event = next(log.events(Selection(positions=position)), None)
    if event is None:
        raise InvalidInputError(
            f"there is no event at position {position}: --like takes one that modlog log "
            f"--events shows, from 1 to {log.head}"
        )
    given: dict[str, Any] = {} if within is None else {"within": within}
    return dict(Selection.like(event, by=same or "actor", **given).given())


def _with_alike(given: Mapping[str, Any], alike: Mapping[str, Any], prefix: str) -> Selection:
    both = [_prefixed(_OPTIONS[name][0], prefix) for name in alike if name in given]
    if both:
        raise InvalidInputError(f"{prefix}like says that itself: leave out {', '.join(both)}")
    return Selection(**given, **alike)


def _actor(text: str) -> Actor | str:
    """KIND:ID, or an id whatever its kind, which may have a colon of its own."""
    kind, _, _ = text.partition(":")
    return actor_of(text, None) if kind in ACTOR_KINDS and ":" in text else text
