"""A mistaken clean-up, and the way back: the story that modlog is made for.

    python examples/incident.py

A community manager cleans up illegal accounts, and the founder's own account is among them. The
ledger tells what was done, by whom and why, and that one account comes back exactly as it was.
Names and times are made up; the ledger is a real one, in a temporary file.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from random import Random
from textwrap import wrap

from rich import box
from rich.console import Console
from rich.table import Table

import modlog
from modlog import Account, Actor, RecordedEvent, Selection, Status

FOUNDER = "110018"
TWICE_DELETED = "110042"
CLEAN_UP = "clean-up-0309"

SIGN_UP = Actor.system("sign-up")
DETECTOR = Actor.model("detector", version="3.1")
WAN = Actor.human("wan")  # the community manager
QIU = Actor.human("qiu")  # a colleague, who works on fraud
MEI = Actor.human("mei")  # the engineer on duty

console = Console(highlight=False, markup=False)
chapters = count(1)


class StoryClock:
    """Tells the story's time, a second later each time."""

    def __init__(self, start: datetime) -> None:
        self.now = start

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now

    def set(self, day: int, hour: int, minute: int) -> None:
        self.now = datetime(2026, 3, day, hour, minute, tzinfo=UTC)


def main() -> None:
    clock = StoryClock(datetime(2026, 3, 2, 8, tzinfo=UTC))
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'moderation.db'}"
        with modlog.open(url, clock=clock) as log:
            tell_the_story(log, clock)


def tell_the_story(log: modlog.ModLog, clock: StoryClock) -> None:
    before = the_platform(log)
    clock.set(8, 16, 20)
    suspects = the_suspects(log)
    clock.set(9, 22, 10)
    the_clean_up(log, suspects)
    clock.set(10, 11, 44)
    mistake, others = the_discovery(log)
    the_way_back(log, mistake, before, others)
    the_two_causes(log)
    the_lesson(log, suspects)
    the_record(log)
    your_turn()


def the_platform(log: modlog.ModLog) -> Account:
    chapter("A platform with 300 accounts")
    with log.transaction(), modlog.acting(SIGN_UP):
        for account_id, profile in sign_ups():
            log.create(account_id, profile=profile)
    founder = log.account(FOUNDER)
    say(f"{log.count()[Status.ACTIVE]} accounts are active.")
    say(f"One of them, {FOUNDER}, is the founder's: {told(founder.profile)}.")
    return founder


def the_suspects(log: modlog.ModLog) -> list[str]:
    chapter("A model flags suspicious accounts, a colleague deletes one for fraud")
    suspects = flag_suspects(log)
    log.delete(TWICE_DELETED, actor=QIU, reason="stolen payment cards", policy="fraud")
    say(f"{len(suspects)} accounts are flagged; {TWICE_DELETED} is deleted by qiu, for fraud.")
    return suspects


def the_clean_up(log: modlog.ModLog, account_ids: Sequence[str]) -> None:
    chapter("The clean-up: wan sweeps away everything that is flagged")
    with modlog.acting(WAN, reason="clean-up of illegal accounts", policy="illegal-content"):
        plan = log.plan_sweep(account_ids, "delete", batch_id=CLEAN_UP)
    say(f"The plan names {plan.size} accounts, more than 1 % of all: it needs a second person.")
    say(f"Qiu approves without looking, and does not see that {FOUNDER} is one of them.")
    plan.approve(actor=QIU)
    outcome = plan.execute()
    say(f"{outcome.counts['done']} accounts are deleted.")


def the_discovery(log: modlog.ModLog) -> tuple[RecordedEvent, list[str]]:
    chapter("11:44 the next day: the founder's nickname and avatar are gone. Why?")
    mistake = explain(log, FOUNDER)
    deletions = Selection(batch_id=CLEAN_UP, type="account.deleted")
    others = [str(e.account_id) for e in log.events(deletions) if e.account_id != FOUNDER]
    say(f"The same clean-up deleted {len(others)} other accounts; they are not to come back.")
    return mistake, others


def the_way_back(
    log: modlog.ModLog, mistake: RecordedEvent, before: Account, others: Sequence[str]
) -> None:
    chapter("Back it comes, exactly as it was")
    plan = log.plan_revert(Selection(batch_id=CLEAN_UP, account_id=FOUNDER))
    (line,) = plan.lines()
    say(f"A revert would take {FOUNDER} from {line.before.status} to {line.after.status}.")
    say("What lies outside the ledger:")
    for remark in line.remarks:
        for part in wrap(remark.message, width=70, subsequent_indent="  "):
            say(f"  {part}")
    plan.apply(actor=MEI, reason="flagged by mistake: the account is the founder's own")
    founder = log.account(FOUNDER)
    say(f"{FOUNDER} is {founder.status}: {told(founder.profile)}.")
    assert founder.profile == before.profile
    assert mistake.version not in founder.sanctions
    still = [id_ for id_ in others if log.account(id_).status is Status.DELETED]
    say(f"Of the {len(others)} other accounts, {len(still)} are still deleted.")


def the_two_causes(log: modlog.ModLog) -> None:
    chapter("A deletion is a cause, not a flag")
    say(f"{TWICE_DELETED} was deleted twice: by qiu for fraud, and by the clean-up.")
    taken_back = Selection(batch_id=CLEAN_UP, account_id=TWICE_DELETED)
    log.revert(taken_back, actor=MEI, reason="the model was wrong here, too")
    account = log.account(TWICE_DELETED)
    say(f"With the clean-up's deletion taken back it is still {account.status}: qiu's stands.")


def the_lesson(log: modlog.ModLog, account_ids: Sequence[str]) -> None:
    chapter("So that it does not happen again")
    log.protect(FOUNDER, actor=MEI)
    plan = log.plan_sweep(account_ids, "delete", actor=WAN, reason="the same once more")
    say(f"{FOUNDER} is protected now. A plan of the same sweep says:")
    for rule, number in plan.refusals.items():
        say(f"  of {plan.size} accounts, {number} will be left out: {rule}")
    plan.reject(actor=MEI, reason="it was only to show")


def the_record(log: modlog.ModLog) -> None:
    chapter(f"What the ledger tells of {FOUNDER}, for ever")
    show_history(log.history(FOUNDER))
    chapter("Is the ledger itself consistent?")
    report = log.verify()
    say(f"{report.head} events of {report.accounts} accounts: {len(report.findings)} findings.")
    assert report.ok


# What is shown at the end; a test runs it as it stands.
FIRST_LINES = """
import modlog
log = modlog.open("sqlite:///moderation.db")
with modlog.acting(modlog.Actor.human("wan"), reason="trying it out"):
    log.create("110018"), log.delete("110018"), log.restore("110018")
print(log.account("110018").status)
"""


def your_turn() -> None:
    chapter("Your turn: with .venv/bin/python, these lines make a ledger")
    console.print(FIRST_LINES)


def sign_ups() -> Iterator[tuple[str, dict[str, str]]]:
    """Accounts with profiles, the same ones on every run."""
    random = Random(110018)
    for number in range(110001, 110301):
        name = f"{random.choice('bdfglmnqtwxz')}{random.choice('aeiou')}".title()
        yield (
            str(number),
            {"nickname": f"{name}{random.randrange(1000)}", "avatar": f"{number}.png"}
            if str(number) != FOUNDER
            else {"nickname": "Lei Jun", "avatar": "founder.png"},
        )


def flag_suspects(log: modlog.ModLog) -> list[str]:
    random = Random(3)
    ordinary = [a.id for a in log.accounts() if a.id not in (FOUNDER, TWICE_DELETED)]
    suspects = sorted([FOUNDER, TWICE_DELETED, *random.sample(ordinary, 38)])
    with log.transaction(), modlog.acting(DETECTOR, policy="illegal-content"):
        for account_id in suspects:
            log.flag(account_id, label="illegal-content", score=round(random.uniform(0.7, 1), 2))
    return suspects


def explain(log: modlog.ModLog, account_id: str) -> RecordedEvent:
    """Say why an account is deleted; the event that did it."""
    account = log.account(account_id)
    (version,) = account.sanctions  # a single cause, by the version of its event
    event = log.history(account_id)[version - 1]
    say(f"{account_id} is {account.status}, by version {version} of its history:")
    say(f"  who    {event.actor.id}, {event.actor.kind}")
    say(f"  when   {event.occurred_at:%d %B %Y, %H:%M:%S} UTC")
    say(f"  why    {event.reason} (policy {event.policy})")
    say(f"  batch  {event.batch_id}")
    return event


def show_history(events: Sequence[RecordedEvent]) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("", "when (UTC)", "what", "who", "why"):
        table.add_column(heading)
    for event in events:
        table.add_row(
            str(event.version),
            f"{event.occurred_at:%d %b %H:%M}",
            event.type,
            event.actor.id,
            event.reason or event.policy,
        )
    console.print(table)


def told(profile: Mapping[str, str]) -> str:
    return ", ".join(f"{key} {value}" for key, value in profile.items())


def chapter(title: str) -> None:
    console.print(f"\n{next(chapters)}. {title}", style="bold")


def say(sentence: str) -> None:
    console.print(f"   {sentence}", soft_wrap=True)


if __name__ == "__main__":
    main()
