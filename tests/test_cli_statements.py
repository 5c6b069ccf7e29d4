"""Statements for owners of accounts, from the command line."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

import modlog
from modlog import Actor
from modlog._cli.main import commands

T0 = datetime(2026, 3, 9, 11, 44, tzinfo=UTC)
WAN = Actor.human("wan")


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture
def run(url, monkeypatch):
    now = [T0]
    with modlog.open(url, clock=lambda: now[0]) as log:
        log.create("110018", actor=WAN)
        log.delete("110018", actor=WAN, reason="illegal\x1b[2J \u202etra\u200bde", policy="illegal")
        now[0] += timedelta(hours=1)
        log.restore("110018", actor=Actor.human("qiu"), reason="a mistake")
    monkeypatch.setenv("MODLOG_URL", url)

    def run(*arguments):
        return CliRunner().invoke(commands, ["statement", *map(str, arguments)])

    return run


def told(result):
    assert result.exit_code == 0, result.stderr
    return result.stdout


def test_the_owner_reads_sentences(run):
    text = told(run("110018"))
    assert text.startswith("Statement about the account 110018, as of ")
    assert "On 2026-03-09 11:44 UTC the account was deleted." in text
    assert "This was lifted on 2026-03-09 12:44 UTC" in text
    assert "\x1b" not in text
    assert not [one for one in "\u202e\u200b" if one in text]


def test_names_are_told_only_where_they_are_asked_for(run):
    assert not [name for name in ("wan", "qiu") if name in told(run("110018"))]
    assert not [name for name in ("wan", "qiu") if name in told(run("110018", "--json"))]
    assert "Name: wan." in told(run("110018", "--names"))
    assert "Ended by: qiu." in told(run("110018", "--names"))


def test_programs_read_json(run):
    data = json.loads(told(run("110018", "--json")))
    (measure,) = data["measures"]
    assert (data["account_id"], data["status"]) == ("110018", "active")
    assert (measure["kind"], measure["by"], measure["stands"]) == ("deletion", "human", False)
    assert (measure["end"]["kind"], measure["end"]["at"]) == (
        "restored",
        "2026-03-09T12:44:00.000000Z",
    )
    assert data["text"].startswith("Statement about")


def test_a_view_has_its_statement(run):
    (measure,) = json.loads(told(run("110018", "--json", "--as-of", "2")))["measures"]
    assert measure["stands"]
    assert measure["end"] is None


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("words.toml", 'deletion = "Gelöscht am $at."\n"policy:illegal" = "Siehe § 4."\n'),
        (
            "words.json",
            '{"deletion": "Gelöscht am $at.", "policy:illegal": "Siehe § 4."}',
        ),
    ],
)
def test_a_file_has_other_words(run, tmp_path, name, content):
    (tmp_path / name).write_text(content, "utf-8")
    text = told(run("110018", "--words", tmp_path / name))
    assert "Gelöscht am 2026-03-09 11:44 UTC. The decision was made by a human. Siehe § 4." in text


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("words.toml", b'deletion = "', "cannot be read"),
        ("words.toml", b'deleted = "x"', "deleted"),
        ("words.toml", b'deletion = "$moderator"', "moderator"),
        ("words.toml", b"deletion = 2026-03-09", "words"),
        ("words.json", b"[1]", "one object"),
        ("words.json", b"{", "cannot be read"),
        ("words.json", b"\xff", "cannot be read"),
        ("nowhere.toml", None, "No such file"),
    ],
)
def test_words_that_cannot_be_read(run, tmp_path, name, content, says):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    result = run("110018", "--words", tmp_path / name)
    assert result.exit_code == 2
    assert says in result.stderr
    assert result.stdout == ""


def test_an_account_that_is_not_known(run):
    result = run("110019")
    assert result.exit_code == 1
    assert "110019" in result.stderr
