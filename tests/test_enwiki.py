"""Wikipedia's block log, loaded by its importer, beside a model that knows only dictionaries."""

import gzip
import json
import random
from datetime import UTC, datetime, timedelta

import pytest

from modlog import Selection, Status
from tests.blocklog import load, records

AFTERWARDS = datetime(2026, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
END_OF_APRIL = datetime(2007, 5, 1, tzinfo=UTC)

SHORT = ["compromised-admins.jsonl", "founder.jsonl", "rogue-admin.jsonl"]
LONG = ["2007-04.jsonl.gz", "two-causes.jsonl.gz"]
# Of a long file, each run sees the beginning, and `make soak` all of it.
BEGINNING = 1_000  # lines
PARTS = [
    *(pytest.param((name, BEGINNING), id=f"{name}, its beginning") for name in LONG),
    *(pytest.param((name, None), id=name, marks=pytest.mark.soak) for name in LONG),
]


class Clock:
    def __init__(self, now=AFTERWARDS):
        self.now = now

    def __call__(self):
        return self.now


def read(path):
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt") as file:
        return file.read().splitlines()


# The model


def instant(text):
    return None if text is None else datetime.fromisoformat(text)


class BlockLog:
    """For each account that was ever seen, the blocks that stand, as (from, until)."""

    def __init__(self):
        self.blocks = {}
        self.rejected = 0

    def read(self, line):
        action = json.loads(line)
        account, at, until = action["account"], instant(action["at"]), instant(action["expiry"])
        match action["action"]:
            case "block":
                self.block(account, at, until)
            case "unblock":
                self.lift(account, at)
            case "reblock":
                self.lift(account, at)
                self.block(account, at + MICROSECOND, until)

    def lift(self, account, at):
        standing = self.blocks.get(account, [])
        left = [(since, until) for since, until in standing if not lasts(since, until, at)]
        if left == standing:
            self.rejected += 1
        else:
            self.blocks[account] = left

    def block(self, account, at, until):
        if until is not None and until <= at:
            self.rejected += 1
        else:
            self.blocks.setdefault(account, []).append((at, until))

    def blocked(self, account, at):
        return any(until is None or until > at for _, until in self.blocks[account])


def lasts(since, until, at):
    return since <= at and (until is None or until > at)


# Data like it, for where the real data is not


def made_up(number=600):
    """Lines of a block log with everything that a real one has, and what only others have."""
    chance = random.Random(1)
    at = datetime(2007, 4, 1, tzinfo=UTC)
    for line in range(number):
        at += timedelta(minutes=chance.randrange(1, 60))
        action = chance.choice(["block", "block", "unblock", "reblock"])
        ends = at + timedelta(hours=chance.choice([-1, 0, 1, 5, 1000]))
        yield json.dumps(
            {
                "id": str(line),
                "at": f"{at:%Y-%m-%dT%H:%M:%SZ}",
                "action": action,
                "account": f"u{chance.randrange(40)}",
                "actor": f"a{chance.randrange(5)}",
                "actor_kind": "human",
                "expiry": chance.choice([None, f"{ends:%Y-%m-%dT%H:%M:%SZ}"]),
                "policy": chance.choice([None, "3rr"]),
                "admits_mistake": action == "unblock" and chance.random() < 0.1,
            }
        )


@pytest.fixture(
    params=["made-up", *(pytest.param((name, None), id=name) for name in SHORT), *PARTS]
)
def path(request, tmp_path):
    if request.param == "made-up":
        lines = list(made_up())
    else:
        name, length = request.param
        lines = read(request.getfixturevalue("enwiki") / name)[:length]
    path = tmp_path / "lines.jsonl.gz"
    path.write_bytes(gzip.compress("".join(line + "\n" for line in lines).encode()))
    return path


def test_every_account_is_as_the_model_says(place, path):
    lines = read(path)
    model = BlockLog()
    for line in lines:
        model.read(line)
    with place.open(clock=Clock(END_OF_APRIL)) as log:
        outcome = load(log, path)
        assert len(outcome.rejected) == model.rejected
        assert outcome.total == sum(1 for _ in records(lines))
        assert outcome.created == len(model.blocks)
        states = {account.id: account for account in log.accounts()}
        assert {
            id_: [(one.since, one.until) for one in account.sanctions.values()]
            for id_, account in states.items()
        } == model.blocks
        assert {id_ for id_, account in states.items() if account.status is Status.SUSPENDED} == {
            id_ for id_ in model.blocks if model.blocked(id_, END_OF_APRIL)
        }
        assert log.verify().ok

        head = log.head
        again = load(log, path)
        assert (again.recorded, again.created, again.skipped) == (0, 0, outcome.recorded)
        assert log.head == head


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("on_refused", ["reject", "note"])
def test_a_second_import_changes_nothing(enwiki, place, part, on_refused):
    """With both parts of a reblock at one instant, as its line has it."""
    name, length = part
    lines = list(at_one_instant(records(read(enwiki / name)[:length])))
    with place.open(clock=Clock(END_OF_APRIL)) as log:
        first = log.ingest(lines, batch_id=name, on_refused=on_refused)
        accounts, head = list(log.accounts()), log.head
        again = log.ingest(lines, chunk=999, on_refused=on_refused)

        assert (again.recorded, again.created, again.skipped) == (0, 0, first.recorded)
        assert [(one.line, one.reason) for one in again.rejected] == [
            (one.line, one.reason) for one in first.rejected
        ]
        assert all(one.known for one in again.rejected)
        assert (list(log.accounts()), log.head) == (accounts, head)
        assert log.verify().ok


def at_one_instant(records):
    lifted = {"key": None}
    for record in records:
        if record["do"] == "restore":
            lifted = record
        elif record["key"] + "/lift" == lifted["key"]:
            record["at"] = lifted["at"]
        yield record


def test_with_notes_every_line_leaves_an_event(path, place):
    lines = list(records(read(path)))
    with place.open(clock=Clock()) as log:
        outcome = log.ingest(lines, on_refused="note")
        # Only made-up lines have blocks that end before they begin.
        assert all("until must be later" in one.reason for one in outcome.rejected)
        assert outcome.recorded == len(lines) - len(outcome.rejected)
        noted = [event for event in log.events() if event.type == "account.noted"]
        assert len(noted) == outcome.noted
        keys = {json.loads(event.data["text"])["key"] for event in noted}
        restores = {line["key"] for line in lines if line["do"] == "restore"}
        assert keys <= restores
        assert log.ingest(lines).skipped == outcome.recorded
        assert log.verify().ok


def test_an_event_says_what_its_line_says(place):
    lines = list(made_up())
    with place.open(clock=Clock()) as log:
        outcome = log.ingest(records(lines))
        rejected = {rejection.record["key"] for rejection in outcome.rejected}
        taken = [record for record in records(lines) if record["key"] not in rejected]
        events = [event for event in log.events() if event.type != "account.created"]
        assert [
            (e.account_id, e.occurred_at, e.actor.kind, e.actor.id, e.policy) for e in events
        ] == [
            (r["account_id"], instant(r["at"]), "human", r["actor"]["id"], r.get("policy"))
            for r in taken
        ]
        assert {e.reason for e in events} == {
            f"imported with {outcome.batch_id}",
            "admitted as a mistake",
        }


def test_a_reblock_replaces_the_block(place):
    common = {"account": "u", "actor": "a", "actor_kind": "human", "policy": None}
    block = {
        "id": "1",
        "at": "2007-04-01T00:00:00Z",
        "action": "block",
        "expiry": None,
        "admits_mistake": False,
    } | common
    reblock = block | {
        "id": "2",
        "at": "2007-04-02T00:00:00Z",
        "action": "reblock",
        "expiry": "2007-04-09T00:00:00Z",
    }
    with place.open() as log:
        outcome = log.ingest(records([json.dumps(block), json.dumps(reblock)]))
        assert (outcome.recorded, outcome.rejected) == (3, [])
        (sanction,) = log.account("u").sanctions.values()
        assert sanction.since == instant(reblock["at"]) + MICROSECOND
        assert sanction.until == instant(reblock["expiry"])


def test_a_reblock_of_an_unknown_block_stays_when_loaded_again(place, tmp_path):
    path = tmp_path / "reblocks.jsonl"
    path.write_text(next(line for line in made_up() if '"reblock"' in line and "null" in line))
    with place.open() as log:
        assert (load(log, path).recorded, load(log, path).recorded) == (1, 0)
        assert log.count()[Status.SUSPENDED] == 1


def test_the_founder_is_after_each_event_what_the_log_says(enwiki, place):
    lines = read(enwiki / "founder.jsonl")
    assert len(lines) == 12
    clock = Clock(instant(json.loads(lines[0])["at"]))
    rejected = 0
    with place.open(clock=clock) as log:
        for line in lines:
            raw = json.loads(line)
            clock.now = instant(raw["at"])
            # Each unblock in this file lifts all there is, so the last action tells.
            expected = Status.SUSPENDED if raw["action"] == "block" else Status.ACTIVE
            rejected += len(log.ingest(records([line])).rejected)
            assert log.account(raw["account"]).status is expected
            if raw["expiry"]:
                clock.now = instant(raw["expiry"])
                assert log.account(raw["account"]).status is Status.ACTIVE
        # The third unblock of 7 May 2007 came when the second had already lifted the block.
        assert rejected == 1
        assert len(log.history(raw["account"])) == 1 + 12 - rejected


def test_a_mistake_that_was_admitted_can_be_found(enwiki, place):
    with place.open() as log:
        load(log, enwiki / "founder.jsonl")
        (admitted,) = [e for e in log.events() if e.reason == "admitted as a mistake"]
        blocked = log.history(admitted.account_id)[admitted.data["lifts"][0] - 1]
        assert blocked.actor == admitted.actor
        assert admitted.occurred_at - blocked.occurred_at == timedelta(seconds=57)


def test_a_rogue_administrator_is_seen_by_who_did_it(enwiki, place):
    path = enwiki / "rogue-admin.jsonl"
    actions = [json.loads(line) for line in read(path)]
    rogue = max({a["actor"] for a in actions}, key=[a["actor"] for a in actions].count)
    with place.open() as log:
        load(log, path)
        of_rogue = list(log.events(Selection(actor=rogue)))
        assert [(e.account_id, e.occurred_at) for e in of_rogue] == [
            (a["account"], instant(a["at"])) for a in actions if a["actor"] == rogue
        ]
        own = [e for e in of_rogue if e.account_id == rogue and e.type == "account.restored"]
        assert len(own) == 3
