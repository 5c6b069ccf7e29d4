"""A ledger that several processes look at is seen as one process sees it."""

import multiprocessing
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

import modlog
from modlog import InvalidInputError, StoreUnavailableError
from modlog.testing import MovableClock
from tests import places
from tests.places import Place
from tests.sealing import ANN, EVENTS, KEY, fill
from tests.tampering import tamper

WRONG = (
    "UPDATE modlog_acts SET reason = 'another' WHERE number = 70",
    'UPDATE modlog_events SET personal = \'{"text":"other"}\' WHERE position = 295',
    "DELETE FROM modlog_events WHERE position = 200",
    "UPDATE modlog_accounts SET profile = '{\"a\":1}' WHERE stream = 1",
)


@pytest.fixture(params=("sqlite", "postgres"))
def place(request, monkeypatch) -> Iterator[Place]:
    """A ledger that is large, in many parts."""
    monkeypatch.setattr("modlog._services.crew.LARGE", EVENTS)
    monkeypatch.setattr("modlog._services.evidence.comparing.PAGE", 256)
    monkeypatch.setattr("modlog._storage.replays.PAGE", 3)
    with places.fresh(request.param) as found:
        clock = MovableClock()
        with found.open(clock=clock) as log:
            fill(log, clock)
            log.seal(KEY)
        yield found


def test_several_find_what_one_finds(place):
    with place.open() as log:
        alone = log.verify(key=KEY.verifier)
        assert alone.ok
        assert log.verify(key=KEY.verifier, processes=2) == alone
        tamper(place, *WRONG)
        alone = log.verify(key=KEY.verifier)
        checks = {one.check for one in alone.findings}
        assert checks >= {"edited", "deleted", "projection", "positions"}
        assert log.verify(key=KEY.verifier, processes=2) == alone


def test_several_tell_how_far_they_are_as_one_does(place):
    with place.open() as log:
        told: list[list[modlog.VerifyProgress]] = [[], []]
        for processes, seen in enumerate(told, 1):
            log.verify(seen.append, processes=processes)
        assert told[0] == told[1]
        assert {one.events for one in told[0]} == {256, EVENTS}


def test_a_ledger_that_goes_on_meanwhile_is_sound(place):
    stop = threading.Event()

    def write() -> None:
        with place.open() as own:
            number = 0
            while not stop.is_set():
                number += 1
                own.create(f"new-{number}", actor=ANN, reason="r")
                own.delete(f"new-{number}", actor=ANN, reason="r")
                if number % 20 == 0:
                    own.seal(KEY)

    with place.open() as log:
        writer = threading.Thread(target=write)
        writer.start()
        try:
            for _ in range(2):
                assert log.verify(key=KEY.verifier, processes=2).findings == ()
        finally:
            stop.set()
            writer.join()


def test_one_of_them_is_killed(place):
    def kill(_: object) -> None:
        for process in multiprocessing.active_children():
            process.kill()

    with place.open() as log:
        with pytest.raises(StoreUnavailableError, match="try processes=1"):
            log.verify(kill, processes=2)
        assert log.verify(processes=2).ok


def test_a_ledger_in_memory_is_looked_at_by_one(monkeypatch):
    monkeypatch.setattr("modlog._services.crew.LARGE", 0)
    with modlog.open("sqlite://") as log:
        log.create("a", actor=ANN)
        assert log.verify(processes=4).ok
        assert not multiprocessing.active_children()


def test_a_program_that_would_begin_itself_again(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import modlog, modlog._services.crew as crew\n"
        "crew.LARGE = 0\n"
        f"with modlog.open({str(tmp_path / 'a.db')!r}) as log:\n"
        "    log.create('a', actor=modlog.Actor.human('ann'))\n"
        "    try:\n"
        "        log.verify(processes=2)\n"
        "    except modlog.StoreUnavailableError as error:\n"
        "        print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=60, check=False
    )
    assert "if __name__ == '__main__':" in done.stdout


@pytest.mark.parametrize("processes", [0, -1, 10**6, 1.5, "2", None, True])
def test_numbers_that_are_none(processes):
    with modlog.open("sqlite://") as log, pytest.raises(InvalidInputError):
        log.verify(processes=processes)
