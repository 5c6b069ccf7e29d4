"""A hot standby of a real primary, and a file that another writes: every question, no command.

A standby refuses even a temporary table.
"""

import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime
from io import BytesIO
from tempfile import TemporaryDirectory
from types import GeneratorType

import pytest
from attrs import frozen

import modlog
from modlog import Actor, Guardrails, Selection
from tests import cluster, places

ANN = Actor.human("ann")
MEI = Actor.human("mei")
IDS = [f"{number:02}" for number in range(20)]
BATCH = Selection(batch_id="clean-up")
NOW = datetime(2026, 5, 1, tzinfo=UTC)


@frozen
class Pair:
    """A ledger that is written in one place, and read in another.

    Attributes:
        url: where it is written.
        copy: where it is read.
        refuses: whether the copy refuses to write by itself.
    """

    url: str
    copy: str
    refuses: bool


@pytest.fixture(scope="module", params=["postgres", "sqlite"])
def pair(request):
    if request.param == "sqlite":
        with places.fresh("sqlite") as place:
            record(place.url)
            yield Pair(place.url, place.url, refuses=False)
        return
    with cluster.primary() as primary:
        record(primary.url)
        standby = primary.standby()
        try:
            yield Pair(primary.url, standby.url, refuses=True)
        finally:
            standby.remove()


def opened(url: str, *, read_only: bool = False) -> modlog.ModLog:
    return modlog.open(url, clock=lambda: NOW, guardrails=Guardrails.off(), read_only=read_only)


def record(url: str) -> None:
    with opened(url) as log, modlog.acting(ANN, reason="clean-up", policy="spam"):
        for account_id in IDS:
            log.create(account_id, profile={"nickname": account_id})
        log.flag("04", "spam", score=0.5)
        log.plan_sweep(IDS, "delete", batch_id="clean-up").execute()
        log.restore("03", idempotency_key="k")
        log.revert(Selection(batch_id="clean-up", account_id=["05", "06"]))
        log.suspend("05")


@pytest.fixture
def primary(pair):
    with opened(pair.url) as log:
        yield log


@pytest.fixture
def copy(pair, primary):
    with opened(pair.copy, read_only=True) as log:
        log.wait_for(primary.head)
        yield log


def exported(log):
    target = BytesIO()
    log.export(target, format="jsonl")
    return target.getvalue()


def archived(log):
    with TemporaryDirectory() as folder:
        return log.archive(folder)


def proven(log):
    """What a ledger that has no seal says."""
    with pytest.raises(modlog.EvidenceError, match="no seal yet") as told:
        log.prove(1)
    return str(told.value)


def projected(log):
    """What a platform's own table has of the log."""
    with closing(sqlite3.connect(":memory:")) as own:
        own.executescript(
            "CREATE TABLE tracking (projection TEXT PRIMARY KEY, position BIGINT NOT NULL);"
            "INSERT INTO tracking VALUES ('seen', 0); CREATE TABLE seen (position BIGINT)"
        )
        log.project(
            lambda cursor, event: cursor.execute("INSERT INTO seen VALUES (?)", (event.position,)),
            own,
            "seen",
            follow=False,
        )
        return own.execute("SELECT position FROM seen").fetchall()


def plan_of(plan):
    return plan.accounts, plan.targets, dict(plan.before), dict(plan.after), list(plan.lines())


def sweep_of(plan):
    return plan.batch_id, dict(plan.counts), list(plan.targets()), list(plan.outcomes())


def fields_of(thing):
    """What it tells in its attributes."""
    names = [name for name in dir(thing) if not name.startswith("_")]
    found = {name: getattr(thing, name) for name in names}
    return {name: told(value) for name, value in found.items() if not callable(value)}


TOLD = {
    modlog.RevertPlan: plan_of,
    modlog.SweepPlan: sweep_of,
    modlog.View: lambda view: (dict(view.count()), list(view.accounts())),
    modlog.Impact: lambda impact: (fields_of(impact), list(impact.lines())),
    modlog.Report: fields_of,
    GeneratorType: lambda answers: [told(one) for one in answers],
}


def told(answer):
    """What an answer tells, to be compared."""
    return TOLD[type(answer)](answer) if type(answer) in TOLD else answer


def is_restored(account) -> bool:
    return account.status == "active"


READS = {
    "head": lambda log: log.head,
    "wait_for": lambda log: log.wait_for(log.head, timeout=0),
    "account": lambda log: [log.account(account_id) for account_id in IDS],
    "accounts": lambda log: log.accounts(status="deleted", flagged=True),
    "count": lambda log: log.count(),
    "history": lambda log: log.history("03"),
    "events": lambda log: log.events(BATCH),
    "events, newest first": lambda log: log.events(newest_first=True),
    "acts": lambda log: log.acts(),
    "names_from": lambda log: log.names_from("account", "0"),
    "subscribe": lambda log: log.subscribe(after=3, timeout=0.05),
    "recorder": lambda log: log.recorder.select_notifications(1, 10),
    "now": lambda log: log.now(),
    "as_of": lambda log: log.as_of(30),
    "as_of, another clock": lambda log: log.as_of(NOW, clock="occurred"),
    "without": lambda log: log.without(BATCH),
    "with_": lambda log: log.with_(
        [{"do": "delete", "account_id": "03", "at": NOW, "actor": ANN, "reason": "spam"}]
    ),
    "diff": lambda log: log.diff(log.as_of(20), log.without(BATCH)),
    "blame": lambda log: log.blame("03"),
    "bisect": lambda log: log.bisect("05", is_restored),
    "statement": lambda log: log.statement("05", names=True).text(),
    "stats": lambda log: log.stats(by="actor"),
    "impact": lambda log: log.impact(BATCH),
    "dsa": lambda log: log.dsa(policies={}),
    "report": lambda log: log.report(BATCH),
    "export": exported,
    "to_arrow": lambda log: log.to_arrow().to_pylist(),
    "plan_revert": lambda log: log.plan_revert(BATCH),
    "sweep": lambda log: log.sweep("clean-up"),
    "sweeps": lambda log: log.sweeps(),
    "verify": lambda log: log.verify(),
    "reconcile": lambda log: list(log.reconcile([{"account_id": "03", "status": "deleted"}])),
    "project": projected,
    "archive": archived,
    "prove": proven,
}
WRITES = {
    "create": lambda log: log.create("new"),
    "change_profile": lambda log: log.change_profile("03", {"k": 1}),
    "flag": lambda log: log.flag("03", "spam"),
    "clear_flags": lambda log: log.clear_flags("04"),
    "suspend": lambda log: log.suspend("03"),
    "delete": lambda log: log.delete("03"),
    "restore": lambda log: log.restore("07"),
    "protect": lambda log: log.protect("03"),
    "unprotect": lambda log: log.unprotect("03"),
    "note": lambda log: log.note("03", "x"),
    "transaction": lambda log: log.transaction().__enter__(),
    "revert": lambda log: log.revert(BATCH),
    "plan_sweep": lambda log: log.plan_sweep(IDS, "delete"),
    "ingest": lambda log: log.ingest([{"do": "create", "account_id": "new", "at": NOW}]),
    "adopt": lambda log: log.adopt([{"account_id": "new", "at": NOW, "status": "active"}]),
    "create_many": lambda log: log.create_many([{"account_id": "new"}]),
    "rebuild": lambda log: log.rebuild(),
    "settle": lambda log: log.settle("k"),
    "accept_clock": lambda log: log.accept_clock(),
    "seal": lambda log: log.seal(modlog.SigningKey.generate("example.com/ledger")),
}
# The last two read what `prove` does.
OTHERS = {"close", "within", "ingest_numbered", "resume", "prove_consistency", "bundle"}


def test_nothing_public_is_forgotten():
    named = {name.partition(",")[0] for name in (*READS, *WRITES)} | OTHERS
    assert named == {name for name in dir(modlog.ModLog) if not name.startswith("_")}


@pytest.mark.parametrize("name", READS)
def test_a_question_is_answered_as_it_is_where_the_ledger_is_written(pair, primary, copy, name):
    answer = told(READS[name](copy))
    assert answer == told(READS[name](primary))
    assert answer or name == "wait_for"


@pytest.mark.parametrize("name", WRITES)
def test_whatever_writes_is_refused(pair, primary, copy, name):
    before = primary.head
    with modlog.acting(ANN, reason="x"):
        with pytest.raises(modlog.ReadOnlyStoreError):
            WRITES[name](copy)
        if pair.refuses:  # also where nobody said that it is only to be read
            with opened(pair.copy) as log, pytest.raises(modlog.ReadOnlyStoreError):
                WRITES[name](log)
    assert primary.head == before
    assert modlog.upgrade(pair.copy).migrations == ()  # there is nothing to write


def test_what_was_written_is_waited_for(primary, copy):
    event = primary.note("03", "x", actor=ANN)
    copy.wait_for(event.position)
    assert copy.account("03").version == event.version


def test_who_waits_is_woken_by_what_others_write(primary, copy):
    next_one = primary.head + 1
    later = threading.Timer(0.2, lambda: primary.note("03", "x", actor=ANN))
    later.start()
    copy.wait_for(next_one)
    assert copy.head == next_one
    later.join()


def test_a_subscription_gives_what_others_write(primary, copy):
    events = copy.subscribe(after=primary.head, timeout=30)
    noted = [primary.note("03", text, actor=ANN) for text in "xyz"]
    assert [next(events) for _ in noted] == noted


def test_what_does_not_come_is_not_waited_for_any_longer(copy):
    with pytest.raises(modlog.StoreUnavailableError, match=f"ends here at {copy.head}"):
        copy.wait_for(copy.head + 1, timeout=0.01)


def test_nobody_waits_for_his_own_transaction(primary):
    with (
        primary.transaction(),
        pytest.raises(modlog.StoreUnavailableError, match="wait for itself"),
    ):
        primary.wait_for(primary.head + 1)


def test_a_replica_without_a_ledger_says_so(tmp_path):
    with pytest.raises(modlog.StoreUnavailableError, match="no file"):
        modlog.open(tmp_path / "none.db", read_only=True)
