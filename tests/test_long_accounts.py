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


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_one_more_revert_in_a_chain_costs_the_same(kind):
    """Of the chain nothing is loaded: the database walks down it, event by event."""
    found = []
    with (
        places.fresh(kind) as place,
        place.open() as log,
        modlog.acting(ANN, reason="clean-up"),
    ):
        log.create("a")
        log.delete("a")
        for length in range(1, 151):
            with counted() as calls:
                revert(log, log.head)
            found.append(calls[0])
            assert log.account("a").status == ("active" if length % 2 else "deleted")
        assert log.verify().ok

    early, late = min(found[10:20]), min(found[140:])
    assert late <= 1.05 * early + 20, (early, late)
