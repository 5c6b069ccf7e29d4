"""`log.recorder` is an application recorder of the eventsourcing library, by its own tests."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from subprocess import run
from threading import Thread, Timer
from uuid import UUID, uuid4

import pytest
from eventsourcing.persistence import (
    ApplicationRecorder,
    IntegrityError,
    ProgrammingError,
    StoredEvent,
    Tracking,
)
from eventsourcing.tests import persistence as stock

import modlog
from modlog import Actor, Selection
from tests import places

ANN = Actor.human("ann")


class Contract:
    """The library's cases on a fresh ledger for each test, with ids of either kind."""

    kind: str
    text_ids: bool

    def setUp(self):
        self._exits = ExitStack()

    def tearDown(self):
        self._exits.close()

    def create_recorder(self) -> ApplicationRecorder:
        place = self._exits.enter_context(places.fresh(self.kind))
        return self._exits.enter_context(place.open()).recorder

    def new_originator_id(self) -> UUID | str:
        return f"stream-{uuid4()}" if self.text_ids else uuid4()


class ApplicationRecorderContract(Contract, stock.ApplicationRecorderTestCase):
    def test_insert_subscribe(self):
        self.optional_test_insert_subscribe()


class NonInterleavingContract(Contract, stock.NonInterleavingNotificationIDsBaseCase):
    insert_num = 3_000  # the library's own recorder hangs from about 2,000


def contract(case: type, kind: str, ids: str) -> type:
    name = f"Test{case.__name__}_{kind}_{ids}"
    return type(name, (case,), {"kind": kind, "text_ids": ids == "text", "__test__": True})


for _case in (ApplicationRecorderContract, NonInterleavingContract):
    for _kind in places.KINDS:
        for _ids in ("text", "uuid"):
            _made = contract(_case, _kind, _ids)
            globals()[_made.__name__] = _made
del _case, _made, ApplicationRecorderContract, NonInterleavingContract


def foreign(stream: UUID | str = "order-1", version: int = 1, topic: str = "shop:Ordered"):
    return StoredEvent(stream, version, topic, b"\x00not json\xff")


@pytest.fixture
def log(place) -> Iterator[modlog.ModLog]:
    with place.open() as log:
        yield log


def some_life(log: modlog.ModLog, account_id: str = "110018") -> None:
    with modlog.acting(ANN, reason="clean-up"):
        log.create(account_id, profile={"nickname": "Lei Jun"})
        log.delete(account_id)
        log.restore(account_id)


class TestForeignEvents:
    def test_share_the_positions_and_touch_no_account(self, log):
        some_life(log)
        before = log.account("110018")

        assert log.recorder.insert_events([foreign("110018", 7), foreign(version=-3)]) == [4, 5]
        log.note("110018", "called", actor=ANN)

        assert log.head == log.recorder.max_notification_id() == 6
        assert log.account("110018").profile == before.profile
        assert [event.position for event in log.history("110018")] == [1, 2, 3, 6]
        assert [event.position for event in log.events()] == [1, 2, 3, 6]
        assert [account.id for account in log.accounts()] == ["110018"]

    def test_are_counted_apart(self, log):
        some_life(log)
        log.recorder.insert_events([foreign(), foreign(version=9)])

        report = log.verify()

        assert report.ok
        assert report.events == {"account": 3, "sweep": 0, "foreign": 2}

    def test_come_back_byte_for_byte(self, log):
        events = [foreign(), foreign(uuid4(), 0), foreign("order-1", 2, "an\N{SNOWMAN}other")]
        log.recorder.insert_events(events)

        found = log.recorder.select_notifications(start=1, limit=9)

        assert [(n.originator_id, n.originator_version, n.topic, n.state) for n in found] == [
            (e.originator_id, e.originator_version, e.topic, e.state) for e in events
        ]
        assert [type(n.originator_id) for n in found] == [str, UUID, str]

    @pytest.mark.parametrize("topic", ["account.deleted", "events.reverted", "sweep.planned"])
    def test_cannot_have_the_ledgers_own_types(self, log, topic):
        with pytest.raises(ProgrammingError, match="own types"):
            log.recorder.insert_events([foreign(), foreign(version=2, topic=topic)])

        assert log.head == 0

    @pytest.mark.parametrize(
        "event",
        [foreign(topic="a\0b"), foreign(topic="\ud800"), foreign(f"urn:uuid:{uuid4()}")],
        ids=["nul", "surrogate", "uuid as text"],
    )
    def test_are_refused_where_they_would_not_come_back(self, log, event):
        with pytest.raises(ProgrammingError):
            log.recorder.insert_events([event])

        assert log.head == 0

    def test_are_recorded_together_or_not_at_all(self, log):
        log.recorder.insert_events([foreign()])

        with pytest.raises(IntegrityError):
            log.recorder.insert_events([foreign("other"), foreign()])

        assert log.recorder.max_notification_id() == 1
        assert not log.recorder.select_events("other")

    def test_cannot_bring_tracking_along(self, log):
        with pytest.raises(ProgrammingError, match="track"):
            log.recorder.insert_events([foreign()], tracking=Tracking("upstream", 1))
        with pytest.raises(ProgrammingError, match="colour"):
            log.recorder.insert_events([foreign()], colour="red")

        assert log.recorder.insert_events([foreign()], tracking=None) == [1]


class TestStreams:
    def test_of_an_account(self, log):
        some_life(log)
        log.recorder.insert_events([foreign()])

        events = log.recorder.select_events("110018")

        assert [(e.originator_id, e.originator_version, e.topic) for e in events] == [
            ("110018", 1, "account.created"),
            ("110018", 2, "account.deleted"),
            ("110018", 3, "account.restored"),
        ]
        assert log.recorder.select_events("110018", gt=1, lte=2) == events[1:2]
        assert log.recorder.select_events("110018", desc=True, limit=2) == events[:0:-1]
        assert log.recorder.select_events("nobody") == []

    def test_of_another_program_come_first(self, log):
        some_life(log, "order-1")
        log.recorder.insert_events([foreign()])

        assert log.recorder.select_events("order-1") == [foreign()]

    def test_a_sweep_has_one_of_its_own(self, log):
        # No command records a sweep yet: its row is written as the schema has it.
        from modlog._domain.events import Draft, Envelope, SweepRejected

        some_life(log)
        draft = Draft(None, 1, SweepRejected("d1"), Envelope(actor=ANN, batch_id="sweep-1"))
        with log._work.store.writing(log._work.clock()) as writer:
            writer.append([(draft, None, None)])

        (event,) = log.recorder.select_events("sweep-1")

        assert (event.originator_id, event.topic) == ("sweep-1", "sweep.rejected")
        assert [e.batch_id for e in log.events(Selection(type="sweep.rejected"))] == ["sweep-1"]
        assert log.verify().events == {"account": 3, "sweep": 1, "foreign": 0}


@pytest.fixture(params=["sqlite", "postgres"])
def shared_place(request):
    """A place that several ledgers and processes can open."""
    with places.fresh(request.param) as place:
        yield place


WRITER = """
import sys, modlog
with modlog.open(sys.argv[1], schema=sys.argv[2] or None) as log:
    log.create(sys.argv[3], actor=modlog.Actor.system("child"))
"""


def create_elsewhere(place, account_id: str) -> None:
    command = [sys.executable, "-c", WRITER, place.url, place.schema or "", account_id]
    run(command, check=True, timeout=60)


class TestSubscriptions:
    def test_see_what_another_ledger_object_records(self, shared_place):
        with (
            shared_place.open() as one,
            shared_place.open() as other,
            one.recorder.subscribe(gt=0, topics=["account.deleted"]) as subscription,
        ):
            some_life(other)
            assert next(subscription).id == 2

    def test_see_what_another_process_records(self, shared_place):
        with shared_place.open() as log, log.recorder.subscribe() as subscription:
            create_elsewhere(shared_place, "a")
            assert next(subscription).originator_id == "a"
            writer = Thread(target=create_elsewhere, args=(shared_place, "b"))
            writer.start()
            assert next(subscription).originator_id == "b"
            writer.join()

    def test_end_when_stopped_from_another_thread(self, log):
        with log.recorder.subscribe() as subscription:
            timer = Timer(0.05, subscription.stop)
            timer.start()
            assert list(subscription) == []
            timer.join()

    def test_have_more_than_a_page(self, log):
        log.recorder.insert_events([foreign(version=n) for n in range(1_201)])

        with log.recorder.subscribe(gt=1) as subscription:
            ids = [next(subscription).id for _ in range(1_200)]

        assert ids == list(range(2, 1_202))


class TestSubscribe:
    def test_ends_at_the_end_of_the_log_unless_it_follows(self, log):
        some_life(log)

        assert [event.position for event in log.subscribe(follow=False)] == [1, 2, 3]
        assert [event.position for event in log.subscribe(after=2, follow=False)] == [3]
        assert list(log.subscribe(after=3, follow=False)) == []

    def test_follows_until_nothing_new_comes_in_time(self, log):
        some_life(log)
        late = Timer(0.05, log.note, ("110018", "late"), {"actor": ANN})
        late.start()

        assert [event.position for event in log.subscribe(after=2, timeout=1)] == [3, 4]
        late.join()

    def test_sees_what_another_process_records(self, shared_place):
        with shared_place.open() as log:
            events = log.subscribe()
            writer = Thread(target=create_elsewhere, args=(shared_place, "a"))
            writer.start()
            assert next(events).account_id == "a"
            writer.join()

    def test_passes_over_foreign_events(self, log):
        log.recorder.insert_events([foreign()])
        some_life(log)
        log.recorder.insert_events([foreign(version=2)])

        assert [event.position for event in log.subscribe(follow=False)] == [2, 3, 4]

    def test_may_write_while_it_reads(self, log):
        some_life(log)

        for event in log.subscribe(follow=False):
            if event.type == "account.deleted":
                log.note("110018", "seen", actor=ANN)

        assert log.history("110018")[-1].type == "account.noted"
