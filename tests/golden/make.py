"""Makes the golden files: what a ledger stores, as it must be readable for ever.

    python -m tests.golden.make

writes those files that are not there, `postgres.txt` with the server that `MODLOG_TEST_POSTGRES`
names. An event or a ledger that is there is what somebody holds already: it is never written
anew; a new schema of an event gets a file of its own.
"""

import json
import os
import re
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
from attrs import asdict
from eventsourcing.persistence import StoredEvent

import modlog
from modlog import Actor
from modlog._domain import events as e
from modlog._domain.account import evolve
from modlog._domain.events import Draft, Envelope, Event
from modlog._storage.codec import data_texts, schema_of

HERE = Path(__file__).parent
LEDGER = HERE / "ledger-2.db"
START = datetime(2026, 1, 31, 11, 44, tzinfo=UTC)
UNTIL = datetime(2026, 2, 28, 23, 59, 59, 999999, tzinfo=UTC)

EVENTS: tuple[Event, ...] = (
    e.AccountCreated(
        {
            "nickname": "雷军",
            "age": 7,
            "score": 0.1,
            "big": 2**53 - 1,
            "on": True,
            "tags": ["ü", {}],
        }
    ),
    e.ProfileChanged({"nickname": None, "a": {"z": [1, None], "b": 'quo"te\\\n'}}),
    e.AccountFlagged("spam", 0.9),
    e.FlagsCleared((3, 17)),
    e.AccountSuspended(UNTIL),
    e.AccountDeleted(),
    e.AccountRestored((5, 6)),
    e.AccountProtected(),
    e.AccountUnprotected(),
    e.EventsReverted((2, 3)),
    e.AccountErased(),
    e.AccountNoted("called support\n☎"),
    e.ActionRefused("delete", "protected"),
    e.SweepPlanned("delete", "d1", 100_000, {"until": None}, {"sweep_share": 0.5}, True),
    e.SweepApproved("d1"),
    e.SweepRejected("d1"),
    e.SweepProgressed(10_000, "110018", {"done": 9_998, "changed": 2}),
    e.SweepCompleted({"done": 100_000}),
)


def clock() -> Iterator[datetime]:
    """One second later each time."""
    for n in range(10_000):
        yield START + timedelta(seconds=n)


def make_events() -> None:
    for event in EVENTS:
        schema = schema_of(event.TYPE)
        path = HERE / "events" / f"{event.TYPE}-{schema}.json"
        if not path.exists():
            data, personal = data_texts(event)
            stored = {"type": event.TYPE, "schema": schema, "data": data, "personal": personal}
            path.write_text(json.dumps(stored, indent=2) + "\n")


def make_ledger() -> None:
    if LEDGER.exists():
        return
    with closing(sqlite3.connect(LEDGER)) as file:
        file.execute("PRAGMA page_size = 512")  # so small that it can be kept here
        file.execute("VACUUM")
    ticks = clock()
    with modlog.open(f"sqlite:///{LEDGER}", clock=lambda: next(ticks)) as log:
        live(log)
    with closing(sqlite3.connect(LEDGER)) as file:
        file.execute("PRAGMA journal_mode = DELETE")  # one file, without its log
    with modlog.open(f"sqlite:///{LEDGER}?mode=ro") as log:
        told = [told_of(event) for event in log.events()]
    write_new("ledger-2.json", json.dumps(told, indent=1, ensure_ascii=False) + "\n")


def live(log: modlog.ModLog) -> None:
    """A ledger's life with everything in it."""
    founder = Actor.human("wan", account_id="1")
    with modlog.acting(founder, reason="clean-up", policy="illegal-content", batch_id="b1"):
        log.create("110018", {"nickname": "Lei Jun", "tags": ["ü", 1, 0.5, None]})
        log.change_profile("110018", {"nickname": "Lei", "tags": None})
        log.flag("110018", "spam", score=0.9, confidence=0.75)
        log.delete("110018", idempotency_key="k1", correlation_id="ticket-7")
        log.create("2")
        log.suspend("2", until=UNTIL)
        log.suspend("2", occurred_at=START - timedelta(days=400))
        log.protect("2", actor=Actor.model("m", version="2026-01"))
        log.create("3", actor=Actor.bot("b"))
        log.note("3", "☎")
        log.delete("3")
        log.restore("3")
        log.create("4", actor=Actor.system("import"))
    log.recorder.insert_events([StoredEvent("order-1", 1, "shop:Ordered", b"\x00\xff")])
    erasure = Draft("4", 2, e.AccountErased(), Envelope(actor=founder, reason="asked for"))
    approval = Draft(None, 1, e.SweepApproved("d1"), Envelope(actor=founder, batch_id="s1"))
    with log._work.store.writing(log._work.clock()) as writer:
        before = writer.states(["4"])["4"]
        after = evolve(before, erasure.entry(writer.instant))
        writer.append([(erasure, before, after), (approval, None, None)])


def told_of(event: modlog.RecordedEvent) -> dict:
    """All that an event says, as JSON; without metadata, where it has none."""
    envelope = asdict(event, filter=lambda field, one: field.name != "event" and one != {})
    told = {"type": event.type, **envelope, "data": dict(event.data)}
    return json.loads(json.dumps(told, default=str))


def sqlite_tables(path: Path) -> str:
    """What made a file's tables."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as file:
        return "".join(
            f"{sql};\n"
            for (sql,) in file.execute(
                "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type, name"
            )
        )


# What PostgreSQL says of the tables, one row a line.
POSTGRES_TABLES = (
    """SELECT concat_ws(' ', table_name, column_name, data_type, collation_name,
            CASE is_nullable WHEN 'NO' THEN 'NOT NULL' END)
        FROM information_schema.columns WHERE table_schema = %(schema)s
        ORDER BY table_name, ordinal_position""",
    """SELECT conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = %(schema)s::regnamespace AND contype <> 'n' ORDER BY 1""",
    "SELECT indexdef FROM pg_indexes WHERE schemaname = %(schema)s ORDER BY indexname",
    """SELECT pg_get_triggerdef(t.oid) || ' -- ' || tgenabled::text FROM pg_trigger t
        JOIN pg_class c ON c.oid = tgrelid
        WHERE relnamespace = %(schema)s::regnamespace ORDER BY tgname""",
    """SELECT pg_get_functiondef(oid) FROM pg_proc
        WHERE pronamespace = %(schema)s::regnamespace ORDER BY proname""",
)


def postgres_tables(url: str, schema: str) -> str:
    with psycopg.connect(url) as connection:
        lines = [
            line
            for query in POSTGRES_TABLES
            for (line,) in connection.execute(query, {"schema": schema}).fetchall()
        ]
    text = re.sub(rf'"?{schema}"?\.', "", "\n".join(lines)) + "\n"
    return text.replace(f"search_path TO '{schema}'", "search_path TO 'its own'")


def make_tables() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "new.db"
        modlog.open(f"sqlite:///{path}").close()
        write_new("sqlite.sql", sqlite_tables(path))
    if url := os.environ.get("MODLOG_TEST_POSTGRES"):
        with psycopg.connect(url, autocommit=True) as connection:
            modlog.open(url, schema="golden", create=True).close()
            write_new("postgres.txt", postgres_tables(url, "golden"))
            connection.execute("DROP SCHEMA golden CASCADE")


def write_new(name: str, text: str) -> None:
    if not (HERE / name).exists():
        (HERE / name).write_text(text)


if __name__ == "__main__":
    (HERE / "events").mkdir(exist_ok=True)
    make_events()
    make_ledger()
    make_tables()
