"""Import: what a record may say, what becomes of it, and what it leaves alone."""

import threading
from collections import UserDict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

import modlog
from modlog import (
    Actor,
    ImportRejectedError,
    InvalidInputError,
    Selection,
    Status,
)
from tests.laws import STORE
from tests.tracing import own_connection

T0 = datetime(2020, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
WAN = Actor.human("wan")


@pytest.fixture
def log(place):
    with place.open() as log:
        yield log


def record(do="delete", account_id="1", at=T0, **fields):
    return {"do": do, "account_id": account_id, "at": at, "actor": WAN} | fields


def load(log, *records, **options):
    """Load records none of which may be rejected."""
    outcome = log.ingest(records, **options)
    assert outcome.rejected == []
    return outcome


def rejection(log, bad):
    """Load one record that must be rejected and leave nothing behind."""
    head = log.head
    outcome = log.ingest([bad])
    assert (outcome.recorded, outcome.created, outcome.total) == (0, 0, 1)
    assert log.head == head
    (rejected,) = outcome.rejected
    assert (rejected.line, rejected.record) == (1, bad)
    return rejected.reason


# Each command


PAST = [
    record("create", "seen", at=T0 - DAY, profile={"nickname": "Lei", "avatar": "a.png"}),
    record("flag", "seen", at=T0 - DAY, label="spam"),
    record("suspend", "seen", at=T0 - DAY),
    record("protect", "seen", at=T0 - DAY),
]


@pytest.mark.parametrize(
    ("do", "arguments", "type_", "data"),
    [
        ("change_profile", {"changes": {"nickname": None, "n": 1}}, "profile.changed", None),
        ("flag", {"label": "spam"}, "account.flagged", {"label": "spam", "score": None}),
        ("flag", {"label": "a", "score": 1}, "account.flagged", {"label": "a", "score": 1.0}),
        ("clear_flags", {}, "flags.cleared", {"flags": [2]}),
        ("clear_flags", {"flags": [2]}, "flags.cleared", {"flags": [2]}),
        ("clear_flags", {"label": "spam"}, "flags.cleared", {"flags": [2]}),
        ("suspend", {}, "account.suspended", {"until": None}),
        (
            "suspend",
            {"until": "2020-01-02T01:00:00+01:00"},
            "account.suspended",
            {"until": "2020-01-02T00:00:00.000000Z"},
        ),
        ("delete", {}, "account.deleted", {}),
        ("restore", {}, "account.restored", {"lifts": [3]}),
        ("restore", {"lifts": [3]}, "account.restored", {"lifts": [3]}),
        ("protect", {}, "account.protected", {}),
        ("unprotect", {}, "account.unprotected", {}),
        ("note", {"text": "called support"}, "account.noted", {"text": "called support"}),
    ],
)
def test_each_command(log, do, arguments, type_, data):
    load(log, *PAST)
    envelope = {
        "reason": "because",
        "policy": "a-rule",
        "confidence": 0.5,
        "correlation_id": "ticket",
        "metadata": {"ip": "::1"},
        "batch_id": "its-own",
    }
    outcome = load(log, record(do, "seen", **arguments, **envelope))
    assert (outcome.recorded, outcome.created, outcome.late) == (1, 0, 0)
    event = log.history("seen")[-1]
    assert (event.type, event.data) == (type_, arguments if data is None else data)
    assert (event.actor, event.occurred_at, event.version) == (WAN, T0, 5)
    assert {name: getattr(event, name) for name in envelope} == envelope


def test_create_sets_the_profile(log):
    outcome = load(log, record("create", profile={"nickname": "Lei Jun"}))
    assert (outcome.recorded, outcome.created) == (1, 0)
    assert log.account("1").profile == {"nickname": "Lei Jun"}
    assert [event.type for event in log.history("1")] == ["account.created"]
    assert "exists already" in rejection(log, record("create"))


def test_values_may_be_text_or_objects(log):
    actor = {"kind": "model", "id": "detector", "version": "3", "account_id": "bot-account"}
    load(log, record("flag", at="2020-01-01T01:00:00+01:00", actor=actor, label="spam"))
    load(log, MappingProxyType(record("suspend", "2", until=T0 + DAY)), UserDict(record()))
    assert log.history("1")[1].actor == Actor.model(
        "detector", version="3", account_id="bot-account"
    )
    assert log.history("1")[1].occurred_at == T0
    assert log.account("2").sanctions[2].until == T0 + DAY


def test_the_actor_may_come_from_acting(log):
    without = {"do": "delete", "account_id": "1", "at": T0}
    assert "needs an actor" in rejection(log, without)
    with modlog.acting(WAN):
        load(log, without)
    assert log.history("1")[-1].actor == WAN


# Accounts that were not seen before


@pytest.mark.parametrize(
    "first",
    [
        record("delete"),
        record("suspend", until=T0 + DAY),
        record("flag", label="spam"),
        record("change_profile", changes={"nickname": "Lei"}),
        record("protect"),
        record("unprotect"),
        record("note", text="called support"),
    ],
    ids=lambda record: record["do"],
)
def test_an_account_is_created_with_its_first_record(log, first):
    outcome = load(log, first, batch_id="march")
    assert (outcome.recorded, outcome.created) == (1, 1)
    opening, event = log.history("1")
    assert (opening.type, opening.data) == ("account.created", {"profile": {}})
    assert (opening.actor, opening.batch_id) == (Actor.system("import"), "march")
    assert opening.occurred_at == event.occurred_at == T0
    assert "first seen" in opening.reason
    assert "march" in opening.reason
    assert event.actor == WAN


def test_a_rejected_record_does_not_create_an_account(log):
    for bad in (
        record("restore"),
        record("restore", lifts=[1]),
        record("clear_flags"),
        record("suspend", until=T0),
        record("flag", label=""),
    ):
        rejection(log, bad)
    outcome = log.ingest([record("restore"), record("delete"), record("restore", at=T0 + DAY)])
    assert (outcome.recorded, outcome.created, len(outcome.rejected)) == (2, 1, 1)
    assert [event.version for event in log.history("1")] == [1, 2, 3]


# In order, against what is recorded


def test_records_are_decided_in_their_order_on_what_is_recorded(log):
    log.create("1", actor=WAN, occurred_at=T0 - DAY)
    log.suspend("1", actor=WAN, reason="before", occurred_at=T0 - DAY)
    load(log, record("delete"), record("restore", at=T0 + DAY), record("flag", label="late"))
    restored = log.history("1")[3]
    assert restored.data == {"lifts": [2, 3]}
    assert log.account("1").status is Status.ACTIVE
    log.delete("1", actor=WAN, reason="afterwards")
    assert log.history("1")[-1].version == 6


def test_a_restore_lifts_what_is_in_force_at_its_instant(log):
    load(
        log,
        record("suspend", until=T0 + 2 * DAY),
        record("suspend", until=T0 + 9 * DAY),
        record("delete", at=T0 + 5 * DAY),
        record("restore", at=T0 + 3 * DAY),
    )
    assert log.history("1")[-1].data == {"lifts": [3]}
    assert list(log.account("1").sanctions) == [2, 4]


@pytest.mark.parametrize(
    ("sanction", "at"),
    [
        (record("suspend", until=T0 + DAY), T0 + DAY),  # expired in this very moment
        (record("suspend", until=T0 + DAY), T0 + 2 * DAY),
        (record("delete"), T0 - timedelta(microseconds=1)),  # not yet
    ],
)
def test_a_restore_where_nothing_is_in_force_is_rejected(log, sanction, at):
    load(log, sanction)
    assert "no sanction in force" in rejection(log, record("restore", at=at))
    load(log, record("restore", at=T0))  # at that instant it was
    assert "no sanction in force" in rejection(log, record("restore", at=T0))


def test_a_suspension_must_end_after_it_begins(log):
    for until in (T0, T0 - DAY, "2020-01-01T00:00:00Z", "2020-01-01T00:59:00+01:00"):
        assert "until" in rejection(log, record("suspend", until=until))
    load(log, record("suspend", until=T0 + timedelta(microseconds=1)))
    assert log.account("1").status is Status.ACTIVE


def test_records_older_than_their_accounts_newest_event_are_late(log):
    outcome = load(
        log,
        record("delete", at=T0 + 5 * DAY),
        record("note", at=T0 + 5 * DAY, text="at the same moment: not late"),
        record("note", at=T0, text="late"),
        record("note", at=T0 + 4 * DAY, text="after the late one, and late"),
        record("note", at=T0 + 6 * DAY, text="not late"),
        record("delete", "2", at=T0),
    )
    assert (outcome.recorded, outcome.late) == (6, 2)
    assert log.ingest([record("note", at=T0 + 5 * DAY, text="late")]).late == 1
    assert [event.version for event in log.history("1")] == list(range(1, 8))


@pytest.mark.parametrize("reason", [None, "", " \n"], ids=repr)
def test_a_missing_reason_names_the_import(log, reason):
    outcome = load(log, record(reason=reason), record("note", text="x"))
    events = log.history("1")[1:]
    assert [event.reason for event in events] == [f"imported with {outcome.batch_id}"] * 2


# Batches


def test_an_import_has_a_name_of_its_own(log):
    one, other = load(log, record()), load(log, record())
    assert one.batch_id != other.batch_id
    assert [e.version for e in log.events(Selection(batch_id=one.batch_id))] == [1, 2]
    assert [e.version for e in log.events(Selection(batch_id=other.batch_id))] == [3]


def test_an_import_may_be_named(log):
    assert load(log, record(), record(batch_id="its-own"), batch_id="march").batch_id == "march"
    assert [event.batch_id for event in log.history("1")] == ["march", "march", "its-own"]


WRONG_OPTIONS: dict[str, tuple[object, ...]] = {
    "batch_id": ("", "x" * 256, 1, []),
    "chunk": (0, -1, "5", 1.5, 2.0, True, None, [], 1j),
    "on_refused": ("x", "", None, True, [], "rejected"),
    "progress": (1, "x", []),
}


@pytest.mark.parametrize(
    "options",
    [{name: value} for name, values in WRONG_OPTIONS.items() for value in values],
    ids=str,
)
def test_wrong_options_are_refused_before_anything_is_read(log, options):
    unread = iter([record()])
    with pytest.raises(InvalidInputError):
        log.ingest(unread, **options)
    assert next(unread)
    assert log.head == 0


@pytest.mark.parametrize("records", [None, 1, 1.5, True, "delete", b"{}", record(), WAN], ids=str)
@pytest.mark.parametrize("name", ["ingest", "ingest_numbered"])
def test_what_is_no_series_of_records_is_refused(log, name, records):
    with pytest.raises(InvalidInputError, match="records must be an iterable of mappings"):
        getattr(log, name)(records)


# Keys


def keyed(number):
    return [
        record("suspend" if n % 3 else "restore", f"{n % 7}", T0 + n * DAY, key=f"k{n}")
        for n in range(number)
    ]


@pytest.mark.parametrize("chunk", [1, 7, 10_000])
def test_importing_again_records_nothing(log, chunk):
    first = log.ingest(keyed(100), chunk=chunk)
    assert first.recorded + len(first.rejected) == 100
    head = log.head
    again = log.ingest(keyed(100), chunk=chunk + 1, batch_id="again")
    assert (again.recorded, again.created, again.late) == (0, 0, 0)
    assert again.skipped == first.recorded
    assert [one.line for one in again.rejected] == [one.line for one in first.rejected]
    assert log.head == head


@pytest.mark.parametrize("chunk", [1, 10_000])
def test_a_key_twice_in_a_file_counts_once(log, chunk):
    outcome = load(log, record(key="k"), record(key="k"), record(), chunk=chunk)
    assert (outcome.recorded, outcome.skipped) == (2, 1)
    assert len(log.account("1").sanctions) == 2


@pytest.mark.parametrize("chunk", [1, 10_000])
@pytest.mark.parametrize(
    "other",
    [
        record("suspend", key="k"),
        record(account_id="2", key="k"),
        record(at=T0 + DAY, key="k"),
        record(actor=Actor.human("qiu"), key="k"),
        record(actor=Actor.bot("wan"), key="k"),
        record(reason="another", key="k"),
        record(policy="another", key="k"),
    ],
    ids=["do", "account_id", "at", "actor", "actor's kind", "reason", "policy"],
)
def test_a_key_of_another_request_is_rejected(log, other, chunk):
    outcome = log.ingest([record(key="k"), other, record()], chunk=chunk)
    assert (outcome.recorded, outcome.skipped) == (2, 0)
    assert [one.line for one in outcome.rejected] == [2]
    assert "belongs to another request" in outcome.rejected[0].reason


def test_a_key_is_the_same_in_commands_and_records(log):
    load(log, record(reason="why", key="k"))
    imported = log.history("1")[-1]
    again = log.delete("1", actor=WAN, reason="why", occurred_at=T0, idempotency_key="k")
    assert again == imported
    command = log.note("1", "x", actor=WAN, occurred_at=T0, idempotency_key="n")
    assert load(log, record("note", text="x", key="n")).skipped == 1
    assert log.history("1")[-1] == command


# What is rejected


def test_the_rest_goes_on_and_each_rejection_is_told(log):
    records = [
        record("restore"),
        record(),
        {},
        record("suspend", until=T0),
        7,
        record("restore"),
        record("restore"),
    ]
    for chunk in (1, 2, 10_000):
        account = f"account-{chunk}"
        given = [one | {"account_id": account} if one and one != 7 else one for one in records]
        outcome = log.ingest(given, chunk=chunk)
        assert (outcome.recorded, outcome.created, outcome.total) == (2, 1, 7)
        assert [(one.line, one.record) for one in outcome.rejected] == [
            (line, given[line - 1]) for line in (1, 3, 4, 5, 7)
        ]
        assert all(one.reason for one in outcome.rejected)
        assert log.account(account).status is Status.ACTIVE
    assert log.verify().ok


NAIVE = datetime(2020, 1, 1)  # noqa: DTZ001
NAN, INFINITY = float("nan"), float("inf")
DEEP: dict = {}
for _ in range(100):
    DEEP = {"a": DEEP}


def each(name, *values: object, do="delete"):
    """Records, each with another of these values in that field."""
    return [record(do) | {name: value} for value in values]


def actors(kinds: tuple[object, ...] = ("human",), ids: tuple[object, ...] = ("wan",)):
    return [{"kind": kind, "id": id_} for kind in kinds for id_ in ids]


def without(name):
    return {field: value for field, value in record().items() if field != name}


HOSTILE = [
    *(None, 1, "delete", b"{}", [], [("do", "delete")], {}, set(), object(), NAN),
    *each("do", None, 1, "", "DELETE", "erase", "revert", [], {}, "__class__"),
    *each("account_id", None, 1, "", "x" * 256, "\0", "\ud800", b"1", []),
    *each("at", None, 0, 1.5, "", "now", "2020-01-01", NAIVE, [], T0.date()),
    *each("at", "2020-13-01T00:00:00Z", "0001-01-01T00:00:00+14:00"),
    *each("actor", "wan", 1, [], {}, {"kind": "human"}, {"id": "wan"}),
    *each("actor", *actors(kinds=("admin", None, 1, [], {}))),
    *each("actor", *actors(ids=("", None, 1, [], "\0"))),
    *each("actor", {"kind": "human", "id": "wan", "name": "Wan"}),
    *each("actor", {"kind": "model", "id": "m", "version": 3}),
    *each("reason", 1, [], b"x", "\0", "\udfff"),
    *each("policy", "", 1, [], "x" * 256),
    *each("batch_id", "", 1, "x" * 256),
    *each("correlation_id", "", 1, "x" * 256),
    *each("confidence", -0.1, 1.1, "1", True, NAN, 10**400, []),
    *each("key", "", 1, [], b"k", "\0"),
    *each("until", 0, "", "soon", NAIVE, [], "2021-01-01", do="suspend"),
    *each("lifts", [], 1, "1", [0], [True], ["1"], [9], {}, [[]], do="restore"),
    *each("flags", [], 1, [0], [9], [None], do="clear_flags"),
    *each("label", None, "", 1, "x" * 256, "\0", do="flag"),
    *(one | {"label": "x"} for one in each("score", -1, 2, "1", True, INFINITY, do="flag")),
    *each("profile", None, [], "x", {1: 2}, {"a": None}, DEEP, do="create"),
    *each("profile", {"a": NAN}, {"a": 2**53}, {"a": b""}, {"a": {1}}, {"a": T0}, do="create"),
    *each("profile", {"a": object()}, {"a": Decimal(1)}, {"a": ["\ud800"]}, do="create"),
    *each("changes", None, {}, [], {"a": 1j}, {"\0": 1}, do="change_profile"),
    *each("text", None, 1, "\0", [], do="note"),
    *(record(do) for do in ("flag", "change_profile", "note")),
    *each("until", T0 + DAY),  # a deletion has none
    *each("profile", {}),
    *each("occurred_at", T0),
    *(record() | {name: 1} for name in ("", 1, None, b"do")),
    *(without(name) for name in ("do", "account_id", "at", "actor")),
]


def test_hostile_records_are_rejected_and_leave_nothing(log):
    outcome = log.ingest(HOSTILE)
    lines = {one.line for one in outcome.rejected}
    assert [one for line, one in enumerate(HOSTILE, 1) if line not in lines] == []
    assert all(one.record is HOSTILE[one.line - 1] for one in outcome.rejected)
    assert all(one.reason for one in outcome.rejected)
    assert (outcome.recorded, outcome.created, log.head) == (0, 0, 0)


ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=3)
    | st.datetimes()
    | st.sampled_from(["1", "delete", "flag", "restore", T0, WAN, "2020-01-01T00:00:00Z", [2]]),
    lambda odd: st.lists(odd, max_size=3) | st.dictionaries(st.text(max_size=3), odd, max_size=3),
    max_leaves=5,
)
NAMES = ["label", "score", "until", "lifts", "flags", "text", "profile", "changes", "key", "reason"]
COMMANDS = ["create", "change_profile", "flag", "clear_flags", "suspend", "delete", "restore"]
RECORDS = ODD | st.builds(
    lambda plain, odd: plain | odd,
    st.builds(record, do=st.sampled_from([*COMMANDS, "protect", "unprotect", "note"])),
    st.dictionaries(st.sampled_from([*NAMES, "at", "actor", "account_id", "do"]), ODD, max_size=2),
)


@STORE
@given(records=st.lists(RECORDS, max_size=20), chunk=st.integers(1, 10))
def test_whatever_comes_is_recorded_or_rejected(fresh_place, records, chunk):
    with fresh_place() as place, place.open() as log:
        outcome = log.ingest(records, chunk=chunk)
        assert outcome.total == len(records)
        assert outcome.recorded + outcome.created == log.head
        lines = [one.line for one in outcome.rejected]
        assert lines == sorted(set(lines))
        assert log.verify().ok


# Strict


def test_strict_raises_and_writes_nothing_of_the_chunk(log):
    seen: list = []
    records = [record(), record(), record(), record("restore", "new"), {}, record()]
    with pytest.raises(ImportRejectedError, match="record 4 ") as raised:
        log.ingest(records, chunk=2, strict=True, progress=seen.append)
    assert raised.value.line == 4
    assert [outcome.recorded for outcome in seen] == [2]
    assert len(log.history("1")) == 3
    assert log.verify().ok


def test_strict_names_the_first_of_a_chunk_however_it_is_wrong(log):
    with pytest.raises(ImportRejectedError) as raised:
        log.ingest([record(), record("restore", "new"), {}], strict=True)
    assert raised.value.line == 2
    assert log.head == 0


def test_strict_has_no_quarrel_with_late_and_known_records(log):
    records = [record(key="a"), record(at=T0 - DAY, key="b")]
    outcomes = [log.ingest(records, strict=True) for _ in range(2)]
    assert [(one.recorded, one.late, one.skipped) for one in outcomes] == [(2, 1, 0), (0, 0, 2)]


# Chunks


def test_progress_is_told_after_each_chunk(log):
    seen: list[tuple] = []

    def progress(outcome):
        seen.append((outcome.total, outcome.recorded, len(outcome.rejected), log.head))

    records = [record(), record("restore", "new"), record(), record(), record()]
    outcome = log.ingest(records, chunk=2, progress=progress)
    assert seen == [(2, 1, 1, 2), (4, 3, 1, 4), (5, 4, 1, 5)]
    assert (outcome.total, outcome.recorded) == (5, 4)


def test_records_are_read_as_the_import_goes_on(log):
    taken: list[int] = []
    seen: list[int] = []

    def stream():
        for number in range(7):
            taken.append(number)
            yield record()

    log.ingest(stream(), chunk=3, progress=lambda _: seen.append(len(taken)))
    assert seen == [3, 6, 7]


def test_nothing_to_import(log):
    outcome = log.ingest(iter(()), progress=pytest.fail)
    assert (outcome.total, log.head) == (0, 0)


def test_a_source_that_fails_leaves_whole_chunks(log):
    def stream():
        yield from [record()] * 5
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="gone"):
        log.ingest(stream(), chunk=2)
    assert len(log.account("1").sanctions) == 4
    assert log.verify().ok


@pytest.mark.parametrize("chunk", [1, 2, 3, 10_000])
def test_chunks_make_no_difference(log, chunk):
    log.ingest(keyed(50), chunk=chunk)
    assert [(e.account_id, e.version, e.type, e.data) for e in log.events()] == [
        (e.account_id, e.version, e.type, e.data) for e in _all_at_once(keyed(50))
    ]


def _all_at_once(records):
    with modlog.open("sqlite://") as log:
        log.ingest(records)
        return list(log.events())


def test_a_chunk_is_one_transaction(log):
    log.ingest([record(account_id=str(n)) for n in range(6)], chunk=3)
    instants = [event.recorded_at for event in log.events()]
    assert len(set(instants[:6])) == len(set(instants[6:])) == 1
    assert instants[0] < instants[6]


# Large chunks, of which SQLite writes the first records while the last are decided


def notes(number):
    return [record("note", f"{n % 100}", T0 + n * DAY / 1440, text=f"{n}") for n in range(number)]


@pytest.mark.parametrize("number", [999, 1_000, 2_001])
def test_a_large_chunk_is_written_whole_and_in_order(log, number):
    load(log, *notes(number), chunk=number)

    noted = [event for event in log.events() if event.type == "account.noted"]
    assert [event.data["text"] for event in noted] == [f"{n}" for n in range(number)]
    assert log.head == number + 100
    assert log.verify().ok


def test_a_large_chunk_that_fails_at_its_end_leaves_nothing(log):
    with pytest.raises(ImportRejectedError, match="record 2501 "):
        log.ingest([*notes(2_500), record("restore", "1")], strict=True)

    assert log.head == 0
    assert load(log, *notes(2_500)).recorded == 2_500
    assert log.verify().ok


def test_large_chunks_in_a_transaction_are_recorded_with_the_rest(log):
    with log.transaction():
        load(log, *notes(2_500), chunk=1_200)
        log.delete("1", actor=WAN, reason="x")

    assert log.head == 2_601
    assert len({event.recorded_at for event in log.events()}) == 1
    assert log.verify().ok


@pytest.fixture
def file(tmp_path):
    return tmp_path / "ledger.db"


def test_what_goes_wrong_while_it_is_written_is_told(file):
    with modlog.open(f"sqlite:///{file}") as log:
        with own_connection(log) as connection:
            ((pages,),) = connection.execute("PRAGMA max_page_count")
            connection.execute("PRAGMA max_page_count = 38")

        with pytest.raises(modlog.StoreFullError, match="make room"):
            log.ingest(notes(5_000))

        assert log.head == 0
        connection.execute(f"PRAGMA max_page_count = {pages}")
        assert load(log, *notes(5_000)).recorded == 5_000
        assert log.verify().ok


# Beside others who write


def test_what_others_write_between_chunks_is_seen(fresh_place):
    with fresh_place() as place, place.open() as log:
        other = log if place.kind == "sqlite-memory" else place.open()

        def stream():
            yield record("delete", "1")
            yield record("delete", "2")
            other.restore("1", actor=WAN, reason="by another")
            yield record("restore", "1", at=T0 + DAY)
            yield record("restore", "2", at=T0 + DAY)
            other.note("2", "by another", actor=WAN)
            yield record("note", "2", text="the last")

        with other:
            outcome = log.ingest(stream(), chunk=1)
            assert [one.line for one in outcome.rejected] == [3]
            assert [e.version for e in log.history("2")] == [1, 2, 3, 4, 5]
            assert log.verify().ok


def test_two_imports_of_the_same_file_at_once_record_it_once(fresh_place):
    records = [record("note", str(n % 5), text=str(n), key=str(n)) for n in range(200)]
    with fresh_place() as place, place.open() as log:
        outcomes = []
        threads = [
            threading.Thread(
                target=lambda c: outcomes.append(log.ingest(records, chunk=c)), args=(c,)
            )
            for c in (7, 11)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(one.recorded for one in outcomes) == 200
        assert sum(one.skipped for one in outcomes) == 200
        assert [one.rejected for one in outcomes] == [[], []]
        assert log.head == 205
        assert log.verify().ok


def test_an_import_within_a_transaction_is_recorded_with_the_rest(log):
    with log.transaction():
        log.create("1", actor=WAN)
        outcome = log.ingest([record(at=T0), record("restore", "2"), record()], chunk=1)
        log.note("1", "done", actor=WAN)
    assert (outcome.recorded, outcome.late, len(outcome.rejected)) == (2, 2, 1)
    assert len({event.recorded_at for event in log.events()}) == 1
    assert [event.version for event in log.history("1")] == [1, 2, 3, 4]
    assert log.verify().ok


def test_an_import_within_a_transaction_is_given_up_with_the_rest(log):
    def give_up(outcome):
        raise RuntimeError

    with pytest.raises(RuntimeError), log.transaction():
        log.ingest([record(key="k")] * 3, progress=give_up)
    assert log.head == 0
    assert load(log, record(key="k")).recorded == 1


def test_a_strict_import_that_fails_in_a_transaction_leaves_the_others_alone(log):
    with log.transaction():
        log.create("1", actor=WAN)
        with pytest.raises(ImportRejectedError):
            log.ingest([record(), record("restore", "2")], strict=True)
        log.note("1", "done", actor=WAN)
    assert [event.type for event in log.history("1")] == ["account.created", "account.noted"]
    assert log.verify().ok
