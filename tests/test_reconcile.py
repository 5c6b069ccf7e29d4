"""A platform's own table beside the ledger: all that they do not agree on, and nothing else."""

from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

import modlog
from modlog import Actor, Difference, InvalidInputError, Selection, Status
from modlog._domain.events import AccountErased, Envelope
from modlog.testing import MovableClock
from tests.laws import STORE
from tests.recording import append

NOW = datetime(2026, 3, 9, 12, tzinfo=UTC)
DAY = timedelta(days=1)
WAN = Actor.human("wan")


@pytest.fixture
def log(place):
    with place.open(clock=MovableClock(NOW)) as log, modlog.acting(WAN, reason="spam"):
        yield log


def row(account_id="1", status="active", **more):
    return {"account_id": account_id, "status": status} | more


def found(log, *rows, **options):
    """Each difference in short: what it is, of which account, here and there."""
    return [
        (one.kind, one.account_id, one.here, one.there) for one in log.reconcile(rows, **options)
    ]


# The law

NAMES = tuple("abcdefgh")
ENDS = (None, NOW - DAY, NOW + DAY, NOW + 2 * DAY)
ACTS = st.lists(
    st.tuples(
        st.sampled_from(NAMES),
        st.sampled_from(("create", "delete", "suspend", "restore", "take back", "erase")),
        st.sampled_from((None, NOW + DAY, NOW + 2 * DAY)),
    ),
    max_size=12,
)
TABLE = st.dictionaries(
    st.sampled_from(NAMES),
    st.tuples(
        st.sampled_from(("active", "suspended", "deleted")), st.booleans(), st.sampled_from(ENDS)
    ),
)


def act(log, name, do, until):
    if do == "create":
        log.create(name)
    elif do == "delete":
        log.delete(name)
    elif do == "suspend":
        log.suspend(name, until)
    elif do == "restore":
        log.restore(name)
    elif do == "take back":
        log.revert(Selection(account_id=name))
    else:
        append(log, name, AccountErased(), Envelope(actor=WAN, reason="asked for it"))


def expected(log, table, hard_deletes):
    """By the accounts as the ledger tells of them one by one."""
    here = {one.id: one for one in log.accounts() if one.status != "absent"}
    differences: Counter[tuple[str, str]] = Counter()
    for name, (told, tells_until, until) in table.items():
        is_over = told == "suspended" and until is not None and until <= NOW
        status = "active" if is_over else told
        if name not in here:
            differences["unknown here", name] += 1
            continue
        account = here[name]
        if account.status != status:
            if (account.status, status) != ("erased", "deleted"):
                differences["status", name] += 1
        elif status == "suspended" and tells_until:
            ends = [one.until for one in account.sanctions.values() if one.in_force]
            end = None if None in ends else max(ends)
            differences["until", name] += end != until
    for name, account in here.items():
        is_gone = account.status == "erased" or (hard_deletes and account.status == "deleted")
        differences["unknown there", name] += name not in table and not is_gone
    return +differences


@pytest.mark.laws
@STORE
@given(acts=ACTS, table=TABLE, order=st.randoms(use_true_random=False), hard_deletes=st.booleans())
def test_it_finds_all_that_differs_whatever_the_order(
    fresh_place, acts, table, order, hard_deletes
):
    with (
        fresh_place() as place,
        place.open(clock=MovableClock(NOW)) as log,
        modlog.acting(WAN, reason="spam"),
    ):
        for one in acts:
            with suppress(modlog.RefusedError, modlog.AccountNotFoundError):
                act(log, *one)
        rows = [
            row(name, status, **({"until": until} if tells_until or until else {}))
            for name, (status, tells_until, until) in table.items()
        ]
        table = {
            name: (status, tells_until or until is not None, until)
            for name, (status, tells_until, until) in table.items()
        }
        order.shuffle(rows)
        head = log.head
        reconciliation = log.reconcile(rows, hard_deletes=hard_deletes)
        differences = Counter((one.kind, one.account_id) for one in reconciliation)
        assert differences == expected(log, table, hard_deletes)
        assert reconciliation.same == (not differences)
        assert reconciliation.counts.total() == differences.total()
        assert (reconciliation.total, reconciliation.head, log.head) == (len(rows), head, head)


# What it says


def test_the_same(log):
    log.create("1")
    log.create("2")
    log.delete("2")
    reconciliation = log.reconcile([row("2", "deleted"), row("1")])
    assert list(reconciliation) == []
    assert (reconciliation.same, reconciliation.total) == (True, 2)


def test_each_difference_says_what_there_is_to_say(log):
    for id_ in ("1", "2", "3"):
        log.create(id_)
    log.suspend("1", NOW + DAY)
    log.delete("2")
    rows = [
        row("1", "suspended", until=NOW + 2 * DAY),
        row("2", "suspended", until=None),
        row("4", "deleted"),
    ]
    assert list(log.reconcile(rows)) == [
        Difference(
            kind="until",
            account_id="1",
            here=Status.SUSPENDED,
            there=Status.SUSPENDED,
            here_until=NOW + DAY,
            there_until=NOW + 2 * DAY,
            line=1,
        ),
        Difference(
            kind="status", account_id="2", here=Status.DELETED, there=Status.SUSPENDED, line=2
        ),
        Difference(kind="unknown here", account_id="4", there=Status.DELETED, line=3),
        Difference(kind="unknown there", account_id="3", here=Status.ACTIVE),
    ]


def test_the_rows_of_an_adoption_will_do(log):
    rows = [row(str(n), at=None, profile={"n": n}, until=None) for n in range(3)]
    log.adopt(rows)
    assert log.reconcile(rows).same


def test_an_end_is_compared_only_where_the_row_tells_one(log):
    log.create("1")
    log.suspend("1", NOW + DAY)
    assert found(log, row(status="suspended")) == []
    assert found(log, row(status="suspended", until=NOW + DAY)) == []
    assert found(log, row(status="suspended", until=None)) == [
        ("until", "1", "suspended", "suspended")
    ]


def test_the_last_of_several_suspensions_is_the_end(log):
    log.create("1")
    for days in (2, 3, 1):
        log.suspend("1", NOW + days * DAY)
    assert found(log, row(status="suspended", until=NOW + 3 * DAY)) == []
    log.suspend("1")
    assert found(log, row(status="suspended", until=None)) == []


def test_a_platform_may_have_no_rows_of_those_it_has_deleted(log):
    for id_ in ("1", "2"):
        log.create(id_)
    log.delete("1")
    assert found(log, row("2")) == [("unknown there", "1", "deleted", None)]
    assert found(log, row("2"), hard_deletes=True) == []


def test_who_is_erased_agrees_with_a_deleted_row_and_with_none(log):
    log.create("1")
    append(log, "1", AccountErased(), Envelope(actor=WAN, reason="asked for it"))
    assert found(log) == []
    assert found(log, row(status="deleted")) == []
    assert found(log, row()) == [("status", "1", "erased", "active")]


def test_one_whose_creation_was_taken_back_is_unknown_here(log):
    created = log.create("1")
    log.revert(Selection(positions=created.position))
    assert found(log) == []
    assert found(log, row()) == [("unknown here", "1", None, "active")]


@pytest.mark.parametrize(
    ("bad", "account_id", "told"),
    [
        (row(status="banned"), "1", "status must be one of"),
        (row(status="suspended", until="soon"), "1", "until must be"),
        ({"account_id": "1"}, "1", "needs status"),
        ({"status": "active"}, None, "needs account_id"),
        (row(7), None, "must be text"),
        (7, None, "a row to compare is a mapping"),
    ],
)
def test_a_row_that_cannot_be_read_is_told(log, bad, account_id, told):
    log.create("1")
    unreadable, *others = log.reconcile([row("2"), bad])
    assert (unreadable.kind, unreadable.account_id, unreadable.line) == (
        "unreadable",
        account_id,
        2,
    )
    assert told in unreadable.reason
    # Whoever stands in such a row is not unknown there as well.
    assert [one.kind for one in others] == ["unknown here"] + ["unknown there"] * (not account_id)


def test_it_is_the_ledger_of_one_moment(log):
    """What is recorded while the comparison goes on is left out."""
    for number in range(3):
        log.create(str(number))

    def rows():
        for number in range(3):
            log.delete(str(number))
            log.create(f"new-{number}")
            yield row(str(number))

    assert list(log.reconcile(rows())) == []


def test_differences_come_while_rows_are_read(log):
    seen: list[modlog.Reconciliation] = []
    log.create("1")
    reconciliation = log.reconcile((row(str(n)) for n in range(2)), progress=seen.append)
    assert seen == []
    assert next(reconciliation).account_id == "0"
    assert list(reconciliation) == []
    assert seen == [reconciliation]


@pytest.mark.parametrize(
    "wrong", [{"rows": row()}, {"rows": 7}, {"hard_deletes": 1}, {"progress": 7}]
)
def test_a_wrong_argument(log, wrong):
    with pytest.raises(InvalidInputError):
        log.reconcile(**{"rows": []} | wrong)


def test_accounts_are_ticked_off_by_a_bit(place):
    """More than a page of them, and positions that share no byte with their neighbours."""
    with place.open() as log, modlog.acting(WAN, reason="spam"):
        rows = [row(f"{number:05}", at=None) for number in range(2_500)]
        log.adopt(rows)
        missing = {0, 7, 8, 999, 1_000, 1_001, 2_499}
        kept = [one for number, one in enumerate(rows) if number not in missing]
        assert [one.account_id for one in log.reconcile(reversed(kept))] == [
            rows[number]["account_id"] for number in sorted(missing)
        ]
