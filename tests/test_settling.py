"""SQLite: what large transactions leave in the write-ahead log is moved into the file later."""

import os
import sqlite3
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

import modlog
from modlog import Actor, Selection
from tests.tracing import own_connection, traced

ANN = Actor.human("ann")
BOT, AT = {"kind": "bot", "id": "b"}, "2026-01-01T00:00:00Z"
LARGE, SMALL = 500, 499
ONE = Selection(batch_id="clean-up")

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


@pytest.fixture
def file(tmp_path):
    return tmp_path / "ledger.db"


@pytest.fixture
def log(file):
    guardrails = modlog.Guardrails(sweep_size=10_000, sweep_share=1)
    with modlog.open(f"sqlite:///{file}", guardrails=guardrails) as log:
        created(log)
        yield log


def created(log) -> None:
    log.ingest(
        {"do": "create", "account_id": f"a{n}", "at": AT, "actor": BOT} for n in range(1_000)
    )


def swept(log, accounts: int = LARGE) -> None:
    with modlog.acting(ANN, reason="a clean-up"):
        ids = [f"a{n}" for n in range(accounts)]
        log.plan_sweep(ids, "delete", batch_id="clean-up").execute()


def reverted(log) -> modlog.RevertOutcome:
    return log.revert(ONE, actor=ANN, reason="a mistake")


def threads() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name == "modlog-settling"]


def settled(log) -> None:
    log._work.store.database.await_settling()


def limits(log) -> list[tuple[int]]:
    """From how many pages on commits of the ledger's connection move them."""
    with own_connection(log) as connection:
        return connection.execute("PRAGMA wal_autocheckpoint").fetchall()


def head_of_copy(file) -> int:
    """The end of the log, as far as it lies in the file itself."""
    alone = file.with_name("alone.db")
    alone.write_bytes(file.read_bytes())
    with modlog.open(f"sqlite:///{alone}") as copy:
        assert copy.verify().ok
        return copy.head


@contextmanager
def connecting(log, monkeypatch, when):
    """Have the thread's connection wait until something returns."""
    pool = log._work.store.database._pool
    connect = pool._connect

    def later():
        when()
        return connect()

    with monkeypatch.context() as patched:
        patched.setattr(pool, "_connect", later)
        yield


def slow(log, monkeypatch):
    return connecting(log, monkeypatch, lambda: time.sleep(0.3))


def pragmas(seen) -> list[str]:
    return [sql for sql, _ in seen if "PRAGMA" in sql]


@pytest.mark.parametrize("use", [swept, reverted])
def test_afterwards_the_file_alone_has_everything(log, file, use):
    if use is reverted:
        swept(log)
    use(log)
    settled(log)

    assert head_of_copy(file) == log.head
    assert limits(log) == [(1_000,)]


@pytest.mark.parametrize("use", [swept, reverted])
def test_nobody_waits_for_it(log, use, monkeypatch):
    """The connection that wrote neither moves pages nor lends itself to the thread that does."""
    if use is reverted:
        swept(log)
        settled(log)
    is_over = threading.Event()
    in_time = []
    with (
        traced(log) as seen,
        connecting(log, monkeypatch, lambda: in_time.append(is_over.wait(10))),
    ):
        use(log)
        is_over.set()
        settled(log)
    assert in_time == [True]

    statements = [sql for sql, _ in seen]
    off, on = pragmas(seen)
    assert off != on == "PRAGMA wal_autocheckpoint = 1000"
    assert "COMMIT" in statements[statements.index(off) : statements.index(on)]


def test_small_ones_put_nothing_off(log):
    with traced(log) as seen:
        swept(log, SMALL)
        reverted(log)

    assert "COMMIT" in [sql for sql, _ in seen]
    assert not pragmas(seen)
    assert not threads()


def test_closing_waits_until_it_is_done(log, file, monkeypatch):
    # Who closes last would move everything.
    with closing(sqlite3.connect(file)) as other, slow(log, monkeypatch):
        other.execute("SELECT count(*) FROM modlog_meta").fetchall()
        swept(log)
        end = log.head
        log.close()

        assert not threads()
        assert head_of_copy(file) == end


@pytest.mark.timeout(30)  # a writer would wait a minute
def test_a_reader_in_the_way_is_not_waited_for(log, file):
    with closing(sqlite3.connect(file)) as reader:
        reader.execute("BEGIN")
        before = reader.execute("SELECT count(*) FROM modlog_events").fetchall()
        swept(log)
        settled(log)

        assert reader.execute("SELECT count(*) FROM modlog_events").fetchall() == before
    assert reverted(log).reverted == LARGE
    settled(log)
    assert head_of_copy(file) == log.head


def test_one_that_cannot_be_done_is_left_to_a_later_commit(log, file, monkeypatch):
    """pytest fails tests in whose threads something is raised."""

    asked = []

    def refuse():
        asked.append(threading.current_thread().name)
        raise sqlite3.OperationalError("unable to open database file")

    with monkeypatch.context() as patched:
        patched.setattr(log._work.store.database._pool, "_connect", refuse)
        swept(log)
        settled(log)
    assert asked == ["modlog-settling"]

    assert reverted(log).reverted == LARGE
    settled(log)
    assert head_of_copy(file) == log.head


def test_a_chunk_that_fails_leaves_no_trace_in_the_connection(log):
    swept(log)
    plan = log.plan_revert(ONE)
    log.flag("a7", label="spam", actor=ANN)

    with pytest.raises(modlog.ConflictError):
        plan.apply(actor=ANN, reason="a mistake", on_conflict="raise")

    assert limits(log) == [(1_000,)]
    assert plan.apply(actor=ANN, reason="a mistake", batch_id="again").changed == ("a7",)


def test_in_a_transaction_of_the_callers_nothing_is_put_off(log, file):
    swept(log)
    settled(log)
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        seen: list[str] = []
        connection.set_trace_callback(seen.append)
        connection.execute("BEGIN IMMEDIATE")
        with log.within(connection):
            assert reverted(log).reverted == LARGE
        connection.execute("COMMIT")

    assert not [sql for sql in seen if "PRAGMA" in sql]
    assert log.account("a7").status == "active"


def test_a_file_is_found_again_in_another_folder(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    guardrails = modlog.Guardrails(sweep_size=10_000, sweep_share=1)
    with modlog.open("sqlite:///ledger.db", guardrails=guardrails) as log:
        created(log)
        monkeypatch.chdir(tmp_path / "there")
        swept(log)
        settled(log)

        assert not list((tmp_path / "there").iterdir())
        assert head_of_copy(tmp_path / "here" / "ledger.db") == log.head


def test_a_file_that_is_gone_is_not_made_again(log, file, monkeypatch):
    is_gone = threading.Event()
    with connecting(log, monkeypatch, lambda: is_gone.wait(10)):
        swept(log)
        for one in file.parent.iterdir():
            one.unlink()
        is_gone.set()
        settled(log)

    assert not list(file.parent.iterdir())


def test_a_small_import_in_between_leaves_it_alone(log, file, monkeypatch):
    settled_by = []

    def imported(progress):
        with monkeypatch.context() as patched:
            patched.setattr(
                log._work.store.database, "settle", lambda: settled_by.append("the import")
            )
            log.ingest([{"do": "note", "account_id": "a1", "text": "x", "at": AT, "actor": BOT}])

    with modlog.acting(ANN, reason="a clean-up"):
        ids = [f"a{n}" for n in range(LARGE)]
        log.plan_sweep(ids, "delete", batch_id="clean-up").execute(progress=imported)
    settled(log)

    assert not settled_by
    assert head_of_copy(file) == log.head


# Forks


def forked(child) -> int:
    """What a child process ends with that does something."""
    process = os.fork()
    if not process:
        try:
            child()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def open_files(file) -> list[str]:
    """What this process has open of a ledger."""
    links = [one for one in Path("/proc/self/fd").iterdir() if one.is_symlink()]
    paths = [str(one.readlink()) for one in links if one.is_symlink()]
    return [path for path in paths if path.startswith(str(file))]


def test_a_fork_waits_for_it_and_the_child_goes_on(log, monkeypatch):
    has_begun = threading.Event()

    def slowly():
        has_begun.set()
        time.sleep(0.3)

    def child():
        assert reverted(log).reverted == LARGE
        settled(log)

    with connecting(log, monkeypatch, slowly):
        swept(log)
        assert has_begun.wait(10)
    assert forked(child) == 0
    assert log.account("a7").status == "active"


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="this system does not list them")
def test_at_a_fork_no_file_is_open(log, file, monkeypatch):
    """A child that inherits one takes the locks of its parent for its own."""
    has_begun = threading.Event()

    def slowly():
        has_begun.set()
        time.sleep(0.3)

    def child():
        assert not open_files(file)

    assert open_files(file)
    with connecting(log, monkeypatch, slowly):
        swept(log)
        assert has_begun.wait(10)
    assert forked(child) == 0


def test_a_child_that_is_born_in_a_sweep_leaves_the_file_alone(log, file):
    def progress(_):
        def child():
            log._work.store.database.settle_later()
            assert not threads()

        assert forked(child) == 0

    with modlog.acting(ANN, reason="a clean-up"):
        ids = [f"a{n}" for n in range(LARGE)]
        log.plan_sweep(ids, "delete", batch_id="clean-up").execute(progress=progress)
    settled(log)
    assert head_of_copy(file) == log.head


def test_a_fork_does_not_wait_for_all_of_it(log, monkeypatch):
    """There may be a lot to move. What is left is moved by a later commit."""
    database = log._work.store.database
    has_begun = threading.Event()
    endless = (
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    )
    connect = database._pool._connect

    def slowly():
        session = connect()
        row = session.row
        session.connection.create_function("begun", 0, has_begun.set)
        session.row = lambda _: row(f"SELECT begun(), ({endless})")
        return session

    with monkeypatch.context() as patched:
        patched.setattr(database._pool, "_connect", slowly)
        swept(log)
        assert has_begun.wait(10)

    assert forked(lambda: log.account("a7")) == 0
    settled(log)
    assert log.account("a7").status == "deleted"


def test_a_fork_waits_until_its_connection_is_closed(log, monkeypatch):
    """A child that is born meanwhile would wait for ever for what SQLite holds to close a file."""
    pool = log._work.store.database._pool
    close = pool._close
    begun, ended = threading.Event(), threading.Event()

    def slowly(connection):
        begun.set()
        time.sleep(0.3)
        close(connection)
        ended.set()

    with monkeypatch.context() as patched:
        patched.setattr(pool, "_close", slowly)
        swept(log)
        assert begun.wait(10)
        patched.setattr(pool, "_close", close)
        pool.before_fork()
        pool.after_fork()
        assert ended.is_set()
