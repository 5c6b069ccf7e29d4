"""`modlog archive` in a shell."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

import modlog
from modlog import Actor
from modlog._cli.main import commands

WAN = Actor.human("wan")


@pytest.fixture
def db(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MODLOG_URL", raising=False)
    with modlog.open("ledger.db") as log:
        log.create("a", actor=WAN)
        log.delete("a", actor=WAN, reason="spam")
    return "ledger.db"


def run(*words, code=0):
    result = CliRunner().invoke(commands, ["archive", *words])
    assert result.exit_code == code, result.output
    return result


def test_write_verify_and_restore(db):
    assert "archived 2 events in" in run("write", "to", "--db", db).stdout
    assert "archived 0 events" in run("write", "to", "--db", db).stdout
    said = run("verify", "to").stdout
    assert said.startswith("0 findings: 2 events in")
    assert said.endswith("checked against itself\n")
    assert run("verify", "to", "--db", db).stdout.endswith("itself and the ledger\n")
    assert "restored 2 events" in run("restore", "to", "--db", "again.db").stdout
    with modlog.open("again.db", read_only=True) as log:
        assert log.account("a").status == "deleted"
    assert "something in it" in run("restore", "to", "--db", "again.db", code=1).stderr


def test_programs_are_answered_in_json(db):
    written = json.loads(run("write", "to", "--db", db, "--buckets", "2", "--json").stdout)
    assert (written["events"], written["last"]) == (2, 2)
    found = json.loads(run("verify", "to", "--json").stdout)
    assert (found["ok"], found["events"], found["findings"]) == (True, 2, [])
    restored = json.loads(run("restore", "to", "--db", "again.db", "--json").stdout)
    assert restored == {"ledger": written["ledger"], "events": 2}


def test_what_is_found_makes_the_exit_code_one(db, tmp_path):
    run("write", "to", "--db", db)
    next((tmp_path / "to" / "events").rglob("*.parquet")).unlink()

    assert "was taken away, or not copied" in run("verify", "to", code=1).stdout
    assert not json.loads(run("verify", "to", "--json", code=1).stdout)["ok"]
    assert "was taken away" in run("restore", "to", "--db", "again.db", code=3).stderr


def test_errors_name_options(db):
    run("write", "to", "--db", db)
    with modlog.open("other.db") as log:
        log.create("b", actor=WAN)
    run("write", "to", "--db", "other.db")

    assert "say which one with --ledger:" in run("verify", "to", code=2).stderr
    assert "leave --buckets out" in run("write", "to", "--db", db, "--buckets", "3", code=2).stderr
    assert "modlog archive write makes one" in run("verify", "nowhere", code=3).stderr


def test_leftovers_are_told(db, tmp_path):
    run("write", "to", "--db", db)
    file = next((tmp_path / "to" / "events").rglob("*.parquet"))
    file.with_name("x.parquet").write_bytes(b"")
    assert "1 more files belong to nothing" in run("verify", "to").stdout


def test_it_follows_until_it_is_interrupted(db):
    command = [sys.executable, "-m", "modlog", "archive", "write", "to", "--db", db, "--json"]
    with subprocess.Popen(
        [*command, "--follow", "--every", "1s"], stdout=subprocess.PIPE, env={**os.environ}
    ) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["last"] == 2
        with modlog.open(db) as log:
            log.note("a", "more", actor=WAN)
        while json.loads(process.stdout.readline())["last"] < 3:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    assert modlog.open_archive("to").head == 3
