"""Exports from the command line: what is written, where, and how it ends."""

import json
import os
import pty
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

import modlog
from modlog import Actor, Selection
from modlog._cli import selecting
from modlog._cli.main import commands
from modlog._domain.selection import FILTERS
from modlog.testing import MovableClock

THEN = datetime(1999, 1, 1, tzinfo=UTC)
WAN, BOT = Actor.human("wan"), Actor.bot("wan")
ESCAPE = "\x1b]0;owned\x07\x7f\u202e\U000e0001"


@pytest.fixture
def url(tmp_path):
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    clock = MovableClock()
    with modlog.open(url, clock=clock) as log, modlog.acting(WAN, reason="=why"):
        for id_ in "abc":
            clock.move(3600)
            log.create(id_, {"nickname": ESCAPE}, actor=BOT)
            log.delete(id_, batch_id=f"batch-{id_}", policy=f"policy-{id_}", metadata={"ip": id_})
            log.note(id_, "x", occurred_at=THEN, correlation_id=f"ticket-{id_}")
    return url


@pytest.fixture
def run(url, monkeypatch):
    monkeypatch.setenv("MODLOG_URL", url)
    monkeypatch.setenv("COLUMNS", "80")
    return lambda *arguments: CliRunner().invoke(commands, [str(one) for one in arguments])


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder, and the process is in it."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def positions(text):
    return [json.loads(line)["position"] for line in text.splitlines()]


def test_a_file_is_written(run, url, tmp_path):
    result = run("export", "-o", tmp_path / "log.jsonl")

    assert (result.exit_code, result.stderr) == (0, "")
    said = f"exported 9 events up to position 9 to {tmp_path / 'log.jsonl'}"
    assert result.stdout == f"{said}\n"
    with modlog.open(url) as log:
        assert positions((tmp_path / "log.jsonl").read_text()) == [e.position for e in log.events()]


def test_the_outcome_in_json(run, tmp_path):
    result = run("export", "-o", tmp_path / "log.parquet", "--limit", 2, "--json")

    assert json.loads(result.stdout) == {"events": 2, "last": 2, "head": 9, "format": "parquet"}


@pytest.mark.parametrize(
    ("options", "selection"),
    [
        ("--account a --account c", Selection(account_id=["a", "c"])),
        ("--actor wan", Selection(actor="wan")),
        ("--actor bot:wan", Selection(actor=BOT)),
        ("--batch batch-b", Selection(batch_id="batch-b")),
        ("--type account.deleted", Selection(type="account.deleted")),
        ("--policy policy-a --policy policy-b", Selection(policy=["policy-a", "policy-b"])),
        ("--since 2026-01-01T03:00:00+01:00", Selection(after_position=3)),
        ("--until 2026-01-01T02:00:00Z", Selection(up_to_position=3)),
        ("--occurred-since 1999-01-01 --until 2026-01-01T02:00:00Z", Selection(up_to_position=3)),
        ("--occurred-until 1999-01-02", Selection(type="account.noted")),
        ("--actor-kind bot", Selection(type="account.created")),
        ("--correlation ticket-a --correlation ticket-c", Selection(positions=[3, 9])),
        ("--after-position 2", Selection(after_position=2)),
        ("--up-to-position 2", Selection(up_to_position=2)),
        ("--position 5 --position 1", Selection(positions=[5, 1])),
        ("--after-position 0 --limit 4", Selection(up_to_position=4)),
        ("--account nobody", Selection(account_id="nobody")),
    ],
)
def test_every_filter(run, url, options, selection):
    result = run("export", "-o", "-", "--format", "jsonl", *options.split())

    unknown = "modlog: account 'nobody' is not in this ledger\n" if "nobody" in options else ""
    assert (result.exit_code, result.stderr) == (0, unknown)
    with modlog.open(url) as log:
        expected = [event.position for event in log.events(selection)]
    assert positions(result.stdout) == expected


def test_every_filter_of_a_selection_has_its_option():
    assert set(selecting._OPTIONS) == set(FILTERS)


def test_standard_output_has_nothing_but_the_export(run, tmp_path):
    for format in ("jsonl", "csv", "parquet"):
        run("export", "-o", tmp_path / f"log.{format}")
        result = run("export", "-o", "-", "--format", format, "--json")
        assert result.stdout_bytes == (tmp_path / f"log.{format}").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["-o", "there.csv"], 2, "there already: name another file, or say --force to replace it"),
        (["-o", "log.txt"], 2, "does not tell the format: end it with .jsonl, .ndjson, .csv"),
        (["-o", "log"], 2, "or say --format one of jsonl, csv, parquet"),
        (["-o", "-"], 2, "-o - needs --format, one of jsonl, csv, parquet"),
        (["-o", "no\x1bwhere/log.csv"], 2, r"no\x1bwhere/log.csv: No such file or directory"),
        (["-o", "/dev/full", "--format", "csv"], 2, "/dev/full: No space left on device"),
        (["-o", "log.csv", "--since", "sometime"], 2, "'sometime' is no instant"),
        (["-o", "log.csv", "--type", "deleted"], 2, "'deleted' is no type of event"),
        (["-o", "log.csv", "--position", "-1"], 2, "-1 is not in the range"),
        (["-o", "log.csv", "--actor", "human:"], 2, "--as takes KIND:ID"),
        (["-o", "log.csv", "--db", "nosuch.db"], 3, "there is no file"),
        (["-o", "log.csv", "--limit", "0"], 2, "0 is not in the range"),
        ([], 2, "Missing option '-o'"),
    ],
)
def test_what_cannot_be_is_told(run, here, arguments, code, message):
    (here / "there.csv").write_text("mine")

    result = run("export", *arguments)

    assert (result.exit_code, result.stdout) == (code, "")
    assert message in result.stderr
    assert [path.name for path in here.iterdir()] == ["there.csv"]
    assert (here / "there.csv").read_text() == "mine"


def test_a_file_that_is_there_is_replaced_if_it_is_meant(run, tmp_path):
    (tmp_path / "log.csv").write_text("mine")

    assert run("export", "-o", tmp_path / "log.csv", "--force").exit_code == 0
    assert (tmp_path / "log.csv").read_text().startswith("position,")


def shell(url, line):
    environment = {**os.environ, "MODLOG_URL": url}
    command = line.replace("modlog", f"'{sys.executable}' -m modlog")
    return subprocess.run(
        ["bash", "-c", command], capture_output=True, check=False, env=environment
    )


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ("modlog export -o - --format jsonl >/dev/full", 2, b"No space left on device"),
        ("modlog export -o - --format csv | true; exit ${PIPESTATUS[0]}", 141, b""),
        ("modlog export -o >(cat >/dev/null) --format parquet", 0, b""),
        ("cd /tmp; modlog export -o $'\\xff/x.csv'", 2, b"No such file"),
    ],
)
def test_streams_as_shells_give_them(url, line, code, message):
    found = shell(url, line)

    assert (found.returncode, found.stderr.count(b"\n")) == (code, 1 if message else 0)
    assert message in found.stderr


def on_terminal(url, *arguments):
    """What a terminal gets to see of standard output."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "modlog", "export", "-o", "-", *arguments]
    environment = {**os.environ, "MODLOG_URL": url}
    with subprocess.Popen(command, stdout=theirs, stderr=subprocess.PIPE, env=environment) as found:
        os.close(theirs)
        shown = b""
        try:
            while more := os.read(ours, 65_536):
                shown += more
        except OSError:  # how a terminal ends on Linux
            pass
        assert found.stderr
        return found.wait(), shown.decode(), found.stderr.read().decode()


def test_on_a_terminal_foreign_text_is_shown_as_escapes(url):
    code, shown, _ = on_terminal(url, "--format", "jsonl")
    lines = shown.splitlines()

    assert code == 0
    assert json.loads(lines[0])["data"] == {"profile": {"nickname": ESCAPE}}
    for format in ("jsonl", "csv"):
        _, shown, _ = on_terminal(url, "--format", format)
        assert not set("\x1b\x07\x7f\u202e\U000e0001") & set(shown)


def test_a_bar_on_a_terminal_shows_how_far_it_is(url, tmp_path):
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "modlog", "export", "-o", tmp_path / "log.csv", "--db", url]
    found = subprocess.run(command, stdout=subprocess.PIPE, stderr=theirs, check=True)
    os.close(theirs)
    bar = os.read(ours, 100_000)
    os.close(ours)

    assert found.stdout.startswith(b"exported 9 events")
    assert b"9 of 9 positions" in bar


def test_parquet_is_nothing_for_a_terminal(url):
    code, shown, told = on_terminal(url, "--format", "parquet")

    assert (code, shown) == (2, "")
    assert "Parquet is nothing to look at" in told


def test_an_export_can_be_imported(run, tmp_path, url):
    path = tmp_path / "log.jsonl.gz"
    run("export", "-o", path)

    result = run("import", path, "--db", tmp_path / "other.db", "--json")

    assert json.loads(result.stdout)["recorded"] == 9
    assert json.loads(run("import", path, "--json").stdout)["skipped"] == 9  # into itself
    rows = [
        run("export", "-o", "-", "--format", "jsonl", "--db", db).stdout
        for db in (url, tmp_path / "other.db")
    ]
    texts = [
        [json.loads(line) | {"recorded_at": None} for line in one.splitlines()] for one in rows
    ]
    assert texts[0] == texts[1]


@pytest.mark.parametrize("name", ["log.csv", "log.parquet"])
def test_an_export_in_another_format_is_told_apart(run, tmp_path, name):
    run("export", "-o", tmp_path / name)

    result = run("import", tmp_path / name, "--db", tmp_path / "other.db")

    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)
    assert "an import takes JSON Lines: export to .jsonl" in result.stderr


def test_a_part_that_is_imported_is_told_line_by_line(run, tmp_path):
    run("export", "-o", tmp_path / "part.jsonl", "--type", "account.deleted")

    result = run("import", tmp_path / "part.jsonl", "--db", tmp_path / "other.db")

    assert result.exit_code == 1
    assert "line 1 rejected: account 'a' is at version 0 in this ledger" in result.stderr
