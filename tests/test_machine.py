"""One machine drives a ledger of each kind at once, beside the model that is held to be right.

Whatever is asked of them, by whatever way, all give the same answer as the model: the event or
the name of the refusal. After each step all of them hold the same events and the same accounts.
"""

import sqlite3
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import psycopg
import pytest
from attrs import asdict
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from modlog import Actor, Guardrails, ModlogError, Selection, Status
from modlog._domain.events import AccountErased, Envelope, EventsReverted
from modlog.testing import MovableClock, commands, perform
from tests import places
from tests.laws import STORE
from tests.likeness import assert_same, plain_account, plain_event
from tests.model import ENVELOPE, Model, RefusedError
from tests.recording import append

IDS = ("110018", "=1+1", "\u202e長" * 20)
ACTORS = (Actor.human("wan"), Actor.bot("wan", version="2"), Actor.system("x", account_id="110018"))
TEXTS = ("clean-up", "", " ", "👩🏽‍🚀 <b>\u202e")
KEYS = ("k1", "k2", "👩🏽‍🚀")
NUMBERS = ("recorded", "created", "skipped", "late", "noted")
BATCHES = ("b1", "b2")
POLICIES = ("illegal-content", "%_")
PAUSES = tuple(timedelta(seconds=seconds) for seconds in (0, 1e-6, 1, 3_600, 3 * 86_400, -1, -240))


def fields(**strategies):
    """Some of these fields, and not others."""
    return st.fixed_dictionaries({}, optional=strategies)


STEPS_BACK_AND_FORTH = st.sampled_from([timedelta(days=days) for days in (-20, -1, 0, 1)])
CIRCUMSTANCES = {
    "policy": st.none() | st.sampled_from(POLICIES),
    "batch_id": st.none() | st.sampled_from(BATCHES),
    "confidence": st.sampled_from((None, 0, 1, 0.1)),
    "correlation_id": st.sampled_from((None, "ticket-1")),
    "metadata": st.sampled_from((None, {}, {"ip": "::1"}, {"ip": None, "tags": [0.5, "ü"]})),
}
GIVEN = st.builds(
    lambda usual, more: usual | more,
    st.just({"actor": ACTORS[0], "reason": "clean-up"}),
    fields(
        actor=st.sampled_from((*ACTORS, *ACTORS, None)),
        reason=st.sampled_from((*TEXTS, *TEXTS[-1:] * 3, None)),
        occurred_at=STEPS_BACK_AND_FORTH,
        idempotency_key=st.sampled_from(KEYS),
        expected_version=st.sampled_from((None,) * 6 + (0, 1, 2)),
        **CIRCUMSTANCES,
    ),
)
COMMANDS = commands(st.sampled_from((*IDS[:1] * 3, *IDS)))
REQUESTS = st.tuples(COMMANDS, GIVEN)
RECORDS = st.builds(
    lambda command, common: command | common,
    COMMANDS,
    st.fixed_dictionaries(
        {"at": STEPS_BACK_AND_FORTH, "actor": st.sampled_from(ACTORS)},
        optional={
            "key": st.sampled_from(KEYS),
            "reason": st.sampled_from((*TEXTS, None)),
            **CIRCUMSTANCES,
        },
    ),
)
SELECTIONS = fields(
    account_id=st.lists(st.sampled_from((*IDS, "nobody")), min_size=1),
    actor=st.lists(st.sampled_from((*ACTORS, "wan", "import")), min_size=1, max_size=2),
    batch_id=st.lists(st.sampled_from((*BATCHES, "import")), min_size=1),
    type=st.lists(st.sampled_from(("account.created", "account.deleted")), min_size=1),
    policy=st.lists(st.sampled_from(POLICIES), min_size=1),
    actor_kind=st.lists(st.sampled_from(("human", "bot", "model")), min_size=1),
    correlation_id=st.sampled_from(("ticket-1", "none")).map(lambda one: [one]),
    since=st.integers(0, 15),
    until=st.integers(0, 15),
    occurred_since=st.integers(0, 15),
    occurred_until=st.integers(0, 15),
    after_position=st.integers(0, 20),
    up_to_position=st.integers(0, 20),
    positions=st.lists(st.integers(0, 20), min_size=1),
)


class TakenBackError(Exception):
    """Something that a caller's code raises in the middle of a transaction."""


def answer(asking):
    """What came of it, in the words of the model: an event, or the name of the error."""
    try:
        event = asking()
    except RefusedError as refusal:
        return str(refusal)
    except ModlogError as error:
        return type(error).__name__
    return event if isinstance(event, dict) else plain_event(event)


class Side:
    """A ledger with a connection of its own on which others work with the same database."""

    def __init__(self, kind, clock, stack):
        self.place = stack.enter_context(places.fresh(kind, reuse=True))
        self.log = stack.enter_context(self.place.open(clock=clock, guardrails=Guardrails.off()))
        self.connection = self.connected()
        if self.connection:
            stack.callback(self.connection.close)
        self.rows: list = []

    def connected(self):
        match self.place.kind:
            case "sqlite":
                path = self.place.url.removeprefix("sqlite:///")
                return sqlite3.connect(path, isolation_level=None)
            case "postgres":
                return psycopg.connect(self.place.url, autocommit=True)
        return None

    @contextmanager
    def callers_transaction(self):
        """A transaction of the caller's, with the ledger in it; in memory there is only its own."""
        match self.place.kind:
            case "sqlite":
                with self.connection:
                    self.connection.execute("BEGIN")
                    with self.log.within(self.connection):
                        yield
            case "postgres":
                with self.connection.transaction(), self.log.within(self.connection):
                    yield
            case _:
                with self.log.transaction():
                    yield

    def check_nothing_recorded_has_changed(self):
        if self.connection:
            table = f"{self.place.schema}.modlog_events" if self.place.schema else "modlog_events"
            query = f"SELECT * FROM {table} ORDER BY position"
            rows = self.connection.execute(query).fetchall()
            assert rows[: len(self.rows)] == self.rows
            self.rows = rows


class Ledgers(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.stack = ExitStack()
        self.clock = MovableClock()
        self.model = Model()
        self.sides = {kind: Side(kind, self.clock, self.stack) for kind in places.KINDS}
        self.asked = []
        self.seen = {}

    def ask(self, command, given, side=None):
        """The answer of the model, or that of one side."""
        if side:
            return answer(lambda: perform(side.log, command, **given))
        plain = given | {"actor": given["actor"] and asdict(given["actor"])}
        if plain.get("confidence") is not None:
            plain["confidence"] = float(plain["confidence"])
        return answer(lambda: self.model.perform(command, plain, self.clock()))

    def timed(self, given):
        """The arguments with the instant that they mean by now."""
        if "occurred_at" not in given:
            return given
        return given | {"occurred_at": self.clock() + given["occurred_at"]}

    def on_all(self, asking):
        """Ask the model, then each side, for the same; asking takes a side or none."""
        expected = asking(None)
        for kind, side in self.sides.items():
            assert_same(asking(side), expected, kind)
        return expected

    # What is done to them

    @initialize()
    def two_accounts(self):
        for account_id, key in zip(IDS, KEYS[:2], strict=False):
            command = {"do": "create", "account_id": account_id, "profile": {"nickname": 1}}
            given = {"actor": ACTORS[0], "idempotency_key": key}
            self.on_all(lambda side, one=command, of=given: self.ask(one, of, side))
            self.asked.append((command, given))

    @rule(request=REQUESTS)
    def command(self, request):
        command, given = request[0], self.timed(request[1])
        self.on_all(lambda side: self.ask(command, given, side))
        if given.get("idempotency_key"):
            self.asked.append((command, given))

    @precondition(lambda self: self.asked)
    @rule(choice=st.integers(0, 99), other=st.booleans(), expected=st.integers(0, 3))
    def command_again(self, choice, other, expected):
        command, given = self.asked[choice % len(self.asked)]
        given = given | {"expected_version": expected, "batch_id": "b2"}
        if other:
            given["policy"] = "another"
        self.on_all(lambda side: self.ask(command, given, side))

    @rule(pause=st.sampled_from(PAUSES))
    def time_passes(self, pause):
        self.clock.move(pause)
        for last in self.model.events[-1:]:  # a clock too far behind is a rule of its own
            self.clock.set(max(self.clock(), last["recorded_at"] - timedelta(minutes=4)))

    @precondition(lambda self: self.model.events)
    @rule(command=COMMANDS)
    def command_with_a_clock_far_behind(self, command):
        now = self.clock()
        given = {"actor": ACTORS[0], "reason": "clean-up"}
        self.clock.set(self.model.events[-1]["recorded_at"] - timedelta(minutes=5, seconds=1))
        assert self.on_all(lambda side: self.ask(command, given, side)) == "ClockError"
        for request, options in self.asked[-3:]:  # what was answered before is answered again
            self.on_all(partial(self.ask, request, options))
        self.clock.set(now)

    @rule(
        requests=st.lists(REQUESTS, min_size=1, max_size=3),
        nested=st.lists(REQUESTS, max_size=2),
        inner_fails=st.booleans(),
        fails=st.booleans(),
        callers=st.booleans(),
    )
    def transaction(self, requests, nested, inner_fails, fails, callers):
        """Commands as one transaction, refused ones among them, and a part that may fail alone."""
        requests = [(command, self.timed(given)) for command, given in requests]
        nested = [(command, self.timed(given)) for command, given in nested]

        def whole(side):
            answers = []
            with suppress(TakenBackError), self.begun(side, callers):
                answers += [self.ask(command, given, side) for command, given in requests]
                with suppress(TakenBackError), self.begun(side, False):
                    answers += [self.ask(command, given, side) for command, given in nested]
                    if inner_fails:
                        raise TakenBackError
                answers += [self.ask(command, given, side) for command, given in requests[:1]]
                if fails:
                    raise TakenBackError
            return answers

        self.on_all(whole)

    def begun(self, side, callers):
        if side is None:
            return self.model.transaction(self.clock())
        return side.callers_transaction() if callers else side.log.transaction()

    @rule(
        records=st.lists(RECORDS, max_size=6),
        chunks=st.lists(st.sampled_from((1, 2, 10_000)), min_size=1, max_size=2),
        on_refused=st.sampled_from(("reject", "note")),
    )
    def ingest(self, records, chunks, on_refused):
        records = [record | {"at": self.clock() + record["at"]} for record in records]

        def loaded(side, chunk):
            if side:
                outcome = side.log.ingest(
                    records, batch_id="import", chunk=chunk, on_refused=on_refused
                )
                numbers = asdict(outcome)
                lines = [rejection.line for rejection in outcome.rejected]
                return {name: numbers[name] for name in NUMBERS}, lines
            plain = [record | {"actor": asdict(record["actor"])} for record in records]
            return self.model.ingest(plain, "import", chunk, self.clock(), on_refused)

        for chunk in chunks:
            self.on_all(partial(loaded, chunk=chunk))

    @precondition(lambda self: self.model.events)
    @rule(
        account=st.integers(0, 9),
        numbers=st.sets(st.integers(0, 20), min_size=1, max_size=3),
        erase=st.integers(0, 9).map(lambda one: one == 0),
    )
    def event_that_no_command_makes(self, account, numbers, erase):
        known = self.model.account_ids()
        account_id = known[account % len(known)]
        versions = {number % len(self.model.history(account_id)) + 1 for number in numbers}
        event = AccountErased() if erase else EventsReverted(versions)
        circumstances: dict[str, Any] = {
            "actor": ACTORS[0],
            "reason": "by mistake",
            "batch_id": "b2",
        }

        def written(side):
            if side:
                return plain_event(append(side.log, account_id, event, Envelope(**circumstances)))
            data = {} if erase else {"targets": sorted(versions)}
            envelope = dict.fromkeys(ENVELOPE) | circumstances | {"actor": asdict(ACTORS[0])}
            with self.model.transaction(self.clock()):
                return self.model.record(account_id, event.TYPE, data, envelope)

        self.on_all(written)

    # What they are asked

    @rule(filters=SELECTIONS)
    def select(self, filters):
        filters = dict(filters)
        for clock in ("recorded_at", "occurred_at"):
            prefix = "" if clock == "recorded_at" else "occurred_"
            for name in {f"{prefix}since", f"{prefix}until"} & filters.keys():
                filters[name] = self.instant_number(filters[name], clock)
        plain = dict(filters)
        if "actor" in plain:
            plain["actor"] = [
                actor if isinstance(actor, str) else asdict(actor) for actor in plain["actor"]
            ]
        self.on_all(
            lambda side: (
                [plain_event(event) for event in side.log.events(Selection(**filters))]
                if side
                else self.model.selected(**plain)
            )
        )

    def instant_number(self, number, clock="recorded_at") -> datetime:
        """The instant of one of the events, or now."""
        events = self.model.events
        return events[number][clock] if number < len(events) else self.clock()

    @rule(
        statuses=st.sets(st.sampled_from(tuple(Status)), min_size=1),
        flagged=st.sampled_from((None, True, False, "spam", "nudity")),
    )
    def list_accounts(self, statuses, flagged):
        def listed(side):
            if side:
                found = side.log.accounts(status=statuses, flagged=flagged)
                return [plain_account(account) for account in found]
            return [
                account
                for account in self.model.accounts(self.model.now(self.clock()))
                if account["status"] in statuses
                and (flagged is None or self.is_flagged(account, flagged))
            ]

        self.on_all(listed)

    @staticmethod
    def is_flagged(account, flagged):
        labels = account["flags"].values()
        return flagged in labels if isinstance(flagged, str) else flagged == bool(labels)

    @rule()
    def look_at_each(self):
        now = self.model.now(self.clock())
        for account_id in IDS:
            if account_id not in self.model.account_ids():
                assert self.on_all(self.looked) == "AccountNotFoundError"
                continue
            self.on_all(
                lambda side, id_=account_id: (
                    plain_account(side.log.account(id_)) if side else self.model.account(id_, now)
                )
            )
            self.on_all(
                lambda side, id_=account_id: (
                    [plain_event(one) for one in side.log.history(id_)]
                    if side
                    else self.model.history(id_)
                )
            )

    @staticmethod
    def looked(side):
        return answer(lambda: side.log.history("nobody")) if side else "AccountNotFoundError"

    @precondition(lambda self: self.model.events)
    @rule()
    def remember(self):
        """Law 5: what the ledger said of this position, it will say for ever."""
        head = len(self.model.events)
        at = self.model.events[-1]["recorded_at"]
        self.seen[head] = self.model.accounts(at)
        self.check_the_past(head)

    def check_the_past(self, position):
        for kind, side in self.sides.items():
            found = [plain_account(one) for one in side.log.as_of(position).accounts()]
            assert_same(found, self.seen[position], kind)

    # What always holds

    @invariant()
    def all_hold_the_same(self):
        now = self.model.now(self.clock())
        accounts, count = self.model.accounts(now), self.model.count(now)
        for kind, side in self.sides.items():
            log = side.log
            assert log.head == len(self.model.events), kind
            assert_same([plain_event(one) for one in log.events()], self.model.events, kind)
            assert_same([plain_account(one) for one in log.accounts()], accounts, kind)
            assert dict(log.count()) == count, kind
            side.check_nothing_recorded_has_changed()

    def teardown(self):
        with self.stack:
            for position in self.seen:
                self.check_the_past(position)
            for kind, side in self.sides.items():
                assert side.log.verify().findings == (), kind
                side.log.rebuild()
                assert side.log.verify().findings == (), kind
            self.all_hold_the_same()


TestLedgers: Any = Ledgers.TestCase
TestLedgers.settings = settings(STORE, stateful_step_count=20, report_multiple_bugs=False)
TestLedgers.pytestmark = [pytest.mark.laws]
