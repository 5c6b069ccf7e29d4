"""What is done to an account costs what it touches, however much stands and has happened there.

Held by counts, not times: the functions that Python calls, and what the database reads.
"""

import pytest

import modlog
from modlog import Actor, Selection
from tests import places
from tests.test_calls import START, counted
from tests.test_plans import rows_read

ANN = Actor.human("ann")
FEW, MANY = 20, 4_000


def revert(log, position):
    log.revert(Selection(positions=[position]))


# Each is done to an account with sanctions under the versions from 2 on.
DONE = {
    "note": lambda log: log.note("a", "x"),
    "flag": lambda log: log.flag("a", "spam"),
    "suspend": lambda log: log.suspend("a"),
    "delete": lambda log: log.delete("a"),
    "change_profile": lambda log: log.change_profile("a", {"k": 1}),
    "restore of one": lambda log: log.restore("a", lifts=[7]),
    "clear_flags": lambda log: log.clear_flags("a"),
    "revert of one": lambda log: revert(log, 5),
    "revert of that": lambda log: revert(log, log.head),
    "revert of that revert": lambda log: revert(log, log.head),
}


def costs(kind, sanctions) -> dict[str, tuple[int, int]]:
    """Of each, the calls in Python, and the steps or rows of the database."""
    suspension = {"do": "suspend", "account_id": "a", "at": START, "actor": ANN}
    found = {}
    with (
        places.fresh(kind) as place,
        place.open() as log,
        modlog.acting(ANN, reason="clean-up"),
    ):
        log.create("a")
        log.ingest(suspension for _ in range(sanctions))
        for name, do in DONE.items():
            with rows_read(log) as read, counted() as calls:
                do(log)
            found[name] = (calls[0], len(read))
        assert len(log.account("a").sanctions) == sanctions
        assert log.verify().ok
    return found


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_command_costs_the_same_with_many_sanctions(kind):
    costs(kind, FEW)  # what is found out once is found out here
    few, many = (costs(kind, number) for number in (FEW, MANY))

    for name, (calls, read) in few.items():
        assert many[name][0] <= 1.05 * calls + 20, (name, few, many)
        assert many[name][1] <= 1.05 * read + 10, (name, few, many)


def deleted_and_restored(log):
    log.delete("a")
    log.restore("a")


def flagged_and_cleared(log):
    log.flag("a", "spam")
    log.clear_flags("a")


# What chains of reverts begin with, and what happens between their links. Whatever changes the
# profile is replayed, for no span tells what it was.
BASES = {
    "a deletion": lambda log: log.delete("a"),
    "a suspension": lambda log: log.suspend("a"),
    "a flag": lambda log: log.flag("a", "spam"),
    "a restore": deleted_and_restored,
    "a clearing of flags": flagged_and_cleared,
    "a protection": lambda log: log.protect("a"),
}
BETWEEN = {
    "nothing": lambda log: None,
    "notes": lambda log: log.note("a", "x"),
    "flags": lambda log: log.flag("a", "nudity"),
    "profiles": lambda log: log.change_profile("a", {"k": log.head}),
}


def what_stands(log):
    """What of an account chains of these are about."""
    account = log.account("a")
    labels = [label for label in account.flags.values() if label == "spam"]
    return account.status, labels, account.protected, list(account.sanctions)


@pytest.mark.parametrize(
    ("base", "between"),
    sorted({*((base, "notes") for base in BASES), *(("a deletion", name) for name in BETWEEN)}),
)
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_one_more_revert_in_a_chain_costs_the_same(kind, base, between):
    """Of the chain nothing is loaded: the database walks down it, event by event."""
    found = []
    with (
        places.fresh(kind) as place,
        place.open() as log,
        modlog.acting(ANN, reason="clean-up"),
    ):
        log.create("a")
        BASES[base](log)
        last, after = log.head, what_stands(log)
        revert(log, last)
        without = what_stands(log)
        assert without != after
        for length in range(2, 52):
            last = log.head
            BETWEEN[between](log)
            with counted() as calls:
                revert(log, last)
            found.append(calls[0])
            assert what_stands(log) == (without if length % 2 else after)
        assert log.verify().ok

    early, late = min(found[5:10]), min(found[45:])
    assert late <= 1.05 * early + 20, (early, late)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_accounts_of_one_batch_go_to_and_fro_together(kind):
    """Chains of many accounts, some of them of events that only a replay tells of."""
    with places.fresh(kind) as place, place.open() as log, modlog.acting(ANN, reason="clean-up"):
        ids = [f"a{n}" for n in range(4)]
        for id_ in ids:
            log.create(id_, profile={"k": 0})
        for id_, do in zip(ids, (log.delete, log.protect, log.suspend, log.delete), strict=True):
            do(id_, batch_id="b0")
        log.change_profile("a3", {"k": 1}, batch_id="b0")
        after = [states(log, id_) for id_ in ids]
        log.revert(Selection(batch_id="b0"), batch_id="b1")
        without = [states(log, id_) for id_ in ids]
        for length in range(2, 6):
            log.note("a0", "x")
            log.revert(Selection(batch_id=f"b{length - 1}"), batch_id=f"b{length}")
            expected = without if length % 2 else after
            assert [states(log, id_) for id_ in ids] == expected
        assert log.verify().ok


def states(log, account_id):
    account = log.account(account_id)
    return account.status, account.profile, list(account.sanctions), account.protected
