"""Adoption and comparison from the command line: files, queries, and how they end."""

import gzip
import json
import os
import pty
import re
import signal
import sqlite3
import subprocess
import sys
import time

import psycopg
import pytest
from click.testing import CliRunner

import modlog
from modlog import Actor, Selection
from modlog._cli.main import commands
from tests import places
from tests.test_cli import process

WAN = Actor.human("wan")
CSV = """account_id,at,status,until,profile.nickname
1,2020-01-01T00:00:00Z,active,,Lei
2,2020-01-02T00:00:00+08,suspended,2099-01-01T00:00:00Z,
3,2020-01-03 00:00:00+00,deleted,,"Wan, the 3rd"
"""
LINES = """{"account_id": "1", "at": "2020-01-01T00:00:00Z", "status": "active",\
 "profile": {"nickname": "Lei"}}

{"account_id": "2", "at": null, "status": "suspended", "until": "2099-01-01T00:00:00Z"}
{"account_id": "3", "at": null, "status": "deleted", "profile": {"nickname": "Wan, the 3rd"}}
"""


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
def file(tmp_path):
    def file(content, name="accounts.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return file


def held(url):
    with modlog.open(url) as log:
        return {one.id: (one.status, dict(one.profile)) for one in log.accounts()}


THREE = {
    "1": ("active", {"nickname": "Lei"}),
    "2": ("suspended", {}),
    "3": ("deleted", {"nickname": "Wan, the 3rd"}),
}


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (CSV, "accounts.csv"),
        ("\ufeff" + CSV.replace("\n", "\r\n"), "from-excel.csv"),
        (gzip.compress(CSV.encode()), "accounts.csv.gz"),
        (LINES, "accounts.jsonl"),
        ("\ufeff" + LINES, "accounts"),
        (gzip.compress(LINES.encode()), "accounts.gz"),
    ],
)
def test_a_file(run, url, file, content, name):
    path = file(content, name)
    adopted = run("adopt", path, "--yes", "--batch", "evening")
    assert (adopted.exit_code, adopted.stderr) == (0, "")
    assert "adopted    3" in adopted.stdout
    assert held(url) == THREE
    with modlog.open(url) as log:
        assert {event.batch_id for event in log.events()} == {"evening"}
    same = run("reconcile", path)
    assert (same.exit_code, same.stdout) == (
        0,
        "the same: 3 rows, and the ledger at position 5\n",
    )


def piped(text, *arguments):
    command = [sys.executable, "-m", "modlog", *arguments]
    return subprocess.run(
        command, check=False, input=text, capture_output=True, text=True, timeout=60
    )


def test_standard_input(url):
    assert piped(CSV, "adopt", "-", "--yes", "--db", url).returncode == 0
    assert held(url) == THREE
    assert piped(LINES, "reconcile", "-", "--db", url).returncode == 0
    not_asked = piped(CSV, "adopt", "-", "--db", url)
    assert (not_asked.returncode, "--yes says that it is meant" in not_asked.stderr) == (2, True)


@pytest.mark.parametrize(
    ("columns", "cells", "profile"),
    [
        ("profile", '"{""a"": [1, null]}"', {"a": [1, None]}),
        ("profile,profile.b", '"{""a"": 1}",x', {"a": 1, "b": "x"}),
        ("profile.a,profile.b", ",x", {"b": "x"}),
        ("profile.", "x", {"": "x"}),
        ("profile", "", {}),
    ],
)
def test_profiles_in_cells(url, file, columns, cells, profile):
    path = file(f"account_id,at,status,{columns}\n1,,active,{cells}\n")
    assert piped("", "adopt", str(path), "--yes", "--db", url).returncode == 0
    assert held(url) == {"1": ("active", profile)}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("2,,banned,,", "line 3 rejected: status must be one of"),
        ("2,2020-01-01 00:00:00,active,,", "has no time zone: write one, as +00:00, or --zone"),
        ("2,,active", "line 3 rejected: 3 fields, and the header has 5"),
        ("2,,active,,,", "line 3 rejected: 6 fields"),
        (",,active,,", "account_id must be text"),
        ("2,,active,,{", "line 3 rejected: profile: not JSON"),
        ("2,,active,,7", "line 3 rejected: a profile must be a mapping"),
    ],
)
def test_a_bad_row_is_told(run, url, file, line, told):
    path = file(f"account_id,at,status,until,profile\n1,,active,,\n{line}\n3,,active,,\n")
    result = run("adopt", path, "--yes")
    assert (result.exit_code, held(url).keys()) == (1, {"1", "3"})
    assert told in result.stderr
    strict = run("adopt", path, "--yes", "--strict", "--batch", "again")
    assert strict.exit_code == 1
    assert "row 3 cannot be taken" in strict.stderr


def test_rejected_rows_are_written_down(run, file, tmp_path):
    path = file("account_id,at,status\n1,,banned\n")
    result = run("adopt", path, "--yes", "--rejected", tmp_path / "rejected.jsonl")
    assert (result.exit_code, result.stderr) == (1, "")
    (rejected,) = map(json.loads, (tmp_path / "rejected.jsonl").read_text().splitlines())
    assert rejected["line"] == 2
    assert rejected["record"] == {"account_id": "1", "at": None, "status": "banned"}
    assert "status must be one of" in rejected["reason"]
    again = run("adopt", path, "--yes", "--rejected", path)
    assert (again.exit_code, "name another" in again.stderr) == (2, True)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "is empty"),
        ('[{"account_id": "1", "at": null, "status": "active"}]', "is one list in JSON"),
        (b"\x1f\x8b\x08 no gzip", "no sound gzip"),
        ("account_id;at;status\n1;;active\n", "a row to {verb} has no 'account_id;at;status'"),
        ("1,,active\n2,,active\n", "a row to {verb} has no"),
        ("account_id,at\n1,\n", "a row to {verb} needs status"),
        ("account_id,at,status,mail\n", "a row to {verb} has no 'mail'"),
        ("account_id,at,status,at\n", "two columns are called 'at'"),
        (b"account_id,at,status\n1,,activ\xff\n", "no sound CSV from line 2 on (no UTF-8"),
        (
            'account_id,at,status\n"1,,active\n',
            "no sound CSV from line 2 on (unexpected end",
        ),
    ],
)
@pytest.mark.parametrize("command", ["adopt", "reconcile"])
def test_a_file_that_cannot_be_read(run, file, command, content, told):
    run("adopt", file("{}"), "--yes")  # there is a ledger now
    result = run(command, file(content), *(["--yes"] if command == "adopt" else []))
    assert result.exit_code == 2
    verb = "adopt" if command == "adopt" else "compare"
    assert told.format(verb=verb) in result.stderr
    assert set(json.loads(run("count", "--json").stdout).values()) == {0}


def test_a_line_without_end_does_not_fill_the_memory(run, file):
    result = run("adopt", file(b"account_id,at,status\n" + b"x," * 2**23 + b"y\n"), "--yes")
    assert result.exit_code == 2
    assert "no sound CSV from line 2 on (it is longer than 16 MiB)" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--from-url", "x.db"),
        ("--query", "SELECT 1"),
        ("accounts.csv", "--from-url", "x.db", "--query", "SELECT 1"),
    ],
)
@pytest.mark.parametrize("command", ["adopt", "reconcile"])
def test_there_is_one_source(run, url, command, arguments):
    modlog.open(url).close()
    result = run(command, *arguments)
    assert result.exit_code == 2
    assert "give one of the two" in result.stderr


# Zones


def test_a_zone_for_instants_that_have_none(run, url, file):
    path = file("account_id,at,status,until\n1,2020-01-01 08:00,suspended,2099-01-01\n")
    assert run("adopt", path, "--yes").exit_code == 1
    assert run("adopt", path, "--yes", "--zone", "Asia/Shanghai").exit_code == 0
    with modlog.open(url) as log:
        assert log.history("1")[0].occurred_at.isoformat() == "2020-01-01T00:00:00+00:00"
        (sanction,) = log.account("1").sanctions.values()
        assert str(sanction.until) == "2098-12-31 16:00:00+00:00"
    assert run("reconcile", path, "--zone", "UTC").exit_code == 1
    assert run("reconcile", path, "--zone", "Asia/Shanghai").exit_code == 0


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../../etc/passwd", ""])
def test_a_zone_that_is_none(run, file, zone):
    result = run("adopt", file(CSV), "--zone", zone)
    assert result.exit_code == 2
    assert "is no time zone" in result.stderr


# Queries


@pytest.fixture(params=["sqlite", "postgres"])
def platform(request, tmp_path, schema):
    """The URL of a platform's own database with a table of users."""
    if request.param == "sqlite":
        with sqlite3.connect(tmp_path / "platform.db") as connection:
            fill(connection, "?", "text", "text")
        connection.close()
        return f"sqlite:///{tmp_path / 'platform.db'}"
    url = places.postgres_url()
    with psycopg.connect(url) as server:
        server.execute(f'CREATE SCHEMA "{schema}"')
        server.execute(f'SET search_path = "{schema}"')
        fill(server, "%s", "timestamptz", "json")
    return f"{url}{'&' if '?' in url else '?'}options=-csearch_path%3D{schema}"


def fill(connection, mark, instant, document):
    connection.execute(
        f"CREATE TABLE users (id integer, joined {instant}, state text, ends {instant},"
        f" card {document})"
    )
    for number in range(1, 4):
        state = ("active", "suspended", "deleted")[number - 1]
        ends = "2099-01-01 00:00:00+00" if state == "suspended" else None
        values = (number, "2020-01-01 00:00:00+00", state, ends, f'{{"nickname": "n{number}"}}')
        connection.execute(f"INSERT INTO users VALUES ({', '.join([mark] * 5)})", values)


QUERY = """SELECT id AS account_id, joined AS at, state AS status, ends AS until,
    card AS profile, id AS "profile.number" FROM users ORDER BY id DESC"""


@pytest.mark.parametrize("end", ["", ";"])
def test_a_query(run, url, platform, end):
    source = ("--from-url", platform, "--query", QUERY + end)
    result = run("adopt", *source, "--yes")
    assert (result.exit_code, result.stderr) == (0, "")
    assert held(url) == {
        "1": ("active", {"nickname": "n1", "number": 1}),
        "2": ("suspended", {"nickname": "n2", "number": 2}),
        "3": ("deleted", {"nickname": "n3", "number": 3}),
    }
    assert run("reconcile", *source).exit_code == 0
    with modlog.open(url) as log:
        log.delete("1", actor=WAN, reason="spam")
    result = run("reconcile", *source, "--json")
    assert result.exit_code == 1
    difference, counted = map(json.loads, result.stdout.splitlines())
    assert difference == {
        "kind": "status",
        "account_id": "1",
        "here": "deleted",
        "there": "active",
        "here_until": None,
        "there_until": None,
        "line": 3,
        "reason": None,
    }
    assert (counted["rows"], counted["head"]) == (3, 6)
    assert (counted["differences"]["status"], sum(counted["differences"].values())) == (1, 1)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM nobody",
        "DELETE FROM users",
        "UPDATE users SET state = 'active'",
        "SELECT 1; DELETE FROM users",
        "DROP TABLE users",
        "nonsense",
        "BEGIN",
        "-- nothing",
    ],
)
def test_a_query_that_is_none(run, url, platform, query):
    modlog.open(url).close()
    for command in (("adopt", "--yes"), ("reconcile",)):
        result = run(*command, "--from-url", platform, "--query", query)
        assert result.exit_code == 2, result.output
        assert "the query" in result.stderr
    assert run("adopt", "--from-url", platform, "--query", QUERY, "--yes").exit_code == 0


def test_columns_that_nobody_named_are_not_taken_along(run, url, platform):
    """What stands in a table of users, a digest of a password for instance, is none of ours."""
    query = QUERY.replace("card AS profile", "card AS password_hash")
    result = run("adopt", "--from-url", platform, "--query", query, "--yes")
    assert (result.exit_code, held(url)) == (2, {})
    assert "has no 'password_hash'" in result.stderr


def test_a_database_that_is_not_there(run, url, tmp_path):
    modlog.open(url).close()
    missing = f"sqlite:///{tmp_path / 'missing.db'}"
    result = run("reconcile", "--from-url", missing, "--query", QUERY)
    assert result.exit_code == 3
    assert not (tmp_path / "missing.db").exists()


def test_a_ledger_that_is_not_there(run, file, tmp_path):
    assert run("reconcile", file(CSV)).exit_code == 3
    assert not (tmp_path / "ledger.db").exists()


# Looking first, and asking


def test_a_dry_run_writes_nothing(run, url, file):
    result = run("adopt", file(CSV), "--dry-run", "--json")
    assert result.exit_code == 0
    answer = json.loads(result.stdout)
    assert (answer["adopted"], answer["suspended"], answer["deleted"]) == (3, 1, 1)
    assert answer["dry_run"] is True
    assert held(url) == {}
    assert "to adopt   3" in run("adopt", file(CSV), "--dry-run").stdout


def test_nobody_is_asked_where_nobody_can_answer(run, url, file):
    result = run("adopt", file(CSV))
    assert (result.exit_code, held(url)) == (2, {})
    assert "adopt 3 accounts: there is no terminal to ask on" in result.stderr


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 1)])
def test_what_it_comes_to_is_shown_before_it_is_asked(url, file, answer, code):
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "modlog", "adopt", str(file(CSV)), "--db", url],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.write(ours, f"{answer}\n".encode())
    _, said = process.communicate(timeout=60)
    os.close(ours)
    os.close(theirs)
    assert process.returncode == code
    assert re.search(r"to adopt +3\n", said)
    assert "adopt 3 accounts [y/N]" in said
    assert bool(held(url)) == (code == 0)


def test_running_it_again(run, url, file):
    run("adopt", file(CSV), "--yes")
    with modlog.open(url) as log:
        log.restore("3", actor=WAN, reason="a mistake")
    result = run("adopt", file(CSV + "4,,active,,\n"), "--yes", "--json")
    answer = json.loads(result.stdout)
    assert (answer["adopted"], answer["known"], answer["differing"]) == (1, 3, 1)
    assert "dry_run" in answer


def test_it_says_how_far_it_came(run, url, file):
    path = file(CSV.encode() + b"4,,activ\xff,,\n")
    result = run("adopt", path, "--yes", "--chunk", "1", "--batch", "evening")
    assert result.exit_code == 2
    assert "stopped; 3 accounts before that are in, as batch evening. Running" in result.stderr
    assert len(held(url)) == 3
    result = run("adopt", path, "--yes", "--batch", "evening-2")
    assert (result.exit_code, "no account before that is in" in result.stderr) == (2, True)


def heed_interrupts():
    """A shell lets its background jobs ignore them."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_it_is_run_again_after_an_interrupt(run, url, file):
    """While it waits for more rows, so that nothing but time decides where it stops."""
    options = {"preexec_fn": heed_interrupts}
    with process("adopt", "-", "--db", url, "--chunk", 1, "--yes", **options) as child:
        child.stdin.write(CSV.encode())
        child.stdin.flush()
        with modlog.open(url) as log:
            while log.head < 5 and child.poll() is None:
                time.sleep(0.01)
        child.send_signal(signal.SIGINT)
        _, err = child.communicate()
    assert (child.returncode, b"3 accounts before that are in" in err) == (130, True), err
    assert b"Traceback" not in err
    result = run("adopt", file(CSV + "4,,active,,\n"), "--yes", "--json")
    assert [json.loads(result.stdout)[name] for name in ("adopted", "known")] == [1, 3]
    assert run("verify").exit_code == 0


def test_a_reason_of_ones_own(run, url, file):
    run("adopt", file(CSV), "--yes", "--reason", "taken over from the forum")
    with modlog.open(url) as log:
        assert {event.reason for event in log.events()} == {"taken over from the forum"}


# Comparing


@pytest.mark.parametrize(
    ("change", "code", "told"),
    [
        (lambda text: text, 0, "the same"),
        (lambda text: text.replace("1,2020", "9,2020"), 1, "unknown here   9  there active"),
        (lambda text: text.replace("1,2020", "9,2020"), 1, "unknown there  1  here active"),
        (lambda text: text.replace("active", "deleted"), 1, "1  here active, there deleted"),
        (
            lambda text: text.replace("2099-01-01", "2098-01-01"),
            1,
            "2  here until 2099-01-01T00:00:00.000000Z, there until 2098-01-01T00:00:00.000000Z",
        ),
        (lambda text: text.replace("2099-01-01T00:00:00Z", ""), 1, "there until somebody lifts it"),
        (lambda text: text.replace("active", "banned"), 2, "line 2: status must be one of"),
    ],
)
def test_exit_codes_of_a_comparison(run, file, change, code, told):
    run("adopt", file(CSV), "--yes")
    result = run("reconcile", file(change(CSV)))
    assert (result.exit_code, told in result.stdout) == (code, True), result.output


def test_so_many_are_shown_and_all_are_counted(run, file):
    run("adopt", file(CSV), "--yes")
    result = run("reconcile", file("account_id,status\n"), "--limit", "1")
    assert result.stdout.splitlines() == [
        "unknown there  1  here active",
        "NOT the same: 3 unknown there (0 rows, and the ledger at position 5)",
    ]


def test_a_platform_that_keeps_no_rows_of_the_deleted(run, file):
    run("adopt", file(CSV), "--yes")
    left = file("".join(CSV.splitlines(keepends=True)[:-1]))
    assert run("reconcile", left).exit_code == 1
    assert run("reconcile", left, "--hard-deletes").exit_code == 0


def test_what_people_see_does_not_command_their_terminal(run, file):
    path = file("account_id,at,status\n\x1b]0;owned\x07,,active\n")
    run("adopt", path, "--yes")
    result = run("reconcile", file("account_id,status\n"))
    assert "\x1b" not in result.stdout


def test_what_is_adopted_can_be_taken_back(run, url, file):
    run("adopt", file(CSV), "--yes", "--batch", "evening")
    result = run(
        "revert", "--batch", "evening", "--reason", "wrong column", "--as", "human:wan", "--yes"
    )
    assert result.exit_code == 0
    with modlog.open(url) as log:
        assert log.count()[modlog.Status.ABSENT] == 3
        assert len(list(log.events(Selection(batch_id="evening")))) == 5
