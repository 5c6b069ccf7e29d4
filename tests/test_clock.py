"""A clock that is far off: kept out where it can be, and a way on where it got in."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from attrs import evolve
from click.testing import CliRunner

import modlog
from modlog import Actor
from modlog._cli.main import commands
from modlog._storage import clock as machine
from modlog.testing import MovableClock

ANN = Actor.human("ann", account_id="7")
WHY = "the clock of web-3 stood at 2075"
NOW = datetime(2026, 1, 31, 11, 44, tzinfo=UTC)
FUTURE = datetime(2075, 6, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


@pytest.fixture
def clock():
    return MovableClock(FUTURE)


@pytest.fixture
def log(place, clock):
    """A ledger whose second event lies far ahead of its clock."""
    with place.open(clock=clock) as log, modlog.acting(ANN, reason="clean-up"):
        clock.set(NOW)
        log.create("a")
        clock.set(FUTURE)
        log.note("a", "from the future")
        clock.set(NOW + timedelta(hours=1))
        yield log


def recorded_since(log):
    return [event.recorded_at - FUTURE for event in log.events() if event.position > 2]


class TestAccepting:
    def test_lets_everything_go_on(self, log):
        for refused in (
            lambda: log.note("a", "x"),
            lambda: log.ingest([{"do": "note", "account_id": "a", "text": "x", "at": NOW}]),
            log.rebuild,
        ):
            with pytest.raises(modlog.ClockError, match="accept_clock"):
                refused()

        accepted = log.accept_clock(reason=WHY)

        assert accepted == modlog.AcceptedClock(
            position=2, ledger=FUTURE, clock=NOW + timedelta(hours=1), actor=ANN, reason=WHY
        )
        log.note("a", "one")
        with log.transaction():
            log.note("a", "two")
            log.note("a", "three")
        log.ingest([{"do": "note", "account_id": "a", "text": "four", "at": NOW}])
        plan = log.plan_sweep(["a"], "suspend")
        plan.approve(actor=Actor.human("bea"))
        plan.execute()
        log.revert(modlog.Selection(batch_id=plan.batch_id))
        log.rebuild()
        log.note("a", "last", occurred_at=NOW)

        since = recorded_since(log)
        assert since[:4] == [n * MICROSECOND for n in (1, 2, 2, 3)]
        assert since == sorted(since)
        assert since[-1] < timedelta(milliseconds=1)
        assert log.verify().ok

    def test_holds_until_the_clock_has_caught_up(self, log, clock):
        log.accept_clock(reason=WHY)
        log.note("a", "x")
        clock.set(FUTURE + timedelta(hours=1))
        assert log.note("a", "x").recorded_at == clock()

        clock.set(FUTURE)
        with pytest.raises(modlog.ClockError):
            log.note("a", "x")
        with pytest.raises(modlog.ClockError), log.transaction():
            pass

    def test_holds_for_no_other_leap(self, log, clock):
        log.accept_clock(reason=WHY)
        log.note("a", "x")
        clock.move(timedelta(days=100 * 365))
        log.note("a", "even later")
        clock.set(NOW + timedelta(hours=2))
        with pytest.raises(modlog.ClockError):
            log.note("a", "x")
        assert log.accept_clock(reason="again").position == 4

        log.note("a", "x")
        assert [one.position for one in log.verify().accepted_clocks] == [2, 4]

    def test_is_told_by_verify_and_survives_a_rebuild(self, log):
        accepted = log.accept_clock(reason=WHY)
        log.rebuild()
        report = log.verify()

        assert report.ok
        assert report.accepted_clocks == (accepted,)

    def test_is_tried_without_a_trace(self, log):
        tried = log.accept_clock(reason=WHY, dry_run=True)

        assert log.verify().accepted_clocks == ()
        with pytest.raises(modlog.ClockError):
            log.note("a", "x")
        assert log.accept_clock(reason=WHY) == tried

    def test_is_for_ever(self, log):
        log.accept_clock(reason=WHY)

        clocks = log._work.store.database.table("clocks")
        for change in (f"UPDATE {clocks} SET reason = 'none'", f"DELETE FROM {clocks}"):
            with (
                pytest.raises(modlog.AppendOnlyError),
                log._work.store.database.reading() as session,
            ):
                session.run(change)
        assert [one.reason for one in log.verify().accepted_clocks] == [WHY]

    def test_for_another_instant_than_the_events_is_found(self, log):
        accepted = log.accept_clock(reason=WHY, dry_run=True)
        with log._work.store.database.reading() as session:
            forged = evolve(accepted, ledger=FUTURE - timedelta(days=1))
            machine.write_accepted(log._work.store.database, session, forged)

        (finding,) = log.verify().findings
        assert (finding.check, finding.position) == ("clocks", 2)

    @pytest.mark.parametrize("dry_run", [True, False])
    def test_is_refused_where_it_is_not_needed(self, log, clock, dry_run):
        clock.set(FUTURE - timedelta(minutes=5))
        with pytest.raises(modlog.RefusedError, match="nothing to accept"):
            log.accept_clock(reason=WHY, dry_run=dry_run)

        clock.set(NOW)
        log.accept_clock(reason=WHY)
        log.note("a", "x")
        with pytest.raises(modlog.RefusedError, match="accepted already"):
            log.accept_clock(reason=WHY, dry_run=dry_run)
        assert len(log.verify().accepted_clocks) == 1

    def test_is_refused_within_a_transaction(self, log, clock):
        clock.set(FUTURE)
        with log.transaction(), pytest.raises(modlog.InvalidInputError, match="outside"):
            log.accept_clock(reason=WHY)

    def test_needs_somebody_and_a_reason(self, log):
        with modlog.acting(reason=None), pytest.raises(modlog.MissingReasonError):
            log.accept_clock(reason=" ")
        with modlog.acting(reason=None), pytest.raises(modlog.MissingReasonError):
            log.accept_clock(actor=ANN)
        with pytest.raises(modlog.InvalidInputError):
            log.accept_clock(reason=WHY, actor="ann")


PLACES = pytest.mark.parametrize("fresh_place", ["sqlite", "postgres"], indirect=True)


def run(place, *arguments):
    return CliRunner().invoke(commands, with_place(place, *arguments))


def run_elsewhere(place, *arguments):
    """In another process."""
    command = [sys.executable, "-m", "modlog", *with_place(place, *arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def with_place(place, *arguments):
    schema = ("--schema", place.schema) if place.schema else ()
    return [*arguments, "--db", place.url, *schema]


@PLACES
def test_other_processes_go_on_with_it(log, place):
    who = ("accept-clock", "--as", "human:bea", "--reason", WHY)
    tried = run(place, *who, "--dry-run")
    assert (tried.exit_code, tried.stderr) == (0, "")
    assert "would go on after position 2 from 2075-06-01T00:00:00.000000Z" in tried.stdout
    assert log.verify().accepted_clocks == ()

    done = run_elsewhere(place, *who, "--json")
    assert json.loads(done.stdout)["position"] == 2
    assert log.note("a", "x").recorded_at == FUTURE + MICROSECOND

    again = run(place, *who)
    assert (again.exit_code, again.stdout) == (1, "")
    assert "accepted already" in again.stderr
    verified = run(place, "verify")
    assert verified.exit_code == 0
    assert WHY in " ".join(verified.stdout.split())
    assert "bea" in verified.stdout


@pytest.fixture
def machine_ahead(monkeypatch):
    """Sets this machine's clock ahead of the time."""

    def ahead(by):
        class Ahead(datetime):
            @classmethod
            def now(cls, tz=None):
                return datetime.now(tz) + by

        monkeypatch.setattr(machine, "datetime", Ahead)

    return ahead


@pytest.mark.parametrize("fresh_place", ["postgres"], indirect=True)
class TestMachineAheadOfItsServer:
    def test_is_refused_at_once(self, place, machine_ahead):
        with place.open() as log, modlog.acting(ANN, reason="clean-up"):
            log.create("a")
            machine_ahead(timedelta(minutes=6))
            for refused in (
                lambda: log.note("a", "x"),
                lambda: log.transaction().__enter__(),
                lambda: log.ingest([{"do": "note", "account_id": "a", "text": "x", "at": NOW}]),
                lambda: log.accept_clock(reason=WHY),
            ):
                with pytest.raises(modlog.ClockError, match="server"):
                    refused()
            assert log.head == 1

            machine_ahead(timedelta(minutes=4))
            assert log.note("a", "x").position == 2

    def test_may_be_given_a_clock(self, place):
        with place.open(clock=lambda: FUTURE) as log:
            assert log.create("a", actor=ANN).recorded_at == FUTURE
