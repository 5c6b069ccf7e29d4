"""Whole ledgers of a schema with everything in them, as text, and what they answered then.

    python -m tests.golden.whole

writes those of the newest schema if they are not there, the one of PostgreSQL with the server that
`MODLOG_TEST_POSTGRES` names. As with `make`, what is there is never written anew.
"""

import json
import os
import sqlite3
import tempfile
from collections.abc import Mapping
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from attrs import asdict
from eventsourcing.persistence import StoredEvent
from psycopg.sql import SQL, Identifier, Literal

import modlog
from modlog import Actor, Guardrails, Selection
from modlog._domain.account import evolve
from modlog._domain.events import AccountErased, Draft, Envelope
from modlog._storage.postgres.database import PostgresDatabase
from modlog._storage.sqlite.database import SQLiteDatabase
from modlog.testing import MovableClock

HERE = Path(__file__).parent
SCHEMA = "modlog_golden"
START = datetime(2026, 1, 31, 11, 44, tzinfo=UTC)
DAY = timedelta(days=1)
WAN = Actor.human("wan", account_id="1")
MEI = Actor.human("mei")
BOT = Actor.bot("sweeper", version="2")
FOUNDER = "110018"
GUARDRAILS = Guardrails(sweep_size=3, sweep_share=1)
WHY: dict[str, Any] = {"actor": WAN, "reason": "illegal content", "policy": "illegal-content"}
# Of no ledger but these.
KEY = "PRIVATE+KEY+example.com/golden+07170270+AU3ypxN51WJc2UP1gxsgzcqZTaf/k/aXn3xpWQqgiqTW"
# A request that is answered, and one record of each fate: recorded, late, kept as a note, rejected.
ANSWERED: dict[str, Any] = {
    **WHY,
    "idempotency_key": "k1",
    "correlation_id": "ticket-7",
    "confidence": 0.75,
}
METADATA: dict[str, Any] = {
    "ü": '雷军 "\\\n☎',
    "a": [1, 1.0, 0.1, True, None, {}, 2**53 - 1, 5e-324],
    "": {"z": -0.0, "b": "", "agent": {"name": "x"}},
}
RECORDS: tuple[dict[str, Any], ...] = (
    {"do": "create", "account_id": "old-1", "profile": {"nickname": "ü"}, "key": "r1"},
    {"do": "suspend", "account_id": "old-2", "until": START, "reason": "spam", "key": "r2"},
    {"do": "flag", "account_id": "old-2", "label": "spam", "days": -20, "key": "r3"},
    {"do": "note", "account_id": "old-1", "text": "☎", "policy": "p", "batch_id": "of-its-own"},
    {"do": "restore", "account_id": "old-1", "correlation_id": "ticket-8", "key": "r4"},
    {"do": "delete", "account_id": "old-3", "confidence": 0.5, "key": "x" * 300},
)


def records():
    for n, record in enumerate(RECORDS):
        days = record.get("days", n)
        given = {name: value for name, value in record.items() if name != "days"}
        yield {"at": START - 400 * DAY + days * DAY, "actor": {"kind": "bot", "id": "b"}, **given}


def live(log: modlog.ModLog, clock: MovableClock) -> None:
    """A ledger's life, with events of all types and whatever else a ledger keeps."""
    with modlog.acting(WAN, reason="clean-up", policy="illegal-content", batch_id="b1"):
        log.create(FOUNDER, {"nickname": "Lei Jun", "tags": ["ü", 1, 0.5, None]})
        log.change_profile(FOUNDER, {"nickname": "Lei", "tags": None})
        log.flag(FOUNDER, "spam", score=0.9)
        log.flag(FOUNDER, "nudity")
        log.clear_flags(FOUNDER, [3])
        for id_ in ("2", "3", "4", "5", "6"):
            log.create(id_, {"nickname": id_}, actor=Actor.system("registration"))
        log.protect("2", actor=Actor.model("m", version="2026-01"))
        log.unprotect("2")
        log.protect("5")
        log.suspend("3", until=START + 30 * DAY)
        log.restore("3", [log.account("3").version])
        log.suspend("3", occurred_at=START - 400 * DAY)
        log.note("3", "called support\n☎")
    clock.move(60)
    log.delete(FOUNDER, **ANSWERED)
    with log.transaction(), modlog.acting(MEI, reason="two at once"):
        log.note("2", "one")
        log.note("2", "two")
    log.recorder.insert_events([StoredEvent("order-1", 1, "shop:Ordered", b"\x00\xff")])
    clock.move(60)
    for on_refused in ("reject", "note"):
        log.ingest(records(), batch_id=f"import-{on_refused}", chunk=4, on_refused=on_refused)
    sweep(log, clock)
    revert(log, clock)
    erase(log)
    log.plan_sweep(["4"], "flag", batch_id="waits", label="x", **WHY)
    clock.move(-600)
    log.accept_clock(actor=MEI, reason="it was set back")
    log.note("4", "the clock was wrong", actor=MEI)
    with_metadata(log)
    log.seal(modlog.SigningKey.parse(KEY))  # there are seals since schema 4
    log.note("4", "in no checkpoint yet", actor=MEI)


def with_metadata(log: modlog.ModLog) -> None:
    """What there is since schema 3."""
    given = {**WHY, "metadata": METADATA}
    log.note("4", "x", **given, correlation_id="ticket-10", idempotency_key="k3")
    with log.transaction():
        log.note("4", "one", **given)
        log.note("5", "the same act", **given)
        log.note("5", "another", **WHY, metadata={"ip": None})
    log.plan_sweep(["4"], "flag", batch_id="may", label="y", **given).execute()
    log.revert(Selection(batch_id="may"), batch_id="not-may", **given)
    record = {"do": "note", "account_id": "old-1", "text": "x", "actor": WAN, "key": "r9"}
    log.ingest([{**record, "at": START - DAY, "metadata": METADATA}], batch_id="import-3")


def sweep(log: modlog.ModLog, clock: MovableClock) -> None:
    """One that is approved and carried out, one that is rejected, and one that nobody may plan."""
    ids = [FOUNDER, "2", "3", "4", "5", "nobody"]
    plan = log.plan_sweep(ids, "delete", batch_id="march", confidence=0.5, **WHY)
    plan.approve(actor=MEI, correlation_id="ticket-9")
    clock.move(60)
    plan.execute(actor=BOT)
    other = log.plan_sweep(ids, "suspend", batch_id="april", until=START + 90 * DAY, **WHY)
    other.reject(actor=MEI, reason="not all of them")
    log.create("of-eve", actor=MEI)
    log.suspend("of-eve", actor=MEI, reason="spam")
    eve = Actor.human("eve", account_id="of-eve")
    with suppress(modlog.GuardrailError):
        log.plan_sweep(ids, "delete", batch_id="of-eves", actor=eve, reason="revenge")


def revert(log: modlog.ModLog, clock: MovableClock) -> None:
    """Of a sweep, of a part of it once more, and of a reversal."""
    clock.move(60)
    log.revert(Selection(batch_id="march"), batch_id="back", actor=MEI, reason="a mistake")
    log.revert(Selection(account_id="3", type="account.deleted"), batch_id="again", **WHY)
    log.revert(Selection(batch_id="again"), batch_id="forth", **WHY)


def erase(log: modlog.ModLog) -> None:
    erasure = Draft("6", 2, AccountErased(), Envelope(actor=WAN, reason="asked for"))
    with log._work.store.writing(log._work.clock()) as writer:
        before = writer.states(["6"])["6"]
        writer.append([(erasure, before, evolve(before, erasure.entry(writer.instant)))])


def answers(log: modlog.ModLog, schema: int) -> dict:
    """What a ledger answers to every question that there was with a schema, as JSON."""
    selections = SELECTIONS + (SELECTIONS_3 if schema >= 3 else ())
    head = log.head
    views = {
        "now": log.now(),
        **{f"as of {position}": log.as_of(position) for position in range(0, head + 1, 7)},
        "occurred": log.as_of(START - 399 * DAY, clock="occurred"),
        "without": log.without(Selection(batch_id="march")),
        "with": log.with_([{"do": "protect", "account_id": "4"}]),
    }
    ids = [account.id for account in log.accounts()]
    told = {
        "head": head,
        "accepted clocks": log.verify().accepted_clocks,
        "events": [told_of(event) for event in log.events()],
        "histories": {id_: [event.position for event in log.history(id_)] for id_ in ids},
        "selected": {
            str(selection.as_dict()): [event.position for event in log.events(selection)]
            for selection in selections
        },
        "views": {name: [view.count(), list(view.accounts())] for name, view in views.items()},
        "blame": {id_: log.blame(id_) for id_ in ids},
        "plans": [
            [plan.targets, plan.idle, plan.irreversible, [line.after for line in plan.lines()]]
            for plan in map(log.plan_revert, selections)
        ],
        "sweeps": [told_of_sweep(sweep) for sweep in log.sweeps()],
        "notifications": [
            [one.id, str(one.originator_id), one.topic, one.state.decode(errors="backslashreplace")]
            for one in log.recorder.select_notifications(None, 10_000)
        ],
    }
    return json.loads(json.dumps(plain(told), ensure_ascii=False))


SELECTIONS = (
    Selection(actor=BOT),
    Selection(actor="wan", type=["account.deleted", "events.reverted"]),
    Selection(batch_id="march"),
    Selection(policy="illegal-content", after_position=5),
    Selection(since=START + timedelta(minutes=1), until=START + timedelta(minutes=3)),
    Selection(account_id=[FOUNDER, "old-2"]),
)
SELECTIONS_3 = (
    Selection(correlation_id=["ticket-7", "ticket-10"]),
    Selection(actor_kind="bot"),
    Selection(occurred_since=START - 400 * DAY, occurred_until=START - 398 * DAY),
    Selection(occurred_since=START + timedelta(minutes=1), actor_kind=["human"]),
)


def told_of(event: modlog.RecordedEvent) -> dict:
    """All that an event says."""
    return {"type": event.type, **plain(event), "data": dict(event.data)}


def told_of_sweep(sweep: modlog.SweepPlan) -> tuple:
    """All that a sweep says."""
    counts = (sweep.counts, sweep.statuses, sweep.refusals, sweep.reverted())
    lists = (sweep.targets(), sweep.outcomes(), sweep.outliers())
    return sweep.planned.position, sweep.state, *counts, *map(list, lists)


def plain(value: Any) -> Any:
    """A value as JSON has it; what an event has nothing of is left out."""
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(one) for one in value]
    if isinstance(value, modlog.RecordedEvent):
        fields = asdict(value, filter=lambda field, one: field.name != "event" and one)
        return plain(fields)
    if hasattr(value, "__attrs_attrs__"):
        return plain(asdict(value, recurse=False))
    return value if value is None or isinstance(value, bool | int | float) else str(value)


# Making and loading them


def name_of(kind: str, schema: int) -> Path:
    return HERE / f"whole-{schema}.{kind}.sql"


def answered(schema: int) -> dict:
    return json.loads((HERE / f"whole-{schema}.json").read_text())


def opened(url: str, **options) -> modlog.ModLog:
    """The ledger at the end of its life."""
    return modlog.open(url, clock=lambda: START + DAY, guardrails=GUARDRAILS, **options)


def made(url: str, schema_number: int, **options) -> dict:
    clock = MovableClock(START)
    with modlog.open(url, clock=clock, guardrails=GUARDRAILS, **options) as log:
        live(log, clock)
    with opened(url) if not options else opened(url, schema=options["schema"]) as log:
        assert log.verify().ok
        return answers(log, schema_number)


def make_sqlite(schema: int) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        told = made(f"sqlite:///{path}", schema)
        with closing(sqlite3.connect(path)) as file:
            name_of("sqlite", schema).write_text("\n".join(file.iterdump()) + "\n")
    return told


def make_postgres(schema: int, url: str) -> dict:
    told = made(url, schema, schema=SCHEMA, create=True)
    scripts = PostgresDatabase.scripts
    lines = [f"CREATE SCHEMA {SCHEMA};", f"SET LOCAL search_path TO {SCHEMA};"]
    lines += [*scripts.numbered.values(), scripts.cache, "DELETE FROM modlog_head;"]
    with psycopg.connect(url, autocommit=True) as connection:
        for table in scripts.columns():
            named = Identifier(SCHEMA, f"modlog_{table}")
            for row in connection.execute(SQL("SELECT * FROM {} ORDER BY 1, 2").format(named)):
                values = SQL(", ").join(map(Literal, row)).as_string(connection)
                lines.append(f"INSERT INTO modlog_{table} VALUES ({values});")
        connection.execute(SQL("DROP SCHEMA {} CASCADE").format(Identifier(SCHEMA)))
    name_of("postgres", schema).write_text("\n".join(lines) + "\n")
    return told


def load_sqlite(schema: int, path: Path) -> None:
    with closing(sqlite3.connect(path)) as file:
        file.executescript(name_of("sqlite", schema).read_text())


def load_postgres(schema: int, url: str, into: Any) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(name_of("postgres", schema).read_text().replace(SCHEMA, into).encode())


if __name__ == "__main__":
    newest = SQLiteDatabase.scripts.newest
    if not name_of("sqlite", newest).exists():
        told = make_sqlite(newest)
        assert told == make_postgres(newest, os.environ["MODLOG_TEST_POSTGRES"])
        (HERE / f"whole-{newest}.json").write_text(json.dumps(told, ensure_ascii=False) + "\n")
