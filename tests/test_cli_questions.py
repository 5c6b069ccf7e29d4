"""Questions about the past and about what would be, from the command line."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

import modlog
from modlog import Actor, Selection
from modlog._cli.main import commands

T0 = datetime(2026, 3, 9, 22, 0, tzinfo=UTC)
WAN, QIU = Actor.human("wan"), Actor.human("qiu")


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture
def ledger(url):
    """Two accounts are deleted by a batch, and one of them is put back; an hour lies between."""
    times = iter(T0 + timedelta(hours=n) for n in range(9))
    now = [T0]
    with modlog.open(url, clock=lambda: now[0]) as log:
        for account_id in ("1", "2"):
            log.create(account_id, {"nickname": account_id}, actor=WAN)
        now[0] = next(times) + timedelta(hours=1)
        for account_id in ("1", "2"):
            log.delete(account_id, actor=WAN, reason="clean-up", batch_id="march")
        now[0] += timedelta(hours=1)
        log.restore("1", actor=QIU, reason="a mistake")
        yield log


@pytest.fixture
def run(url, ledger, monkeypatch):
    monkeypatch.setenv("MODLOG_URL", url)
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments):
        return CliRunner().invoke(commands, [str(one) for one in arguments])

    return run


def lines(result):
    assert result.exit_code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.parametrize(
    ("view", "status"),
    [
        ((), "active"),
        (("--as-of", "4"), "deleted"),
        (("--as-of", "2026-03-09 23:30"), "deleted"),
        (("--as-of", "2026-03-09 22:30"), "active"),
        (("--as-of", "2026-03-09T23:30:00Z", "--clock", "occurred"), "deleted"),
        (("--as-of", "4", "--without-batch", "march"), "active"),
    ],
    ids=" ".join,
)
def test_every_question_takes_a_view(run, view, status):
    (shown,) = lines(run("show", "1", "--json", *view))
    (listed, _) = lines(run("accounts", "--json", *view))
    (counted,) = lines(run("count", "--json", *view))
    assert shown["status"] == listed["status"] == status
    assert counted[status] >= 1
    assert sum(counted.values()) == 2
    chosen = lines(run("accounts", "--status", status, "--json", *view))
    assert chosen[0]["id"] == "1"


def test_show_also_tells_what_no_longer_stands(run):
    (shown,) = lines(run("show", "1", "--json"))
    (gone,) = shown["gone"]
    assert (gone["value"], gone["made_by"]["actor"]["id"]) == ("deletion", "wan")
    assert gone["gone_by"]["actor"]["id"] == "qiu"
    assert lines(run("show", "1", "--json", "--as-of", "4"))[0]["gone"] == []
    told = run("show", "1").stdout
    assert "no deletion  version 2, from 2026-03-09 23:00:00 to 2026-03-10 00:00:00" in told
    assert "account.restored by human qiu" in told


def test_blame_names_the_events_behind_each_facet(run, ledger):
    found = lines(run("blame", "1", "--json"))
    assert [(one["facet"], one["key"]) for one in found] == [
        (one.facet, one.key) for one in ledger.blame("1")
    ]
    table = " ".join(run("blame", "1").stdout.replace("\n", " ").split())
    assert "sanction 2 account.deleted by human account.restored by human" in table
    assert "restored" not in run("blame", "1", "--as-of", "4").stdout


def test_diff_compares_two_moments(run):
    assert [
        (one["account_id"], one["before"]["status"], one["after"]["status"])
        for one in lines(run("diff", "2", "4", "--json"))
    ] == [("1", "active", "deleted"), ("2", "active", "deleted")]
    (line,) = run("diff", "2026-03-09 22:30", "now").stdout.splitlines()
    assert line == "active     → deleted    2  status, sanctions"


def test_a_diff_with_when_an_account_was_not_there_names_no_facets(run):
    first, second = run("diff", "0", "2").stdout.splitlines()
    assert (first, second) == ("unknown    → active     1", "unknown    → active     2")
    (created, _) = lines(run("diff", "0", "--json"))
    assert created["before"] is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", "1", "--as-of", "6"), "takes a position from 0 to the log's end, now 5"),
        (("count", "--clock", "occurred"), "--clock goes with --as-of"),
        (("count", "--as-of", "4", "--clock", "occurred"), "goes with an instant"),
        (("diff", "soon", "now"), "is no instant"),
    ],
)
def test_views_that_cannot_be_meant(run, arguments, said):
    result = run(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr


def test_an_account_that_the_view_does_not_know(run):
    result = run("blame", "1", "--as-of", "0")
    assert result.exit_code == 1
    assert "is not in this view" in result.stderr


def test_the_history_within_a_view(ledger):
    view = ledger.as_of(4).without(Selection(type="account.created"))
    assert [event.version for event in view.history("1")] == [2]
    with pytest.raises(modlog.AccountNotFoundError):
        ledger.as_of(0).history("1")


def test_the_log_has_an_entry_for_each_act_or_batch(run):
    restored, deleted, second, first = lines(run("log", "--json"))
    assert (restored["type"], restored["types"]) == ("account.restored", {"account.restored": 1})
    assert (deleted["batch_id"], deleted["types"]) == ("march", {"account.deleted": 2})
    assert (deleted["position"], deleted["last"]) == (3, 4)
    assert [second["account_id"], first["account_id"]] == ["2", "1"]
    assert lines(run("log", "--json", "--reverse")) == [first, second, deleted, restored]
    assert lines(run("log", "--json", "-n", "1")) == [restored]
    each = [one["position"] for one in lines(run("log", "--events", "--json"))]
    assert each == [5, 4, 3, 2, 1]


def test_the_log_as_people_see_it(run):
    whole = " ".join(run("log").stdout.split())
    assert "3–4 account.deleted × 2 when 2026-03-09 23:00:00 UTC by human wan why clean-up" in whole
    told = run("log", "--oneline", "--actor", "human:qiu").stdout
    assert told == "        5  2026-03-10 00:00:00Z  account.restored  human qiu  1  a mistake\n"


@pytest.mark.parametrize(
    ("arguments", "positions"),
    [
        (("--account", "1"), [5, 3, 1]),
        (("--actor", "wan", "--type", "account.deleted"), [4, 3]),
        (("--actor-kind", "bot"), []),
        (("--batch", "march", "--account", "2"), [4]),
        (("--since", "2026-03-09 22:30", "--until", "2026-03-09 23:30"), [4, 3]),
        (("--occurred-since", "2026-03-10"), [5]),
        (("--occurred-until", "2026-03-09 22:30"), [2, 1]),
        (("--policy", "p"), []),
        (("--correlation", "c"), []),
    ],
)
def test_the_log_takes_every_filter(run, arguments, positions):
    found = lines(run("log", "--events", "--json", *arguments))
    assert [one["position"] for one in found] == positions


def test_the_log_is_followed(run, ledger, monkeypatch):
    monkeypatch.setattr("modlog._cli.log.reading", lambda *_: ledger)
    monkeypatch.setattr(
        type(ledger), "head", property(lambda _: 3)
    )  # as if the last two came while it waits
    assert [one["position"] for one in lines(run("log", "-f", "-n", "2", "--json"))] == [4, 5]


def test_what_would_be_without_any_selection_of_events(run):
    (line,) = run("whatif", "--without-batch", "march").stdout.splitlines()
    assert line == "deleted    → active     2  status, sanctions"
    (change,) = lines(run("whatif", "--without-actor", "qiu", "--json"))
    assert (change["account_id"], change["after"]["status"]) == ("1", "deleted")


def test_a_revert_takes_every_filter(run, ledger):
    who = ("--reason", "r", "--as", "human:mei", "--yes")
    assert run("revert", *who).exit_code == 2  # every event is not what anybody means
    result = run("revert", "--actor", "wan", "--type", "account.deleted", "--account", "2", *who)
    assert result.exit_code == 0, result.stderr
    assert [event.data for event in ledger.history("2")][2:] == [{"targets": [2]}]


def test_bisect_shows_when_something_first_held(run):
    (event,) = lines(run("bisect", "1", "--status", "deleted", "--json"))
    assert (event["position"], event["type"]) == (3, "account.deleted")
    assert "account.created" in run("bisect", "1", "--status", "active").stdout
    never = run("bisect", "1", "--status", "active", "--flagged", "spam")
    assert (never.exit_code, never.stderr) == (1, "modlog: that never held\n")
    assert run("bisect", "1").exit_code == 2


def test_stats_count_sanctions_and_what_became_of_them(run):
    (wan,) = lines(run("stats", "--json"))
    names = ("by", "sanctions", "lifted_by_others", "lifted_by_same", "overturn_rate")
    assert list(wan)[:5] == list(names)
    assert [wan[name] for name in names] == ["human:wan", 2, 1, 0, 0.5]
    assert (wan["median_seconds"], wan["p95_seconds"]) == (3600, 3600)
    assert [one["by"] for one in lines(run("stats", "--by", "day", "--json"))] == ["2026-03-09"]
    assert lines(run("stats", "--actor", "qiu", "--json")) == []
    told = " ".join(run("stats").stdout.split())
    assert "human:wan 2 1 0 50.0% 1.0 h 1.0 h" in told


def test_stats_of_flags(run, ledger):
    none = run("stats", "--by", "label")
    assert (none.exit_code, none.stdout) == (0, "")
    assert none.stderr == "modlog: there are no flags among these events\n"
    ledger.flag("2", "spam", actor=WAN)
    told = " ".join(run("stats", "--by", "label").stdout.split())
    assert "label flags accounts" in told
    assert "spam 1 1 2026-03-10T00:00Z 1 1 2" in told


def test_an_entry_names_everybody_who_acted_in_it(run, ledger):
    ledger.note("1", "x", actor=QIU, batch_id="march")
    with ledger.transaction():  # one act
        ledger.note("1", "x", actor=WAN, batch_id="march")
        ledger.note("2", "x", actor=WAN, batch_id="march")
    ledger.restore("2", actor=WAN, reason="another", batch_id="march")
    entry, *_ = lines(run("log", "--json"))
    assert entry["actors"] == {"human wan": 3, "human qiu": 1}
    told = " ".join(run("log", "-n", "1").stdout.split())
    assert "by human wan, human qiu why batch march 2 reasons; see --events" in told
    line = run("log", "--oneline", "-n", "1").stdout
    assert line.endswith("  human wan and 1 more  march  2 reasons\n")


@pytest.mark.parametrize(
    ("arguments", "positions"),
    [
        (("--like", "3"), [4, 3, 2, 1]),
        (("--like", "3", "--within", "30 min"), [4, 3]),
        (("--like", "3", "--within", "30min", "--account", "2"), [4]),
        (("--like", "3", "--same", "batch", "--within", "2 d"), [4, 3]),
        (("--like", "5"), [5]),
    ],
)
def test_the_log_finds_what_is_like_an_event(run, arguments, positions):
    found = lines(run("log", "--events", "--json", *arguments))
    assert [one["position"] for one in found] == positions


def test_everything_that_selects_takes_what_is_like_an_event(run):
    (impact,) = lines(run("impact", "--json", "--like", "3", "--within", "1s"))
    assert (impact["events"], impact["began"]) == (2, {"deletion": 2})
    (change,) = lines(run("whatif", "--json", "--without-like", "3", "--within", "1s"))
    assert change["account_id"] == "2"
    (wan,) = lines(run("stats", "--json", "--like", "3", "--within", "1s"))
    assert wan["sanctions"] == 2
    (plan,) = lines(
        run("revert", "--like", "3", "--within", "1s", "--as", "human:mei", "--dry-run", "--json")
    )
    assert plan["targets"] == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--like", "9"), "there is no event at position 9"),
        (("--like", "-1"), "a position"),
        (("--like", "3", "--same", "policy"), "has no policy: choose another --same"),
        (("--like", "3", "--actor", "wan"), "--like says that itself: leave out --actor"),
        (("--same", "batch"), "--same and --within go with --like"),
        (("--within", "1h"), "--same and --within go with --like"),
        (("--like", "3", "--within", "soon"), "'soon' is no length of time: write 1h"),
        (("--type", "deleted"), "is no type of event; near it: account.deleted"),
    ],
    ids=lambda one: " ".join(one) if isinstance(one, tuple) else "",
)
def test_selections_that_cannot_be_meant(run, arguments, said):
    result = run("log", *arguments)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())


def test_impact_tells_how_far_a_batch_reached(run):
    (impact,) = lines(run("impact", "--batch", "march", "--json"))
    assert (impact["events"], impact["accounts"]) == (2, 2)
    assert (impact["began"], impact["standing"]) == ({"deletion": 2}, {"deletion": 1})
    assert [(one["by"], one["number"]) for one in impact["repairs"]] == [("human:qiu", 1)]
    assert [one["status"] for one in impact["lines"]] == ["active", "deleted"]
    told = " ".join(run("impact", "--batch", "march").stdout.split())
    assert "deletion 2, of which 1 stand" in told
    assert "put right 1 by human:qiu, account.restored, median 1.0 h" in told
    assert "2 deleted: still-sanctioned" in told
