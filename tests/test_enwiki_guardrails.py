"""A rogue administrator's real acts, given again as live commands under the guardrails.

Everybody named in the log has an account; each acts from an account of the same name.
"""

import json
from datetime import datetime

import pytest

from modlog import Actor, GuardrailError, Guardrails, NothingInForceError, Selection, Status
from modlog.testing import MovableClock

OPENED = Actor.system("sign-up")


@pytest.fixture
def lines(enwiki):
    return [json.loads(line) for line in (enwiki / "rogue-admin.jsonl").read_text().splitlines()]


@pytest.fixture
def rogue(lines):
    """Who did most of it."""
    actors = [line["actor"] for line in lines]
    return max(set(actors), key=actors.count)


def instant(text):
    return None if text is None else datetime.fromisoformat(text)


def live(log, clock, line):
    """Do what the line tells, when it tells; the rule that stopped it, if one did."""
    clock.set(max(instant(line["at"]), clock()))
    by = {
        "actor": Actor.human(line["actor"], account_id=line["actor"]),
        "reason": "as the log says",
        "policy": line["policy"],
        "correlation_id": line["id"],
    }
    until = instant(line["expiry"])
    try:
        if line["action"] in ("unblock", "reblock"):
            log.restore(line["account"], **by)
        if line["action"] in ("block", "reblock") and (until is None or until > clock()):
            log.suspend(line["account"], until=until, **by)
    except GuardrailError as error:
        return error.rule
    except NothingInForceError:  # stopped before, or run out: nothing is there to lift
        return "nothing-in-force"
    return None


def replayed(place, lines, guardrails):
    """The ledger after all lines, with the rule that stopped each."""
    clock = MovableClock(instant(lines[0]["at"]))
    log = place.open(clock=clock, guardrails=guardrails)
    for account_id in sorted({line[who] for line in lines for who in ("account", "actor")}):
        log.create(account_id, actor=OPENED)
    return log, [live(log, clock, line) for line in lines]


def expected_rules(lines):
    """By the raw lines alone: who is blocked when, if the guardrails stop what they must."""
    ends: dict[str, list[datetime | None]] = {}  # the ends of the blocks that stand
    rules: list[str | None] = []

    def blocked(account, at):
        return any(end is None or end > at for end in ends.get(account, []))

    for line in lines:
        at, account, actor = instant(line["at"]), line["account"], line["actor"]
        lifts = line["action"] in ("unblock", "reblock")
        if lifts and not blocked(account, at):
            rules.append("nothing-in-force")
        elif lifts and actor == account:
            rules.append("own-account")
        elif blocked(actor, at):
            rules.append("sanctioned-actor")
        else:
            rules.append(None)
            if lifts:
                ends[account] = [end for end in ends.get(account, []) if end and end <= at]
            if line["action"] in ("block", "reblock"):
                ends.setdefault(account, []).append(instant(line["expiry"]))
    return rules


def test_every_act_is_stopped_or_done_as_the_lines_tell(place, lines):
    log, rules = replayed(place, lines, Guardrails())
    with log:
        assert rules == expected_rules(lines)
        assert log.verify().findings == ()


def test_the_rogue_is_stopped_from_the_moment_a_colleague_blocks_him(place, lines, rogue):
    log, rules = replayed(place, lines, Guardrails())
    with log:
        acts = [
            (line["at"], line["action"], line["account"] == rogue, rule)
            for line, rule in zip(lines, rules, strict=True)
            if line["actor"] == rogue
        ]
        # Two colleagues he blocks; then he is blocked himself, at 10:08:04.
        assert [act for act in acts if act[3] is None] == [
            ("2007-04-19T10:06:49Z", "block", False, None),
            ("2007-04-19T10:07:07Z", "block", False, None),
        ]
        assert acts[2] == ("2007-04-19T10:09:30Z", "block", False, "sanctioned-actor")
        # He lifts his own block three times, and never here.
        assert [act for act in acts if act[1] == "unblock"] == [
            ("2007-04-19T10:11:05Z", "unblock", True, "own-account"),
            ("2007-04-19T10:12:38Z", "unblock", True, "own-account"),
            ("2007-04-19T10:14:20Z", "unblock", True, "own-account"),
        ]
        assert [act[3] for act in acts].count("sanctioned-actor") == len(acts) - 5 == 8
        assert log.account(rogue).status is Status.SUSPENDED
        blocked = {
            e.account_id for e in log.events(Selection(type="account.suspended", actor=rogue))
        }
        assert len(blocked) == 2


def test_each_attempt_is_on_record_with_who_and_which_rule(place, lines):
    log, rules = replayed(place, lines, Guardrails())
    with log:
        attempts = [
            (e.correlation_id, e.account_id, e.actor.id, e.data["rule"])
            for e in log.events(Selection(type="action.refused"))
        ]
        assert attempts == [
            (line["id"], line["account"], line["actor"], rule)
            for line, rule in zip(lines, rules, strict=True)
            if rule in ("own-account", "sanctioned-actor")
        ]
