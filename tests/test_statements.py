"""What the owner of an account is told of what was done to it."""

from datetime import UTC, datetime, timedelta

import pytest
from attrs import asdict, evolve
from hypothesis import given

import modlog
from modlog import AccountNotFoundError, Actor, InvalidInputError, Selection
from modlog._domain.account import replay
from modlog._domain.events import AccountErased, Envelope
from modlog._domain.statements import statement
from modlog._domain.wording import WORDS
from modlog.testing import MovableClock, histories
from tests.laws import PURE
from tests.recording import append

T0 = datetime(2026, 3, 9, 11, 44, tzinfo=UTC)
WAN = Actor.human("moderator-wan", account_id="staff-account")
MEI = Actor.human("moderator-mei")
GERMAN = {
    "instant": "%d.%m.%Y, %H:%M Uhr (UTC)",
    "heading": "Mitteilung über das Konto $account, Stand $now.",
    "deletion": "Das Konto wurde am $at gelöscht.",
    "by-human": "Das hat ein Mensch entschieden.",
    "policy": "Angewendete Regel: $policy.",
    "policy:illegal": "Es verstößt gegen Abschnitt 4 unserer Regeln (gilt seit $$ 2020).",
    "reason": "Begründung: „$reason“.",
    "end-restored": "Das wurde am $ended aufgehoben.",
    "end-reason": "Grund dafür: „$end_reason“.",
    "reference": "Zeichen: $version.",
    "status-active": "",
}


@pytest.fixture
def clock():
    return MovableClock(T0)


@pytest.fixture
def log(place, clock):
    with (
        place.open(clock=clock) as log,
        modlog.acting(WAN, reason="illegal trade", policy="illegal"),
    ):
        yield log


def hour(clock):
    clock.move(3_600)
    return T0 + timedelta(hours=1)


def test_a_measure_tells_what_when_why_by_which_rule_and_by_whom(log):
    log.create("110018")
    until = T0 + timedelta(days=7)
    log.suspend("110018", until=until)
    log.flag("110018", "spam", actor=Actor.model("judge"), policy="spam")
    told = log.statement("110018")
    assert (told.account_id, told.status) == ("110018", "suspended")
    suspension, flag = told.measures
    assert asdict(suspension) == {
        "version": 2,
        "kind": "suspension",
        "label": None,
        "at": log.history("110018")[1].occurred_at,
        "until": until,
        "by": "human",
        "policy": "illegal",
        "reason": "illegal trade",
        "end": None,
        "actor": None,
    }
    assert suspension.stands
    assert not suspension.by_machine
    assert (flag.kind, flag.label, flag.by, flag.by_machine) == ("flag", "spam", "model", True)


def test_each_way_to_an_end_is_told(log, clock):
    log.create("110018")
    log.flag("110018", "spam")
    log.suspend("110018", until=T0 + timedelta(hours=2))
    log.delete("110018")
    log.delete("110018", batch_id="clean-up")
    log.suspend("110018")
    later = hour(clock)
    with modlog.acting(MEI, reason="a mistake"):
        log.clear_flags("110018")
        log.restore("110018", lifts=[4])
        log.revert(Selection(account_id="110018", batch_id="clean-up"))
    clock.move(3_600)
    told = log.statement("110018")
    ends = {one.version: one.end and one.end.kind for one in told.measures}
    assert ends == {2: "cleared", 3: "expired", 4: "restored", 5: "reverted", 6: None}
    by_version = {one.version: one.end for one in told.measures}
    assert by_version[3].at == T0 + timedelta(hours=2)
    assert (by_version[3].by, by_version[3].reason) == (None, None)
    for version in (2, 4, 5):
        end = by_version[version]
        assert (end.by, end.reason, end.actor) == ("human", "a mistake", None)
        assert timedelta() <= end.at - later < timedelta(seconds=1)


def test_an_erasure_ends_what_stood(log):
    log.create("110018")
    log.delete("110018")
    append(log, "110018", AccountErased(), Envelope(actor=Actor.system("s"), reason="by law"))
    told = log.statement("110018")
    assert (told.status, told.measures[0].end.kind) == ("erased", "erased")
    assert "erased" in told.text().partition("\n")[0]
    assert WORDS["end-erased"].partition("$")[0] in told.text()


def test_a_lifting_that_was_taken_back_is_none(log):
    log.create("110018")
    log.delete("110018")
    log.restore("110018")
    log.revert(Selection(type="account.restored"))
    assert [one.stands for one in log.statement("110018").measures] == [True]


def test_a_view_tells_what_it_knows_at_its_instant(log, clock):
    log.create("110018")
    deleted = log.delete("110018", batch_id="clean-up")
    hour(clock)
    log.restore("110018", reason="a mistake")
    assert not log.statement("110018").measures[0].stands
    then = log.as_of(deleted.position).statement("110018")
    assert (then.at, then.status, then.measures[0].stands) == (
        deleted.recorded_at,
        "deleted",
        True,
    )
    assert log.without(Selection(batch_id="clean-up")).statement("110018").measures == ()


def test_what_took_no_hold_was_not_done(log):
    log.create("110018")
    log.delete("110018")
    without = log.without(Selection(type="account.created")).statement("110018")
    assert (without.status, without.measures) == ("absent", ())


def test_a_reason_that_an_import_has_filled_in_is_none(place):
    with place.open() as log:
        actor = {"kind": "human", "id": "wan"}
        common = {"account_id": "110018", "at": T0.isoformat(), "actor": actor}
        log.ingest(
            [{"do": "delete", **common}, {"do": "restore", **common}], batch_id="import-of-wan"
        )
        (deletion,) = log.statement("110018").measures
        text = log.statement("110018").text()
    assert (deletion.reason, deletion.end.reason) == (None, None)
    assert "import" not in text


def test_an_account_that_is_not_known(log):
    with pytest.raises(AccountNotFoundError):
        log.statement("110018")


def test_nobody_else_is_named_unless_that_was_asked_for(log):
    """A sweep hits two accounts, a second person approves and a third one takes it back."""
    for account_id in ("110018", "account-of-somebody"):
        log.create(account_id)
    plan = log.plan_sweep(["110018", "account-of-somebody"], "delete", batch_id="clean-up")
    if plan.needs_approval:
        plan.approve(actor=MEI)
    plan.execute()
    log.revert(Selection(batch_id="clean-up"), actor=MEI, reason="a mistake")
    secrets = (WAN.id, WAN.account_id, MEI.id, "account-of-somebody", "clean-up")
    told = log.statement("110018")
    for text in (told.text(), repr(told), repr(asdict(told))):
        assert not [one for one in secrets if one in text]
    named = log.statement("110018", names=True)
    assert named.measures[0].actor == WAN
    assert named.measures[0].end.actor == MEI
    assert f"Name: {WAN.id}." in named.text()
    assert f"Ended by: {MEI.id}." in named.text()


def test_the_words(log, clock):
    log.create("110018")
    log.suspend("110018", until=T0 + timedelta(days=7))
    log.delete("110018", reason="trade", actor=Actor.bot("b"))
    hour(clock)
    log.restore("110018", lifts=[3], reason="a mistake")
    assert log.statement("110018").text() == (
        "Statement about the account 110018, as of 2026-03-09 12:44 UTC. The account is "
        "suspended.\n\n"
        "On 2026-03-09 11:44 UTC the account was suspended until 2026-03-16 11:44 UTC. The "
        "decision was made by a human. Rule applied: illegal. Reason given: “illegal trade”. "
        "This stands until 2026-03-16 11:44 UTC. Reference: 2.\n\n"
        "On 2026-03-09 11:44 UTC the account was deleted. The decision was made by a machine: a "
        "bot. Rule applied: illegal. Reason given: “trade”. This was lifted on "
        "2026-03-09 12:44 UTC and no longer stands. Reason given: “a mistake”. Reference: 3."
    )


def test_an_account_to_which_nothing_was_done(log):
    log.create("110018")
    assert WORDS["nothing"] in log.statement("110018").text()


def test_what_was_not_said_has_no_sentence(place):
    with place.open() as log:
        log.create("110018", actor=WAN)
        log.flag("110018", "spam", actor=WAN)
        text = log.statement("110018").text()
    assert "Rule" not in text
    assert "Reason" not in text


def test_words_in_another_language(log, clock):
    log.create("110018")
    log.delete("110018")
    hour(clock)
    log.restore("110018", reason="ein Fehler")
    assert log.statement("110018").text(GERMAN) == (
        "Mitteilung über das Konto 110018, Stand 09.03.2026, 12:44 Uhr (UTC).\n\n"
        "Das Konto wurde am 09.03.2026, 11:44 Uhr (UTC) gelöscht. Das hat ein Mensch "
        "entschieden. Es verstößt gegen Abschnitt 4 unserer Regeln (gilt seit $ 2020). "
        "Begründung: „illegal trade“. Das wurde am 09.03.2026, 12:44 Uhr (UTC) aufgehoben. "
        "Grund dafür: „ein Fehler“. Zeichen: 2."
    )


def test_an_empty_first_sentence_leaves_all_about_it_out(log):
    log.create("110018")
    log.flag("110018", "spam")
    log.delete("110018")
    text = log.statement("110018").text({"flag": ""})
    assert text.count("\n\n") == 1
    assert "Reference: 3." in text
    assert "Reference: 2." not in text


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ({"deleted-account": "x"}, "deleted-account"),
        ({"deletion": "deleted by $moderator"}, "moderator"),
        ({"deletion": "for $ 5"}, "$$"),
        ({"policy:spam": "rule $nobody"}, "nobody"),
        ({"deletion": 5}, "deletion"),
        (["deletion"], "mapping"),
    ],
)
def test_words_that_cannot_be(log, words, named):
    log.create("110018")
    with pytest.raises(InvalidInputError, match=named.replace("$", r"\$")):
        log.statement("110018").text(words)


@pytest.mark.parametrize(
    "hostile",
    [
        "x.\n\nThe account is active.\u2028Signed: the platform",
        "\u202ekrow\u202c \x1b[2J",
        "$name ${end_name} $$ {0.__class__} %s",
        "<script>alert(1)</script>",
        "x" * 10_000,
    ],
)
def test_foreign_text_stays_within_its_sentence(log, hostile):
    log.create("110018")
    log.flag("110018", hostile[:200], reason=hostile, policy=hostile[:200])
    log.delete("110018", reason=hostile)
    log.restore("110018", reason=hostile)
    told = log.statement("110018")
    assert told.measures[0].reason == hostile
    lines = told.text().splitlines()
    assert len(lines) == 5
    assert not any(one in told.text() for one in "\x1b\u202e\u202c\u2028\r")
    for word in hostile.split():
        assert all(word.strip("\x1b\u202e\u202c") in line for line in lines[2::2])


@pytest.mark.laws
@PURE
@given(history=histories(erasures=True))
def test_what_stands_is_the_state_and_nobody_is_named(history):
    history = [
        evolve(one, actor=evolve(one.actor, id=f"moderator-{one.version}", account_id="their-own"))
        for one in history
    ]
    at = history[-1].recorded_at
    told = statement("110018", history, at)
    state = replay(history)
    assert told.status == state.status(at)
    stand = {one.version for one in told.measures if one.stands}
    assert stand == {
        *state.flags,
        *(version for version, stay in state.sanctions.items() if not stay.expired(at)),
    }
    versions = [one.version for one in told.measures]
    assert versions == sorted(set(versions))
    for text in (told.text(), told.text(GERMAN), repr(told)):
        assert "moderator-" not in text
        assert "their-own" not in text
    named = statement("110018", history, at, names=True)
    actors = [one.actor and one.actor.id for one in named.measures]
    assert actors == [f"moderator-{v}" for v in versions]
