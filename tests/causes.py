"""What events began and what ended it, as plain Python tells from the events of the model."""

from datetime import timedelta

from tests import model
from tests.reverting_model import by_account

KINDS = {
    "account.created": "existence",
    "account.flagged": "flag",
    "account.protected": "protection",
    "account.suspended": "suspension",
    "account.deleted": "deletion",
}


def causes(events):
    """Events that took hold: (event, the event that ended what it began last, or None)."""
    for history in by_account(events).values():
        states = [standing(history[:number]) for number in range(len(history) + 1)]
        for event in history:
            stays = [event["version"] in state for state in states]
            if any(stays):
                last = max(n for n, stands in enumerate(stays) if stands)
                yield event, None if stays[-1] else history[last]


def standing(history):
    """The versions of events of which stands what they began."""
    stays: dict = {}
    for event in history:
        if not model.counts(event, history):
            continue
        kind, data = KINDS.get(event["type"]), event["data"]
        if event["type"] == "account.erased":
            return set()
        if kind == "existence" or "existence" in stays.values():
            gone = {*data.get("flags", ()), *data.get("lifts", ())}
            if event["type"] == "account.unprotected":
                gone = {version for version, one in stays.items() if one == "protection"}
            stays = {version: one for version, one in stays.items() if version not in gone}
            if kind:
                stays[event["version"]] = kind
    return set(stays)


def hand(event):
    return f"{event['actor']['kind']}:{event['actor']['id']}"


def is_lifting(event):
    return event is not None and event["type"] in ("account.restored", "events.reverted")


def took(event, end):
    """From the beginning to the end, in microseconds."""
    return (end["occurred_at"] - event["occurred_at"]) // timedelta(microseconds=1)
