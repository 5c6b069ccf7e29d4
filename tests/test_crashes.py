"""A writer that is killed at any moment loses nothing that it was told is recorded."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import psycopg
import pytest
from attrs import evolve

import modlog
from modlog import Actor
from tests import places

ANN = Actor.human("ann")
KILLS = 7  # for each store and each way to write
TOGETHER = 5
# Records a transaction, kills, and the seconds that a chunk takes at the most.
SMALL, LARGE = (20, KILLS, 0.01), (60, 4, 0.02)
VERY_LARGE = (1_500, 4, 0.1)

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")

# What a writer does: it calls back with a number as soon as that much is recorded.
Work = Callable[[modlog.ModLog, Callable[[int], object]], object]


@pytest.fixture(params=["sqlite", "postgres"])
def place(request):
    with places.fresh(request.param) as place:
        yield place


def killed(place, work: Work, chance: random.Random, within: float = 0.01) -> list[int]:
    """Have a child work until it is killed at a random moment; what it had acknowledged."""
    reading, writing = os.pipe()
    with gone_afterwards(place) as its_place:
        child = os.fork()
        if not child:
            work_until_killed(its_place, work, writing)
        os.close(writing)
        acknowledged = os.read(reading, 8 * chance.randint(1, 8))
        time.sleep(chance.random() * within)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
    with os.fdopen(reading, "rb") as pipe:
        acknowledged += pipe.read()
    assert acknowledged, "the child was killed before it had begun"
    return [int(line) for line in acknowledged.split()]


def work_until_killed(place, work: Work, writing: int) -> None:
    try:
        with place.open() as log, modlog.acting(ANN, reason="clean-up"):
            work(log, lambda number: os.write(writing, b"%7d\n" % number))
        signal.pause()
    finally:
        os._exit(1)  # only if the work fails


@contextmanager
def gone_afterwards(place) -> Iterator[places.Place]:
    """The place for a child, of which the server has nothing left to do at the end."""
    if place.kind != "postgres":
        yield place
        return
    name = f"child-of-{place.schema}"
    yield evolve(place, url=f"{place.url}&application_name={name}")
    with psycopg.connect(place.url, autocommit=True) as server:
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
        while server.execute(query, [name]).fetchone() != (0,):
            time.sleep(0.005)


def texts(log: modlog.ModLog) -> Counter[int]:
    """How often each number was noted."""
    return Counter(int(e.data["text"]) for e in log.history("a") if e.type == "account.noted")


def one_by_one(log: modlog.ModLog, acknowledge) -> None:
    for number in range(len(texts(log)) + 1, 10**7):
        log.note("a", str(number))
        acknowledge(number)


def together(log: modlog.ModLog, acknowledge) -> None:
    for number in range(len(texts(log)) + 1, 10**7):
        with log.transaction():
            for _ in range(TOGETHER):
                log.note("a", str(number))
        acknowledge(number)


@pytest.mark.parametrize(("work", "times"), [(one_by_one, 1), (together, TOGETHER)])
@pytest.mark.parametrize(
    "kills", [KILLS, pytest.param(300, marks=pytest.mark.soak)], ids=["few", "many"]
)
def test_commands(place, work, times, kills):
    chance = random.Random(f"{work.__name__} on {place.kind}")
    with place.open() as log:
        log.create("a", actor=ANN)
    for _ in range(kills):
        acknowledged = killed(place, work, chance)
        with place.open() as log:
            noted = texts(log)
            last = max(noted)
            assert set(noted.values()) == {times}  # nothing torn
            assert set(noted) == set(range(1, last + 1))
            # All that was acknowledged is there; at most one more had not been told yet.
            assert acknowledged == list(range(acknowledged[0], acknowledged[-1] + 1))
            assert acknowledged[-1] <= last <= acknowledged[-1] + 1
            assert log.verify().ok


def records(count: int) -> list[dict[str, Any]]:
    """The same long import each time, with keys."""
    chance = random.Random("import")
    made: list[dict[str, Any]] = [
        {"do": "create", "account_id": f"a{n}", "profile": {"name": f"n{n}"}} for n in range(40)
    ]
    for n in range(count):
        do = chance.choice(["delete", "restore", "flag", "suspend", "note", "change_profile"])
        arguments: dict[str, dict[str, Any]] = {
            "flag": {"label": "spam", "score": 0.5},
            "note": {"text": f"number {n}"},
            "change_profile": {"changes": {"name": f"renamed {n}"}},
        }
        account_id = f"a{chance.randrange(60)}"  # some are not created before
        made.append({"do": do, "account_id": account_id, **arguments.get(do, {})})
    for n, record in enumerate(made):
        record |= {"at": f"2020-01-01T{n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}Z"}
        record |= {"actor": {"kind": "bot", "id": "importer"}, "key": f"record {n}"}
    return made


def importing(
    given: list[dict], chunk: int, log: modlog.ModLog, acknowledge
) -> modlog.IngestOutcome:
    """Import, and acknowledge what is new, from where an import before this one had stopped."""
    return log.ingest(
        given,
        batch_id="import-1",
        chunk=chunk,
        progress=lambda so_far: so_far.recorded and acknowledge(so_far.recorded + so_far.skipped),
    )


def told(log: modlog.ModLog) -> dict[str, list]:
    """All that the ledger says of its accounts, but the instants of recording."""
    return {
        account.id: [
            evolve(account),
            *(evolve(event, recorded_at=event.occurred_at) for event in log.history(account.id)),
        ]
        for account in log.accounts()
    }


@pytest.mark.parametrize(
    ("chunk", "kills", "within"),
    [
        SMALL,
        LARGE,
        pytest.param(20, 60, 0.01, marks=pytest.mark.soak),
        pytest.param(*VERY_LARGE, marks=pytest.mark.soak),
    ],
    ids=["few", "few, in large chunks", "many", "few, in very large chunks"],
)
def test_imports(place, chunk, kills, within):
    chance = random.Random(f"imports on {place.kind}")
    work = partial(importing, records(min(20 * chunk * kills, 72_000)), chunk)
    with modlog.open("sqlite://") as undisturbed:
        expected = work(undisturbed, lambda _: None)
        with place.open() as log:
            assert log.head == 0
        for _ in range(kills):
            acknowledged = killed(place, work, chance, within)
            with place.open() as log:
                assert log.head >= acknowledged[-1]
                # Whole chunks only, and each as the undisturbed import recorded it.
                assert list(log.events()) == without_instants(undisturbed, log)
                assert log.verify().ok

        with place.open() as log:
            outcome = work(log, lambda _: None)

            assert min(outcome.skipped, outcome.recorded) > 0
            assert outcome.recorded + outcome.skipped == expected.recorded
            assert [r.line for r in outcome.rejected] == [r.line for r in expected.rejected]
            assert told(log) == told(undisturbed)
            assert log.verify().ok


def without_instants(undisturbed: modlog.ModLog, log: modlog.ModLog) -> list:
    """The beginning of an undisturbed import, with the instants of this one."""
    return [
        evolve(event, recorded_at=recorded.recorded_at)
        for event, recorded in zip(undisturbed.events(), log.events(), strict=False)
    ]
