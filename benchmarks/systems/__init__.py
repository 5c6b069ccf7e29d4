"""The systems that are compared, each in the fastest way that its documentation shows.

A system is a class that is opened at a place. It has `durability()`, and a method for each
operation that it knows; `fill_…` methods make what the operations work on. One that is not
there is left out of the table.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

from attrs import frozen

from benchmarks.places import STORES, Place


@frozen
class System:
    """Where a system is found.

    Attributes:
        module: of this package.
        cls: what is opened, in that module.
        needs: the package that must be installed for it, if modlog does not need it anyway.
        stores: those that it can use.
    """

    module: str
    cls: str
    needs: str | None = None
    stores: tuple[str, ...] = STORES

    @property
    def installed(self) -> bool:
        return self.needs is None or find_spec(self.needs) is not None


# What keeps the versions of an application's rows.
PEERS: Final = {
    "Continuum": System("peers.continuum", "Continuum", "sqlalchemy_continuum"),
    "pghistory": System("peers.pghistory", "PgHistory", "pghistory", ("postgres",)),
    "simple-history": System("peers.simple_history", "SimpleHistory", "simple_history"),
    "reversion": System("peers.reversion", "Reversion", "reversion"),
}
# Stock eventsourcing that saves many aggregates at once; this matters only where many are changed.
TOGETHER: Final = "eventsourcing-500"
# The order is that of the table.
SYSTEMS: Final = {
    "modlog": System("ledger", "Modlog"),
    "eventsourcing": System("stock", "Stock"),
    TOGETHER: System("stock", "StockTogether"),
    "floor": System("floor", "Floor"),
} | PEERS


def opened(name: str, place: Place) -> Any:
    """A system at a place; its packages are imported only now."""
    system = SYSTEMS[name]
    cls = getattr(import_module(f"benchmarks.systems.{system.module}"), system.cls)
    return cls(place)
