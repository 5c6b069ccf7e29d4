"""What was stored once is read for ever: events, a whole ledger, and the tables it lies in."""

import json
import shutil
import sqlite3
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

import modlog
from modlog import Actor, Selection, Status
from modlog._domain.events import EVENT_CLASSES
from modlog._storage import codec
from tests import places
from tests.golden.make import (
    EVENTS,
    LEDGER,
    START,
    UNTIL,
    postgres_tables,
    sqlite_tables,
    told_of,
)
from tests.golden.whole import (
    ANSWERED,
    FOUNDER,
    METADATA,
    WAN,
    WHY,
    answered,
    answers,
    load_postgres,
    load_sqlite,
    opened,
    records,
)
from tests.likeness import assert_same

GOLDEN = Path(__file__).parent / "golden"
ANN = Actor.human("ann")
FILES = sorted((GOLDEN / "events").glob("*.json"))
BY_TYPE = {event.TYPE: event for event in EVENTS}


def stored(path: Path) -> dict:
    return json.loads(path.read_text())


class TestEvents:
    def test_of_every_type_have_a_file_for_each_schema(self):
        expected = {
            f"{name}-{schema}.json"
            for name in EVENT_CLASSES
            for schema in range(1, codec.schema_of(name) + 1)
        }

        assert {path.name for path in FILES} == expected

    @pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
    def test_decode_to_what_they_were(self, path):
        golden = stored(path)

        event = codec.event_from(
            golden["type"], golden["schema"], golden["data"], golden["personal"]
        )

        assert event == BY_TYPE[golden["type"]]
        assert type(event) is EVENT_CLASSES[golden["type"]]

    @pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
    def test_encode_to_the_same_bytes(self, path):
        golden = stored(path)
        if golden["schema"] == codec.schema_of(golden["type"]):
            assert codec.data_texts(BY_TYPE[golden["type"]]) == (golden["data"], golden["personal"])

    @pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
    def test_of_a_newer_schema_are_not_guessed_at(self, path):
        golden = stored(path)
        newer = codec.schema_of(golden["type"]) + 1

        with pytest.raises(modlog.CorruptEventError, match="a newer modlog"):
            codec.event_from(golden["type"], newer, golden["data"], golden["personal"])

    @pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
    def test_with_a_field_too_many_are_damaged(self, path):
        golden = stored(path)
        data = json.dumps({**json.loads(golden["data"] or "{}"), "colour": "red"})

        with pytest.raises(modlog.CorruptEventError, match="colour"):
            codec.event_from(golden["type"], golden["schema"], data, golden["personal"])


@pytest.fixture
def ledger(tmp_path) -> str:
    """The golden ledger's URL: a copy, brought to the newest schema."""
    path = shutil.copy(LEDGER, tmp_path)
    modlog.upgrade(path)
    return f"sqlite:///{path}"


class TestLedger:
    def test_is_sound(self, ledger):
        with modlog.open(ledger) as log:
            report = log.verify()

        assert report.ok, report.findings
        assert (report.head, report.accounts) == (16, 4)
        assert report.events == {"account": 14, "sweep": 1, "foreign": 1}

    def test_has_these_accounts(self, ledger):
        clock = START.replace(day=31)
        with modlog.open(ledger, clock=lambda: clock) as log:
            accounts = {account.id: account for account in log.accounts()}
            count = log.count()

        assert {id_: account.status for id_, account in accounts.items()} == {
            "110018": Status.DELETED,
            "2": Status.SUSPENDED,
            "3": Status.ACTIVE,
            "4": Status.ERASED,
        }
        assert count == dict.fromkeys(Status, 0) | {
            Status.DELETED: 1,
            Status.SUSPENDED: 1,
            Status.ACTIVE: 1,
            Status.ERASED: 1,
        }
        founder, two = accounts["110018"], accounts["2"]
        assert founder.profile == {"nickname": "Lei"}
        assert founder.flags == {3: "spam"}
        assert [(v, s.kind) for v, s in founder.sanctions.items()] == [(4, "deletion")]
        assert [(v, s.until) for v, s in two.sanctions.items()] == [(2, UNTIL), (3, None)]
        assert (two.protected, founder.protected) == (True, False)

    def test_has_these_events(self, ledger):
        with modlog.open(ledger) as log:
            told = [told_of(event) for event in log.events()]

        assert told == json.loads((GOLDEN / "ledger-2.json").read_text())

    def test_knows_its_answered_requests(self, ledger):
        wan = Actor.human("wan", account_id="1")
        request: Any = {"actor": wan, "reason": "clean-up", "policy": "illegal-content"}
        with modlog.open(ledger) as log:
            again = log.delete("110018", idempotency_key="k1", **request)
            assert (again.position, log.head) == (4, 16)
            with pytest.raises(modlog.IdempotencyConflictError):
                log.delete("2", idempotency_key="k1", **request)

    def test_keeps_what_is_foreign(self, ledger):
        with modlog.open(ledger) as log:
            (event,) = log.recorder.select_events("order-1")

        assert (event.topic, event.state) == ("shop:Ordered", b"\x00\xff")

    def test_is_made_again_from_its_events(self, ledger):
        with modlog.open(ledger) as log:
            before = list(log.accounts())
            assert log.rebuild() == 4
            assert list(log.accounts()) == before

    def test_goes_on(self, ledger):
        with modlog.open(ledger) as log:
            assert log.restore("110018", actor=ANN, reason="mistake").position == 17
            assert log.account("110018").status == "active"
            assert log.verify().ok


def stored_rows(url: str) -> list:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as file:
        return file.execute(
            "SELECT e.*, a.type, a.schema FROM modlog_events AS e"
            " JOIN modlog_acts AS a ON a.number = e.act ORDER BY e.position"
        ).fetchall()


class TestUpcasting:
    @pytest.fixture(autouse=True)
    def newer(self, monkeypatch):
        """A modlog whose notes have a second schema: they end with an exclamation mark."""
        monkeypatch.setitem(
            codec.UPCASTERS, ("account.noted", 1), lambda data: {"text": data["text"] + "!"}
        )

    def test_old_rows_are_read_as_new_ones(self, ledger):
        before = stored_rows(ledger)
        with modlog.open(ledger) as log:
            (note,) = (event for event in log.history("3") if event.type == "account.noted")
            assert note.data == {"text": "☎!"}
            assert log.verify().ok

        assert stored_rows(ledger) == before

    def test_new_rows_are_read_as_they_are(self, ledger, monkeypatch):
        with modlog.open(ledger) as log:
            log.note("3", "new", actor=ANN)
            assert [e.data["text"] for e in log.history("3") if "text" in e.data] == ["☎!", "new"]
        assert [row[-1] for row in stored_rows(ledger) if row[-2] == "account.noted"] == [1, 2]

        # Notes have a third schema: each row takes the steps that it has not taken.
        monkeypatch.setitem(
            codec.UPCASTERS, ("account.noted", 2), lambda data: {"text": data["text"] + "?"}
        )
        with modlog.open(ledger) as log:
            assert [e.data["text"] for e in log.history("3") if "text" in e.data] == ["☎!?", "new?"]

    def test_an_older_modlog_says_that_it_is_older(self, ledger, monkeypatch):
        with modlog.open(ledger) as log:
            log.note("3", "new", actor=ANN)
        monkeypatch.delitem(codec.UPCASTERS, ("account.noted", 1))

        with modlog.open(ledger) as log:
            with pytest.raises(modlog.CorruptEventError, match=r"position 17.*newer modlog"):
                log.history("3")
            assert [finding.account_id for finding in log.verify().findings] == ["3"]
            assert log.account("110018").status == "deleted"


class TestTables:
    def test_of_sqlite(self, tmp_path):
        path = tmp_path / "new.db"
        modlog.open(f"sqlite:///{path}").close()

        assert sqlite_tables(path) == (GOLDEN / "sqlite.sql").read_text()

    def test_of_postgresql(self, postgres_url, schema):
        modlog.open(postgres_url, schema=schema, create=True).close()

        assert postgres_tables(postgres_url, schema) == (GOLDEN / "postgres.txt").read_text()


@contextmanager
def loaded(kind, schema):
    """A whole ledger of a schema."""
    with places.fresh(kind) as place:
        if kind == "sqlite":
            load_sqlite(schema, Path(place.url.removeprefix("sqlite:///")))
        else:
            load_postgres(schema, place.url, place.schema)
        yield place


@pytest.fixture(params=["sqlite", "postgres"])
def whole(request):
    """A whole ledger of the schema before."""
    with loaded(request.param, 2) as place:
        yield place


class TestWholeLedger:
    def test_is_refused_until_it_is_upgraded(self, whole):
        with pytest.raises(modlog.SchemaError, match=r"schema 2.*modlog upgrade"):
            opened(whole.url, schema=whole.schema)

    @pytest.mark.parametrize("schema", [2, 3])
    @pytest.mark.parametrize("kind", ["sqlite", "postgres"])
    def test_answers_what_it_answered(self, kind, schema):
        with loaded(kind, schema) as place:
            modlog.upgrade(place.url, schema=place.schema)

            with opened(place.url, schema=place.schema) as log:
                assert answers(log, schema) == answered(schema)
                assert log.verify().ok
                if schema >= 3:
                    given = {**WHY, "correlation_id": "ticket-10", "idempotency_key": "k3"}
                    (first,) = log.events(Selection(correlation_id="ticket-10"))
                    assert log.note("4", "x", **given, metadata=METADATA) == first
                    assert_same(first.metadata, METADATA)

    def test_knows_its_answered_requests(self, whole):
        modlog.upgrade(whole.url, schema=whole.schema)

        with opened(whole.url, schema=whole.schema) as log:
            head = log.head
            (before,) = log.events(Selection(correlation_id="ticket-7"))
            assert log.delete(FOUNDER, **ANSWERED) == before
            with pytest.raises(modlog.IdempotencyConflictError):
                log.delete("2", **ANSWERED)
            keyed = [record for record in records() if "key" in record]
            again = log.ingest(keyed, batch_id="import-reject")
            assert (again.recorded, again.skipped) == (0, len(keyed) - 1)
            assert [one.known for one in again.rejected] == [True]
            assert log.head == head

    def test_goes_on(self, whole):
        modlog.upgrade(whole.url, schema=whole.schema)

        with opened(whole.url, schema=whole.schema) as log:
            plan = log.sweep("waits")
            assert plan.execute().counts["done"] == 1
            log.revert(Selection(batch_id="waits"), actor=WAN, reason="a mistake")
            log.revert(Selection(batch_id="back"), actor=WAN, reason="after all")
            assert log.account("4").status == Status.DELETED
            assert log.ingest(records()).recorded
            assert log.verify().ok
