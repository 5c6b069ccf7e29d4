"""Many accounts created at once, as each would be by a command of its own."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

import modlog
from modlog import (
    Actor,
    GuardrailError,
    Guardrails,
    ImportRejectedError,
    InvalidInputError,
    MissingActorError,
    RefusedError,
    Selection,
    Status,
)
from modlog._domain.events import AccountErased, Envelope
from modlog.testing import MovableClock, account_ids, profiles
from tests.laws import STORE
from tests.likeness import assert_same, plain_account, plain_event
from tests.recording import append

NOW = datetime(2026, 3, 9, 12, tzinfo=UTC)
T0 = datetime(2020, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
WAN = Actor.human("wan")
SIGN_UP = Actor.system("sign-up")


@pytest.fixture
def log(place):
    with place.open(clock=MovableClock(NOW)) as log, modlog.acting(SIGN_UP):
        yield log


def created(log, *rows, **options):
    """Create accounts none of which may be rejected."""
    outcome = log.create_many(rows, **options)
    assert outcome.rejected == []
    return outcome


def told(log):
    """All that it holds, but for the instants of recording: there is one for each transaction."""
    events = [plain_event(event) for event in log.events()]
    for event in events:
        if event["occurred_at"] == event["recorded_at"]:
            event["occurred_at"] = None
        del event["recorded_at"]
    return events, list(map(plain_account, log.accounts()))


IDS = st.sampled_from(("1", "2", "3")) | account_ids()
ROWS = st.lists(
    st.fixed_dictionaries(
        {"account_id": IDS}, optional={"profile": profiles(), "at": st.sampled_from((T0, T0 + DAY))}
    ),
    max_size=8,
)


@pytest.mark.laws
@STORE
@given(rows=ROWS, taken_back=st.sets(IDS, max_size=2), chunk=st.sampled_from((1, 3, 10_000)))
def test_it_is_as_if_each_had_been_created_by_itself(fresh_place, rows, taken_back, chunk):
    with (
        fresh_place() as place,
        fresh_place() as other_place,
        place.open(clock=MovableClock(NOW)) as log,
        other_place.open(clock=MovableClock(NOW)) as other,
        modlog.acting(SIGN_UP, correlation_id="import"),
    ):
        for one in (log, other):  # some have been there before
            for id_ in sorted(taken_back):
                position = one.create(id_).position
                one.revert(Selection(positions=position), batch_id=id_, reason="a mistake")
        outcome = log.create_many(rows, chunk=chunk)
        refused = []
        for line, row in enumerate(rows, 1):
            try:
                other.create(row["account_id"], row.get("profile"), occurred_at=row.get("at"))
            except RefusedError:
                refused.append(line)
        assert [one.line for one in outcome.rejected] == refused
        assert outcome.created == len(rows) - len(refused)
        assert_same(told(log), told(other))
        assert log.verify().ok


def test_the_envelope_is_that_of_the_call(log):
    with modlog.acting(WAN, reason="invited", metadata={"campaign": "spring"}):
        created(log, {"account_id": "1"}, {"account_id": "2", "at": T0}, batch_id="wave-1")
    one, other = log.events()
    for event in (one, other):
        assert (event.actor, event.reason, event.batch_id) == (WAN, "invited", "wave-1")
        assert event.metadata == {"campaign": "spring"}
    assert (one.occurred_at, other.occurred_at) == (NOW, T0)


def test_it_occurred_when_the_call_says_unless_a_row_does(log):
    created(log, {"account_id": "1"}, {"account_id": "2", "at": T0}, occurred_at=T0 + DAY)
    assert [event.occurred_at for event in log.events()] == [T0 + DAY, T0]


def test_one_that_exists_is_rejected_and_the_others_come_in(log):
    for id_ in ("2", "3"):
        log.create(id_)
    append(log, "3", AccountErased(), Envelope(actor=WAN, reason="asked for it"))
    outcome = log.create_many([{"account_id": id_} for id_ in ("1", "2", "3", "1", "4")])
    assert (outcome.created, outcome.total) == (2, 5)
    assert [(one.line, one.record) for one in outcome.rejected] == [
        (2, {"account_id": "2"}),
        (3, {"account_id": "3"}),
        (4, {"account_id": "1"}),
    ]
    exists, erased, twice = (one.reason for one in outcome.rejected)
    assert "exists already, at version 1" in exists
    assert "erased for good" in erased
    assert "stands in these rows already" in twice


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (7, "a row to create is a mapping"),
        ({}, "needs account_id"),
        ({"account_id": "1", "status": "active"}, "has no 'status'"),
        ({"account_id": "1", "profile": {"a": None}}, "cannot hold null"),
        ({"account_id": "1", "at": "soon"}, "ISO 8601"),
    ],
)
def test_a_bad_row_is_rejected(log, bad, told):
    (rejected,) = log.create_many([bad]).rejected
    assert told in rejected.reason
    with pytest.raises(ImportRejectedError, match="row 2 "):
        log.create_many([{"account_id": "1"}, bad], strict=True)
    assert log.head == 0


def test_somebody_must_be_named(place):
    with place.open() as log:
        with pytest.raises(MissingActorError, match=r"create_many\(\) needs an actor"):
            log.create_many([{"account_id": "1"}])
        assert log.head == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"rows": {"account_id": "1"}},
        {"rows": 7},
        {"chunk": 0},
        {"progress": 7},
        {"strict": 1},
        {"idempotency_key": "k"},
        {"expected_version": 0},
        {"reson": "x"},
        {"actor": "wan"},
    ],
)
def test_a_wrong_argument_writes_nothing(log, wrong):
    with pytest.raises(InvalidInputError):
        log.create_many(**{"rows": [{"account_id": "1"}]} | wrong)
    assert log.head == 0


def test_progress_and_chunks(log):
    seen: list[modlog.CreateOutcome] = []
    outcome = log.create_many(
        ({"account_id": str(n)} for n in range(5)), chunk=2, progress=seen.append
    )
    assert [one.created for one in seen] == [2, 4, 5]
    assert seen[-1] == outcome
    assert len({event.recorded_at for event in log.events()}) == 3


def test_it_is_part_of_a_transaction_that_is_open(log):
    with log.transaction():
        created(log, *({"account_id": str(n)} for n in range(4)), chunk=2)
        log.suspend("3", reason="spam")
    assert len({event.recorded_at for event in log.events()}) == 1
    assert log.account("3").status is Status.SUSPENDED


# Guardrails


def test_an_actor_whose_own_account_is_deleted_creates_nothing(log):
    log.create("boss")
    log.delete("boss", actor=WAN, reason="fraud")
    with pytest.raises(GuardrailError):
        log.create_many([{"account_id": "1"}], actor=Actor.human("boss", account_id="boss"))
    *_, refused = log.history("boss")
    assert (refused.type, refused.data["action"]) == ("action.refused", "create")
    assert log.count()[Status.ACTIVE] == 0


def test_the_platforms_own_rules_have_their_say(place):
    def no_bots(account, action):
        return "no-bots" if action == "create" and account.id.startswith("bot") else None

    with place.open(guardrails=Guardrails(rules=[no_bots])) as log, modlog.acting(SIGN_UP):
        outcome = log.create_many([{"account_id": id_} for id_ in ("1", "bot-1", "2")])
        assert (outcome.created, [one.line for one in outcome.rejected]) == (2, [2])
        assert "no-bots" in outcome.rejected[0].reason
        (refused,) = log.history("bot-1")
        assert (refused.type, refused.data["rule"]) == ("action.refused", "no-bots")
        assert log.verify().ok
    with place.open(guardrails=Guardrails.off()) as log, modlog.acting(SIGN_UP):
        assert log.create_many([{"account_id": "bot-1"}]).created == 1
