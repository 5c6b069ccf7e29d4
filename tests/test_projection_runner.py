"""Stock programs of the eventsourcing library work on a ledger."""

import os
from collections.abc import Callable
from threading import Thread
from typing import Any, ClassVar
from uuid import uuid4

import pytest
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import (
    InfrastructureFactory,
    NotSupportedError,
    ProgrammingError,
    StoredEvent,
    Tracking,
)
from eventsourcing.popo import POPOTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from eventsourcing.sqlite import SQLiteTrackingRecorder
from eventsourcing.utils import Environment

import modlog
from modlog import Actor
from modlog.eventsourcing import Factory, LedgerApplication, LedgerEvent
from tests import places

ANN = Actor.human("ann")


@pytest.fixture(params=["sqlite", "postgres"])
def place(request):
    with places.fresh(request.param) as place:
        yield place


def env_of(place, **more: str) -> dict[str, str]:
    return {
        "MODLOG_URL": place.url,
        "MODLOG_SCHEMA": place.schema or "",
        "MODLOG_CREATE": "yes",
        **more,
    }


def some_life(log: modlog.ModLog, account_id: str = "110018") -> None:
    with modlog.acting(ANN, reason="clean-up", policy="spam", batch_id="b1", confidence=0.5):
        log.create(account_id, profile={"nickname": "Lei Jun"}, metadata={"ip": "::1"})
        log.delete(account_id)
        log.restore(account_id)


class Seen:
    """What a projection was given; kept beside the tracking that both recorders do."""

    insert_tracking: Callable[[Tracking], None]

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.events: list[LedgerEvent] = []

    def take(self, domain_event, tracking: Tracking) -> None:
        self.events.append(domain_event)
        try:
            self.insert_tracking(tracking)  # last, as whoever waits goes on then
        except BaseException:
            self.events.pop()
            raise


class SeenInMemory(Seen, POPOTrackingRecorder):
    pass


class SeenInSQLite(Seen, SQLiteTrackingRecorder):
    pass


class Everything(Projection[SeenInMemory]):
    name = "everything"

    def process_event(self, domain_event, tracking):
        self.view.take(domain_event, tracking)


class Deletions(Everything):
    name = "deletions"
    topics = ("account.deleted",)


VIEWS = {
    "popo": (SeenInMemory, {}),
    "sqlite": (
        SeenInSQLite,
        {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": ":memory:"},
    ),
}


@pytest.fixture(params=VIEWS)
def run(request, place):
    """Starts a stock runner on the place, with a view of either kind."""
    view_class, env = VIEWS[request.param]

    def start(projection_class):
        return ProjectionRunner[Any, Any](
            application_class=LedgerApplication,
            projection_class=projection_class,
            view_class=view_class,
            env=env_of(place, **env),
        )

    return start


class TestRunner:
    def test_sees_every_event_as_it_was_recorded(self, place, run):
        with place.open() as log:
            some_life(log)
            with run(Everything) as runner:
                runner.wait(log.head, timeout=30)
                log.note("110018", "called", actor=Actor.model("m", version="2"))
                runner.wait(log.head, timeout=30)

                assert runner.view.max_tracking_id("modlog") == 4
                assert fields_of(runner.view.events) == fields_of(log.history("110018"))

    def test_filters_topics(self, place, run):
        with place.open() as log, run(Deletions) as runner:
            some_life(log, "1")
            some_life(log, "2")
            runner.wait(5, timeout=30)

            assert [e.originator_id for e in runner.view.events] == ["1", "2"]
            assert {e.type for e in runner.view.events} == {"account.deleted"}

    def test_goes_on_where_the_view_ends(self, place, tmp_path):
        env = env_of(
            place,
            PERSISTENCE_MODULE="eventsourcing.sqlite",
            SQLITE_DBNAME=str(tmp_path / "view.db"),
        )
        with place.open() as log:
            some_life(log)
            for expected in ([1, 2, 3], [4]):
                with ProjectionRunner[Any, Any](
                    application_class=LedgerApplication,
                    projection_class=Everything,
                    view_class=SeenInSQLite,
                    env=env,
                ) as runner:
                    runner.wait(log.head, timeout=30)
                    assert [e.position for e in runner.view.events] == expected
                log.note("110018", "called", actor=ANN)

    def test_stops_from_another_thread(self, place, run):
        with run(Everything) as runner:
            stopper = Thread(target=runner.stop)
            stopper.start()
            runner.run_forever(timeout=30)
            stopper.join()
            assert runner.is_interrupted.is_set()


def fields_of(events) -> list[dict]:
    names = (
        "position account_id version type recorded_at occurred_at actor reason policy batch_id "
        "confidence correlation_id metadata event data"
    )
    return [{name: getattr(event, name) for name in names.split()} for event in events]


class TestApplication:
    def test_reads_its_own_settings_alone(self, place, monkeypatch):
        monkeypatch.setenv("MODLOG_URL", "sqlite:////nowhere/at/all.db")
        monkeypatch.setenv("PERSISTENCE_MODULE", "eventsourcing.popo")
        monkeypatch.setenv("COMPRESSOR_TOPIC", "nowhere:Nothing")
        monkeypatch.setenv("CIPHER_KEY", "not a key")
        monkeypatch.setenv("IS_SNAPSHOTTING_ENABLED", "y")

        with LedgerApplication(env_of(place)) as app:
            some_life(app.ledger)
            assert [e.originator_version for e in app.events.get("110018")] == [1, 2, 3]

    def test_takes_the_environment_when_told_so(self, place, monkeypatch):
        monkeypatch.setenv("MODLOG_URL", place.url)
        monkeypatch.setenv("MODLOG_SCHEMA", place.schema or "")
        monkeypatch.setenv("MODLOG_CREATE", "yes")

        with LedgerApplication(os.environ) as app, place.open() as log:
            some_life(log)
            assert app.recorder.max_notification_id() == 3

        with pytest.raises(modlog.InvalidUrlError, match="MODLOG_URL is not set"):
            LedgerApplication()

    def test_may_have_its_settings_in_a_class(self, place):
        class Ours(LedgerApplication):
            name = "ours"
            env: ClassVar = env_of(place)

        with Ours() as app:
            assert app.ledger.head == 0

    def test_closes_the_ledger(self, place):
        with LedgerApplication(env_of(place)) as app:
            ledger = app.ledger

        with pytest.raises(modlog.StoreUnavailableError, match="closed"):
            _ = ledger.head

    def test_its_notification_log_has_the_whole_ledger(self, place):
        with LedgerApplication(env_of(place)) as app:
            some_life(app.ledger)
            section = app.notification_log["1,10"]

        assert [item.topic for item in section.items] == [
            "account.created",
            "account.deleted",
            "account.restored",
        ]


class Dog(Aggregate):
    @event("Named")
    def __init__(self, name: str):
        self.name = name

    @event("Renamed")
    def rename(self, name: str):
        self.name = name


class Kennel(Application):
    env: ClassVar = {"PERSISTENCE_MODULE": "modlog.eventsourcing"}


class TestStockApplication:
    @pytest.mark.parametrize(
        "settings",
        [{}, {"COMPRESSOR_TOPIC": "eventsourcing.compressor:ZlibCompressor"}],
        ids=["plain", "compressed"],
    )
    def test_keeps_its_aggregates_in_a_ledger(self, place, settings):
        with Kennel(env_of(place, **settings)) as kennel, place.open() as log:
            some_life(log)
            dog = Dog("Fido")
            kennel.save(dog)
            dog.rename("Rex")
            kennel.save(dog)

            assert kennel.repository.get(dog.id).name == "Rex"
            assert log.verify().events == {"account": 3, "sweep": 0, "foreign": 2}
            # A setting that is for aggregates leaves the ledger's own events readable.
            types = [getattr(e, "type", None) for e in kennel.events.get("110018")]
            assert types == ["account.created", "account.deleted", "account.restored"]

    def test_a_runner_sees_aggregates_beside_accounts(self, place, run):
        with Kennel(env_of(place)) as kennel, place.open() as log:
            some_life(log)
            kennel.save(Dog("Fido"))
            with run(Everything) as runner:
                runner.wait(log.head, timeout=30)
                *own, last = runner.view.events

        assert [type(e) for e in own] == [LedgerEvent] * 3
        assert type(last).__qualname__ == "Dog.Named"

    def test_has_no_snapshots_there(self, place):
        with pytest.raises(NotSupportedError, match="snapshotting"):
            Kennel(env_of(place, IS_SNAPSHOTTING_ENABLED="y"))


class TestFactory:
    def test_is_what_the_module_stands_for(self):
        env = Environment("any", {"PERSISTENCE_MODULE": "modlog.eventsourcing"})

        assert type(InfrastructureFactory.construct(env)) is Factory

    def test_refuses_recorders_that_a_ledger_is_not(self, place):
        factory = Factory(env_of(place))

        with pytest.raises(NotSupportedError, match=r"eventsourcing\.sqlite"):
            factory.tracking_recorder()
        with pytest.raises(NotSupportedError, match="PERSISTENCE_MODULE"):
            factory.process_recorder()
        with pytest.raises(NotSupportedError, match="snapshotting"):
            factory.aggregate_recorder(purpose="snapshots")

    def test_a_view_in_a_ledger_is_refused_with_the_way_out(self, place):
        with pytest.raises(NotSupportedError, match="for the view"):
            ProjectionRunner[Any, Any](
                application_class=LedgerApplication,
                projection_class=Everything,
                view_class=SeenInMemory,
                env=env_of(place, PERSISTENCE_MODULE="modlog.eventsourcing"),
            )

    def test_needs_a_url(self):
        with pytest.raises(modlog.InvalidUrlError, match="MODLOG_URL"):
            Factory({}).application_recorder()


class TestMapper:
    def test_leaves_own_events_to_the_commands(self, place):
        with LedgerApplication(env_of(place)) as app:
            some_life(app.ledger)
            one = next(app.events.get("110018"))
            with pytest.raises(ProgrammingError, match="commands"):
                app.events.put([one])

    @pytest.mark.parametrize("state", [b"{}", b"not json", b'{"data": {}}', b"[]"])
    def test_tells_of_damage(self, place, state):
        with LedgerApplication(env_of(place)) as app:
            damaged = StoredEvent(str(uuid4()), 1, "account.deleted", state)
            with pytest.raises(modlog.CorruptEventError, match=r"account\.deleted"):
                app.mapper.to_domain_event(damaged)
