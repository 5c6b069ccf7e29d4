"""Every public call of the recorder, and of `modlog.eventsourcing`, with nasty values.

It works, or it raises a `ModlogError` or what the library's own contract knows; a refused call
writes nothing, and what is taken comes back as it was given.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from uuid import UUID, uuid4

import pytest
from attrs import define, field, frozen
from eventsourcing.persistence import PersistenceError, StoredEvent

import modlog
import modlog.eventsourcing
from modlog import Actor, ModlogError
from modlog._storage.recorder import LedgerRecorder, LedgerSubscription
from modlog.eventsourcing import Factory, LedgerApplication
from tests import places
from tests.nasty import NASTY, OwnError

FIELDS = ("originator_id", "originator_version", "topic", "state")


@define(eq=False)
class World:
    """A ledger with an account and with events of another program."""

    log: modlog.ModLog
    place: places.Place
    numbers: Iterator[int] = field(factory=count)

    @property
    def recorder(self) -> LedgerRecorder:
        return self.log.recorder

    def event(self, **given) -> StoredEvent:
        fields = {
            "originator_id": f"new-{next(self.numbers)}",
            "originator_version": 1,
            "topic": "shop:Ordered",
            "state": b"\0",
        }
        return StoredEvent(**{**fields, **given})

    def env(self) -> dict[str, str]:
        return {"MODLOG_URL": self.place.url, "MODLOG_SCHEMA": self.place.schema or ""}

    def stored(self) -> StoredEvent:
        """One of the ledger's own."""
        return self.recorder.select_notifications(1, 1)[0]


@frozen
class Call:
    """How a public callable is called well.

    Attributes:
        target: gives the callable, in a world.
        good: gives its arguments there.
        parameters: those that are replaced; where none are named, those of its signature.
    """

    target: Callable[[World], Callable]
    good: Callable[[World], Mapping[str, object]] = field(default=lambda w: {})
    parameters: tuple[str, ...] = ()


def on_recorder(name: str, good=lambda w: {}, parameters=()) -> Call:
    return Call(lambda w: getattr(w.recorder, name), good, tuple(parameters))


def kept(world: World):
    """Records an event of these fields, and finds it as it is."""

    def keep(**given):
        event = world.event(**given)
        (position,) = world.recorder.insert_events([event]) or ()
        (found,) = world.recorder.select_notifications(position, 1)
        assert (found.originator_id, found.originator_version) == (
            event.originator_id,
            event.originator_version,
        )
        assert (found.topic, found.state) == (event.topic, event.state)
        assert type(found.originator_id) in (UUID, str)
        assert found.id == position
        assert StoredEvent(*(getattr(found, name) for name in FIELDS)) in (
            world.recorder.select_events(event.originator_id)
        )

    return keep


def subscribed(world: World):
    """Subscribes, and takes the first of what comes."""

    def subscribe(**given):
        with world.recorder.subscribe(**given) as subscription:
            if world.recorder.select_notifications(
                given.get("gt"), 1, topics=given.get("topics", ()), inclusive_of_start=False
            ):
                next(subscription)

    return subscribe


def used(world: World, make: Callable[..., Factory | LedgerApplication]):
    """Makes a factory or an application of an env, and closes it."""
    del world

    def use(**given):
        made = make(**given)
        made.close()

    return use


def read(world: World):
    """Reads one of the ledger's own events, with these fields."""
    mapper = Factory(world.env()).mapper()
    own = world.stored()

    def reading(**given):
        fields = {name: getattr(own, name) for name in FIELDS}
        return mapper.to_domain_event(StoredEvent(**{**fields, **given}))

    return reading


CALLS: dict[str, Call] = {
    "LedgerRecorder.insert_events": on_recorder(
        "insert_events",
        lambda w: {"stored_events": [w.event()]},
        ("stored_events", "tracking", "misspelt"),
    ),
    "LedgerRecorder.insert_events: one among others": Call(
        lambda w: lambda event: w.recorder.insert_events([w.event(), event]),
        lambda w: {"event": w.event()},
        ("event",),
    ),
    "LedgerRecorder.insert_events: fields of an event": Call(kept, parameters=FIELDS),
    "LedgerRecorder.select_events": on_recorder("select_events", lambda w: {"originator_id": "a"}),
    "LedgerRecorder.select_notifications": on_recorder(
        "select_notifications", lambda w: {"start": 1, "limit": 10}
    ),
    "LedgerRecorder.max_notification_id": on_recorder("max_notification_id"),
    "LedgerRecorder.subscribe": Call(subscribed, parameters=("gt", "topics")),
    "LedgerSubscription.stop": Call(lambda w: w.recorder.subscribe().stop),
    "Factory": Call(lambda w: used(w, Factory), lambda w: {"env": w.env()}, ("env",)),
    "Factory.application_recorder": Call(lambda w: Factory(w.env()).application_recorder),
    "Factory.aggregate_recorder": Call(lambda w: Factory(w.env()).aggregate_recorder),
    "Factory.tracking_recorder": Call(lambda w: Factory(w.env()).tracking_recorder),
    "Factory.process_recorder": Call(lambda w: Factory(w.env()).process_recorder),
    "Factory.close": Call(lambda w: Factory(w.env()).close),
    "LedgerApplication": Call(
        lambda w: used(w, LedgerApplication), lambda w: {"env": w.env()}, ("env",)
    ),
    "LedgerMapper.to_domain_event: fields of an own event": Call(
        read, parameters=("originator_id", "originator_version", "state")
    ),
}
# What nobody calls with values of his own.
NOT_HERE = {
    "LedgerRecorder": "modlog.open makes it",
    "LedgerSubscription": "subscribe makes it",
    "LedgerMapper": "Factory.mapper makes it",
    "LedgerMapper.to_stored_event": "an application calls it, with what its aggregates made",
    "Factory.mapper": "an application calls it",
    "LedgerApplication.construct_env": "the library calls it",
    "LedgerApplication.construct_factory": "the library calls it",
}
# Made by the ledger, as answers.
ANSWERS = {"LedgerEvent", "LedgerEvent.as_dict"}
# These refuse whatever they are given.
ALWAYS_REFUSED = ("aggregate_recorder", "tracking_recorder", "process_recorder")


def public_callables() -> Iterator[tuple[str, Callable]]:
    exposed = [getattr(modlog.eventsourcing, name) for name in modlog.eventsourcing.__all__]
    for thing in (LedgerRecorder, LedgerSubscription, *exposed):
        yield thing.__name__, thing
        for attribute, member in inspect.getmembers(thing, callable):
            own = (getattr(member, "__module__", "") or "").startswith("modlog")
            if own and not attribute.startswith("_"):
                yield f"{thing.__name__}.{attribute}", member


PUBLIC = dict(public_callables())


def test_no_public_call_is_forgotten():
    assert PUBLIC.keys() == {name.partition(":")[0] for name in CALLS} | NOT_HERE.keys() | ANSWERS


def test_every_parameter_is_replaced():
    for name in CALLS.keys() & PUBLIC.keys():
        assert set(signature(name)) - {"kwargs"} <= set(parameters(name)), name


def signature(name: str) -> list[str]:
    return [one for one in inspect.signature(PUBLIC[name]).parameters if one != "self"]


def parameters(name: str) -> list[str]:
    return list(CALLS[name].parameters) or signature(name)


@pytest.fixture(scope="module", params=("sqlite", "postgres"))
def world(request):
    with places.fresh(request.param) as place, place.open() as log:
        with modlog.acting(Actor.human("wan"), reason="clean-up"):
            log.create("a", {"nickname": "a"})
        world = World(log, place)
        log.recorder.insert_events([world.event(), world.event(originator_id=uuid4())])
        yield world


@pytest.mark.parametrize("name", CALLS)
def test_it_works_or_says_why_not(world, name):
    call, alien = CALLS[name], []
    if not name.endswith(ALWAYS_REFUSED):
        call.target(world)(**call.good(world))
    for parameter in parameters(name):
        for what, value in NASTY.items():
            target, good, before = call.target(world), call.good(world), world.log.head
            try:
                target(**{**good, parameter: value()})
            except (ModlogError, PersistenceError, OwnError):
                assert world.log.head == before, f"{parameter}={what} is refused, and written"
            except Exception as error:
                alien.append(f"{parameter}={what}: {type(error).__name__}: {error!s:.150}")
        assert world.log.verify().ok, parameter
    assert not alien, f"{len(alien)} of {name}:\n" + "\n".join(alien)
