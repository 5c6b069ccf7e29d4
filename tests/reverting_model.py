"""Reverts and views as their rules tell them, over the events of the plain model.

And worlds to try them on: ledgers of several accounts, whose histories lie side by side.
"""

from collections import Counter
from datetime import timedelta
from itertools import groupby

from hypothesis import strategies as st

from modlog import Actor
from modlog.testing import MovableClock, histories
from tests import model
from tests.likeness import plain_event
from tests.recording import step_of

IRREVERSIBLE = ("account.erased", "account.noted", "action.refused")

# Rules


def selected(events, filters):
    """The events of accounts for which all filters hold."""
    return [
        event
        for event in events
        if event["account_id"] is not None
        and all(model.FILTERS[name](event, value) for name, value in filters.items())
    ]


def revertible(chosen):
    """Those that a revert names."""
    return [event for event in chosen if event["type"] not in IRREVERSIBLE]


def left_out(events, gone):
    """The events as if some had never been recorded."""
    positions = {event["position"] for event in gone}
    return [event for event in events if event["position"] not in positions]


def by_account(events):
    found: dict = {}
    for event in events:
        found.setdefault(event["account_id"], []).append(event)
    return dict(sorted(found.items()))


def account(account_id, history, at, version):
    """An account at an instant, by some of its events."""
    one = model.Model()
    one.events = history
    return one.account(account_id, at) | {"version": version}


def accounts(events, at):
    """The accounts that events tell of."""
    return [
        account(account_id, own, at, own[-1]["version"])
        for account_id, own in by_account(events).items()
    ]


def count(events, at):
    statuses = Counter(one["status"] for one in accounts(events, at))
    return {status: statuses[status] for status in model.STATUSES}


def plan(events, chosen, at):
    """What a plan has to say of each account that the selection touches."""
    everything = by_account(events)
    return [line(everything[id_], own, at) for id_, own in by_account(chosen).items()]


def line(history, chosen, at):
    targets = revertible(chosen)
    kept = left_out(history, targets)
    account_id, version = history[-1]["account_id"], history[-1]["version"]
    after = account(account_id, kept, at, version)
    return {
        "account_id": account_id,
        "before": account(account_id, history, at, version),
        "after": after,
        "targets": tuple(event["version"] for event in targets),
        "idle": tuple(event["version"] for event in targets if not model.counts(event, history)),
        "irreversible": tuple(
            (event["version"], event["type"]) for event in left_out(chosen, targets)
        ),
        "standing": [event for event in history if event["version"] in after["sanctions"]],
    }


def moves(lines):
    """How many accounts go from which status to which."""
    return Counter(
        (line["before"]["status"], line["after"]["status"]) for line in lines if line["targets"]
    )


# Worlds

IDS = ("110018", "\u202egnp.exe", "B", "a", "長" * 255)


@st.composite
def worlds(draw, *, erasures=False, max_size=10):
    """Transactions of several accounts' events, and a clock that stands a little after them."""
    ids = draw(st.lists(st.sampled_from(IDS), min_size=1, max_size=3, unique=True))
    transactions = interleaved(
        [
            draw(
                histories(
                    account_id=id_,
                    erasures=erasures,
                    reverts=draw(st.booleans()),
                    max_size=max_size,
                )
            )
            for id_ in ids
        ]
    )
    return transactions, draw(clocks(transactions[-1][0].recorded_at))


def interleaved(several):
    """The transactions of several accounts' histories, in the order of time."""
    events = sorted(
        (event for history in several for event in history), key=lambda event: event.recorded_at
    )
    return [list(group) for _, group in groupby(events, key=lambda event: event.recorded_at)]


def clocks(last):
    """Clocks after an instant, while some suspensions last; none ends within microseconds."""
    later = (timedelta(0), timedelta(hours=7), timedelta(days=10))
    moment = timedelta(milliseconds=100)
    return st.sampled_from(later).map(lambda step: MovableClock(last + moment + step))


def write(log, transactions, earlier=()):
    """Record events as they stand; all that the log holds, in the words of the model.

    Args:
        log: the ledger.
        transactions: lists of events of any accounts.
        earlier: transactions that have been recorded already.
    """
    histories: dict = {}
    for event in (event for events in earlier for event in events):
        histories.setdefault(event.account_id, []).append(event)
    for events in transactions:
        steps = []
        for event in events:
            history = histories.setdefault(event.account_id, [])
            history.append(event)
            steps.append(step_of(history, event))
        with log._work.store.writing(events[0].recorded_at) as writer:
            writer.append(steps)
    return [plain_event(event) for event in log.events()]


# Selections

TYPES = (
    "account.created",
    "profile.changed",
    "account.flagged",
    "flags.cleared",
    "account.suspended",
    "account.deleted",
    "account.restored",
    "account.protected",
    "account.unprotected",
    "events.reverted",
    "account.noted",
)


def filters(events):
    """What selections can say about these events."""
    positions = [event["position"] for event in events]
    instants = [event["recorded_at"] for event in events]
    occurred = [event["occurred_at"] for event in events]
    given = {
        "batch_id": several("b1", "b2"),
        "type": several(*TYPES),
        "policy": st.just(["illegal-content"]),
        "actor_kind": several("human", "bot", "model"),
        "correlation_id": st.just(["ticket-1"]),
        "actor": several("wan", "sweeper", Actor.human("wan"), Actor.bot("wan")),
        "account_id": several(*IDS),
        "positions": several(*positions, most=len(positions)),
        "after_position": st.sampled_from([0, *positions]),
        "up_to_position": st.sampled_from([0, *positions, positions[-1] + 9]),
        "since": st.sampled_from(instants),
        "until": st.sampled_from(instants),
        "occurred_since": st.sampled_from(occurred + instants),
        "occurred_until": st.sampled_from(occurred + instants),
    }
    one = st.sampled_from(sorted(given)).flatmap(lambda name: st.tuples(st.just(name), given[name]))
    return st.lists(one, min_size=1, max_size=2).map(dict)


def several(*values, most=4):
    return st.lists(st.sampled_from(values), min_size=1, max_size=most, unique=True)


def chosen(events, filters):
    """What the filters select, by the model."""
    return selected(events, {name: _plain(name, value) for name, value in filters.items()})


def _plain(name, value):
    if name != "actor":
        return value
    return [one if isinstance(one, str) else {"kind": one.kind, "id": one.id} for one in value]
