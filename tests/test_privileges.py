"""What roles of PostgreSQL may do: who may only read, and the writer of the documented script."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

import modlog
from modlog import Actor, Guardrails, Selection
from modlog._storage import scripts
from tests.golden.whole import load_postgres

HOW_TO = Path(__file__).parents[1] / "docs" / "how-to"
SCRIPT = HOW_TO / "least-privileges.sql"
ANN = Actor.human("ann")


@pytest.fixture
def admin(postgres_url):
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def role(admin, schema) -> Iterator[str]:
    """The name of a role that is gone afterwards, together with its rights."""
    name = f"{schema}_role"
    yield name
    admin.execute(SQL("DROP OWNED BY {}").format(Identifier(name)))
    admin.execute(SQL("DROP ROLE {}").format(Identifier(name)))


@pytest.fixture
def made(postgres_url, schema) -> None:
    """The ledger, as its owner has made it."""
    with modlog.open(postgres_url, schema=schema, create=True) as log:
        log.create("a", actor=ANN)


def as_role(url: str, role: str) -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{role}:@{host}").geturl()


@contextmanager
def by(role: str, url: str, schema: str) -> Iterator[modlog.ModLog]:
    with (
        modlog.open(as_role(url, role), schema=schema, guardrails=Guardrails.off()) as log,
        modlog.acting(ANN, reason="clean-up"),
    ):
        yield log


@pytest.mark.usefixtures("made")
def test_roles_and_the_owner_keep_what_they_have_when_the_current_state_is_made_anew(
    admin, role, postgres_url, schema, monkeypatch
):
    """By an administrator, who does not own it."""
    owner, names = f"{schema}_owner", (Identifier(role), Identifier(schema))
    tables = [Identifier(schema, f"modlog_{name}") for name in ("accounts", "spans")]
    admin.execute(SQL("CREATE ROLE {} LOGIN").format(Identifier(owner)))
    for table in tables:
        admin.execute(SQL("ALTER TABLE {} OWNER TO {}").format(table, Identifier(owner)))
        admin.execute(SQL("GRANT SELECT, TRIGGER ON {} TO PUBLIC").format(table))
    admin.execute(SQL("CREATE ROLE {0} LOGIN; GRANT USAGE ON SCHEMA {1} TO {0}").format(*names))
    admin.execute(
        SQL("GRANT SELECT ON ALL TABLES IN SCHEMA {} TO {} WITH GRANT OPTION").format(*names[::-1])
    )
    rights = SQL(
        "SELECT relname, relowner, relacl::text FROM pg_class WHERE relnamespace = {}::regnamespace"
        " AND relkind = 'r' UNION ALL SELECT proname, proowner, proacl::text FROM pg_proc"
        " WHERE pronamespace = {}::regnamespace ORDER BY 1"
    ).format(schema, schema)
    function = Identifier(schema, "modlog_record")
    for statement in (
        SQL("ALTER FUNCTION {} OWNER TO {}").format(function, Identifier(owner)),
        SQL("REVOKE ALL ON FUNCTION {} FROM PUBLIC").format(function),
        SQL("GRANT EXECUTE ON FUNCTION {} TO {}").format(function, names[0]),
    ):
        admin.execute(statement)
    before = admin.execute(rights).fetchall()
    newer, read = scripts.Scripts("modlog._storage.postgres").newest + 1, scripts._read
    more = {f"{newer:04}.sql": "-- Nothing."}
    monkeypatch.setattr(scripts, "_read", lambda folder: read(folder) | more)
    try:
        assert modlog.upgrade(postgres_url, schema=schema).schema == newer

        assert admin.execute(rights).fetchall() == before
        with by(role, postgres_url, schema) as log:
            assert log.account("a").status == "active"
    finally:
        admin.execute(SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(Identifier(owner)))


@pytest.mark.usefixtures("made")
def test_who_may_only_read_is_told_so(admin, role, postgres_url, schema):
    page = (HOW_TO / "run-on-postgresql.md").read_text()
    grants = page.partition("```sql\n")[2].partition("```")[0]
    admin.execute(SQL("CREATE ROLE {} LOGIN").format(Identifier(role)))
    admin.execute(grants.replace("moderation", schema).replace("auditor", role))
    records = [{"do": "delete", "account_id": "a", "at": "2020-01-01T00:00:00Z"}]
    with by(role, postgres_url, schema) as log:
        assert log.account("a").status == "active"
        assert log.verify().ok
        for write in (
            lambda: log.note("a", "x"),
            lambda: log.ingest(records),
            lambda: log.revert(Selection(account_id="a")),
            lambda: log.plan_sweep(["a"], action="delete"),
            log.rebuild,
        ):
            with pytest.raises(modlog.ReadOnlyStoreError, match="permission denied"):
                write()
        with pytest.raises(modlog.ReadOnlyStoreError), log.transaction():
            log.note("a", "x")
        assert log.head == 1


@pytest.fixture
def writer(admin, role, made, schema) -> str:
    let_write(admin, role, schema)
    return role


TABLES = SQL("SELECT relname FROM pg_class WHERE relnamespace = {}::regnamespace")


def let_write(admin, role: str, schema: str) -> None:
    """What the documented script does."""
    script = SCRIPT.read_text().replace("moderation", schema).replace("modlog_writer", role)
    database = admin.info.dbname
    there = [name for (name,) in admin.execute(TABLES.format(schema)).fetchall()]
    # An older schema has not all of them.
    script = re.sub(r",?\s+\S+\.(modlog_\w+)", lambda f: f[0] if f[1] in there else "", script)
    admin.execute(script.replace("DATABASE postgres", f'DATABASE "{database}"'))


def test_such_a_writer_goes_on_after_an_upgrade(admin, role, postgres_url, schema):
    """The function that records takes more arguments since schema 3, and there is one of it."""
    load_postgres(2, postgres_url, schema)
    function = Identifier(schema, "modlog_record")
    admin.execute(SQL("REVOKE ALL ON FUNCTION {} FROM PUBLIC").format(function))
    let_write(admin, role, schema)

    modlog.upgrade(postgres_url, schema=schema)

    with by(role, postgres_url, schema) as log:
        assert log.note("4", "x", metadata={"ip": "::1"}).metadata == {"ip": "::1"}
        assert log.delete("4").version == log.account("4").version
    count = "SELECT count(*) FROM pg_proc WHERE proname = 'modlog_record' AND pronamespace = {}"
    (one,) = admin.execute(SQL(f"{count}::regnamespace").format(schema)).fetchall()
    assert one == (1,)


def test_a_writer_with_the_least_privileges_does_everything(writer, postgres_url, schema):
    with by(writer, postgres_url, schema) as log:
        log.change_profile("a", {"nickname": "Ann"}, idempotency_key="k")
        log.flag("a", label="spam")
        log.clear_flags("a")
        log.suspend("a")
        log.delete("a")
        log.restore("a")
        log.protect("a")
        log.unprotect("a")
        log.note("a", "called")
        with log.transaction():
            log.create("b")
            log.flag("b", label="spam")
        records = [
            {"do": do, "account_id": f"{n}", "at": "2020-01-01T00:00:00Z", "key": do}
            for n in range(30)
            for do in ("create", "flag")
        ]
        assert log.ingest(
            [
                record | {"key": f"{i}"} | ({"label": "x"} if i % 2 else {})
                for i, record in enumerate(records)
            ]
        ).recorded == len(records)
        ids = [f"{n}" for n in range(30)]
        for action in ("delete", "restore", "suspend", "flag", "clear_flags"):
            given: dict[str, Any] = {"label": "bad"} if action == "flag" else {}
            plan = log.plan_sweep(ids, action=action, **given)
            plan.approve(actor=Actor.human("bob"))
            outcome = plan.execute()
            assert outcome.counts["done"] == 30, outcome
        reverted = log.revert(Selection(batch_id=outcome.batch_id))
        log.revert(Selection(batch_id=reverted.batch_id))
        log.rebuild()
        assert log.seal(modlog.SigningKey.generate("example.com/ledger")).size == log.head
        assert log.verify().ok


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {}.modlog_events SET data = 'x'",
        "UPDATE {}.modlog_acts SET reason = 'x'",
        "DELETE FROM {}.modlog_streams",
        "DELETE FROM {}.modlog_events",
        "TRUNCATE {}.modlog_events",
        "INSERT INTO {0}.modlog_events SELECT * FROM {0}.modlog_events"
        " ON CONFLICT (position) DO UPDATE SET data = 'x'",
        "ALTER TABLE {}.modlog_events DISABLE TRIGGER ALL",
        "DROP TRIGGER modlog_events_change ON {}.modlog_events",
        "ALTER TABLE {}.modlog_events ADD COLUMN x text",
        "DROP TABLE {}.modlog_events",
        "CREATE OR REPLACE FUNCTION {}.modlog_append_only() RETURNS trigger LANGUAGE plpgsql"
        " AS 'BEGIN RETURN NEW; END'",
        "CREATE TABLE {}.mine (x int)",
        "CREATE RULE mine AS ON INSERT TO {}.modlog_events DO INSTEAD NOTHING",
        "SET session_replication_role = replica",
        "DROP SCHEMA {} CASCADE",
        "UPDATE {}.modlog_meta SET value = 'x'",
        "DELETE FROM {}.modlog_clocks",
        "DELETE FROM {}.modlog_keys",
        "DELETE FROM {}.modlog_sweep_targets",
        "DELETE FROM {}.modlog_head",
    ],
)
def test_such_a_writer_can_change_nothing_recorded(statement, writer, postgres_url, schema):
    text = SQL(statement).format(Identifier(schema))
    with (
        psycopg.connect(as_role(postgres_url, writer), autocommit=True) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(text)
