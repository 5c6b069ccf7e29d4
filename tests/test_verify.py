"""A ledger that was tampered with tells so: one kind of damage for each of its checks."""

import pytest

import modlog
from modlog import Actor
from tests import places
from tests.tampering import tamper

KINDS = ("sqlite", "postgres")


@pytest.fixture(params=KINDS)
def damaged(request):
    """Makes a small ledger, lets a statement do its harm, and gives what `verify` finds.

    Account a is stream 1, with acts 1 to 3, account b is stream 4, with acts 4 and 5.
    """
    with places.fresh(request.param) as place:

        def after(*statements: str, live=lambda log: None):
            with place.open() as log, modlog.acting(Actor.human("ann"), reason="r"):
                log.create("a", {"nickname": "Lei"})
                log.flag("a", "spam")
                log.suspend("a")
                log.delete("b", idempotency_key="k") if log.create("b") else None
                live(log)
            for statement in statements:
                tamper(place, statement)
            with place.open() as log:
                return log.verify().findings

        yield after


def checks(findings) -> set[str]:
    return {finding.check for finding in findings}


def test_a_sound_ledger_has_no_findings(damaged):
    assert damaged() == ()


def test_a_missing_event_in_the_middle_is_a_gap(damaged):
    findings = damaged("DELETE FROM modlog_events WHERE position = 2")

    assert {"positions", "versions", "projection"} <= checks(findings)
    (gap,) = [f for f in findings if f.check == "positions" and f.position]
    assert gap.position == 3
    (version,) = [f for f in findings if f.check == "versions"]
    assert (version.account_id, version.position) == ("a", 3)


def test_a_missing_last_event_is_found(damaged):
    findings = damaged("DELETE FROM modlog_events WHERE position = 5")

    assert {"keys", "projection"} <= checks(findings)


def test_an_instant_that_goes_back_is_found(damaged):
    findings = damaged("UPDATE modlog_acts SET recorded_at = 1 WHERE number = 4")

    # It is also when the account was created.
    assert [(f.check, f.position, f.account_id) for f in findings] == [
        ("instants", 4, None),
        ("projection", None, "b"),
    ]


@pytest.mark.parametrize(
    ("position", "act", "check"), [(9, 6, "instants"), (7, 8, "places")], ids=["back", "on"]
)
def test_an_event_that_was_moved_to_another_act_is_found(damaged, position, act, check):
    records = [
        {"do": "note", "account_id": "a", "text": "x", "at": "2026-01-01T00:00:00Z"}
        for _ in range(2)
    ]

    def live(log):
        for _ in range(2):
            log.ingest(records, batch_id="notes")

    findings = damaged(
        f"UPDATE modlog_events SET act = {act} WHERE position = {position}", live=live
    )

    assert [(f.check, f.position) for f in findings] == [(check, position)]


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("DELETE FROM modlog_acts WHERE number = 2", {2}),
        ("DELETE FROM modlog_streams WHERE number = 4", {4, 5}),
        ("INSERT INTO modlog_acts (number, recorded_at, type) VALUES (9, 9, 'x')", {9}),
        ("INSERT INTO modlog_streams (number, kind, id) VALUES (9, 'account', 'z')", {9}),
        ("UPDATE modlog_events SET act = 3 WHERE position = 2", {2}),
        ("UPDATE modlog_events SET act = 77 WHERE position = 2", {2}),
        ("UPDATE modlog_events SET stream = 77 WHERE position = 2", {2}),
    ],
)
def test_acts_and_streams_that_do_not_fit_their_events_are_found(damaged, statement, found):
    findings = damaged(statement)

    assert {f.position for f in findings if f.check == "places"} == found


def test_a_stream_of_another_kind_is_found(damaged):
    findings = damaged("UPDATE modlog_streams SET kind = 'foreign' WHERE number = 4")

    assert checks(findings) == {"keys", "projection"}
    assert "stream 4" in findings[-1].message


def test_an_index_that_is_gone_is_found(damaged):
    findings = damaged("DROP INDEX modlog_spans_open")

    assert [f.check for f in findings] == ["indexes"]
    assert "modlog_spans_open" in findings[0].message


@pytest.mark.parametrize("name", ["modlog_spans_open", "modlog_acts_actor", "modlog_streams_id"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_rebuild_makes_an_index_that_is_gone(kind, name):
    with places.fresh(kind) as place:
        with place.open() as log:
            log.create("a", actor=Actor.human("ann"))
        tamper(place, f"DROP INDEX {name}")
        with place.open() as log:
            if kind == "sqlite" and name == "modlog_spans_open":  # which commands go by there
                with pytest.raises(modlog.CorruptCacheError, match=r"rebuild\(\) makes it again"):
                    log.note("a", "called", actor=Actor.human("ann"))
            log.rebuild()
            log.note("a", "called", actor=Actor.human("ann"))
            assert log.verify().ok


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("events", "data = NULL"),
        ("events", "data = '{}'"),
        ("events", "data = '[]'"),
        ("events", "data = 'no JSON'"),
        ("events", """data = '{"label":7,"score":null}'"""),
        ("events", """data = '{"label":"spam","score":null,"more":1}'"""),
        ("events", "personal = '[]'"),
        ("events", "personal = 'no JSON'"),
        ("events", """personal = '{"text":"x"}'"""),
        ("events", "occurred_at = 9223372036854775807"),
        ("acts", "type = 'account.unheard'"),
        ("acts", "type = 'sweep.planned'"),
        ("acts", "schema = 9"),
        ("acts", "schema = NULL"),
        ("acts", "actor_kind = 'ghost'"),
        ("acts", "actor_kind = NULL"),
        ("acts", "actor_id = ''"),
    ],
)
def test_an_event_that_cannot_be_read_is_found(damaged, table, change):
    which = "position" if table == "events" else "number"
    findings = damaged(f"UPDATE modlog_{table} SET {change} WHERE {which} = 2")

    assert [(f.check, f.account_id) for f in findings] == [("events", "a")]
    assert "position 2" in findings[0].message


@pytest.mark.parametrize(
    "data",
    [
        '{"label": "spam","score":null}',
        '{"score":null,"label":"spam"}',
        '{"label":"sp\\u0061m","score":null}',
        '{"label":"other","label":"spam","score":null}',
    ],
)
def test_an_event_in_other_characters_than_the_canonical_ones_is_found(damaged, data):
    findings = damaged(f"UPDATE modlog_events SET data = '{data}' WHERE position = 2")

    assert [(f.check, f.account_id) for f in findings] == [("events", "a")]
    assert "position 2 is not in its canonical form" in findings[0].message


@pytest.mark.parametrize(
    "metadata", ["{}", '{"ip": "::1"}', '{"ip":"::1","ip":"::1"}', '{"b":1,"a":2}', "[1]", "x", ""]
)
def test_metadata_that_modlog_does_not_write_are_found(damaged, metadata):
    findings = damaged(f"UPDATE modlog_acts SET metadata = '{metadata}' WHERE number = 2")

    assert [(f.check, f.account_id) for f in findings] == [("events", "a")]
    assert "position 2 is" in findings[0].message


def test_a_record_of_a_sweep_in_other_characters_is_found(damaged):
    findings = damaged(
        "UPDATE modlog_events SET data = ' ' || data WHERE position = 6",
        live=lambda log: log.plan_sweep(["a"], "flag", label="x"),
    )

    assert [(f.check, f.position) for f in findings] == [("events", 6)]


def test_a_record_of_a_sweep_that_cannot_be_read_is_found(damaged):
    findings = damaged(
        "UPDATE modlog_events SET data = '{}' WHERE position = 6",
        live=lambda log: log.plan_sweep(["a"], "flag", label="x"),
    )

    assert [(f.check, f.position) for f in findings] == [("events", 6)]


@pytest.mark.parametrize(
    ("statement", "check", "position"),
    [
        ("UPDATE modlog_events SET data = '{}' WHERE position = 7", "events", 7),
        ("UPDATE modlog_acts SET actor_kind = 'ghost' WHERE number = 7", "events", 7),
        ("UPDATE modlog_acts SET type = 'account.noted' WHERE number = 7", "events", 7),
        ("DELETE FROM modlog_events WHERE position = 6", "versions", 7),
        ("DELETE FROM modlog_acts WHERE number = 6", "places", 6),
        ("DELETE FROM modlog_streams WHERE number = 6", "places", 6),
    ],
)
def test_a_sweep_whose_records_were_changed_is_found(damaged, statement, check, position):
    def live(log):
        plan = log.plan_sweep(["a"], "flag", label="x")
        plan.reject(actor=Actor.human("bo"))

    findings = damaged(statement, live=live)

    assert (check, position) in [(f.check, f.position) for f in findings]


@pytest.mark.parametrize("kind", KINDS)
def test_a_sweep_without_its_plan_is_told_in_our_own_words(kind):
    with places.fresh(kind) as place:
        with place.open() as log, modlog.acting(Actor.human("ann"), reason="r"):
            log.create("a")
            plan = log.plan_sweep(["a"], "flag", label="x", batch_id="s")
            plan.reject(actor=Actor.human("bo"))
        tamper(place, "DELETE FROM modlog_events WHERE position = 2")
        with place.open() as log, pytest.raises(modlog.CorruptEventError, match="not with its"):
            log.sweep("s")


SPAN = "INSERT INTO modlog_spans (stream, version, opened, facet, since)"


@pytest.mark.parametrize(
    ("statement", "facet"),
    [
        ("UPDATE modlog_accounts SET version = 9 WHERE stream = 1", "version"),
        ("UPDATE modlog_accounts SET latest = 1 WHERE stream = 1", "latest"),
        ("UPDATE modlog_accounts SET in_order = 0 WHERE stream = 1", "in_order"),
        ("UPDATE modlog_accounts SET profile = '{}' WHERE stream = 1", "profile"),
        ("UPDATE modlog_accounts SET profile = 'no JSON' WHERE stream = 1", "profile"),
        ("DELETE FROM modlog_accounts WHERE stream = 1", "version"),
        ("DELETE FROM modlog_spans WHERE stream = 1 AND version = 1", "existence"),
        ("DELETE FROM modlog_spans WHERE stream = 1 AND version = 2", "flags"),
        ("DELETE FROM modlog_spans WHERE stream = 1 AND version = 3", "sanctions"),
        ("DELETE FROM modlog_spans WHERE stream = 1", "sanctions"),
        ("UPDATE modlog_spans SET closed = 3 WHERE stream = 1 AND version = 2", "flags"),
        ("UPDATE modlog_spans SET closed_at = 3 WHERE stream = 1 AND version = 2", "flags"),
        ("UPDATE modlog_spans SET opened = 3 WHERE stream = 1 AND version = 2", "flags"),
        ("UPDATE modlog_spans SET opened_at = 3 WHERE stream = 1 AND version = 2", "flags"),
        ("UPDATE modlog_spans SET since = 3 WHERE stream = 1 AND version = 2", "flags"),
        ("UPDATE modlog_spans SET label = 'ham' WHERE stream = 1 AND version = 2", "flags"),
        ("UPDATE modlog_spans SET until = 1 WHERE stream = 1 AND version = 3", "sanctions"),
        ("UPDATE modlog_spans SET facet = 5 WHERE stream = 1 AND version = 3", "sanctions"),
        ("UPDATE modlog_spans SET facet = 77 WHERE stream = 1 AND version = 3", "facets"),
        (f"{SPAN} VALUES (1, 9, 2, 3, 1)", "protected"),
        (f"{SPAN} VALUES (1, 9, 2, 6, 1)", "erasure"),
    ],
)
def test_a_projection_that_is_no_replay_is_found_and_rebuilt(damaged, statement, facet):
    findings = damaged(statement)

    assert [(f.check, f.account_id) for f in findings] == [("projection", "a")]
    assert facet in findings[0].message
    assert "Lei" not in findings[0].message  # values may be personal


@pytest.mark.parametrize(
    "statement",
    [f"{SPAN} VALUES (77, 1, 1, 2, 1)", "INSERT INTO modlog_accounts VALUES (77, 1, 1, 1, '{}')"],
)
def test_rows_of_no_account_are_found(damaged, statement):
    findings = damaged(statement)

    assert [(f.check, f.account_id) for f in findings] == [("projection", None)]
    assert "stream 77" in findings[0].message


def test_rows_of_an_account_without_events_are_found(damaged):
    findings = damaged("DELETE FROM modlog_events WHERE stream = 4")

    assert ("projection", "b") in [(f.check, f.account_id) for f in findings]


def test_an_account_without_rows_is_found(damaged):
    findings = damaged(
        "DELETE FROM modlog_accounts WHERE stream = 4",
        "DELETE FROM modlog_spans WHERE stream = 4",
    )

    assert [(f.check, f.account_id) for f in findings] == [("projection", "b")]


def test_a_key_that_leads_nowhere_is_found(damaged):
    findings = damaged("UPDATE modlog_keys SET position = 99")

    assert [(f.check, f.position) for f in findings] == [("keys", 99)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM modlog_spans",
        "DELETE FROM modlog_accounts",
        "UPDATE modlog_spans SET facet = 77",
        "UPDATE modlog_spans SET closed = 9, closed_at = 9",
        "UPDATE modlog_accounts SET version = 77, latest = 1, in_order = 0, profile = 'no JSON'",
        f"{SPAN} VALUES (77, 1, 1, 2, 1)",
    ],
)
def test_rebuilding_mends_the_projection(kind, statement):
    with places.fresh(kind) as place:
        with place.open() as log, modlog.acting(Actor.human("ann"), reason="r"):
            log.create("a")
            log.delete("a")
        tamper(place, statement)
        with place.open() as log:
            assert not log.verify().ok
            assert log.rebuild() == 1
            assert log.verify().ok
            assert log.account("a").status == "deleted"


UNREADABLE = [
    "UPDATE modlog_accounts SET profile = 'no JSON'",
    "UPDATE modlog_accounts SET profile = '[]'",
    "UPDATE modlog_accounts SET latest = 9223372036854775807",
    "UPDATE modlog_spans SET since = 9223372036854775807",
    "UPDATE modlog_spans SET until = -9223372036854775807",
]


@pytest.mark.parametrize("kind", KINDS)
def test_figures_and_impacts_of_a_cache_that_cannot_be_read_name_rebuild(kind):
    with places.fresh(kind) as place:
        with place.open() as log, modlog.acting(Actor.human("ann"), reason="r"):
            log.create("a")
            log.suspend("a")
        tamper(place, "UPDATE modlog_spans SET since = 9223372036854775807")
        with place.open() as log:
            for ask in (lambda: log.stats(by="day"), lambda: log.stats(by="hour"), log.impact):
                with pytest.raises(modlog.CorruptCacheError, match=r"rebuild\(\)"):
                    ask()
            log.rebuild()
            assert log.stats(by="day")[0].sanctions == log.impact().standing["suspension"] == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("statement", UNREADABLE)
def test_a_cache_that_cannot_be_read_names_rebuild(kind, statement):
    with places.fresh(kind) as place:
        with place.open() as log, modlog.acting(Actor.human("ann"), reason="r"):
            log.create("a")
            log.suspend("a")
        tamper(place, statement)
        with place.open() as log, modlog.acting(Actor.human("ann"), reason="r"):
            for ask in (
                lambda: log.account("a"),
                lambda: list(log.accounts()),
                lambda: log.delete("a"),
            ):
                with pytest.raises(modlog.CorruptCacheError, match=r"rebuild\(\)"):
                    ask()
            assert "projection" in checks(log.verify().findings)
            log.rebuild()
            assert log.verify().ok
            assert log.delete("a").version == 3
