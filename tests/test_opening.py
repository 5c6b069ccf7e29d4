"""Opening a ledger: URLs, tables that are made, checked or refused."""

import sqlite3
import sys
import traceback
from contextlib import ExitStack, closing
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

import modlog
from modlog import Actor
from tests import places

ANN = Actor.human("ann")
EXPECTED = "expected a path, sqlite:///"


class Raw:
    """A place's database, without modlog."""

    def __init__(self, place):
        self._place = place
        self.is_postgres = place.kind == "postgres"
        self.prefix = f'"{place.schema}".' if self.is_postgres else ""

    def drop(self, table: str) -> None:
        self.run(f"DROP TABLE {{p}}modlog_{table}{' CASCADE' if self.is_postgres else ''}")

    def connection(self) -> Any:
        """One that a caller may have."""
        if self.is_postgres:
            return psycopg.connect(self._place.url)
        return closing(sqlite3.connect(urlsplit(self._place.url).path[1:]))

    def run(self, *statements: str):
        if self.is_postgres:
            with psycopg.connect(self._place.url, autocommit=True) as connection:
                found = [connection.execute(s.format(p=self.prefix)) for s in statements][-1]
                return found.fetchall() if found.description else []
        path = urlsplit(self._place.url).path[1:]
        with closing(sqlite3.connect(path, isolation_level=None)) as file:
            return [file.execute(s.format(p=self.prefix)).fetchall() for s in statements][-1]


@pytest.fixture(params=["sqlite", "postgres"])
def place(request):
    with places.fresh(request.param) as place:
        yield place


@pytest.fixture
def raw(place):
    return Raw(place)


def record(log: modlog.ModLog) -> None:
    with modlog.acting(ANN, reason="clean-up"):
        log.create("a", profile={"nickname": "Lei"})
        log.flag("a", label="spam")
        log.delete("a")


class TestURLs:
    @pytest.mark.parametrize(
        "url",
        [
            "",
            "sqlite:///",
            "sqlite:///?mode=rw",
            "sqlite:///a%0Ab.db",
            "a\nb.db",
            "a\x7fb.db",
            "odd\ud800.db",
            b"moderation.db",
            "user@host/moderation.db",
            "postgres//host/db",
            "mysql://host/db",
            "sqlite",
            "sqlite:/one-slash.db",
            "sqlite://host/file.db",
            "sqlite://moderation.db",
            "sqlite:///file.db?mode=memory",
            "sqlite:///file.db?timeout=5",
            "sqlite:///file.db?mode=ro&cache=shared",
            "sqlite:///file.db#part",
            "sqlite:///a%00b.db",
            "postgresql://[::1/db",
            "postgresql://host/db?no_such_option=1",
            None,
            7,
            Path("a\nb.db"),
            Path("odd\ud800.db"),
        ],
    )
    def test_that_cannot_be_read_are_refused(self, url, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)

        with pytest.raises(modlog.InvalidUrlError):
            modlog.open(url)

        assert list(tmp_path.iterdir()) == []

    def test_tell_what_is_expected(self):
        with pytest.raises(modlog.InvalidUrlError, match=EXPECTED):
            modlog.open("mysql://host/db")

    @pytest.mark.parametrize("name", ["a b.db", "50%.db", "what?.db", "\N{SNOWMAN}#1.db"])
    def test_name_files_with_escapes(self, name, tmp_path, monkeypatch):
        from urllib.parse import quote

        monkeypatch.chdir(tmp_path)
        with modlog.open(f"sqlite:///{quote(name)}") as log:
            record(log)
        with modlog.open(f"sqlite:///{tmp_path}/{quote(name)}") as log:
            assert log.head == 3

        assert (tmp_path / name).is_file()

    @pytest.mark.parametrize("url", ["sqlite://", ":memory:", "sqlite:///:memory:"])
    def test_name_memory(self, url, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        with modlog.open(url) as log, modlog.open(url) as other:
            record(log)
            assert (log.head, other.head) == (3, 0)

        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("name", ["plain.db", "50%.db", "what?.db", "a#b.db", "a b.db"])
    @pytest.mark.parametrize("kind", [str, Path])
    def test_may_be_paths(self, name, kind, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        with modlog.open(kind(name)) as log:
            record(log)
        with modlog.open(kind(tmp_path / name)) as log:
            assert log.head == 3

        assert (tmp_path / name).is_file()

    def test_as_a_path_may_have_signs_of_a_url(self, tmp_path):
        path = tmp_path / "ann@host:1.db"
        with modlog.open(path) as log:
            record(log)

        assert path.is_file()

    def test_of_sqlite_take_no_schema(self):
        with pytest.raises(modlog.InvalidInputError, match="schema="):
            modlog.open("sqlite://", schema="s")

    @pytest.mark.parametrize(
        "schema", ["", "s" * 64, "\N{SNOWMAN}" * 22, "a\0b", "a%b", "a?b", "$$"]
    )
    def test_of_postgresql_take_a_schema_that_it_can_name(self, postgres_url, schema):
        with pytest.raises(modlog.InvalidInputError):
            modlog.open(postgres_url, schema=schema, create=True)


SECRET = "-".join(("open", "sesame"))


class TestPasswords:
    @pytest.mark.parametrize(
        "url",
        [
            f"postgresql://ann:{SECRET}@127.0.0.1:1/db",
            f"postgresql://ann:{SECRET}@nowhere.invalid/db",
            f"postgresql://ann:{SECRET}@host:port/db",
            f"postgresql://ann:{SECRET}@[::1/db",
            f"postgresql://ann:{SECRET}@host/db?no_such_option=1",
            f"postgresql://host/db?password={SECRET}&no_such_option=1",
            f"postgresql://ann:{SECRET}%zz@host/db",
            f"postgres//ann:{SECRET}@host/db",
            f"mysql://ann:{SECRET}@host/db",
            f"sqlite://ann:{SECRET}@host/db",
            f"ann:{SECRET}@host/db",
        ],
    )
    def test_stand_in_no_error(self, url):
        with pytest.raises(modlog.ModlogError) as caught:
            modlog.open(url)

        assert SECRET not in "".join(told(caught.value))

    def test_stand_in_no_error_of_a_server_that_refuses_them(self, postgres_url):
        with pytest.raises(modlog.StoreUnavailableError) as caught:
            modlog.open(with_user(postgres_url, "nobody_of_that_name", SECRET))

        assert SECRET not in "".join(told(caught.value))


def told(error: BaseException):
    """All that is printed of an error and those that led to it; their source lines too."""
    yield from (str(error), repr(error))
    for one in chain(error):
        yield from (str(one), repr(one), *traceback.format_exception_only(one))


def chain(error: BaseException | None):
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def with_user(url: str, user: str, password: str) -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{user}:{password}@{host}"))


class TestFiles:
    def test_in_a_folder_that_is_not_there(self, tmp_path):
        with pytest.raises(modlog.StoreUnavailableError, match="folder"):
            modlog.open(f"sqlite:///{tmp_path}/missing/ledger.db")

        assert list(tmp_path.iterdir()) == []

    def test_that_are_no_database(self, tmp_path):
        path = tmp_path / "ledger.db"
        path.write_text("Dear diary, today nothing happened. " * 50)
        before = path.read_bytes()

        with pytest.raises(modlog.SchemaError, match="not an SQLite database"):
            modlog.open(f"sqlite:///{path}")

        assert path.read_bytes() == before

    def test_that_are_folders(self, tmp_path):
        with pytest.raises(modlog.StoreUnavailableError):
            modlog.open(f"sqlite:///{tmp_path}")

    def test_that_are_not_there_and_are_not_to_be_made(self, tmp_path):
        for mode in ("ro", "rw"):
            with pytest.raises(modlog.StoreUnavailableError, match="there is no file"):
                modlog.open(f"sqlite:///{tmp_path}/ledger.db?mode={mode}")
        with pytest.raises(modlog.StoreUnavailableError, match="there is no file"):
            modlog.open(tmp_path / "ledger.db", read_only=True)

        assert list(tmp_path.iterdir()) == []

    def test_opened_to_be_read(self, tmp_path):
        url = f"sqlite:///{tmp_path}/ledger.db"
        with modlog.open(url) as log:
            record(log)
        with modlog.open(f"{url}?mode=ro") as log:
            assert log.account("a").status == "deleted"
            assert [event.position for event in log.events()] == [1, 2, 3]
            assert log.verify().ok
            with pytest.raises(modlog.ReadOnlyStoreError):
                log.note("a", "x", actor=ANN)
            with pytest.raises(modlog.ReadOnlyStoreError):
                log.rebuild()
            assert log.head == 3

    def test_replaced_or_removed_while_open_are_noticed(self, tmp_path):
        path, away = tmp_path / "ledger.db", tmp_path / "away.db"
        with modlog.open(path) as log, modlog.acting(ANN):
            log.create("a")
            for what in ("is gone", "was replaced"):
                path.rename(away)
                if what == "was replaced":
                    path.touch()
                with (
                    closing(sqlite3.connect(away)) as connection,
                    pytest.raises(modlog.StoreUnavailableError, match=what),
                    log.within(connection),
                ):
                    pytest.fail("it went in")
                for use in (lambda: log.note("a", "void"), lambda: log.account("a"), log.verify):
                    with pytest.raises(modlog.StoreUnavailableError, match=what):
                        use()
                away.rename(path)
            assert log.note("a", "back").position == 2

    def test_removed_in_a_transaction_are_noticed_before_it_is_acknowledged(self, tmp_path):
        path, away = tmp_path / "ledger.db", tmp_path / "away.db"
        with modlog.open(path) as log, modlog.acting(ANN):
            log.create("a")
            with pytest.raises(modlog.StoreUnavailableError, match="is gone"), log.transaction():  # noqa: PT012
                log.note("a", "void")
                path.rename(away)
            away.rename(path)

            assert log.head == 1

    def test_empty_and_opened_to_be_read(self, tmp_path):
        path = tmp_path / "ledger.db"
        path.touch()

        with pytest.raises(modlog.ReadOnlyStoreError):
            modlog.open(f"sqlite:///{path}?mode=ro")

        assert path.read_bytes() == b""


class TestReadOnly:
    def test_ledgers_answer_and_refuse_to_write(self, place):
        with place.open() as log:
            record(log)
        with place.open(read_only=True) as log, modlog.acting(ANN, reason="mistake"):
            assert log.account("a").status == "deleted"
            assert log.plan_revert(modlog.Selection(type="account.deleted")) is not None
            assert log.verify().ok
            for use in (
                lambda: log.note("a", "x"),
                lambda: log.transaction().__enter__(),
                lambda: log.revert(modlog.Selection(type="account.deleted")),
                lambda: log.plan_sweep(["a"], "flag", label="x"),
                lambda: log.ingest([{"do": "delete", "account_id": "a", "at": "2020-01-01"}]),
                log.rebuild,
            ):
                with pytest.raises(modlog.ReadOnlyStoreError):
                    use()
            with Raw(place).connection() as connection, pytest.raises(modlog.ReadOnlyStoreError):
                log.within(connection).__enter__()
            assert log.head == 3

    def test_ledgers_are_not_made(self, place, raw):
        if not raw.is_postgres:
            Path(urlsplit(place.url).path[1:]).touch()
        with pytest.raises(modlog.ReadOnlyStoreError):
            place.open(read_only=True)

        assert tables(raw) == []

    def test_of_a_ledger_in_memory_makes_no_sense(self):
        with pytest.raises(modlog.InvalidInputError, match="memory"):
            modlog.open("sqlite://", read_only=True)


class TestClosed:
    def test_ledgers_refuse_everything(self, fresh_place):
        with fresh_place() as place:
            log = place.open()
            record(log)
            log.close()
            log.close()

            for use in (
                lambda: log.head,
                lambda: log.account("a"),
                lambda: list(log.events()),
                lambda: log.note("a", "x", actor=ANN),
                log.recorder.max_notification_id,
                log.verify,
                log.rebuild,
            ):
                with pytest.raises(modlog.StoreUnavailableError, match="closed"):
                    use()


def open_and_create(fresh, account_id, barrier):
    for place in fresh:
        barrier.wait(60)  # one that fails must not keep the others
        with place.open() as log:
            log.create(account_id, actor=ANN)


class TestTables:
    @pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
    @pytest.mark.parametrize("number", [15, pytest.param(100, marks=pytest.mark.soak)])
    def test_are_made_once_by_many_at_the_same_time(self, place, number):
        """Time and again: it is a matter of who comes between which two steps of another."""
        context = get_context("fork")
        barrier = context.Barrier(4)
        with ExitStack() as stack:
            fresh = [stack.enter_context(places.fresh(place.kind)) for _ in range(number)]
            children = [
                context.Process(target=open_and_create, args=(fresh, f"a{n}", barrier))
                for n in range(4)
            ]
            for child in children:
                child.start()
            for child in children:
                child.join(120)

            assert [child.exitcode for child in children] == [0] * 4
            for one in fresh:
                with one.open() as log:
                    assert log.head == 4
                    assert log.verify().ok

    def test_of_others_beside_them_are_fine(self, place, raw):
        if raw.is_postgres:
            raw.run(f"CREATE SCHEMA {raw.prefix[:-1]}")
        raw.run(
            "CREATE TABLE {p}users (id integer)",
            "CREATE TABLE {p}events (id integer)",
            "CREATE TABLE {p}modlogs (id integer)",
        )
        with place.open() as log:
            record(log)
        with place.open() as log:
            assert log.verify().ok

        assert raw.run("SELECT count(*) FROM {p}users") == [(0,)]

    @pytest.mark.parametrize(
        "table", ["events", "acts", "streams", "accounts", "spans", "keys", "meta"]
    )
    @pytest.mark.parametrize("alone", [True, False], ids=["alone", "among others"])
    def test_of_another_shape_are_refused(self, place, raw, table, alone):
        if alone:
            if raw.is_postgres:
                raw.run(f"CREATE SCHEMA {raw.prefix[:-1]}")
            raw.run(f"CREATE TABLE {{p}}modlog_{table} (id integer, colour text)")
        else:
            with place.open() as log:
                record(log)
            raw.run(f"ALTER TABLE {{p}}modlog_{table} ADD COLUMN colour text")
        before = tables(raw)

        with pytest.raises(modlog.SchemaError, match=f"modlog_{table}"):
            place.open()

        assert tables(raw) == before

    @pytest.mark.parametrize("table", ["events", "accounts", "keys", "meta"])
    def test_with_a_column_of_another_type_are_refused(self, place, raw, table):
        with place.open() as log:
            record(log)
        raw.drop(table)
        raw.run(f"CREATE TABLE {{p}}modlog_{table} AS SELECT 1.5 AS version")

        with pytest.raises(modlog.SchemaError, match=f"modlog_{table}"):
            place.open()

    @pytest.mark.parametrize("table", ["events", "keys", "meta"])
    def test_that_cannot_be_made_again_are_missed(self, place, raw, table):
        with place.open() as log:
            record(log)
        raw.drop(table)

        with pytest.raises(modlog.SchemaError, match=table):
            place.open()

    def test_of_a_newer_modlog_are_refused(self, place, raw):
        with place.open() as log:
            record(log)
            own = log._work.store.database.scripts.newest
        raw.run("UPDATE {p}modlog_meta SET value = '999' WHERE name = 'schema'")

        with pytest.raises(modlog.SchemaError, match=r"999.*upgrade modlog"):
            place.open()

        raw.run(f"UPDATE {{p}}modlog_meta SET value = '{own}' WHERE name = 'schema'")
        with place.open() as log:
            assert log.head == 3

    def test_of_the_version_before_the_first_are_refused_by_name(self, place, raw):
        with place.open() as log:
            record(log)
        raw.run("UPDATE {p}modlog_meta SET value = '1' WHERE name = 'schema'")

        with pytest.raises(modlog.SchemaError, match=r"0\.1\.0\.dev0.*import its history"):
            place.open()

    @pytest.mark.parametrize("value", ["", "one", "-1"])
    def test_that_do_not_tell_their_version_are_refused(self, place, raw, value):
        with place.open() as log:
            record(log)
        raw.run(f"UPDATE {{p}}modlog_meta SET value = '{value}' WHERE name = 'schema'")

        with pytest.raises(modlog.SchemaError, match="version"):
            place.open()

    @pytest.mark.parametrize(
        "dropped",
        [["accounts"], ["spans"], ["accounts", "spans"]],
        ids=", ".join,
    )
    def test_of_the_projection_are_made_again(self, place, raw, dropped):
        with place.open() as log:
            record(log)
            before = log.account("a")
        raw.run(*(f"DROP TABLE {{p}}modlog_{table}" for table in dropped))

        with place.open() as log:
            assert log.account("a") == before
            assert log.verify().ok
            log.restore("a", actor=ANN, reason="mistake")
            assert log.account("a").status == "active"

    def test_know_each_ledger_by_an_id_of_its_own(self, fresh_place):
        ids = set()
        for _ in range(2):
            with (
                fresh_place(reuse=False) as place,
                place.open() as log,
                log._work.store.reading() as reader,
            ):
                meta = log._work.store.database.table("meta")
                ids.add(reader.session.row(f"SELECT value FROM {meta} WHERE name = 'ledger'"))

        assert len(ids) == 2


def tables(raw: Raw):
    if raw.is_postgres:
        schema = raw.prefix[1:-2]
        return raw.run(
            "SELECT table_name, column_name, data_type FROM information_schema.columns"
            f" WHERE table_schema = '{schema}' ORDER BY 1, 2"
        )
    return raw.run("SELECT name, sql FROM sqlite_master ORDER BY 1")


class TestSchemas:
    def test_hold_ledgers_of_their_own(self, postgres_url, schema):
        with (
            places.fresh_schema() as another,
            modlog.open(postgres_url, schema=schema, create=True) as one,
            modlog.open(postgres_url, schema=another, create=True) as other,
        ):
            record(one)
            other.create("b", actor=ANN)
            assert (one.head, other.head) == (3, 1)
            assert one.verify().ok
            assert other.verify().ok
            with pytest.raises(modlog.AccountNotFoundError):
                other.account("a")

    def test_may_have_any_name(self, postgres_url, schema):
        odd = f'{schema} "quoted" it\'s \N{SNOWMAN}'
        try:
            with modlog.open(postgres_url, schema=odd, create=True) as log:
                record(log)
            with modlog.open(postgres_url, schema=odd, create=True) as log:
                assert log.account("a").status == "deleted"
                assert log.verify().ok
        finally:
            with psycopg.connect(postgres_url, autocommit=True) as connection:
                connection.execute(SQL("DROP SCHEMA {} CASCADE").format(Identifier(odd)))


def test_without_psycopg_postgresql_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)

    with pytest.raises(modlog.InvalidUrlError, match=r"pip install 'modlog\[postgres\]'"):
        modlog.open("postgresql://host/db")


def test_an_sqlite_that_is_too_old_is_told_so(monkeypatch, tmp_path):
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 36, 0))
    monkeypatch.setattr(sqlite3, "sqlite_version", "3.36.0")

    with pytest.raises(modlog.StoreUnavailableError, match=r"needs SQLite 3\.37 .*has 3\.36\.0"):
        modlog.open(tmp_path / "ledger.db")
    assert list(tmp_path.iterdir()) == []
