"""Reverts and views of Wikipedia's block log; what they must give is worked out from its lines."""

import gzip
import json
import random
from datetime import datetime, timedelta

import pytest
from attrs import define, field

from modlog import AccountNotFoundError, Actor, Selection, Status
from modlog.testing import MovableClock
from tests.blocklog import records

SORRY = {"actor": Actor.human("bureaucrat"), "reason": "the whole batch was a mistake"}
SECOND = timedelta(seconds=1)
MICROSECOND = timedelta(microseconds=1)
# The longest file; in memory there would be nothing else to see.
ON_DISK = pytest.mark.parametrize("fresh_place", ["sqlite", "postgres"], indirect=True)


def read(path):
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt") as file:
        return file.read().splitlines()


def instant(text):
    return None if text is None else datetime.fromisoformat(text)


# What the lines say


@define
class Block:
    """One block, with the actions that lifted it."""

    id: str
    account: str
    actor: str
    policy: str | None
    at: datetime
    until: datetime | None
    lifted_by: list = field(factory=list)

    def lasts(self, at):
        return self.at <= at and (self.until is None or self.until > at)

    def stands(self, at, left_out=()):
        """Whether it holds the account at an instant, if some actors had done nothing."""
        lifted = any(when <= at and who not in left_out for who, when in self.lifted_by)
        return self.lasts(at) and not lifted and self.actor not in left_out


def blocks_of(lines):
    """All blocks; an unblock lifts what holds the account then, a reblock replaces it."""
    blocks: list[Block] = []
    for action in map(json.loads, lines):
        at, until = instant(action["at"]), instant(action["expiry"])
        if action["action"] != "block":
            for block in blocks:
                if block.account == action["account"] and block.stands(at):
                    block.lifted_by.append((action["actor"], at))
        if action["action"] != "unblock" and (until is None or until > at):
            since = at if action["action"] == "block" else at + MICROSECOND
            blocks.append(
                Block(
                    action["id"],
                    action["account"],
                    action["actor"],
                    action["policy"],
                    since,
                    until,
                )
            )
    return blocks


# Two causes


def the_undoing(actions):
    """Who undid 1,116 blocks in 17 hours, and when that began."""
    unblocks = [action for action in actions if action["action"] == "unblock"]
    actors = [action["actor"] for action in unblocks]
    operator = max(set(actors), key=actors.count)
    times = [instant(action["at"]) for action in unblocks if action["actor"] == operator]
    begin = next(t for t in reversed(times) if number(times, t, timedelta(hours=17.5)) >= 1_116)
    assert number(times, begin, timedelta(hours=17.5)) == 1_116
    return operator, begin


def number(times, begin, hours):
    return sum(begin <= time < begin + hours for time in times)


@ON_DISK
def test_accounts_that_somebody_else_blocked_stay_blocked(enwiki, place):
    """The operator had lifted others' blocks to put his own in their place; then he saw better."""
    lines = read(enwiki / "two-causes.jsonl.gz")
    operator, begin = the_undoing([json.loads(line) for line in lines])
    lines = [line for line in lines if instant(json.loads(line)["at"]) < begin]
    blocks = blocks_of(lines)
    blocked = {block.account for block in blocks if block.stands(begin)}
    by_others = {b.account for b in blocks if b.stands(begin) and b.actor != operator}
    without_him = {block.account for block in blocks if block.stands(begin, (operator,))}
    assert len(blocked & without_him) > 200
    assert len(without_him - blocked) > 30
    assert min(len(blocked - by_others), len(blocked - without_him)) > 1_000

    with place.open(clock=MovableClock(begin)) as log:
        log.ingest(records(lines))
        assert accounts(log) == blocked
        his_blocks = Selection(actor=operator, type="account.suspended")
        check_revert(log, operator, his_blocks, by_others)
        assert accounts(log) == blocked
        check_revert(log, operator, Selection(actor=operator), without_him)
        assert accounts(log) == blocked
        assert log.verify().ok


def check_revert(log, operator, selection, held):
    """Revert what the operator did, see that so many are held then, and take that back."""
    plan = log.plan_revert(selection)
    shown = set()
    for line in plan.lines():
        in_force = {v for v, one in line.after.sanctions.items() if one.in_force}
        who = {event.actor.id for event in line.standing if event.version in in_force}
        assert operator not in who
        assert bool(who) == (line.account_id in held)
        shown |= {line.account_id} if line.after.status is Status.SUSPENDED else set()
    outcome = plan.apply(**SORRY)
    assert outcome.changed == ()
    assert accounts(log) == held
    assert shown == held & {line.account_id for line in plan.lines()}
    assert plan.after[Status.SUSPENDED] == len(shown)
    log.revert(Selection(batch_id=outcome.batch_id), **SORRY)


def accounts(view):
    return {account.id for account in view.accounts(status=Status.SUSPENDED)}


@ON_DISK
def test_unblocking_by_hand_let_out_whom_others_had_blocked(enwiki, place):
    """Had he never begun, others' blocks would hold accounts that his unblocks let out."""
    lines = read(enwiki / "two-causes.jsonl.gz")
    operator, begin = the_undoing([json.loads(line) for line in lines])
    end = begin + timedelta(hours=17.5)
    lines = [line for line in lines if instant(json.loads(line)["at"]) < end]
    blocks = blocks_of(lines)
    real = {block.account for block in blocks if block.stands(end)}
    meant = {block.account for block in blocks if block.stands(end, (operator,))}
    assert len(meant - real) > 100
    with place.open(clock=MovableClock(end)) as log:
        log.ingest(records(lines))
        view = log.without(Selection(actor=operator))
        assert accounts(log) == real
        assert accounts(view) == meant
        assert view.count()[Status.SUSPENDED] == len(meant)
        changed = {c.id for c in log.diff(log, view) if "status" in c.facets}
        assert changed == real ^ meant


# A rogue


@pytest.fixture
def rogue_lines(enwiki):
    return read(enwiki / "rogue-admin.jsonl")


def the_rogue(lines):
    actors = [json.loads(line)["actor"] for line in lines]
    return max(set(actors), key=actors.count)


def test_without_the_rogue_nobody_was_blocked_by_him(rogue_lines, place):
    rogue = the_rogue(rogue_lines)
    actions = [json.loads(line) for line in rogue_lines]
    blocks = blocks_of(rogue_lines)
    colleagues = {block.account for block in blocks if block.actor == rogue}
    assert len(colleagues) == 10
    everybody = {action["account"] for action in actions}
    with place.open() as log:
        log.ingest(records(rogue_lines))
        his = Selection(actor=rogue)
        differing = set()
        for at in sorted({instant(action["at"]) for action in actions}):
            real = log.as_of(at, clock="occurred")
            supposed = real.without(his)
            known = {account.id for account in real.accounts()}
            assert accounts(supposed) == {
                b.account for b in blocks if b.stands(at, left_out=(rogue,))
            }
            differ = {
                id_
                for id_ in known
                if sanctions(blocks, id_, at) != sanctions(blocks, id_, at, rogue)
            }
            assert {change.id for change in log.diff(real, supposed)} == differ
            differing |= differ
        assert colleagues <= differing <= colleagues | {rogue}
        view = log.without(his)
        assert all(view.account(id_).sanctions == {} for id_ in colleagues)
        assert {account.id for account in view.accounts()} == everybody


def sanctions(blocks, account, at, *left_out):
    """The blocks of an account that nobody has lifted, run out or not."""
    return {
        block.id
        for block in blocks
        if block.account == account
        and block.at <= at
        and block.actor not in left_out
        and not any(when <= at and who not in left_out for who, when in block.lifted_by)
    }


# The founder


def test_the_founder_at_any_second(enwiki, place):
    lines = read(enwiki / "founder.jsonl")
    blocks = blocks_of(lines)
    (founder,) = {block.account for block in blocks}
    first = min(block.at for block in blocks)
    changes = {instant(json.loads(line)["at"]) for line in lines}
    changes |= {block.until for block in blocks if block.until}
    last = max(changes)
    chance = random.Random(1)
    moments = {change + step * SECOND for change in changes for step in (-1, 0, 1)}
    moments |= {change - MICROSECOND for change in changes}
    moments |= {first + chance.random() * (last - first) for _ in range(200)}
    seen = set()
    with place.open() as log:
        log.ingest(records(lines))
        for moment in sorted(moments):
            view = log.as_of(moment, clock="occurred")
            if moment < first:
                with pytest.raises(AccountNotFoundError):
                    view.account(founder)
                continue
            blocked = any(block.stands(moment) for block in blocks)
            expected = Status.SUSPENDED if blocked else Status.ACTIVE
            assert view.account(founder).status is expected, moment
            assert view.count()[expected] == 1
            seen.add(expected)
    assert seen == {Status.SUSPENDED, Status.ACTIVE}
