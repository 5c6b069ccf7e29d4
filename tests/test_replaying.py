"""Each bucket of an archive answers for its accounts, and all together as the ledger does."""

import copy
import pickle
from datetime import UTC, datetime, timedelta
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

import modlog
from modlog import Account, Actor, ArchiveError, ImpactLine, InvalidInputError, Selection
from modlog._services.archive.looking import Looking
from modlog._services.archive.places import place_of
from modlog._services.archive.reading import Dataset, dataset_of
from modlog._services.archive.replaying import accounts_at, buckets_of, impact_lines
from modlog.testing import MovableClock, histories
from tests import places
from tests.recording import record
from tests.test_duckdb import ANN, BOB, START, live


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def both(request):
    """A ledger, and its archive."""
    clock = MovableClock(START)
    with (
        places.fresh(request.param) as place,
        place.open(clock=clock) as log,
        TemporaryDirectory() as folder,
    ):
        live(log, clock)
        log.archive(folder, buckets=3)
        yield log, dataset_of(place_of(folder), None)


def accounts_in(
    dataset: Dataset, moment: int | datetime | None = None, without: Selection | None = None
) -> dict[str, Account]:
    position, at = dataset.moment(moment)
    buckets = (accounts_at(dataset, one, position, at, without) for one in buckets_of(dataset))
    return {account.id: account for bucket in buckets for account in bucket}


def accounts_of(view: modlog.View) -> dict[str, Account]:
    return {account.id: account for account in view.accounts()}


def selections(log: modlog.ModLog) -> list[Selection]:
    middle = next(one for one in log.events() if one.position == log.head // 2)
    return [
        Selection(actor=BOB),
        Selection(actor=Actor.human("bob")),
        Selection(batch_id=["b1", "b2", "b3"]),
        Selection(type="events.reverted"),
        Selection(policy="spam", since=middle.recorded_at),
        Selection(until=middle.recorded_at),
        Selection(occurred_since=START + timedelta(hours=9)),
        Selection(occurred_until=START),
        Selection(account_id=["a1", "a2", "nobody"]),
        Selection(positions=[1, 50, 51]),
        Selection(after_position=100),
        Selection(),
    ]


class TestAccounts:
    def test_at_each_position(self, both):
        log, dataset = both
        for position in (*range(0, log.head + 1, 9), log.head):
            assert accounts_in(dataset, position) == accounts_of(log.as_of(position))

    def test_at_each_instant(self, both):
        log, dataset = both
        for event in [*log.events()][::11]:
            for shift in (-1, 0, 1):
                instant = event.recorded_at + timedelta(microseconds=shift)
                assert accounts_in(dataset, instant) == accounts_of(log.as_of(instant))
        later = START + timedelta(days=999)
        assert accounts_in(dataset, later) == accounts_of(log.as_of(later))

    def test_without_some_events(self, both):
        log, dataset = both
        for position in (log.head, 2 * log.head // 3):
            for selection in selections(log):
                view = log.as_of(position).without(selection)
                assert accounts_in(dataset, position, selection) == accounts_of(view)

    def test_at_moments_that_are_none(self, both):
        log, dataset = both
        wrong: list = [-1, log.head + 1, True, "yesterday", 1.0, datetime(2026, 1, 1)]  # noqa: DTZ001
        for moment in wrong:
            with pytest.raises(InvalidInputError):
                dataset.moment(moment)


def test_the_impact_is_the_ledger_s(both):
    log, dataset = both
    _, at = dataset.moment(None)
    for selection in selections(log):
        found: list[ImpactLine] = []
        for bucket in buckets_of(dataset):
            found += impact_lines(dataset, bucket, selection, at)
        lines = log.impact(selection).lines()
        by_id = sorted(lines, key=lambda line: line.account_id)
        assert sorted(found, key=lambda line: line.account_id) == by_id


@pytest.mark.laws
@given(
    st.lists(histories(erasures=True, max_size=12), min_size=1, max_size=3),
    st.integers(1, 4),
    st.data(),
)
def test_whatever_the_histories(found, buckets, data):
    clock = MovableClock(datetime(9999, 1, 1, tzinfo=UTC))
    by_account = {history[0].account_id: history for history in found if history}
    with TemporaryDirectory() as folder, modlog.open("sqlite://", clock=clock) as log:
        for history in by_account.values():
            shift = log.head and max(one.recorded_at for one in log.events())
            if shift and history[0].recorded_at <= shift:
                continue  # of another time, in which the log already was
            record(log, history)
        if not log.head:
            return
        log.archive(folder, buckets=buckets)
        dataset = dataset_of(place_of(folder), None)
        position = data.draw(st.integers(0, log.head))
        chosen = data.draw(st.sets(st.integers(1, log.head), min_size=1))
        without = data.draw(st.none() | st.just(Selection(positions=chosen)))
        view = log.as_of(position)
        view = view if without is None else view.without(without)
        assert accounts_in(dataset, position, without) == accounts_of(view)


class TestLooking:
    def test_what_is_found_in_buckets_adds_up(self, both):
        log, dataset = both
        whole = Looking(dataset)
        for bucket in buckets_of(dataset):
            part = Looking(dataset)
            part.look_at_bucket(bucket)
            part.replay_bucket(bucket)
            whole.join(part.as_dict())
        whole.look_at_sums()
        assert whole.findings == []
        assert whole.events == log.head

    def test_a_bucket_that_is_left_out_is_found(self, both):
        _, dataset = both
        looking = Looking(dataset)
        for bucket in list(buckets_of(dataset))[1:]:
            looking.look_at_bucket(bucket)
        looking.look_at_sums()
        assert "do not have each position" in looking.findings[0].message


def test_a_selection_is_the_same_in_another_process():
    selection = Selection(actor=ANN, since=START)
    sent = pickle.loads(pickle.dumps(selection))  # noqa: S301  ours
    for other in (sent, copy.deepcopy(selection)):
        assert list(other.given()) == list(selection.given())
        assert other == selection


def test_a_file_that_is_gone(tmp_path):
    with modlog.open("sqlite://") as log:
        log.create("a", actor=ANN)
        log.archive(tmp_path / "archive")
    dataset = dataset_of(place_of(tmp_path / "archive"), None)
    (file,) = (tmp_path / "archive" / "events").rglob("*.parquet")
    file.unlink()
    with pytest.raises(ArchiveError, match="was taken away"):
        accounts_in(dataset)
