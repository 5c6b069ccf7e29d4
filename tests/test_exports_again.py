"""An export that is imported gives the same accounts, at every moment, and the same lines."""

import io
import json
import re
from datetime import UTC, datetime
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

import modlog
from modlog import Actor, Selection, Status
from modlog._storage import codec
from modlog._storage.reading import Reader
from modlog.testing import MovableClock, histories
from tests.laws import STORE
from tests.recording import step_of

WAN = Actor.human("wan")
IDS = ("110018", "=1+1")
REQUEST = {"ip": "::1", "n": 1.0}
# What the ledger that imports says for itself.
OWN = ("position", "recorded_at")


@pytest.fixture
def log(place):
    with place.open() as log:
        yield log


@st.composite
def tangled(draw):
    """The histories of two accounts, and in which order their events come."""
    both = [draw(histories(account_id=id_, erasures=True)) for id_ in IDS]
    turns = list(chain.from_iterable([n] * len(one) for n, one in enumerate(both)))
    return both, draw(st.permutations(turns))


def write(log, clock, both, turns):
    left = [iter(one) for one in both]
    for turn in turns:
        clock.move(1)
        with log._work.store.writing(clock()) as writer:
            writer.append([step_of(both[turn], next(left[turn]))])


def exported(log, selection=None, format="jsonl"):
    file = io.BytesIO()
    log.export(file, selection, format=format)
    return file.getvalue()


def lines(log, selection=None):
    return [json.loads(line) for line in exported(log, selection).splitlines()]


def without_own(some):
    return [{name: value for name, value in line.items() if name not in OWN} for line in some]


@pytest.mark.laws
@STORE
@given(tangled(), st.integers(1, 9))
def test_an_import_of_an_export_gives_the_same_at_every_position(fresh_place, drawn, chunk):
    clock = MovableClock()
    with (
        fresh_place() as here,
        fresh_place() as there,
        here.open(clock=clock) as source,
        there.open(clock=clock) as log,
    ):
        write(source, clock, *drawn)
        exports = lines(source)

        outcome = log.ingest(exports, chunk=chunk)

        assert (outcome.recorded, outcome.rejected) == (len(exports), [])
        assert without_own(lines(log)) == without_own(exports)
        for position in range(1, source.head + 1):
            # An instant of recording is the importing ledger's own: what has expired is not told.
            assert states(log, position) == states(source, position)
        assert log.verify().ok


def states(log, position):
    return [
        (
            {name: getattr(one, name) for name in ("id", "version", "profile", "flags")},
            one.protected,
            one.status in (Status.ERASED, Status.ABSENT, Status.DELETED),
            {v: (s.kind, s.since, s.until) for v, s in one.sanctions.items()},
        )
        for one in log.as_of(position).accounts()
    ]


@pytest.mark.laws
@STORE
@given(tangled(), st.integers(1, 9), st.integers(1, 9))
def test_an_import_again_adds_nothing(fresh_place, drawn, chunk, other):
    clock = MovableClock()
    with fresh_place() as here, here.open(clock=clock) as source:
        write(source, clock, *drawn)
        exports, head = lines(source), source.head

        assert source.ingest(exports, chunk=chunk).skipped == len(exports)  # into itself, too
        with modlog.open("sqlite://", clock=clock) as log:
            log.ingest(exports, chunk=chunk)
            twice = log.ingest([*exports, *exports], chunk=other)

            assert (twice.skipped, twice.recorded, twice.rejected) == (2 * len(exports), 0, [])
            assert (source.head, log.head) == (head, head)


# What is taken, and what is not


@pytest.fixture(scope="module")
def exports():
    """The lines of a ledger with a sweep, a refusal, notes of every kind of text, and a revert."""
    with modlog.open("sqlite://", clock=MovableClock()) as log, modlog.acting(WAN, reason=" "):
        for id_ in "abc":
            log.create(id_, {"nickname": f"{id_}\u202e", "n": 1.0}, metadata=REQUEST)
        log.protect("a", occurred_at=datetime(1999, 1, 1, tzinfo=UTC))
        with pytest.raises(modlog.GuardrailError):
            log.delete("a", actor=Actor.bot("x", version="1", account_id="a"), reason="no")
        plan = log.plan_sweep(["b", "c"], "delete", batch_id="swept", reason="spam")
        plan.approve(actor=Actor.human("qiu"))
        plan.execute()
        log.revert(Selection(account_id="b", batch_id="swept"), reason="no spam")
        log.suspend("c", policy="p", confidence=0.5, correlation_id="t", reason="r")
        log.restore("c", lifts=[3], reason="r")
        return lines(log)


def test_a_sweep_a_refusal_and_a_revert_come_along(exports, log):
    outcome = log.ingest(exports, batch_id="not-asked-for")

    of_sweep = [line for line in exports if line["account_id"] is None]
    assert (len(of_sweep), outcome.skipped, outcome.rejected) == (4, 4, [])
    of_accounts = [line for line in exports if line["account_id"] is not None]
    assert without_own(lines(log)) == without_own(of_accounts)
    assert outcome.recorded == len(of_accounts)
    assert outcome.late == 1
    assert [one.status for one in log.accounts()] == ["active", "active", "deleted"]
    assert [event.metadata for event in log.history("a")] == [REQUEST, {}, {}]
    assert log.history("a")[2].type == "action.refused"
    assert log.history("b")[2].data == {"targets": [2]}
    # The sweep itself stays behind, and its batch can be taken back all the same.
    log.revert(Selection(batch_id="swept", account_id="c"), actor=WAN, reason="no")
    assert log.account("c").sanctions.keys() == set()
    assert log.verify().ok


def test_lines_and_commands_go_together(exports, log):
    """Also where a command stands before a revert of the same chunk."""
    of_b = [line for line in exports if line["account_id"] == "b"]
    rest = {"at": datetime(2026, 1, 1, tzinfo=UTC), "actor": {"kind": "human", "id": "x"}}
    flagged = {"do": "flag", "account_id": "b", "label": "spam"} | rest
    reverted = of_b[-1] | {"version": 4, "data": {"targets": [2, 3]}}
    outcome = log.ingest([*of_b[:2], flagged, reverted, flagged])

    assert outcome.rejected == []
    assert log.account("b").flags == {5: "spam"}
    assert log.account("b").status is Status.ACTIVE
    assert log.verify().ok


def test_a_part_of_an_account_is_refused(exports):
    some = [line for line in exports if line["version"] > 1]
    with modlog.open("sqlite://") as log:
        outcome = log.ingest(some)

        assert log.head == 0
        assert "'a' is at version 0 in this ledger, so version 2 cannot come next" in (
            outcome.rejected[0].reason
        )
        assert outcome.rejected[0].record == some[0]


def test_the_rest_can_come_later(exports, log):
    log.ingest(exports[:7])
    outcome = log.ingest(exports, chunk=3)

    assert outcome.rejected == []
    assert without_own(lines(log)) == without_own(
        [line for line in exports if line["account_id"] is not None]
    )


@pytest.mark.parametrize(
    "change",
    [
        {"reason": "another"},
        {"actor_id": "another"},
        {"actor_account_id": "another"},
        {"occurred_at": "2027-01-01T00:00:00.000000Z"},
        {"data": {"profile": {"nickname": "a\u202e", "n": 1}}},  # and not 1.0
        {"type": "account.protected", "data": {}},
        {"policy": "p"},
        {"metadata": {"ip": "::1", "n": 1}},  # and not 1.0
        {"metadata": None},
    ],
)
def test_another_event_in_the_same_place_is_refused(exports, change, log):
    first = exports[0]
    assert (first["account_id"], first["version"]) == ("a", 1)
    log.ingest(exports)
    assert log.ingest([first, {**first, "position": 99, "recorded_at": "x"}]).skipped == 2

    outcome = log.ingest([{**first, **change}])

    assert "'a' has another event at version 1" in outcome.rejected[0].reason
    assert outcome.recorded == 0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"more": 1}, "a line of an export has no 'more'"),
        ({"type": "account.unknown"}, "no event has the type 'account.unknown'"),
        ({"type": 7}, "type must be text"),
        ({"type": "sweep.approved", "data": {"digest": "x"}}, "is no event of an account"),
        ({"account_id": None}, "an account_id must be text|account_id must be text"),
        ({"account_id": "\udc00"}, "cannot be stored"),
        ({"version": "1"}, "version must be a whole number"),
        ({"version": 0}, "has another event at version 0"),
        ({"version": 2**60}, "version must be a whole number"),
        ({"schema": 2}, "a newer modlog wrote the event"),
        ({"schema": None}, "schema must be a whole number"),
        ({"occurred_at": None}, "occurred_at must be a datetime"),
        ({"occurred_at": "2026-01-01T00:00:00"}, "has no time zone"),
        ({"actor_kind": "robot"}, "an actor's kind is one of"),
        ({"actor_id": None}, "an actor's id must be text"),
        ({"confidence": 2}, "confidence must be a number from 0 to 1"),
        ({"metadata": "x"}, "metadata must be a mapping"),
        ({"metadata": {"x": "y" * 16_384}}, "metadata must have at most 16,384 bytes"),
        ({"data": []}, "data must be a mapping"),
        ({"data": {}}, "account.created lacks profile"),
        ({"data": {"profile": {"x": None}}}, "cannot hold null"),
        ({"data": {"profile": {}, "more": 1}}, "account.created has no 'more'"),
    ],
)
def test_a_line_that_makes_no_sense_is_rejected_alone(exports, change, reason):
    broken = {**exports[0], **change}
    with modlog.open("sqlite://") as log:
        outcome = log.ingest([broken, *exports])

        (rejection,) = outcome.rejected
        assert re.search(reason, rejection.reason), rejection.reason
        assert log.verify().ok
        assert log.account("a").version == 3


def test_a_line_without_what_is_due_is_rejected(exports):
    with modlog.open("sqlite://") as log:
        for name in ("account_id", "occurred_at", "actor_kind", "schema", "data"):
            line = {key: value for key, value in exports[0].items() if key != name}
            (rejection,) = log.ingest([line]).rejected
            assert rejection.reason == f"a line of an export has {name} as well"
        optional = ("recorded_at", "reason", "policy", "confidence", "actor_version", "metadata")
        line = {key: value for key, value in exports[0].items() if key not in optional}
        assert log.ingest([line]).recorded == 1


def test_a_line_of_an_older_schema_is_brought_up_to_date(exports, monkeypatch):
    upcast = {("account.created", 1): lambda data: {"profile": data["fields"]}}
    monkeypatch.setattr(codec, "UPCASTERS", upcast)
    with modlog.open("sqlite://") as log:
        log.ingest([{**exports[0], "data": {"fields": {"nickname": "old"}}}])
        assert log.account("a").profile == {"nickname": "old"}

        (rejection,) = log.ingest([{**exports[1], "data": {}}]).rejected
        assert "its data are not those of 'account.created', schema 1" in rejection.reason


def test_a_strict_import_stops_at_a_line_that_cannot_come_next(exports):
    with modlog.open("sqlite://") as log, pytest.raises(modlog.ImportRejectedError, match="next"):
        log.ingest(exports[3:], strict=True)


def test_what_is_there_is_looked_up_by_chunks(exports, log, monkeypatch):
    """So many lines of an account cost one query a chunk, and not the account's whole history."""
    line = next(one for one in exports if one["account_id"] == "c")
    note = {**line, "type": "account.noted", "data": {"text": "x"}}
    many = [line, *({**note, "version": version} for version in range(2, 200))]
    log.ingest(many)
    own, seen = Reader.events_of, []

    def events_of(reader, account_ids, condition):
        found = own(reader, account_ids, condition)
        seen.append(sum(map(len, found.values())))
        return found

    monkeypatch.setattr(Reader, "events_of", events_of)
    assert log.ingest(many, chunk=100).skipped == 199
    assert seen == [100, 99]
