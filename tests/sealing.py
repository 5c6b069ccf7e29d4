"""Ledgers that are sealed, for tests of what is found in them."""

from typing import Any

import modlog
from modlog import Actor
from modlog._domain.evidence.leaves import Salts
from modlog._domain.evidence.tiles import Edge
from modlog._storage.archives import Range
from modlog._storage.evidence import Evidence, Leaves
from modlog.testing import MovableClock

ANN = Actor.human("ann")
ORIGIN = "example.com/ledger"
KEY = modlog.SigningKey.generate(ORIGIN)
WITNESS = modlog.SigningKey.generate("witness.example", witness=True)
# More than a tile, and a rest.
EVENTS = 300


def fill(log: modlog.ModLog, clock: MovableClock, events: int = EVENTS) -> None:
    """So many events of different acts, each with something that is its own."""
    with modlog.acting(ANN, reason="clean-up", policy="spam"):
        log.create("a0", {"nickname": "first"})
        while log.head < events - 4:
            n = log.head
            clock.move(1)
            if n % 3 == 0:
                log.create(f"a{n}", {"nickname": f"name {n}"})
            else:
                log.note("a0", f"text {n}", reason=f"reason {n}")
        log.suspend("a0", idempotency_key="k1")
        log.delete("a3", idempotency_key="k2")
        log.plan_sweep(["a6", "a9"], "flag", batch_id="sweep", label="x")
        while log.head < events:
            log.flag("a6", "x")


def root_of_now(log: modlog.ModLog, size: int) -> bytes:
    """The root of the tree over the first events as they stand there, tiles or not."""
    with log._work.store.snapshot() as reader:
        evidence = Evidence(reader.database, reader.session)
        leaves = Leaves(evidence.needed_salts)
        hashes = [leaves.of(one).hash for one in evidence.stored(Range(0, size))]
    edge = Edge()
    list(edge.append(hashes))
    return edge.root


def tiles_of_now(log: modlog.ModLog) -> list[tuple[Any, int, bytes, bytes | None]]:
    """The tiles as they would be, had what stands there been sealed."""
    with log._work.store.snapshot() as reader:
        evidence = Evidence(reader.database, reader.session)
        leaves = Leaves(evidence.needed_salts)
        made = [leaves.of(one) for one in evidence.stored(Range(0, log.head))]
    edge, rows = Edge(), []
    for tile, hashes in edge.append([one.hash for one in made]):
        marks = None
        if tile.level == 0:
            within = made[tile.index * 256 : (tile.index + 1) * 256]
            marks = b"".join(one.marks for one in within)
        rows.append((tile.level, tile.index, hashes, marks))
    return rows


def secret_of(log: modlog.ModLog) -> Salts:
    """What salts are derived from."""
    with log._work.store.snapshot() as reader:
        return Evidence(reader.database, reader.session).needed_salts
