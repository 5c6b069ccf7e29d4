"""The block log of a wiki, as MediaWiki dumps it and as its API answers."""

import gc
import gzip
import io
import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

import modlog
from modlog import InvalidInputError, Status
from modlog.importers import Unreadable, mastodon, mediawiki
from tests.blocklog import records
from tests.wiki import answer, dump, event, item, params

ANN = {"kind": "human", "id": "Ann", "account_id": "Ann"}


def read(content):
    return list(mediawiki.records(io.BytesIO(content)))


SUSPENDED = {
    "do": "suspend",
    "account_id": "Bob",
    "at": "2024-01-01T00:00:00.000000Z",
    "actor": ANN,
    "key": "mediawiki/1",
    "reason": "spam",
    "until": "2024-01-02T07:00:00.000000Z",
}
RESTORED = {
    "do": "restore",
    "account_id": "Bob",
    "at": "2024-01-01T00:01:00.000000Z",
    "actor": ANN,
    "key": "mediawiki/2",
    "reason": "spam",
}


def test_a_dump_is_read():
    found = read(
        dump(
            item(1, "block", params=params("31 hours", "nocreate,anononly")),
            item(5, "delete", title="Spam page", type_="delete"),
            item(2, "unblock", after=60, params="a:0:{}"),
        )
    )
    assert found == [SUSPENDED | {"metadata": {"flags": ["nocreate", "anononly"]}}, RESTORED]


def test_the_api_gives_the_same():
    blocked = event(1, "block", params={"duration": "31 hours", "flags": ["nocreate", "anononly"]})
    assert list(mediawiki.records([answer(event(2, "unblock", after=60), blocked)])) == read(
        dump(
            item(1, "block", params=params("31 hours", "nocreate,anononly")),
            item(2, "unblock", after=60, params="a:0:{}"),
        )
    )


def test_a_reblock_lifts_and_blocks_anew():
    lifted, blocked = read(dump(item(1, "reblock", params=params("infinity"))))
    assert lifted == RESTORED | {"at": SUSPENDED["at"], "key": "mediawiki/1/lift"}
    assert blocked == SUSPENDED | {"at": "2024-01-01T00:00:00.000001Z", "until": None}


def test_old_parameters_are_the_duration_and_the_flags_one_a_line():
    (old,) = read(dump(item(1, "block", params="31 hours\nnocreate")))
    assert old == SUSPENDED | {"metadata": {"flags": ["nocreate"]}}
    (oldest,) = read(dump(item(1, "block", params="")))
    assert oldest == SUSPENDED | {"until": None}


@pytest.mark.parametrize(
    "said",
    [
        {"sitewide": False, "restrictions": {"pages": []}},
        {"restrictions": {"pages": []}},  # formatversion=1 has no false
    ],
)
def test_a_partial_block_is_one_that_says_so(said):
    api = event(1, "block", params={"duration": "31 hours", "flags": [], **said})
    dumped = item(1, "block", params=params("31 hours", "", False, **{"7::restrictions": {}}))
    for found in (list(mediawiki.records([api])), read(dump(dumped))):
        assert found == [SUSPENDED | {"metadata": {"partial": True}}]


def test_what_else_is_in_the_block_log_is_a_note():
    (lifted,) = read(dump(item(3, "unblock", "User:#123")))
    assert (lifted["do"], lifted["account_id"], lifted["text"]) == (
        "note",
        "#123",
        'unblock {"reason": "spam"}',
    )


@pytest.mark.parametrize(
    ("title", "account"),
    [
        ("User:Bob", "Bob"),
        ("Benutzerin:Bob", "Bob"),
        ("User:2001:DB8::1", "2001:DB8::1"),
        ("User:192.0.2.0/24", "192.0.2.0/24"),
        ("User:A:b", "A:b"),
        ("Bob", "Bob"),
    ],
)
def test_the_account_is_the_name_of_the_users_page(title, account):
    (found,) = read(dump(item(1, "block", title)))
    assert found["account_id"] == account


def test_other_logs_are_passed_over():
    deleted = event(5, "delete", "Spam", type="delete")
    assert [one["key"] for one in records([answer(deleted, event(1, "unblock"))])] == [
        "mediawiki/1"
    ]


def test_who_is_hidden_stays_so():
    (found,) = read(dump(item(1, "block", user=None)))
    assert found["actor"] == {"kind": "human", "id": "(hidden)"}
    (found,) = records([event(1, "block", user=None) | {"userhidden": True}])
    assert found["actor"] == {"kind": "human", "id": "(hidden)"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (dump(item(1, "block", None)), "whom item 1 is about is hidden"),
        (dump(item(1, "block", "")), "whom item 1 is about is hidden"),
        (dump(item("x", "block")), "the item's id is no number: 'x'"),
        (dump(item(1, "block", timestamp="soon")), "the timestamp of item 1 is no instant: 'soon'"),
        (dump(item(1, None)), "the action of item 1 is missing"),
        (dump(item(1, "block", params="a:1:{")), "from byte 5 on"),
        (dump(item(1, "reblock", timestamp="9999-12-31T23:59:59.999999Z")), "out of range"),
    ],
)
def test_an_item_that_cannot_be_read_is_told_and_the_rest_is_read(content, reason):
    good = item(1, "block", params=params("31 hours")).encode()
    (bad, found) = read(content.replace(b"</mediawiki>", good + b"</mediawiki>"))
    assert isinstance(bad, Unreadable)
    assert reason in bad.reason
    assert found == SUSPENDED


@pytest.mark.parametrize("size", [1, 300, 450])
def test_a_dump_that_ends_too_soon_is_no_sound_one(size):
    whole = dump(item(1, "block"), item(2, "unblock"))
    with pytest.raises(InvalidInputError, match=r"no sound XML from line \d+ on"):
        read(whole[:size])


LONG = [event(n, "block", comment=f"{random.Random(n).random()}" * 30) for n in range(400)]


@pytest.mark.parametrize(
    ("of", "content"),
    [
        (mediawiki, dump(*(item(one["logid"], "block", comment=one["comment"]) for one in LONG))),
        (mediawiki, "\n".join(map(json.dumps, LONG)).encode()),
        (mediawiki, json.dumps(answer(*LONG), indent=1).encode()),
        (mastodon, b"id,target_type,x\n" + b"\n".join(b"1,x,%f" % n for n in range(99_999))),
    ],
    ids=["a dump", "lines", "a document", "a table"],
)
@pytest.mark.parametrize("lost", [9, 2_000])
def test_a_download_that_was_cut_off_is_told(tmp_path, of, content, lost):
    path = tmp_path / "a file"
    path.write_bytes(gzip.compress(content)[:-lost])
    with pytest.raises(InvalidInputError, match=r"no sound gzip from line \d+ on .*fetch it again"):
        list(of.records(path))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<html><body/></html>", "its root is <html>, not <mediawiki> .line 1"),
        (b"<!DOCTYPE html><html/>", "it has a DOCTYPE"),
        (
            b'<!DOCTYPE mediawiki [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
            b"<mediawiki><logitem><comment>&b;</comment></logitem></mediawiki>",
            "it has a DOCTYPE",
        ),
        (
            b'<!DOCTYPE m [<!ENTITY x SYSTEM "file:///etc/passwd">]><mediawiki>&x;</mediawiki>',
            "it has a DOCTYPE",
        ),
        (b"<mediawiki>\n<page><title>A</title></page></mediawiki>", "it holds pages .line 2"),
        (
            b"<mediawiki>\n<logitem><comment>" + b"x" * 2**21 + b"</comment></logitem></mediawiki>",
            "the item at line 2 has more than",
        ),
        (b"<mediawiki>&undeclared;</mediawiki>", "no sound XML from line 1 on"),
        (b"<mediawiki><logitem>\x00</logitem></mediawiki>", "no sound XML from line 1 on"),
        (b'{"error": {"code": "badtoken", "info": "no"}}', "answered with an error.*badtoken"),
        (b'{"events": []}', "logid is missing"),
        (b"[1, 2]", "an event of the log is no object"),
        (b"nonsense", "no JSON from line 1 on"),
        (b'{\n"query": {\n"logevents": [', "no JSON from line 3 on"),
    ],
)
def test_what_is_no_log_is_told(content, reason):
    with pytest.raises(InvalidInputError, match=reason):
        read(content)


@pytest.mark.parametrize(
    "content", [dump(item(1, "block")), json.dumps(event(1, "block")).encode()]
)
@pytest.mark.parametrize("closed_first", [False, True])
def test_an_open_file_stays_its_openers(content, closed_first):
    """Also where nobody reads to the end; what is left over never complains."""
    file = io.BytesIO(content)
    found = mediawiki.records(file)
    next(found)
    if closed_first:
        file.close()
    del found
    gc.collect()
    assert file.closed is closed_first


def test_nothing_at_all_is_no_record():
    assert read(b"") == read(b"\n \n") == read(dump()) == read(json.dumps(answer()).encode()) == []


def test_a_long_dump_is_read_while_it_comes():
    """However long it is: no more of it is asked for than is due."""

    class Endless(io.RawIOBase):
        asked = 0

        def readable(self):
            return True

        def readinto(self, buffer):
            self.asked += 1
            head = dump().removesuffix(b"</mediawiki>\n") if self.asked == 1 else b""
            portion = (head + item(self.asked, "block").encode())[: len(buffer)]
            buffer[: len(portion)] = portion
            return len(portion)

    endless = Endless()
    found = mediawiki.records(endless)
    for _ in range(1_000):
        next(found)
    assert endless.asked < 3_000


NEWEST_FIRST = [
    answer(event(3, "block", after=120, params={"duration": "infinity"})),
    answer(
        event(2, "unblock", after=60),
        event(1, "block", params={"duration": "31 hours"}),
    ),
]
DOCUMENT = json.dumps(NEWEST_FIRST[0], indent=2) + "\n" + json.dumps(NEWEST_FIRST[1], indent=2)


@pytest.mark.parametrize(
    "content",
    [
        DOCUMENT.encode(),
        "\n".join(map(json.dumps, NEWEST_FIRST)).encode(),
        b"\xef\xbb\xbf" + json.dumps(NEWEST_FIRST).encode(),
        "\n\n".join(
            json.dumps(one) for page in NEWEST_FIRST for one in page["query"]["logevents"]
        ).encode(),
    ],
    ids=["documents", "lines", "a list", "events"],
)
def test_answers_are_put_in_order_whatever_form_they_have(content):
    found = read(content)
    assert [one["key"] for one in found] == ["mediawiki/1", "mediawiki/2", "mediawiki/3"]
    assert found == list(mediawiki.records(NEWEST_FIRST))


def test_numbers_are_lines_or_of_events():
    lines = "\n".join(map(json.dumps, NEWEST_FIRST)).encode()
    assert [n for n, _ in mediawiki.numbered(io.BytesIO(lines))] == [2, 2, 1]
    assert [n for n, _ in mediawiki.numbered(io.BytesIO(DOCUMENT.encode()))] == [3, 2, 1]
    xml = dump(item(1, "block"), item(2, "delete", type_="delete"), item(3, "unblock"))
    assert [n for n, _ in mediawiki.numbered(io.BytesIO(xml))] == [3, 5]


def test_a_broken_line_among_answers_is_told():
    content = json.dumps(event(1, "unblock")) + '\n{"query": {"logev'
    first, found = read(content.encode())
    assert isinstance(first, Unreadable)
    assert first.reason.startswith("not JSON")
    assert found["key"] == "mediawiki/1"


HOSTILE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=5,
)


@given(
    st.dictionaries(
        st.sampled_from([*event(1, "block"), "userhidden", "actionhidden", "actor_kind", "id"]),
        HOSTILE | st.just("block") | st.dictionaries(st.just("duration"), HOSTILE),
    )
)
def test_no_event_whatever_stands_in_it_is_more_than_unreadable(fields):
    good = event(7, "unblock")
    with modlog.open("sqlite://") as log:
        outcome = log.ingest(mediawiki.records([good, {**good, "logid": 8, **fields}]))
        assert outcome.total >= 1


def test_a_block_whose_words_nobody_understands_has_no_end_and_keeps_them():
    (found,) = read(dump(item(1, "block", params=params("für immer"))))
    assert found == SUSPENDED | {"until": None, "metadata": {"duration": "für immer"}}
    known = {"duration": "für immer", "expiry": "2024-01-02T07:00:00Z"}
    (found,) = mediawiki.records([event(1, "block", params=known)])
    assert found == SUSPENDED
    (found,) = mediawiki.records([event(1, "block", params=known | {"expiry": "41688-01-01"})])
    assert found == SUSPENDED | {"until": None}


# In a ledger


def test_a_wiki_is_imported_once_however_often_and_in_whatever_form(place, tmp_path):
    path = tmp_path / "pages-logging.xml.gz"
    path.write_bytes(
        gzip.compress(
            dump(
                item(1, "block", params=params("31 hours")),
                item(2, "reblock", after=60, params=params("infinity", "nocreate")),
                item(3, "block", "User:Carol", after=70, params=params("1 week")),
                item(4, "unblock", "User:Carol", after=80, params="a:0:{}"),
                item(5, "unblock", "User:Dave", after=90, params="a:0:{}"),
            )
        )
    )
    page = answer(
        event(5, "unblock", "User:Dave", after=90),
        event(4, "unblock", "User:Carol", after=80),
        event(3, "block", "User:Carol", after=70, params={"duration": "1 week", "flags": []}),
        event(2, "reblock", after=60, params={"duration": "infinity", "flags": ["nocreate"]}),
        event(1, "block", params={"duration": "31 hours", "expiry": "2024-01-02T07:00:00Z"}),
    )
    with place.open() as log:
        outcome = log.ingest(mediawiki.records(path), on_refused="note")
        assert (outcome.recorded, outcome.noted, outcome.rejected) == (6, 1, [])
        for again in (path, str(path), [page], [json.dumps(page)]):
            outcome = log.ingest(mediawiki.records(again), on_refused="note")
            assert (outcome.recorded, outcome.skipped, outcome.rejected) == (0, 6, []), again
        assert log.account("Bob").status is Status.SUSPENDED
        assert log.account("Carol").status is Status.ACTIVE
        assert [one.type for one in log.history("Dave")] == ["account.created", "account.noted"]
        assert log.verify().ok


@given(st.data())
def test_the_order_of_answers_does_not_matter(data):
    actions = data.draw(
        st.lists(
            st.tuples(
                st.sampled_from(["block", "unblock", "reblock"]),
                st.sampled_from(["User:A", "User:B"]),
                st.integers(0, 200),
            ),
            min_size=1,
            max_size=12,
        )
    )
    events = [
        event(n, action, title, after, params={"duration": "1 minute"})
        for n, (action, title, after) in enumerate(actions, 1)
    ]
    ordered = list(records([answer(*events)]))
    shuffled = data.draw(st.permutations(events))
    parts = data.draw(st.integers(0, len(events)))
    pages = [answer(*shuffled[:parts]), answer(*shuffled[parts:], *shuffled[:2])]
    keys = [one["key"] for one in ordered]
    found = list(records(pages))
    assert list(dict.fromkeys(one["key"] for one in found)) == keys
    with modlog.open("sqlite://") as one, modlog.open("sqlite://") as other:
        one.ingest(ordered)
        other.ingest(found)
        assert list(one.accounts()) == list(other.accounts())
        again = one.ingest(found)
        assert (again.recorded, len(list(one.events()))) == (0, one.head)
