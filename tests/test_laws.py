"""The laws of the ledger on every kind of store, over whole histories with reverts in them."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modlog import AccountErasedError, AccountNotFoundError, Actor, Guardrails, Selection
from modlog._domain.account import replay
from modlog._domain.values import to_micros
from modlog._storage.codec import ACT_COLUMNS, act_columns, data_texts, recorded_event
from modlog.testing import MovableClock, histories, recorded_events
from tests import model
from tests.laws import PURE, STORE
from tests.likeness import assert_same, plain_account, plain_event, plain_state
from tests.recording import draft_of, record

pytestmark = pytest.mark.laws

ID = "110018"
NOW = datetime(2027, 1, 1, tzinfo=UTC)
HISTORIES = histories(account_id=ID, erasures=True)


def plain_history(log):
    return [plain_event(event) for event in log.history(ID)]


def stored(log, *tables):
    """The raw rows of tables, as text."""
    with log._work.store.snapshot() as reader:
        return {
            table: sorted(
                repr(row)
                for row in reader.session.rows(
                    f"SELECT * FROM {log._work.store.database.table(table)}"
                )
            )
            for table in tables
        }


@STORE
@given(history=HISTORIES)
def test_the_projection_is_the_replay_of_the_log(fresh_place, history):
    """Law 1: the present is what the model makes of the events, and a rebuild changes nothing."""
    past = model.Model()
    past.events = [plain_event(event) for event in history]
    with fresh_place() as place, place.open(clock=lambda: NOW) as log:
        record(log, history)
        assert_same(plain_account(log.account(ID)), past.account(ID, NOW))
        assert_same([plain_account(one) for one in log.accounts()], past.accounts(NOW))
        assert dict(log.count()) == past.count(NOW)
        assert_same(plain_state(replay(log.history(ID))), past.state(ID))
        assert log.verify().findings == ()
        before = stored(log, "events", "accounts", "spans")
        log.rebuild()
        assert stored(log, "events", "accounts", "spans") == before


@STORE
@given(history=HISTORIES)
def test_every_history_is_read_as_it_was_written(fresh_place, history):
    """Law 9, for histories: the store gives each event the place that it has in the history."""
    with fresh_place() as place, place.open(clock=lambda: NOW) as log:
        record(log, history)
        assert_same(plain_history(log), [plain_event(event) for event in history])
        assert_same([plain_event(event) for event in log.events()], plain_history(log))


@STORE
@given(anything=st.lists(recorded_events(), min_size=1, max_size=5))
def test_every_event_is_read_as_it_was_written(fresh_place, anything):
    """Law 9, for events of every type with envelopes of every kind, those of sweeps included."""
    several = {  # a stream begins with its first version
        (one.account_id, one.account_id or one.batch_id, one.version): one
        for one in sorted(anything, key=lambda one: one.version)
    }
    with fresh_place() as place, place.open(clock=lambda: NOW) as log:
        with log._work.store.writing(NOW) as writer:
            writer.append([(draft_of(one), None, None) for one in several.values()])
        expected = [
            plain_event(one) | {"position": position, "recorded_at": NOW}
            for position, one in enumerate(several.values(), 1)
        ]
        assert_same([plain_event(one) for one in log.events()], expected)


@PURE
@given(one=recorded_events())
def test_a_row_holds_the_whole_event(one):
    """Law 9, in the codec alone."""
    recorded_at, occurred_at = to_micros(one.recorded_at), to_micros(one.occurred_at)
    act = dict(zip(ACT_COLUMNS, act_columns(1, 0, one.type, draft_of(one).envelope), strict=True))
    stream = ("sweep", one.batch_id) if one.account_id is None else ("account", one.account_id)
    texts = (act["metadata"], *data_texts(one.event))
    row = (
        *(one.position, recorded_at, occurred_at, one.version, act["schema"], act["confidence"]),
        *(*stream, one.type, act["actor_kind"], act["actor_id"], act["actor_version"]),
        *(act["actor_account_id"], act["reason"], act["policy"], act["batch_id"]),
        *(act["correlation_id"], *texts),
    )
    assert_same(plain_event(recorded_event(row)), plain_event(one))
    for text in texts:
        data = json.loads(text or "{}")
        sorted_keys = json.dumps(data, sort_keys=True, separators=(",", ":"))
        assert json.dumps(data, separators=(",", ":")) == sorted_keys


@STORE
@given(history=histories(account_id=ID, max_size=10), cut=st.integers(1, 9))
def test_the_past_stays_as_it_was(fresh_place, history, cut):
    """Laws 5 and 6: what comes later changes neither earlier events nor what they added up to."""
    instants = sorted({event.recorded_at for event in history})
    end = instants[cut % len(instants)]
    earlier = [event for event in history if event.recorded_at <= end]
    with fresh_place() as place, place.open(clock=lambda: NOW) as log:
        record(log, earlier)
        rows = stored(log, "events")["events"]
        state = plain_state(replay(log.events(Selection(up_to_position=len(earlier)))))
        view = plain_account(log.as_of(len(earlier)).account(ID))
        record(log, history, after=len(earlier))
        assert set(rows) <= set(stored(log, "events")["events"])
        again = replay(log.events(Selection(up_to_position=len(earlier))))
        assert_same(plain_state(again), state)
        assert_same(plain_account(log.as_of(len(earlier)).account(ID)), view)
        assert_same(plain_account(log.as_of(end).account(ID)), view)


@STORE
@given(history=HISTORIES)
def test_a_restore_straight_after_a_delete_gives_the_account_back(fresh_place, history):
    """Law 7, with commands; on an account that is not there, both are refused."""
    clock = MovableClock(NOW)
    given = {"actor": Actor.human("wan"), "reason": "by mistake"}
    with fresh_place() as place, place.open(clock=clock, guardrails=Guardrails.off()) as log:
        record(log, history)
        before = plain_account(log.account(ID))
        if before["status"] in ("absent", "erased"):
            for command in (log.delete, log.restore):
                with pytest.raises((AccountNotFoundError, AccountErasedError)):
                    command(ID, **given)
            assert log.head == len(history)
            return
        deleted = log.delete(ID, **given)
        assert log.account(ID).status == "deleted"
        log.restore(ID, lifts=[deleted.version], **given)
        after = plain_account(log.account(ID))
        assert_same(after | {"version": before["version"]}, before)
        log.delete(ID, **given)
        log.restore(ID, **given)
        everything = plain_account(log.account(ID))
        for kept in ("profile", "flags", "protected"):
            assert_same(everything[kept], before[kept])
        assert log.verify().findings == ()
