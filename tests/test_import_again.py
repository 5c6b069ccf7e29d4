"""A record with a key has one answer for ever: loading a file again changes nothing."""

from contextlib import ExitStack, nullcontext
from datetime import UTC, datetime, timedelta

import pytest
from attrs import asdict, frozen
from hypothesis import given
from hypothesis import strategies as st

from modlog import Actor, IdempotencyConflictError, ImportRejectedError, Status
from modlog._domain.decisions import Restore
from modlog._domain.events import AccountFlagged, AccountSuspended, Envelope
from modlog._services.requests import request_digest
from modlog.testing import MovableClock, commands
from tests.laws import STORE
from tests.likeness import assert_same, plain_account, plain_event
from tests.model import Model

T0 = datetime(2020, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
WAN = Actor.human("wan")


@pytest.fixture
def log(place):
    with place.open() as log:
        yield log


def record(do="delete", account_id="1", at=T0, **fields):
    return {"do": do, "account_id": account_id, "at": at, "actor": WAN} | fields


REBLOCK = [  # of an account whose first block lies before the file
    record("restore", key="1/lift"),
    record("suspend", key="1"),
]


def held(log):
    """Everything that a ledger says, in the words of the model."""
    return [plain_event(event) for event in log.events()], list(map(plain_account, log.accounts()))


# The law

FEW_IDS = ("1", "2")
# Equal instants are frequent, and so are refusals.
INSTANTS = st.sampled_from([T0 + days * DAY for days in (0, 0, 0, 1, 2)])
PLAIN = st.builds(
    lambda command, account_id: command | {"account_id": account_id},
    st.sampled_from(
        (
            {"do": "restore", "lifts": None},
            {"do": "suspend", "until": None},
            {"do": "delete"},
            {"do": "clear_flags", "flags": None},
            {"do": "create", "profile": {}},
        )
    ),
    st.sampled_from(FEW_IDS),
)
RECORDS = st.builds(
    lambda command, at: command | {"at": at, "actor": WAN},
    PLAIN | commands(st.sampled_from(FEW_IDS)),
    INSTANTS,
)
# Each has a key of its own but for a few, which are told twice or belong to two records.
FILES = st.lists(st.tuples(RECORDS, st.sampled_from((None,) * 6 + ("k", "l"))), max_size=12).map(
    lambda lines: [one | {"key": key or f"{n}"} for n, (one, key) in enumerate(lines)]
)
CHUNKS = st.lists(st.sampled_from((1, 2, 5, 10_000)), min_size=1, max_size=3)


@pytest.mark.laws
@STORE
@given(records=FILES, chunks=CHUNKS, on_refused=st.sampled_from(("reject", "note")))
def test_importing_any_number_of_times_equals_importing_once(
    fresh_place, records, chunks, on_refused
):
    clock = MovableClock()
    model = Model()
    plain = [one | {"actor": asdict(one["actor"])} for one in records]
    expected = model.ingest(plain, "file", chunks[0], clock(), on_refused)
    with fresh_place() as place, place.open(clock=clock) as log:
        first = log.ingest(records, "file", chunks[0], on_refused=on_refused)
        assert {name: getattr(first, name) for name in expected[0]} == expected[0]
        assert [one.line for one in first.rejected] == expected[1]
        assert_same(held(log), (model.events, model.accounts(model.now(clock()))))

        once = held(log)
        for chunk in chunks[1:]:
            clock.move(DAY / 24)
            again = log.ingest(records, "again", chunk, on_refused=on_refused)
            assert (again.recorded, again.created, again.noted) == (0, 0, 0)
            assert [(one.line, one.reason) for one in again.rejected] == [
                (one.line, one.reason) for one in first.rejected
            ]
            assert held(log)[0] == once[0]
        assert [one["sanctions"].keys() for one in held(log)[1]] == [
            one["sanctions"].keys() for one in once[1]
        ]
        assert log.verify().ok


@pytest.mark.laws
@STORE
@given(records=FILES, cut=st.integers(0, 12), chunk=st.integers(1, 4))
def test_a_part_of_a_file_and_then_the_whole_equals_the_whole(fresh_place, records, cut, chunk):
    clock = MovableClock()
    with ExitStack() as stack:
        one, other = (
            stack.enter_context(stack.enter_context(fresh_place()).open(clock=clock))
            for _ in range(2)
        )
        one.ingest(records, "file")
        other.ingest(records[:cut], "file", chunk)
        other.ingest(records, "file", chunk)

        def told(log):
            return [(e.account_id, e.version, e.type, e.data) for e in log.events()]

        assert told(one) == told(other)


# What was rejected


@pytest.mark.parametrize("chunk", [1, 10_000])
def test_a_rejected_record_stays_rejected(log, chunk):
    first = log.ingest(REBLOCK, chunk=chunk)
    again = log.ingest(REBLOCK, chunk=chunk)

    assert [event.type for event in log.history("1")] == ["account.created", "account.suspended"]
    assert log.account("1").status is Status.SUSPENDED
    assert (again.recorded, again.skipped, again.total) == (0, 1, 2)
    (before,), (rejected,) = first.rejected, again.rejected
    assert (before.known, rejected.known) == (False, True)
    assert (rejected.line, rejected.reason) == (before.line, before.reason)
    assert log.verify().ok


@pytest.mark.parametrize("chunk", [1, 10_000])
@pytest.mark.parametrize(
    ("refused", "word"),
    [
        (record("create", "there", key="k"), "exists already"),
        (record("clear_flags", key="k"), "no flag"),
        (record("restore", lifts=[7], key="k"), "no sanction"),
        (record("suspend", until=T0, key="k"), "until must be later"),
    ],
    ids=["create", "clear_flags", "restore", "suspend"],
)
def test_whatever_it_was_rejected_for(log, refused, word, chunk):
    log.create("there", actor=WAN)
    outcome = log.ingest([refused, record("flag", label="x"), refused], chunk=chunk)

    assert [one.line for one in outcome.rejected] == [1, 3]
    assert all(word in one.reason for one in outcome.rejected)
    assert [one.known for one in outcome.rejected] == [False, True]


def test_another_record_under_the_key_of_a_rejected_one_is_a_conflict(log):
    log.ingest(REBLOCK)
    (rejected,) = log.ingest([record("restore", at=T0 + DAY, key="1/lift")]).rejected

    assert "belongs to another request" in rejected.reason
    assert not rejected.known
    assert log.account("1").status is Status.SUSPENDED


@pytest.mark.parametrize("within", [False, True], ids=["alone", "in a transaction"])
@pytest.mark.parametrize("at", [T0, T0 + DAY], ids=["the same", "another"])
def test_a_command_under_the_key_of_a_rejected_record_is_told_so(log, at, within):
    log.ingest([record("restore", reason="why", key="k"), record("suspend")])

    told = pytest.raises(IdempotencyConflictError, match=r"import record that was rejected .*lift")
    with log.transaction() if within else nullcontext(), told:
        log.restore("1", actor=WAN, reason="why", occurred_at=at, idempotency_key="k")
    assert log.head == 2


def test_a_strict_import_keeps_no_key_of_a_chunk_that_it_refuses(log):
    with pytest.raises(ImportRejectedError):
        log.ingest(REBLOCK, strict=True)
    log.ingest([record("suspend", at=T0 - DAY)])

    assert log.ingest(REBLOCK, strict=True).recorded == 2


def test_a_strict_import_meets_a_key_that_was_rejected_before(log):
    log.ingest(REBLOCK)
    with pytest.raises(ImportRejectedError, match=r"record 1 .*no sanction in force"):
        log.ingest(REBLOCK, strict=True)


def test_an_import_that_is_given_up_keeps_no_key_either(log):
    def give_up(outcome):
        raise RuntimeError

    with pytest.raises(RuntimeError), log.transaction():
        log.ingest(REBLOCK, progress=give_up)
    log.ingest([record("suspend", at=T0 - DAY)])

    assert log.ingest(REBLOCK).recorded == 2


WITHOUT_ACTOR = {"do": "delete", "account_id": "1", "at": T0}


@pytest.mark.parametrize(
    ("wrong", "mended"),
    [
        (record("flag", label=""), record("flag", label="spam")),
        (record("ban"), record("suspend")),
        (record(at="yesterday"), record()),
        (WITHOUT_ACTOR, record()),
    ],
    ids=["argument", "command", "instant", "actor"],
)
def test_what_cannot_be_read_is_no_request_and_leaves_its_key_free(log, wrong, mended):
    for _ in range(2):
        (rejected,) = log.ingest([wrong | {"key": "k"}]).rejected
        assert not rejected.known
    assert log.ingest([mended | {"key": "k"}]).recorded == 1


def test_a_record_without_key_is_decided_each_time(log):
    outcomes = [log.ingest([record("restore"), record("suspend")]) for _ in range(2)]

    assert [one.recorded for one in outcomes] == [1, 2]


# The request that a key belongs to


def test_a_request_stays_the_same_when_a_command_gains_an_optional_argument():
    @frozen
    class Suspension(AccountSuspended):
        scope: str | None = None
        severity: int = 0
        parts: tuple[str, ...] = ()

    def digest(name, command):
        envelope = Envelope(actor=WAN, policy="spam", occurred_at=T0)
        return request_digest(name, "1", command, envelope, reason="why").hex()

    for until in (None, T0 + DAY):
        today = digest("suspend", AccountSuspended(until))
        assert digest("suspend", Suspension(until)) == today
        for more in ({"scope": "posts"}, {"severity": 1}, {"parts": ("a",)}, {"severity": False}):
            assert digest("suspend", Suspension(until, **more)) != today
    # As ledgers hold them: these never change.
    assert digest("suspend", AccountSuspended(T0 + DAY)) == "a0d8252380306b247710161040690e30"
    assert digest("restore", Restore()) == "0a3c186904d849c493fe709c822c161e"
    assert digest("flag", AccountFlagged("spam", 0.5)) == "a908861cc6878d632a2069c6f8badcbb"


def test_an_argument_that_is_left_out_and_one_that_is_none_are_the_same(log):
    log.ingest([record("suspend", key="k")])

    assert log.ingest([record("suspend", until=None, key="k")]).skipped == 1
