"""Metadata: what the platform keeps with its events, for its own purposes."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

import modlog
from modlog import Actor, Guardrails, Selection
from tests import places
from tests.test_opening import Raw

WAN = Actor.human("wan")
MEI = Actor.human("mei")
AT = datetime(2026, 1, 1, tzinfo=UTC)
REQUEST = {"ip": "::1", "tags": ["ü", 1, 0.5, None, True], "agent": {"name": "x"}}
MOST = 16_384


@pytest.fixture
def log(place):
    with place.open() as log, modlog.acting(WAN, reason="clean-up"):
        log.create("a")
        yield log


@pytest.fixture
def acts(log):
    """How many acts there are."""

    def acts() -> int:
        with log._work.store.reading() as reader:
            table = log._work.store.database.table("acts")
            return reader.session.rows(f"SELECT count(*) FROM {table}")[0][0]

    return acts


def of(log, account_id: str = "a") -> Any:
    """The metadata of an account's last event."""
    return log.history(account_id)[-1].metadata


class TestCommands:
    def test_keep_it_as_it_was(self, log):
        given = log.note("a", "x", metadata=REQUEST).metadata

        assert given == of(log) == REQUEST
        assert type(of(log)["tags"][1]) is int

    def test_have_none_where_none_is_given(self, log):
        nothings: tuple[dict[str, Any] | None, ...] = ({}, None)
        for nothing in nothings:
            assert log.note("a", "x", metadata=nothing).metadata == {}
            assert of(log) == {}
        assert log.note("a", "x").metadata == {}

    def test_take_no_part_in_what_becomes_of_the_callers_own(self, log):
        mine = {"tags": ["x"]}
        event = log.note("a", "x", metadata=mine)
        mine["tags"].append("y")

        assert event.metadata == of(log) == {"tags": ["x"]}

    @pytest.mark.parametrize(
        "value",
        [
            [],
            "x",
            7,
            {1: "x"},
            {"x": float("nan")},
            {"x": 2**53},
            {"x": "\0"},
            {"\ud800": 1},
            {"x": object()},
        ],
    )
    def test_take_json_and_nothing_else(self, log, value):
        with pytest.raises(modlog.InvalidInputError, match="metadata"):
            log.note("a", "x", metadata=value)
        with (
            pytest.raises(modlog.InvalidInputError, match="metadata"),
            modlog.acting(metadata=value),
        ):
            pass

        assert log.head == 1

    @pytest.mark.parametrize("letter", ["x", "ü", "𝄞"])
    def test_take_16_kib_as_json_in_utf_8(self, log, letter):
        room = MOST - len('{"k":""}')
        text = letter * (room // len(letter.encode()))
        text += "x" * (room - len(text.encode()))

        assert log.note("a", "x", metadata={"k": text}).metadata == {"k": text}
        with pytest.raises(modlog.InvalidInputError, match=r"16,384 bytes.*this one has 16,385"):
            log.note("a", "x", metadata={"k": f"{text}x"})

    def test_of_one_kind_are_one_act_if_it_is_the_same(self, log, acts):
        before = acts()
        with log.transaction():
            for metadata in ({"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": 1}, {"a": 1.0}, None, {}):
                log.note("a", "x", metadata=metadata)

        assert acts() - before == 4
        told = [event.metadata for event in log.history("a")][1:]
        assert json.dumps(told) == (
            '[{"a": 1, "b": 2}, {"a": 1, "b": 2}, {"a": 1}, {"a": 1.0}, {}, {}]'
        )


class TestActing:
    def test_is_merged_key_by_key(self, log):
        with modlog.acting(metadata={"ip": "::1", "via": "web"}):
            assert log.note("a", "x").metadata == {"ip": "::1", "via": "web"}
            with modlog.acting(metadata={"via": "api", "job": None}):
                inner = log.note("a", "x", metadata={"job": 7, "more": {}})
                assert inner.metadata == {"ip": "::1", "via": "api", "job": 7, "more": {}}
                assert log.note("a", "x", metadata={}).metadata["job"] is None
            assert log.note("a", "x", metadata=None).metadata == {}
            with modlog.acting(metadata=None):
                assert log.note("a", "x").metadata == {}
            assert of(log) == {}
            assert log.note("a", "x").metadata == {"ip": "::1", "via": "web"}

    def test_is_measured_as_a_whole(self, log):
        half = "x" * (MOST // 2)
        with modlog.acting(metadata={"a": half}):
            with pytest.raises(modlog.InvalidInputError, match="this one has 16,399"):
                log.note("a", "x", metadata={"b": half})
            with pytest.raises(modlog.InvalidInputError), modlog.acting(metadata={"b": half}):
                pass
            log.note("a", "x", metadata={"a": half[:-1]})

    def test_lends_events_nothing_that_they_could_change(self, log):
        with modlog.acting(metadata={"tags": ["x"]}):
            log.note("a", "x").metadata["tags"].append("y")
            assert log.note("a", "x").metadata == {"tags": ["x"]}


class TestRequests:
    def test_are_others_with_other_metadata(self, log):
        first = log.note("a", "x", metadata=REQUEST, idempotency_key="k")

        assert log.note("a", "x", metadata=dict(REQUEST), idempotency_key="k") == first
        for other in ({**REQUEST, "ip": "::2"}, {}, None):
            with pytest.raises(modlog.IdempotencyConflictError):
                log.note("a", "x", metadata=other, idempotency_key="k")

    def test_mean_that_of_acting_too(self, log):
        with modlog.acting(metadata={"ip": "::1"}):
            first = log.note("a", "x", idempotency_key="k")

        assert log.note("a", "x", metadata={"ip": "::1"}, idempotency_key="k") == first
        with pytest.raises(modlog.IdempotencyConflictError):
            log.note("a", "x", idempotency_key="k")

    def test_without_are_the_same_as_with_none_of_it(self, log):
        first = log.note("a", "x", idempotency_key="k")

        assert log.note("a", "x", metadata={}, idempotency_key="k") == first


class TestSweepsAndReverts:
    def test_carry_it(self, log):
        log.create("b")
        plan = log.plan_sweep(["a", "b"], "delete", batch_id="s", metadata=REQUEST)
        plan.approve(actor=MEI, metadata={"by": "phone"})
        log.sweep("s").execute()
        outcome = log.revert(Selection(batch_id="s"), metadata={"ticket": 9})

        told = {event.type: event.metadata for event in log.events(Selection(batch_id="s"))}
        assert told.pop("sweep.approved") == {"by": "phone"}
        assert len(told) == 4
        assert all(metadata == REQUEST for metadata in told.values())
        back = [e.metadata for e in log.events(Selection(batch_id=outcome.batch_id))]
        assert back == [{"ticket": 9}] * 2
        log.plan_revert(Selection(account_id="a", type="account.created")).apply(metadata={"x": 1})
        assert of(log) == {"x": 1}

    def test_carry_it_where_accounts_are_replayed(self, log):
        log.delete("a")
        log.restore("a")

        log.revert(Selection(account_id="a", type="account.restored"), metadata=REQUEST)

        assert of(log) == REQUEST


class TestGuardrails:
    def test_keep_it_with_what_they_stop_and_with_who_agrees(self, log):
        log.protect("a")
        with pytest.raises(modlog.GuardrailError):
            log.delete("a", metadata=REQUEST)
        assert (log.history("a")[-1].type, of(log)) == ("action.refused", REQUEST)

        log.delete("a", override_protection=True, approved_by=MEI, metadata=REQUEST)
        assert [event.metadata for event in log.history("a")[-2:]] == [REQUEST] * 2

    def test_off(self, place):
        with place.open(guardrails=Guardrails.off()) as log:
            log.create("a", actor=WAN, metadata=REQUEST)
            assert log.delete("a", actor=WAN, reason="x", metadata=REQUEST).metadata == REQUEST


class TestImports:
    def record(self, **given):
        return {"do": "note", "account_id": "new", "text": "x", "at": AT, "actor": WAN, **given}

    def test_keep_it_with_the_event_and_not_with_the_opening(self, log):
        log.ingest([self.record(metadata=REQUEST), self.record()])

        assert [event.metadata for event in log.history("new")] == [{}, REQUEST, {}]

    def test_mean_it_with_a_key(self, log):
        first = [self.record(metadata=REQUEST, key="k")]
        assert log.ingest(first).recorded == 1

        assert log.ingest(first).skipped == 1
        (rejected,) = log.ingest([self.record(metadata={}, key="k")]).rejected
        assert "another request" in rejected.reason

    @pytest.mark.parametrize("value", ["x", {"k": "x" * MOST}, {"k": {1}}])
    def test_reject_what_is_none(self, log, value):
        outcome = log.ingest([self.record(metadata=value), self.record()])

        assert [one.line for one in outcome.rejected] == [1]
        assert "metadata" in outcome.rejected[0].reason
        assert outcome.recorded == 1

    def test_keep_it_with_notes(self, log):
        record = {"do": "restore", "account_id": "a", "at": AT, "actor": WAN, "metadata": REQUEST}
        log.ingest([record], on_refused="note")

        (note,) = log.events(Selection(type="account.noted"))
        assert note.metadata == json.loads(note.data["text"])["metadata"] == REQUEST


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_people_who_come_with_sql_see_it(kind):
    with places.fresh(kind) as place:
        with place.open() as log:
            log.create("a", actor=WAN, metadata=REQUEST)
            log.note("a", "x", actor=WAN)
        rows = Raw(place).run("SELECT metadata FROM {p}modlog_log ORDER BY position")

    told = [json.loads(one) if isinstance(one, str) else one for (one,) in rows]
    assert told == [REQUEST, None]
