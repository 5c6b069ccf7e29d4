"""The help of every command: it has an example, and the example can be typed as it stands."""

import gzip
import json
import re
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import modlog
from modlog import Actor
from modlog._cli.main import commands
from modlog.testing import MovableClock

WAN = Actor.human("wan")
EXAMPLE = re.compile(r"Example: modlog (.+?)(?:\n\n|\Z)", re.DOTALL)


def all_commands(group, path=()):
    for name, command in sorted(group.commands.items()):
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from all_commands(command, (*path, name))


# Without those that are another's second name.
COMMANDS = {
    " ".join(path): command for path, command in all_commands(commands) if path[-1] == command.name
}
# What has to be there before an example makes sense; for all others, a sweep that was executed.
STAGES = {
    "create": "empty",
    "adopt": "empty",
    "reconcile": "created",
    "unprotect": "protected",
    "sweep plan": "created",
    "sweep approve": "planned",
    "sweep reject": "planned",
    "sweep execute": "approved",
    "accept-clock": "ahead",
    "archive verify": "archived",
    **dict.fromkeys(("prove", "verify-proof", "witness"), "sealed"),
    "archive restore": "archived",
}


def begin(path, stage):
    is_ahead = stage == "ahead"
    start = datetime.now(UTC) + timedelta(hours=1) if is_ahead else datetime(2020, 1, 1, tzinfo=UTC)
    with modlog.open(path, clock=MovableClock(start)) as log:
        if stage == "empty":
            return
        log.create("110018", profile={"nickname": "Lei", "avatar": "a.png"}, actor=WAN)
        log.flag("110018", label="spam", actor=WAN)
        if stage == "protected":
            log.protect("110018", actor=WAN)
        elif stage != "created":
            plan = log.plan_sweep(
                ["110018"], "delete", batch_id="clean-up-0309", actor=WAN, reason="spam"
            )
            if stage != "planned":
                plan.approve(actor=Actor.human("qiu"))
            if stage in ("done", "archived"):
                plan.execute(actor=WAN)
        if stage == "sealed":
            seal(log, path.parent)
        if stage == "archived":
            log.archive(path.parent / "archive")


def seal(log, folder):
    """What stands beside a ledger that is sealed."""
    key = modlog.SigningKey.parse((folder / "ledger.key").read_text())
    witness = modlog.SigningKey.generate("witness.example", witness=True)
    (folder / "witness.key").write_text(witness.text)
    (folder / "ledger.key.pub").write_text(key.verifier.text)
    log.seal(key, folder / "checkpoint")
    (folder / "receipt.tlog-proof").write_text(log.prove(1).text)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with what the examples name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MODLOG_URL", "moderation.db")
    (tmp_path / "ids.txt").write_text("110018\n")
    (tmp_path / "ledger.key").write_text(modlog.SigningKey.generate("example.com/ledger").text)
    (tmp_path / "accounts.csv").write_text("account_id,at,status\n110018,,active\n")
    record: dict[str, object] = {
        "do": "note",
        "text": "x",
        "account_id": "1",
        "at": "2019-01-01T00:00:00Z",
    }
    record["actor"] = {"kind": "human", "id": "wan"}
    sample = Path(__file__).parent / "importers" / "logevents.json"
    (tmp_path / "blocks.json").write_bytes(sample.read_bytes())
    with gzip.open(tmp_path / "history.jsonl.gz", "wt") as file:
        file.write(json.dumps(record))
    return tmp_path


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_an_example_that_runs(name, here):
    command = COMMANDS[name]
    found = EXAMPLE.findall(command.help or "")
    assert found, f"modlog {name} --help has no example"
    for example in found:
        (here / "moderation.db").unlink(missing_ok=True)
        begin(here / "moderation.db", STAGES.get(name, "done"))
        words = shlex.split(example)
        assert " ".join(words).startswith(name), example
        if any(parameter.name == "yes" for parameter in command.params):
            words.append("--yes")
        result = CliRunner().invoke(commands, words)
        assert result.exit_code == 0, (example, result.output)


def test_the_list_of_commands_fits_a_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    for words in (["--help"], ["sweep", "--help"]):
        said = CliRunner().invoke(commands, words, terminal_width=80).stdout
        assert [line for line in said.splitlines()[1:] if line.endswith("...")] == []
        assert max(map(len, said.splitlines())) <= 80


def test_the_same_option_is_the_same_everywhere():
    """One name takes one kind of value, wherever it stands."""
    seen: dict[str, dict[str, list[str]]] = {}
    for name, command in COMMANDS.items():
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                value = (
                    parameter.make_metavar(click.Context(command)) if not parameter.is_flag else ""
                )
                seen.setdefault(parameter.opts[0], {}).setdefault(value, []).append(name)
    assert {option: kinds for option, kinds in seen.items() if len(kinds) > 1} == {}
