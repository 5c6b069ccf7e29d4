"""Several commands as one transaction, with a platform's own tables too; and the clock's laws."""

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg.rows import dict_row, namedtuple_row

import modlog
from modlog import Actor
from modlog.testing import MovableClock
from tests import places

ANN = Actor.human("ann")
MICROSECOND = timedelta(microseconds=1)


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(datetime(2026, 1, 31, 11, 44, tzinfo=UTC))


@pytest.fixture
def log(place, clock) -> Iterator[modlog.ModLog]:
    with place.open(clock=clock) as log, modlog.acting(ANN, reason="clean-up"):
        yield log


class StopError(Exception):
    """Ends a block from inside."""


@contextmanager
def interrupted(block: AbstractContextManager[None]) -> Iterator[None]:
    """Enter a block, and leave it by an error."""
    with suppress(StopError), block:
        yield
        raise StopError


class TestTransaction:
    def test_commits_all_at_its_end(self, log):
        with log.transaction():
            log.create("a")
            log.delete("a")
            log.create("b")

        assert [event.position for event in log.events()] == [1, 2, 3]
        assert log.verify().ok

    def test_leaves_nothing_when_it_fails(self, log):
        log.create("before")
        with interrupted(log.transaction()):
            log.create("a", idempotency_key="k")
            log.flag("before", label="spam")

        assert log.head == 1
        assert not log.account("before").flags
        assert log.create("a", idempotency_key="k").position == 2
        assert log.verify().ok

    def test_has_one_instant(self, log, clock):
        with log.transaction():
            first = log.create("a")
            clock.move(60)
            second = log.note("a", "x")
        third = log.note("a", "y")

        assert first.recorded_at == second.recorded_at == third.recorded_at - timedelta(minutes=1)
        assert [e.recorded_at for e in log.history("a")] == [
            first.recorded_at,
            first.recorded_at,
            third.recorded_at,
        ]

    def test_reads_its_own_writes(self, log):
        with log.transaction():
            log.create("a")
            assert log.account("a").version == log.head == 1
            assert [event.type for event in log.history("a")] == ["account.created"]
            assert [event.type for event in log.events()] == ["account.created"]
            assert log.count()[modlog.Status.ACTIVE] == 1

    def test_goes_on_after_a_refusal_that_is_caught(self, log):
        with log.transaction():
            log.create("a")
            with pytest.raises(modlog.AccountExistsError):
                log.create("a")
            with pytest.raises(modlog.ConcurrencyError):
                log.note("a", "x", expected_version=9)
            log.note("a", "y")

        assert [event.position for event in log.history("a")] == [1, 2]
        assert log.verify().ok

    def test_takes_back_an_inner_one_that_fails_alone(self, log):
        with log.transaction():
            log.create("a")
            with interrupted(log.transaction()):
                log.delete("a")
                log.create("b")
            assert log.head == 1
            with log.transaction():
                log.note("a", "x")

        assert [event.type for event in log.events()] == ["account.created", "account.noted"]
        assert log.account("a").status == "active"
        assert log.verify().ok

    def test_imports_as_one_of_its_commands(self, log):
        record = {"do": "delete", "account_id": "a", "at": "2020-01-01T00:00:00Z"}
        with interrupted(log.transaction()):
            assert log.ingest([record, record], chunk=1).recorded == 2
        assert log.head == 0

        with log.transaction():
            log.ingest([record])
            log.note("a", "imported")
        assert log.head == 3


class Users:
    """A platform's own table, in the database that holds its ledger."""

    def __init__(self, place):
        self.place = place
        self.is_postgres = place.kind == "postgres"
        self.table = f'"{place.schema}".users' if self.is_postgres else "users"
        with closing(self.connect()) as connection:
            connection.execute(f"CREATE TABLE {self.table} (id text)")
            connection.commit()

    def connect(self, **options: Any) -> Any:
        if self.is_postgres:
            return psycopg.connect(self.place.url, **options)
        path = urlsplit(self.place.url).path[1:]
        return sqlite3.connect(path, check_same_thread=False, **options)

    def remove(self, connection, user: str) -> None:
        connection.execute(f"INSERT INTO {self.table} VALUES ('{user}')")

    def removed(self) -> list[str]:
        with closing(self.connect()) as connection:
            return [user for (user,) in connection.execute(f"SELECT id FROM {self.table}")]


@pytest.fixture(params=["sqlite", "postgres"])
def shared_place(request):
    with places.fresh(request.param) as place:
        yield place


@pytest.fixture
def shared(shared_place, clock):
    with shared_place.open(clock=clock) as log, modlog.acting(ANN, reason="clean-up"):
        log.create("a")
        yield log


@pytest.fixture
def users(shared, shared_place):
    return Users(shared_place)


@pytest.fixture
def connection(users):
    with closing(users.connect()) as connection:
        yield connection


class TestWithin:
    @pytest.mark.parametrize("first", ["ledger", "users"])
    def test_commits_with_the_caller(self, shared, users, connection, first):
        if first == "users":
            users.remove(connection, "a")
        with shared.within(connection):
            shared.delete("a")
            if first == "ledger":
                users.remove(connection, "a")
        assert shared.account("a").status == "active"

        connection.commit()

        assert shared.account("a").status == "deleted"
        assert users.removed() == ["a"]
        assert shared.verify().ok

    def test_imports_large_chunks_in_the_callers_thread(self, shared, shared_place):
        """A connection of sqlite3 belongs to the thread that opened it."""
        records = [
            {"do": "note", "account_id": "a", "at": "2026-01-01T00:00:00Z", "text": f"{n}"}
            for n in range(1_200)
        ]
        is_postgres = shared_place.kind == "postgres"
        connect: Any = psycopg.connect if is_postgres else sqlite3.connect
        place = shared_place.url if is_postgres else urlsplit(shared_place.url).path[1:]
        with closing(connect(place)) as connection:
            with shared.within(connection):
                assert shared.ingest(records).recorded == 1_200
            connection.commit()

        assert shared.head == 1_201
        assert shared.verify().ok

    def test_rolls_back_with_the_caller(self, shared, users, connection):
        users.remove(connection, "a")
        with shared.within(connection):
            shared.delete("a")
            shared.create("b")
        connection.rollback()

        assert shared.head == 1
        assert users.removed() == []
        assert shared.create("b").position == 2

    def test_leaves_it_to_the_caller_what_a_failure_means(self, shared, users, connection):
        with interrupted(shared.within(connection)):
            users.remove(connection, "a")
            shared.delete("a")
        connection.commit()

        assert users.removed() == ["a"]
        assert shared.account("a").status == "deleted"

    def test_goes_back_to_a_savepoint_with_the_caller(self, shared, users, connection):
        with shared.within(connection):
            shared.note("a", "before")
            connection.execute("SAVEPOINT own")
            shared.delete("a")
            shared.create("b")
            shared.note("b", "gone")
            connection.execute("ROLLBACK TO SAVEPOINT own")
            shared.note("a", "after")
            shared.create("b")
            with shared.transaction():
                shared.create("c")
        connection.commit()

        assert [event.account_id for event in shared.events()] == ["a", "a", "a", "b", "c"]
        assert shared.account("a").status == "active"
        assert shared.verify().ok

    def test_may_be_committed_inside_the_block(self, shared, users, connection):
        with shared.within(connection):
            users.remove(connection, "a")
            shared.delete("a")
            connection.commit()

        assert users.removed() == ["a"]
        assert shared.account("a").status == "deleted"

    def test_a_refusal_takes_nothing_of_the_callers(self, shared, users, connection):
        with shared.within(connection):
            users.remove(connection, "a")
            with pytest.raises(modlog.AccountExistsError):
                shared.create("a")
            shared.note("a", "exists")
        connection.commit()

        assert users.removed() == ["a"]
        assert [event.position for event in shared.history("a")] == [1, 2]

    def test_reads_its_own_writes(self, shared, connection):
        with shared.within(connection):
            shared.delete("a")
            assert shared.account("a").status == "deleted"
            assert shared.head == 2
        assert shared.head == 1

    def test_minds_no_row_factory(self, shared, shared_place, users):
        factories = (
            (dict_row, namedtuple_row)
            if users.is_postgres
            else (sqlite3.Row, lambda cursor, row: dict(enumerate(row)))
        )
        for factory in factories:
            with closing(users.connect()) as connection:
                connection.row_factory = factory
                with shared.within(connection):
                    shared.note("a", "x", idempotency_key=str(factory))
                    shared.note("a", "x", idempotency_key=str(factory))
                connection.commit()
                assert connection.row_factory is factory

        assert len(shared.history("a")) == 3

    def test_makes_others_wait(self, shared, connection):
        """The append lock is the caller's until he commits."""
        done = Event()

        def write() -> None:
            shared.note("a", "later", actor=ANN)
            done.set()

        with shared.within(connection):
            shared.note("a", "first")
        writer = Thread(target=write)
        writer.start()
        assert not done.wait(0.2)
        connection.commit()
        assert done.wait(30)
        writer.join()

        assert [event.data.get("text") for event in shared.history("a")] == [None, "first", "later"]

    def test_takes_an_open_transaction_of_an_autocommit_connection(self, shared, users):
        options = {"autocommit": True} if users.is_postgres else {"isolation_level": None}
        with closing(users.connect(**options)) as connection:
            with pytest.raises(modlog.InvalidInputError, match="open transaction"):
                shared.within(connection).__enter__()
            connection.execute("BEGIN")
            with shared.within(connection):
                shared.delete("a")
            connection.execute("COMMIT")

        assert shared.account("a").status == "deleted"

    def test_refuses_to_wait_for_its_own_ledgers_transaction(self, shared, connection):
        with (
            shared.transaction(),
            pytest.raises(modlog.InvalidInputError, match="wait for its end"),
            shared.within(connection),
        ):
            pytest.fail("it went in")

    def test_refuses_what_is_no_connection_of_its_kind(self, shared, users, postgres_url):
        with closing(sqlite3.connect(":memory:")) as file, psycopg.connect(postgres_url) as server:
            wrong = file if users.is_postgres else server
            for connection in (wrong, None, "sqlite://", object(), wrong.cursor()):
                with (
                    pytest.raises(modlog.InvalidInputError, match="Connection"),
                    shared.within(connection),
                ):
                    pytest.fail("this is reached only if the connection was taken")

    def test_refuses_a_connection_to_another_ledger(self, shared, shared_place, tmp_path):
        """Another file; on PostgreSQL another database, as the schema is always named."""
        with another_database(shared_place, tmp_path) as (place, connection):
            for has_ledger in (False, True):
                if has_ledger:
                    place.open().close()
                with (
                    pytest.raises(modlog.InvalidInputError, match="leads to another"),
                    shared.within(connection),
                ):
                    shared.delete("a")
                connection.rollback()

        assert shared.head == 1

    def test_a_refused_connection_stays_usable(self, shared, shared_place, tmp_path):
        with another_database(shared_place, tmp_path) as (_, connection):
            connection.execute("CREATE TABLE mine (n integer)")
            connection.execute("INSERT INTO mine VALUES (1)")
            with pytest.raises(modlog.InvalidInputError):
                shared.within(connection).__enter__()
            connection.commit()

            assert connection.execute("SELECT n FROM mine").fetchone() == (1,)

    @pytest.mark.parametrize("shared_place", ["sqlite"], indirect=True)
    @pytest.mark.parametrize("has_ledger", [False, True])
    def test_a_refused_connection_holds_no_lock(self, shared, shared_place, tmp_path, has_ledger):
        with another_database(shared_place, tmp_path) as (place, connection):
            if has_ledger:
                place.open().close()
            with pytest.raises(modlog.InvalidInputError, match="leads to another"):
                shared.within(connection).__enter__()

            assert not connection.in_transaction

    # On PostgreSQL a transaction sees what is committed.
    @pytest.mark.parametrize("shared_place", ["sqlite"], indirect=True)
    def test_tells_a_deferred_transaction_that_was_overtaken(self, shared, users):
        with closing(users.connect(isolation_level=None)) as connection:
            connection.execute("BEGIN")
            connection.execute("SELECT * FROM users").fetchall()
            shared.note("a", "quicker")
            with pytest.raises(modlog.ConcurrencyError, match="BEGIN IMMEDIATE"):
                shared.within(connection).__enter__()

    def test_of_a_ledger_in_memory_has_no_connection(self, connection):
        with (
            modlog.open("sqlite://") as log,
            closing(sqlite3.connect(":memory:")) as memory,
            pytest.raises(modlog.InvalidInputError, match="leads to another"),
            log.within(memory),
        ):
            log.create("a", actor=ANN)


@contextmanager
def another_database(place, folder) -> Iterator[tuple[places.Place, Any]]:
    """A place beside the ledger's, and a connection to it."""
    if place.kind == "sqlite":
        path = folder / "other.db"
        with closing(sqlite3.connect(path)) as file:
            yield places.Place("sqlite", f"sqlite:///{path}"), file
        return
    name = f"{place.schema}_db"
    url = urlsplit(place.url)._replace(path=f"/{name}").geturl()
    with closing(psycopg.connect(place.url, autocommit=True)) as server:
        server.execute(f"CREATE DATABASE {name}")
        try:
            with closing(psycopg.connect(url)) as connection:
                yield places.Place("postgres", url, place.schema), connection
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")


FIVE_MINUTES = timedelta(minutes=5)


class TestClock:
    def test_gives_the_instant(self, log, clock):
        assert log.create("a").recorded_at == clock()
        clock.move(1)
        assert log.note("a", "x").recorded_at == clock()

    def test_that_stands_still_is_helped_on(self, log, clock):
        instants = [log.create("a").recorded_at, *(log.note("a", "x").recorded_at for _ in "123")]

        assert instants == [clock() + n * MICROSECOND for n in range(4)]

    def test_that_runs_behind_is_helped_on_from_the_last_instant(self, log, clock):
        last = log.create("a").recorded_at
        clock.move(-299)

        assert log.note("a", "x").recorded_at == last + MICROSECOND
        assert log.account("a").version == 2

    def test_may_be_exactly_five_minutes_behind(self, log, clock):
        last = log.create("a").recorded_at
        clock.set(last - FIVE_MINUTES)

        assert log.note("a", "x").recorded_at == last + MICROSECOND

    def test_does_not_matter_to_what_is_recorded_already(self, log, clock):
        first = log.create("a", idempotency_key="k")
        clock.set(first.recorded_at - timedelta(days=1))

        assert log.create("a", idempotency_key="k") == first

    @pytest.mark.parametrize("by", [MICROSECOND, timedelta(days=400)], ids=str)
    def test_may_not_be_further_behind(self, log, clock, by):
        last = log.create("a").recorded_at
        clock.set(last - FIVE_MINUTES - by)

        with pytest.raises(modlog.ClockError, match="five minutes"):
            log.note("a", "x")
        with pytest.raises(modlog.ClockError), log.transaction():
            log.note("a", "x")
        with pytest.raises(modlog.ClockError):
            log.ingest([{"do": "delete", "account_id": "a", "at": "2020-01-01T00:00:00Z"}])
        assert log.head == 1

        clock.set(last)
        assert log.note("a", "x").position == 2

    @pytest.mark.parametrize("answer", [None, 7, "now", datetime(2026, 1, 1)])  # noqa: DTZ001
    def test_must_give_an_aware_datetime(self, place, answer):
        with (
            place.open(clock=lambda: answer) as log,
            pytest.raises(modlog.InvalidInputError, match="clock"),
        ):
            log.create("a", actor=ANN)

    def test_of_the_machine_is_the_default(self, place):
        before = datetime.now(UTC)
        with place.open() as log:
            recorded_at = log.create("a", actor=ANN).recorded_at

        assert before <= recorded_at <= datetime.now(UTC)
        assert recorded_at.utcoffset() == timedelta(0)
