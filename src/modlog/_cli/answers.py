"""Instants, actors and lengths of time, as people see them."""

from __future__ import annotations

from datetime import datetime

from modlog._domain.values import Actor


def instant_of(instant: datetime) -> str:
    """An instant to the second, in UTC, which whoever shows it says."""
    return f"{instant:%Y-%m-%d %H:%M:%S}"


def name_of(actor: Actor) -> str:
    """Who acts, in a few words."""
    return " ".join(filter(None, (actor.kind, actor.id, actor.version)))


def length_of(seconds: float | None) -> str:
    """A time in the greatest unit of which there is one at least."""
    if seconds is None:
        return "–"
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
