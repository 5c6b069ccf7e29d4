"""Statements for the DSA as a file: bodies of requests, each of a hundred statements."""

import io
import json
from itertools import chain

import pytest

import modlog
from modlog import Actor, Selection
from modlog._cli.dsa import told, write
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
