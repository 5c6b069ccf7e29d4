"""Many threads and processes write one ledger, and none of them loses anything."""

import multiprocessing
import os
import signal
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import psycopg
import pytest

import modlog
from modlog import Actor
from tests import places

ANN = Actor.human("ann")
WRITERS = 4
ROUNDS = 15
SPAWN = multiprocessing.get_context("spawn")
FORK = multiprocessing.get_context("fork")

# A fork while other threads run is what these tests are about.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


@pytest.fixture(params=["sqlite", "postgres"])
def shared_place(request):
    """A place that several processes can open."""
    with places.fresh(request.param) as place:
        yield place


def in_threads(write, count: int = WRITERS) -> list:
    """What `write(0)`, `write(1)`, … return, all begun at the same time."""
    barrier = Barrier(count)

    def begin(n: int):
        barrier.wait()
        return write(n)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(begin, range(count)))


def in_processes(context, target, *args, count: int = WRITERS) -> list:
    """What `target(*args, n, queue)` puts into its queue, from one process for each n."""
    queue = context.Queue()
    children = [context.Process(target=target, args=(*args, n, queue)) for n in range(count)]
    for child in children:
        child.start()
    answers = [queue.get(timeout=120) for _ in children]
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0] * count
    return answers


def burst(log: modlog.ModLog, n: int) -> list[int]:
    """Commands on an account of one's own and on one that all share, alone and together."""
    positions = []
    with modlog.acting(Actor.bot(f"writer-{n}"), reason="race"):
        positions.append(log.create(f"own-{n}").position)
        for _ in range(ROUNDS):
            positions.append(log.flag("shared", label="spam").position)
            with log.transaction():
                positions += [log.note(f"own-{n}", "x").position, log.delete("shared").position]
    return positions


def check_burst(log: modlog.ModLog, answers: list[list[int]]) -> None:
    acknowledged = sorted(position for positions in answers for position in positions)
    total = 1 + WRITERS * (1 + 3 * ROUNDS)
    assert acknowledged == list(range(2, total + 1))
    assert log.head == total
    shared = log.history("shared")
    assert [event.version for event in shared] == list(range(1, 2 + 2 * WRITERS * ROUNDS))
    assert [event.position for event in log.events()] == list(range(1, total + 1))
    check_not_interleaved(log)
    assert log.verify().ok


def check_not_interleaved(log: modlog.ModLog) -> None:
    """The events of one instant are of one transaction: of one writer, and side by side."""
    instants: dict = {}
    for event in log.events():
        instants.setdefault(event.recorded_at, []).append(event)
    for events in instants.values():
        assert len({event.actor for event in events}) == 1
        first = events[0].position
        assert [e.position for e in events] == list(range(first, first + len(events)))
    assert Counter(map(len, instants.values()))[2] == WRITERS * ROUNDS


def test_threads_on_one_ledger(place):
    with place.open() as log:
        log.create("shared", actor=ANN)
        check_burst(log, in_threads(lambda n: burst(log, n)))


def burst_elsewhere(place, n, queue):
    with place.open() as log:
        queue.put(burst(log, n))


def test_processes_on_one_database(shared_place):
    with shared_place.open() as log:
        log.create("shared", actor=ANN)
        answers = in_processes(SPAWN, burst_elsewhere, shared_place)
        check_burst(log, answers)


def test_readers_see_only_whole_transactions(place):
    with place.open() as log, modlog.acting(ANN, reason="race"):
        log.create("a")

    with place.open() as log:
        log.create("a", actor=ANN) if log.head == 0 else None

        def write(n: int) -> None:
            if n == 0:
                for _ in range(ROUNDS):
                    with log.transaction(), modlog.acting(ANN, reason="race"):
                        log.delete("a")
                        log.restore("a")
                return
            for _ in range(3 * ROUNDS):
                assert log.account("a").status == "active"
                assert log.count()[modlog.Status.DELETED] == 0
                assert len(log.history("a")) % 2 == 1

        in_threads(write)


def test_of_those_who_expect_the_same_version_one_wins(place):
    with place.open() as log:
        log.create("a", actor=ANN)

        def write(n: int) -> bool:
            try:
                log.note("a", f"{n}", actor=ANN, expected_version=1)
            except modlog.ConcurrencyError:
                return False
            return True

        won = in_threads(write, 8)

        assert won.count(True) == 1
        assert [event.data.get("text") for event in log.history("a")] == [
            None,
            f"{won.index(True)}",
        ]


def expecting_elsewhere(place, n, queue):
    won = 0
    with place.open() as log, modlog.acting(Actor.bot(f"{n}")):
        for version in range(1, 21):
            try:
                log.note("a", "mine", expected_version=version)
                won += 1
            except modlog.ConcurrencyError:
                pass
    queue.put(won)


def test_no_version_is_won_twice_across_processes(shared_place):
    with shared_place.open() as log:
        log.create("a", actor=ANN)
        won = in_processes(FORK, expecting_elsewhere, shared_place)

        assert sum(won) == len(log.history("a")) - 1
        assert 1 <= sum(won) <= 20


def test_a_decision_is_made_again_when_another_was_quicker(place):
    """Without an expected version nobody loses: each restore lifts what stands by then."""
    with place.open() as log, modlog.acting(ANN, reason="race"):
        log.create("a")

        def write(n: int) -> int:
            with modlog.acting(ANN, reason="race"):
                return sum(log.delete("a").version > 0 for _ in range(ROUNDS))

        assert sum(in_threads(write)) == WRITERS * ROUNDS
        assert len(log.account("a").sanctions) == WRITERS * ROUNDS
        assert len(log.restore("a").data["lifts"]) == WRITERS * ROUNDS


def test_one_key_leads_to_one_event(place):
    with place.open() as log:
        log.create("a", actor=ANN)

        def write(n: int) -> int:
            return log.note("a", "once", actor=ANN, idempotency_key="k").position

        assert set(in_threads(write, 8)) == {2}
        assert log.head == 2


def test_one_key_leads_to_one_event_where_the_lock_comes_first(place, monkeypatch):
    """On PostgreSQL that is the way of who was overtaken three times."""
    monkeypatch.setattr("modlog._storage.postgres.store.PostgresStore._ATTEMPTS", 0)
    with place.open() as log:
        log.create("a", actor=ANN)
        for number in range(ROUNDS):

            def write(n: int, key: str = f"{number}") -> int:
                return log.note("a", "once", actor=ANN, idempotency_key=key).position

            assert set(in_threads(write, 8)) == {number + 2}
        assert log.head == ROUNDS + 1


def keyed_elsewhere(place, n, queue):
    with place.open() as log, modlog.acting(ANN):
        queue.put([log.note("a", f"{k}", idempotency_key=f"{k}").position for k in range(20)])


def test_one_key_leads_to_one_event_across_processes(shared_place):
    with shared_place.open() as log:
        log.create("a", actor=ANN)
        answers = in_processes(FORK, keyed_elsewhere, shared_place)

        assert answers == [answers[0]] * WRITERS
        assert log.head == 21


def test_on_postgres_commands_queue_for_one_lock_of_their_own(postgres_url, schema):
    """One waits for the log's end, the others behind it, and are woken one by one."""
    with (
        modlog.open(postgres_url, schema=schema, create=True) as log,
        modlog.open(postgres_url, schema=schema, create=True) as other,
        psycopg.connect(postgres_url, autocommit=True) as onlooker,
        ThreadPoolExecutor(WRITERS) as pool,
    ):
        for n in range(WRITERS):
            log.create(f"{n}", actor=ANN)

        def waiting() -> Counter[str]:
            """What those wait for who wait in this ledger: its lock, or its head's row."""
            rows = onlooker.execute(
                "SELECT locktype FROM pg_locks WHERE NOT granted AND pid IN (SELECT pid FROM"
                " pg_stat_activity WHERE query LIKE %s)",
                (f"%{schema}%modlog_record%",),
            )
            return Counter(kind for (kind,) in rows)

        with other.transaction():
            other.note("0", "holds the lock", actor=ANN)
            notes = [pool.submit(log.note, f"{n}", "waits", actor=ANN) for n in range(1, WRITERS)]
            deadline = time.monotonic() + 60
            while waiting().total() < WRITERS - 1 and time.monotonic() < deadline:
                time.sleep(0.01)
            assert waiting() == {"transactionid": 1, "advisory": WRITERS - 2}

        assert sorted(note.result().position for note in notes) == [6, 7, 8]


class TestFork:
    def test_child_and_parent_both_go_on(self, shared_place):
        with shared_place.open() as log, modlog.acting(ANN):
            log.create("a")
            child = forked(lambda: log.note("a", f"child, after {log.head}"))
            for _ in range(ROUNDS):
                log.note("a", "parent")
            assert waited(child) == 0

            assert len(log.history("a")) == 2 + ROUNDS
            assert log.verify().ok

    def test_a_child_that_closes_leaves_the_parents_connections(self, shared_place):
        with shared_place.open() as log, modlog.acting(ANN):
            log.create("a")
            assert waited(forked(log.close)) == 0
            log.note("a", "parent")
            assert log.head == 2

    def test_a_child_begun_in_a_transaction_does_not_take_part(self, shared_place):
        """It neither writes through the parent's connection nor ends the transaction."""

        def child() -> None:
            if shared_place.kind == "postgres":
                assert log.head == 1
                return
            with pytest.raises(modlog.StoreUnavailableError, match="was forked while"):
                log.note("a", "child", actor=ANN)

        with shared_place.open() as log, modlog.acting(ANN):
            log.create("a")
            with log.transaction():
                log.note("a", "parent")
                assert waited(forked(child)) == 0
                log.note("a", "parent again")

            assert [event.position for event in log.history("a")] == [1, 2, 3]
            assert log.verify().ok

    def test_a_child_outlives_its_parents_ledger(self, shared_place):
        """The parent must not take the child's file apart because it believes to be alone."""
        reading, writing = os.pipe()
        with modlog.acting(ANN):
            with shared_place.open() as log:
                log.create("a")

                def child() -> None:
                    log.note("a", "before")
                    os.read(reading, 1)
                    for _ in range(ROUNDS):
                        log.note("a", "after")

                pid = forked(child)
                while log.head < 2:
                    pass
            os.write(writing, b"!")  # only now that the parent has closed
            assert waited(pid) == 0
            os.close(reading)
            os.close(writing)

            with shared_place.open() as log:
                assert len(log.history("a")) == 2 + ROUNDS
                assert log.verify().ok

    def test_several_children_of_multiprocessing(self, shared_place):
        with shared_place.open() as log:
            log.create("shared", actor=ANN)
            answers = in_processes(FORK, burst_in_child, log)
            check_burst(log, answers)

    def test_while_another_thread_writes(self, shared_place):
        """The child must not wait for a lock whose holder exists in the parent only."""
        with shared_place.open() as log:
            log.create("a", actor=ANN)

            def write(n: int) -> list[int]:
                if n:
                    return [log.note("a", "thread", actor=ANN).position for _ in range(ROUNDS)]
                children = [forked(lambda: log.note("a", "child", actor=ANN)) for _ in range(5)]
                return [waited(child) for child in children]

            answers = in_threads(write, 3)

            assert answers[0] == [0] * 5
            assert log.head == 1 + 5 + 2 * ROUNDS
            assert log.verify().ok

    def test_a_ledger_in_memory_stays_with_its_process(self):
        with modlog.open("sqlite://") as log:
            log.create("a", actor=ANN)

            def child() -> None:
                for use in (lambda: log.head, lambda: log.note("a", "x", actor=ANN)):
                    with pytest.raises(modlog.StoreUnavailableError, match="in memory"):
                        use()
                log.close()

            assert waited(forked(child)) == 0
            log.note("a", "parent", actor=ANN)
            assert log.head == 2


def burst_in_child(log, n, queue):
    queue.put(burst(log, n))


def forked(work) -> int:
    """A forked child that does the work and nothing else; its process id."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        signal.alarm(60)  # a child that hangs is to fail the test, not to hang it
        work()
        status = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(status)


def waited(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
