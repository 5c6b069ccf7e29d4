"""The command line on streams and paths as shells really give them: never a traceback."""

import json
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

import modlog
from modlog import Actor
from modlog._cli.main import commands


@pytest.fixture
def url(tmp_path):
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    with modlog.open(url) as log:
        log.create("ö中👩", {"k": "中👩"}, actor=Actor.human("wän"))
    return url


def shell(url, line, encoding="utf-8"):
    environment = {**os.environ, "MODLOG_URL": url, "PYTHONIOENCODING": encoding, "COLUMNS": "80"}
    command = os.fsencode(line.replace("modlog", f"'{sys.executable}' -m modlog"))
    found = subprocess.run(
        [b"bash", b"-c", command], capture_output=True, check=False, env=environment
    )
    assert b"Traceback" not in found.stdout + found.stderr, found.stderr.decode(errors="replace")
    return found


def run(url, line):
    """In this process, for what has nothing to do with streams."""
    environment = {"MODLOG_URL": url, "COLUMNS": "80"}
    return CliRunner().invoke(commands, line.split(), env=environment)


@pytest.mark.parametrize(
    ("command", "encoding"),
    [
        ("show", "latin-1"),
        ("history", "cp1252"),
        ("accounts", "latin-1"),
        ("show --json", "cp1252"),
        ("history --json", "latin-1"),
    ],
)
def test_an_old_encoding_gets_escapes(url, command, encoding):
    account = "" if command == "accounts" else "ö中👩"
    found = shell(url, f"modlog {command} {account}", encoding)

    assert found.returncode == 0
    assert b"\\u4e2d" in found.stdout.lower()
    if "--json" in command:
        assert "ö中👩" in json.dumps(json.loads(found.stdout.decode(encoding)), ensure_ascii=False)


ALL = ">&- 2>&- <&-"


@pytest.mark.parametrize(
    ("command", "closed"),
    [
        *(("show ö中👩", stream) for stream in ALL.split()),
        *((command, ALL) for command in ("show ö中👩", "accounts", "count", "verify", "--help")),
    ],
)
def test_closed_streams_change_nothing(url, command, closed):
    assert shell(url, f"modlog {command} {closed}").returncode == 0
    with modlog.open(url) as log:
        assert log.verify().ok  # nothing was written into the file in the stream's place


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (r"show $'\xff'", 2),
        (r"import $'/nosuch/\xff.jsonl'", 2),
        (r"count --db $'sqlite:///nosuch/\xff.db'", 3),
        (r"$'\xff'", 2),
        ("show nobody 2>&-", 1),
        ("accounts > /dev/full", 2),
    ],
)
def test_odd_bytes_and_full_devices_end_in_one_line(url, command, code):
    assert shell(url, f"modlog {command}").returncode == code


def test_a_path_may_have_any_bytes(tmp_path, url):
    (tmp_path / "empty.jsonl").touch()
    path = f"sqlite:///{tmp_path}/$'\\xff'.db"

    assert shell(url, f"modlog import {tmp_path}/empty.jsonl --db {path}").returncode == 0
    assert shell(url, f"modlog count --db {path}").returncode == 0


def test_messages_name_commands(url):
    assert "modlog accounts lists" in run(url, "show nobody").stderr
    assert "modlog sweep list lists" in run(url, "sweep show nobody").stderr


def test_a_revert_by_actor_shows_ten_of_how_many(url):
    with modlog.open(url) as log:
        for number in range(12):
            log.create(f"n{number}", actor=Actor.human("ann"), batch_id="b")
        log.create("other", actor=Actor.bot("ann"), batch_id="b")
    dry = "revert --batch b --dry-run --as human:wan"

    assert "10 of 13 accounts are shown" in run(url, dry).stdout
    assert "10 of 12 accounts are shown" in run(url, f"{dry} --actor human:ann").stdout
    told = json.loads(run(url, f"{dry} --actor ann --json").stdout)
    assert len(told["lines"]) == told["accounts"] == 13
