"""The systems that are compared, each in the fastest way that its documentation shows.

A system is a class that is opened at a place. It has `durability()`, and a method for each
operation that it knows; `fill_…` methods make what the operations work on. One that is not
there is left out of the table.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

from benchmarks.places import Place

# Name → module and class. The order is that of the table.
SYSTEMS: Final = {
    "modlog": ("ledger", "Modlog"),
    "eventsourcing": ("stock", "Stock"),
    "floor": ("floor", "Floor"),
}


def class_of(name: str) -> type[Any]:
    """The class of a system; its packages are imported only now."""
    module, cls = SYSTEMS[name]
    found: type[Any] = getattr(import_module(f"benchmarks.systems.{module}"), cls)
    return found


def opened(name: str, place: Place) -> Any:
    """A system at a place."""
    return class_of(name)(place)
