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

TABLES = ("events", "acts", "streams")
CHANGES = (
    "UPDATE {p}modlog_events SET data = 'changed' WHERE position = 2",
    "UPDATE {p}modlog_events SET position = position + 10",
    "UPDATE {p}modlog_events SET data = data WHERE stream = 1 AND version = 1",
    "UPDATE {p}modlog_events SET state = NULL WHERE state IS NOT NULL",
    "DELETE FROM {p}modlog_events WHERE position = 2",
    "DELETE FROM {p}modlog_events WHERE stream = 1",
    "DELETE FROM {p}modlog_events",
    "UPDATE {p}modlog_acts SET reason = 'changed' WHERE number = 2",
    "UPDATE {p}modlog_acts SET reason = reason",
    "DELETE FROM {p}modlog_acts WHERE number = 2",
    "UPDATE {p}modlog_streams SET id = 'b' WHERE id = 'a'",
    "DELETE FROM {p}modlog_streams",
)
EVENT = "{p}modlog_events (position, act, stream, version)"
# A row in the place of another: the same position, or the same version of the same account.
SAME_POSITION = f"{EVENT} VALUES (2, 2, 1, 9)"
SAME_VERSION = f"{EVENT} VALUES (6, 2, 1, 2)"
SAME_FOREIGN = f"{EVENT} VALUES (6, 5, 5, 1)"
SAME_ACT = "{p}modlog_acts (number, recorded_at, type) VALUES (2, 1, 'account.deleted')"
SAME_STREAM = "{p}modlog_streams (number, kind, id) VALUES (1, 'account', 'c')"
SAME_ID = "{p}modlog_streams (number, kind, id) VALUES (6, 'account', 'a')"

ON_SQLITE = (
    *(
        f"{verb} INTO {row}"
        for verb in ("INSERT OR REPLACE", "REPLACE")
        for row in (
            SAME_POSITION,
            SAME_POSITION.replace("position", "rowid"),
            SAME_VERSION,
            SAME_FOREIGN,
            SAME_ACT,
            SAME_STREAM,
            SAME_ID,
        )
    ),
    "UPDATE OR REPLACE {p}modlog_events SET position = 1 WHERE position = 2",
    "UPDATE {p}modlog_events SET rowid = 9 WHERE rowid = 1",
    "UPDATE OR REPLACE {p}modlog_acts SET number = 1 WHERE number = 2",
)
UPSERTS = (
    *(
        f"INSERT INTO {row} ON CONFLICT ({key}) DO UPDATE SET data = 'changed'"
        for row, key in ((SAME_POSITION, "position"), (SAME_VERSION, "stream, version"))
    ),
    f"INSERT INTO {SAME_ACT} ON CONFLICT (number) DO UPDATE SET reason = 'changed'",
    f"INSERT INTO {SAME_ID} ON CONFLICT (kind, id) DO UPDATE SET id = 'changed'",
)
ON_POSTGRES = (
    *(f"TRUNCATE {{p}}modlog_{name} CASCADE" for name in TABLES),
    "WITH gone AS (DELETE FROM {p}modlog_events RETURNING *) SELECT count(*) FROM gone",
    "MERGE INTO {p}modlog_events USING (SELECT 2 AS n) s ON position = n WHEN MATCHED THEN DELETE",
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
        self.prefix = f'"{place.schema}".' if self.is_postgres else ""
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
        return [
            self.connection.execute(
                f"SELECT * FROM {self.prefix}modlog_{name} ORDER BY 1"
            ).fetchall()
            for name in TABLES
        ]

    def attempt(self, statement: str) -> None:
        self.connection.execute(statement.format(p=self.prefix))

    def grant_back(self) -> None:
        """What an owner can do who means it: so that the triggers alone stand in the way."""
        if self.is_postgres:
            for name in TABLES:
                table = f"{self.prefix}modlog_{name}"
                self.connection.execute(f"GRANT ALL ON {table} TO CURRENT_USER")


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
    assert [len(rows) for rows in before] == [5, 5, 3]


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
            for name in TABLES:
                raw.attempt(f"GRANT SELECT, INSERT ON {{p}}modlog_{name} TO {user}")
            raw.attempt(f"SET ROLE {user}")
            for statement in ("DELETE FROM {p}modlog_events", "TRUNCATE {p}modlog_events"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    raw.attempt(statement)
            raw.attempt("RESET ROLE")
            raw.attempt(f"GRANT ALL ON {{p}}modlog_events TO {user}")
            raw.attempt(f"SET ROLE {user}")
            refuses(raw, "DELETE FROM {p}modlog_events")
            refuses(raw, "TRUNCATE {p}modlog_events")
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
                raw.attempt("ALTER TABLE {p}modlog_events DISABLE TRIGGER modlog_events_truncate")
        with place.open() as log:
            (finding,) = log.verify().findings

        assert finding.check == "guards"
        assert "modlog_events_" in finding.message


CHANGING = re.compile(
    r"\b(UPDATE(\s+OR\s+\w+)?|DELETE\s+FROM|TRUNCATE(\s+TABLE)?|REPLACE\s+INTO|MERGE\s+INTO)\s+(ONLY\s+)?(\S+)",
    re.I,
)
# What statements may change: the current state, which is a cache, where the log ends, the row
# that SQLite's lock is taken with; after the bar, words of guards, locks, privileges and upserts.
MAY_CHANGE = re.compile(
    r"""\W*(\w+\.)?table\(["'](accounts|spans|head|meta)["']\) | modlog_(meta|accounts|spans|head)\b
    | (OF|ON|OR|SET)\b | ,""",
    re.X,
)
# Where a name stands for the table: looked at one by one.
LOOKED_AT = {
    "_storage/postgres/database.py": {"{self.table(name)}"},  # what `update` begins
    "_storage/sqlite/database.py": {"{self.table(name)}"},
    "_storage/projection.py": {"{prefix}accounts", "{prefix}spans"},
    "_storage/rebuilding.py": {"{database.table(name)}"},  # each of CACHES
    "_storage/sweeps/acting.py": {"{_CHUNK}"},  # of one transaction
    "_services/projections.py": {"{self.table}"},  # the platform's own
}


def statements(source: str):
    """Every text in a module that is not a docstring, f-strings with their expressions."""
    tree = ast.parse(source)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body  # an empty file has none
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


def test_no_events_are_changed_by_what_takes_a_table_by_name():
    """`update` begins statements on whatever table is named: a cache, or the ledger's own name."""
    package = Path(modlog.__file__).parent
    named = {
        name
        for path in package.rglob("*.py")
        for name in re.findall(r"\.update\(.(\w+).\)", path.read_text())
    }
    assert named == {"accounts", "meta", "spans"}


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
    for path in package.rglob("*.sql"):
        code = re.sub(r"--.*", "", path.read_text())
        found[path.name] = offences(repr(code))
    assert len(found) > 40

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
