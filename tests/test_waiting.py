"""Nobody waits for ever: not for himself, and for others no longer than was agreed."""

import asyncio
import gc
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

import modlog
from modlog import Actor
from tests import places
from tests.test_concurrency import forked, waited

ANN = Actor.human("ann")
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


@pytest.fixture
def log(place):
    with place.open() as log, modlog.acting(ANN, reason="clean-up"):
        log.create("a")
        yield log


@pytest.fixture(params=["sqlite", "postgres"])
def shared_place(request):
    with places.fresh(request.param) as place:
        yield place


@pytest.fixture
def shared(shared_place):
    with shared_place.open() as log, modlog.acting(ANN, reason="clean-up"):
        log.create("a")
        yield log


def connected(place) -> Any:
    """A connection of the caller's own."""
    if place.kind == "postgres":
        return closing(psycopg.connect(place.url))
    return closing(sqlite3.connect(urlsplit(place.url).path[1:]))


async def two_tasks(block, other) -> None:
    """One task awaits in a block, and meanwhile the other does something on the same loop."""
    is_inside, may_end = asyncio.Event(), asyncio.Event()

    async def first():
        with block:
            is_inside.set()
            await may_end.wait()

    async def second():
        await is_inside.wait()
        try:
            other()
        finally:
            may_end.set()

    await asyncio.gather(first(), second())


class TestOwnThread:
    @pytest.mark.parametrize("way", ["command", "transaction", "revert", "import"])
    def test_a_task_is_told_at_once(self, log, way):
        record = {"do": "note", "account_id": "a", "at": "2026-01-01T00:00:00Z", "text": "x"}

        def other() -> None:
            with pytest.raises(modlog.StoreUnavailableError, match="same thread"):  # noqa: PT012
                if way == "command":
                    log.note("a", "x")
                elif way == "transaction":
                    log.transaction().__enter__()
                elif way == "revert":
                    log.revert(modlog.Selection(type="account.created"))
                else:
                    log.ingest([record])

        asyncio.run(two_tasks(log.transaction(), other))

        assert log.note("a", "afterwards").position == 2
        assert log.verify().ok

    def test_a_task_is_told_at_once_of_within(self, shared, shared_place):
        with connected(shared_place) as connection, connected(shared_place) as another:

            def other() -> None:
                with pytest.raises(modlog.StoreUnavailableError, match="this same thread"):
                    shared.note("a", "x")
                with pytest.raises(modlog.StoreUnavailableError, match="this same thread"):
                    shared.within(another).__enter__()
                assert shared.head == 1  # readers wait for nobody

            asyncio.run(two_tasks(shared.within(connection), other))
            connection.commit()

        assert shared.note("a", "afterwards").position == 2

    def test_another_ledger_on_the_same_database_is_told_too(self, shared, shared_place):
        with (
            shared_place.open() as other,
            shared.transaction(),
            pytest.raises(modlog.StoreUnavailableError, match="this same thread"),
        ):
            other.note("a", "x")

    def test_in_memory_a_task_is_not_shown_what_is_not_committed(self):
        with modlog.open("sqlite://") as log, modlog.acting(ANN):

            def other() -> None:
                with pytest.raises(modlog.StoreUnavailableError, match="this same thread"):
                    log.account("a")

            async def first():
                asyncio.get_running_loop()
                await two_tasks(log.transaction(), other)

            asyncio.run(first())

    def test_on_postgres_also_before_the_callers_commit(self, postgres_url, schema):
        with (
            modlog.open(postgres_url, schema=schema, create=True) as log,
            modlog.acting(ANN),
            psycopg.connect(postgres_url) as connection,
        ):
            log.create("a")
            with log.within(connection):
                log.note("a", "x")
            with log.within(connection):  # his own transaction is not in his way
                log.note("a", "y")
            for _ in range(2):
                with pytest.raises(modlog.StoreUnavailableError, match="this same thread"):
                    log.note("a", "z")
            connection.commit()
            connection.execute("SELECT 1")  # another transaction, without the lock
            assert log.note("a", "afterwards").position == 4

    def test_on_postgres_the_callers_own_limit_is_left_alone(self, postgres_url, schema):
        with (
            modlog.open(postgres_url, schema=schema, lock_timeout=7, create=True) as log,
            modlog.acting(ANN),
            psycopg.connect(postgres_url) as connection,
        ):
            connection.execute("SET LOCAL lock_timeout = '5s'")
            with log.within(connection):
                log.create("a")
            assert connection.execute("SHOW lock_timeout").fetchone() == ("5s",)

    def test_on_postgres_who_joins_waits_no_longer_than_that(self, postgres_url, schema):
        failed: list[BaseException] = []

        def join(log: modlog.ModLog, connection: psycopg.Connection) -> None:
            try:
                log.within(connection).__enter__()
            except modlog.StoreUnavailableError as error:
                failed.append(error)

        with (
            modlog.open(postgres_url, schema=schema, lock_timeout=0.2, create=True) as log,
            psycopg.connect(postgres_url) as connection,
            psycopg.connect(postgres_url) as another,
        ):
            with log.within(connection):
                log.create("a", actor=ANN)
            joiner = threading.Thread(target=join, args=(log, another))
            joiner.start()
            joiner.join(30)
            assert not joiner.is_alive()
            assert len(failed) == 1
            connection.commit()


class TestOthers:
    @pytest.mark.parametrize("way", ["command", "transaction"])
    def test_are_waited_for_so_long_and_no_longer(self, place, way):
        is_inside, may_end = Event(), Event()
        with place.open(lock_timeout=0.2) as log, modlog.acting(ANN):
            log.create("a")

            def hold() -> None:
                with log.transaction():
                    is_inside.set()
                    may_end.wait(60)

            holder = threading.Thread(target=hold)
            holder.start()
            assert is_inside.wait(60)
            try:
                with pytest.raises(modlog.StoreUnavailableError, match=r"lock.timeout"):  # noqa: PT012
                    if way == "command":
                        log.note("a", "x")
                    else:
                        log.transaction().__enter__()
            finally:
                may_end.set()
                holder.join()

            assert log.note("a", "y").position == 2

    def test_in_within_too(self, shared_place):
        with shared_place.open(lock_timeout=0.2) as log, modlog.acting(ANN):
            log.create("a")
            with connected(shared_place) as connection:
                with log.within(connection):
                    log.note("a", "x")
                failed: list[BaseException] = []

                def write() -> None:
                    try:
                        log.note("a", "y", actor=ANN)
                    except modlog.StoreUnavailableError as error:
                        failed.append(error)

                writer = threading.Thread(target=write)
                writer.start()
                writer.join()
                connection.commit()

            assert "lock" in str(failed[0])
            assert log.head == 2

    @pytest.mark.parametrize(
        "value", [0, -1, 0.0001, 1e10, float("inf"), float("nan"), None, "5", True]
    )
    def test_are_waited_for_a_number_of_seconds(self, value):
        with pytest.raises(modlog.InvalidInputError, match="lock_timeout"):
            modlog.open("sqlite://", lock_timeout=value)


def test_a_fork_beside_a_transaction_does_not_wait_and_tells_the_child(shared, shared_place):
    """SQLite's account of locks came along; on PostgreSQL there is none in the process."""
    is_inside, may_end = Event(), Event()

    def hold() -> None:
        with shared.transaction():
            is_inside.set()
            may_end.wait(60)

    def child() -> None:
        if shared_place.kind == "postgres":
            with shared_place.open() as log:
                assert log.head == 1
            return
        for use in (lambda: shared.head, shared_place.open):
            with pytest.raises(modlog.StoreUnavailableError, match="was forked while"):
                use()
        with places.fresh("sqlite") as place, place.open() as log:
            log.create("another file", actor=ANN)

    holder = threading.Thread(target=hold)
    holder.start()
    assert is_inside.wait(60)
    try:
        assert waited(forked(child)) == 0
    finally:
        may_end.set()
        holder.join()
    assert shared.note("a", "x").position == 2
    assert waited(forked(lambda: shared.note("a", "child"))) == 0
    assert shared.verify().ok


def test_a_fork_beside_a_callers_transaction_tells_the_child_too():
    def child() -> None:
        with pytest.raises(modlog.StoreUnavailableError, match="was forked while"):
            place.open()

    with places.fresh("sqlite") as place, place.open() as log, connected(place) as connection:
        log.create("a", actor=ANN)
        with log.within(connection):
            assert waited(forked(child)) == 0


def open_files(path: str) -> list[str]:
    """What this process has open of a ledger."""
    links = [one for one in Path("/proc/self/fd").iterdir() if one.is_symlink()]
    paths = [str(one.readlink()) for one in links if one.is_symlink()]
    return [one for one in paths if one.startswith(path)]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="this system does not list them")
def test_at_a_fork_no_file_is_open():
    """A child that inherits one takes the locks of its parent for its own."""
    with places.fresh("sqlite") as place, place.open() as log:
        log.create("a", actor=ANN)
        path = place.url.removeprefix("sqlite:///")

        def child() -> None:
            assert not open_files(path)

        assert open_files(path)
        assert waited(forked(child)) == 0


def test_a_fork_waits_until_a_connection_of_another_thread_is_closed(monkeypatch):
    """A child that is born meanwhile would wait for ever for what SQLite holds to close a file."""
    with places.fresh("sqlite") as place, place.open() as log:
        pool = log._work.store.database._pool
        close, begun, ended = pool._close, Event(), Event()

        def slowly(session) -> None:
            begun.set()
            time.sleep(0.3)
            close(session)
            ended.set()

        monkeypatch.setattr(pool, "_close", slowly)
        other = threading.Thread(target=lambda: pool.give_back(pool.take(), usable=False))
        other.start()
        assert begun.wait(10)
        pool.before_fork()
        pool.after_fork()
        assert ended.is_set()
        other.join()
        monkeypatch.undo()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="this system does not list them")
def test_a_ledger_that_is_dropped_frees_its_connections(place):
    def use() -> None:
        log = place.open()
        log.create(f"{log.head}", actor=ANN)
        log.account("0")

    def kept() -> tuple[int, int]:
        gc.collect()
        return len(list(Path("/proc/self/fd").iterdir())), threading.active_count()

    with place.open():
        use()
        before = kept()
        for _ in range(100):
            use()

        assert kept() == before
