"""An archive on a Spark cluster tells what the ledger tells."""

import shutil
import threading
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from pyspark.errors import PythonException

import modlog
import modlog.spark
from benchmarks import spark_cluster
from modlog import Actor, ArchiveError, Figures, InvalidInputError, Selection
from modlog.testing import MovableClock
from tests.blocklog import load
from tests.test_duckdb import ANN, BOB, START, live

BUCKETS = 6


@pytest.fixture(scope="module")
def cluster():
    if shutil.which("java") is None:
        pytest.skip("Java: Spark needs it, and it is not installed")
    settings = {"spark.sql.codegen.wholeStage": "false"}  # too much work for so few rows
    with (
        TemporaryDirectory() as folder,
        spark_cluster.cluster(Path(folder), 2, settings) as cluster,
    ):
        yield cluster


@pytest.fixture(scope="module")
def both():
    """A ledger, and where its archive is."""
    clock = MovableClock(START)
    with modlog.open("sqlite://", clock=clock) as log, TemporaryDirectory() as folder:
        live(log, clock)
        log.archive(folder, buckets=BUCKETS)
        yield log, folder


def states_in(frame: Any) -> dict[str, Any]:
    return {row.account_id: row.asDict() for row in frame.collect()}


def states_of(view: modlog.View) -> dict[str, Any]:
    return {
        one.id: {
            "account_id": one.id,
            "status": str(one.status),
            "version": one.version,
            "protected": one.protected,
            "flags": list(one.flags.values()),
            "profile": modlog_text(one.profile),
        }
        for one in view.accounts()
    }


def modlog_text(profile: Any) -> str:
    return "{" + ",".join(f'"{name}":"{value}"' for name, value in profile.items()) + "}"


def test_every_account_is_as_the_ledger_has_it(cluster, both):
    log, archive = both
    states = partial(modlog.spark.states, cluster.session, archive)
    assert states_in(states()) == states_of(log.as_of(log.head))
    for position in (0, log.head // 2):
        assert states_in(states(as_of=position)) == states_of(log.as_of(position))
    for selection in (Selection(actor=BOB), Selection(type="events.reverted")):
        expected = states_of(log.as_of(log.head).without(selection))
        assert states_in(states(without=selection)) == expected


def test_the_impact_is_the_ledger_s(cluster, both):
    log, archive = both
    selection = Selection(actor=BOB)
    rows = modlog.spark.impact(cluster.session, archive, selection).collect()
    found = {row.account_id: row.asDict() for row in rows}
    assert len(found) == len(rows)
    assert found == {
        line.account_id: {
            "account_id": line.account_id,
            "status": str(line.status),
            "standing": list(line.standing),
            "lifted": list(line.lifted),
            "others": list(line.others),
            "batches": list(line.batches),
            "remarks": [remark.code for remark in line.remarks],
        }
        for line in log.impact(selection).lines()
    }


def test_figures_are_those_of_the_ledger(cluster, both):
    log, archive = both
    middle = next(one for one in log.events() if one.position == log.head // 2)
    selection = Selection(actor=[ANN, Actor.bot("none"), "bob"], since=middle.recorded_at)
    frame = modlog.spark.stats(cluster.session, archive, selection, "hour")
    found = [Figures(**row.asDict()) for row in frame.collect()]
    assert found == log.stats(selection, "hour") != []
    assert not cluster.session.catalog.listTables(), "what was made for the figures is gone"


def test_a_damaged_archive(cluster, both, tmp_path):
    log, archive = both
    verify = partial(modlog.spark.verify, cluster.session)
    assert verify(archive).collect() == []
    log.archive(tmp_path, buckets=3)
    one, two, _ = sorted((tmp_path / "events").rglob("*.parquet"))
    one.write_bytes(one.read_bytes()[:-1])
    two.unlink()
    found = [row.message for row in verify(tmp_path).collect()]
    assert any("was cut" in message for message in found)
    assert any("taken away" in message for message in found)
    assert any("do not have each position" in message for message in found)
    with pytest.raises(PythonException, match="ArchiveError"):
        modlog.spark.states(cluster.session, tmp_path).collect()
    manifest = next((tmp_path / "manifests").rglob("*.json"))
    manifest.write_bytes(b"{}")
    (row,) = verify(tmp_path).collect()
    assert "cannot be read as a manifest" in row.message
    with pytest.raises(ArchiveError, match="cannot be read as a manifest"):
        modlog.spark.states(cluster.session, tmp_path)


def test_what_is_no_archive_or_no_session(cluster, both, tmp_path):
    _, archive = both
    with pytest.raises(ArchiveError, match="there is no archive"):
        modlog.spark.states(cluster.session, tmp_path)
    with pytest.raises(InvalidInputError, match="SparkSession"):
        modlog.spark.states(None, archive)
    wrong: Any = "colour"
    for call in (
        lambda: modlog.spark.states(cluster.session, archive, as_of=10**9),
        lambda: modlog.spark.states(cluster.session, archive, without=wrong),
        lambda: modlog.spark.impact(cluster.session, archive, wrong),
        lambda: modlog.spark.stats(cluster.session, archive, by=wrong),
    ):
        with pytest.raises(InvalidInputError):
            call()


def test_real_accounts(cluster, enwiki, tmp_path):
    with modlog.open("sqlite://") as log:
        load(log, enwiki / "rogue-admin.jsonl")
        load(log, enwiki / "founder.jsonl")
        log.archive(tmp_path)
        rogue = Selection(type="account.suspended")
        states = partial(modlog.spark.states, cluster.session, tmp_path)
        statuses = {row.account_id: row.status for row in states().collect()}
        assert statuses == {one.id: str(one.status) for one in log.as_of(log.head).accounts()}
        view = log.as_of(log.head).without(rogue)
        statuses = {row.account_id: row.status for row in states(without=rogue).collect()}
        assert statuses == {one.id: str(one.status) for one in view.accounts()}


def test_a_worker_is_killed_in_the_middle(cluster, both):
    """The last of all, as there is one worker less then."""
    log, archive = both

    def slowly(batches):
        for batch in batches:
            time.sleep(1)
            yield batch

    frame = modlog.spark.states(cluster.session, archive)
    slow = frame.mapInArrow(slowly, frame.schema)
    found: list[dict[str, Any]] = []
    asking = threading.Thread(target=lambda: found.append(states_in(slow)))
    asking.start()
    while cluster.running() < 2 and asking.is_alive():
        time.sleep(0.05)
    cluster.kill_worker()
    assert asking.is_alive(), "it was killed in the middle"
    asking.join()
    assert found == [states_of(log.as_of(log.head))]
