"""Figures of Wikipedia's block log, worked out once more from its raw lines."""

import gzip
import json
import statistics
from datetime import datetime, timedelta
from fractions import Fraction

import pytest
from attrs import define

from examples.wikipedia_block_log import load
from modlog import Actor, Selection
from modlog.testing import MovableClock

END = datetime.fromisoformat("2007-05-01T00:00:00Z")
MINUTES = timedelta(minutes=10)
# By which a reblock's suspension comes after its lifting.
STEP = timedelta(microseconds=1)


@define
class Block:
    """One block as the lines tell it, and who lifted it when."""

    account: str
    actor: str
    kind: str
    policy: str | None
    at: datetime
    until: datetime | None
    lifted: tuple[str, str, datetime] | None = None

    @property
    def took(self):
        assert self.lifted is not None
        return self.lifted[2] - self.at

    @property
    def is_overturned(self):
        return self.lifted is not None and self.lifted[:2] != (self.actor, self.kind)


@pytest.fixture(scope="module")
def lines(enwiki):
    with gzip.open(enwiki / "2007-04.jsonl.gz", "rt") as file:
        return [json.loads(line) for line in file]


@pytest.fixture(scope="module")
def blocks(lines):
    """All blocks; an unblock or reblock lifts those of the account that have not ended by then."""
    of_account: dict = {}
    for line in lines:
        at = datetime.fromisoformat(line["at"])
        until = line["expiry"] and datetime.fromisoformat(line["expiry"])
        own = of_account.setdefault(line["account"], [])
        if line["action"] != "block":
            for block in own:
                is_over = block.until is not None and block.until <= at
                if block.lifted is None and not is_over and block.at <= at:
                    block.lifted = (line["actor"], line["actor_kind"], at)
        if line["action"] != "unblock" and (until is None or until > at):
            since = at + STEP if line["action"] == "reblock" else at
            own.append(
                Block(
                    line["account"],
                    line["actor"],
                    line["actor_kind"],
                    line["policy"],
                    since,
                    until,
                )
            )
    return [block for own in of_account.values() for block in own]


@pytest.fixture(scope="module")
def log(fresh_place, enwiki):
    with fresh_place() as place, place.open(clock=MovableClock(END)) as log:
        load(log, enwiki / "2007-04.jsonl.gz")
        yield log


def figures(blocks):
    """What `stats` is to say of some blocks."""
    times = sorted(block.took / timedelta(seconds=1) for block in blocks if block.lifted)
    others = sum(block.is_overturned for block in blocks)
    return {
        "sanctions": len(blocks),
        "lifted_by_others": others,
        "lifted_by_same": len(times) - others,
        "overturn_rate": others / len(blocks),
        "median_seconds": pytest.approx(statistics.median(times)) if times else None,
        "p95_seconds": times[-(-len(times) * 95 // 100) - 1] if times else None,
        "automated_share": sum(b.kind in ("bot", "model") for b in blocks) / len(blocks),
    }


def grouped(blocks, key):
    groups: dict = {}
    for block in blocks:
        groups.setdefault(key(block), []).append(block)
    return {name: figures(some) for name, some in groups.items()}


WAYS = {
    "actor": lambda block: f"{block.kind}:{block.actor}",
    "actor_kind": lambda block: block.kind,
    "policy": lambda block: block.policy,
    "batch": lambda block: "enwiki/2007-04.jsonl.gz",
    "day": lambda block: f"{block.at:%Y-%m-%d}",
    "hour": lambda block: f"{block.at:%Y-%m-%dT%H}:00Z",
}


@pytest.mark.parametrize("by", WAYS)
def test_figures_are_what_the_lines_tell(log, blocks, by):
    right = grouped(blocks, WAYS[by])
    found = log.stats(by=by)
    assert {one.by: {name: getattr(one, name) for name in right[one.by]} for one in found} == right
    assert [one.sanctions for one in found] == sorted(
        (one.sanctions for one in found), reverse=True
    )


def test_nobody_flags_in_this_log(log):
    assert log.stats(by="label") == []


def test_who_is_overturned_most(log, blocks):
    """Of those with fifty blocks or more, exactly: no rate is a rounded one."""
    groups: dict = {}
    for block in blocks:
        groups.setdefault(f"{block.kind}:{block.actor}", []).append(block.is_overturned)
    rates = {who: Fraction(sum(own), len(own)) for who, own in groups.items() if len(own) >= 50}
    right = sorted(rates, key=lambda who: (-rates[who], who))[:10]

    many = [one for one in log.stats(by="actor") if one.sanctions >= 50]
    found = sorted(many, key=lambda one: (-one.overturn_rate, one.by))[:10]

    assert [one.by for one in found] == right
    assert [one.overturn_rate for one in found] == [float(rates[who]) for who in right]
    assert len(right) == 10
    assert rates[right[0]] > Fraction(1, 20)


def test_accounts_that_were_restored_within_ten_minutes(log, blocks):
    """Each lifting is an event that names what it lifts."""
    right = {b.account for b in blocks if b.lifted and b.took <= MINUTES}
    found = set()
    for account_id in {
        event.account_id for event in log.events(Selection(type="account.restored"))
    }:
        history = log.history(account_id)
        for event in history:
            lifted = [history[version - 1] for version in event.data.get("lifts", ())]
            if any(event.occurred_at - one.occurred_at <= MINUTES for one in lifted):
                found.add(account_id)
    assert found == right
    assert len(right) > 100


def test_what_the_hand_that_is_overturned_most_came_to(log, blocks):
    (first, *_) = sorted(
        (one for one in log.stats(by="actor") if one.sanctions >= 50),
        key=lambda one: (-one.overturn_rate, one.by),
    )
    kind, _, who = first.by.partition(":")
    own = [block for block in blocks if (block.kind, block.actor) == (kind, who)]
    impact = log.impact(Selection(actor=Actor(kind=kind, id=who), type="account.suspended"))

    assert impact.accounts == len({block.account for block in own})
    assert impact.began == {"suspension": len(own)}
    assert impact.standing == {"suspension": sum(block.lifted is None for block in own)}
    repairers: dict = {}
    for block in own:
        if block.lifted:
            repairers.setdefault(f"{block.lifted[1]}:{block.lifted[0]}", []).append(block)
    assert {(one.by, one.type, one.number, one.accounts) for one in impact.repairs} == {
        (by, "account.restored", len(some), len({block.account for block in some}))
        for by, some in repairers.items()
    }
    assert impact.remarks["messages-were-sent"] == len(
        {block.account for block in own if block.lifted}
    )
    held = {b.account for b in own if not b.lifted and (b.until is None or b.until > END)}
    assert impact.remarks["still-sanctioned"] == len(held)
    assert {
        line.account_id
        for line in impact.lines()
        if "still-sanctioned" in {remark.code for remark in line.remarks}
    } == held


def test_when_the_founder_was_blocked_and_when_he_was_free_again(enwiki, place):
    actions = [json.loads(line) for line in (enwiki / "founder.jsonl").read_text().splitlines()]
    with place.open() as log:
        load(log, enwiki / "founder.jsonl")
        account_id = actions[0]["account"]
        blocked = log.bisect(account_id, lambda account: account.sanctions)
        free = log.bisect(
            account_id, lambda one: one.version > blocked.version and not one.sanctions
        )
    first, second = actions[:2]
    assert (first["action"], second["action"]) == ("block", "unblock")
    assert blocked.occurred_at == datetime.fromisoformat(first["at"])
    assert free.occurred_at == datetime.fromisoformat(second["at"])
    assert free.occurred_at - blocked.occurred_at == timedelta(seconds=57)
