"""The guardrails asked at every position of a log, from the events before it alone.

Written from the rules as the documentation has them, and from nothing of the package.
"""

from collections import defaultdict
from datetime import datetime, timedelta

from attrs import define, field

SANCTIONS = {"account.suspended": "suspend", "account.deleted": "delete"}
HOUR = timedelta(hours=1)


@define
class Past:
    """What an account has been through so far: events by version, the latest last."""

    events: dict = field(factory=dict)

    def counting(self) -> dict:
        """The events that count: those that no event which counts has reverted."""
        gone: set[int] = set()
        counting = {}
        for version in sorted(self.events, reverse=True):
            event = self.events[version]
            if version in gone:
                continue
            counting[version] = event
            if event.type == "events.reverted":
                gone.update(event.data["targets"])
        return counting

    def sanctions(self) -> dict:
        """The sanctions that stand: version → until."""
        standing = {}
        for version, event in sorted(self.counting().items()):
            if event.type in SANCTIONS:
                until = event.data.get("until")
                standing[version] = datetime.fromisoformat(until) if until else None
            elif event.type == "account.restored":
                for lifted in event.data["lifts"]:
                    standing.pop(lifted, None)
        return standing

    def is_sanctioned(self, at: datetime) -> bool:
        return any(until is None or until > at for until in self.sanctions().values())

    def is_protected(self) -> bool:
        last = False
        for _, event in sorted(self.counting().items()):
            if event.type in ("account.protected", "account.unprotected"):
                last = event.type == "account.protected"
        return last

    def restored_by_human(self, since: datetime) -> bool:
        return any(
            event.type in ("account.restored", "events.reverted")
            and event.actor.kind == "human"
            and event.recorded_at > since
            for event in self.events.values()
        )


@define
class Prefixes:
    """Walks a log from its first event, and tells what should not have been recorded."""

    deletions_per_hour: int = 10_000
    restored_days: int = 30
    pasts: dict[str, Past] = field(factory=lambda: defaultdict(Past))
    deletions: dict[tuple, list[datetime]] = field(factory=lambda: defaultdict(list))
    approved: set[str] = field(factory=set)
    violations: list[tuple[int, str]] = field(factory=list)

    def walk(self, log) -> list[tuple[int, str]]:
        """Every position that the events before it forbid, and the rule."""
        events = list(log.events())
        assert [event.position for event in events] == list(range(1, len(events) + 1))
        for event in events:
            if event.type != "action.refused":
                rules = self._broken(event)
                self.violations += [(event.position, rule) for rule in rules]
            self._take(event)
        return self.violations

    def _broken(self, event):
        actor, at, past = event.actor, event.recorded_at, self.pasts[event.account_id]
        if actor.account_id is not None and self.pasts[actor.account_id].is_sanctioned(at):
            yield "sanctioned-actor"
        if event.type == "account.restored" and actor.account_id == event.account_id:
            yield "own-account"
        if event.type not in SANCTIONS:
            return
        if past.is_protected():
            yield "protected-account"
        days = timedelta(days=self.restored_days)
        if actor.kind in ("bot", "model") and past.restored_by_human(at - days):
            yield "restored-by-human"
        recent = [one for one in self.deletions[actor.kind, actor.id] if one > at - HOUR]
        is_bound = event.type == "account.deleted" and event.batch_id not in self.approved
        if is_bound and len(recent) >= self.deletions_per_hour:
            yield "deletion-rate"

    def _take(self, event):
        if event.type == "sweep.approved":
            self.approved.add(event.batch_id)
        if event.type == "account.deleted":
            self.deletions[event.actor.kind, event.actor.id].append(event.recorded_at)
        if event.account_id is not None:
            self.pasts[event.account_id].events[event.version] = event
