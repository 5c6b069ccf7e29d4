"""Every command in every state of an account: the event that it leads to, or a typed refusal."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given as for_all

from modlog import (
    AccountErasedError,
    AccountExistsError,
    AccountNotFoundError,
    InvalidInputError,
    ModlogError,
    NothingInForceError,
)
from modlog._domain.account import replay
from modlog._domain.decisions import ARGUMENTS, COMMANDS, decide
from modlog._domain.events import data_of
from modlog.testing import commands, event, given, histories, instants
from tests import model
from tests.laws import PURE
from tests.likeness import assert_same, plain_event

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)

CREATED = event("account.created", profile={"nickname": "Lei Jun"})
DELETED = event("account.deleted")
SUSPENDED = event("account.suspended")

UNKNOWN = given()
ACTIVE = given(CREATED)
EXISTING = {
    "active": ACTIVE,
    "flagged": given(CREATED, event("account.flagged", label="spam")),
    "suspended": given(CREATED, SUSPENDED),
    "deleted": given(CREATED, DELETED),
    "protected": given(CREATED, event("account.protected")),
}
GONE = {
    "unknown": UNKNOWN,
    "creation reverted": given(CREATED, event("events.reverted", targets=[1])),
}

# What leads to the event of the same meaning on every account that exists.
ALWAYS_ALLOWED = [
    ("change_profile", {"changes": {"bio": "…"}}, "profile.changed"),
    ("flag", {"label": "spam", "score": 0.9}, "account.flagged"),
    ("suspend", {"until": None}, "account.suspended"),
    ("delete", {}, "account.deleted"),
    ("protect", {}, "account.protected"),
    ("unprotect", {}, "account.unprotected"),
    ("note", {"text": "called support"}, "account.noted"),
]
EVERY_COMMAND = [
    *((do, arguments) for do, arguments, _ in ALWAYS_ALLOWED),
    ("create", {}),
    ("restore", {}),
    ("restore", {"lifts": [1]}),
    ("clear_flags", {}),
    ("clear_flags", {"flags": [1]}),
    ("clear_flags", {"label": "spam"}),
]


def test_no_command_is_left_out():
    assert {do for do, _ in EVERY_COMMAND} == set(COMMANDS)


@pytest.mark.parametrize("past", EXISTING.values(), ids=EXISTING)
@pytest.mark.parametrize(("do", "arguments", "type_name"), ALWAYS_ALLOWED)
def test_allowed_on_every_account_that_exists(past, do, arguments, type_name):
    past.when(do, **arguments).then(event(type_name, **arguments))


@pytest.mark.parametrize("past", EXISTING.values(), ids=EXISTING)
def test_an_account_is_not_created_twice(past):
    past.when("create").refused(AccountExistsError, "exists already")


@pytest.mark.parametrize("past", GONE.values(), ids=GONE)
@pytest.mark.parametrize(("do", "arguments"), EVERY_COMMAND)
def test_on_an_account_that_does_not_exist_only_a_creation_is_allowed(past, do, arguments):
    if do == "create":
        past.when(do, **arguments).then(event("account.created"))
    else:
        past.when(do, **arguments).refused(AccountNotFoundError, "create it")


@pytest.mark.parametrize(("do", "arguments"), EVERY_COMMAND)
def test_nothing_is_decided_on_an_erased_account(do, arguments):
    given(CREATED, event("account.erased")).when(do, **arguments).refused(AccountErasedError)


def test_each_deletion_is_a_cause_of_its_own():
    given(CREATED, DELETED, DELETED).when("restore", lifts=[3]).then(
        event("account.restored", lifts=[3])
    )
    past = given(CREATED, DELETED, DELETED, event("account.restored", lifts=[3]))
    assert past.state.status(NOON) == "deleted"


def test_restore_lifts_all_that_is_in_force():
    given(CREATED, SUSPENDED, DELETED).when("restore").then(event("account.restored", lifts=[2, 3]))


@pytest.mark.parametrize("name", ["active", "flagged", "protected"])
def test_restore_needs_a_sanction_in_force(name):
    EXISTING[name].when("restore").refused(NothingInForceError, "no sanction in force")


def test_a_suspension_is_in_force_from_its_beginning_to_just_before_its_end():
    past = given(CREATED, (NOON, event("account.suspended", until=NOON + SECOND)))
    restored = event("account.restored", lifts=[2])
    past.when("restore", at=NOON - SECOND).refused(NothingInForceError)
    past.when("restore", at=NOON).then(restored)
    past.when("restore", at=NOON + SECOND).refused(NothingInForceError)


def test_a_deletion_is_in_force_from_its_beginning():
    past = given(CREATED, (NOON, DELETED))
    past.when("restore", at=NOON - SECOND).refused(NothingInForceError)
    past.when("restore", at=NOON).then(event("account.restored", lifts=[2]))


def test_restore_by_name_takes_whatever_stands_expired_or_not():
    past = given(CREATED, event("account.suspended", until=NOON))
    past.when("restore", lifts=[2], at=NOON + SECOND).then(event("account.restored", lifts=[2]))


@pytest.mark.parametrize("lifts", [[1], [2], [2, 4], [5]])
def test_restore_by_name_refuses_what_does_not_stand(lifts):
    past = given(CREATED, DELETED, event("account.restored", lifts=[2]), DELETED)
    past.when("restore", lifts=lifts).refused(NothingInForceError, "those that stand: 4")
    past.when("restore", lifts=[4]).then(event("account.restored", lifts=[4]))


def test_clear_flags_takes_all_or_those_named():
    flagged = given(CREATED, *[event("account.flagged", label="spam")] * 2)
    flagged.when("clear_flags").then(event("flags.cleared", flags=[2, 3]))
    flagged.when("clear_flags", flags=[3]).then(event("flags.cleared", flags=[3]))
    flagged.when("clear_flags", flags=[1, 3]).refused(NothingInForceError, "from version 1;")
    ACTIVE.when("clear_flags").refused(NothingInForceError, "no flag to clear")


def test_clear_flags_takes_those_of_a_label():
    flags = [event("account.flagged", label=label) for label in ("spam", "nsfw", "spam")]
    flagged = given(CREATED, *flags)
    flagged.when("clear_flags", label="spam").then(event("flags.cleared", flags=[2, 4]))
    flagged.when("clear_flags", label="ham").refused(NothingInForceError, "no flag 'ham' to clear")


@pytest.mark.parametrize("until", [NOON, NOON - SECOND])
def test_a_suspension_ends_after_it_begins(until):
    ACTIVE.when("suspend", until=until, at=NOON).refused(InvalidInputError, "must be later")
    ACTIVE.when("suspend", until=NOON + SECOND, at=NOON).then(
        event("account.suspended", until=NOON + SECOND)
    )


@pytest.mark.parametrize(
    ("do", "arguments"),
    [
        ("create", {"profile": {"nickname": None}}),
        ("change_profile", {"changes": {}}),
        ("flag", {"label": "spam", "score": 2}),
        ("clear_flags", {"flags": []}),
        ("clear_flags", {"flags": [2], "label": "spam"}),
        ("clear_flags", {"label": ""}),
        ("restore", {"lifts": []}),
        ("restore", {"lifts": 2}),
        ("suspend", {"until": datetime(2026, 1, 1)}),  # noqa: DTZ001
        ("note", {"text": "\0"}),
    ],
)
def test_arguments_out_of_bounds_are_refused(do, arguments):
    EXISTING["deleted"].when(do, **arguments).refused(InvalidInputError)


def test_an_account_whose_creation_was_reverted_is_created_anew():
    past = given(
        CREATED,
        event("account.flagged", label="spam"),
        DELETED,
        event("events.reverted", targets=[1]),
        event("account.created", profile={"nickname": "Lei"}),
    )
    assert past.state.profile == {"nickname": "Lei"}
    assert past.state.status(NOON) == "active"
    past.when("clear_flags").refused(NothingInForceError)


@PURE
@for_all(histories(erasures=True), commands(), instants())
def test_decisions_are_those_of_the_model(history, command, at):
    arguments = {name: command[name] for name in ARGUMENTS[command["do"]]}
    state = model.replay([plain_event(one) for one in history])
    expected = outcome(lambda: model.decide(state, command["do"], arguments, at))
    asked = COMMANDS[command["do"]](**arguments)
    found = outcome(lambda: decide("110018", replay(history), asked, at))
    assert_same(found, expected)


def outcome(deciding):
    """The type and data of what was decided, or the name of the error."""
    try:
        decided = deciding()
    except model.RefusedError as refusal:
        return str(refusal)
    except ModlogError as error:
        return type(error).__name__
    return decided if isinstance(decided, tuple) else (decided.TYPE, data_of(decided))
