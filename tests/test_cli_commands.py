"""Commands on one account from the command line, dry runs, and instants as people write them."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

import modlog
from modlog import Actor, Status
from modlog._cli.instants import instant_from
from modlog._cli.main import commands

NOW = datetime(2026, 11, 21, 12, 30, 15, tzinfo=UTC)
WAN = Actor.human("wan")


@pytest.fixture
def ledger(place):
    with place.open() as log:
        log.create("110018", {"nickname": "Lei"}, actor=WAN)
        yield log


@pytest.fixture
def run(place, ledger, monkeypatch):
    """The command line on a ledger; one in memory cannot be opened twice, so it is handed over."""
    monkeypatch.setattr("modlog._cli.commands.writing", lambda *_: _Kept(ledger))
    monkeypatch.setenv("MODLOG_URL", "sqlite://")
    monkeypatch.setenv("MODLOG_ACTOR", "human:wan")

    def run(*arguments):
        return CliRunner().invoke(commands, [str(one) for one in arguments])

    return run


class _Kept:
    def __init__(self, log):
        self.log = log

    def __enter__(self):
        return self.log

    def __exit__(self, *_):
        return None


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (
            ("create", "2", "--set", "a=b=c"),
            ("account.created", {"profile": {"a": "b=c"}}),
        ),
        (
            ("create", "2", "--profile", '{"n": [1]}', "--set", "a="),
            ("account.created", {"profile": {"n": [1], "a": ""}}),
        ),
        (
            ("change-profile", "110018", "--set", "a=b", "--remove", "nickname"),
            ("profile.changed", {"changes": {"a": "b", "nickname": None}}),
        ),
        (
            ("flag", "110018", "--label", "spam", "--score", "0.5"),
            ("account.flagged", {"label": "spam", "score": 0.5}),
        ),
        (
            ("suspend", "110018", "--until", "2099-01-01", "--reason", "x"),
            ("account.suspended", {"until": datetime(2099, 1, 1, tzinfo=UTC)}),
        ),
        (
            ("delete", "110018", "--reason", "x"),
            ("account.deleted", {}),
        ),
        (
            ("protect", "110018"),
            ("account.protected", {}),
        ),
        (
            ("note", "110018", "called"),
            ("account.noted", {"text": "called"}),
        ),
    ],
    ids=lambda value: value[0],
)
@pytest.mark.parametrize("dry_run", [False, True], ids=["carried out", "dry run"])
def test_a_command_records_what_the_ledgers_method_would(run, ledger, arguments, wanted, dry_run):
    recorded, data = wanted
    head = ledger.head
    result = run(*arguments, "--policy", "p", "--json", *(["--dry-run"] if dry_run else []))
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert (told["type"], told["position"], told["dry_run"]) == (recorded, head + 1, dry_run)
    if dry_run:
        assert ledger.head == head
        return
    (event,) = [event for event in ledger.events() if event.position > head]
    assert (event.type, event.actor, event.policy) == (recorded, WAN, "p")
    shown = {key: getattr(event.event, key) for key in data}
    assert shown == data


def test_what_stands_is_lifted_whole_or_one_by_one(run, ledger):
    for label in ("spam", "ham", "jam"):
        run("flag", "110018", "--label", label)
    run("delete", "110018", "--reason", "x")
    run("suspend", "110018", "--reason", "x")
    assert run("clear-flags", "110018", "--flag", "2", "--flag", "4").exit_code == 0
    assert run("restore", "110018", "--lift", "6", "--reason", "y").exit_code == 0
    account = ledger.account("110018")
    assert (dict(account.flags), list(account.sanctions)) == ({3: "ham"}, [5])
    assert run("clear-flags", "110018").exit_code == 0
    assert run("restore", "110018", "--reason", "y").exit_code == 0
    assert ledger.account("110018").status is Status.ACTIVE
    assert run("restore", "110018", "--reason", "y").exit_code == 1  # nothing is in force


def test_a_key_is_carried_out_once(run, ledger):
    for _ in range(2):
        assert run("delete", "110018", "--reason", "x", "--key", "k").exit_code == 0
    assert ledger.head == 2


def test_a_protected_account_needs_a_second_person(run, ledger):
    run("protect", "110018")
    head = ledger.head
    refused = run("delete", "110018", "--reason", "x", "--dry-run")
    assert refused.exit_code == 1
    assert "say --override-protection with --approved-by a second person" in refused.stderr
    assert ledger.head == head  # a dry run leaves no trace of what was refused, either
    assert run("delete", "110018", "--reason", "x").exit_code == 1
    assert [event.type for event in ledger.history("110018")][2:] == ["action.refused"]
    second = ("--override-protection", "--approved-by", "human:qiu")
    assert run("delete", "110018", "--reason", "x", *second).exit_code == 0
    assert ledger.account("110018").status is Status.DELETED


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("delete", "110018"), "delete needs a --reason"),
        (("delete", "110018", "--reason", "x", "--as", "wan"), "--as takes KIND:ID"),
        (("create", "2", "--set", "a"), "--set takes KEY=TEXT"),
        (("create", "2", "--profile", "[]"), "--profile takes a JSON object"),
        (("create", "2", "--profile", "{"), "--profile takes a JSON object"),
        (("suspend", "110018", "--reason", "x", "--until", "1/2/2026"), "is no instant"),
        (("flag", "110018", "--label", "x", "--score", "2"), "--score"),
        (("restore", "110018", "--lift", "x"), "--lift"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_nothing_recorded(run, ledger, arguments, said):
    result = run(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert ledger.head == 1


def test_people_see_what_came_of_it(run):
    result = run("delete", "110018", "--reason", "illegal content", "--dry-run")
    assert result.stdout.splitlines()[0] == "account.deleted would be recorded at position 2"
    assert "illegal content" in result.stdout
    assert run("protect", "110018").stdout.startswith("account.protected is recorded at position 2")


# Dry runs of the library


def test_a_dry_run_shows_and_keeps_nothing(ledger):
    with ledger.transaction(dry_run=True):
        event = ledger.delete("110018", actor=WAN, reason="x")
        assert ledger.account("110018").status is Status.DELETED
        assert event.position == ledger.head == 2
    assert ledger.head == 1
    assert ledger.account("110018").status is Status.ACTIVE
    again = ledger.delete("110018", actor=WAN, reason="x", idempotency_key="k")
    assert again.position == 2
    assert ledger.verify().ok


def test_a_dry_run_that_fails_says_so(ledger):
    with pytest.raises(modlog.AccountNotFoundError), ledger.transaction(dry_run=True):
        ledger.delete("nobody", actor=WAN, reason="x")
    assert ledger.head == 1


def test_a_dry_run_is_not_part_of_something_that_stays(ledger):
    with ledger.transaction():
        with (
            pytest.raises(modlog.InvalidInputError, match="a transaction of its own"),
            ledger.transaction(dry_run=True),
        ):
            raise AssertionError("never begun")
        ledger.protect("110018", actor=WAN)
    assert ledger.head == 2
    with pytest.raises(modlog.InvalidInputError, match="dry_run"), ledger.transaction(dry_run=1):
        raise AssertionError("never begun")


# Instants


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("now", NOW),
        ("3 hours ago", NOW - timedelta(hours=3)),
        ("1 day  ago", NOW - timedelta(days=1)),
        ("in 7 days", NOW + timedelta(days=7)),
        ("today", datetime(2026, 11, 21, tzinfo=UTC)),
        ("yesterday 11:44", datetime(2026, 11, 20, 11, 44, tzinfo=UTC)),
        ("2026-11-21", datetime(2026, 11, 21, tzinfo=UTC)),
        ("2026-11-21 11:44", datetime(2026, 11, 21, 11, 44, tzinfo=UTC)),
        ("2026-11-21 11:44:01 UTC", datetime(2026, 11, 21, 11, 44, 1, tzinfo=UTC)),
        ("2026-11-21T11:44:00Z", datetime(2026, 11, 21, 11, 44, tzinfo=UTC)),
        ("2026-11-21T11:44:00+08:00", datetime(2026, 11, 21, 3, 44, tzinfo=UTC)),
    ],
)
def test_instants_as_people_write_them(text, meant):
    assert instant_from(text, NOW) == meant


@pytest.mark.parametrize(
    "text",
    ["", "soon", "1/2/2026", "11:44", "2026-13-01", "999999 weeks ago", "3 hours", "-1 days ago"],
)
def test_what_is_no_instant(text):
    with pytest.raises((ValueError, OverflowError)):
        instant_from(text, NOW)
