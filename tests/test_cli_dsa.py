"""Statements for the DSA as a file: bodies of requests, each of a hundred statements."""

import gzip
import io
import json
from itertools import chain

import pytest
from click.testing import CliRunner

import modlog
from modlog import Actor, Selection
from modlog._cli.dsa import told, write
from modlog._cli.main import commands
from tests.dsa import POLICIES

WAN = Actor.human("wan")


@pytest.fixture
def log(place):
    with place.open() as log, modlog.acting(WAN, reason="illegal trade", policy="illegal"):
        yield log


def written(log, selection=None, policies=POLICIES):
    """The batches, the decisions that lack something, and what is told at the end."""
    lacking: list[modlog.DsaRecord] = []
    file = io.BytesIO()
    outcome = write(log, selection or Selection(), file, policies, lacking.append)
    return [json.loads(line) for line in file.getvalue().splitlines()], lacking, outcome


def test_a_hundred_statements_are_a_request(log):
    with log.transaction():
        for number in range(205):
            log.create(str(number))
            log.delete(str(number))
        log.suspend("7", policy="unheard-of")
    batches, lacking, outcome = written(log)
    assert [list(one) for one in batches] == [["statements"]] * 3
    assert [len(one["statements"]) for one in batches] == [100, 100, 5]
    statements = list(chain.from_iterable(one["statements"] for one in batches))
    everything = list(log.dsa(policies=POLICIES))
    assert statements == [one.statement for one in everything if one.complete]
    assert lacking == [one for one in everything if not one.complete]
    assert (outcome.statements, outcome.batches, outcome.incomplete) == (205, 3, 1)


def test_nothing_to_tell_is_an_empty_file(log):
    log.create("110018")
    batches, lacking, outcome = written(log)
    assert (batches, lacking) == ([], [])
    assert (outcome.statements, outcome.batches, outcome.incomplete) == (0, 0, 0)


def test_only_what_is_selected(log):
    for account_id in ("1", "2"):
        log.create(account_id)
        log.delete(account_id)
    (batch,), _, _ = written(log, Selection(account_id="2"))
    assert [one["puid"] for one in batch["statements"]] == ["example-4"]


def test_the_same_log_gives_the_same_bytes(log):
    log.create("110018")
    log.delete("110018")
    files = [io.BytesIO(), io.BytesIO()]
    for file in files:
        write(log, Selection(), file, POLICIES, lambda _: None)
    assert files[0].getvalue() == files[1].getvalue() != b""


def test_what_a_decision_lacks_is_a_line(log):
    log.create("110018")
    log.delete("110018", policy="x", metadata={"dsa": {"puid": "mine"}})
    _, (one,), _ = written(log)
    assert told(one) == (
        "position 2, account 110018, version 2, policy x: missing decision_ground, "
        "decision_facts, category; metadata.dsa: takes no 'puid'"
    )


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Two decisions that can be told, between them one that lacks something."""
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    with modlog.open(url) as log, modlog.acting(WAN, reason="illegal trade", policy="illegal"):
        log.create("110018")
        log.delete("110018")
        log.suspend("110018", policy="\x1b[2J\u202e")
        log.delete("110018", metadata={"dsa": {"decision_facts": "\u202eFireworks."}})
    monkeypatch.setenv("MODLOG_URL", url)
    (tmp_path / "policies.json").write_text(json.dumps(POLICIES))
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        given = ("export", "--format", "dsa", "--policies", "policies.json", *arguments)
        return CliRunner().invoke(commands, given)

    return run


def puids(text):
    return [one["puid"] for line in text.splitlines() for one in json.loads(line)["statements"]]


def names_in(folder):
    return {path.name for path in folder.iterdir() if not path.name.startswith("ledger.db")}


def test_a_file_is_written_and_what_lacks_something_is_told(run, tmp_path):
    result = run("-o", "dsa.jsonl")
    assert result.exit_code == 1
    assert result.stdout == "exported 2 statements in 1 requests to dsa.jsonl; 1 lack something\n"
    (line,) = result.stderr.splitlines()
    assert line.startswith("modlog: position 3, account 110018, version 3, policy ")
    assert "missing decision_ground, decision_facts, category" in line
    assert not {"\x1b", "\u202e"} & set(line)
    assert puids((tmp_path / "dsa.jsonl").read_text("utf-8")) == ["example-2", "example-4"]


def test_nothing_lacks_anything(run, tmp_path):
    result = run("-o", "dsa.jsonl.gz", "--type", "account.deleted", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    assert json.loads(result.stdout) == {"statements": 2, "batches": 1, "incomplete": 0}
    text = gzip.decompress((tmp_path / "dsa.jsonl.gz").read_bytes()).decode()
    assert puids(text) == ["example-2", "example-4"]


def test_standard_output_has_nothing_but_the_statements(run, tmp_path):
    result = run("-o", "-", "--limit", "1")
    assert result.exit_code == 0
    assert puids(result.stdout) == ["example-2"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "policies.json"], "there already"),
        (["-o", "dsa.jsonl", "--format", "jsonl"], "go together"),
        (["-o", "dsa.jsonl", "--policies", "nowhere.toml"], "No such file"),
        (["-o", "dsa.jsonl", "--policies", "wrong.toml"], "policies.'spam'.category"),
        (["-o", "dsa.jsonl", "--policies", "broken.toml"], "broken.toml cannot be read"),
        (["-o", "/dev/full", "--type", "account.deleted"], "No space left"),
    ],
)
def test_what_cannot_be_is_told_and_nothing_is_written(run, tmp_path, arguments, message):
    (tmp_path / "wrong.toml").write_text('[policies.spam]\ncategory = "spam"\n')
    (tmp_path / "broken.toml").write_text("[policies")
    before = names_in(tmp_path)
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert names_in(tmp_path) == before


def test_the_format_needs_policies(run):
    result = CliRunner().invoke(commands, ["export", "-o", "x.jsonl", "--format", "dsa"])
    assert result.exit_code == 2
    assert "--policies" in result.stderr
