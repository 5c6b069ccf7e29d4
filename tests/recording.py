"""Writing events as they stand, also those that no command makes yet: reverts and erasures."""

from itertools import groupby

from attrs import evolve

from modlog._domain.account import replay
from modlog._domain.events import Draft, Envelope


def record(log, history, after=0):
    """Write one account's history; events with the same `recorded_at` are one transaction.

    Versions up to `after` are there already.
    """
    new = history[after:]
    for recorded_at, group in groupby(new, key=lambda event: event.recorded_at):
        events = list(group)
        before = replay(history[: events[0].version - 1])
        after = replay(history[: events[-1].version])
        with log._store.writing(recorded_at) as writer:
            drafts = [draft_of(event) for event in events]
            writer.append(drafts, {events[0].account_id: (before, after)})


def append(log, account_id, event, envelope):
    """Write the next event of an account that is there."""
    history = log.history(account_id)
    with log._store.writing(log._clock()) as writer:
        draft = Draft(account_id, len(history) + 1, event, envelope)
        recorded = draft.recorded(0, writer.instant)
        states = replay(history), replay([*history, recorded])
        position = writer.append([draft], {account_id: states})
    return evolve(recorded, position=position)


def draft_of(event):
    """The event before it was recorded."""
    envelope = Envelope(
        actor=event.actor,
        reason=event.reason,
        policy=event.policy,
        batch_id=event.batch_id,
        confidence=event.confidence,
        correlation_id=event.correlation_id,
        occurred_at=event.occurred_at,
    )
    return Draft(event.account_id, event.version, event.event, envelope)
