"""How fast modlog has to be beside the others."""

from __future__ import annotations

from typing import Final

from attrs import frozen

from benchmarks.places import STORES
from benchmarks.systems import PEERS, TOGETHER


@frozen
class Target:
    """At least so many times the speed of something else in the same run."""

    operation: str
    store: str
    versus: tuple[str, str]  # operation and system
    at_least: float


TARGETS: Final = (
    Target("create", "sqlite", ("create", "eventsourcing"), 3.0),
    Target("create", "sqlite", ("create", "floor"), 0.5),
    Target("create", "postgres", ("create", "eventsourcing"), 3.0),
    Target("create", "postgres", ("create", "floor"), 0.5),
    Target("adopt", "sqlite", ("adopt", "floor"), 0.5),
    Target("adopt", "postgres", ("adopt", "floor"), 0.5),
    Target("sweep", "sqlite", ("sweep", "eventsourcing"), 10.0),
    Target("sweep", "sqlite", ("sweep", "floor"), 0.6),
    Target("sweep", "postgres", ("sweep", "eventsourcing"), 10.0),
    Target("sweep", "postgres", ("sweep", "floor"), 0.75),
    Target("sweep", "sqlite", ("sweep", TOGETHER), 10.0),
    Target("sweep", "postgres", ("sweep", TOGETHER), 10.0),
    Target("undo", "sqlite", ("undo", "eventsourcing"), 10.0),
    Target("undo", "sqlite", ("undo", "floor"), 0.6),
    Target("undo", "postgres", ("undo", "eventsourcing"), 10.0),
    Target("undo", "postgres", ("undo", "floor"), 0.75),
    Target("undo", "sqlite", ("undo", TOGETHER), 10.0),
    Target("undo", "postgres", ("undo", TOGETHER), 10.0),
    Target("plan", "sqlite", ("undo", "modlog"), 1.0),
    Target("plan", "postgres", ("undo", "modlog"), 1.0),
    # Of these two per store, one is enough.
    Target("as_of", "sqlite", ("as_of", "floor"), 0.5),
    Target("as_of", "sqlite", ("fold", "modlog"), 5.0),
    Target("as_of", "postgres", ("as_of", "floor"), 0.5),
    Target("as_of", "postgres", ("fold", "modlog"), 5.0),
    Target("command", "sqlite", ("command", "eventsourcing"), 1.4),
    Target("command", "postgres", ("command", "eventsourcing"), 1.5),
    Target("command", "sqlite", ("command", "floor"), 1 / 3),
    Target("command", "postgres", ("command", "floor"), 1 / 3),
    Target("writers", "postgres", ("command", "modlog"), 1.3),
    Target("aio", "sqlite", ("command", "modlog"), 0.7),
    Target("aio", "postgres", ("command", "modlog"), 0.7),
    Target("aio_tasks", "postgres", ("command", "modlog"), 1.0),
    Target("history", "sqlite", ("history", "eventsourcing"), 1.0),
    Target("history", "postgres", ("history", "eventsourcing"), 1.0),
    Target("ingest", "sqlite", ("ingest", "floor"), 0.6),
    Target("ingest", "postgres", ("ingest", "floor"), 0.6),
    Target("replay", "sqlite", ("replay", "eventsourcing"), 2.0),
    Target("replay", "postgres", ("replay", "eventsourcing"), 2.0),
)
# Ahead of each, and all of them keep the actor, the reason and the batch.
PEER_TARGETS: Final = tuple(
    Target(operation, store, (operation, peer), 1.0)
    for operation in ("sweep", "undo", "as_of")
    for store in STORES
    for peer in PEERS
)
