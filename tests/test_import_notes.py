"""Records that the state of their account refuses, kept as notes."""

import json
from collections import UserDict
from datetime import UTC, datetime, timedelta

import pytest

import modlog
from modlog import Actor, Status
from modlog._domain.events import AccountErased, Envelope, EventsReverted
from tests.recording import append

T0 = datetime(2020, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
WAN = Actor.human("wan")


@pytest.fixture
def log(place):
    with place.open() as log:
        yield log


def record(do="restore", account_id="1", at=T0, **fields):
    return {"do": do, "account_id": account_id, "at": at, "actor": WAN} | fields


def noted(log, *records):
    outcome = log.ingest(records, on_refused="note")
    assert (outcome.rejected, outcome.noted) == ([], 1)
    return log.history(records[-1]["account_id"])[-1]


GIVEN = {
    "reason": "because",
    "policy": "a-rule",
    "confidence": 0.5,
    "correlation_id": "ticket",
    "batch_id": "its-own",
}


def test_a_note_carries_the_record_whole_with_who_and_when(log):
    asked = {
        "do": "restore",
        "account_id": "1",
        "at": "2020-01-01T01:00:00+01:00",
        "actor": {"kind": "bot", "id": "b", "version": "2"},
        "key": "長",
        **GIVEN,
    }
    log.create("1", actor=WAN)
    note = noted(log, asked)

    assert note.type == "account.noted"
    assert note.data["text"] == json.dumps(
        asked, sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    assert (note.actor, note.occurred_at) == (Actor.bot("b", version="2"), T0)
    assert {name: getattr(note, name) for name in GIVEN} == GIVEN


def test_what_a_note_carries_can_be_loaded_elsewhere(log):
    actor = Actor.model("m", version="1", account_id="2")
    asked = UserDict(record(at=T0 + DAY, actor=actor, lifts={3, 2}, key="k"))
    note = noted(log, asked)

    with modlog.open("sqlite://") as elsewhere:
        before = [record("delete"), record("suspend")]
        outcome = elsewhere.ingest([*before, json.loads(note.data["text"]), asked])
        restored = elsewhere.history("1")[-1]
    assert (outcome.recorded, outcome.skipped) == (3, 1)
    assert restored.data == {"lifts": [2, 3]}
    assert (restored.actor, restored.occurred_at) == (actor, T0 + DAY)


@pytest.mark.parametrize(
    "refused",
    [
        record(),
        record(lifts=[7]),
        record("clear_flags"),
        record("clear_flags", flags=[9]),
        record("create", profile={"nickname": "Lei"}),
    ],
    ids=["restore", "restore one", "clear_flags", "clear one flag", "create"],
)
def test_a_note_changes_nothing(log, refused):
    log.create("1", profile={"a": 1}, actor=WAN)
    before = log.account("1")
    note = noted(log, refused)

    assert note.data["text"].startswith('{"account_id":"1"')
    after = log.account("1")
    assert (after.status, after.profile, after.version) == (before.status, before.profile, 2)
    assert log.verify().ok


def test_an_account_that_was_not_seen_before_is_opened(log):
    outcome = log.ingest([record()], on_refused="note", batch_id="march")

    assert (outcome.recorded, outcome.created, outcome.noted, outcome.total) == (1, 1, 1, 1)
    opening, note = log.history("1")
    assert (opening.type, opening.actor) == ("account.created", Actor.system("import"))
    assert (note.type, note.reason) == ("account.noted", "imported with march")
    assert log.account("1").status is Status.ACTIVE


def test_an_account_whose_creation_was_reverted_stays_absent(log):
    log.create("1", actor=WAN)
    append(log, "1", EventsReverted({1}), Envelope(actor=WAN, reason="x"))
    note = noted(log, record("delete"))

    assert (note.type, note.version) == ("account.noted", 3)
    assert log.account("1").status is Status.ABSENT
    assert log.verify().ok


def test_of_an_erased_account_nothing_is_kept(log):
    log.create("1", actor=WAN)
    append(log, "1", AccountErased(), Envelope(actor=WAN, reason="x"))
    for _ in range(2):
        outcome = log.ingest([record("flag", label="x", key="k")], on_refused="note")
        assert (outcome.recorded, len(outcome.rejected)) == (0, 1)
    assert log.head == 2


def test_what_is_wrong_in_itself_is_rejected_all_the_same(log):
    bad = [record("flag", label=""), record("suspend", until=T0), record("ban"), {}, 7]
    outcome = log.ingest(bad, on_refused="note")

    assert (len(outcome.rejected), outcome.noted, log.head) == (5, 0, 0)


@pytest.mark.parametrize("on_refused", ["reject", "note"])
@pytest.mark.parametrize("chunk", [1, 10_000])
def test_its_key_answers_when_it_is_loaded_again(log, on_refused, chunk):
    records = [record(key="a"), record("delete", key="b"), record(key="a")]
    outcome = log.ingest(records, on_refused="note", chunk=chunk)
    assert (outcome.recorded, outcome.noted, outcome.skipped) == (2, 1, 1)

    again = log.ingest(records, on_refused=on_refused, chunk=chunk)
    assert (again.recorded, again.noted, again.skipped) == (0, 0, 3)
    assert again.rejected == []
    assert log.account("1").status is Status.DELETED


def test_what_was_rejected_is_no_note_afterwards(log):
    log.ingest([record(key="a")])
    outcome = log.ingest([record(key="a")], on_refused="note")

    assert (outcome.noted, [one.known for one in outcome.rejected]) == (0, [True])
    assert log.head == 0


def test_a_strict_import_takes_what_becomes_a_note(log):
    log.create("1", actor=WAN)
    outcome = log.ingest([record(at=T0 - DAY)], on_refused="note", strict=True)

    assert (outcome.recorded, outcome.noted, outcome.late) == (1, 1, 1)
