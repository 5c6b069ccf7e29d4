"""A server that ends connections at any moment: modlog says so in its own terms, loses nothing
that it acknowledged, and records nothing twice.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import count
from threading import Event, Thread

import psycopg
import pytest
from attrs import define, field, frozen
from eventsourcing.persistence import StoredEvent

import modlog
from modlog import Actor, Guardrails, ModLog, OutcomeUnknownError, Selection, StoreUnavailableError
from tests.cutting import Cutter, cutter
from tests.test_faults import with_options

ANN = Actor.human("ann")


@pytest.fixture(autouse=True)
def somebody():
    with modlog.acting(ANN, reason="clean-up"):
        yield


# Amid an answer: a result, and why the server hangs up straight after it.


@frozen
class Operation:
    """What is done to a ledger.

    Attributes:
        run: does it, with a name that is new.
        transactions: how many it has at the most; of one alone it is known what is recorded.
    """

    run: Callable[[ModLog, str], object]
    transactions: int = 1


def several(log: ModLog, name: str) -> None:
    with log.transaction():
        log.create(name)
        log.delete(name)
        log.flag(name, "x")


def batch(log: ModLog, name: str, size: int) -> None:
    log.ingest(
        [
            {"do": "create", "account_id": f"{name}-{n}", "at": "2020-01-01T00:00:00Z"}
            for n in range(size)
        ]
    )


def foreign(log: ModLog, name: str, size: int) -> None:
    log.recorder.insert_events([StoredEvent(name, n, "shop:Ordered", b"") for n in range(size)])


OPERATIONS = {
    "command": Operation(lambda log, name: log.create(name)),
    "command with a key": Operation(lambda log, name: log.note("a", name, idempotency_key=name)),
    "transaction": Operation(several),
    "small import": Operation(lambda log, name: batch(log, name, 3)),
    "import by COPY": Operation(lambda log, name: batch(log, name, 30)),
    "foreign events": Operation(lambda log, name: foreign(log, name, 3)),
    "foreign events by COPY": Operation(lambda log, name: foreign(log, name, 30)),
    "sweep": Operation(
        lambda log, name: log.plan_sweep(["a", "b"], "flag", batch_id=name, label="x").execute(), 2
    ),
    "revert": Operation(
        lambda log, name: log.revert(Selection(positions=[log.flag("a", name).position])), 3
    ),
    "account": Operation(lambda log, name: log.account("a")),
    "events": Operation(lambda log, name: list(log.events())),
    "view": Operation(lambda log, name: log.without(Selection(account_id="a")).count()),
}


@pytest.fixture
def proxy(postgres_url) -> Iterator[Cutter]:
    with cutter(postgres_url) as proxy:
        yield proxy


# Of several transactions each message is cut where statements are prepared, which has more.
CUT = [
    pytest.param(
        name,
        threshold,
        marks=pytest.mark.soak if threshold == "none" and one.transactions > 1 else (),
    )
    for name, one in OPERATIONS.items()
    for threshold in ("none", "0")
]


@pytest.mark.parametrize(("name", "threshold"), CUT)
def test_a_result_and_then_the_end(proxy, postgres_url, schema, name, threshold):
    operation = OPERATIONS[name]
    url = f"{proxy.url}&prepare_threshold={threshold}&application_name={schema}"
    off = Guardrails.off()  # what they refuse is not what this is about
    with (
        modlog.open(postgres_url, schema=schema, create=True) as onlooker,
        modlog.open(url, schema=schema, guardrails=off) as log,
        psycopg.connect(postgres_url, autocommit=True) as server,
    ):
        for account_id in ("a", "b"):
            onlooker.create(account_id)
        for message in count(1):
            before = connected_again(log)
            error = cut_short(proxy, message, partial(operation.run, log, f"new-{message}"))
            if not proxy.has_cut:
                break
            check_told_right(error)
            await_rest(server, schema)
            if operation.transactions == 1 and onlooker.head > before:
                assert isinstance(error, OutcomeUnknownError | None)
        assert error is None
        assert message > 2
        assert onlooker.verify().ok


def connected_again(log: ModLog) -> int:
    """The log's end, asked for on a connection that the server has not left."""
    while True:
        with suppress(StoreUnavailableError):
            return log.head


def check_told_right(error: Exception | None) -> None:
    """It was answered in time; or the connection is gone, and that is said."""
    if error is not None:
        assert isinstance(error, StoreUnavailableError), repr(error)
        assert "server is away" in str(error) or "recorded or none" in str(error)


def await_rest(server: psycopg.Connection, name: str) -> None:
    """Wait until the server has done, or undone, what it was about to."""
    busy = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s AND state <> 'idle'"
    while server.execute(busy, [name]).fetchone() != (0,):
        time.sleep(0.002)


def cut_short(proxy: Cutter, message: int, run: Callable[[], object]) -> Exception | None:
    """What comes of it, where the server hangs up after so many messages."""
    proxy.cut_after(message)
    try:
        run()
    except Exception as error:
        return error
    return None


# A storm: whoever writes, sweeps, reverts or asks has connections ended under it.


@define
class Storm:
    """Workers on a ledger whose connections are ended, and what they were told.

    Attributes:
        log: the ledger.
        over: whether the connections hold again.
        acknowledged: positions of notes by key.
        alien: errors that say anything else than that the connection was lost.
        lost: how often that was said.
    """

    log: ModLog
    over: Event = field(factory=Event)
    acknowledged: dict[str, int] = field(factory=dict)
    alien: list[Exception] = field(factory=list)
    lost: Counter[str] = field(factory=Counter)

    def until_done(self, work: Callable[[], object]) -> object:
        """What comes of some work, tried again as long as the connection was lost."""
        while True:
            try:
                return work()
            except StoreUnavailableError as error:
                self.lost[type(error).__name__] += 1

    def run(self, turn: Callable[[int], object]) -> None:
        """A worker: turns until the storm is over, and one more."""
        try:
            with modlog.acting(ANN, reason="clean-up"):
                for number in count():
                    last = self.over.is_set()
                    turn(number)
                    if last:
                        return
        except Exception as error:
            self.alien.append(error)

    def note(self, worker: int, number: int) -> None:
        key = f"{worker}-{number}"
        log = self.log
        event = self.until_done(lambda: log.note(f"{worker}", key, idempotency_key=key))
        self.acknowledged[key] = event.position  # type: ignore[attr-defined]

    def sweep(self, number: int) -> None:
        """Plan, carry out, take back."""
        batch_id = f"sweep-{number}"
        self.until_done(lambda: self._planned(batch_id))
        self.until_done(lambda: self.log.resume(batch_id))
        self.until_done(lambda: self.log.revert(Selection(batch_id=batch_id)))

    def _planned(self, batch_id: str) -> None:
        with suppress(modlog.SweepNotFoundError):
            self.log.sweep(batch_id)  # an attempt that was said to be lost may have come through
            return
        self.log.plan_sweep(TARGETS, "delete", batch_id=batch_id)

    def ask(self, number: int) -> None:
        del number
        self.until_done(lambda: self.log.account("0").version)
        self.until_done(self.log.count)
        self.until_done(lambda: sum(1 for _ in self.log.events(Selection(account_id="0"))))
        self.until_done(lambda: self.log.as_of(self.log.head).account("1"))


TARGETS = [f"target-{n}" for n in range(40)]


@pytest.mark.parametrize(
    "terminations", [150, pytest.param(5_000, marks=pytest.mark.soak)], ids=["short", "long"]
)
def test_connections_that_are_ended_all_the_time(postgres_url, schema, terminations):
    url = with_options(postgres_url, application_name=schema)
    with modlog.open(url, schema=schema, create=True, guardrails=Guardrails.off()) as log:
        for account_id in ("0", "1", *TARGETS):
            log.create(account_id)
        storm = Storm(log)
        turns = [partial(storm.note, 0), partial(storm.note, 1), storm.sweep, storm.ask]
        workers = [Thread(target=storm.run, args=(turn,)) for turn in turns]
        for worker in workers:
            worker.start()
        end_connections(postgres_url, schema, terminations)
        storm.over.set()
        for worker in workers:
            worker.join()

        assert not storm.alien
        assert storm.lost.total() > 0
        check_nothing_lost(log, storm.acknowledged)
        check_swept_once(log)


def end_connections(url: str, name: str, number: int) -> None:
    """End all connections of one application, again and again, until so many were ended."""
    chance = random.Random(number)
    sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s"
    with psycopg.connect(url, autocommit=True) as server:
        while number > 0:
            number -= len(server.execute(sql, [name]).fetchall())
            time.sleep(chance.random() * 0.05)


def check_nothing_lost(log: ModLog, acknowledged: dict[str, int]) -> None:
    noted = {e.position: e.data["text"] for e in log.events(Selection(type="account.noted"))}
    assert {text: position for position, text in noted.items()} == acknowledged
    assert len(noted) == len(acknowledged) > 0
    for key, position in acknowledged.items():
        again = log.note(key.partition("-")[0], key, idempotency_key=key)
        assert again.position == position


def check_swept_once(log: ModLog) -> None:
    swept = Counter(
        (event.batch_id, event.account_id)
        for event in log.events(Selection(type="account.deleted"))
    )
    assert set(swept.values()) == {1}
    assert len(swept) == len(TARGETS) * sum(1 for _ in log.sweeps())
    assert log.count()[modlog.Status.DELETED] == 0
    assert log.verify().ok
