"""Statements of reasons for the EU's DSA Transparency Database."""

import json
from datetime import UTC, datetime, timedelta
from importlib.resources import files

import jsonschema
import pytest
from hypothesis import given

import modlog
from modlog import Actor, InvalidInputError, Selection
from modlog._services.forensics.dsa import schema
from modlog.testing import MovableClock, histories
from tests.dsa import POLICIES
from tests.laws import STORE
from tests.recording import record

T0 = datetime(2026, 3, 9, 11, 44, tzinfo=UTC)
WAN = Actor.human("moderator-wan", account_id="staff-account")
FACTS = {"dsa": {"decision_facts": "It sent the same text to 900 accounts."}}


@pytest.fixture
def clock():
    return MovableClock(T0)


@pytest.fixture
def log(place, clock):
    with place.open(clock=clock) as log, modlog.acting(WAN, reason="why", policy="illegal"):
        yield log


def only(log, selection=None, policies=POLICIES):
    (one,) = log.dsa(selection, policies=policies)
    return one


def test_a_deletion_by_a_human(log, clock):
    log.create("110018", occurred_at=datetime(2019, 7, 1, 23, 59, tzinfo=UTC))
    deleted = log.delete("110018")
    one = only(log)
    assert one.complete
    assert (one.position, one.account_id, one.version) == (deleted.position, "110018", 2)
    assert one.policy == "illegal"
    assert one.statement == {
        "puid": f"example-{deleted.position}",
        "decision_account": "DECISION_ACCOUNT_TERMINATED",
        "decision_ground": "DECISION_GROUND_ILLEGAL_CONTENT",
        "illegal_content_legal_ground": "Regulation (EU) 2019/1020",
        "illegal_content_explanation": "Goods that may not be sold.",
        "decision_facts": "The account offered goods that may not be sold.",
        "category": "STATEMENT_CATEGORY_UNSAFE_AND_PROHIBITED_PRODUCTS",
        "content_type": ["CONTENT_TYPE_OTHER"],
        "content_type_other": "account",
        "content_date": "2019-07-01",
        "application_date": "2026-03-09",
        "territorial_scope": ["DE", "FR"],
        "source_type": "SOURCE_VOLUNTARY",
        "automated_detection": "No",
        "automated_decision": "AUTOMATED_DECISION_NOT_AUTOMATED",
    }


@pytest.mark.parametrize("machine", [Actor.bot("b"), Actor.model("m"), Actor.system("s")])
def test_a_suspension_by_a_machine(log, machine):
    log.create("110018")
    until = datetime(2026, 3, 16, 1, 0, tzinfo=UTC)
    log.suspend("110018", until=until, actor=machine, policy="spam", metadata=FACTS)
    one = only(log)
    assert one.complete
    told = one.statement
    assert told["decision_account"] == "DECISION_ACCOUNT_SUSPENDED"
    assert told["end_date_account_restriction"] == "2026-03-16"
    assert (told["automated_detection"], told["automated_decision"]) == (
        "Yes",
        "AUTOMATED_DECISION_FULLY",
    )
    assert told["decision_facts"] == FACTS["dsa"]["decision_facts"]


def test_a_suspension_without_an_end_has_no_end_date(log):
    log.create("110018")
    log.suspend("110018")
    assert "end_date_account_restriction" not in only(log).statement


def test_metadata_win_over_policies_and_policies_over_defaults(log):
    log.create("110018")
    given = {"dsa": {"automated_detection": "Yes", "source_type": "SOURCE_ARTICLE_16"}}
    log.delete("110018", metadata=given)
    policies = json.loads(json.dumps(POLICIES))
    policies["policies"]["illegal"]["territorial_scope"] = ["NL"]
    told = only(log, policies=policies).statement
    assert told["automated_detection"] == "Yes"
    assert told["automated_decision"] == "AUTOMATED_DECISION_NOT_AUTOMATED"
    assert told["source_type"] == "SOURCE_ARTICLE_16"
    assert told["territorial_scope"] == ["NL"]


def test_what_is_missing_is_listed_and_never_made_up(log):
    log.create("110018")
    log.delete("110018", policy="unheard-of")
    one = only(log, policies={})
    assert one.missing == (
        "decision_ground",
        "decision_facts",
        "category",
        "content_type",
        "territorial_scope",
        "source_type",
    )
    assert not one.complete
    assert set(one.statement) == {
        "puid",
        "decision_account",
        "content_date",
        "application_date",
        "automated_detection",
        "automated_decision",
    }


@pytest.mark.parametrize(
    ("attributes", "missing"),
    [
        (
            {"decision_ground": "DECISION_GROUND_INCOMPATIBLE_CONTENT"},
            {"incompatible_content_ground", "incompatible_content_explanation"},
        ),
        (
            {"decision_ground": "DECISION_GROUND_ILLEGAL_CONTENT"},
            {"illegal_content_legal_ground", "illegal_content_explanation"},
        ),
        ({"content_type": ["CONTENT_TYPE_OTHER"]}, {"content_type_other"}),
        ({"decision_visibility": ["DECISION_VISIBILITY_OTHER"]}, {"decision_visibility_other"}),
        ({"decision_monetary": "DECISION_MONETARY_OTHER"}, {"decision_monetary_other"}),
    ],
)
def test_what_one_attribute_makes_due(log, attributes, missing):
    log.create("110018")
    log.delete("110018", metadata={"dsa": attributes})
    before = only(log, policies={"defaults": {}}).missing
    assert missing <= set(before)
    log.delete("110018")
    *_, other = log.dsa(policies={"defaults": {}})
    assert not missing & set(other.missing)


def test_a_reason_tells_the_facts_only_where_that_is_wanted_and_nothing_else_does(log):
    log.create("110018")
    log.suspend("110018", policy="spam", reason="same text to 900 accounts")
    assert only(log).missing == ("decision_facts",)
    (one,) = log.dsa(policies={**POLICIES, "facts_from_reason": True})
    assert one.statement["decision_facts"] == "same text to 900 accounts"
    log.delete("110018", policy="illegal")
    *_, other = log.dsa(policies={**POLICIES, "facts_from_reason": True})
    facts = POLICIES["policies"]["illegal"]["decision_facts"]
    assert other.statement["decision_facts"] == facts


def test_a_reason_that_an_import_has_filled_in_tells_no_facts(log):
    log.ingest([{"do": "delete", "account_id": "110018", "at": T0}], batch_id="import-of-wan")
    one = only(log, policies={**POLICIES, "facts_from_reason": True, "policies": {}})
    assert "decision_facts" in one.missing


def test_sanctions_alone_are_told_in_the_order_of_the_log(log):
    for account_id in ("b", "a"):
        log.create(account_id)
        log.flag(account_id, "spam")
        log.suspend(account_id)
    log.restore("b")
    log.delete("a", batch_id="clean-up")
    assert [(one.account_id, one.version) for one in log.dsa(policies=POLICIES)] == [
        ("b", 3),
        ("a", 3),
        ("a", 4),
    ]
    puids = {one.statement["puid"] for one in log.dsa(policies=POLICIES)}
    assert puids == {"example-3", "example-6", "example-8"}
    assert only(log, Selection(batch_id="clean-up")).version == 4
    assert only(log, Selection(type=["account.flagged", "account.deleted"])).version == 4
    assert list(log.dsa(Selection(type="account.flagged"), policies=POLICIES)) == []


def test_content_is_as_old_as_the_account_was_then(log, clock):
    created = log.create("110018", occurred_at=T0 - timedelta(days=365))
    log.delete("110018")
    log.revert(Selection(positions=created.position))
    log.create("110018", occurred_at=T0 - timedelta(days=1))
    log.delete("110018")
    dates = [one.statement["content_date"] for one in log.dsa(policies=POLICIES)]
    assert dates == ["2025-03-09", "2026-03-08"]


def test_a_statement_stays_the_same_whatever_happens_later(log, clock):
    log.create("110018")
    log.delete("110018")
    before = list(log.dsa(policies=POLICIES))
    clock.move(3_600)
    log.revert(Selection(account_id="110018", type="account.deleted"))
    log.change_profile("110018", {"nickname": "x"})
    log.flag("110018", "spam")
    assert list(log.dsa(policies=POLICIES)) == before


def test_no_statement_names_anybody(log):
    for account_id in ("account-of-somebody", "account-of-another"):
        log.create(account_id, {"nickname": "their-nickname"})
        log.delete(account_id, reason="known from account-of-another", batch_id="a-batch")
    for one in log.dsa(policies=POLICIES):
        text = json.dumps(one.statement)
        for name in ("account-of", "nickname", WAN.id, "staff", "why", "a-batch", "known"):
            assert name not in text


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"category": "STATEMENT_CATEGORY_NONE"}, "category"),
        ({"decision_facts": "x" * 5_001}, "decision_facts"),
        ({"decision_facts": "  "}, "text that says something"),
        ({"territorial_scope": "DE"}, "territorial_scope"),
        ({"territorial_scope": ["US"]}, "territorial_scope"),
        ({"territorial_scope": []}, "territorial_scope"),
        ({"end_date_visibility_restriction": "2026-03-08"}, "before the application_date"),
        ({"end_date_visibility_restriction": "tomorrow"}, "a day from"),
        ({"decision_ground_reference_url": "javascript:alert(1)"}, "URL"),
        ({"content_language": "german"}, "ISO 639-1"),
        ({"puid": "mine"}, "takes no 'puid'"),
        ({"decision_account": "DECISION_ACCOUNT_SUSPENDED"}, "takes no 'decision_account'"),
        ({"end_date_account_restriction": "2026-04-01"}, "takes no 'end_date_account"),
        ({"nonsense": 1}, "takes no 'nonsense'"),
        ("text", "must be an object"),
    ],
)
def test_what_is_wrong_is_told(log, given, says):
    log.create("110018")
    log.delete("110018", metadata={"dsa": given})
    one = only(log)
    assert not one.complete
    (wrong,) = one.wrong
    assert says in wrong
    assert len(wrong) < 300
    assert one.statement["puid"] == f"example-{one.position}"
    assert one.statement["decision_account"] == "DECISION_ACCOUNT_TERMINATED"
    assert "end_date_account_restriction" not in one.statement


def test_a_decision_that_the_database_is_too_young_for(log):
    log.create("110018", occurred_at=datetime(1999, 12, 31, tzinfo=UTC))
    log.delete("110018", occurred_at=datetime(2019, 12, 31, tzinfo=UTC))
    first, second = only(log).wrong
    assert (first.partition(":")[0], second.partition(":")[0]) == (
        "content_date",
        "application_date",
    )


@pytest.mark.parametrize(
    ("policies", "says"),
    [
        ({"spam": {}}, "spam"),
        ({"policies": {"spam": {"categories": "x"}}}, "categories"),
        ({"policies": {"spam": {"category": "spam"}}}, "policies.'spam'.category"),
        ({"policies": {"spam": "x"}}, "policies.'spam'"),
        ({"defaults": {"puid": "x"}}, "puid"),
        ({"defaults": {"automated_decision": "AUTOMATED_DECISION_FULLY"}}, "automated_decision"),
        ({"defaults": {"territorial_scope": ["US"]}}, "defaults.territorial_scope"),
        ({"defaults": {"decision_facts": ""}}, "defaults.decision_facts"),
        ({"puid_prefix": "a b"}, "puid_prefix"),
        ({"puid_prefix": "x" * 101}, "puid_prefix"),
        ({"puid_prefix": "x\n"}, "puid_prefix"),
        ({"facts_from_reason": "yes"}, "facts_from_reason"),
        (None, "mapping"),
    ],
)
def test_policies_that_cannot_be_are_refused_before_anything_is_read(log, policies, says):
    with pytest.raises(InvalidInputError, match=says):
        log.dsa(policies=policies)


def test_it_needs_jsonschema(log, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "jsonschema", None)
    with pytest.raises(InvalidInputError, match=r"modlog\[dsa\]"):
        log.dsa(policies=POLICIES)


def test_the_schema_is_one_and_is_published():
    text = files("modlog._services.forensics.dsa").joinpath("statement.schema.json").read_text()
    jsonschema.Draft202012Validator.check_schema(json.loads(text))
    properties = json.loads(text)["properties"]
    assert set(json.loads(text)["required"]) <= set(properties)
    for name, one in properties.items():
        if "pattern" in one:
            assert "description" in one, name
    assert schema.attributes() == tuple(properties)


@pytest.mark.laws
@STORE
@given(history=histories(erasures=True))
def test_every_sanction_of_any_history_has_one_statement(fresh_place, history):
    with fresh_place() as place, place.open() as log:
        record(log, history)
        told = list(log.dsa(policies=POLICIES))
        recorded = list(log.events(Selection(type=["account.deleted", "account.suspended"])))
        assert [one.position for one in told] == [event.position for event in recorded]
        assert len({one.statement["puid"] for one in told}) == len(told)
        for one, event in zip(told, recorded, strict=True):
            machine = event.actor.kind != "human"
            assert (one.statement["automated_detection"] == "Yes") == machine
            assert one.complete == (not one.missing and not one.wrong)
            if one.complete:
                jsonschema.validate(one.statement, schema.schema())
