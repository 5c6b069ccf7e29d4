"""Answers that programs can send: `as_dict`, and what Pydantic and FastAPI make of them."""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from attrs import fields
from fastapi import FastAPI
from fastapi.encoders import jsonable_encoder
from fastapi.testclient import TestClient
from hypothesis import given
from pydantic import BaseModel, TypeAdapter, ValidationError

import modlog
from modlog import Actor, Selection
from modlog._domain.account import account_at, replay
from modlog._domain.events import event_of
from modlog._domain.jsonable import Jsonable, as_json
from modlog.testing import histories, recorded_events
from tests import places
from tests.golden.answers import SCHEMA, answers, golden
from tests.golden.whole import load_postgres, load_sqlite, opened
from tests.laws import PURE
from tests.likeness import assert_same
from tests.nasty import NASTY

ANN = Actor.human("ann")
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
GOLDEN = golden()
CLASSES: dict[str, Any] = {
    name: thing
    for name in modlog.__all__
    if isinstance(thing := getattr(modlog, name), type) and issubclass(thing, Jsonable)
}
# What goes through these gets something else than their keys.
STREAMS = {name for name, cls in CLASSES.items() if issubclass(cls, Iterator)}


def sent(value: object) -> Any:
    """What arrives where somebody sends JSON as strictly as web frameworks do."""
    return json.loads(json.dumps(value, allow_nan=False, ensure_ascii=False).encode())


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def answered(request, tmp_path_factory):
    """One answer of each kind, from a ledger of each store."""
    with places.fresh(request.param) as place:
        if request.param == "sqlite":
            load_sqlite(SCHEMA, Path(place.url.removeprefix("sqlite:///")))
        else:
            load_postgres(SCHEMA, place.url, place.schema)
        with opened(place.url, schema=place.schema) as log:
            yield answers(log)


class TestGolden:
    def test_there_is_one_of_each(self):
        assert GOLDEN.keys() == CLASSES.keys()

    @pytest.mark.parametrize("name", CLASSES)
    def test_it_is_what_it_was(self, answered, name):
        assert_same(answered[name].as_dict(), GOLDEN[name])

    @pytest.mark.parametrize("name", CLASSES)
    def test_it_tells_every_attribute(self, name):
        """But those that others say better: which is decided in the class, for all to see."""
        public = {one.name for one in fields(CLASSES[name]) if not one.name.startswith("_")}
        apart = {"event", "id", "moves", "sweep"} if CLASSES[name]._apart else set()

        if name != "Selection":  # tells what was given
            assert public - apart <= GOLDEN[name].keys()

    @pytest.mark.parametrize("name", CLASSES)
    def test_pydantic_describes_it_as_it_is(self, answered, name):
        adapter = TypeAdapter(CLASSES[name])
        schema = adapter.json_schema(mode="serialization")
        told = json.loads(adapter.dump_json(answered[name]))

        assert_same(told, GOLDEN[name])
        jsonschema.validate(told, schema)
        if name != "Selection":
            assert schema["properties"].keys() == told.keys() == set(schema["required"])

    def test_answers_are_not_read_from_elsewhere(self):
        for value in (GOLDEN["Account"], "110018", None):
            with pytest.raises(ValidationError, match="not read from elsewhere"):
                TypeAdapter(modlog.Account).validate_python(value)
            with pytest.raises(ValidationError, match="not read from elsewhere"):
                TypeAdapter(modlog.Account).validate_json(json.dumps(value))

    @pytest.mark.parametrize("name", sorted(CLASSES.keys() - STREAMS))
    def test_it_is_the_same_where_nobody_declares_it(self, answered, name):
        """In FastAPI's own manner, in Pydantic's where anything may stand, and as `dict`."""
        for told in (
            jsonable_encoder({"it": answered[name]}),
            TypeAdapter(dict[str, Any]).dump_python({"it": answered[name]}, mode="json"),
            {"it": dict(answered[name])},
        ):
            assert_same(told, {"it": GOLDEN[name]})

    def test_it_is_a_copy(self):
        with modlog.open("sqlite://") as log:
            log.create("a", {"tags": [1, {"x": []}]}, actor=ANN)
            account = log.account("a")
            account.as_dict()["profile"]["tags"][1]["x"].append("changed")

            assert account.profile == {"tags": [1, {"x": []}]}


@PURE
@given(event=recorded_events())
def test_an_event_arrives_as_it_was(event):
    told = sent(event.as_dict())

    assert event_of(told["type"], told["data"]) == event.event
    assert_same(told["metadata"], dict(event.metadata))
    assert Actor.parsed(told["actor"]) == event.actor
    for name in ("recorded_at", "occurred_at"):
        assert datetime.fromisoformat(told[name]) == getattr(event, name)
        assert INSTANT.fullmatch(told[name])
    for name in told.keys() - {"type", "data", "metadata", "actor", "recorded_at", "occurred_at"}:
        assert told[name] == getattr(event, name)


@PURE
@given(history=histories(erasures=True))
def test_an_account_arrives_as_it_was(history):
    account = account_at("110018", replay(history), history[-1].recorded_at)
    told = sent(account.as_dict())

    assert_same(told["profile"], account.profile)
    assert {int(version): label for version, label in told["flags"].items()} == account.flags
    for version, sanction in account.sanctions.items():
        one = told["sanctions"].pop(str(version))
        until = one["until"] and datetime.fromisoformat(one["until"])
        assert (one["kind"], until) == (sanction.kind, sanction.until)
        assert one["in_force"] is sanction.in_force
    assert told["sanctions"] == {}
    assert (told["status"], told["protected"]) == (account.status, account.protected)


@pytest.mark.parametrize("name", NASTY)
def test_whatever_stood_in_a_record_can_be_sent(name):
    value = NASTY[name]()
    for record in (value, {"do": value, "more": [value]}):
        rejection = modlog.Rejection(line=1, record=record, reason="no")
        told = rejection.as_dict()
        assert sent(told) == told
        assert TypeAdapter(modlog.Rejection).dump_json(rejection)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("a\ud800", "a\\ud800"),
        ("a\0☎", "a\0☎"),
        (2**53, 2**53),
        (float("nan"), "nan"),
        ({1: (True, None)}, {"1": [True, None]}),
        (ANN, {"kind": "human", "id": "ann", "version": None, "account_id": None}),
        ([b"a", {"a"}], ["bytes", "set"]),
        (NASTY["recursive"](), "dict"),
        (NASTY["datetime.min east"](), "datetime"),
        (NASTY["datetime"](), "2026-03-09T12:00:00.000000Z"),
    ],
    ids=repr,
)
def test_how_values_are_told(value, told):
    assert_same(as_json(value), told)


@pytest.fixture
def client():
    """A platform's own service, with nothing in it that knows how answers are sent."""
    app = FastAPI()
    log = modlog.open("sqlite://")

    class Card(BaseModel):
        account: modlog.Account
        last: modlog.RecordedEvent | None

    @app.get("/accounts/{account_id}")
    def account(account_id: str) -> modlog.Account:
        return log.account(account_id)

    @app.get("/history/{account_id}")
    async def history(account_id: str) -> list[modlog.RecordedEvent]:
        return log.history(account_id)

    @app.get("/cards/{account_id}")
    def card(account_id: str) -> Card:
        return Card(account=log.account(account_id), last=log.history(account_id)[-1])

    @app.get("/undeclared/{account_id}")
    def undeclared(account_id: str):
        return {"account": log.account(account_id), "events": log.history(account_id)}

    @app.get("/anything/{account_id}")
    def anything(account_id: str) -> dict[str, Any]:
        return {"account": log.account(account_id), "events": log.history(account_id)}

    @app.get("/verify")
    def verify() -> modlog.VerificationReport:
        return log.verify()

    @app.get("/plan")
    def plan() -> modlog.RevertPlan:
        return log.plan_revert(Selection(type="account.deleted"))

    with log, modlog.acting(ANN, reason="spam \u202e☎"), TestClient(app) as client:
        log.create("110018", {"nickname": "雷军", "": [1.0, -0.0, None]})
        log.delete("110018", metadata={"ip": None})
        client.log = log  # type: ignore[attr-defined]
        yield client


class TestFastAPI:
    def test_answers_are_responses(self, client):
        account, events = client.log.account("110018"), client.log.history("110018")

        assert_same(client.get("/accounts/110018").json(), account.as_dict())
        assert_same(client.get("/history/110018").json(), [event.as_dict() for event in events])
        assert_same(
            client.get("/cards/110018").json(),
            {"account": account.as_dict(), "last": events[-1].as_dict()},
        )
        assert_same(client.get("/verify").json(), client.log.verify().as_dict())
        assert client.get("/plan").json()["selection"] == {"type": ["account.deleted"]}

    @pytest.mark.parametrize("how", ["undeclared", "anything"])
    def test_answers_are_responses_where_nothing_declares_them(self, client, how):
        assert_same(
            client.get(f"/{how}/110018").json(),
            {
                "account": client.log.account("110018").as_dict(),
                "events": [event.as_dict() for event in client.log.history("110018")],
            },
        )

    def test_openapi_lists_what_is_in_them(self, client):
        described = client.get("/openapi.json").json()
        schemas = described["components"]["schemas"]
        path = described["paths"]["/accounts/{account_id}"]["get"]["responses"]["200"]

        assert path["content"]["application/json"]["schema"]["$ref"].endswith("/Account")
        for name in ("Account", "RecordedEvent", "VerificationReport", "RevertPlan", "Finding"):
            assert schemas[name]["properties"].keys() == GOLDEN[name].keys(), name
        assert schemas["Account"]["properties"]["status"]["$ref"].endswith("/Status")
        assert schemas["Sanction"]["properties"]["since"]["format"] == "date-time"
