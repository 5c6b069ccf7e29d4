"""The examples run as the scripts that they are, and say what the documentation promises."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def script(name, *arguments):
    return subprocess.run(
        [sys.executable, str(ROOT / "examples" / name), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "80"},
    )


@pytest.fixture(scope="module")
def incident():
    return script("incident.py")


def test_the_incident_is_told_to_its_good_end(incident):
    result = incident
    assert (result.returncode, result.stderr) == (0, "")
    told = " ".join(result.stdout.split())
    events = [
        "300 accounts are active",
        "40 accounts are flagged; 110042 is deleted by qiu, for fraud",
        "it needs a second person",
        "40 accounts are deleted",
        "110018 is deleted, by version 3 of its history",
        "who wan",
        "why clean-up of illegal accounts (policy illegal-content)",
        "batch clean-up-0309",
        "110018 from deleted to active",
        "110018 is active: avatar founder.png, nickname Lei Jun.",
        "Of the 39 other accounts, 39 are still deleted",
        "it is still deleted: qiu's stands",
        "of 40 accounts, 1 will be left out: protected-account",
        "events.reverted mei",
        "0 findings",
    ]
    places = [told.find(event) for event in events]
    assert -1 not in places, events[places.index(-1)]
    assert places == sorted(places)
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert "\x1b" not in result.stdout


def test_the_lines_at_its_end_work_when_copied(incident, tmp_path):
    lines = incident.stdout.rpartition("make a ledger")[2]
    copied = subprocess.run(
        [sys.executable, "-c", lines], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert (copied.returncode, copied.stdout) == (0, "active\n"), copied.stderr


def test_the_incident_is_the_same_every_time(incident):
    assert incident.stdout == script("incident.py").stdout
