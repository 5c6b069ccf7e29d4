"""From what another system has written down to an answer, on the command line."""

import csv
import gzip
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import modlog
from modlog import Status
from modlog._cli.main import commands

SAMPLES = Path(__file__).parent / "importers"


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("MODLOG_URL", str(tmp_path / "elsewhere.db"))
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments):
        return CliRunner().invoke(commands, [str(one) for one in arguments])

    return run


@pytest.fixture
def ledger(run, tmp_path):
    """The ledger, once there is one."""
    return lambda: modlog.open(tmp_path / "elsewhere.db", read_only=True)


@pytest.fixture
def file(tmp_path):
    def file(content, name="a file"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return file


WHOLE = [
    # system, file, records, of them notes, rejected
    ("mediawiki", "pages-logging.xml", (5, 0, 1)),
    ("mediawiki", "logevents.json", (3, 0, 0)),
    ("mastodon", "admin_action_logs.csv", (10, 0, 0)),
    ("mastodon", "account_warnings.jsonl", (3, 1, 0)),
    ("ozone", "queryEvents.json", (10, 0, 0)),
]


@pytest.mark.parametrize(("of", "name", "counts"), WHOLE)
def test_a_file_is_imported_once_however_often(run, ledger, of, name, counts):
    recorded, noted, rejected = counts
    result = run("import", SAMPLES / name, "--from", of, "--json")
    told = json.loads(result.stdout)
    assert (told["recorded"], told["noted"], told["rejected"]) == (recorded, noted, rejected)
    assert result.exit_code == (1 if rejected else 0)
    told = json.loads(run("import", SAMPLES / name, "--from", of, "--json").stdout)
    assert (told["recorded"], told["skipped"]) == (0, recorded)
    with ledger() as log:
        assert log.verify().ok


def test_both_forms_of_a_wiki_are_the_same(run, file):
    """A dump, gzipped and by whatever name, and what the API answers."""
    packed = gzip.compress((SAMPLES / "pages-logging.xml").read_bytes())
    assert run("import", file(packed), "--from", "mediawiki").exit_code == 1
    result = run("import", SAMPLES / "logevents.json", "--from", "mediawiki", "--json")
    told = json.loads(result.stdout)
    assert (told["recorded"], told["skipped"], told["rejected"]) == (0, 3, 0)


def test_what_is_hidden_is_told_with_its_line(run, tmp_path):
    rejected = tmp_path / "rejected.jsonl"
    arguments = ("import", SAMPLES / "pages-logging.xml", "--from", "mediawiki")
    result = run(*arguments, "--rejected", rejected)
    assert result.exit_code == 1
    (one,) = map(json.loads, rejected.read_text().splitlines())
    assert (one["line"], one["reason"]) == (75, "whom item 1006 is about is hidden")
    assert "1006" in one["record"]


def test_both_tables_of_a_mastodon_in_one_file(run, ledger, file):
    with (SAMPLES / "admin_action_logs.csv").open() as table:
        rows = [json.dumps(row) for row in csv.DictReader(table)]
    text = (SAMPLES / "account_warnings.jsonl").read_text() + "\n".join(rows)
    assert run("import", file(text), "--from", "mastodon").exit_code == 0
    with ledger() as log:
        assert log.account("110018").status is Status.ACTIVE
        suspended, told, restored = log.history("110018")[1:]
        assert (suspended.type, told.type) == ("account.suspended", "account.noted")
        assert restored.data["lifts"] == [suspended.version]


def test_what_happened_is_answered_in_a_few_commands(run):
    assert run("import", SAMPLES / "queryEvents.json", "--from", "ozone").exit_code == 0
    told = json.loads(run("impact", "--batch", "clean-up-0309", "--json").stdout)
    assert told["accounts"] == 2
    log = run("log", "--actor", "human:did:plc:wan", "--events").stdout
    assert "clean-up of illegal accounts" in log
    assert run("show", "did:plc:founder").exit_code == 0


@pytest.mark.parametrize(
    ("of", "content", "told"),
    [
        ("mediawiki", "<mediawiki><logitem>", "no sound XML from line 1 on"),
        ("mediawiki", "<!DOCTYPE x>", "it has a DOCTYPE"),
        ("mediawiki", '{"error": {"code": "maxlag"}}', "answered with an error"),
        ("mastodon", "id,name\n1,x\n", "number 2: a row of admin_action_logs has target_type"),
        ("ozone", "<html>", "no JSON from line 1 on"),
        ("ozone", '{"error": "AuthMissing"}', "answered with an error"),
    ],
)
def test_a_wrong_file_is_told_and_nothing_is_recorded(run, file, of, content, told):
    result = run("import", file(content), "--from", of, "--json")
    assert result.exit_code == 2
    assert told in result.stderr
    assert "0 records before that are recorded" in result.stderr


@pytest.mark.parametrize(
    ("options", "counts"), [((), (1, 0)), (("--on-refused", "reject"), (0, 1))]
)
def test_what_the_state_refuses_is_kept_unless_it_is_to_be_rejected(run, file, options, counts):
    line = {"logid": 1, "title": "User:A", "action": "unblock", "timestamp": "2026-03-09T11:00:00Z"}
    arguments = ("import", file(json.dumps(line)), "--from", "mediawiki", "--json")
    told = json.loads(run(*arguments, *options).stdout)
    assert (told["noted"], told["rejected"]) == counts


def test_a_block_log_in_lines_is_loaded_file_by_file(run, ledger, tmp_path):
    block = {
        "id": "1",
        "at": "2007-04-19T10:11:25Z",
        "action": "block",
        "account": "u1",
        "actor": "a1",
        "actor_kind": "human",
        "expiry": None,
        "policy": "3rr",
        "admits_mistake": False,
    }
    unblock = block | {"id": "2", "at": "2007-04-19T10:17:48Z", "action": "unblock"}
    files = {"one": [block], "other": [unblock, unblock | {"id": "3"}, block | {"expiry": "41688"}]}
    for name, lines in files.items():
        (tmp_path / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
        arguments = ("import", tmp_path / name, "--from", "mediawiki", "--batch", name)
        assert run(*arguments, "--on-refused", "reject").exit_code == (name == "other")
    with ledger() as log:
        assert log.account("u1").status is Status.ACTIVE
        assert [one.batch_id for one in log.history("u1")] == ["one", "one", "other"]
