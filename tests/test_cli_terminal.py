"""What a terminal shows: a real one of 80 columns, with and without colours."""

import os
import pty
import re
import subprocess
import sys

import pytest

import modlog
from modlog import Actor

WAN = Actor.human("wan")
COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-7]|9[0-7])(?:;\d+)*m")


@pytest.fixture
def shown(tmp_path):
    """A function: what a command shows on a terminal."""
    path = tmp_path / "ledger.db"
    with modlog.open(path) as log:
        for account_id in ("110018", "名" * 60):
            log.create(account_id, {"nickname": "Lei"}, actor=WAN)
        log.delete("110018", actor=WAN, reason="clean-up of accounts " * 9, batch_id="spring")

    def shown(*arguments, **environment):
        leader, terminal = pty.openpty()
        inherited = {name: os.environ[name] for name in os.environ.keys() - {"NO_COLOR"}}
        process = subprocess.Popen(
            [sys.executable, "-m", "modlog", *arguments, "--db", str(path)],
            env=inherited
            | {"TERM": "xterm-256color", "COLUMNS": "80", "PAGER": "cat", "PYTHONUTF8": "1"}
            | environment,
            stdin=subprocess.DEVNULL,
            stdout=terminal,
            stderr=terminal,
        )
        os.close(terminal)
        read = b""
        while True:
            try:
                more = os.read(leader, 65_536)
            except OSError:  # what Linux says when the last writer has gone
                break
            if not more:
                break
            read += more
        os.close(leader)
        assert process.wait() == 0, read
        return read.decode()

    return shown


@pytest.mark.parametrize("question", [("show", "110018"), ("stats",), ("verify",)], ids=" ".join)
def test_no_color_switches_colours_off(shown, question):
    assert COLOUR.search(shown(*question, NO_COLOR="1")) is None


def test_a_terminal_has_colours(shown):
    assert COLOUR.search(shown("show", "110018"))


def test_an_entry_of_one_line_takes_one_line_of_a_terminal(shown):
    from rich.cells import cell_len

    lines = shown("log", "--oneline").splitlines()
    assert len(lines) == 3
    assert all(cell_len(line) <= 80 for line in lines)
    assert [line.endswith("…") for line in lines] == [True, True, False]
