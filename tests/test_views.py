"""Views of the past and of what would be, in any order, beside the model."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modlog import (
    AccountNotFoundError,
    Actor,
    Guardrails,
    InvalidInputError,
    ModlogError,
    NothingInForceError,
    Selection,
    Status,
    UnknownArgumentError,
)
from modlog._domain import events as e
from modlog._domain.events import RecordedEvent
from modlog.testing import MovableClock, commands, perform
from tests import reverting_model as model
from tests.laws import STORE
from tests.likeness import assert_same, plain_account

WAN = {"actor": Actor.human("wan"), "reason": "clean-up"}
MICROSECOND = timedelta(microseconds=1)
SECOND = timedelta(seconds=1)


def plain(view):
    return [plain_account(account) for account in view.accounts()]


# Laws


def moments(events):
    """Positions, and instants at, just before and just after those of the events."""
    instants = [event[name] for event in events for name in ("recorded_at", "occurred_at")]
    at = st.sampled_from(instants).flatmap(
        lambda instant: st.sampled_from((instant - MICROSECOND, instant, instant + MICROSECOND))
    )
    return st.one_of(
        st.tuples(st.just("position"), st.integers(0, len(events))),
        st.tuples(st.just("recorded"), at),
        st.tuples(st.just("occurred"), at),
    )


def steps(events):
    without = st.tuples(st.just("without"), model.filters(events))
    return st.lists(moments(events) | without, min_size=1, max_size=4)


def view_of(log, steps):
    view = log.now()
    for name, value in steps:
        match name:
            case "position":
                view = view.as_of(value)
            case "without":
                view = view.without(Selection(**value))
            case _:
                view = view.as_of(value, clock=name)
    return view


def kept(events, steps, now):
    """The events that lie within such a view, and the instant at which it looks."""
    at = now
    for name, value in steps:
        match name:
            case "position":
                recorded_at = [e["recorded_at"] for e in events if e["position"] == value]
                at = recorded_at[0] if recorded_at else at_the_beginning(value)
            case "recorded" | "occurred":
                at = value
    chosen = [model.chosen(events, value) for name, value in steps if name == "without"]
    left = [event for event in events if all(within(event, *step) for step in steps)]
    for some in chosen:
        left = model.left_out(left, [one for one in some if one["type"] != "account.erased"])
    return left, at


def at_the_beginning(position):
    assert position == 0
    return datetime.min.replace(tzinfo=UTC)


def within(event, name, value):
    match name:
        case "position":
            return event["position"] <= value
        case "recorded" | "occurred":
            return event[f"{name}_at"] <= value
    return True


@pytest.mark.laws
@STORE
@given(world=model.worlds(erasures=True), data=st.data())
def test_a_view_is_the_replay_of_its_events(fresh_place, world, data):
    """As of positions and instants, without selections, several of them in any order."""
    transactions, clock = world
    with fresh_place() as place, place.open(clock=clock) as log:
        events = model.write(log, transactions)
        taken = data.draw(steps(events))
        view = view_of(log, taken)
        left, at = kept(events, taken, clock())
        expected = model.accounts(left, at)
        assert_same(plain(view), expected)
        assert view.count() == model.count(left, at)
        for status in Status:
            of_status = [account.id for account in view.accounts(status=status)]
            assert of_status == [one["id"] for one in expected if one["status"] == status]
            assert len(of_status) == view.count()[status]
        for flagged in ("spam", True, False):
            assert [account.id for account in view.accounts(flagged=flagged)] == [
                one["id"] for one in expected if is_flagged(one, flagged)
            ]
        known = {one["id"]: one for one in expected}
        for account_id in model.IDS:
            if account_id in known:
                assert_same(plain_account(view.account(account_id)), known[account_id])
            else:
                with pytest.raises(AccountNotFoundError):
                    view.account(account_id)


CREATED, DELETED, ERASED = e.AccountCreated(), e.AccountDeleted(), e.AccountErased()
NOTED = e.AccountNoted("seen")
STEPS = st.sampled_from((SECOND, 2 * SECOND))
SHIFTS = st.sampled_from((timedelta(0), -3 * SECOND, 3 * SECOND))
SANCTIONS = ("suspend", "delete", "restore", "revert", "revert")
SOME_IDS = st.sampled_from((*model.IDS[:1] * 3, model.IDS[1]))
WAYS = (SANCTIONS, SANCTIONS, (*SANCTIONS, "create", "erase", "note"))


@st.composite
def wild_worlds(draw):
    """Transactions of events that few commands would lead to, and a clock after them.

    What is lifted or reverted may be anything, also what comes later, or a revert of a revert
    of a revert. Some accounts do not begin with their creation, or are created twice.
    """
    versions: Counter[str] = Counter()
    transactions, at = [], datetime(2026, 1, 1, tzinfo=UTC)
    ways = draw(st.sampled_from(WAYS))
    for id_ in draw(st.lists(SOME_IDS, min_size=6, max_size=14)):
        at += draw(STEPS)
        versions[id_] += 1
        tame = ways == SANCTIONS
        way = "create" if tame and versions[id_] == 1 else draw(st.sampled_from(ways))
        # A history whose creation is taken back is replayed, and tells nothing of the rest.
        event = draw(wild_events(way, others(versions[id_], least=1 + tame), at))
        transactions.append([recorded(id_, versions[id_], at, at + draw(SHIFTS), event)])
    return transactions, MovableClock(at + SECOND)


def wild_events(way, others, at):
    return {
        "create": st.just(CREATED),
        "delete": st.just(DELETED),
        "erase": st.just(ERASED),
        "note": st.just(NOTED),
        "suspend": st.builds(e.AccountSuspended, st.none() | STEPS.map(lambda step: at + step)),
        "restore": st.builds(e.AccountRestored, others),
        "revert": st.builds(e.EventsReverted, others),
    }[way]


def others(version, least):
    """Versions near one, most of them earlier."""
    near = [max(least, version + step) for step in (-1, -1, -1, -2, -2, -3, 1)]
    return st.lists(st.sampled_from(near), min_size=1, max_size=2)


def recorded(account_id, version, recorded_at, occurred_at, event):
    return RecordedEvent(
        position=1,
        account_id=account_id,
        version=version,
        recorded_at=recorded_at,
        occurred_at=occurred_at,
        event=event,
        actor=Actor.human("wan"),
        reason="clean-up",
        policy=None,
        batch_id=None,
        confidence=None,
        correlation_id=None,
    )


@pytest.mark.laws
@STORE
@given(world=wild_worlds(), data=st.data())
def test_a_count_is_that_of_the_plain_replays(fresh_place, world, data):
    """Law 8, for any history: the few statements count what a replay of each account finds."""
    transactions, clock = world
    with (
        pytest.MonkeyPatch.context() as patch,
        fresh_place() as place,
        place.open(clock=clock) as log,
    ):
        patch.setattr("modlog._storage.reading.PAGE", 1)  # of the accounts that are replayed
        events = model.write(log, transactions)
        views = [log.as_of(position) for position in range(len(events) + 1)]
        views.append(view_of(log, data.draw(steps(events))))
        for view in views:
            found = Counter(account.status for account in view.accounts())
            assert view.count() == {status: found[status] for status in Status}


def is_flagged(account, flagged):
    labels = account["flags"].values()
    return bool(labels) == flagged if isinstance(flagged, bool) else flagged in labels


@pytest.mark.laws
@STORE
@given(world=model.worlds(), data=st.data())
def test_the_order_in_which_events_are_narrowed_down_is_none(fresh_place, world, data):
    transactions, clock = world
    with fresh_place() as place, place.open(clock=clock) as log:
        events = model.write(log, transactions)
        moment = data.draw(moments(events))
        two = [("without", data.draw(model.filters(events))) for _ in range(2)]
        answers = [plain(view_of(log, order)) for order in orders(moment, *two)]
        for answer in answers[1:]:
            assert_same(answer, answers[0])


def orders(moment, one, other):
    return ([moment, one, other], [one, moment, other], [other, one, moment])


@pytest.mark.laws
@STORE
@given(world=model.worlds(), data=st.data())
def test_what_was_recorded_by_then_is_answered_for_ever(fresh_place, world, data):
    """Law 5: whatever comes later, reverts among it."""
    transactions, clock = world
    cut = data.draw(st.integers(1, len(transactions)))
    earlier, later = transactions[:cut], transactions[cut:]
    with fresh_place() as place, place.open(clock=clock) as log:
        events = model.write(log, earlier)
        instants = [event["recorded_at"] for event in events]
        # Between two instants a later transaction may yet be recorded: only the past is fixed.
        moments = [*range(len(events) + 1), *instants, instants[0] - MICROSECOND]
        answers = [(plain(log.as_of(one)), log.as_of(one).count()) for one in moments]
        model.write(log, later, earlier)
        for filters in data.draw(st.lists(model.filters(events), max_size=2)):
            log.revert(Selection(**filters), **WAN)
        assert_same([(plain(log.as_of(one)), log.as_of(one).count()) for one in moments], answers)


@pytest.mark.laws
@STORE
@given(world=model.worlds(), data=st.data())
def test_without_is_what_a_revert_then_does(fresh_place, world, data):
    transactions, clock = world
    with fresh_place() as place, place.open(clock=clock) as log:
        events = model.write(log, transactions)
        filters = data.draw(model.filters(events))
        view = log.without(Selection(**filters, **until_now(filters, log)))
        supposed = {account.id: plain_account(account) for account in view.accounts()}
        head = log.head
        log.revert(Selection(**filters), **WAN)
        assert log.head >= head
        for account in log.accounts():
            real = plain_account(account) | {"version": None}
            if account.id in supposed:
                assert_same(real, supposed[account.id] | {"version": None})
            else:  # none of its events is left
                assert account.status is Status.ABSENT
                assert not account.sanctions


def until_now(filters, log):
    return {} if "up_to_position" in filters else {"up_to_position": log.head}


@pytest.mark.laws
@STORE
@given(world=model.worlds(), data=st.data())
def test_with_is_what_the_commands_then_do(fresh_place, world, data):
    transactions, clock = world
    off = Guardrails.off()  # views know none
    with fresh_place() as place, place.open(clock=clock, guardrails=off) as log:
        events = model.write(log, transactions)
        at = clock()
        ids = st.sampled_from(model.IDS)
        drawn = data.draw(st.lists(commands(ids).map(lambda one: one | {"at": at}), max_size=5))
        afterwards = at + SECOND  # the commands take microseconds, and everything is in force
        before, head = plain(log.as_of(afterwards)), log.head
        assert head == len(events)
        try:
            view = log.as_of(afterwards).with_(drawn)
            supposed, counts = plain(view), view.count()
            refused: type | None = None
        except ModlogError as error:
            refused = type(error)
        assert log.head == head
        assert_same(plain(log.as_of(afterwards)), before)
        assert carried_out(log, drawn) is refused
        if refused is None:
            real = log.as_of(afterwards)
            versions = {"version": None}
            assert_same(
                [one | versions for one in plain(real)], [one | versions for one in supposed]
            )
            assert real.count() == counts


def carried_out(log, drawn):
    """The kind of error at which the commands stop, if they do."""
    try:
        for record in drawn:
            command = dict(record)
            perform(log, command, occurred_at=command.pop("at"), **WAN)
    except ModlogError as error:
        return type(error)
    return None


# Examples


@pytest.fixture
def clock():
    return MovableClock()


@pytest.fixture
def log(place, clock):
    with place.open(clock=clock) as log:
        yield log


def test_a_view_looks_with_the_eyes_of_its_instant(log, clock):
    day = timedelta(days=1)
    log.create("a", **WAN)
    until = clock() + day
    suspended = log.suspend("a", until=until, **WAN)
    assert log.as_of(suspended.position).account("a").status is Status.SUSPENDED
    clock.move(3 * day)
    log.note("a", "called support", **WAN)
    assert log.as_of(2).account("a").status is Status.SUSPENDED
    assert log.as_of(3).account("a").status is Status.ACTIVE
    assert log.as_of(until - MICROSECOND).count()[Status.SUSPENDED] == 1
    assert log.as_of(until).count()[Status.SUSPENDED] == 0
    # Without the note the present is the present still.
    assert log.without(Selection(type="account.noted")).account("a").status is Status.ACTIVE
    assert log.as_of(2).without(Selection(policy="none")).account("a").status is Status.SUSPENDED


def test_an_instant_in_the_future_answers_for_what_is_recorded_now(log, clock):
    log.create("a", **WAN)
    log.suspend("a", until=clock() + timedelta(days=1), **WAN)
    view = log.as_of(clock() + timedelta(days=2))
    assert view.account("a").status is Status.ACTIVE
    log.delete("a", **WAN)
    assert view.account("a").status is Status.ACTIVE


def test_what_occurred_may_come_to_be_known_later(log, clock):
    log.create("a", occurred_at=clock() - timedelta(days=9), **WAN)
    then = clock() - timedelta(days=5)
    assert log.as_of(then, clock="occurred").account("a").status is Status.ACTIVE
    log.delete("a", occurred_at=then, **WAN)
    assert log.as_of(then, clock="occurred").account("a").status is Status.DELETED
    assert log.as_of(then - MICROSECOND, clock="occurred").account("a").status is Status.ACTIVE
    assert log.as_of(then).count() == dict.fromkeys(Status, 0)


def test_an_account_whose_creation_is_left_out_is_absent(log):
    log.create("a", **WAN)
    log.delete("a", **WAN)
    view = log.without(Selection(type="account.created"))
    assert view.account("a").status is Status.ABSENT
    assert view.count()[Status.ABSENT] == 1
    with pytest.raises(AccountNotFoundError, match="view"):
        log.without(Selection(account_id="a")).account("a")
    with pytest.raises(AccountNotFoundError):
        log.now().account("nobody")


def test_a_count_of_the_past_knows_what_was_reverted(log):
    log.create("a", **WAN)
    deleted = log.delete("a", **WAN)
    log.revert(Selection(positions=deleted.position), **WAN)
    assert log.as_of(2).count()[Status.DELETED] == 1
    assert log.as_of(3).count()[Status.ACTIVE] == 1


def test_a_count_knows_what_happened_before_the_account_was_there(log):
    created = log.create("a", **WAN)
    log.delete("a", **WAN)
    log.revert(Selection(positions=created.position), **WAN)
    log.create("a", **WAN)
    second_life = log.without(Selection(positions=[1, 3]))
    assert second_life.count()[Status.ACTIVE] == 1
    assert second_life.account("a").sanctions == {}


HISTORIES: dict[str, tuple[list[e.Event], str]] = {
    "a deletion": ([CREATED, DELETED], "deleted"),
    "taken back": ([CREATED, DELETED, e.EventsReverted([2])], "active"),
    "and that taken back": (
        [CREATED, DELETED, e.EventsReverted([2]), e.EventsReverted([3])],
        "deleted",
    ),
    "and that as well": (
        [CREATED, DELETED, e.EventsReverted([2]), e.EventsReverted([3]), e.EventsReverted([4])],
        "active",
    ),
    "a restore taken back": (
        [CREATED, DELETED, e.AccountRestored([2]), e.EventsReverted([3])],
        "deleted",
    ),
    "one of two lifted": (
        [CREATED, DELETED, e.AccountSuspended(None), e.AccountRestored([2])],
        "suspended",
    ),
    "lifted before it was imposed": ([CREATED, e.AccountRestored([3]), DELETED], "deleted"),
    "reverted before it was recorded": ([CREATED, e.EventsReverted([3]), DELETED], "deleted"),
    "a creation taken back": ([CREATED, DELETED, e.EventsReverted([1])], "absent"),
    "a creation given back": (
        [CREATED, DELETED, e.EventsReverted([1]), e.EventsReverted([3])],
        "deleted",
    ),
    "deleted before it was created": ([DELETED, CREATED], "active"),
    "created twice": ([CREATED, CREATED], "active"),
    "never created": ([NOTED], "absent"),
    "erased": ([CREATED, ERASED, e.EventsReverted([2])], "erased"),
}


@pytest.mark.parametrize("name", HISTORIES)
def test_a_count_of_an_account_with_such_a_history(log, clock, name):
    history, status = HISTORIES[name]
    model.write(
        log,
        [
            [recorded("a", version, clock(), clock(), event)]
            for version, event in enumerate(history, 1)
        ],
    )
    view = log.as_of(len(history))
    assert view.account("a").status == status
    assert view.count() == dict.fromkeys(Status, 0) | {Status(status): 1}


def test_the_beginning_and_what_was_before_it(log, clock):
    log.create("a", **WAN)
    for view in (
        log.as_of(0),
        log.as_of(clock() - MICROSECOND),
        log.as_of(datetime.min.replace(tzinfo=UTC)),
        log.as_of(clock() - MICROSECOND, clock="occurred"),
    ):
        assert view.count() == dict.fromkeys(Status, 0)
        assert list(view.accounts()) == []
        with pytest.raises(AccountNotFoundError):
            view.account("a")


def test_a_selection_that_matches_nothing_leaves_nothing_out(log):
    log.create("a", **WAN)
    assert list(log.without(Selection(batch_id="none")).accounts()) == list(log.accounts())


def test_a_view_may_be_asked_within_a_transaction(log):
    log.create("a", **WAN)
    with log.transaction():
        log.delete("a", **WAN)
        assert log.without(Selection(type="account.deleted")).count()[Status.ACTIVE] == 1
        assert log.now().account("a").status is Status.DELETED
        assert log.as_of(1).account("a").status is Status.ACTIVE
        assert [change.id for change in log.diff(log.as_of(1), log)] == ["a"]


def test_supposed_commands_are_decided_one_after_another(log):
    log.create("a", **WAN)
    view = log.with_(
        [
            {"do": "create", "account_id": "b", "profile": {"nickname": "B"}},
            {"do": "delete", "account_id": "b"},
            {"do": "delete", "account_id": "a"},
        ]
    )
    assert view.count() == dict.fromkeys(Status, 0) | {Status.DELETED: 2}
    assert [account.id for account in view.accounts()] == ["a", "b"]
    assert view.account("a").version == 1
    more = view.with_([{"do": "restore", "account_id": "a"}])
    assert more.account("a").status is Status.ACTIVE
    assert log.count()[Status.DELETED] == 0


def test_a_command_that_the_view_does_not_allow(log):
    log.create("a", **WAN)
    log.delete("a", **WAN)
    restoring = [{"do": "restore", "account_id": "a"}]
    with pytest.raises(AccountNotFoundError):
        log.with_([{"do": "delete", "account_id": "b"}])
    with pytest.raises(NothingInForceError):
        log.as_of(1).with_(restoring)
    # A view may be narrowed until its commands are no longer possible; it then says so.
    view = log.with_(restoring).without(Selection(type="account.deleted"))
    for ask in (view.count, lambda: list(view.accounts()), lambda: view.account("a")):
        with pytest.raises(NothingInForceError):
            ask()


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda log: log.as_of(2), "from 0 to the log's end, now 1, not 2"),
        (lambda log: log.as_of(-1), "from 0"),
        (lambda log: log.as_of(True), "datetime"),
        (lambda log: log.as_of("2026-01-01"), "datetime"),
        (lambda log: log.as_of(datetime(2026, 1, 1)), "time zone"),  # noqa: DTZ001
        (lambda log: log.as_of(None), "datetime"),
        (lambda log: log.as_of(1, clock="occurred"), "instant"),
        (lambda log: log.as_of(1, clock="decided"), "recorded or occurred"),
        (lambda log: log.without(None), "Selection"),
        (lambda log: log.without("b1"), "Selection"),
        (lambda log: log.with_([{"do": "vanish", "account_id": "a"}]), "do must be one of"),
        (lambda log: log.with_(["delete"]), "mapping"),
        (lambda log: log.now().account(""), "account_id"),
        (lambda log: log.now().accounts(status=[]), "empty"),
        (lambda log: log.now().accounts(status="gone"), "status must be one of"),
    ],
)
def test_bad_questions(log, ask, message):
    log.create("a", **WAN)
    with pytest.raises(InvalidInputError, match=message):
        ask(log)


@pytest.mark.parametrize("name", ["account_id", "actor", "batch_id", "type", "policy", "positions"])
@pytest.mark.parametrize("nothing", [None, (), [], set()])
def test_nothing_is_no_filter(name: str, nothing: Any):
    with pytest.raises(InvalidInputError, match=name):
        Selection(**{name: nothing})


@pytest.mark.parametrize("name", ["since", "until", "after_position", "up_to_position"])
def test_none_is_no_bound(name):
    nothing: Any = {name: None}
    with pytest.raises(InvalidInputError, match=name):
        Selection(**nothing)


def test_a_misspelt_filter():
    with pytest.raises(UnknownArgumentError, match="batch_id"):
        Selection(batch="b1")  # type: ignore[call-arg]
    with pytest.raises(InvalidInputError, match=r"account\.deleted"):
        Selection(type="account.delete")
