"""`verify` finds each idempotency key that leads to an event its request did not ask for."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

import modlog
from modlog import Actor, Guardrails, ModlogError
from modlog._services import answers
from modlog._storage.keys import pages_of_answers
from modlog.testing import MovableClock, actors, commands, perform
from tests import places
from tests.laws import STORE
from tests.tampering import tamper

T0 = datetime(2026, 1, 1, tzinfo=UTC)
WAN = Actor.human("wan")
IDS = st.sampled_from(("1", "2"))
# Those that no account refuses for long, beside whatever else there is.
COMMANDS = commands(IDS) | st.builds(
    lambda command, account_id: command | {"account_id": account_id},
    st.sampled_from(
        (
            {"do": "flag", "label": "spam", "score": 1},
            {"do": "clear_flags", "flags": None},
            {"do": "clear_flags", "flags": None, "label": "spam"},
            {"do": "suspend", "until": None},
            {"do": "suspend", "until": T0 + timedelta(days=900)},
            {"do": "restore", "lifts": None},
            {"do": "restore", "lifts": [2]},
            {"do": "clear_flags", "flags": [3]},
            {"do": "note", "text": '{"account_id":"1","do":"delete"}'},
        )
    ),
    IDS,
)
REASONS = st.sampled_from((None, "", " ", "\t\n", "why", "imported with care"))
INSTANTS = st.sampled_from([T0 + timedelta(hours=hours, microseconds=7) for hours in range(3)])
GIVEN = st.fixed_dictionaries(
    {
        "actor": st.just(WAN) | actors(),
        "reason": REASONS,
        "policy": st.sampled_from((None, "3rr")),
    }
)


def answered(log) -> int:
    """How many keys lead to an account's event."""
    with log._work.store.snapshot() as reader:
        return sum(map(len, pages_of_answers(reader.database, reader.session)))


@pytest.mark.laws
@STORE
@given(
    live=st.lists(st.tuples(COMMANDS, GIVEN, st.none() | INSTANTS), max_size=10),
    records=st.lists(st.tuples(COMMANDS, GIVEN, INSTANTS), max_size=10),
    on_refused=st.sampled_from(("reject", "note")),
)
def test_a_sound_ledger_has_no_findings(fresh_place, live, records, on_refused):
    taken = 6
    clock = MovableClock(T0)
    with fresh_place() as place, place.open(clock=clock, guardrails=Guardrails.off()) as log:
        for account_id in ("1", "2"):
            with modlog.acting(WAN, reason="r"):
                log.create(account_id, idempotency_key=f"{account_id} is created")
                log.suspend(account_id, idempotency_key=f"{account_id} is suspended")
                log.flag(account_id, "ham", idempotency_key=f"{account_id} is flagged")
        for number, (command, circumstances, at) in enumerate(live):
            with suppress(ModlogError):
                key = f"live-{number}" * 50
                perform(log, command, **circumstances, occurred_at=at, idempotency_key=key)
                taken += 1
        outcome = log.ingest(
            [
                command | circumstances | {"at": at, "key": f"{number}"}
                for number, (command, circumstances, at) in enumerate(records)
            ],
            on_refused=on_refused,
        )

        assert answered(log) == taken + outcome.recorded
        assert log.verify().findings == ()


def filled(log) -> None:
    """Two accounts with a key for most events, and an import; no request is made twice."""
    with modlog.acting(WAN, reason="r"):
        log.create("a", {"nickname": "Lei"}, idempotency_key="create")
        log.flag("a", "spam", idempotency_key="flag")
        log.flag("a", "ham", policy="p")
        log.suspend("a", idempotency_key="suspend")
        log.restore("a", idempotency_key="restore")
        log.create("b", idempotency_key="create b")
        log.suspend("b", occurred_at=T0, idempotency_key="suspend b")
        log.clear_flags("a", [2], idempotency_key="clear")
        log.note("b", "x", actor=Actor.bot("bo"))
        log.restore("b", [2], idempotency_key="restore b")
        log.flag("a", "eggs", score=0.5)
        log.clear_flags("a", label="eggs", idempotency_key="clear eggs")
        log.clear_flags("a", policy="all", idempotency_key="clear all")
        log.revert(modlog.Selection(account_id="a", type="flags.cleared"))
    common = {"at": "2026-01-02T00:00:00Z", "actor": WAN}
    log.ingest(
        [
            common | {"do": "delete", "account_id": "b", "key": "import"},
            common | {"do": "clear_flags", "account_id": "b", "key": "refused", "policy": "p"},
            common | {"do": "suspend", "account_id": "c", "key": "opens"},
        ],
        on_refused="note",
    )


KEYS = (
    *("create", "flag", "suspend", "restore", "create b", "suspend b", "clear"),
    *("restore b", "clear eggs", "clear all"),
    *("import", "refused", "opens"),
)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def ledger(request):
    with places.fresh(request.param) as place, place.open() as log:
        filled(log)
        assert log.verify().findings == ()
        yield place, log


@pytest.mark.parametrize("key", KEYS)
def test_a_key_that_leads_to_another_event_is_found(ledger, key):
    place, log = ledger
    which = f"WHERE key = '={key}'"
    with log._work.reader() as reader:
        ((position,),) = reader.session.rows(
            f"SELECT position FROM {reader.database.table('keys')} {which}"
        )
    for other in {*range(1, log.head + 1)} - {position}:
        tamper(place, f"UPDATE modlog_keys SET position = {other} {which}")
        found = log.verify().findings
        tamper(place, f"UPDATE modlog_keys SET position = {position} {which}")

        assert {(one.check, one.position) for one in found} == {("keys", other)}, other
        assert any("not what its request asked for" in one.message for one in found)
    assert log.verify().ok


@pytest.mark.parametrize(
    ("change", "back"),
    [
        (
            "keys SET request = (SELECT request FROM modlog_keys WHERE key = '=flag')",
            "keys SET request = (SELECT request FROM modlog_keys WHERE key = '=create b')",
        ),
        ("acts SET reason = 'another'", "acts SET reason = 'r'"),
        ("acts SET policy = 'another'", "acts SET policy = NULL"),
        ("acts SET actor_id = 'another'", "acts SET actor_id = 'wan'"),
        ("acts SET actor_kind = 'bot'", "acts SET actor_kind = 'human'"),
        ("acts SET actor_account_id = 'z'", "acts SET actor_account_id = NULL"),
    ],
)
def test_what_no_longer_fits_the_request_is_found(ledger, change, back):
    place, log = ledger
    (created,) = (one.position for one in log.history("b") if one.type == "account.created")
    which = "key = '=create b'" if change.startswith("keys") else f"number = {created}"
    if change.startswith("keys"):
        tamper(
            place,
            f"INSERT INTO modlog_keys SELECT '=kept', request, 999, NULL"
            f" FROM modlog_keys WHERE {which}",
        )
        back = back.replace("create b", "kept")
    tamper(place, f"UPDATE modlog_{change} WHERE {which}")
    found = log.verify().findings
    tamper(place, f"UPDATE modlog_{back} WHERE {which}")
    tamper(place, "DELETE FROM modlog_keys WHERE key = '=kept'")

    assert ("keys", created, "b") in [(one.check, one.position, one.account_id) for one in found]
    assert log.verify().ok


def test_two_keys_of_one_event_are_found(ledger):
    place, log = ledger
    tamper(
        place,
        "INSERT INTO modlog_keys SELECT '=twin', request, position, NULL FROM modlog_keys"
        " WHERE key = '=flag'",
    )
    found = log.verify().findings
    tamper(place, "DELETE FROM modlog_keys WHERE key = '=twin'")

    assert [(one.check, one.position) for one in found] == [("keys", 2)]
    assert "several" in found[0].message


def test_so_many_are_told_and_no_more(ledger, monkeypatch):
    place, log = ledger
    monkeypatch.setattr(answers, "MOST", 3)
    tamper(place, "UPDATE modlog_acts SET actor_id = 'another' WHERE actor_id = 'wan'")
    found = [one for one in log.verify().findings if one.check == "keys"]
    tamper(place, "UPDATE modlog_acts SET actor_id = 'wan' WHERE actor_id = 'another'")

    assert len(found) == 3
