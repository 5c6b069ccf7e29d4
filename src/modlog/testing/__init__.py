"""Tools for testing what is built on modlog; they need Hypothesis (``modlog[testing]``).

A ledger in memory, with a clock that stands still until the test moves it::

    clock = MovableClock()
    with ledger(clock) as log, modlog.acting(Actor.human("wan"), reason="clean-up"):
        log.create("110018")
        log.suspend("110018", until=clock() + timedelta(days=1))
        clock.move(timedelta(days=2))
        assert log.account("110018").status == Status.ACTIVE

Strategies draw what a ledger may meet, hostile text and numbers at their bounds among it:
`account_ids`, `profiles`, `actors`, `instants`, `events`, `recorded_events`, `commands`, which
`perform` carries out, and whole `histories` of an account. `given` starts from a `Past`, made of
`event`, and tells the `Decision` that a command leads to, without any ledger.
"""

from modlog.testing._ledger import MovableClock, ledger, perform
from modlog.testing._scenario import Decision, Past, event, given
from modlog.testing._strategies import (
    account_ids,
    actors,
    commands,
    events,
    histories,
    instants,
    profiles,
    recorded_events,
)

__all__ = [
    "Decision",
    "MovableClock",
    "Past",
    "account_ids",
    "actors",
    "commands",
    "event",
    "events",
    "given",
    "histories",
    "instants",
    "ledger",
    "perform",
    "profiles",
    "recorded_events",
]
