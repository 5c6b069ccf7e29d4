"""Seals and proofs of a large log: `python -m benchmarks.seals [EVENTS]`.

The floor reads the same rows with plain SQL and hashes each once, SHA-256, in this very process:
what no tree over the log can do without. Commands are counted alone and beside a sealer, in turns.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from statistics import median
from typing import Any, Final

import modlog
from benchmarks import large, machine
from benchmarks.places import STORES, Place, analyze, opened, size
from modlog import Actor, SigningKey

LOG: Final = 300_000
ANN: Final = Actor.human("ann")
KEY: Final = SigningKey.generate("example.com/ledger")
_TURNS: Final = 5
_SECONDS: Final = 4.0
_SEALER: Final = (
    "import sys, time, modlog\n"
    "key = modlog.SigningKey.parse(sys.argv[3])\n"
    "with modlog.open(sys.argv[1], schema=sys.argv[2] or None) as log:\n"
    "    print('ready', flush=True)\n"
    "    while True:\n"
    "        log.seal(key)\n"
    "        time.sleep(1)\n"
)
_ROWS: Final = (
    "SELECT e.position, e.version, e.occurred_at, e.data, e.personal, s.kind, s.id, a.recorded_at,"
    " a.type, a.actor_kind, a.actor_id, a.reason, a.policy, a.batch_id, a.confidence"
    " FROM {0}modlog_events AS e JOIN {0}modlog_acts AS a ON a.number = e.act"
    " JOIN {0}modlog_streams AS s ON s.number = e.stream ORDER BY e.position"
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.seals", description=__doc__)
    parser.add_argument("events", type=int, nargs="?", default=LOG, help="of the log (%(default)s)")
    parser.add_argument("--stores", nargs="+", choices=STORES, default=STORES)
    options = parser.parse_args()
    print(f"the machine is busy at {machine.busy():.0%} of its cores")
    with opened(tuple(options.stores)) as places:
        for store in options.stores:
            place = places.fresh(store)
            large.fill(place, options.events)
            analyze(place)
            for line in _measured(place):
                print(f"{store}: {line}", flush=True)


def _measured(place: Place) -> Iterator[str]:
    before = size(place)
    with _log(place) as log:
        events = log.head
        floor = events / _seconds(lambda: _hashed(place))
        sealed = events / _seconds(lambda: log.seal(KEY))
        yield f"seal {sealed:,.0f} events/s; floor {floor:,.0f}/s, {sealed / floor:.2f} of it"
        if place.store == "sqlite":
            yield f"{(size(place) - before) / events:.1f} bytes stored an event"
        log.note(large_account(log), "x", actor=ANN)
        yield f"one event more: {1_000 * _seconds(lambda: log.seal(KEY)):.1f} ms"
        middle = events // 2
        took = median(_seconds(lambda: log.prove(middle)) for _ in range(20))
        yield f"proof of an event {1_000 * took:.1f} ms"
        report: Any = None

        def verify() -> None:
            nonlocal report
            report = log.verify(key=KEY.verifier)

        verified = events / _seconds(verify)
        assert report.ok, report.findings
        yield f"verify {verified:,.0f} events/s; {verified / floor:.2f} of the floor"
        cores = os.cpu_count() or 1
        took = _seconds(lambda: log.verify(key=KEY.verifier, processes=cores))
        yield f"verify in {cores} processes: {events / took / verified:.2f} times that"
        alone, beside = [], []
        for _ in range(_TURNS):
            alone.append(_commands(log))
            with _sealer(place):
                beside.append(_commands(log))
        share = median(beside) / median(alone)
        yield (
            f"commands {median(alone):,.0f}/s alone, {median(beside):,.0f}/s beside a sealer of "
            f"every second: {share:.2f}"
        )


def large_account(log: modlog.ModLog) -> str:
    """An account of the log."""
    return next(iter(log.accounts())).id


@contextmanager
def _log(place: Place) -> Iterator[modlog.ModLog]:
    with modlog.open(place.url, schema=place.schema) as log:
        yield log


def _seconds(act: Callable[[], object]) -> float:
    begin = time.perf_counter()
    act()
    return time.perf_counter() - begin


def _hashed(place: Place) -> None:
    for row in _rows(place):
        sha256(repr(row).encode()).digest()


def _rows(place: Place) -> Iterator[tuple[Any, ...]]:
    if place.store == "sqlite":
        import sqlite3

        with closing(sqlite3.connect(place.path)) as file:
            yield from file.execute(_ROWS.format(""))
        return
    import psycopg

    with psycopg.connect(place.url) as server, server.cursor("rows") as cursor:
        cursor.itersize = 25_600
        cursor.execute(_ROWS.format(f"{place.schema}.").encode())
        yield from cursor


def _commands(log: modlog.ModLog) -> float:
    """How many durable commands a second one writer does."""
    account_id, done, begin = large_account(log), 0, time.perf_counter()
    while time.perf_counter() - begin < _SECONDS:
        log.note(account_id, "x", actor=ANN)
        done += 1
    return done / (time.perf_counter() - begin)


@contextmanager
def _sealer(place: Place) -> Iterator[None]:
    arguments = [place.url, place.schema or "", KEY.text]
    with subprocess.Popen(
        [sys.executable, "-c", _SEALER, *arguments], stdout=subprocess.PIPE
    ) as sealer:
        assert sealer.stdout
        sealer.stdout.readline()
        try:
            yield
        finally:
            sealer.kill()


if __name__ == "__main__":
    main()
