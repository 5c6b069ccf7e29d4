"""An archive in DuckDB tells what the ledger tells, on histories full of reverts."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

import modlog
import modlog.duckdb
from modlog import Actor, ArchiveError, InvalidInputError, Selection
from modlog._domain.figures import BYS
from modlog.testing import MovableClock, histories
from tests import places
from tests.recording import record

ANN, BOB = Actor.human("ann"), Actor.bot("bob")
START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def live(log: modlog.ModLog, clock: MovableClock, seed: int = 1) -> None:
    """Commands, sweeps, imports and reverts, also of reverts."""
    rng, ids = random.Random(seed), [f"a{n}" for n in range(30)]
    with modlog.acting(ANN, reason="clean-up", policy="spam"):
        for id_ in ids:
            log.create(id_, {"n": id_})
        batches = []
        for n in range(25):
            clock.move(rng.randint(1, 9_000))
            some = rng.sample(ids, 6)
            act = rng.choice(("suspend", "delete", "flag"))
            actor = rng.choice((ANN, BOB))
            for id_ in some:
                until = {"until": clock() + timedelta(hours=rng.randint(1, 30))}
                more: dict[str, Any] = {"label": rng.choice("xyz")} if act == "flag" else {}
                more |= until if act == "suspend" and rng.random() < 0.5 else {}
                getattr(log, act)(id_, actor=actor, batch_id=f"b{n}", **more)
            batches.append(f"b{n}")
            if rng.random() < 0.6:
                outcome = log.revert(Selection(batch_id=rng.choice(batches)), actor=BOB)
                batches.append(outcome.batch_id)
        at = (START - timedelta(days=9)).isoformat()
        log.ingest(
            {
                "do": "suspend",
                "account_id": f"old-{n}",
                "at": at,
                "actor": {"kind": "bot", "id": "b"},
            }
            for n in range(5)
        )


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def both(request):
    """A ledger, and its archive in DuckDB."""
    clock = MovableClock(START)
    with (
        places.fresh(request.param) as place,
        place.open(clock=clock) as log,
        TemporaryDirectory() as folder,
    ):
        live(log, clock)
        log.archive(folder, buckets=3)
        yield log, modlog.duckdb.connect(folder)


def states_in(history, position: int) -> dict[str, str]:
    return dict(history.execute("SELECT * FROM states(?)", [position]).fetchall())


def states_of(log: modlog.ModLog, position: int) -> dict[str, str]:
    return {one.id: str(one.status) for one in log.as_of(position).accounts()}


def test_every_account_has_its_status_at_every_position(both):
    log, history = both
    for position in range(0, log.head + 1, 7):
        assert states_in(history, position) == states_of(log, position)
    assert states_in(history, log.head) == states_of(log, log.head)


@pytest.mark.parametrize("by", BYS)
def test_figures_are_those_of_the_ledger(both, by):
    log, history = both
    assert modlog.duckdb.figures(history, by=by) == log.stats(by=by) != []
    for selection in (
        Selection(actor=BOB),
        Selection(batch_id=["b1", "b2"]),
        Selection(since=START + timedelta(hours=9)),
        Selection(occurred_until=START),
    ):
        assert modlog.duckdb.figures(history, selection, by) == log.stats(selection, by)


def test_events_are_those_of_the_ledger(both):
    log, history = both
    rows = history.sql(
        "SELECT position, account_id, version, type, epoch_us(recorded_at),"
        " epoch_us(occurred_at), actor_id, reason, batch_id FROM events ORDER BY position"
    ).fetchall()
    epoch = datetime(1970, 1, 1, tzinfo=UTC)

    def micros(at: datetime) -> int:
        return (at - epoch) // timedelta(microseconds=1)

    assert rows == [
        (
            *(one.position, one.account_id, one.version, one.type),
            *(micros(one.recorded_at), micros(one.occurred_at)),
            *(one.actor.id, one.reason, one.batch_id),
        )
        for one in log.events()
    ]


def test_spans_are_those_of_the_ledger(both):
    log, history = both
    standing = history.sql(
        "SELECT account_id, list(facet ORDER BY version) FROM spans WHERE closed IS NULL"
        " AND facet IN ('deletion', 'suspension') GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    assert standing == [
        (one.id, [one.sanctions[version].kind for version in sorted(one.sanctions)])
        for one in log.accounts()
        if one.sanctions
    ]
    assert history.sql("SELECT count(*) FROM accounts").fetchall() == [(sum(log.count().values()),)]


@pytest.mark.laws
@given(st.lists(histories(erasures=True, max_size=12), min_size=1, max_size=3), st.integers(1, 4))
def test_whatever_the_histories(found, buckets):
    by_account = {history[0].account_id: history for history in found if history}
    clock = MovableClock(datetime(9999, 1, 1, tzinfo=UTC))
    with TemporaryDirectory() as folder, modlog.open("sqlite://", clock=clock) as log:
        for history in by_account.values():
            shift = log.head and max(one.recorded_at for one in log.events())
            if shift and history[0].recorded_at <= shift:
                continue  # of another time, in which the log already was
            record(log, history)
        if not log.head:
            return
        log.archive(folder, buckets=buckets)
        with modlog.duckdb.connect(folder) as history_:
            for position in range(log.head + 1):
                assert states_in(history_, position) == states_of(log, position)


class TestConnecting:
    @pytest.fixture
    def archive(self, tmp_path) -> Path:
        with modlog.open(tmp_path / "a.db") as log, modlog.acting(ANN, reason="r"):
            log.create("a")
            log.delete("a")
            log.archive(tmp_path / "archive")
        return tmp_path / "archive"

    def test_a_file_is_brought_up_to_the_archive_s_end(self, archive, tmp_path):
        seen: list[int] = []
        for expected in (1, 0, 1):
            with modlog.duckdb.connect(
                archive, database=tmp_path / "h.duckdb", progress=seen.append
            ) as history:
                assert states_in(history, 2) == {"a": "deleted"}
            assert (max(seen, default=0) > 0) == bool(expected)
            seen.clear()
            if not expected:
                with modlog.open(tmp_path / "a.db") as log:
                    log.restore("a", actor=ANN, reason="a mistake")
                    log.archive(archive)
        with modlog.duckdb.connect(archive, database=tmp_path / "h.duckdb") as history:
            assert states_in(history, 3) == {"a": "active"}

    def test_a_file_of_another_ledger_or_of_something_else(self, archive, tmp_path):
        modlog.duckdb.connect(archive, database=tmp_path / "h.duckdb").close()
        with modlog.open("sqlite://") as other:
            other.create("b", actor=ANN)
            other.archive(tmp_path / "other")
        with pytest.raises(InvalidInputError, match="has the ledger"):
            modlog.duckdb.connect(tmp_path / "other", database=tmp_path / "h.duckdb")
        with duckdb.connect(tmp_path / "mine.duckdb") as mine:
            mine.execute("CREATE TABLE mine (x INT)")
        with pytest.raises(InvalidInputError, match="has other tables in it"):
            modlog.duckdb.connect(archive, database=tmp_path / "mine.duckdb")
        (tmp_path / "text").write_text("no database at all" * 999)
        with pytest.raises(InvalidInputError, match="text"):
            modlog.duckdb.connect(archive, database=tmp_path / "text")

    def test_a_file_of_the_archive_that_is_missing_or_changed(self, archive, tmp_path):
        (file,) = (archive / "events").rglob("*.parquet")
        right = file.read_bytes()
        file.write_bytes(right[:-1])
        with pytest.raises(ArchiveError, match="it was cut"):
            modlog.duckdb.connect(archive, database=tmp_path / "h.duckdb")
        file.unlink()
        with pytest.raises(ArchiveError):
            modlog.duckdb.connect(archive, database=tmp_path / "h.duckdb")
        file.write_bytes(right)
        with modlog.duckdb.connect(archive, database=tmp_path / "h.duckdb") as history:
            assert states_in(history, 2) == {"a": "deleted"}

    def test_nothing_there(self, tmp_path):
        with pytest.raises(ArchiveError, match="there is no archive"):
            modlog.duckdb.connect(tmp_path)
        wrong: list = [7, None, b"x"]
        for one in wrong:
            with pytest.raises(InvalidInputError):
                modlog.duckdb.connect(tmp_path, database=one)

    def test_wrong_figures(self, archive):
        with modlog.duckdb.connect(archive) as history:
            with pytest.raises(InvalidInputError, match="by must be one of"):
                modlog.duckdb.figures(history, by="colour")  # type: ignore[arg-type]
            with pytest.raises(InvalidInputError):
                modlog.duckdb.figures(history, "x")  # type: ignore[arg-type]
