"""The databases themselves refuse to change what is recorded, whoever asks."""

import ast
import re
import sqlite3
from collections.abc import Collection
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from eventsourcing.persistence import StoredEvent

import modlog
from modlog import Actor
from tests import places

CHANGES = (
    "UPDATE {events} SET reason = 'changed' WHERE position = 2",
    "UPDATE {events} SET position = position + 10",
    "UPDATE {events} SET data = data WHERE account_id = 'a' AND version = 1",
    "UPDATE {events} SET reason = NULL WHERE foreign_id IS NOT NULL",
    "DELETE FROM {events} WHERE position = 2",
    "DELETE FROM {events} WHERE account_id = 'a'",
    "DELETE FROM {events}",
)
COLUMNS = "position, recorded_at, occurred_at, version, schema, account_id, type, actor_kind,"
COLUMNS += " actor_id, data"
# A row in the place of another: the same position, or the same version of the same account.
SAME_POSITION = "(2, 1, 1, 9, 1, 'a', 'account.deleted', 'human', 'eve', '{{}}')"
SAME_VERSION = "(6, 1, 1, 2, 1, 'a', 'account.deleted', 'human', 'eve', '{{}}')"
FOREIGN_COLUMNS = "position, recorded_at, version, type, foreign_id, foreign_state"
SAME_FOREIGN = "(6, 1, 1, 'shop:Ordered', 'order-1', x'00')"

ON_SQLITE = (
    *(
        f"{verb} INTO {{events}} ({columns}) VALUES {values}"
        for verb in ("INSERT OR REPLACE", "REPLACE")
        for columns, values in (
            (COLUMNS, SAME_POSITION),
            (COLUMNS.replace("position", "rowid"), SAME_POSITION),
            (COLUMNS, SAME_VERSION),
            (FOREIGN_COLUMNS, SAME_FOREIGN),
        )
    ),
    "UPDATE OR REPLACE {events} SET position = 1 WHERE position = 2",
    "UPDATE {events} SET rowid = 9 WHERE rowid = 1",
)
UPSERTS = tuple(
    f"INSERT INTO {{events}} ({COLUMNS}) VALUES {values} ON CONFLICT ({key})"
    " DO UPDATE SET reason = 'changed'"
    for values, key in ((SAME_POSITION, "position"), (SAME_VERSION, "account_id, version"))
)
ON_POSTGRES = (
    "TRUNCATE {events}",
    "TRUNCATE {events} CASCADE",
    "WITH gone AS (DELETE FROM {events} RETURNING *) SELECT count(*) FROM gone",
    "MERGE INTO {events} USING (SELECT 2 AS n) s ON position = n WHEN MATCHED THEN DELETE",
)


def record(place) -> None:
    with place.open() as log, modlog.acting(Actor.human("ann"), reason="clean-up"):
        log.create("a", profile={"nickname": "Lei"})
        log.delete("a")
        log.restore("a")
        log.create("b")
        log.recorder.insert_events([StoredEvent("order-1", 1, "shop:Ordered", b"\x01")])


class Raw:
    """A connection of somebody who does not know modlog."""

    def __init__(self, place, role: str):
        self.connection: Any
        self.is_postgres = place.kind == "postgres"
        self.events = f'"{place.schema}".modlog_events' if self.is_postgres else "modlog_events"
        if self.is_postgres:
            self.connection = psycopg.connect(place.url, autocommit=True)
            self.connection.execute(f"SET session_replication_role = {role}")
        else:
            path = urlsplit(place.url).path[1:]
            self.connection = sqlite3.connect(path, isolation_level=None)
            if role == "replica":  # what comes nearest: no recursion of triggers, no foreign keys
                self.connection.execute("PRAGMA recursive_triggers = OFF")
                self.connection.execute("PRAGMA foreign_keys = OFF")

    def rows(self):
        return self.connection.execute(f"SELECT * FROM {self.events} ORDER BY position").fetchall()

    def attempt(self, statement: str) -> None:
        self.connection.execute(statement.format(events=self.events))

    def grant_back(self) -> None:
        """What an owner can do who means it: so that the triggers alone stand in the way."""
        if self.is_postgres:
            self.connection.execute(f"GRANT ALL ON {self.events} TO CURRENT_USER")


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def recorded(request):
    with places.fresh(request.param) as place:
        record(place)
        yield place


@pytest.fixture(params=["origin", "replica"])
def raw(request, recorded):
    raw = Raw(recorded, request.param)
    with closing(raw.connection):
        yield raw


def refuses(raw: Raw, statement: str) -> None:
    before = raw.rows()
    with pytest.raises((sqlite3.IntegrityError, psycopg.Error)) as caught:
        raw.attempt(statement)
    assert re.search("append-only|permission denied|UNIQUE", str(caught.value))
    assert raw.rows() == before
    assert len(before) == 5


@pytest.mark.parametrize("statement", CHANGES)
def test_changes_are_refused(raw, statement):
    raw.grant_back()
    refuses(raw, statement)


@pytest.mark.parametrize("statement", UPSERTS)
def test_upserts_are_refused(raw, statement):
    raw.grant_back()
    refuses(raw, statement)


@pytest.mark.parametrize("recorded", ["sqlite"], indirect=True)
@pytest.mark.parametrize("statement", ON_SQLITE)
def test_replacements_are_refused(raw, statement):
    refuses(raw, statement)


@pytest.mark.parametrize("recorded", ["postgres"], indirect=True)
@pytest.mark.parametrize("statement", ON_POSTGRES)
def test_truncation_and_its_like_are_refused(raw, statement):
    raw.grant_back()
    refuses(raw, statement)


@pytest.mark.parametrize("recorded", ["postgres"], indirect=True)
def test_a_user_with_all_privileges_on_the_tables_is_refused(recorded):
    """On PostgreSQL not only the superuser of the tests: privileges and triggers both hold."""
    user = f"{recorded.schema}_user"
    raw = Raw(recorded, "origin")
    with closing(raw.connection):
        raw.attempt(f"CREATE ROLE {user}")
        try:
            raw.attempt(f'GRANT USAGE ON SCHEMA "{recorded.schema}" TO {user}')
            raw.attempt(f"GRANT SELECT, INSERT ON {{events}} TO {user}")
            raw.attempt(f"SET ROLE {user}")
            for statement in ("DELETE FROM {events}", "TRUNCATE {events}"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    raw.attempt(statement)
            raw.attempt("RESET ROLE")
            raw.attempt(f"GRANT ALL ON {{events}} TO {user}")
            raw.attempt(f"SET ROLE {user}")
            refuses(raw, "DELETE FROM {events}")
            refuses(raw, "TRUNCATE {events}")
        finally:
            raw.attempt("RESET ROLE")
            raw.attempt(f"DROP OWNED BY {user}")
            raw.attempt(f"DROP ROLE {user}")


def test_the_ledger_goes_on_afterwards(recorded):
    with recorded.open() as log:
        assert log.verify().ok
        assert log.head == 5


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_verify_tells_that_a_guard_is_gone(kind):
    with places.fresh(kind) as place:
        record(place)
        raw = Raw(place, "origin")
        with closing(raw.connection):
            if kind == "sqlite":
                raw.attempt("DROP TRIGGER modlog_events_delete")
            else:
                raw.attempt("ALTER TABLE {events} DISABLE TRIGGER modlog_events_truncate")
        with place.open() as log:
            (finding,) = log.verify().findings

        assert finding.check == "guards"
        assert "modlog_events_" in finding.message


CHANGING = re.compile(
    r"\b(UPDATE(\s+OR\s+\w+)?|DELETE\s+FROM|TRUNCATE(\s+TABLE)?|REPLACE\s+INTO|MERGE\s+INTO)\s+(ONLY\s+)?(\S+)",
    re.I,
)
# What statements may change: the current state, which is a cache, where the log ends, the row
# that SQLite's lock is taken with; after the bar, words of guards, privileges and upserts.
MAY_CHANGE = re.compile(
    r"""\W*(\w+\.)?table\(["'](accounts|flags|sanctions|head)["']\) | modlog_meta
    | (ON|OR|SET)\b | ,""",
    re.X,
)
# Where a name stands for the table: looked at one by one.
LOOKED_AT = {
    "_storage/postgres/database.py": {"pg_temp.{name}"},
    "_storage/projection.py": {"{prefix}accounts", "{prefix}flags", "{prefix}sanctions"},
    "_storage/replays.py": {"{database.table(table.name)}"},  # each of PROJECTION
    "_storage/reverts.py": {  # each of _REMOVED_FROM; temporary ones
        "{self.database.table(ACCOUNTS.name)}",
        "{self.database.table(name)}",
        "{self._targets}",
    },
    "_storage/sqlite/database.py": {"temp.{name}"},
    "_storage/sweeps/acting.py": {  # temporary, or cache
        "{_CHUNK}",
        "{flags}",
        "{sanctions}",
        "{self._table('accounts')}",
    },
}


def statements(source: str):
    """Every text in a module that is not a docstring, f-strings with their expressions."""
    tree = ast.parse(source)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and isinstance(node.body[0], ast.Expr)
    }
    inside = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in ast.walk(node)
        if part is not node
    }
    for node in ast.walk(tree):
        if id(node) in docstrings | inside:
            continue
        if isinstance(node, ast.JoinedStr):
            yield ast.unparse(node)[2:-1]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def offences(source: str, looked_at: Collection[str] = ()) -> list[str]:
    return [
        match[0]
        for text in statements(source)
        for match in CHANGING.finditer(text)
        if "events" in match[5] or not (match[5] in looked_at or MAY_CHANGE.match(match[5]))
    ]


def test_no_statement_of_the_package_changes_events():
    package = Path(modlog.__file__).parent
    found = {}
    for path in package.rglob("*.py"):
        name = path.relative_to(package).as_posix()
        found[name] = offences(path.read_text(), LOOKED_AT.get(name, ()))

    assert {name: them for name, them in found.items() if them} == {}


@pytest.mark.parametrize(
    "source",
    [
        'run("DELETE FROM modlog_events")',
        "run(f\"UPDATE {self.table('events')} SET reason = NULL\")",
        'run(f"TRUNCATE {events}")',
        'run("INSERT OR REPLACE INTO modlog_events SELECT 1")',
        'run("UPDATE OR REPLACE modlog_events SET reason = NULL")',
        "run(f\"delete from {table('ev' 'ents')}\")",
    ],
)
def test_the_check_itself_sees_them(source):
    assert offences(source)
