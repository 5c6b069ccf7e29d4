"""What a ledger says when the ground below it gives way, and that it goes on afterwards."""

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote, urlsplit

import psycopg
import pytest

import modlog
from modlog import Actor
from tests import places
from tests.conftest import start_postgres
from tests.tracing import own_connection

ANN = Actor.human("ann")

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


@pytest.fixture(autouse=True)
def somebody():
    with modlog.acting(ANN, reason="clean-up"):
        yield


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "ledger.db"


# The disk


class SmallDisk:
    """A disk of two megabytes: a real one where we may mount it, else a limit of SQLite's."""

    def __init__(self, folder: Path):
        self.file = folder / "ledger.db"
        self._ballast = folder / "ballast"
        mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(folder)]
        self.is_real = subprocess.run(mount, check=False, capture_output=True).returncode == 0

    def fill(self, log: modlog.ModLog) -> None:
        """Leave no room at all."""
        if not self.is_real:
            self._limit(log, "1")  # of pages; SQLite takes the present number if that is more
            return
        with suppress(OSError), self._ballast.open("wb", 0) as file:
            while True:  # until there is no space left
                file.write(bytes(4096))

    def make_room(self, log: modlog.ModLog) -> None:
        """Have room again."""
        if self.is_real:
            self._ballast.unlink()
        else:
            self._limit(log, "1000000")

    def _limit(self, log: modlog.ModLog, pages: str) -> None:
        database: Any = log._work.store.database
        for session in database._pool._idle:  # the limit is a connection's
            session.connection.execute(f"PRAGMA max_page_count = {pages}")


@pytest.fixture
def small_disk(tmp_path) -> Iterator[SmallDisk]:
    disk = SmallDisk(tmp_path)
    yield disk
    if disk.is_real:
        subprocess.run(["umount", "--lazy", tmp_path], check=True)


BIG = "x" * 100_000


@pytest.mark.parametrize("way", ["command", "transaction", "import"])
def test_a_full_disk(small_disk, way):
    with modlog.open(f"sqlite:///{small_disk.file}") as log:
        log.create("a", profile={"about": BIG})
        before = log.account("a")
        small_disk.fill(log)

        with pytest.raises(modlog.StoreFullError, match="make room"):
            write_much(log, way)

        assert log.head == 1
        assert log.account("a") == before
        small_disk.make_room(log)
        write_much(log, way)
        assert log.head > 1
        assert log.verify().ok


def test_a_full_disk_ends_the_transaction_that_it_is_met_in(small_disk):
    """SQLite rolls all of it back: who catches the error cannot go on with a part of it."""
    with modlog.open(f"sqlite:///{small_disk.file}") as log:
        log.create("a", profile={"about": BIG})
        with own_connection(log) as connection:
            connection.execute("PRAGMA cache_size = 10")  # pages go to the disk before the commit
        small_disk.fill(log)
        block = log.transaction()
        block.__enter__()
        with pytest.raises(modlog.StoreFullError, match="make room"):
            log.note("a", BIG)
        if not small_disk.is_real:
            connection.rollback()  # which a limit does not lead to

        with pytest.raises(modlog.StoreError, match="begin it again"):
            log.note("a", "small")
        with pytest.raises(modlog.StoreError, match="begin it again"):
            block.__exit__(None, None, None)

        assert log.head == 1
        small_disk.make_room(log)
        log.note("a", BIG)
        assert log.verify().ok


def test_a_full_disk_ends_the_callers_transaction_as_well(tmp_path):
    """What the caller does next would be committed by itself: the block says so at its end."""
    with (
        modlog.open(f"sqlite:///{tmp_path / 'ledger.db'}") as log,
        closing(sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)) as connection,
    ):
        log.create("a")
        connection.execute("CREATE TABLE mine (x)")
        connection.execute("PRAGMA max_page_count = 1")  # it takes the present number
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO mine VALUES (1)")
        block = log.within(connection)
        block.__enter__()
        with pytest.raises(modlog.StoreFullError, match="make room"):
            log.note("a", BIG)
        with pytest.raises(modlog.StoreError, match="begin it again"):
            log.note("a", "small")
        with pytest.raises(modlog.StoreError, match="begin it again"):
            block.__exit__(None, None, None)

        assert not connection.in_transaction
        assert not connection.execute("SELECT * FROM mine").fetchall()
        assert log.head == 1


def write_much(log: modlog.ModLog, way: str) -> None:
    if way == "command":
        log.note("a", BIG)
    elif way == "transaction":
        with log.transaction():
            for _ in range(3):
                log.note("a", BIG)
    else:
        record = {"do": "note", "account_id": "a", "at": "2020-01-01T00:00:00Z", "text": BIG}
        log.ingest([record] * 3)


def test_a_full_disk_of_a_server(postgres_url, schema):
    with modlog.open(postgres_url, schema=schema, create=True) as log, server(postgres_url) as raw:
        log.create("a")
        raw.execute(  # how PostgreSQL tells it; the tests' own server shares a disk with them
            f"CREATE FUNCTION {schema}.full() RETURNS trigger LANGUAGE plpgsql AS"
            " $$BEGIN RAISE 'could not extend file: No space left' USING ERRCODE = '53100'; END$$;"
            f"CREATE TRIGGER full_disk BEFORE INSERT ON {schema}.modlog_events"
            f" FOR EACH ROW EXECUTE FUNCTION {schema}.full()"
        )
        with pytest.raises(modlog.StoreFullError, match="make room"):
            log.note("a", "x")
        raw.execute(f"DROP FUNCTION {schema}.full CASCADE")

        assert log.note("a", "x").position == 2


def test_a_file_that_may_only_be_read():
    """As a user who may not write the file, nor its folder."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with modlog.open(f"sqlite:///{folder}/ledger.db") as log:
            log.create("a")
        (folder / "ledger.db").chmod(0o444)
        folder.chmod(0o555)
        before = (folder / "ledger.db").read_bytes()

        def child() -> None:
            if os.geteuid() == 0:
                os.setuid(65534)
            with pytest.raises((modlog.ReadOnlyStoreError, modlog.StoreUnavailableError)):
                modlog.open(f"sqlite:///{folder}/ledger.db").note("a", "x", actor=ANN)

        assert in_child(child) == 0
        assert (folder / "ledger.db").read_bytes() == before
        folder.chmod(0o755)


def in_child(work) -> int:
    child = os.fork()
    if not child:
        status = 1
        try:
            signal.alarm(60)
            work()
            status = 0
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


# The lock

HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN " + sys.argv[2])
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def locked_elsewhere(file: Path, kind: str) -> Iterator[None]:
    """Another process has the file's lock."""
    command = [sys.executable, "-c", HOLDER, str(file), kind]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        yield
        holder.communicate()


def test_a_file_that_another_process_has_locked(file):
    with modlog.open(f"sqlite:///{file}", lock_timeout=0.05) as log:
        log.create("a")
        with locked_elsewhere(file, "IMMEDIATE"):
            assert log.account("a").version == 1
            with pytest.raises(modlog.StoreUnavailableError, match="or process has held"):
                log.note("a", "x")
            with pytest.raises(modlog.StoreUnavailableError), log.transaction():
                log.note("a", "x")

        assert log.note("a", "y").position == 2


def test_a_file_that_is_locked_while_it_is_opened(file):
    sqlite3.connect(file).close()
    with (
        locked_elsewhere(file, "EXCLUSIVE"),
        pytest.raises(modlog.StoreUnavailableError, match="another process"),
    ):
        modlog.open(f"sqlite:///{file}", lock_timeout=0.05)

    with modlog.open(f"sqlite:///{file}") as log:
        assert log.head == 0


# The server


@contextmanager
def server(url: str) -> Iterator[psycopg.Connection]:
    """A connection that does not go through modlog."""
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        yield connection


def with_options(url: str, **options: str) -> str:
    parts = urlsplit(url)
    query = "&".join(f"{name}={quote(value)}" for name, value in options.items())
    return parts._replace(query=f"{parts.query}&{query}" if parts.query else query).geturl()


def test_a_server_that_is_away_at_open():
    with pytest.raises(modlog.StoreUnavailableError, match="server is away"):
        modlog.open("postgresql://ann@127.0.0.1:1/db")


def test_a_database_that_is_not_there(postgres_url):
    url = urlsplit(postgres_url)._replace(path="/no_such_database").geturl()
    with pytest.raises(modlog.StoreUnavailableError, match="no_such_database"):
        modlog.open(url)


def test_a_server_where_transactions_only_read(postgres_url, schema):
    with modlog.open(postgres_url, schema=schema, create=True) as log:
        log.create("a")
    url = with_options(postgres_url, options="-c default_transaction_read_only=on")
    with modlog.open(url, schema=schema, create=True) as log:
        assert log.account("a").version == 1
        assert log.verify().ok
        with pytest.raises(modlog.ReadOnlyStoreError):
            log.note("a", "x")
        with pytest.raises(modlog.ReadOnlyStoreError), log.transaction():
            log.note("a", "x")
        with pytest.raises(modlog.ReadOnlyStoreError):
            log.ingest([{"do": "delete", "account_id": "a", "at": "2020-01-01T00:00:00Z"}])
        assert log.head == 1
    with places.fresh_schema() as empty, pytest.raises(modlog.ReadOnlyStoreError):
        modlog.open(url, schema=empty, create=True)


def test_a_server_that_is_started_again():
    own = start_postgres()
    try:
        with modlog.open(own.get_uri()) as log:
            log.create("a")
            own.stop()
            for use in (lambda: log.note("a", "x"), lambda: log.account("a"), log.verify):
                with pytest.raises(modlog.StoreUnavailableError, match="server is away"):
                    use()
            own.start()

            assert log.note("a", "y").position == 2
            own.stop()
            own.start()
            assert log.account("a").version == 2
            assert log.verify().ok
    finally:
        own.cleanup()


class Backends:
    """The ledger's own connections, as the server sees them."""

    def __init__(self, raw: psycopg.Connection, name: str):
        self._raw = raw
        self._name = name

    def terminate(self, *, waiting: bool = False) -> int:
        """End them, or those that wait for a lock; how many there were."""
        which = " AND wait_event_type = 'Lock'" if waiting else ""
        return len(
            self._raw.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
                f" WHERE application_name = %s{which}",
                [self._name],
            ).fetchall()
        )


@pytest.fixture
def log(postgres_url, schema):
    with modlog.open(
        with_options(postgres_url, application_name=schema), schema=schema, create=True
    ) as log:
        log.create("a")
        yield log


@pytest.fixture
def backends(postgres_url, schema, log):
    with server(postgres_url) as raw:
        yield Backends(raw, schema)


def test_a_connection_lost_between_two_commands(log, backends):
    assert backends.terminate() == 1

    assert log.note("a", "x").position == 2


@pytest.mark.parametrize("how", ["DEALLOCATE ALL", "DISCARD ALL"])
def test_statements_that_the_server_has_forgotten(log, how):
    log.note("a", "x")
    for position in (3, 5):
        database = log._work.store.database
        with database.reading() as session:
            session.run(how)

        assert log.note("a", "x").position == position
        assert log.account("a").version == position
        log.note("a", "x")

    with log.transaction():
        assert log.note("a", "x").position == 7
    with suppress(modlog.AccountNotFoundError), log.transaction():
        log.note("a", "x")
        log.note("nobody", "x")
    assert log.note("a", "x").position == 8
    assert log.verify().ok


def test_a_connection_lost_within_a_transaction(log, backends):
    def lose_it() -> None:
        with log.transaction():
            log.note("a", "x")
            assert backends.terminate() == 1
            log.note("a", "y")

    with pytest.raises(modlog.StoreUnavailableError, match="server is away"):
        lose_it()

    assert log.head == 1
    assert log.note("a", "z").position == 2
    assert log.verify().ok


def test_a_connection_lost_just_before_the_commit(log, backends):
    def lose_it() -> None:
        with log.transaction():
            log.note("a", "x")
            assert backends.terminate() == 1

    with pytest.raises(modlog.OutcomeUnknownError, match="recorded or none"):
        lose_it()

    assert log.head == 1


def test_a_connection_lost_while_a_command_waits(log, backends, postgres_url, schema):
    """Whether it was recorded is not known to the caller; the key makes it safe to ask again."""
    caught: list[Exception] = []

    def write() -> None:
        try:
            log.note("a", "x", actor=ANN, idempotency_key="k")
        except modlog.ModlogError as error:
            caught.append(error)

    with psycopg.connect(postgres_url) as holder:
        holder.execute(f"SELECT * FROM {schema}.modlog_head FOR UPDATE")
        writer = Thread(target=write)
        writer.start()
        while not backends.terminate(waiting=True):
            assert writer.is_alive()
        writer.join()

    assert [type(error) for error in caught] == [modlog.OutcomeUnknownError]
    assert log.note("a", "x", actor=ANN, idempotency_key="k").position == 2
    assert log.verify().ok


def test_a_connection_lost_between_the_pages_of_a_query(log, backends):
    log.ingest(
        [
            {"do": "note", "account_id": "a", "at": "2020-01-01T00:00:00Z", "text": f"{n}"}
            for n in range(2_500)
        ]
    )
    events = log.events()
    positions = [next(events).position]
    assert backends.terminate() >= 1
    positions += [event.position for event in events]

    assert positions == list(range(1, 2_502))


def test_a_connection_lost_within_the_callers_transaction(log, postgres_url, schema):
    with server(postgres_url) as raw, closing(psycopg.connect(postgres_url)) as connection:

        def lose_it() -> None:
            with log.within(connection):
                log.note("a", "x")
                raw.execute("SELECT pg_terminate_backend(%s)", [connection.info.backend_pid])
                log.note("a", "y")

        with pytest.raises(modlog.StoreUnavailableError):
            lose_it()

    assert log.head == 1
    assert log.note("a", "z").position == 2
