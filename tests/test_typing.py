"""What type checkers say of code that uses modlog: nothing where it is right, and each slip.

In `typing_tests` a line with `# error:` names the codes of mypy and the rules of pyright that it is
to raise. One that is missing fails here, and so does one that nobody expects.
"""

import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "typing_tests"
FILES = sorted(path.name for path in FOLDER.glob("*.py"))
EXPECTED = re.compile(r"  # error: (.+)$")
OF_MYPY = re.compile(r"^(.+):(\d+): error: .*\[([a-z-]+)\]$", re.M)

Errors = dict[tuple[str, int], set[str]]


def expected(of_pyright: bool) -> Errors:
    found: Errors = {}
    for name in FILES:
        for number, line in enumerate((FOLDER / name).read_text().splitlines(), 1):
            if match := EXPECTED.search(line):
                codes = set(match[1].split())
                wanted = {one for one in codes if one.startswith("report") is of_pyright}
                assert wanted, f"{name}:{number} does not say what both are to tell"
                found[name, number] = wanted
    return found


def run(*command: str) -> str:
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-m", *command],
        capture_output=True,
        text=True,
        cwd=FOLDER,
        env=environment,
        timeout=300,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout


def of_mypy(cache: Path) -> Errors:
    options = ("--strict", "--config-file=", f"--cache-dir={cache}", "--no-error-summary")
    found: Errors = defaultdict(set)
    for name, line, code in OF_MYPY.findall(run("mypy", *options, *FILES)):
        found[name, int(line)].add(code)
    return found


def of_pyright(_cache: Path) -> Errors:
    """As strictly as it goes: `pyrightconfig.json` says so."""
    options = ("--project", ".", "--pythonpath", sys.executable, "--outputjson")
    answer = json.loads(run("basedpyright", *options))
    assert answer["summary"]["filesAnalyzed"] == len(FILES)
    found: Errors = defaultdict(set)
    for one in answer["generalDiagnostics"]:
        where = Path(one["file"]).name, one["range"]["start"]["line"] + 1
        found[where].add(one.get("rule", one["message"]))
    return found


def test_there_is_something_to_tell():
    mistakes = {name for name, _ in expected(of_pyright=False)}

    assert mistakes == {"mistakes.py"}
    assert {"mistakes.py", "right.py"} <= set(FILES)


@pytest.mark.parametrize("checker", [of_mypy, of_pyright])
def test_what_is_right_passes_and_slips_are_told(checker, tmp_path):
    assert checker(tmp_path) == expected(checker is of_pyright)
