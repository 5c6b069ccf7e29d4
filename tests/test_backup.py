"""A copy of a ledger that others go on writing to: whole, as of one moment, and a ledger again."""

import json
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread

import pytest
from click.testing import CliRunner

import modlog
from modlog import Actor, BackupOutcome, BackupProgress
from modlog._cli.main import commands
from modlog._services.upgrading import ledger_at
from modlog._storage.sqlite import copying
from tests import cluster, places
from tests.cluster import Node, until
from tests.golden.whole import load_sqlite

HOW_TO = Path(__file__).parents[1] / "docs/how-to/back-up-and-restore.md"
ANN = Actor.human("ann")


@pytest.fixture(autouse=True)
def somebody():
    with modlog.acting(ANN, reason="clean-up"):
        yield


@pytest.fixture
def path(tmp_path) -> Path:
    """A ledger of forty accounts."""
    path = tmp_path / "ledger.db"
    with modlog.open(path) as log:
        with log.transaction():
            for number in range(40):
                log.create(f"a{number}", profile={"text": "x" * 1_000})
        log.delete("a1")
    return path


@pytest.fixture
def small_steps(monkeypatch):
    """Few pages at a time, so that there is much between the beginning and the end."""
    monkeypatch.setattr(copying, "_PAGES", 1)


def told(path: Path) -> list[modlog.RecordedEvent]:
    with modlog.open(path, read_only=True) as log:
        report = log.verify()
        assert report.ok, report.findings
        return list(log.events())


def files(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


class TestACopy:
    def test_is_the_ledger(self, path, tmp_path):
        outcome = modlog.backup(path, tmp_path / "copy.db")

        assert told(tmp_path / "copy.db") == told(path)
        with modlog.open(path) as log, modlog.open(tmp_path / "copy.db") as copy:
            assert outcome == BackupOutcome(
                ledger=str(ledger_at(path)),
                head=41,
                size=(tmp_path / "copy.db").stat().st_size,
            )
            assert list(copy.accounts()) == list(log.accounts())

    def test_goes_on_as_a_ledger(self, path, tmp_path):
        modlog.backup(path, tmp_path / "copy.db")

        with modlog.open(tmp_path / "copy.db") as copy:
            assert copy.restore("a1").position == 42
            assert copy.verify().ok
        assert len(told(path)) == 41

    def test_is_of_one_moment_however_much_is_written_meanwhile(self, path, tmp_path, small_steps):
        recorded = []

        def write(progress: BackupProgress) -> None:
            recorded.append(log.flag("a2", f"flag-{progress.done}").position)
            assert len(recorded) < 2_000, "the copy was begun anew again and again"

        with modlog.open(path) as log:
            outcome = modlog.backup(path, tmp_path / "copy.db", progress=write)

        assert recorded[0] == 42
        assert outcome.head == 41
        assert [one.position for one in told(tmp_path / "copy.db")] == list(range(1, 42))

    def test_is_whole_while_threads_write(self, path, tmp_path, small_steps):
        over = Event()

        def write(log: modlog.ModLog, account_id: str) -> None:
            while not over.is_set():
                log.flag(account_id, "seen", actor=ANN)
                log.clear_flags(account_id, actor=ANN, reason="again")

        with modlog.open(path) as log:
            threads = [Thread(target=write, args=(log, f"a{n}")) for n in (2, 3)]
            for thread in threads:
                thread.start()
            try:
                heads = [
                    modlog.backup(path, tmp_path / f"copy-{number}.db").head for number in range(5)
                ]
            finally:
                over.set()
                for thread in threads:
                    thread.join()
            events = list(log.events())

        assert heads == sorted(heads)
        for number, head in enumerate(heads):
            assert told(tmp_path / f"copy-{number}.db") == events[:head]

    def test_tells_how_far_it_is(self, path, tmp_path, small_steps):
        moves: list[BackupProgress] = []

        outcome = modlog.backup(path, tmp_path / "copy.db", progress=moves.append)

        assert [one.done for one in moves] == sorted({one.done for one in moves})
        assert {one.total for one in moves} == {outcome.size}
        assert moves[-1].done == outcome.size

    def test_of_an_older_schema_is_made_before_an_upgrade(self, tmp_path):
        load_sqlite(2, tmp_path / "older.db")

        modlog.backup(tmp_path / "older.db", tmp_path / "copy.db")

        modlog.upgrade(tmp_path / "older.db")
        assert modlog.upgrade(tmp_path / "copy.db").schema_before == 2
        assert told(tmp_path / "copy.db") == told(tmp_path / "older.db")

    def test_of_a_copy_is_the_same(self, path, tmp_path):
        first = modlog.backup(path, tmp_path / "first.db")
        assert modlog.backup(tmp_path / "first.db", tmp_path / "second.db") == first


class TestTheFile:
    def test_that_is_there_stays(self, path, tmp_path):
        target = tmp_path / "copy.db"
        target.write_text("mine")

        with pytest.raises(modlog.InvalidInputError, match=r"is there already.*force=True"):
            modlog.backup(path, target)
        assert target.read_text() == "mine"

        modlog.backup(path, target, force=True)
        assert told(target) == told(path)

    def test_is_not_there_before_it_is_whole(self, path, tmp_path, small_steps):
        (tmp_path / "to").mkdir()

        def stop(progress: BackupProgress) -> None:
            assert not (tmp_path / "to" / "copy.db").exists()
            if progress.done > progress.total / 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            modlog.backup(path, tmp_path / "to" / "copy.db", progress=stop)
        assert files(tmp_path / "to") == []

    def test_is_whole_or_not_there_when_the_program_is_killed(self, path, tmp_path):
        (tmp_path / "to").mkdir()
        copy = tmp_path / "to" / "copy.db"
        code = (
            "import modlog, sys; from modlog._storage.sqlite import copying; copying._PAGES = 1;"
            "modlog.backup(*sys.argv[1:], force=True, progress=lambda _: print(flush=True))"
        )
        seen = 0
        for moves in (1, 10, 20, 30):
            with subprocess.Popen(
                [sys.executable, "-c", code, path, copy], stdout=subprocess.PIPE
            ) as process:
                assert process.stdout
                for _ in range(moves):
                    process.stdout.readline()
                process.send_signal(signal.SIGKILL)
            if copy.exists():
                seen += told(copy) == told(path)
            assert copy.exists() == bool(seen)
        modlog.backup(path, copy, force=True)
        assert told(copy) == told(path)

    def test_behind_a_link_is_replaced_and_the_link_stays(self, path, tmp_path):
        (tmp_path / "disk").mkdir()
        (tmp_path / "link.db").symlink_to(tmp_path / "disk" / "copy.db")

        modlog.backup(path, tmp_path / "link.db")

        assert (tmp_path / "link.db").is_symlink()
        assert told(tmp_path / "disk" / "copy.db") == told(path)

    def test_is_not_the_ledger_itself(self, path):
        for force in (False, True):
            with pytest.raises(modlog.InvalidInputError, match=r"is there already|is in use there"):
                modlog.backup(path, path, force=force)
        assert len(told(path)) == 41

    @pytest.mark.parametrize("part", ["-wal", "-shm", "-journal"])
    def test_is_not_put_where_a_database_is_in_use(self, path, tmp_path, part):
        (tmp_path / f"copy.db{part}").write_bytes(b"")

        with pytest.raises(modlog.InvalidInputError, match=rf"copy\.db{part}.*stands beside"):
            modlog.backup(path, tmp_path / "copy.db", force=True)
        assert not (tmp_path / "copy.db").exists()

    def test_goes_to_no_folder_and_no_device(self, path, tmp_path):
        for target in (tmp_path, "/dev/null"):
            with pytest.raises(modlog.InvalidInputError, match="a backup goes to a file"):
                modlog.backup(path, target, force=True)

    @pytest.mark.parametrize("target", ["", "a\0b", None, 7, b"copy.db"])
    def test_has_a_name_that_is_one(self, path, target):
        with pytest.raises(modlog.InvalidUrlError, match="a path is text"):
            modlog.backup(path, target)

    def test_in_a_folder_that_is_not_there(self, path, tmp_path):
        with pytest.raises(modlog.StoreUnavailableError, match="check that the folder exists"):
            modlog.backup(path, tmp_path / "nowhere" / "copy.db")

    def test_without_room_leaves_nothing(self, path, tmp_path):
        (tmp_path / "to").mkdir()
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        modlog.backup(path, tmp_path / "copy.db")  # so that the ledger is not written to below
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, hard))
        try:
            with pytest.raises(modlog.StoreUnavailableError, match="check the disk"):
                modlog.backup(tmp_path / "copy.db", tmp_path / "to" / "copy.db")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert files(tmp_path / "to") == []


class TestWhatIsNoLedger:
    def test_is_not_backed_up(self, tmp_path):
        with closing(sqlite3.connect(tmp_path / "other.db")) as other:
            other.execute("CREATE TABLE shopping (what)")
        with pytest.raises(modlog.SchemaError, match="there is no ledger here"):
            modlog.backup(tmp_path / "other.db", tmp_path / "copy.db")
        assert files(tmp_path) == ["other.db"]

    def test_is_not_made(self, tmp_path):
        with pytest.raises(modlog.StoreUnavailableError, match="there is no file"):
            modlog.backup(tmp_path / "ledger.db", tmp_path / "copy.db")
        assert files(tmp_path) == []

    def test_or_lies_in_memory(self, tmp_path):
        with pytest.raises(modlog.InvalidInputError, match="a ledger in memory is new"):
            modlog.backup("sqlite://", tmp_path / "copy.db")

    def test_or_is_damaged(self, path, tmp_path):
        with path.open("r+b") as file:
            file.truncate(path.stat().st_size // 2)
        (tmp_path / "to").mkdir()
        with pytest.raises(modlog.SchemaError, match="damaged: restore it from a backup"):
            modlog.backup(path, tmp_path / "to" / "copy.db")
        assert files(tmp_path / "to") == []


def test_on_postgresql_the_servers_own_programs_do_it(tmp_path):
    with places.fresh("postgres") as place:
        place.open().close()
        with pytest.raises(modlog.InvalidInputError, match=r"pg_dump, or pg_basebackup"):
            modlog.backup(place.url, tmp_path / "copy.db", schema=place.schema)
    assert files(tmp_path) == []


class TestTheCommand:
    def run(self, *arguments):
        return CliRunner().invoke(commands, ["backup", *map(str, arguments)])

    def test_copies(self, path, tmp_path):
        result = self.run(tmp_path / "copy.db", "--db", path)

        assert result.exit_code == 0, result.stderr
        assert "41 events" in result.stdout
        assert told(tmp_path / "copy.db") == told(path)

    def test_answers_programs(self, path, tmp_path):
        result = self.run(tmp_path / "copy.db", "--db", path, "--json")

        assert json.loads(result.stdout)["head"] == 41

    def test_says_how_a_file_is_replaced(self, path, tmp_path):
        (tmp_path / "copy.db").touch()

        refused = self.run(tmp_path / "copy.db", "--db", path)

        assert refused.exit_code == 2
        assert "say --force to replace it" in refused.stderr
        assert self.run(tmp_path / "copy.db", "--db", path, "--force").exit_code == 0


class TestRestoring:
    def test_a_copy_in_the_ledgers_place(self, path, tmp_path):
        modlog.backup(path, tmp_path / "copy.db")
        events = told(path)
        with modlog.open(path) as log:
            log.delete("a3")
            for name in files(tmp_path):
                if name.startswith("ledger.db"):
                    (tmp_path / name).unlink()
            shutil.copy(tmp_path / "copy.db", path)

            with pytest.raises(modlog.StoreUnavailableError, match="was replaced by another"):
                log.delete("a4")

        assert told(path) == events


# PostgreSQL, by the settings and commands of the how-to


def section(title: str) -> str:
    return HOW_TO.read_text().partition(f"## {title}\n")[2].partition("\n## ")[0]


ANY_MOMENT = section("PostgreSQL: back to any moment")
SERVER, RECOVERY = re.findall(r"```ini\n(.*?)```", ANY_MOMENT, re.DOTALL)
COMMANDS = re.findall(r"^    (\w.*)$", ANY_MOMENT, re.MULTILINE)
MOMENT = "2026-11-21 11:43:30+00"


@pytest.fixture
def server() -> Iterator[Node]:
    with cluster.primary() as server:
        yield server


@pytest.fixture
def archive(server) -> Iterator[Path]:
    """A folder of the server's write-ahead log."""
    folder = cluster.new_folder(server.user)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def restored(server) -> Iterator[Node]:
    """A server that is to be, with nothing in it."""
    node = Node(cluster.new_folder(server.user), server.programs, server.user)
    yield node
    node.remove()


def configured(node: Node, settings: str, archive: Path) -> None:
    with (node.data / "postgresql.auto.conf").open("a") as file:
        file.write(settings.replace("/srv/wal", str(archive)))


def copied(server: Node, to: Node) -> None:
    """The copy that the how-to makes."""
    (command,) = (one for one in COMMANDS if one.startswith("pg_basebackup"))
    program, *arguments = command.replace("/srv/base", str(to.data)).split()
    server.run(program, *arguments, "-d", server.url)


def archived(server: Node) -> None:
    """Wait until all that is committed is in the archive."""
    ((name,),) = server.ask("SELECT pg_walfile_name(pg_switch_wal())")
    query = f"SELECT last_archived_wal >= '{name}' FROM pg_stat_archiver"
    until(lambda: server.ask(query) == [(True,)])


def recovered(node: Node, settings: str, archive: Path) -> None:
    """Start a server of a copy, by the commands of the how-to, and wait until it takes writes."""
    configured(node, settings, archive)
    touch, start, _ = COMMANDS[-3:]
    assert touch == "touch /srv/restored/recovery.signal"
    assert start == "pg_ctl --pgdata=/srv/restored --wait start"
    signal_file = node.data / touch.rpartition("/")[2]
    signal_file.touch()
    if node.user:
        shutil.chown(signal_file, node.user)
    node.start()
    until(lambda: node.ask("SELECT pg_is_in_recovery()") == [(False,)])


def test_a_copy_is_checked_as_the_how_to_says():
    assert "pg_verifybackup /srv/base" in COMMANDS


class TestAnyMoment:
    @pytest.fixture
    def log(self, server, archive):
        server.stop()
        configured(server, SERVER, archive)
        server.start()
        with modlog.open(server.url) as log:
            yield log

    def test_just_before_what_must_not_have_happened(self, server, archive, restored, log):
        log.create("a")
        copied(server, restored)
        log.create("b")
        time.sleep(0.1)  # a moment between
        mistaken = log.delete("a")
        events = list(log.events())
        archived(server)
        moment = mistaken.recorded_at - timedelta(milliseconds=50)

        recovered(restored, RECOVERY.replace(MOMENT, moment.isoformat()), archive)

        with modlog.open(restored.url) as back:
            assert list(back.events()) == events[:2]
            assert back.verify().ok
            assert back.delete("b").position == 3

    def test_the_end_of_a_server_that_is_lost(self, server, archive, restored, log):
        copied(server, restored)
        log.create("a")
        log.delete("a")
        events = list(log.events())
        archived(server)
        server.kill()
        settings = "".join(
            line for line in RECOVERY.splitlines(keepends=True) if "target" not in line
        )

        recovered(restored, settings, archive)

        with modlog.open(restored.url) as back:
            assert list(back.events()) == events
            assert back.verify().ok
            assert back.restore("a").position == 3
