"""Names that the ledger does not know: the command line tells which ones are near."""

import pytest
from click.testing import CliRunner

from modlog import Actor
from modlog._cli.main import commands
from tests.tracing import traced

WAN = Actor.human("wan")


@pytest.fixture
def log(place):
    with place.open() as log:
        for account_id in ("110018", "110019", "lei", "lei-jun"):
            log.create(account_id, actor=WAN, batch_id="sign-up", correlation_id="ticket-7")
        log.delete("lei", actor=WAN, reason="x", batch_id="spring", policy="illegal-content")
        log.plan_sweep(["lei"], "delete", batch_id="clean-up-0309", actor=WAN, reason="x")
        yield log


@pytest.fixture
def run(log, monkeypatch):
    """The command line on this very ledger, whichever store it has."""

    class Open:
        def __enter__(self):
            return log

        def __exit__(self, *_):
            """It stays open for the next call."""

    for room in ("near", "selecting", "questions", "forensics", "log", "sweep"):
        monkeypatch.setattr(f"modlog._cli.{room}.reading", lambda *_: Open())
    for room in ("commands", "revert"):
        monkeypatch.setattr(f"modlog._cli.{room}.writing", lambda *_: Open())
    return lambda *words: CliRunner().invoke(commands, [*words, "--db", "sqlite://"])


WHY = ("--as", "human:mei", "--reason", "x")


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (("show", "11001"), "'110019', '110018'"),
        (("show", "110081"), "'110019', '110018'"),
        (("history", "leijun"), "'lei-jun', 'lei'"),
        (("blame", "Lei-jun"), "'lei-jun'"),
        (("bisect", "lei_jun", "--status", "deleted"), "'lei-jun', 'lei'"),
        (("delete", "lei-jum", *WHY), "'lei-jun', 'lei'"),
        (("sweep", "show", "clean-up-0903"), "'clean-up-0309'"),
    ],
    ids=" ".join,
)
def test_a_name_that_is_not_there_fails_and_tells_what_is_near(run, words, near):
    result = run(*words)
    assert result.exit_code == 1
    assert result.stderr.endswith(f"; near it: {near}\n")


def test_nothing_is_near_what_is_far(run):
    assert "near it" not in run("show", "quite another").stderr


@pytest.mark.parametrize("command", ["log", "stats", "impact", "whatif"])
@pytest.mark.parametrize(
    ("option", "name", "said"),
    [
        ("--account", "11001", "account '11001'{}; near it: '110019', '110018'"),
        ("--actor", "wann", "actor 'wann'{}; near it: 'wan'"),
        ("--actor", "human:wann", "actor 'wann'{}; near it: 'wan'"),
        ("--batch", "signup", "batch 'signup'{}; near it: 'sign-up'"),
        ("--policy", "illegal", "policy 'illegal'{}; near it: 'illegal-content'"),
        ("--correlation", "ticket-8", "correlation 'ticket-8'{}; near it: 'ticket-7'"),
        ("--correlation", "xyz", "correlation 'xyz'{}"),
    ],
)
def test_a_selection_tells_of_names_that_the_ledger_never_saw(run, command, option, name, said):
    if command == "whatif":
        option = option.replace("--", "--without-")
    result = run(command, option, name)
    assert result.exit_code == 0
    assert f"modlog: {said.format(' is not in this ledger')}\n" in result.stderr


def test_a_view_tells_of_a_batch_that_the_ledger_never_saw(run):
    result = run("show", "lei", "--without-batch", "sprin")
    assert result.exit_code == 0
    assert result.stderr == "modlog: batch 'sprin' is not in this ledger; near it: 'spring'\n"


@pytest.mark.parametrize(
    ("option", "name"),
    [
        ("--account", "lei"),
        ("--actor", "wan"),
        ("--actor", "human:wan"),
        ("--batch", "spring"),
        ("--batch", "clean-up-0309"),
        ("--policy", "illegal-content"),
        ("--correlation", "ticket-7"),
    ],
)
def test_names_that_are_there_are_passed_over_in_silence(run, option, name):
    result = run("log", option, name)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout


def test_a_label_of_no_flag_that_stands_tells_what_is_near(run, log):
    log.flag("110018", label="spam", actor=WAN)
    result = run("accounts", "--flagged", "spamm")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "modlog: no flag 'spamm' stands in this ledger; near it: 'spam'\n"
    assert run("accounts", "--flagged", "spam").stderr == ""
    assert run("accounts", "--flagged", "spamm", "--as-of", str(log.head)).stderr == ""


def test_a_revert_of_a_batch_that_is_not_there_tells_what_is_near(run):
    result = run("revert", "--batch", "sprint", *WHY, "--yes")
    assert result.exit_code == 1
    assert "near it: 'spring'" in result.stderr


@pytest.mark.parametrize(
    "kind", ["account", "sweep", "batch", "actor", "policy", "correlation", "label"]
)
def test_names_come_in_their_order_and_a_hundred_at_most(place, kind):
    names = sorted(f"n{number:03}" for number in range(120))
    with place.open() as log:
        for name in names:
            given = {"actor": Actor.bot(name), "batch_id": name, "policy": name}
            log.create(name, correlation_id=name, **given)
            log.flag(name, label=name, actor=WAN)
        if kind == "sweep":
            for name in names:
                log.plan_sweep([name], "delete", batch_id=f"{name}-s", actor=WAN, reason="x")
        end = "-s" if kind == "sweep" else ""
        assert log.names_from(kind, "") == [f"{name}{end}" for name in names[:100]]
        assert log.names_from(kind, "n11") == [f"{name}{end}" for name in names[110:]]
        assert log.names_from(kind, "zz") == []


def test_a_near_name_costs_a_few_queries_however_many_names_there_are(log, run):
    with traced(log) as seen:
        run("show", "a name of some length")
    assert len([sql for sql, _ in seen if "streams" in sql]) <= 12
