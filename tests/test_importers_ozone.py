"""The moderation events of Bluesky's Ozone."""

import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import modlog
from modlog import InvalidInputError, Selection, Status
from modlog.importers import Unreadable, ozone

SAMPLE = Path(__file__).parent / "importers" / "queryEvents.json"
TYPES = "tools.ozone.moderation.defs#"
ACCOUNT = {"$type": "com.atproto.admin.defs#repoRef", "did": "did:plc:bob"}
POST = {
    "$type": "com.atproto.repo.strongRef",
    "uri": "at://did:plc:bob/app.bsky.feed.post/3k",
    "cid": "bafy",
}
MESSAGE = {
    "$type": "chat.bsky.convo.defs#messageRef",
    "did": "did:plc:bob",
    "convoId": "c",
    "messageId": "m",
}
BY = {"kind": "human", "id": "did:plc:wan", "account_id": "did:plc:wan"}


def event(kind, number=1, subject=ACCOUNT, *, view=None, **said):
    return {
        "id": number,
        "event": {"$type": f"{TYPES}{kind}", **said},
        "subject": subject,
        "subjectBlobCids": [],
        "createdBy": "did:plc:wan",
        "createdAt": "2026-03-09T11:00:00.000Z",
        **(view or {}),
    }


def read(*events):
    return list(ozone.records([{"events": list(events)}]))


def read_file(content):
    return list(ozone.records(io.BytesIO(content)))


RECORD = {
    "account_id": "did:plc:bob",
    "at": "2026-03-09T11:00:00.000000Z",
    "actor": BY,
    "key": "ozone/1",
}


@pytest.mark.parametrize(
    ("event", "meant"),
    [
        (event("modEventTakedown"), {"do": "delete"}),
        (
            event("modEventTakedown", comment="spam", policies=["a", "b"], durationInHours=None),
            {"do": "delete", "reason": "spam", "policy": "a,b"},
        ),
        (
            event("modEventTakedown", durationInHours=24, severityLevel="sev-1", strikeCount=0),
            {
                "do": "suspend",
                "until": "2026-03-10T11:00:00.000000Z",
                "metadata": {"severityLevel": "sev-1"},
            },
        ),
        (
            event("modEventTakedown", durationInHours=10**12),
            {"do": "suspend", "until": None},
        ),
        (
            event("modEventReverseTakedown", comment="a mistake", policies=["a"]),
            {"do": "restore", "reason": "a mistake", "policy": "a"},
        ),
        (
            event("modEventReport", reportType="com.atproto.moderation.defs#reasonSpam"),
            {
                "do": "flag",
                "label": "reported",
                "policy": "com.atproto.moderation.defs#reasonSpam",
            },
        ),
        (event("modEventAcknowledge"), {"do": "clear_flags", "label": "reported"}),
        (
            event("identityEvent", handle="bob.example.com", timestamp="…"),
            {"do": "change_profile", "changes": {"handle": "bob.example.com"}},
        ),
    ],
)
def test_what_was_done_to_an_account(event, meant):
    assert read(event) == [RECORD | meant]


def test_each_label_is_a_flag_and_each_negation_takes_one_off():
    labelled = event(
        "modEventLabel",
        createLabelVals=["spam", "!warn", "spam"],
        negateLabelVals=["porn"],
        durationInHours=5,
    )
    assert read(labelled) == [
        RECORD | {"do": "clear_flags", "label": "porn", "key": "ozone/1/negated/porn"},
        RECORD
        | {
            "do": "flag",
            "label": "spam",
            "key": "ozone/1/label/spam",
            "metadata": {"durationInHours": 5},
        },
        RECORD
        | {
            "do": "flag",
            "label": "!warn",
            "key": "ozone/1/label/!warn",
            "metadata": {"durationInHours": 5},
        },
    ]
    old = event("modEventTakedown", createLabelVals=["spam"])
    assert [one["do"] for one in read(old)] == ["flag", "delete"]
    assert read(event("modEventLabel", createLabelVals=[], negateLabelVals=[]), old)[0]["key"] == (
        "ozone/1/label/spam"
    )


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (event("modEventComment", comment="look"), 'modEventComment {"comment": "look"}'),
        (event("modEventEscalate"), "modEventEscalate"),
        (event("modEventMute", durationInHours=24), 'modEventMute {"durationInHours": 24}'),
        (event("modEventTag", add=["a"], remove=[]), 'modEventTag {"add": ["a"]}'),
        (event("accountEvent", active=False, status="deleted"), "accountEvent {"),
        (event("identityEvent", tombstone=True), 'identityEvent {"tombstone": true}'),
        (event("modEventReport", reportType="tools.ozone.report.defs#reasonAppeal"), "modEventRep"),
        (event("modEventReport", reportType="x", isReporterMuted=True), "modEventReport {"),
        (
            event("ageAssuranceEvent", status="assured", initIp="192.0.2.1", initUa="curl"),
            'ageAssuranceEvent {"status": "assured"}',
        ),
        (event("someThingNew", x=1), 'someThingNew {"x": 1}'),
        (event("modEventTakedown", subject=POST), 'modEventTakedown {"cid": "bafy", "uri": "at://'),
        (event("modEventLabel", subject=POST, createLabelVals=["porn"]), "modEventLabel {"),
        (event("modEventReport", subject=MESSAGE, reportType="x"), "modEventReport {"),
    ],
)
def test_all_else_is_a_note_on_the_account(event, text):
    (found,) = read(event)
    assert found["text"].startswith(text)
    assert found == RECORD | {"do": "note", "text": found["text"]}
    assert "192.0.2.1" not in found["text"]


def test_a_tool_tells_whether_it_was_a_machine_and_which_batch_it_is():
    tool = {"name": "automod/2", "meta": {"batchId": "b-1", "time": 5}}
    (found,) = read(event("modEventTakedown", view={"modTool": tool}))
    assert (found["actor"]["kind"], found["batch_id"]) == ("bot", "b-1")
    tool = {"name": "ozone/workspace", "meta": {"batchId": 7}}
    assert read(event("modEventTakedown", view={"modTool": tool})) == [RECORD | {"do": "delete"}]


def test_answers_may_be_lines_documents_or_one_list():
    pages: list = [{"cursor": "1", "events": [event("modEventEscalate", 2)]}, {"events": []}]
    pages.append({"events": [event("modEventTakedown", 1)]})
    found: list = list(ozone.records(pages))
    assert [one["key"] for one in found] == ["ozone/1", "ozone/2"]
    for content in (
        "\n".join(map(json.dumps, pages)),
        "\n".join(json.dumps(one, indent=2) for one in pages),
        json.dumps(pages),
        "\n".join(json.dumps(event) for page in pages for event in page["events"]),
    ):
        assert read_file(content.encode()) == found


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            b'{"error": "AuthMissing", "message": "Authentication Required"}',
            "answered with an error, not with events: AuthMissing: Authentication Required",
        ),
        (b'{"data": []}', "id is no number"),
        (b"<html>", "no JSON from line 1 on"),
        (b'{\n"events": [{"id": 1', "no JSON from line 2 on"),
        (b'{\n"a": 1, "a": 2}', "the key 'a' stands there twice"),
        (b"[" * 100_000, "the JSON from line 1 on"),
        (b'{\n"id": ' + b"9" * 5_000 + b"}", "the JSON from line 1 on"),
    ],
)
def test_what_is_no_answer_is_told(content, reason):
    with pytest.raises(InvalidInputError, match=reason):
        read_file(content)


@pytest.mark.parametrize(
    "view",
    [
        {"id": "x"},
        {"event": None},
        {"event": {}},
        {"subject": []},
        {"subject": {"$type": "x"}},
        {"subject": {"uri": "https://example.com"}},
        {"createdBy": None},
        {"createdAt": "yesterday"},
        {"createdAt": 5},
    ],
)
def test_an_event_that_cannot_be_read_is_told_and_the_rest_is_read(view):
    bad, good = read(event("modEventTakedown", 2), event("modEventTakedown", 1, view=view))
    assert isinstance(bad, Unreadable)
    assert good["key"] == "ozone/2"


def test_no_takedown_is_lost_for_what_is_said_beside_it():
    hostile = event(
        "modEventTakedown",
        comment="\0 \ud800 \x1b[2J",
        policies=["\0", "x" * 300, 5, None],
        severityLevel="\0",
        targetServices=["x" * 20_000],
        view={"modTool": {"name": None, "meta": {"batchId": "\ud800"}}},
    )
    with modlog.open("sqlite://") as log:
        assert log.ingest(ozone.records([hostile])).rejected == []
        assert log.account("did:plc:bob").status is Status.DELETED
        assert log.history("did:plc:bob")[-1].reason == "\ufffd \ufffd \x1b[2J"


HOSTILE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=5,
)
KINDS = ["modEventTakedown", "modEventLabel", "modEventReport", "identityEvent", "modEventTag"]
FIELDS = ["comment", "durationInHours", "policies", "createLabelVals", "negateLabelVals", "handle"]
FIELDS += ["reportType", "severityLevel", "strikeCount", "targetServices", "$type"]


@given(
    st.sampled_from(KINDS),
    st.dictionaries(st.sampled_from(FIELDS), HOSTILE, max_size=4),
    st.dictionaries(st.sampled_from([*event("x"), "modTool"]), HOSTILE, max_size=2),
)
def test_no_event_whatever_stands_in_it_is_more_than_unreadable(kind, said, view):
    strange = event(kind)
    strange["event"] |= said
    with modlog.open("sqlite://") as log:
        outcome = log.ingest(ozone.records([event("modEventEscalate", 99), strange | view]))
        assert outcome.recorded >= 1


def test_the_sample_in_a_ledger(place):
    with place.open() as log:
        outcome = log.ingest(ozone.records(SAMPLE), on_refused="note")
        assert (outcome.recorded, outcome.noted, outcome.rejected) == (10, 0, [])
        founder, casino = log.account("did:plc:founder"), log.account("did:plc:casino")
        assert founder.status is Status.ACTIVE
        assert list(casino.flags.values()) == ["!warn"]
        assert [one.kind for one in casino.sanctions.values()] == ["suspension"]
        batch = log.events(Selection(batch_id="clean-up-0309", type="account.deleted"))
        assert [one.account_id for one in batch] == ["did:plc:founder"]
        assert log.history("did:plc:casino")[2].actor.kind == "bot"
        again = log.ingest(ozone.records([json.loads(SAMPLE.read_text())]), on_refused="note")
        assert (again.recorded, again.skipped, again.rejected) == (0, 10, [])
        assert log.verify().ok


@given(st.data())
def test_the_order_of_events_does_not_matter(data):
    events = json.loads(SAMPLE.read_text())["events"]
    for one in events:
        one["createdAt"] = data.draw(st.sampled_from(["2026-03-09T11:00:00Z", one["createdAt"]]))
    shuffled = data.draw(st.permutations(events))
    assert read(*shuffled) == read(*events)
