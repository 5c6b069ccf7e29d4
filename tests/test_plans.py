"""Queries find their rows by index, and a command costs as few statements as it does today."""

import re
import sqlite3
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import groupby, islice
from pathlib import Path

import psycopg
import pytest
from attrs import evolve as replaced

import modlog
from modlog import Actor, Selection
from modlog._services.reverts import reverting
from modlog._services.sweeps import chunks as sweep_chunks
from modlog.testing import MovableClock
from tests import places
from tests.tracing import own_connection, traced

ANN = Actor.human("ann")
START = datetime(2026, 1, 1, tzinfo=UTC)
ACCOUNTS = 6_000
RECORDS = 18_000


COMMON = ({"do": "note", "text": "x"}, {"do": "flag", "label": "spam"}, {"do": "suspend"})


def records():
    """A long log in which every value that the tests select is rare."""
    for n in range(RECORDS):
        yield {
            **({"do": "protect"} if n % 1_000 == 7 else COMMON[n // 3 % 3]),
            "account_id": f"a{n % ACCOUNTS}",
            "at": START + timedelta(seconds=n),
            "actor": {"kind": "bot", "id": f"bot-{n % 300}"},
            "policy": f"policy-{n % 300}",
            "batch_id": f"batch-{n % 300}",
            "correlation_id": f"ticket-{n % 300}",
            "key": f"key-{n}",
        }


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def log(request):
    clock = MovableClock(START)
    with places.fresh(request.param) as place, place.open(clock=clock) as log:
        log.ingest(records(), chunk=1_000, progress=lambda _: clock.move(60))
        log.note("a7", "x", actor=ANN)  # alone in its minute
        with own_connection(log) as connection:
            connection.execute("ANALYZE")
        yield log


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def new_log(request):
    """One of which the database knows nothing yet, as after a first import."""
    with places.fresh(request.param) as place, place.open() as log:
        if request.param == "postgres":
            without_vacuum(log)
        log.ingest(islice(records(), 15_000))
        log.note("a7", "x", actor=ANN)
        yield log


def without_vacuum(log) -> None:
    """Let the database gather no statistics by itself."""
    with own_connection(log) as connection:
        for table in map(log._work.store.database.table, ("acts", "events", "streams")):
            connection.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")


def plans(log, use) -> str:
    """How the database finds the rows of every query that `use` sends."""
    with traced(log) as seen:
        use()
    queries = [pair for pair in seen if re.match(r"\s*(SELECT|WITH)", pair[0])]
    assert queries
    with own_connection(log) as connection:
        return "\n".join(plan(connection, sql, params) for sql, params in queries)


def plan(connection, sql: str, params) -> str:
    if isinstance(connection, psycopg.Connection):
        return "\n".join(row[0] for row in connection.execute(f"EXPLAIN {sql}", params))
    steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}")]
    if "ORDER BY e.position DESC LIMIT 1" in sql:
        steps.remove("SCAN e")  # from the log's end, and no further than one row
    return "\n".join(steps)


# The tables that grow with the log or with its accounts, and how statements call them, since
# SQLite's plans name nothing else.
GROWING = {
    "events": "e|r|ended",
    "acts": "a|ra|ender",
    "streams": "s",
    "accounts": "c|n",
    "spans": "x|y|f",
    "keys": "k",
}


def walks(plan: str, *tables: str) -> list[str]:
    """The steps of a plan that walk through a whole table of these."""
    names = "|".join(f"modlog_{table}|{GROWING[table]}" for table in tables)
    walk = re.compile(rf"Seq Scan on ({names})\b|\bSCAN ({names})\b")
    return [step for step in plan.splitlines() if walk.search(step)]


OCCURRED = Selection(
    occurred_since=START + timedelta(seconds=14_990),
    occurred_until=START + timedelta(seconds=15_000),
)
QUERIES = {
    "an account": (lambda log: log.account("a7"), None),
    "a history": (lambda log: log.history("a7"), "events_stream"),
    "events of an account": (
        lambda log: list(log.events(Selection(account_id="a7"))),
        "events_stream",
    ),
    "events of accounts": (
        lambda log: list(log.events(Selection(account_id=["a7", "a8", "a9"]))),
        "events_stream",
    ),
    "names of accounts": (lambda log: log.names_from("account", "a7"), "streams_id"),
    "names of batches": (lambda log: log.names_from("batch", "batch-7"), "acts_batch"),
    "names of actors": (lambda log: log.names_from("actor", "bot-7"), "acts_actor"),
    "names of labels": (lambda log: log.names_from("label", "s"), "spans_label"),
    "names of tickets": (
        lambda log: log.names_from("correlation", "ticket-7"),
        "acts_correlation",
    ),
    "events of a batch": (
        lambda log: list(log.events(Selection(batch_id="batch-7"))),
        "acts_batch",
    ),
    "events of an actor": (lambda log: list(log.events(Selection(actor="bot-7"))), "acts_actor"),
    "events of an actor in a time": (
        lambda log: list(
            log.events(Selection(actor="bot-7", since=START, until=START + timedelta(days=1)))
        ),
        "acts_actor",
    ),
    "events of an actor of a kind": (
        lambda log: list(log.events(Selection(actor=Actor.bot("bot-7")))),
        "acts_actor",
    ),
    "events of a type": (
        lambda log: list(log.events(Selection(type="account.protected"))),
        "acts_type",
    ),
    "events at positions": (
        lambda log: list(log.events(Selection(positions=[7, 20_000]))),
        None,
    ),
    "events of a time window": (
        lambda log: list(
            log.events(
                Selection(since=START + timedelta(minutes=45), until=START + timedelta(minutes=46))
            )
        ),
        None,
    ),
    "events of a kind of actor": (
        lambda log: list(log.events(Selection(actor_kind="human"))),
        "acts_kind",
    ),
    "events of a ticket": (
        lambda log: list(log.events(Selection(correlation_id="ticket-7"))),
        "acts_correlation",
    ),
    "what occurred at a time": (lambda log: list(log.events(OCCURRED)), "events_occurred"),
    "what of a type occurred at a time": (
        lambda log: list(log.events(replaced(OCCURRED, type="account.suspended"))),
        "events_occurred",
    ),
    "what was done for a ticket at a time": (
        lambda log: list(log.events(replaced(OCCURRED, correlation_id="ticket-7"))),
        "acts_correlation",
    ),
    "events after a position": (
        lambda log: list(log.events(Selection(after_position=log.head - 5))),
        None,
    ),
    "the head": (lambda log: log.head, None),
    "a page of accounts": (lambda log: next(log.accounts()), "streams_id"),
    "deleted accounts": (lambda log: list(log.accounts(status="deleted")), "spans_open"),
    "flagged accounts": (lambda log: list(log.accounts(flagged="ham")), "spans_label"),
    "figures of a batch": (
        lambda log: log.stats(Selection(batch_id="batch-7"), by="hour"),
        "acts_batch",
    ),
    "figures of an actor": (lambda log: log.stats(Selection(actor="bot-7")), "acts_actor"),
    "figures of an account": (
        lambda log: log.stats(Selection(account_id="a7"), by="label"),
        "events_stream",
    ),
    "figures of a part of the log": (
        lambda log: log.stats(Selection(after_position=100, up_to_position=110), by="policy"),
        None,
    ),
    "an impact of a batch": (lambda log: log.impact(Selection(batch_id="batch-7")), "acts_batch"),
    "the lines of an impact": (
        lambda log: list(log.impact(Selection(account_id=["a7", "a8"])).lines()),
        "events_stream",
    ),
    "a report of a batch": (lambda log: log.report(Selection(batch_id="batch-7")), "events_act"),
    "a report of an account": (
        lambda log: log.report(Selection(account_id="a7")),
        "events_stream",
    ),
    "a bisection": (lambda log: log.bisect("a7", lambda one: one.protected), "events_stream"),
    "a key": (
        lambda log: log.note("a7", "x", actor=ANN, idempotency_key="plan"),
        None,
    ),
    "a stream": (lambda log: log.recorder.select_events("a7"), "events_stream"),
    "notifications": (lambda log: log.recorder.select_notifications(20_000, 10), None),
}


@pytest.mark.parametrize("name", QUERIES)
def test_queries_use_an_index(log, name):
    use, index = QUERIES[name]

    plan = plans(log, lambda: use(log))

    assert not walks(plan, *GROWING), plan
    if index:
        assert f"modlog_{index}" in plan, plan


RARE = ("acts_batch", "acts_actor", "acts_type", "acts_kind", "acts_correlation", "events_occurred")


@pytest.mark.parametrize("name", [name for name, (_, index) in QUERIES.items() if index in RARE])
def test_queries_use_an_index_without_statistics(new_log, name):
    test_queries_use_an_index(new_log, name)


def test_accounts_that_no_row_has_come_page_by_page_in_their_order(log):
    plan = plans(log, lambda: list(log.reconcile([])))

    assert not walks(plan, *GROWING), plan
    assert "TEMP B-TREE" not in plan, plan
    assert "streams_id" not in plan, plan


def test_accounts_that_no_row_has_come_so_without_statistics(new_log):
    test_accounts_that_no_row_has_come_page_by_page_in_their_order(new_log)


def test_an_impact_of_everything_looks_up_no_acts_to_count_events(log):
    with traced(log) as seen:
        log.impact()
    (counting,) = [sql for sql, _ in seen if "GROUP BY e.stream" in sql]
    assert "modlog_acts" not in counting


def test_the_database_works_figures_out(log):
    """What comes back is a row or a few for each group, however many events there are."""
    with traced(log) as seen:
        assert len(log.stats(by="actor")) == 300
    asked = [sql for sql, _ in seen if re.match(r"\s*(SELECT|WITH)", sql)]
    assert len(asked) == 2  # one of sanctions, one of flags


# They look at every account, but not at what happened to it.
COUNTS = {
    "at present": lambda log: log.count(),
    "of the past": lambda log: log.as_of(1_000).count(),
    "without some events": lambda log: log.without(Selection(type="account.protected")).count(),
    "of the past without some events": (
        lambda log: log.as_of(1_000).without(Selection(type="account.protected")).count()
    ),
}


# They are led to few events by the acts, the streams or the positions of these.
SELECTIONS = {
    "type": Selection(type="account.protected"),
    "batch": Selection(batch_id="batch-7", up_to_position=5_000),
    "actor": Selection(actor=ANN),
    "accounts": Selection(account_id=["a7", "a8"]),
    "positions": Selection(after_position=100, up_to_position=110),
    "ticket": Selection(correlation_id="ticket-7", up_to_position=5_000),
    "time": OCCURRED,
}


@pytest.mark.parametrize("name", SELECTIONS)
def test_a_look_at_a_revert_walks_through_nothing(log, name):
    plan = plans(log, lambda: log.plan_revert(SELECTIONS[name]))

    assert not walks(plan, *GROWING), plan


@pytest.mark.parametrize("name", COUNTS)
def test_counts_walk_through_no_events(log, name):
    plan = plans(log, lambda: COUNTS[name](log))

    assert not walks(plan, "events", "acts"), plan


def test_the_check_itself_sees_a_walk(log):
    acts = log._work.store.database.table("acts")
    with own_connection(log) as connection:
        for named in (acts, f"{acts} AS a"):
            walk = plan(connection, f"SELECT * FROM {named} WHERE policy = 'x'", ())
            assert walks(walk, "acts")
            assert not walks(walk, "events")


COMMANDS = {
    "create": lambda log: log.create("new"),
    "note": lambda log: log.note("new", "x"),
    "flag": lambda log: log.flag("new", label="spam"),
    "delete": lambda log: log.delete("new"),
    "restore": lambda log: log.restore("new"),
    "change_profile": lambda log: log.change_profile("new", {"k": 1}),
    "note with a key": lambda log: log.note("new", "x", idempotency_key="k"),
    "note with a known key": lambda log: log.note("new", "x", idempotency_key="k"),
    "account": lambda log: log.account("new"),
    "history": lambda log: log.history("new"),
    "head": lambda log: log.head,
}
# Statements on SQLite, where each is a call into a library, and on PostgreSQL, where each is a
# round trip. A change that needs more has to say why. There each transaction of several statements
# has one more, which limits how long it waits for locks.
COSTS = {
    "sqlite": {
        "create": 8,
        "note": 6,
        "flag": 7,
        "delete": 7,
        "restore": 7,
        "change_profile": 6,
        "note with a key": 8,
        "note with a known key": 5,
        "account": 1,
        "history": 1,
        "head": 1,
    },
    "postgres": {
        "create": 2,
        "note": 2,
        "flag": 2,
        "delete": 6,  # what the actor has deleted within the hour is asked under the lock
        "restore": 2,
        "change_profile": 2,
        "note with a key": 3,
        "note with a known key": 2,
        "account": 1,
        "history": 1,
        "head": 1,
    },
}


def statements(seen) -> list[str]:
    """What was sent; SQLite tells a statement again for a trigger, and for each row of many."""
    return [sql for sql, _ in groupby(sql.partition(" VALUES ")[0] for sql, _ in seen)]


def costs(log) -> dict[str, int]:
    found = {}
    for name, use in COMMANDS.items():
        with traced(log) as seen, modlog.acting(ANN, reason="clean-up"):
            use(log)
        found[name] = len(statements(seen))
    return found


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_statements_of_a_command(kind):
    with places.fresh(kind) as place, place.open() as log:
        assert costs(log) == COSTS[kind]


def swept(log):
    """A sweep from its plan to its end, without an approval."""
    with modlog.acting(ANN, reason="clean-up"):
        log.plan_sweep([f"a{n}" for n in range(200)], "delete", batch_id="sweep").execute()


def taken_back(log):
    log.revert(Selection(batch_id="sweep"), actor=ANN, reason="a mistake")


def noted(log, number: int = 4_000):
    """An import of one note for each of many accounts, in no order."""
    log.ingest(
        {"do": "note", "account_id": f"a{n * 7_919 % ACCOUNTS}", "text": "x", "at": START}
        | {"actor": {"kind": "bot", "id": "b"}}
        for n in range(number)
    )


# Of a sweep from its plan to its end, and of its revert, with one chunk each. The list is read
# once as a whole and once as it is acted on, to be held to the digest that was approved.
# The planner's other sweeps of the hour are looked up, too.
COSTS_OF_CHUNKS = {
    "sqlite": {"swept": 45, "taken_back": 21},
    "postgres": {"swept": 51, "taken_back": 24},
}


@contextmanager
def unguarded(kind):
    """A new ledger in which sweeps need no approval."""
    guardrails = modlog.Guardrails(sweep_size=10_000, sweep_share=1)
    with places.fresh(kind) as place, place.open(guardrails=guardrails) as log:
        yield log


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_statements_of_a_chunk(kind):
    with unguarded(kind) as log:
        for n in range(200):
            log.create(f"a{n}", actor=ANN)
        found = {}
        for use in (swept, taken_back):
            with traced(log) as seen:
                use(log)
            found[use.__name__] = len(statements(seen))

    assert found == COSTS_OF_CHUNKS[kind]


@contextmanager
def rows_read(log):
    """How much is read: steps of SQLite's machine, or events that PostgreSQL fetches."""
    read, events = [], log._work.store.database.table("events")
    with own_connection(log) as connection:
        before = rows_fetched(connection, events)
        if not isinstance(connection, psycopg.Connection):
            connection.set_progress_handler(lambda: read.append(1), 100)
    try:
        yield read
    finally:
        with own_connection(log) as connection:
            if isinstance(connection, psycopg.Connection):
                read += range(rows_fetched(connection, events) - before)
            else:
                connection.set_progress_handler(None, 0)


def rows_fetched(connection, table: str) -> int:
    if not isinstance(connection, psycopg.Connection):
        return 0
    connection.execute("SELECT pg_stat_force_next_flush()")
    connection.execute("SELECT pg_stat_clear_snapshot()")
    ((fetched,),) = connection.execute(
        "SELECT idx_tup_fetch + seq_tup_read FROM pg_stat_user_tables WHERE relid = %s::regclass",
        (table,),
    )
    return fetched


def read_with_histories_of(kind, notes: int) -> dict[str, int]:
    with unguarded(kind) as log:
        for n in range(200):
            log.create(f"a{n}", actor=ANN)
        log.ingest(
            {"do": "note", "account_id": f"a{n}", "text": "x", "at": START}
            | {"actor": {"kind": "bot", "id": "b"}}
            for n in range(200)
            for _ in range(notes)
        )
        found = {}
        for use in (swept, taken_back):
            with rows_read(log) as read:
                use(log)
            found[use.__name__] = len(read)
    return found


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_sweep_and_its_revert_read_no_histories(kind):
    short, long = (read_with_histories_of(kind, notes) for notes in (1, 20))

    for name, read in short.items():
        assert 0 < long[name] <= 1.05 * read + 5, (short, long)


def bytes_written() -> int:
    """By this process, into whatever file."""
    (line,) = re.findall(r"wchar: (\d+)", Path("/proc/self/io").read_text())
    return int(line)


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="this system does not count them")
@pytest.mark.parametrize("use", [swept, taken_back, noted])
def test_sqlite_copies_no_page_before_it_is_changed(use, tmp_path):
    """A statement that may be undone alone would need copies; all go back together here."""
    file = tmp_path / "ledger.db"
    guardrails = modlog.Guardrails(sweep_size=10_000, sweep_share=1)
    with modlog.open(f"sqlite:///{file}", guardrails=guardrails) as log:
        noted(log, ACCOUNTS)
        if use is taken_back:
            swept(log)
        # Somebody who reads the file keeps the write-ahead log from being moved into it.
        with closing(sqlite3.connect(file)) as reader:
            reader.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM modlog_meta").fetchall()
            before = bytes_written()
            use(log)
            written = bytes_written() - before
            ahead = file.with_name("ledger.db-wal").stat().st_size

    assert ahead > 100 * 4_096
    assert ahead <= written < 1.05 * ahead


@contextmanager
def fetched_of(log, name: str):
    """How many rows of a table PostgreSQL fetches."""
    table = log._work.store.database.table(name)
    fetched: list[int] = []
    with own_connection(log) as connection:
        connection.execute("ANALYZE")
        before = rows_fetched(connection, table)
    yield fetched
    with own_connection(log) as connection:
        fetched.append(rows_fetched(connection, table) - before)


@pytest.fixture(params=["few acts", "many acts"])
def suspended(monkeypatch, request):
    """A ledger of 4,000 accounts with two events each, which works in chunks of 500."""
    policies = 1 if request.param == "few acts" else 4_000
    monkeypatch.setattr(reverting, "CHUNK", 500)
    monkeypatch.setattr(sweep_chunks, "CHUNK", 500)
    with unguarded("postgres") as log:
        for does in ({"do": "create"}, {"do": "suspend"}):
            log.ingest(
                {"account_id": f"a{n:04}", "at": START, "batch_id": f"{does['do']}-{n % 2}"}
                | {"actor": {"kind": "bot", "id": "b"}, "policy": f"p{n % policies}"}
                | does
                for n in range(4_000)
            )
        yield log


# PostgreSQL would rather make a hash table of all rows, for each chunk anew.


def test_a_look_at_a_revert_reads_the_spans_of_its_own_accounts(suspended):
    with fetched_of(suspended, "spans") as fetched:
        plan = suspended.plan_revert(Selection(batch_id="suspend-1"))

    assert plan.accounts == 2_000
    # Of each account its sanction, once as it is and once without what is taken back.
    assert 4_000 <= fetched[0] <= 1.05 * 4_000


def test_a_sweep_of_a_bot_reads_the_events_of_its_own_accounts(suspended):
    """It leaves alone what a human has restored, and so has to look."""
    ids = [f"a{n:04}" for n in range(0, 4_000, 2)]
    with fetched_of(suspended, "events") as fetched, fetched_of(suspended, "acts") as acts:
        plan = suspended.plan_sweep(ids, "suspend", actor=Actor.bot("b"), reason="clean-up")
        outcome = plan.approve(actor=ANN).execute(actor=Actor.bot("b"))

    assert outcome.counts["done"] == 2_000
    # At most two of each, when it is planned and when it is carried out.
    assert 0 < fetched[0] <= 1.25 * 8_000
    # Each with its act; a few acts fill one page, which is read whole instead.
    number = sum(1 for _ in suspended.acts())
    assert acts[0] <= 2 * 8_000 * (number if number < 50 else 1)


def test_many_accounts_are_found_by_their_streams_without_statistics():
    """New tables, as a first import fills them: open spans of others are not read."""
    with places.fresh("postgres") as place, place.open() as log:
        log.ingest(islice(records(), 30_000))
        flag = {"do": "flag", "label": "x", "at": START, "actor": ANN}
        more = [{**flag, "account_id": f"a{n}"} for n in range(1_000)]
        found = plans(log, lambda: log.ingest(more, strict=True))

    assert "modlog_spans" in found
    assert not walks(found, "accounts", "spans"), found


def test_what_humans_restored_is_found_by_streams_without_statistics():
    """A bot's sweep straight after an import does not go through the acts of all humans."""
    restored = (
        {"do": do, "account_id": f"a{n}", "at": START, "reason": f"report {n}", "actor": ANN}
        for n in range(2_000)
        for do in ("suspend", "restore")
    )
    with places.fresh("postgres") as place, place.open() as log:
        without_vacuum(log)
        log.ingest(restored, strict=True)
        ids = [f"a{n}" for n in range(2_000)]
        found = plans(log, lambda: log.plan_sweep(ids, "suspend", actor=Actor.bot("b"), reason="x"))

    assert "events_stream" in found
    assert "events_act" not in found, found
    assert not walks(found, "acts"), found
