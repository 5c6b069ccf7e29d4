"""The public surface by example: who acts and why, what a command returns, what is refused."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest

import modlog
from modlog import Actor, ModlogError, Selection, Status
from modlog.testing import MovableClock, ledger, perform
from tests.likeness import assert_same

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
WAN = Actor.human("wan")
ROBOT = Actor.model("classifier", version="7", account_id="robot")


@pytest.fixture
def clock():
    return MovableClock(NOON)


@pytest.fixture
def log(place, clock):
    """A ledger of each kind."""
    with place.open(clock=clock) as log:
        yield log


@pytest.fixture
def memory(clock):
    with ledger(clock) as log:
        yield log


@pytest.fixture
def wan():
    """Wan cleans up."""
    with modlog.acting(WAN, reason="clean-up of illegal accounts", policy="illegal-content"):
        yield


# Who acts, and why


def test_an_acting_block_settles_what_its_commands_do_not_say(memory):
    with modlog.acting(
        ROBOT,
        reason="clean-up",
        policy="illegal-content",
        batch_id="b1",
        occurred_at=NOON - DAY,
        correlation_id="ticket-1",
        confidence=0.75,
    ):
        event = memory.create("110018")
    assert event.actor == ROBOT
    assert event.reason == "clean-up"
    assert event.policy == "illegal-content"
    assert event.batch_id == "b1"
    assert event.occurred_at == NOON - DAY
    assert event.recorded_at == NOON
    assert event.correlation_id == "ticket-1"
    assert event.confidence == 0.75


def test_blocks_nest_field_by_field(memory):
    with modlog.acting(WAN, reason="clean-up", policy="spam"):
        with modlog.acting(policy="illegal-content"):
            inner = memory.create("a")
            with modlog.acting(ROBOT, policy=None):
                innermost = memory.create("b")
        outer = memory.create("c")
    assert (inner.actor, inner.reason, inner.policy) == (WAN, "clean-up", "illegal-content")
    assert (innermost.actor, innermost.reason, innermost.policy) == (ROBOT, "clean-up", None)
    assert (outer.actor, outer.reason, outer.policy) == (WAN, "clean-up", "spam")


def test_a_block_ends_with_an_error_as_without(memory):
    with pytest.raises(KeyError), modlog.acting(WAN):
        raise KeyError
    with pytest.raises(modlog.MissingActorError):
        memory.create("a")


def test_arguments_of_the_command_win(memory, wan):
    event = memory.create("a", actor=ROBOT, reason="asked for", policy="other", confidence=1)
    assert (event.actor, event.reason, event.policy) == (ROBOT, "asked for", "other")
    assert_same(event.confidence, 1.0)


def test_acting_goes_along_to_another_thread(log, wan):
    event = asyncio.run(asyncio.to_thread(log.create, "110018"))
    assert event.actor == WAN
    assert event.reason == "clean-up of illegal accounts"


def test_tasks_do_not_see_each_others_settings(memory):
    async def creating(name):
        with modlog.acting(Actor.human(name)):
            await asyncio.sleep(0)
            return memory.create(name).actor.id

    async def all_at_once():
        return await asyncio.gather(*map(creating, ("a", "b", "c")))

    assert asyncio.run(all_at_once()) == ["a", "b", "c"]


# What a command returns


def test_a_command_returns_the_event_as_it_is_recorded(log, wan):
    event = log.create("110018", profile={"nickname": "Lei Jun", "tags": ["founder"]})
    assert event.position == event.version == 1
    assert event.account_id == "110018"
    assert event.type == "account.created"
    assert event.data == {"profile": {"nickname": "Lei Jun", "tags": ["founder"]}}
    assert event.occurred_at == event.recorded_at == NOON
    assert event.batch_id is event.confidence is event.correlation_id is None
    assert log.history("110018") == list(log.events()) == [event]


def test_data_are_plain_json(log, wan):
    log.create("110018")
    beijing = timezone(timedelta(hours=8))
    suspended = log.suspend("110018", until=(NOON + DAY).astimezone(beijing))
    assert suspended.data == {"until": "2026-01-02T12:00:00.000000Z"}
    flagged = log.flag("110018", label="spam", score=1)
    assert_same(flagged.data, {"label": "spam", "score": 1.0})
    assert log.restore("110018").data == {"lifts": [2]}
    assert log.clear_flags("110018", label="spam").data == {"flags": [3]}
    assert log.delete("110018").data == {}
    assert log.note("110018", "called support").data == {"text": "called support"}


def test_positions_run_through_the_log_and_versions_through_the_account(log, wan):
    events = [log.create("a"), log.create("b"), log.delete("a"), log.delete("b")]
    assert [event.position for event in events] == [1, 2, 3, 4]
    assert [event.version for event in events] == [1, 1, 2, 2]
    instants = [event.recorded_at for event in events]
    assert instants == [NOON + timedelta(microseconds=n) for n in range(4)]
    assert log.head == 4


# What an account is


def test_an_account_from_creation_to_restoration(log, clock, wan):
    log.create("110018", profile={"nickname": "Lei Jun", "avatar": "…"})
    log.change_profile("110018", {"nickname": "Lei", "avatar": None})
    log.flag("110018", label="spam", score=0.9)
    log.suspend("110018", until=NOON + DAY)
    log.delete("110018")
    log.protect("110018")
    account = log.account("110018")
    assert (account.id, account.version, account.status) == ("110018", 6, Status.DELETED)
    assert account.profile == {"nickname": "Lei"}
    assert account.flags == {3: "spam"}
    assert account.protected
    assert {version: one.kind for version, one in account.sanctions.items()} == {
        4: "suspension",
        5: "deletion",
    }
    assert account.sanctions[4].until == NOON + DAY
    assert account.sanctions[5].until is None
    assert all(sanction.in_force for sanction in account.sanctions.values())

    log.restore("110018", lifts=[5])
    assert log.account("110018").status == Status.SUSPENDED
    clock.move(DAY)
    account = log.account("110018")
    assert account.status == Status.ACTIVE
    assert not account.sanctions[4].in_force


def test_two_deletions_are_two_causes(log, wan):
    log.create("110018")
    log.delete("110018", batch_id="first clean-up")
    log.delete("110018", batch_id="second clean-up")
    log.restore("110018", lifts=[2])
    assert log.account("110018").status == Status.DELETED
    log.restore("110018")
    assert log.account("110018").status == Status.ACTIVE


@pytest.mark.parametrize(
    ("value", "changed"), [(1, True), (0, False), (1, 1.0), (0.0, -0.0), ([1], [True])]
)
def test_a_profile_tells_values_apart_as_json_does(log, wan, value, changed):
    log.create("110018", profile={"setting": value, "other": 1})
    log.change_profile("110018", {"setting": changed})
    assert_same(log.account("110018").profile, {"setting": changed, "other": 1})
    log.ingest(
        [
            {"do": "change_profile", "account_id": "110018", "at": NOON, "changes": {"setting": v}}
            for v in (changed, value)
        ]
    )
    assert_same(log.account("110018").profile, {"setting": value, "other": 1})


def test_accounts_and_counts_of_the_present(log, clock, wan):
    for account_id in ("a", "b", "c"):
        log.create(account_id)
    log.delete("a")
    log.suspend("b", until=NOON + DAY)
    log.flag("c", label="spam")
    assert [account.id for account in log.accounts()] == ["a", "b", "c"]
    assert [account.id for account in log.accounts(status="suspended")] == ["b"]
    assert [account.id for account in log.accounts(flagged="spam")] == ["c"]
    assert [account.id for account in log.accounts(flagged=False)] == ["a", "b"]
    assert log.count() == {
        Status.ERASED: 0,
        Status.ABSENT: 0,
        Status.DELETED: 1,
        Status.SUSPENDED: 1,
        Status.ACTIVE: 1,
    }
    clock.move(DAY)
    assert log.count()[Status.SUSPENDED] == 0


def test_events_are_selected_by_who_and_when(log, clock, wan):
    log.create("a")
    clock.move(DAY)
    log.create("b", actor=ROBOT, batch_id="b1")
    log.delete("a", batch_id="b1")
    assert [event.position for event in log.events(Selection(batch_id="b1"))] == [2, 3]
    assert [event.position for event in log.events(Selection(actor=WAN))] == [1, 3]
    assert [event.position for event in log.events(Selection(actor="classifier"))] == [2]
    assert [event.position for event in log.events(Selection(until=NOON + DAY))] == [1]
    assert [event.position for event in log.events(Selection(since=NOON + DAY))] == [2, 3]
    both = Selection(batch_id="b1", type=["account.deleted", "account.created"], account_id="a")
    assert [event.position for event in log.events(both)] == [3]


# The same request again


def test_a_request_with_a_key_is_carried_out_once(log, clock, wan):
    log.create("110018")
    log.delete("110018")
    first = log.restore("110018", idempotency_key="ticket-1", expected_version=2)
    clock.move(DAY)
    assert log.restore("110018", idempotency_key="ticket-1", expected_version=2) == first
    assert log.head == 3
    with pytest.raises(modlog.IdempotencyConflictError):
        log.delete("110018", idempotency_key="ticket-1")


def test_a_refused_request_leaves_its_key_free(log, wan):
    with pytest.raises(modlog.AccountNotFoundError):
        log.delete("110018", idempotency_key="ticket-1")
    log.create("110018")
    assert log.delete("110018", idempotency_key="ticket-1").version == 2


def test_a_version_that_is_not_the_expected_one_is_a_conflict(log, wan):
    log.create("110018", expected_version=0)
    with pytest.raises(modlog.ConcurrencyError, match="expected at version 2 and is at 1"):
        log.delete("110018", expected_version=2)
    assert log.delete("110018", expected_version=1).version == 2


# What is refused changes nothing

DELETE = {"do": "delete", "account_id": "110018"}
CREATE = {"do": "create", "account_id": "new"}


def changing(**profile):
    return {"do": "change_profile", "account_id": "110018", "changes": profile}


@pytest.mark.parametrize(
    ("command", "given", "error"),
    [
        (DELETE | {"account_id": "nobody"}, {}, modlog.AccountNotFoundError),
        (CREATE | {"account_id": "110018"}, {}, modlog.AccountExistsError),
        (CREATE | {"account_id": ""}, {}, modlog.InvalidInputError),
        (CREATE | {"account_id": "x" * 256}, {}, modlog.InvalidInputError),
        (CREATE | {"account_id": 110018}, {}, modlog.InvalidInputError),
        (CREATE | {"account_id": "a\0"}, {}, modlog.InvalidInputError),
        (CREATE | {"account_id": "\ud800"}, {}, modlog.InvalidInputError),
        (CREATE | {"profile": {"nickname": None}}, {}, modlog.InvalidInputError),
        (CREATE | {"profile": ["nickname"]}, {}, modlog.InvalidInputError),
        (CREATE | {"profile": {"a": "\udfff"}}, {}, modlog.InvalidInputError),
        (changing(), {}, modlog.InvalidInputError),
        (changing(a="\0"), {}, modlog.InvalidInputError),
        (changing(a=float("nan")), {}, modlog.InvalidInputError),
        (changing(a=2**53), {}, modlog.InvalidInputError),
        (changing(a={1, 2}), {}, modlog.InvalidInputError),
        (changing(a=NOON), {}, modlog.InvalidInputError),
        ({"do": "flag", "account_id": "110018", "label": ""}, {}, modlog.InvalidInputError),
        (
            {"do": "flag", "account_id": "110018", "label": "spam", "score": 1.01},
            {},
            modlog.InvalidInputError,
        ),
        (
            {"do": "suspend", "account_id": "110018", "until": NOON - DAY},
            {},
            modlog.InvalidInputError,
        ),
        (
            {"do": "suspend", "account_id": "110018", "until": datetime(2027, 1, 1)},  # noqa: DTZ001
            {},
            modlog.InvalidInputError,
        ),
        ({"do": "note", "account_id": "110018", "text": "\0"}, {}, modlog.InvalidInputError),
        ({"do": "restore", "account_id": "110018"}, {}, modlog.NothingInForceError),
        ({"do": "restore", "account_id": "110018", "lifts": [1]}, {}, modlog.NothingInForceError),
        ({"do": "restore", "account_id": "110018", "lifts": []}, {}, modlog.InvalidInputError),
        ({"do": "clear_flags", "account_id": "110018"}, {}, modlog.NothingInForceError),
        (DELETE, {"actor": None}, modlog.MissingActorError),
        (DELETE, {"actor": "wan"}, modlog.InvalidInputError),
        (DELETE, {"reason": None}, modlog.MissingReasonError),
        (DELETE, {"reason": " \n"}, modlog.MissingReasonError),
        (DELETE, {"reason": "\ud800"}, modlog.InvalidInputError),
        (DELETE, {"policy": ""}, modlog.InvalidInputError),
        (DELETE, {"batch_id": "x" * 256}, modlog.InvalidInputError),
        (DELETE, {"confidence": 1.01}, modlog.InvalidInputError),
        (DELETE, {"occurred_at": datetime(2026, 1, 1)}, modlog.InvalidInputError),  # noqa: DTZ001
        (DELETE, {"correlation_id": "\0"}, modlog.InvalidInputError),
        (DELETE, {"idempotency_key": ""}, modlog.InvalidInputError),
        (DELETE, {"idempotency_key": "\ud800"}, modlog.InvalidInputError),
        (DELETE, {"expected_version": -1}, modlog.InvalidInputError),
        (DELETE, {"expected_version": 7}, modlog.ConcurrencyError),
        (DELETE, {"resaon": "misspelt"}, modlog.UnknownArgumentError),
    ],
)
def test_bad_input_meets_a_typed_error_and_changes_nothing(memory, wan, command, given, error):
    memory.create("110018", profile={"nickname": "Lei Jun"})
    before = memory.account("110018"), list(memory.events())
    with pytest.raises(ModlogError) as caught:
        perform(memory, command, **given)
    assert type(caught.value) is error
    assert (memory.account("110018"), list(memory.events())) == before
    assert memory.head == 1
    assert memory.verify().ok


@pytest.mark.parametrize("do", ["suspend", "delete", "restore", "unprotect"])
def test_what_takes_something_away_needs_a_reason(log, do):
    with modlog.acting(WAN):
        log.create("110018")
        log.delete("110018", reason="clean-up")
        with pytest.raises(modlog.MissingReasonError, match=rf"{do}\(\) needs a reason"):
            perform(log, {"do": do, "account_id": "110018"})
        assert log.head == 2
        assert perform(log, {"do": do, "account_id": "110018"}, reason="…").position == 3


def test_an_acting_block_refuses_what_no_event_takes():
    for fields in ({"confidence": 2}, {"policy": ""}, {"resaon": "x"}, {"actor": "wan"}):
        with pytest.raises(modlog.InvalidInputError), modlog.acting(**fields):
            pytest.fail("the block must not be entered")


@pytest.mark.parametrize("question", ["account", "history"])
def test_an_account_that_is_not_there_is_not_found(log, question):
    with pytest.raises(modlog.AccountNotFoundError, match="'nobody' is not in this ledger"):
        getattr(log, question)("nobody")


# Tools for tests


def test_a_movable_clock_stands_still_until_it_is_moved():
    clock = MovableClock(NOON.astimezone(timezone(timedelta(hours=8))))
    assert clock() == clock() == NOON
    assert clock().tzinfo is UTC
    assert clock.move(0.5) == clock() == NOON + timedelta(seconds=0.5)
    assert clock.move(-DAY) == NOON + timedelta(seconds=0.5) - DAY
    assert clock.set(NOON) == clock() == NOON
    with pytest.raises(modlog.InvalidInputError):
        clock.set(datetime(2026, 1, 1))  # noqa: DTZ001


def test_perform_knows_commands_and_nothing_else(memory):
    for name in ("close", "rebuild", "__exit__", None, "reset"):
        with pytest.raises(modlog.InvalidInputError, match="do must be one of create"):
            perform(memory, {"do": name, "account_id": "a"}, actor=WAN)
