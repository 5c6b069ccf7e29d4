"""The command line at home in a shell: completion, and the pager of a terminal."""

import os
import pty
import subprocess
import sys

import pytest

import modlog
from modlog import Actor

WAN = Actor.human("wan")


@pytest.fixture
def environment(tmp_path):
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    with modlog.open(url) as log:
        for account_id in ("110018", "110019", "2 of them"):
            log.create(account_id, actor=WAN, batch_id="sign-up")
        log.delete("110018", actor=WAN, reason="x", batch_id="spring", policy="spam")
        log.plan_sweep(["110018"], "delete", batch_id="spring-2", actor=WAN, reason="x")
    return {**os.environ, "MODLOG_URL": url, "COLUMNS": "80", "TERM": "xterm"}


def completed(environment, words):
    typed = words.split(" ")
    result = subprocess.run(
        [sys.executable, "-m", "modlog"],
        env={
            **environment,
            "_MODLOG_COMPLETE": "bash_complete",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(typed) - 1),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stderr == ""
    return [line.partition(",")[2] for line in result.stdout.splitlines() if line]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("modlog bla", ["blame"]),
        ("modlog show 1100", ["110018", "110019"]),
        ("modlog delete 2", ["2 of them"]),
        ("modlog log --batch s", ["sign-up", "spring", "spring-2"]),
        ("modlog whatif --without-batch z", []),
        ("modlog sweep show sp", ["spring-2"]),
        ("modlog stats --actor w", ["wan"]),
        ("modlog impact --policy s", ["spam"]),
        ("modlog show 1 --without-batch si", ["sign-up"]),
        ("modlog log --actor-kind h", ["human"]),
        ("modlog log --occurred-s", ["--occurred-since"]),
    ],
)
def test_shells_complete(environment, words, found):
    assert completed(environment, words) == found


def test_a_ledger_that_is_not_there_completes_nothing(environment, tmp_path):
    environment["MODLOG_URL"] = f"sqlite:///{tmp_path / 'nosuch.db'}"
    assert completed(environment, "modlog show 1") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_what_a_shell_reads_names_the_command(environment, shell):
    command = [sys.executable, "-m", "modlog", "completion", shell]
    script = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "_MODLOG_COMPLETE" in script.stdout


def test_a_terminal_gets_its_pager(environment):
    pager = f"{sys.executable} -c \"import sys; print('PAGED', len(sys.stdin.readlines()))\""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "modlog", "log", "--oneline"]
    paged = {**environment, "PAGER": pager}
    subprocess.run(command, env=paged, stdin=theirs, stdout=theirs, check=True, timeout=60)
    os.close(theirs)
    assert os.read(ours, 1_000).split() == [b"PAGED", b"3"]
    os.close(ours)
