"""Adoption: accounts that a platform has already come in as they are, however often it is run."""

import threading
from collections import UserDict
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

import modlog
from modlog import (
    Actor,
    AdoptOutcome,
    GuardrailError,
    Guardrails,
    ImportRejectedError,
    InvalidInputError,
    Selection,
    Status,
)
from modlog._domain.events import AccountErased, Envelope
from modlog.testing import MovableClock, account_ids, instants, profiles
from tests import places
from tests.laws import STORE
from tests.likeness import assert_same, plain_account, plain_event
from tests.recording import append
from tests.tracing import traced

NOW = datetime(2026, 3, 9, 12, tzinfo=UTC)
T0 = datetime(2020, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
WAN = Actor.human("wan")
SANCTIONS = {"suspended": "suspension", "deleted": "deletion"}


@pytest.fixture
def log(place):
    with place.open(clock=MovableClock(NOW)) as log:
        yield log


def row(account_id="1", status="active", at=T0, **more):
    return {"account_id": account_id, "status": status, "at": at} | more


def adopted(log, *rows, **options):
    """Adopt rows none of which may be rejected."""
    outcome = log.adopt(rows, **options)
    assert outcome.rejected == []
    return outcome


def rejection(log, bad, **options):
    """Adopt one row that must be rejected and leave nothing behind."""
    head = log.head
    outcome = log.adopt([bad], **options)
    assert (outcome.adopted, outcome.known, outcome.total, log.head) == (0, 0, 1, head)
    (rejected,) = outcome.rejected
    assert (rejected.line, rejected.record) == (1, bad)
    return rejected.reason


def held(log):
    """Everything that a ledger says, in the words of the model."""
    return [plain_event(event) for event in log.events()], list(map(plain_account, log.accounts()))


# The laws

IDS = st.sampled_from(("1", "2", "3", "4")) | account_ids()
ROWS = st.builds(
    lambda account_id, status, at, profile, until: (
        row(account_id, status, at if until is None or not at or at < until else None)
        | {"profile": profile}
        | ({"until": until} if status == "suspended" else {})
    ),
    IDS,
    st.sampled_from(("active", "suspended", "deleted")),
    st.none() | instants(),
    profiles(),
    st.sampled_from((None, NOW - DAY, NOW + timedelta(hours=1), NOW + DAY)),
)
TABLES = st.lists(ROWS, max_size=8)
CHUNKS = st.sampled_from((1, 2, 3, 10_000))


def first_of_each(rows):
    found: dict[str, dict] = {}
    for one in rows:
        found.setdefault(one["account_id"], one)
    return found


def assert_as_it_was(log, one, instant):
    """An account is as its row says, at an instant."""
    account = log.account(one["account_id"])
    begun = max(one["at"] or instant, instant)
    until = one.get("until")
    is_over = until is not None and until <= begun
    status = "active" if is_over else one["status"]
    assert account.status == status
    assert account.profile == one["profile"]
    assert [str(sanction.kind) for sanction in account.sanctions.values()] == [
        SANCTIONS[name] for name in (status,) if name in SANCTIONS
    ]
    for sanction in account.sanctions.values():
        assert (sanction.until, sanction.since) == (until, begun)
    created = log.history(one["account_id"])[0]
    assert created.occurred_at == (one["at"] or created.recorded_at)


@pytest.mark.laws
@STORE
@given(rows=TABLES, chunk=CHUNKS, again=CHUNKS)
def test_the_state_is_what_the_rows_say_however_often_they_come(fresh_place, rows, chunk, again):
    clock = MovableClock(NOW)
    table = first_of_each(rows)
    with fresh_place() as place, place.open(clock=clock) as log:
        foreseen = log.adopt(rows, chunk=10_000, dry_run=True)
        assert log.head == 0
        outcome = log.adopt(rows, batch_id=foreseen.batch_id, chunk=chunk)
        if chunk > len(rows):
            assert foreseen == outcome
        assert (outcome.adopted, outcome.total) == (len(table), len(rows))
        assert {account.id for account in log.accounts()} == table.keys()
        for one in table.values():
            recorded_at = log.history(one["account_id"])[0].recorded_at
            assert_as_it_was(log, one, recorded_at)
        assert outcome.suspended + outcome.deleted == sum(
            bool(account.sanctions) for account in log.accounts()
        )

        once = held(log)
        clock.move(60)
        repeated = log.adopt(rows, chunk=again)
        assert (repeated.adopted, repeated.known) == (0, len(rows))
        assert_same(held(log), once)
        assert list(log.reconcile(list(table.values()))) == []
        assert log.verify().ok
        log.rebuild()
        assert_same(held(log), once)


@pytest.mark.laws
@STORE
@given(rows=TABLES, chunk=CHUNKS, acts=st.lists(st.tuples(IDS, st.booleans()), max_size=4))
def test_what_happens_afterwards_is_left_alone(fresh_place, rows, chunk, acts):
    """An adoption, then history from elsewhere and commands, then the adoption once more."""
    clock = MovableClock(NOW)
    with fresh_place() as place, place.open(clock=clock) as log:
        log.adopt(rows, chunk=chunk)
        log.ingest(
            [
                {"do": "delete" if is_deletion else "note", "account_id": id_, "at": T0}
                | ({} if is_deletion else {"text": "x"})
                | {"actor": WAN}
                for id_, is_deletion in acts
            ]
        )
        before = held(log)
        differing = sum(
            log.account(one["account_id"]).status != one["status"]
            for one in rows
            if one.get("until") is None  # which may have ended
        )
        outcome = log.adopt([one for one in rows if one.get("until") is None], chunk=chunk)
        assert (outcome.adopted, outcome.differing) == (0, differing)
        assert_same(held(log), before)
        assert log.verify().ok


@pytest.mark.laws
@STORE
@given(rows=TABLES, chunk=CHUNKS)
def test_an_adoption_that_was_reverted_can_be_made_anew(fresh_place, rows, chunk):
    clock = MovableClock(NOW)
    table = first_of_each(rows)
    with fresh_place() as place, place.open(clock=clock) as log:
        log.adopt(rows, batch_id="wrong", chunk=chunk)
        if rows:
            log.revert(Selection(batch_id="wrong"), actor=WAN, reason="wrong column")
        assert list(log.accounts(status="active")) == []
        outcome = log.adopt(rows, batch_id="right", chunk=chunk)
        assert outcome.adopted == len(table)
        assert log.count()[Status.ABSENT] == 0
        for one in table.values():
            recorded_at = max(event.recorded_at for event in log.history(one["account_id"]))
            account = log.account(one["account_id"])
            assert account.profile == one["profile"]
            begun = max(one["at"] or recorded_at, recorded_at)
            is_over = one.get("until") is not None and one["until"] <= begun
            assert account.status == ("active" if is_over else one["status"])
        assert log.verify().ok


# What a row becomes


@pytest.mark.parametrize(
    ("status", "types"),
    [
        ("active", ["account.created"]),
        ("suspended", ["account.created", "account.suspended"]),
        ("deleted", ["account.created", "account.deleted"]),
    ],
)
def test_events(log, status, types):
    outcome = adopted(log, row(status=status, profile={"nickname": "Lei"}), batch_id="evening")
    events = log.history("1")
    assert [event.type for event in events] == types
    assert {event.batch_id for event in events} == {"evening"}
    assert {event.actor for event in events} == {Actor.system("adoption")}
    assert {event.reason for event in events} == {
        "adopted with evening: who decided what stands against it, and why, is not known"
    }
    assert events[0].occurred_at == T0
    assert {event.occurred_at for event in events[1:]} <= {NOW}
    assert log.account("1").status == status
    assert outcome == AdoptOutcome(
        batch_id="evening",
        adopted=1,
        suspended=status == "suspended",
        deleted=status == "deleted",
    )


def test_a_suspension_has_its_end(log):
    adopted(log, row(status="suspended", until=NOW + DAY), row("2", "suspended", until=None))
    assert log.account("1").sanctions[2].until == NOW + DAY
    assert log.account("2").sanctions[2].until is None


def test_a_suspension_that_has_ended_is_none(log):
    over = row(status="suspended", until=NOW)
    outcome = adopted(log, over, row("2", "suspended", until=T0 + DAY))
    assert (outcome.expired, outcome.suspended) == (2, 0)
    assert log.count()[Status.ACTIVE] == log.head == 2
    assert adopted(log, over).differing == 0


def test_values_may_be_text_or_objects(log):
    adopted(
        log,
        row(at="2020-01-01T08:00:00+08:00", status=Status.SUSPENDED, until="2099-01-01T00:00:00Z"),
        UserDict(row("2", at=None)),
    )
    assert log.history("1")[0].occurred_at == T0
    assert log.account("1").sanctions[2].until == datetime(2099, 1, 1, tzinfo=UTC)
    (created,) = log.history("2")
    assert created.occurred_at == created.recorded_at


def test_a_platform_whose_clock_is_ahead_imposes_nothing_before_the_account_is_there(log):
    ahead = NOW + timedelta(seconds=3)
    adopted(log, row(status="deleted", at=ahead), row("2", "suspended", ahead, until=ahead + DAY))
    assert {event.occurred_at for event in log.events()} == {ahead}
    assert log.as_of(ahead, clock="occurred").account("1").status is Status.DELETED
    assert log.verify().ok


def test_what_is_left_of_an_older_suspension_is_not_looked_at(log):
    adopted(log, row(until=NOW - DAY), row("2", "deleted", until=NOW + DAY))
    assert [account.status for account in log.accounts()] == ["active", "deleted"]
    assert [sanction.kind for sanction in log.account("2").sanctions.values()] == ["deletion"]


def test_the_owner_is_not_told_a_reason_that_nobody_gave(log):
    adopted(log, row(status="deleted"))
    (measure,) = log.statement("1").measures
    assert measure.reason is None


# Bad rows


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (7, "a row to adopt is a mapping, not 7"),
        (None, "is a mapping"),
        ("1,active", "is a mapping"),
        ({}, "needs account_id, at, status"),
        ({"account_id": "1", "status": "active"}, "needs at"),
        ({"account_id": "1", "at": T0}, "needs status"),
        (row(untill=T0), "has no 'untill'"),
        (row(7), "account_id must be text"),
        (row(""), "1 to 255 characters"),
        (row("a\0b"), "U+0000"),
        (row(at="2020-01-01 00:00:00"), "has no time zone"),
        (row(at=7), "at must be"),
        (row(at="soon"), "at must be ISO 8601"),
        (row(status="banned"), "status must be one of active, suspended, deleted, not 'banned'"),
        (row(status="erased"), "status must be one of"),
        (row(status=None), "status must be one of"),
        (row(status=["active"]), "status must be one of"),
        (row(status="suspended", until="soon"), "until must be"),
        (row(status="suspended", until=T0), "until must be later than at"),
        (row(until=NOW + DAY), "status says active, and until lies ahead"),
        (row(profile={"a": None}), "cannot hold null"),
        (row(profile={"a": Decimal(1)}), "JSON value"),
        (row(profile="Lei"), "a profile must be a mapping"),
    ],
)
@pytest.mark.parametrize("dry_run", [False, True])
def test_a_bad_row_is_rejected(log, bad, told, dry_run):
    assert told in rejection(log, bad, dry_run=dry_run)


def test_the_other_rows_of_its_chunk_come_in(log):
    outcome = log.adopt([row("1"), row("2", "banned"), row("3"), {}])
    assert [one.line for one in outcome.rejected] == [2, 4]
    assert (outcome.adopted, outcome.total) == (2, 4)
    assert [account.id for account in log.accounts()] == ["1", "3"]


def test_strictly_nothing_of_its_chunk_comes_in(log):
    rows = [row(str(number)) for number in range(6)]
    rows[4]["status"] = "banned"
    with pytest.raises(ImportRejectedError, match=r"row 5 .* 3 accounts before it were") as caught:
        log.adopt(rows, chunk=3, strict=True)
    assert caught.value.line == 5
    assert log.count()[Status.ACTIVE] == 3
    with pytest.raises(ImportRejectedError):
        log.adopt(rows, strict=True, dry_run=True)


@pytest.mark.parametrize(
    "wrong",
    [
        {"rows": row()},
        {"rows": "rows"},
        {"rows": 7},
        {"chunk": 0},
        {"chunk": True},
        {"progress": 7},
        {"strict": 1},
        {"dry_run": "yes"},
        {"batch_id": ""},
        {"actor": "wan"},
        {"reason": 7},
        {"reason": "\0"},
    ],
)
def test_a_wrong_argument_writes_nothing(log, wrong):
    with pytest.raises(InvalidInputError):
        log.adopt(**{"rows": [row()]} | wrong)
    assert log.head == 0


def test_what_the_rows_raise_is_the_callers(log):
    def broken():
        yield row("1")
        yield row("2")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        log.adopt(broken(), chunk=1)
    assert log.count()[Status.ACTIVE] == 2


# Again


def test_what_is_known_stays_as_it_is(log):
    log.create("1", actor=WAN, profile={"nickname": "Lei"})
    outcome = adopted(log, row("1", "deleted", profile={"nickname": "X"}), row("2"), row("1"))
    assert (outcome.adopted, outcome.known, outcome.differing) == (1, 2, 1)
    assert log.account("1").status is Status.ACTIVE
    assert log.account("1").profile == {"nickname": "Lei"}


@pytest.mark.parametrize("chunk", [1, 10])
def test_the_first_of_two_rows_counts(log, chunk):
    rows = row("1"), row("1", "deleted"), row("1")
    outcome = adopted(log, *rows, chunk=chunk)
    assert (outcome.adopted, outcome.known, outcome.differing) == (1, 2, 1)
    assert [event.type for event in log.events()] == ["account.created"]


def test_sign_ups_since_then_come_in(log):
    adopted(log, row("1"), batch_id="evening")
    outcome = adopted(log, row("1"), row("2"), batch_id="evening")
    assert (outcome.adopted, outcome.known) == (1, 1)
    assert len(list(log.events(Selection(batch_id="evening")))) == 2


def test_who_is_erased_stays_erased(log):
    adopted(log, row("1"))
    append(log, "1", AccountErased(), Envelope(actor=WAN, reason="asked for it"))
    head = log.head
    outcome = adopted(log, row("1"))
    assert (outcome.adopted, outcome.known, outcome.differing) == (0, 1, 1)
    assert log.head == head


# Who and why


def test_nothing_comes_from_acting(log):
    with modlog.acting(WAN, reason="go-live", batch_id="deploy", policy="p", metadata={"a": 1}):
        adopted(log, row(status="deleted"))
    for event in log.events():
        assert (event.actor, event.policy, dict(event.metadata)) == (
            Actor.system("adoption"),
            None,
            {},
        )
        assert event.batch_id.startswith("adoption-")
        assert event.reason.startswith("adopted with adoption-")


def test_what_is_said_explicitly_counts(log):
    old = Actor.system("the-old-system", version="7")
    adopted(log, row(), actor=old, reason="taken over")
    (event,) = log.history("1")
    assert (event.actor, event.reason) == (old, "taken over")


def test_it_leaves_nobody_without_deletions_for_an_hour(place):
    limits = Guardrails(deletions_per_hour=1)
    with place.open(guardrails=limits) as log, modlog.acting(WAN, reason="spam"):
        adopted(log, *(row(str(number), "deleted") for number in range(5)), row("6"))
        log.delete("6")


def test_an_actor_whose_own_account_is_deleted_adopts_nothing(log):
    adopted(log, row("boss", "deleted"))
    with pytest.raises(GuardrailError):
        log.adopt([row("2")], actor=Actor.human("boss", account_id="boss"))
    assert log.count()[Status.ACTIVE] == 0


# Chunks and transactions


def test_progress_and_chunks(log):
    seen: list[AdoptOutcome] = []
    outcome = log.adopt((row(str(n)) for n in range(5)), chunk=2, progress=seen.append)
    assert [one.adopted for one in seen] == [2, 4, 5]
    assert seen[-1] == outcome
    assert len({event.recorded_at for event in log.events()}) == 3


def test_rows_are_read_as_it_goes_on(log):
    heads = []

    def rows():
        for number in range(5):
            heads.append(log.head)
            yield row(str(number))

    log.adopt(rows(), chunk=2)
    assert heads == [0, 0, 2, 2, 4]


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])  # a ledger in memory is for one at a time
def test_a_dry_run_takes_no_lock(kind):
    """Somebody else is writing all the while."""
    with places.fresh(kind) as place, place.open() as log, place.open(lock_timeout=5) as other:
        found = []
        looking = threading.Thread(target=lambda: found.append(other.adopt([row()], dry_run=True)))
        with log.transaction():
            log.create("1", actor=WAN)
            looking.start()
            looking.join(10)
        assert [one.adopted for one in found] == [1]


def test_it_is_part_of_a_transaction_that_is_open(log):
    with log.transaction(dry_run=True):
        assert adopted(log, *(row(str(n)) for n in range(4)), chunk=2).adopted == 4
        assert log.account("3").status is Status.ACTIVE
    assert log.head == 0
    with log.transaction():
        log.create("0", actor=WAN)
        assert adopted(log, row("0"), row("1", "deleted")).known == 1
        log.restore("1", actor=WAN, reason="a mistake")
    assert [event.type for event in log.events()] == [
        "account.created",
        "account.created",
        "account.deleted",
        "account.restored",
    ]
    assert log.verify().ok


@pytest.mark.parametrize("again", [False, True])
def test_a_chunk_is_a_handful_of_statements(fresh_place, again):
    """However many rows it has: only what the database is told once for many of them grows."""
    counts = []
    for number in (300, 900):
        rows = [row(f"a{n}", "deleted" if n % 9 == 0 else "active") for n in range(number)]
        with fresh_place() as place, place.open() as log:
            if again:
                log.adopt(rows)
            with traced(log) as seen:
                log.adopt(rows)
        counts.append(len([sql for sql, _ in seen if not str(sql).startswith("INSERT")]))
    few, many = counts
    assert many <= few + 4
