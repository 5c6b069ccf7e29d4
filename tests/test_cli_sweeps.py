"""Sweeps and reverts on the command line: what people see, what scripts get, how it ends."""

import json
import os
import pty
import select
import subprocess
import sys

import pytest
from click.testing import CliRunner
from rich.cells import cell_len

import modlog
from modlog import Actor, Guardrails, Selection, Status
from modlog._cli.main import commands
from modlog._services.sweeps import chunks as sweep_chunks
from tests import places

WAN, MEI = "human:wan", "human:mei"
ESCAPE, RIGHT_TO_LEFT = "\x1b[2J", "\u202egpj.exe"
WHY = ("--action", "delete", "--reason", "clean-up", "--policy", "illegal-content")


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture
def run(url, monkeypatch):
    monkeypatch.setenv("MODLOG_URL", url)
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments, **options):
        return CliRunner().invoke(commands, [str(one) for one in arguments], **options)

    return run


@pytest.fixture
def ledger(url):
    """The founder's account, long there and never flagged, and three others."""
    with modlog.open(url) as log, modlog.acting(Actor.system("sign-up"), reason="spam"):
        log.create("110018")
        for account_id in ("110019", "110020", "110021"):
            log.create(account_id)
            log.flag(account_id, label="spam")
        log.delete("110021", actor=Actor.human("qiu"), reason="fraud")
        yield log


@pytest.fixture
def ids(tmp_path):
    def ids(*lines, end=b"\n"):
        path = tmp_path / "ids.txt"
        path.write_bytes(b"".join(line.encode() + end for line in lines))
        return path

    return ids


@pytest.fixture
def planned(run, ledger, ids):
    path = ids("110018", "110019", "110020", "110021", "nobody")
    result = run("sweep", "plan", path, *WHY, "--batch", "march", "--as", WAN)
    assert (result.exit_code, result.stderr) == (0, "")
    return result


@pytest.fixture
def approved(run, planned):
    assert run("sweep", "approve", "march", "--as", MEI, "--yes").exit_code == 0


@pytest.fixture
def executed(run, approved):
    result = run("sweep", "execute", "march", "--as", WAN, "--yes")
    assert result.stderr == ""
    return result


def on_terminal(url, *arguments, answer, term="dumb"):
    """The command with a terminal as its input and its error output: exit code, out, err."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "modlog", *arguments, "--db", url],
        stdin=theirs,
        stderr=theirs,
        stdout=subprocess.PIPE,
        env=os.environ | {"COLUMNS": "80", "TERM": term},
    )
    os.close(theirs)
    seen = b""
    with child:
        while b"[y/N]" not in seen and select.select([ours], [], [], 30)[0]:
            seen += os.read(ours, 10_000)
        os.write(ours, answer)
        out, _ = child.communicate()
    while select.select([ours], [], [], 0)[0]:
        try:
            seen += os.read(ours, 10_000)
        except OSError:  # nobody holds the other end any more
            break
    os.close(ours)
    return child.returncode, out.decode(), seen.decode()


# Plan


def test_a_plan_shows_the_outlier_first(planned, ledger):
    lines = planned.stdout.splitlines()
    head = next(n for n, line in enumerate(lines) if "look at these first" in line)
    assert head <= 1
    assert lines[head + 2].split()[0] == "110018"
    assert "never-flagged" in lines[head + 2]
    text = " ".join(planned.stdout.split())
    for part in (
        "sweep march",
        "action delete",
        "by human wan",
        "reason clean-up",
        "policy illegal-content",
        "accounts 5",
        "3 active",
        "1 deleted (each gets a further cause)",
        "1 unknown",
        "state planned, needs a second person's approval",
    ):
        assert part in text
    assert max(map(cell_len, lines)) <= 80
    assert ledger.count()[Status.DELETED] == 1  # nothing happened yet
    assert ledger.sweep("march").planned.actor == Actor.human("wan")


def test_a_plan_answers_programs(run, ledger, ids):
    ledger.protect("110018", actor=Actor.human("qiu"))
    result = run("sweep", "plan", ids("110018", "110021"), *WHY, "--as", WAN, "--json")
    shown = json.loads(result.stdout)
    assert shown["outliers"][0]["account_id"] == "110018"
    assert shown["statuses"] == {"active": 1, "deleted": 1}
    assert (shown["protected"], shown["refusals"]) == (1, {"protected-account": 1})
    assert (shown["size"], shown["state"], shown["needs_approval"]) == (2, "planned", True)
    assert shown["actor"]["id"] == "wan"
    assert shown["digest"] == ledger.sweep(shown["batch_id"]).digest


@pytest.mark.parametrize(
    ("options", "arguments"),
    [
        (("suspend", "--until", "2999-01-01T00:00Z"), {"until": "2999-01-01T00:00:00.000000Z"}),
        (("suspend",), {"until": None}),
        (("flag", "--label", "spam"), {"label": "spam", "score": None}),
        (("clear_flags",), {}),
        (("restore",), {}),
    ],
    ids=str,
)
def test_every_action_can_be_planned(run, ledger, ids, options, arguments):
    path = ids("110018")
    result = run(
        "sweep", "plan", path, "--action", *options, "--reason", "x", "--as", WAN, "--json"
    )
    assert json.loads(result.stdout)["arguments"] == arguments


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\n\n"], ids=repr)
def test_a_file_has_one_id_a_line(run, ledger, ids, end):
    path = ids("\ufeff110018", "110019", " with spaces ", end=end)
    run("sweep", "plan", path, *WHY, "--batch", "b", "--as", WAN)
    assert [id_ for id_, *_ in ledger.sweep("b").targets()] == [" with spaces ", "110018", "110019"]


def test_ids_from_standard_input(url, ledger):
    found = subprocess.run(
        [sys.executable, "-m", "modlog", "sweep", "plan", "-", *WHY, "--as", WAN, "--json"],
        input=b"110018\n110019",
        env=os.environ | {"MODLOG_URL": url},
        capture_output=True,
        check=True,
    )
    assert json.loads(found.stdout)["size"] == 2


def test_the_same_plan_again_and_another_under_its_name(run, planned, ids, ledger):
    head = ledger.head
    path = ids("110018", "110019", "110020", "110021", "nobody")
    again = run("sweep", "plan", path, *WHY, "--batch", "march", "--as", WAN)
    assert (again.exit_code, again.stdout) == (0, planned.stdout)
    other = run("sweep", "plan", ids("110018"), *WHY, "--batch", "march", "--as", WAN)
    assert (other.exit_code, other.stdout) == (1, "")
    assert len(other.stderr.splitlines()) == 1
    assert ledger.head == head


# Who acts


def test_the_actor_may_come_from_the_environment(run, ledger, ids, monkeypatch):
    monkeypatch.setenv("MODLOG_ACTOR", "model:classifier@3")
    monkeypatch.setenv("MODLOG_OWN_ACCOUNT", "110019")
    run("sweep", "plan", ids("110018"), *WHY, "--batch", "b")
    expected = Actor.model("classifier", version="3", account_id="110019")
    assert ledger.sweep("b").planned.actor == expected


def test_the_actor_s_own_account_binds_it(run, planned, ledger):
    result = run("sweep", "approve", "march", "--as", MEI, "--own-account", "110021", "--yes")
    assert result.exit_code == 1
    assert "own account is suspended or deleted" in result.stderr
    assert ledger.sweep("march").state == "planned"
    assert [e.account_id for e in ledger.events(Selection(type="action.refused"))] == ["110021"]


# Wrong calls


@pytest.mark.parametrize(
    "arguments",
    [
        ("sweep",),
        ("sweep", "plan", "IDS", *WHY),
        ("sweep", "plan", "IDS", *WHY, "--as", "wan"),
        ("sweep", "plan", "IDS", *WHY, "--as", "human:"),
        ("sweep", "plan", "IDS", *WHY, "--as", "alien:wan"),
        ("sweep", "plan", "IDS", "--action", "delete", "--as", WAN),
        ("sweep", "plan", "IDS", "--action", "erase", "--reason", "x", "--as", WAN),
        ("sweep", "plan", "IDS", "--action", "flag", "--reason", "x", "--as", WAN),
        ("sweep", "plan", "IDS", *WHY, "--label", "spam", "--as", WAN),
        ("sweep", "plan", "IDS", *WHY, "--until", "tomorrow", "--as", WAN),
        ("sweep", "plan", "no such file", *WHY, "--as", WAN),
        ("sweep", "plan", os.devnull, *WHY, "--as", WAN),
        ("sweep", "approve", "march", "--as", WAN, "--yes"),  # the planner
        ("sweep", "approve", "march", "--as", "bot:x", "--yes"),
        ("sweep", "reject", "march", "--as", MEI),
        ("revert", "--reason", "x", "--as", WAN),
        ("revert", "--batch", "march", "--as", WAN, "--yes"),
    ],
    ids=lambda arguments: " ".join(arguments) or "none",
)
def test_wrong_calls_end_with_2(run, planned, ledger, tmp_path, arguments):
    head = ledger.head
    result = run(*[tmp_path / "ids.txt" if one == "IDS" else one for one in arguments])
    assert result.exit_code == 2
    assert result.stderr or "Usage" in result.stdout
    assert ledger.head == head


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"1\n\xff\n", "line 2 is not UTF-8"),
        (b"1\n\n" + b"x" * 256, "line 3"),
        (b"x" * 5_000, "line 1"),
        (b"1\0", "line 1"),
    ],
    ids=["bytes", "long", "longer", "NUL"],
)
def test_a_line_that_is_no_id_is_named(run, ledger, tmp_path, content, said):
    path = tmp_path / "bad.txt"
    path.write_bytes(content)
    result = run("sweep", "plan", path, *WHY, "--as", WAN)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert list(ledger.sweeps()) == []


def test_a_misspelt_ledger_is_not_made(run, ids, tmp_path):
    missing = tmp_path / "missing.db"
    calls = [
        ("sweep", "plan", ids("1"), *WHY, "--as", WAN),
        ("sweep", "show", "march"),
        ("sweep", "list"),
        ("sweep", "execute", "march", "--as", WAN, "--yes"),
        ("revert", "--batch", "march", "--reason", "x", "--as", WAN),
    ]
    for call in calls:
        assert run(*call, "--db", f"sqlite:///{missing}").exit_code == 3
    assert not missing.exists()


# Answers that are no


def test_no_such_sweep(run, ledger):
    for name in ("show", "execute", "resume"):
        options = [] if name == "show" else ["--as", WAN, "--yes"]
        result = run("sweep", name, "march", *options)
        assert (result.exit_code, result.stdout) == (1, "")
        assert "no sweep 'march'" in result.stderr


def test_without_an_approval_the_answer_is_no(run, planned, ledger):
    result = run("sweep", "execute", "march", "--as", WAN, "--yes")
    assert result.exit_code == 1
    assert "needs the approval of a second person" in result.stderr
    assert ledger.count()[Status.DELETED] == 1


def test_a_rejected_sweep_stays_rejected(run, planned, ledger):
    result = run("sweep", "reject", "march", "--reason", "the founder!", "--as", MEI)
    assert (result.exit_code, result.stdout.split()) == (0, ["rejected", "march"])
    assert run("sweep", "execute", "march", "--as", WAN, "--yes").exit_code == 1
    assert run("sweep", "approve", "march", "--as", MEI, "--yes").exit_code == 1
    *_, record = ledger.events(Selection(batch_id="march"))
    assert (record.reason, record.actor) == ("the founder!", Actor.human("mei"))


# Execute


def test_a_sweep_from_plan_to_end(executed, ledger, run):
    assert executed.exit_code == 1  # of one account there was nothing to delete
    assert " ".join(executed.stdout.split()) == (
        "done 4 refused 0 by a rule already 0 this sweep had acted on them before "
        "unknown 1 no such account changed 0 no longer what the plan showed batch march"
    )
    assert ledger.count()[Status.DELETED] == 4
    plan = ledger.sweep("march")
    assert (plan.state, plan.approved_by) == ("completed", Actor.human("mei"))
    shown = json.loads(run("sweep", "show", "march", "--json").stdout)
    assert (shown["state"], shown["counts"]["done"], shown["reverted"]) == ("completed", 4, 0)
    assert shown["approved_by"]["id"] == "mei"


def test_all_done_ends_with_0(run, ledger, ids):
    run("sweep", "plan", ids("110019"), *WHY, "--batch", "b", "--as", WAN)
    run("sweep", "approve", "b", "--as", MEI, "--yes")
    for _ in range(2):  # again there is nothing left to do
        result = run("sweep", "execute", "b", "--as", WAN, "--yes", "--json")
        assert (result.exit_code, json.loads(result.stdout)["counts"]["done"]) == (0, 1)
    assert len(ledger.account("110019").sanctions) == 1


def test_show_tells_each_account(run, executed):
    assert run("sweep", "show", "march", "--accounts").stdout.splitlines() == [
        "done     110018",
        "done     110019",
        "done     110020",
        "done     110021",
        "unknown  nobody",
    ]
    told = run("sweep", "show", "march", "--accounts", "--json").stdout.splitlines()
    assert json.loads(told[-1]) == {"account_id": "nobody", "outcome": "unknown", "rule": None}


@pytest.mark.parametrize("command", ["execute", "resume"])
def test_what_stopped_is_resumed(run, approved, ledger, monkeypatch, command):
    monkeypatch.setattr(sweep_chunks, "CHUNK", 2)

    def stops(progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ledger.sweep("march").execute(progress=stops, actor=Actor.human("wan"))
    text = " ".join(run("sweep", "show", "march").stdout.split())
    assert "state running" in text
    assert "outcome 2 done" in text
    result = run("sweep", command, "march", "--as", MEI, "--yes", "--json")
    assert json.loads(result.stdout)["counts"]["done"] == 4
    assert len(list(ledger.events(Selection(type="account.deleted")))) == 5


def test_a_sweep_that_is_interrupted_says_how_to_go_on(run, approved, ledger, monkeypatch):
    monkeypatch.setattr(sweep_chunks, "CHUNK", 2)
    chunk = sweep_chunks.Executing.chunk

    def interrupted(self, writer):
        if ledger.sweep("march").sweep.through:
            raise KeyboardInterrupt
        return chunk(self, writer)

    monkeypatch.setattr(sweep_chunks.Executing, "chunk", interrupted)
    result = run("sweep", "execute", "march", "--as", WAN, "--yes")
    assert result.exit_code == 130
    assert "after 2 of 5 accounts: modlog sweep resume march goes on" in result.stderr


# Asking first

ASKING = [
    ("sweep", "approve", "march", "--as", MEI),
    ("sweep", "execute", "march", "--as", WAN),
    ("sweep", "resume", "march", "--as", WAN),
    ("revert", "--batch", "march", "--reason", "by mistake", "--as", WAN),
]


@pytest.mark.parametrize("arguments", ASKING, ids=lambda one: " ".join(one[:2]))
def test_where_nobody_can_be_asked_nothing_is_done(run, approved, ledger, arguments):
    if arguments[0] == "revert":
        ledger.resume("march", actor=Actor.human("wan"))
    head = ledger.head
    result = run(*arguments, input="y\n")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--yes" in result.stderr
    assert ledger.head == head


@pytest.mark.parametrize("answer", [b"y\n", b"n\n", b"\n"], ids=["yes", "no", "nothing"])
def test_on_a_terminal_the_plan_is_shown_and_asked_for(url, approved, ledger, answer):
    code, out, err = on_terminal(url, "sweep", "execute", "march", "--as", WAN, answer=answer)
    meant = answer.startswith(b"y")
    assert code == 1  # declined, or an account that is unknown
    assert err.index("110018") < err.index("illegal-content") < err.index("delete these 5 accounts")
    assert max(cell_len(line.rstrip("\r")) for line in err.split("\n")) <= 80
    assert ("4" in out.split()) is meant
    assert ("nothing was done" in err) is not meant
    assert ledger.count()[Status.DELETED] == (4 if meant else 1)


def test_a_revert_shows_what_it_comes_to_and_asks(url, executed, ledger):
    code, out, err = on_terminal(
        url, "revert", "--batch", "march", "--reason", "x", "--as", MEI, answer=b"y\n", term="xterm"
    )
    assert code == 0
    assert "deleted → active" in err
    assert "account.deleted by human qiu" in err  # what still stands
    assert "accounts, 4 events" in " ".join(out.split())
    assert "to revert" in err  # the bar
    assert ledger.count()[Status.DELETED] == 1


# Revert


def test_a_dry_run_writes_nothing(run, executed, ledger):
    head = ledger.head
    result = run("revert", "--batch", "march", "--dry-run", "--as", MEI)
    assert (result.exit_code, result.stderr) == (0, "")
    text = " ".join(result.stdout.split())
    assert "3 deleted → active" in text
    assert "1 deleted → deleted" in text
    answer = run("revert", "--batch", "march", "--dry-run", "--as", MEI, "--json").stdout
    told = json.loads(answer)
    assert (told["accounts"], told["targets"]) == (4, 4)
    assert (told["before"]["deleted"], told["after"]["deleted"]) == (4, 1)
    assert ledger.head == head


def test_one_account_is_taken_out_of_a_sweep(run, executed, ledger):
    options = ("--reason", "the founder", "--as", MEI, "--yes", "--json")
    result = run("revert", "--batch", "march", "--account", "110018", *options)
    told = json.loads(result.stdout)
    assert (result.exit_code, told["reverted"], told["refused"]) == (0, 1, [])
    assert ledger.account("110018").status is Status.ACTIVE
    assert ledger.count()[Status.DELETED] == 3
    assert "reverted 1" in " ".join(run("sweep", "show", "march").stdout.split())
    event = ledger.history("110018")[-1]
    assert (event.reason, event.actor) == ("the founder", Actor.human("mei"))


def test_the_same_revert_again_under_its_name(run, executed):
    options = ("--batch", "march", "--reason", "x", "--as", MEI, "--yes", "--json")
    first = json.loads(run("revert", *options, "--name", "back").stdout)
    again = json.loads(run("revert", *options, "--name", "back").stdout)
    assert (first["reverted"], again["reverted"], again["already"]) == (4, 0, 4)


def test_nothing_to_take_back_is_no(run, ledger):
    result = run("revert", "--batch", "nothing", "--reason", "x", "--as", MEI, "--yes")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "nothing to take back" in result.stderr


# List, hostile text, stores


def test_all_sweeps_are_listed(run, executed, ids):
    run("sweep", "plan", ids("110018"), *WHY, "--batch", "april", "--as", "bot:sweeper")
    lines = run("sweep", "list").stdout.splitlines()
    assert [row[:5] for row in map(str.split, lines) if row and row[0] in ("march", "april")] == [
        ["march", "completed", "delete", "5", "4"],
        ["april", "planned", "delete", "1", "0"],
    ]
    told = [json.loads(line) for line in run("sweep", "list", "--json").stdout.splitlines()]
    assert [(one["batch_id"], one["state"]) for one in told] == [
        ("march", "completed"),
        ("april", "planned"),
    ]


def test_hostile_text_is_shown_and_does_nothing(run, url, ids):
    hostile = f"{ESCAPE}{RIGHT_TO_LEFT}[bold red]:smile:[/]"
    wide = "雷军" * 60
    with modlog.open(url, guardrails=Guardrails()) as log, modlog.acting(Actor.human(hostile)):
        for account_id in (hostile, wide, "x" * 255):
            log.create(account_id)
    path = ids(hostile, wide, "x" * 255, f"{hostile} is nobody")
    plan = ("sweep", "plan", path, "--action", "flag", "--label", hostile, "--reason", hostile,
            "--policy", hostile, "--batch", hostile, "--as", f"human:{hostile}")  # fmt: skip
    who = ("--as", MEI, "--yes")
    calls = [
        plan,
        ("sweep", "approve", hostile, *who, "--reason", hostile),
        ("sweep", "execute", hostile, *who),
        ("sweep", "show", hostile),
        ("sweep", "show", hostile, "--accounts"),
        ("sweep", "list"),
        ("sweep", "list", "--json"),
        ("sweep", "show", hostile, "--json"),
        ("sweep", "show", f"{hostile} not"),
        ("revert", "--batch", hostile, "--dry-run", *who),
        ("revert", "--batch", hostile, "--name", f"{hostile}!", "--reason", hostile, *who),
    ]
    for call in calls:
        result = run(*call)
        assert not isinstance(result.exception, Exception), call
        assert result.exit_code == (1 if call[1] == "execute" or "not" in call[-1] else 0), call
        printed = (result.stdout + result.stderr).replace("\n", "")
        assert [one for one in printed if not one.isprintable()] == [], call
        assert ":smile:" in "".join(printed.split()), call  # shown, and no markup
        if "--json" not in call and "--accounts" not in call and result.stdout:
            assert max(map(cell_len, result.stdout.splitlines())) <= 80, call
    with modlog.open(url) as log:
        assert log.sweep(hostile).reverted() == 3


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_every_command_on_every_store(ids, kind):
    with places.fresh(kind) as place:
        schema = ["--schema", place.schema] if place.schema else []
        with place.open() as log:
            log.create("1", actor=Actor.system("sign-up"))

        def answer(*arguments):
            call = [*map(str, arguments), "--db", place.url, *schema, "--json"]
            result = CliRunner().invoke(commands, call)
            assert (result.exit_code, result.stderr) == (0, "")
            return json.loads(result.stdout)

        answer("sweep", "plan", ids("1"), *WHY, "--batch", "b", "--as", WAN)
        assert answer("sweep", "approve", "b", "--as", MEI, "--yes")["state"] == "approved"
        assert answer("sweep", "execute", "b", "--as", WAN, "--yes")["state"] == "completed"
        assert answer("sweep", "resume", "b", "--as", WAN, "--yes")["counts"]["done"] == 1
        assert answer("sweep", "show", "b")["counts"]["done"] == 1
        assert answer("sweep", "list")["state"] == "completed"
        back = answer("revert", "--batch", "b", "--reason", "x", "--as", WAN, "--yes")
        assert back["reverted"] == 1


def test_help_fits():
    for name in commands.commands["sweep"].commands:  # type: ignore[attr-defined]
        result = CliRunner().invoke(commands, ["sweep", name, "--help"])
        assert result.exit_code == 0
        assert max(map(len, result.stdout.splitlines())) <= 80
