"""The audit log and the strikes of a Mastodon server."""

import csv
import io
import json
from pathlib import Path

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

import modlog
from modlog import InvalidInputError, Status
from modlog.importers import Unreadable, mastodon

SAMPLES = Path(__file__).parent / "importers"
LOG = {
    "id": 1,
    "account_id": 5,
    "action": "suspend",
    "target_type": "Account",
    "target_id": 9,
    "created_at": "2026-03-09T11:00:00.25",
    "updated_at": "2026-03-09T11:00:00.25",
    "human_identifier": "bob",
    "route_param": None,
    "permalink": None,
}
STRIKE = {
    "id": 1,
    "account_id": 5,
    "target_account_id": 9,
    "action": 4000,
    "text": "rule 3",
    "created_at": "2026-03-09T11:00:00.26",
    "updated_at": "2026-03-09T11:00:00.26",
    "report_id": 41,
    "status_ids": ["7"],
    "overruled_at": None,
}
BY = {"kind": "human", "id": "5", "account_id": "5"}


def read(*rows):
    return list(mastodon.records(rows))


def read_file(content):
    return list(mastodon.records(io.BytesIO(content)))


@pytest.mark.parametrize(
    ("row", "meant"),
    [
        ({}, {"do": "suspend"}),
        ({"action": "unsuspend"}, {"do": "restore"}),
        ({"action": "destroy"}, {"do": "delete"}),
        ({"action": "silence"}, {"do": "flag", "label": "silenced"}),
        ({"action": "unsilence"}, {"do": "clear_flags", "label": "silenced"}),
        ({"action": "sensitive"}, {"do": "flag", "label": "sensitive"}),
        ({"action": "unsensitive"}, {"do": "clear_flags", "label": "sensitive"}),
        (
            {"action": "disable", "target_type": "User", "target_id": 3, "route_param": "9"},
            {"do": "flag", "label": "disabled"},
        ),
        (
            {"action": "enable", "target_type": "User", "target_id": 3, "target_account_id": 9},
            {"do": "clear_flags", "label": "disabled"},
        ),
        (
            {"action": "reject", "target_type": "User", "target_id": 3, "route_param": "9"},
            {"do": "delete", "reason": "the sign-up was rejected"},
        ),
    ],
)
def test_what_was_done_to_an_account(row, meant):
    assert read(LOG | row) == [
        {
            "account_id": "9",
            "at": "2026-03-09T11:00:00.250000Z",
            "actor": BY,
            "key": "mastodon/admin_action_logs/1",
            **meant,
        }
    ]


@pytest.mark.parametrize(
    ("row", "account", "text"),
    [
        ({"action": "memorialize"}, "9", 'memorialize Account {"human_identifier": "bob", '),
        (
            {"action": "confirm", "target_type": "User", "route_param": "9"},
            "9",
            'confirm User {"human_identifier": "bob", ',
        ),
        # Of older rows nobody knows whose user it is; of these, they are about no account.
        ({"action": "disable", "target_type": "User"}, "5", "disable User {"),
        ({"action": "create", "target_type": "DomainBlock"}, "5", "create DomainBlock {"),
        ({"action": "destroy", "target_type": "Status"}, "5", "destroy Status {"),
        (
            {"action": "destroy", "target_type": "Status", "target_account_id": 9},
            "9",
            "destroy Status {",
        ),
        ({"target_type": None, "target_id": None}, "5", 'suspend {"human_identifier": "bob"}'),
    ],
)
def test_all_else_is_a_note_on_the_account_or_on_who_did_it(row, account, text):
    (found,) = read(LOG | row)
    assert (found["do"], found["account_id"], found["actor"]) == ("note", account, BY)
    assert found["text"].startswith(text)


def test_a_strike_is_a_note_with_what_was_told():
    (found,) = read(STRIKE)
    assert found == {
        "do": "note",
        "account_id": "9",
        "at": "2026-03-09T11:00:00.260000Z",
        "actor": BY,
        "key": "mastodon/account_warnings/1",
        "text": 'strike: suspend {"report_id": "41", "status_ids": "{7}", "text": "rule 3"}',
    }
    (found,) = read(STRIKE | {"account_id": None, "action": "none", "text": ""})
    assert found["actor"] == {"kind": "system", "id": "mastodon"}


@pytest.mark.parametrize(
    ("action", "meant"),
    [
        (4000, {"do": "restore"}),
        ("suspend", {"do": "restore"}),
        (3000, {"do": "clear_flags", "label": "silenced"}),
        (2000, {"do": "clear_flags", "label": "sensitive"}),
        (1000, {"do": "clear_flags", "label": "disabled"}),
    ],
)
def test_what_an_appeal_has_overruled_is_taken_back(action, meant):
    told, back = read(STRIKE | {"action": action, "overruled_at": "2026-03-09 12:00:00"})
    assert told["do"] == "note"
    assert back == {
        "account_id": "9",
        "at": "2026-03-09T12:00:00.000000Z",
        "actor": {"kind": "system", "id": "mastodon"},
        "key": "mastodon/account_warnings/1/overruled",
        "reason": "an appeal against the strike was approved",
        **meant,
    }


def test_what_no_appeal_brings_back_is_a_note():
    _, back = read(STRIKE | {"action": 1500, "overruled_at": "2026-03-09 12:00:00"})
    assert (back["do"], back["text"]) == ("note", "strike overruled: delete_statuses")
    (later, _) = read(STRIKE | {"action": 9999}, LOG)[::-1]
    assert later["text"].startswith("strike: 9999 {")


def test_a_table_reads_the_same_as_csv_and_as_json():
    log, strike = (
        LOG | {"action": 'warn,\n"it"'},
        STRIKE | {"status_ids": "{7,8}", "overruled_at": ""},
    )
    for row in (log, strike):
        text = io.StringIO()
        writer = csv.DictWriter(text, row)
        writer.writeheader()
        writer.writerow(row)
        assert read_file(text.getvalue().encode()) == read(row)
        assert read_file(b"\xef\xbb\xbf" + text.getvalue().encode()) == read(row)
    lines = "".join(json.dumps(row) + "\n" for row in (strike, log))
    assert read_file(lines.encode()) == read(log, strike)
    assert read_file(json.dumps([strike, log], indent=1).encode()) == read(log, strike)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"id,name\n1,bob\n", "a row of admin_action_logs has target_type.*this one has id, name"),
        (b'{"id": 1}', "this one has id"),
        (b'id,target_type\n1,"Account\n', "no sound CSV from line 2 on"),
        (b"id,target_type\n1,\xff\n", "no sound CSV"),
        (b"id,target_type\n1,2,3\n", "number 2: 3 fields, and the header has 2"),
        (b"id,target_type\n" + b"x" * 200_000 + b",1\n", "no sound CSV.*field larger"),
        (b"[{]", "no JSON from line 1 on"),
        (b"[1]", "a row is no object"),
        (b"<html></html>\n<p></p>\n", "this one has <html></html>"),
    ],
)
def test_what_is_neither_table_is_told(content, reason):
    with pytest.raises(InvalidInputError, match=reason):
        read_file(content)


@pytest.mark.parametrize(
    "row",
    [
        LOG | {"id": None},
        LOG | {"id": "1e3"},
        LOG | {"id": True},
        LOG | {"account_id": ""},
        LOG | {"target_id": []},
        LOG | {"created_at": "infinity"},
        LOG | {"created_at": None},
        LOG | {"action": ["suspend"]},
        STRIKE | {"target_account_id": None},
        STRIKE | {"action": None},
        STRIKE | {"action": {}},
        STRIKE | {"overruled_at": "soon"},
    ],
)
def test_a_row_that_cannot_be_read_is_told_and_the_rest_is_read(row):
    bad, good = read(LOG | {"id": 2}, row)
    assert isinstance(bad, Unreadable)
    assert good["key"] == "mastodon/admin_action_logs/2"


HOSTILE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=5,
)


@given(
    st.sampled_from([LOG, STRIKE]),
    st.dictionaries(st.sampled_from([*LOG, *STRIKE]), HOSTILE, max_size=4),
)
def test_no_row_whatever_stands_in_it_is_more_than_unreadable(row, fields):
    with modlog.open("sqlite://") as log:
        outcome = log.ingest(mastodon.records([LOG | {"id": 99}, row | fields]))
        assert outcome.total >= 2


def test_the_samples_in_a_ledger(place):
    rows: list = (SAMPLES / "account_warnings.jsonl").read_text().splitlines()
    with (SAMPLES / "admin_action_logs.csv").open() as file:
        rows = [*rows, *csv.DictReader(file)]
    with place.open() as log:
        outcome = log.ingest(mastodon.records(rows), on_refused="note")
        assert (outcome.recorded, outcome.noted, outcome.rejected) == (13, 0, [])
        assert log.account("110018").status is Status.ACTIVE
        assert [(one.type, one.reason) for one in log.history("110018")][-1] == (
            "account.restored",
            "an appeal against the strike was approved",
        )
        assert list(log.account("110019").flags.values()) == ["sensitive", "disabled"]
        assert log.account("110020").status is Status.DELETED
        assert [one.data["text"].split(" {")[0] for one in log.history("110002")[1:]] == [
            "create DomainBlock",
            "destroy Status",
            "approve Appeal",
        ]
        for again in (rows, rows[::-1], rows[3:] + rows[:5]):
            outcome = log.ingest(mastodon.records(again), on_refused="note")
            assert (outcome.recorded, outcome.rejected) == (0, [])
        assert log.verify().ok


TABLES = """
CREATE TABLE users (id bigint, account_id bigint);
CREATE TABLE statuses (id bigint, account_id bigint);
CREATE TABLE reports (id bigint, target_account_id bigint);
CREATE TABLE appeals (id bigint, account_id bigint);
CREATE TABLE account_warnings (id bigint, account_id bigint, target_account_id bigint,
    action integer, text text, created_at timestamp, updated_at timestamp, report_id bigint,
    status_ids varchar[], overruled_at timestamp);
CREATE TABLE admin_action_logs (id bigint, account_id bigint, action varchar, target_type varchar,
    target_id bigint, created_at timestamp, updated_at timestamp, human_identifier varchar,
    route_param varchar, permalink varchar);
INSERT INTO users VALUES (77, 110019);
INSERT INTO statuses VALUES (9001, 110019);
INSERT INTO reports VALUES (41, 110018);
INSERT INTO appeals VALUES (3, 110018);
INSERT INTO account_warnings VALUES (1, 110001, 110018, 4000, 'a \\ "b"', '2026-03-09 11:00:00.3',
    '2026-03-09 11:44:00', 41, '{8001}', '2026-03-09 11:44:00.5');
INSERT INTO admin_action_logs (id, account_id, action, target_type, target_id, created_at) VALUES
    (1, 110001, 'suspend', 'Account', 110018, '2026-03-09 11:00:00.25'),
    (2, 110001, 'disable', 'User', 77, '2026-03-09 11:01:00'),
    (3, 110001, 'destroy', 'Status', 9001, '2026-03-09 11:02:00'),
    (4, 110001, 'resolve', 'Report', 41, '2026-03-09 11:03:00'),
    (5, 110002, 'approve', 'Appeal', 3, '2026-03-09 11:44:00'),
    (6, 110002, 'create', 'AccountWarning', 1, '2026-03-09 11:45:00'),
    (7, 110002, 'create', 'DomainBlock', 5, '2026-03-09 11:46:00');
"""
HOW_TO = SAMPLES.parents[1] / "docs" / "how-to" / "look-at-an-incident-elsewhere.md"


def test_the_queries_of_the_how_to_say_whose_everything_is(postgres_url, schema):
    text = HOW_TO.read_text()
    begin = text.index("    SELECT row_to_json(one) FROM (")
    queries = text[begin : text.index("\n\n", begin)]
    rows: list = []
    with psycopg.connect(postgres_url) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
        connection.execute(f"SET search_path = {schema}")
        connection.execute(TABLES)
        for query in queries.split(";")[:-1]:
            rows += connection.execute(query).fetchall()
    found: list = list(mastodon.records(json.dumps(row) for (row,) in rows))
    assert [(one["do"], one["account_id"]) for one in found] == [
        ("suspend", "110018"),
        ("note", "110018"),
        ("flag", "110019"),
        ("note", "110019"),
        ("note", "110018"),
        ("note", "110018"),
        ("restore", "110018"),
        ("note", "110018"),
        ("note", "110002"),
    ]


@given(st.permutations(range(12)))
def test_the_order_of_rows_does_not_matter(order):
    actions = ["suspend", "unsuspend", "silence", "unsilence", "sensitive", "unsensitive"]
    rows = [
        LOG | {"id": n, "action": actions[n % 6], "created_at": f"2026-03-09 11:00:0{n // 2}"}
        for n in range(12)
    ]
    assert read(*(rows[n] for n in order)) == read(*rows)
