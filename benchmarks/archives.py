"""Archives, and what answers from them: `python -m benchmarks.archives [EVENTS]`.

Every figure stands beside another of the same run: what is written beside what is restored, DuckDB
and Spark beside the database, Spark with two workers beside itself with one. With `--real LOG` the
log is a file that the importer of MediaWiki's logs takes, such as Wikipedia's block log.
"""

from __future__ import annotations

import argparse
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import modlog
import modlog.duckdb
import modlog.spark
from benchmarks import large, machine
from benchmarks.places import STORES, Place, Places, analyze, opened
from benchmarks.spark_cluster import cluster
from modlog._storage.replays import pages_of_accounts, replays
from modlog.importers import mediawiki

LOG: Final = 1_000_000
_BUCKETS: Final = 32
_PARTS: Final = ("restore", "duckdb", "spark")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.archives", description=__doc__)
    parser.add_argument("events", type=int, nargs="?", default=LOG, help="of the log (%(default)s)")
    parser.add_argument("--stores", nargs="+", choices=STORES, default=STORES)
    parser.add_argument("--real", type=Path, metavar="LOG", help="a log to import instead")
    parser.add_argument(
        "--parts", nargs="+", choices=_PARTS, default=_PARTS[:-1], help="spark needs Java"
    )
    options = parser.parse_args()
    print(f"the machine is busy at {machine.busy():.0%} of its cores")
    with opened(tuple(options.stores)) as places:
        for store in options.stores:
            place = places.fresh(store)
            _fill(place, options.events, options.real)
            analyze(place)
            for line in _measured(places, place, options.parts):
                print(f"{store}: {line}", flush=True)


def _fill(place: Place, events: int, real: Path | None) -> None:
    if real is None:
        large.fill(place, events)
        return
    with modlog.open(place.url, schema=place.schema, create=True) as log:
        log.ingest(mediawiki.records(real))


def _measured(places: Places, place: Place, parts: Collection[str]) -> Iterator[str]:
    with (
        TemporaryDirectory(dir=places.folder) as folder,
        modlog.open(place.url, schema=place.schema) as log,
    ):
        archive = Path(folder) / "archive"
        took = _seconds(lambda: log.archive(archive, buckets=_BUCKETS))
        size = sum(file.stat().st_size for file in archive.rglob("*.parquet"))
        yield f"archive {log.head / took:,.0f} events/s, {size / log.head:.1f} bytes an event"
        if "restore" in parts:
            again = places.fresh(place.store)
            found = modlog.open_archive(archive)
            took = _seconds(lambda: found.restore(again.url, schema=again.schema, create=True))
            yield f"restore {log.head / took:,.0f} events/s"
            places.drop(again)
        if "duckdb" in parts:
            yield from _in_duckdb(log, archive)
        if "spark" in parts:
            yield from _on_spark(log, archive)


def _in_duckdb(log: modlog.ModLog, archive: Path) -> Iterator[str]:
    history: Any = None

    def connect() -> None:
        nonlocal history
        history = modlog.duckdb.connect(archive)

    yield f"DuckDB: connect {log.head / _seconds(connect):,.0f} events/s"
    for what, position in (("at the end", log.head), ("in the middle", log.head // 2)):
        view = log.as_of(position)
        own = _seconds(partial(_listed, view))
        its = _seconds(history.sql(f"SELECT * FROM states({position})").fetchall)
        yield f"DuckDB: all accounts {what} {its:.2f} s, as_of {own:.2f} s: {own / its:.1f} times"
    own, its = _seconds(log.stats), _seconds(lambda: modlog.duckdb.figures(history))
    yield f"DuckDB: figures {its:.2f} s, stats {own:.2f} s: {own / its:.1f} times"
    history.close()


def _on_spark(log: modlog.ModLog, archive: Path) -> Iterator[str]:
    """The replay of the whole archive, beside a bare one of the database in this very process."""
    own = log.head / _seconds(lambda: _replayed(log))
    rates = {}
    for workers in (1, 2):
        with TemporaryDirectory() as folder, cluster(Path(folder), workers) as spark:
            states = modlog.spark.states(spark.session, archive)
            states.limit(1).count()  # Python is there, and what it imports
            rates[workers] = log.head / _seconds(states.count)
    yield (
        f"Spark: replay {rates[1]:,.0f} events/s with one worker, {rates[2]:,.0f} with two: "
        f"{rates[2] / rates[1]:.2f} times; modlog's own {own:,.0f}, of which a worker has "
        f"{rates[1] / own:.2f}"
    )


def _listed(view: modlog.View) -> None:
    deque(view.accounts(), maxlen=0)


def _replayed(log: modlog.ModLog) -> None:
    store = log._work.store
    with store.snapshot() as reader:
        pages = pages_of_accounts(store.database, reader.session)
        deque(replays(store.database, reader.session, pages), maxlen=0)


def _seconds(act: Callable[[], object]) -> float:
    begin = time.perf_counter()
    act()
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
