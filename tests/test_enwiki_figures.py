"""Figures of Wikipedia's block log, worked out once more from its raw lines."""

import gzip
import json
import statistics
from collections import Counter
from contextlib import nullcontext
from datetime import datetime, timedelta
from fractions import Fraction

import pytest
from attrs import define
from click.testing import CliRunner

from modlog import Actor, Selection
from modlog._cli.main import commands
from modlog.testing import MovableClock
from tests.blocklog import load, records

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


def test_who_is_overturned_most(ask, blocks):
    """Of those with fifty blocks or more, exactly: no rate is a rounded one."""
    groups: dict = {}
    for block in blocks:
        groups.setdefault(f"{block.kind}:{block.actor}", []).append(block.is_overturned)
    rates = {who: Fraction(sum(own), len(own)) for who, own in groups.items() if len(own) >= 50}
    right = sorted(rates, key=lambda who: (-rates[who], who))[:10]

    many = [one for one in ask("stats", "--by", "actor") if one["sanctions"] >= 50]
    found = sorted(many, key=lambda one: (-one["overturn_rate"], one["by"]))[:10]

    assert [one["by"] for one in found] == right
    assert [one["overturn_rate"] for one in found] == [float(rates[who]) for who in right]
    assert len(right) == 10
    assert rates[right[0]] > Fraction(1, 20)


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


# The questions of a post-mortem, asked on the command line


@pytest.fixture
def ask(log, monkeypatch):
    """The command line's answer in JSON, a value a line, on this very ledger and its clock."""
    return asking(log, monkeypatch)


def asking(log, monkeypatch):
    for room in ("selecting", "log", "questions", "forensics"):
        monkeypatch.setattr(f"modlog._cli.{room}.reading", lambda *_: nullcontext(log))

    def ask(*words):
        said = CliRunner().invoke(commands, [*words, "--json", "--db", "sqlite://"])
        assert (said.exit_code, said.stderr) == (0, "")
        return [json.loads(line) for line in said.stdout.splitlines()]

    return ask


BATCH = "enwiki/2007-04.jsonl.gz"
MIDDLE = datetime.fromisoformat("2007-04-16T12:00:00Z")
AT_MIDDLE = ("--as-of", "2007-04-16 12:00", "--clock", "occurred")


def holds(block, at):
    """Whether a block was in force at an instant."""
    is_free = block.lifted is not None and block.lifted[2] <= at
    return block.at <= at and not is_free and (block.until is None or block.until > at)


@pytest.fixture(scope="module")
def busiest(blocks):
    """Who imposed the most blocks."""
    ((kind, actor), _), *_ = Counter((b.kind, b.actor) for b in blocks).most_common(1)
    return kind, actor


def test_what_was_sanctioned_by_a_batch_and_by_whom(ask, blocks):
    (entry,) = ask("log", "--batch", BATCH, "--type", "account.suspended")
    assert entry["types"] == {"account.suspended": len(blocks)}
    assert entry["actors"] == Counter(f"{block.kind} {block.actor}" for block in blocks)


def test_what_somebody_did_on_a_day_and_under_which_policy(ask, blocks, busiest):
    kind, actor = busiest
    day = ("--occurred-since", "2007-04-10", "--occurred-until", "2007-04-11")
    found = ask(
        *("log", "--events", "--reverse", "--type", "account.suspended"),
        *("--actor", f"{kind}:{actor}", *day),
    )
    own = [b for b in blocks if (b.kind, b.actor) == busiest and f"{b.at:%Y-%m-%d}" == "2007-04-10"]
    assert own
    assert sorted(
        (one["account_id"], datetime.fromisoformat(one["occurred_at"]), one["policy"] or "")
        for one in found
    ) == sorted((block.account, block.at, block.policy or "") for block in own)


def test_what_a_policy_was_applied_to(ask, blocks):
    (policy, number), *_ = Counter(b.policy for b in blocks if b.policy).most_common(1)
    found = ask("log", "--events", "--type", "account.suspended", "--policy", policy)
    assert len(found) == number > 100
    assert {one["account_id"] for one in found} == {b.account for b in blocks if b.policy == policy}


def test_what_still_stands(ask, blocks):
    held = {block.account for block in blocks if holds(block, END)}
    assert {one["id"] for one in ask("accounts", "--status", "suspended")} == held
    (impact,) = ask("impact", "--batch", BATCH, "--type", "account.suspended")
    assert impact["standing"] == {"suspension": sum(block.lifted is None for block in blocks)}
    assert impact["began"] == {"suspension": len(blocks)}
    assert impact["remarks"]["still-sanctioned"] == len(held)


def test_who_repaired_and_after_how_long(ask, blocks):
    repairers: dict = {}
    for block in blocks:
        if block.lifted:
            who = f"{block.lifted[1]}:{block.lifted[0]}"
            repairers.setdefault(who, []).append(block.took / timedelta(seconds=1))
    (impact,) = ask("impact", "--batch", BATCH, "--type", "account.suspended")
    assert {one["by"]: (one["number"], one["median_seconds"]) for one in impact["repairs"]} == {
        who: (len(times), pytest.approx(statistics.median(times)))
        for who, times in repairers.items()
    }


@pytest.mark.parametrize("by", ["actor", "actor_kind"])
def test_figures_on_the_command_line(ask, blocks, by):
    right = grouped(blocks, WAYS[by])
    found = {
        one["by"]: {name: one[name] for name in right[one["by"]]}
        for one in ask("stats", "--by", by)
    }
    assert found == right


def test_who_was_free_again_within_ten_minutes(ask, blocks):
    """Each lifting is an event that names what it lifts."""
    right = {block.account for block in blocks if block.lifted and block.took <= MINUTES}
    at, found = {}, set()
    for event in ask("log", "--events", "--reverse", "--batch", BATCH):
        account_id, when = event["account_id"], datetime.fromisoformat(event["occurred_at"])
        at[account_id, event["version"]] = when
        if any(when - at[account_id, one] <= MINUTES for one in event["data"].get("lifts", ())):
            found.add(account_id)
    assert found == right
    assert len(right) > 100


def test_how_it_was_at_an_instant_of_the_past(ask, blocks):
    held = {block.account for block in blocks if holds(block, MIDDLE)}
    assert {one["id"] for one in ask("accounts", "--status", "suspended", *AT_MIDDLE)} == held
    (counted,) = ask("count", *AT_MIDDLE)
    seen = {block.account for block in blocks if block.at <= MIDDLE}
    assert counted["suspended"] == len(held)
    assert counted["suspended"] + counted["active"] == len(seen)
    for account_id in sorted(seen)[::400]:
        (shown,) = ask("show", account_id, *AT_MIDDLE)
        assert shown["status"] == ("suspended" if account_id in held else "active")
        assert len(shown["gone"]) == sum(
            block.lifted is not None and block.lifted[2] <= MIDDLE
            for block in blocks
            if block.account == account_id
        )


def test_after_which_event_it_was_first_suspended(ask, blocks):
    first: dict = {}
    for block in blocks:
        first.setdefault(block.account, block)
    for account_id in sorted(first)[::400]:
        (event,) = ask("bisect", account_id, "--status", "suspended", "--clock", "occurred")
        assert datetime.fromisoformat(event["occurred_at"]) == first[account_id].at
        assert event["actor"]["id"] == first[account_id].actor


def test_what_would_be_without_what_somebody_did(ask, blocks, busiest):
    kind, actor = busiest
    right = {}
    by_account: dict = {}
    for block in blocks:
        by_account.setdefault(block.account, []).append(block)
    for account_id, own in by_account.items():
        before = [block for block in own if block.lifted is None]
        after = [
            block
            for block in own
            if (block.kind, block.actor) != busiest
            and (block.lifted is None or block.lifted[1::-1] == busiest)
        ]
        if before != after:
            right[account_id] = tuple(status(some) for some in (before, after))
    found = ask("whatif", "--without-actor", f"{kind}:{actor}")
    assert {
        one["account_id"]: (one["before"]["status"], one["after"]["status"]) for one in found
    } == right
    assert len(right) > 100


def status(standing):
    return "suspended" if any(b.until is None or b.until > END for b in standing) else "active"


def test_who_was_hit_by_several_batches(place, lines, monkeypatch):
    parts = {"first": lines[:2_000], "second": lines[2_000:4_000]}
    with place.open(clock=MovableClock(END)) as log:
        for name, part in parts.items():
            log.ingest(records(map(json.dumps, part)), batch_id=name)
        ask = asking(log, monkeypatch)
        hit = [
            {
                one["account_id"]
                for one in ask("log", "--events", "--batch", name, "--type", "account.suspended")
            }
            for name in parts
        ]
        (impact,) = ask("impact", "--batch", "second", "--type", "account.suspended")
    blocked = [
        {line["account"] for line in part if line["action"] in ("block", "reblock")}
        for part in parts.values()
    ]
    assert hit[0] & hit[1]
    assert impact["several_batches"] == len(blocked[0] & blocked[1])
