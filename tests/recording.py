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
        with log._work.store.writing(recorded_at) as writer:
            writer.append([step_of(history, event) for event in group])


def step_of(history, event):
    """An event of a history, with the states that lie before and behind it."""
    before, after = replay(history[: event.version - 1]), replay(history[: event.version])
    draft = draft_of(event)
    if event.occurred_at == event.recorded_at:  # as most events do, which have no time of their own
        draft = evolve(draft, envelope=evolve(draft.envelope, occurred_at=None))
    return draft, before, after


def append(log, account_id, event, envelope):
    """Write the next event of an account that is there."""
    history = log.history(account_id)
    with log._work.store.writing(log._work.clock()) as writer:
        draft = Draft(account_id, len(history) + 1, event, envelope)
        recorded = draft.recorded(0, writer.instant)
        position = writer.append([(draft, replay(history), replay([*history, recorded]))])
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
        metadata=event.metadata,
        occurred_at=event.occurred_at,
    )
    return Draft(event.account_id, event.version, event.event, envelope)
