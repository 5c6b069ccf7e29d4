"""What became of a command, by its idempotency key."""

import threading
import time
from itertools import count

import pytest

import modlog
from modlog import Actor, OutcomeUnknownError
from tests.cutting import cutter
from tests.test_terminations import connected_again

ANN = Actor.human("ann")


@pytest.fixture(autouse=True)
def somebody():
    with modlog.acting(ANN, reason="clean-up"):
        yield


@pytest.fixture
def log(place):
    with place.open() as log:
        log.create("a", idempotency_key="made")
        yield log


def test_a_key_leads_to_what_was_recorded(log):
    noted = log.note("a", "x", idempotency_key="noted")

    assert log.settle("noted") == noted
    assert log.settle("made") == log.history("a")[0]
    assert log.settle("noted") == noted  # asking leaves no trace
    assert log.head == 2


def test_nothing_is_recorded_under_a_key_that_nobody_used(log):
    assert log.settle("other") is None


def test_a_refused_command_has_left_nothing(log):
    with pytest.raises(modlog.AccountExistsError):
        log.create("a", idempotency_key="again")

    assert log.settle("again") is None


def test_a_rejected_record_has_left_nothing(log):
    record = {"do": "create", "account_id": "a", "at": "2020-01-01T00:00:00Z", "key": "rejected"}
    assert log.ingest([record]).rejected

    assert log.settle("rejected") is None


def test_what_is_under_way_is_waited_for(log):
    begun, asked = threading.Event(), threading.Event()

    def note():
        with modlog.acting(ANN), log.transaction():
            log.note("a", "x", idempotency_key="slow")
            begun.set()
            asked.wait()
            time.sleep(0.1)

    thread = threading.Thread(target=note)
    thread.start()
    begun.wait()
    asked.set()
    event = log.settle("slow")
    thread.join()
    assert event == log.history("a")[-1]


def test_a_transaction_sees_its_own(log):
    with log.transaction():
        event = log.note("a", "x", idempotency_key="own")
        assert log.settle("own") == event


@pytest.mark.parametrize("key", ["", None, 7, "\0"])
def test_what_is_no_key_is_refused(log, key):
    with pytest.raises(modlog.InvalidInputError):
        log.settle(key)


def test_a_connection_that_breaks_while_committing(postgres_url, schema):
    with (
        modlog.open(postgres_url, schema=schema, create=True) as onlooker,
        cutter(postgres_url) as proxy,
        modlog.open(f"{proxy.url}&prepare_threshold=none", schema=schema) as log,
    ):
        onlooker.create("a")
        unknown = 0
        for message in count(1):
            connected_again(log)
            proxy.cut_after(message)
            key = f"k{message}"
            try:
                log.note("a", key, idempotency_key=key)
            except OutcomeUnknownError:
                unknown += 1
            except modlog.StoreUnavailableError:
                assert onlooker.settle(key) is None
            noted = {event.data.get("text"): event for event in onlooker.history("a")}
            assert onlooker.settle(key) == noted.get(key)
            if not proxy.has_cut:
                break
        assert unknown
