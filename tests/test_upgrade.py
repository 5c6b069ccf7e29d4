"""Bringing a ledger of an older schema to the newest: whole, or not at all."""

import json
import os
import pty
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier

import pytest
from click.testing import CliRunner

import modlog
from modlog._cli.main import commands
from modlog._storage import scripts
from modlog._storage.postgres.database import PostgresDatabase
from modlog._storage.postgres.session import PostgresSession
from modlog._storage.sqlite.database import SQLiteDatabase, _statements
from modlog._storage.sqlite.session import SQLiteSession
from tests import places
from tests.test_opening import ANN, Raw, record
from tests.test_opening import tables as shape

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")

NEXT = """\
-- Acts know the device that a request came from.
--
-- More about it.

ALTER TABLE modlog_acts ADD COLUMN device text;
CREATE INDEX modlog_acts_device ON modlog_acts (device, number) WHERE device IS NOT NULL;
"""
LAST = """\
-- Where devices are.
CREATE TABLE modlog_devices (
    name text PRIMARY KEY,
    place text
);
DROP INDEX modlog_acts_device;
"""
NOW = SQLiteDatabase.scripts.newest
STEPS = (
    modlog.Migration(NOW + 1, "Acts know the device that a request came from."),
    modlog.Migration(NOW + 2, "Where devices are."),
)
FILES = {f"{NOW + 1:04}.sql": NEXT, f"{NOW + 2:04}.sql": LAST}

read = scripts._read


@pytest.fixture(params=["sqlite", "postgres"])
def place(request):
    with places.fresh(request.param) as place:
        yield place


@pytest.fixture
def raw(place):
    return Raw(place)


@pytest.fixture
def later(monkeypatch):
    """From its call on, this is a modlog with newer schemas."""

    def later(**files):
        monkeypatch.setattr(scripts, "_read", lambda folder: read(folder) | files)

    return lambda: later(**FILES)


@pytest.fixture
def older(place, later):
    """A ledger of the schema before."""
    with place.open() as log:
        record(log)
    later()
    return place


def upgrade(place, **options):
    return modlog.upgrade(place.url, schema=place.schema, **options)


def log_of(raw: Raw):
    return raw.run("SELECT * FROM {p}modlog_log ORDER BY position")


class TestUpgrade:
    def test_leads_to_the_newest_schema_and_leaves_events_as_they_are(self, older, raw):
        before = log_of(raw)

        outcome = upgrade(older)

        assert (outcome.schema_before, outcome.schema, outcome.dry_run) == (NOW, NOW + 2, False)
        assert outcome.migrations == STEPS
        assert log_of(raw) == before
        assert raw.run("SELECT device FROM {p}modlog_acts") == [(None,)] * 3
        with older.open() as log:
            assert log.account("a").status == "deleted"
            assert log.restore("a", actor=ANN, reason="mistake").position == 4
            assert log.verify().ok

    def test_leads_to_the_shape_of_a_new_ledger(self, older, raw):
        upgrade(older)

        with places.fresh(older.kind) as fresh:
            fresh.open().close()
            ours, new = (objects(Raw(one)) for one in (older, fresh))
        assert ours == new

    def test_is_done_once(self, older, raw):
        upgrade(older)
        before = shape(raw)

        outcome = upgrade(older)

        assert (outcome.schema_before, outcome.schema, outcome.migrations) == (NOW + 2, NOW + 2, ())
        assert shape(raw) == before

    def test_makes_the_current_state_anew(self, older, raw):
        raw.run("UPDATE {p}modlog_spans SET facet = 4", "DROP TABLE {p}modlog_accounts")

        upgrade(older)

        with older.open() as log:
            assert log.verify().ok
            assert log.account("a").status == "deleted"

    def test_is_named_where_a_ledger_needs_it(self, older):
        with pytest.raises(
            modlog.SchemaError, match=rf"schema {NOW}.*needs {NOW + 2}.*modlog upgrade"
        ):
            older.open()

    def test_dry_tells_and_writes_nothing(self, older, raw):
        before = shape(raw)

        outcome = upgrade(older, dry_run=True)

        assert (outcome.migrations, outcome.dry_run) == (STEPS, True)
        assert shape(raw) == before
        assert version(raw) == str(NOW)

    def test_of_several_at_once_is_one(self, place, later, monkeypatch):
        with place.open() as log:
            record(log)
        later()
        barrier = Barrier(4)

        def one(_):
            barrier.wait(60)
            return upgrade(place)

        with ThreadPoolExecutor(4) as threads:
            outcomes = list(threads.map(one, range(4)))

        assert sorted(outcome.schema_before for outcome in outcomes) == [NOW, *[NOW + 2] * 3]
        with place.open() as log:
            assert log.verify().ok

    def test_has_both_locks_before_it_changes_anything(self, older, monkeypatch):
        """Nobody is to make tables meanwhile, and no event to be missing from the new state."""
        steps: list[str] = []
        for kind in (SQLiteDatabase, PostgresDatabase):
            for name in ("alone", "lock_head", "run_script"):
                monkeypatch.setattr(kind, name, noted(steps, name, getattr(kind, name)))

        upgrade(older)

        assert steps[:3] == ["alone", "lock_head", "run_script"]


def noted(steps, name, method):
    """A method that tells when it is called."""

    def calling(*arguments):
        steps.append(name)
        return method(*arguments)

    return calling


def version(raw: Raw) -> str:
    return raw.run("SELECT value FROM {p}modlog_meta WHERE name = 'schema'")[0][0]


def objects(raw: Raw):
    """All columns and indexes; text differs where a column came later."""
    if not raw.is_postgres:
        names = raw.run("SELECT name FROM sqlite_master ORDER BY 1")
        return names, [raw.run(f"SELECT name FROM pragma_table_info('{n}')") for (n,) in names]
    schema = raw.prefix[1:-2]
    indexes = f"SELECT indexname FROM pg_indexes WHERE schemaname = '{schema}' ORDER BY 1"
    return shape(raw), raw.run(indexes)


class TestRefused:
    def test_where_there_is_no_file(self, tmp_path):
        for dry_run in (False, True):
            with pytest.raises(modlog.StoreUnavailableError, match="there is no file"):
                modlog.upgrade(tmp_path / "ledger.db", dry_run=dry_run)

        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("dry_run", [False, True])
    def test_where_there_is_no_ledger(self, place, raw, dry_run):
        if not raw.is_postgres:
            Path(place.url.removeprefix("sqlite:///")).touch()

        with pytest.raises(modlog.SchemaError, match="no ledger here"):
            upgrade(place, dry_run=dry_run)

        assert shape(raw) == []

    def test_in_memory(self):
        with pytest.raises(modlog.InvalidInputError, match="memory"):
            modlog.upgrade("sqlite://")

    @pytest.mark.parametrize(
        ("value", "message"),
        [("999", r"999.*upgrade modlog"), ("1", r"0\.1\.0\.dev0.*import its"), ("x", "version")],
    )
    @pytest.mark.parametrize("dry_run", [False, True])
    def test_as_opening_is(self, older, raw, value, message, dry_run):
        raw.run(f"UPDATE {{p}}modlog_meta SET value = '{value}' WHERE name = 'schema'")
        before = shape(raw)

        for use in (older.open, lambda: upgrade(older, dry_run=dry_run)):
            with pytest.raises(modlog.SchemaError, match=message):
                use()

        assert shape(raw) == before

    @pytest.mark.parametrize("dry_run", [False, True])
    def test_where_tables_are_missing_or_others(self, older, raw, dry_run):
        raw.drop("clocks")
        with pytest.raises(modlog.SchemaError, match="clocks"):
            upgrade(older, dry_run=dry_run)

        raw.run("CREATE TABLE {p}modlog_clocks (position integer)")
        with pytest.raises(modlog.SchemaError, match="modlog_clocks has another shape"):
            upgrade(older, dry_run=dry_run)

        assert version(raw) == str(NOW)

    def test_where_a_ledger_may_only_be_read(self, tmp_path):
        modlog.open(tmp_path / "ledger.db").close()

        with pytest.raises(modlog.ReadOnlyStoreError):
            modlog.upgrade(f"sqlite:///{tmp_path}/ledger.db?mode=ro")

    def test_where_a_file_fails(self, place, raw, monkeypatch):
        with place.open() as log:
            record(log)
        before = shape(raw)
        broken = {f"{NOW + 1:04}.sql": NEXT + "CREATE INDEX modlog_x ON modlog_acts (nothing);\n"}
        monkeypatch.setattr(scripts, "_read", lambda folder: read(folder) | broken)

        with pytest.raises(modlog.StoreError):
            upgrade(place)

        assert (shape(raw), version(raw)) == (before, str(NOW))


class TestKilled:
    def test_at_any_statement_it_leaves_the_ledger_as_it_was(self, older, raw):
        before = shape(raw), log_of(raw), version(raw)
        kills = 0
        while killed_before_statement(kills, older):
            assert (shape(raw), log_of(raw), version(raw)) == before
            with pytest.raises(modlog.SchemaError, match="modlog upgrade"):
                older.open()
            kills += 1

        assert kills > 12
        assert version(raw) == str(NOW + 2)
        with older.open() as log:
            assert log.verify().ok
            assert log.account("a").status == "deleted"


def killed_before_statement(number: int, place) -> bool:
    """Have a child upgrade that kills itself as it begins a statement; whether it came so far."""
    child = os.fork()
    if not child:
        try:
            kill_before_statement(number)
            upgrade(place)
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, -signal.SIGKILL)
    return code != 0


def kill_before_statement(number: int) -> None:
    """In this process, from now on: each statement counts, also those of a script."""
    left = number

    def count(run):
        def counting(*arguments):
            nonlocal left
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1
            return run(*arguments)

        return counting

    def run_script(database, session, script, whole=PostgresDatabase.run_script):
        tables, create, function = script.partition("CREATE OR REPLACE FUNCTION")
        for statement in (*_statements(tables), create + function):
            whole(database, session, statement or "SELECT 1")

    PostgresDatabase.run_script = run_script  # type: ignore[method-assign]
    for kind in (SQLiteSession, PostgresSession):
        for name in ("run", "many"):
            setattr(kind, name, count(getattr(kind, name)))


class TestCommand:
    def run(self, place, *arguments):
        schema = ("--schema", place.schema) if place.schema else ()
        return CliRunner().invoke(commands, ["upgrade", "--db", place.url, *schema, *arguments])

    def test_dry_lists_what_would_be_done(self, older, raw):
        result = self.run(older, "--dry-run")

        assert (result.exit_code, result.stderr) == (0, "")
        assert result.stdout.splitlines() == [
            f"{NOW + 1:04}  Acts know the device that a request came from.",
            f"{NOW + 2:04}  Where devices are.",
            f"would lead from schema {NOW} to {NOW + 2}",
        ]
        assert version(raw) == str(NOW)

    def test_goes_ahead_without_a_terminal_only_if_that_is_meant(self, older, raw):
        result = self.run(older)
        assert (result.exit_code, version(raw)) == (2, str(NOW))
        assert "--yes" in result.stderr

        result = self.run(older, "--yes")
        assert (result.exit_code, result.stderr, version(raw)) == (0, "", str(NOW + 2))
        assert f"upgraded from schema {NOW} to {NOW + 2}" in result.stdout

        result = self.run(older)
        assert (result.exit_code, result.stderr) == (0, "")
        assert result.stdout == f"nothing to do: the ledger has schema {NOW + 2}, the newest\n"

    def test_answers_programs(self, older):
        steps = [{"number": one.number, "title": one.title} for one in STEPS]
        answer = {"schema_before": NOW, "schema": NOW + 2, "migrations": steps}

        assert json.loads(self.run(older, "--json", "--dry-run").stdout) == answer | {
            "dry_run": True
        }
        assert json.loads(self.run(older, "--json", "--yes").stdout) == answer | {"dry_run": False}
        assert json.loads(self.run(older, "--json").stdout) == {
            "schema_before": NOW + 2,
            "schema": NOW + 2,
            "migrations": [],
            "dry_run": False,
        }

    def test_ends_as_opening_does(self, older, raw):
        raw.run("UPDATE {p}modlog_meta SET value = '999' WHERE name = 'schema'")

        result = self.run(older, "--yes")

        assert result.exit_code == 3
        assert "upgrade modlog" in result.stderr

    @pytest.mark.parametrize(
        ("answer", "code", "then"), [(b"n\n", 1, NOW), (b"\n", 1, NOW), (b"y\n", 0, NOW + 2)]
    )
    def test_asks_on_a_terminal(self, older, raw, answer, code, then):
        child, terminal = pty.fork()
        if not child:
            sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115
            try:
                schema = ["--schema", older.schema] if older.schema else []
                commands(["upgrade", "--db", older.url, *schema])
            except SystemExit as end:
                os._exit(int(end.code or 0))
            finally:
                os._exit(99)
        seen = b""
        with closing(os.fdopen(terminal, "r+b", buffering=0)) as screen:
            while b"[y/N]" not in seen:
                seen += screen.read(1000) or b""
            screen.write(answer)
            _, status = os.waitpid(child, 0)

        assert os.waitstatus_to_exitcode(status) == code
        assert f"{NOW + 1:04}  Acts know".encode() in seen
        assert f"schema {NOW} to {NOW + 2}".encode() in seen
        assert version(raw) == str(then)


class TestScripts:
    def test_tell_the_columns_and_objects_that_they_lead_to(self, later):
        later()
        files = SQLiteDatabase.scripts

        assert files.newest == NOW + 2
        assert list(files.after(NOW + 1)) == [NOW + 2]
        assert "device" not in files.columns_at(NOW)["acts"]
        assert files.columns_at(NOW + 1)["acts"][-1] == "device"
        assert files.columns()["devices"] == ["name", "place"]
        assert "modlog_acts_device" not in files.names_of("INDEX")

    def test_forget_a_table_that_goes(self):
        assert (
            scripts._columns("CREATE TABLE modlog_x (\n    a text\n);\nDROP TABLE modlog_x;") == {}
        )

    @pytest.mark.parametrize("folder", ["sqlite", "postgres"])
    def test_say_first_what_they_do(self, folder):
        for script in scripts.Scripts(f"modlog._storage.{folder}").numbered.values():
            assert scripts.title_of(script)

    def test_have_the_same_numbers_for_each_database(self):
        assert list(SQLiteDatabase.scripts.numbered) == list(PostgresDatabase.scripts.numbered)
