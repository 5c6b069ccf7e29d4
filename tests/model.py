"""The ledger as its rules tell it, in plain dictionaries and lists: slow, and obvious.

Nothing here comes from the package. An event is a dictionary; the present is worked out from
all of an account's events whenever it is asked for; a transaction is a copy to go back to.
"""

import copy
import json
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

MICROSECOND = timedelta(microseconds=1)
MAX_LAG = timedelta(minutes=5)
STATUSES = ("erased", "absent", "deleted", "suspended", "active")
REASON_IS_DUE = ("suspend", "delete", "restore", "unprotect")
ENVELOPE = (
    "occurred_at",
    "actor",
    "reason",
    "policy",
    "batch_id",
    "confidence",
    "correlation_id",
    "metadata",
)


class RefusedError(Exception):
    """A command that is not carried out; its argument is the name of the error."""


class Naming(str):
    """Any text that names this one: the words of an import's reasons are its own."""

    __hash__ = str.__hash__

    def __eq__(self, other):
        return isinstance(other, str) and str(self) in other

    def __ne__(self, other):
        return not self == other


class Telling(str):
    """Any JSON text that tells the same: where it is canonical is for another test."""

    __hash__ = str.__hash__

    def __eq__(self, other):
        return isinstance(other, str) and json.loads(self) == json.loads(other)

    def __ne__(self, other):
        return not self == other


# Time


def text_of(instant):
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{instant.microsecond:06}Z"


def instant_of(text):
    return datetime.fromisoformat(text)


# Replay


def counts(event, history):
    """Whether an event counts: no later one that itself counts has reverted it."""
    return event["type"] == "account.erased" or not any(
        later["type"] == "events.reverted"
        and later["version"] > event["version"]
        and event["version"] in later["data"]["targets"]
        and counts(later, history)
        for later in history
    )


def replay(history):
    """The state that a history leads to."""
    return fold([event for event in history if counts(event, history)])


def fold(events):
    """The state that events lead to, each of which counts."""
    state = {
        "created": False,
        "erased": False,
        "protected": False,
        "profile": {},
        "flags": {},
        "sanctions": {},
    }
    for event in events:
        if not state["erased"]:
            take_effect(state, event)
    return state


def take_effect(state, event):
    if state["created"] or event["type"] in ("account.created", "account.erased"):
        effect = EFFECTS.get(event["type"])
        if effect is not None:
            effect(state, event, event["data"])


def change_profile(state, event, data):
    for key, value in data["changes"].items():
        state["profile"][key] = value
        if value is None:
            del state["profile"][key]


def suspend(state, event, data):
    until = data["until"] and instant_of(data["until"])
    state["sanctions"][event["version"]] = ("suspension", event["occurred_at"], until)


def delete(state, event, data):
    state["sanctions"][event["version"]] = ("deletion", event["occurred_at"], None)


def take_out(name, versions):
    def effect(state, event, data):
        state[name] = {v: one for v, one in state[name].items() if v not in data[versions]}

    return effect


EFFECTS = {
    "account.created": lambda state, event, data: state.update(
        created=True, profile=dict(data["profile"])
    ),
    "account.erased": lambda state, event, data: state.update(
        created=False, erased=True, protected=False, profile={}, flags={}, sanctions={}
    ),
    "profile.changed": change_profile,
    "account.flagged": lambda state, event, data: state["flags"].update(
        {event["version"]: data["label"]}
    ),
    "flags.cleared": take_out("flags", "flags"),
    "account.suspended": suspend,
    "account.deleted": delete,
    "account.restored": take_out("sanctions", "lifts"),
    "account.protected": lambda state, event, data: state.update(protected=True),
    "account.unprotected": lambda state, event, data: state.update(protected=False),
}


def status(state, at):
    """What an account is at an instant."""
    if state["erased"]:
        return "erased"
    if not state["created"]:
        return "absent"
    kinds = [kind for kind, _, until in state["sanctions"].values() if until is None or until > at]
    if "deletion" in kinds:
        return "deleted"
    return "suspended" if "suspension" in kinds else "active"


def in_force(sanction, at):
    """Whether a sanction that stands has begun and not expired at an instant."""
    _, since, until = sanction
    return since <= at and (until is None or until > at)


# Decisions

# Refusals by the state of an account that an import may keep as notes.
KEPT_AS_NOTES = ("AccountExistsError", "AccountNotFoundError", "NothingInForceError")


def decide(state, do, arguments, at):
    """The type and data of the event that a command leads to at an instant."""
    if state["erased"]:
        raise RefusedError("AccountErasedError")
    if do == "create" and state["created"]:
        raise RefusedError("AccountExistsError")
    if do != "create" and not state["created"]:
        raise RefusedError("AccountNotFoundError")
    data = dict(arguments)
    if do == "flag" and data["score"] is not None:
        data["score"] = float(data["score"])
    if do == "suspend" and data["until"] is not None:
        if data["until"] <= at:
            raise RefusedError("InvalidInputError")
        data["until"] = text_of(data["until"])
    if do == "clear_flags":
        label, standing = data.pop("label", None), state["flags"]
        if label is not None:
            standing = {version: one for version, one in standing.items() if one == label}
        data["flags"] = named(data["flags"], standing)
    if do == "restore":
        standing = state["sanctions"]
        if data["lifts"] is None:
            standing = {v: one for v, one in standing.items() if in_force(one, at)}
        data["lifts"] = named(data["lifts"], standing)
    return TYPES[do], data


TYPES = {
    "create": "account.created",
    "change_profile": "profile.changed",
    "flag": "account.flagged",
    "clear_flags": "flags.cleared",
    "suspend": "account.suspended",
    "delete": "account.deleted",
    "restore": "account.restored",
    "protect": "account.protected",
    "unprotect": "account.unprotected",
    "note": "account.noted",
}


def named(versions, standing):
    """The versions that are meant: those named, or all; each has to stand."""
    meant = sorted(set(standing if versions is None else versions))
    if not meant or not set(meant) <= set(standing):
        raise RefusedError("NothingInForceError")
    return meant


def request_of(do, account_id, arguments, envelope):
    """What an idempotency key belongs to."""
    arguments = dict(arguments)
    if arguments.get("until"):
        arguments["until"] = text_of(arguments["until"])
    if arguments.get("score") is not None:
        arguments["score"] = float(arguments["score"])
    for versions in ("lifts", "flags"):
        if arguments.get(versions) is not None:
            arguments[versions] = sorted(set(arguments[versions]))
    occurred_at = envelope["occurred_at"] and text_of(envelope["occurred_at"])
    # An argument that is not there and one that has its default are the same request.
    arguments = {name: one for name, one in arguments.items() if one not in (None, {})}
    return json.dumps(
        [
            do,
            account_id,
            arguments,
            envelope["actor"],
            envelope["reason"],
            envelope["policy"],
            occurred_at,
            envelope["metadata"] or {},
        ],
        sort_keys=True,
    )


# What the key of a record leads to that an import has rejected, instead of an event.
REJECTED = "rejected"


def told(value):
    """A record as JSON has it."""
    if isinstance(value, dict):
        return {name: told(one) for name, one in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(value)
    if isinstance(value, list | tuple):
        return [told(one) for one in value]
    return text_of(value) if isinstance(value, datetime) else value


class Model:
    """All events, the keys of requests, and the instant of the transaction under way."""

    def __init__(self):
        self.events = []
        self.keys = {}
        self.instant = None

    # Writing

    @contextmanager
    def transaction(self, now):
        """What is recorded in the block has one instant; an exception takes it all back."""
        if self.instant is not None:
            with self.undone_by_an_exception():
                yield
            return
        if self.events:
            last = self.events[-1]["recorded_at"]
            if now < last - MAX_LAG:
                raise RefusedError("ClockError")
            now = max(now, last + MICROSECOND)
        self.instant = now
        try:
            with self.undone_by_an_exception():
                yield
        finally:
            self.instant = None

    @contextmanager
    def undone_by_an_exception(self):
        events, keys = list(self.events), dict(self.keys)
        try:
            yield
        except BaseException:
            self.events, self.keys = events, keys
            raise

    def perform(self, command, given, now):
        """Carry out a command; its event."""
        command = copy.deepcopy(command)
        do, account_id = command.pop("do"), command.pop("account_id")
        envelope = {name: given.get(name) for name in ENVELOPE}
        if envelope["actor"] is None:
            raise RefusedError("MissingActorError")
        if do in REASON_IS_DUE and not (envelope["reason"] or "").strip():
            raise RefusedError("MissingReasonError")
        key, expected = given.get("idempotency_key"), given.get("expected_version")
        if (known := self.answered(key, do, account_id, command, envelope)) is not None:
            return known
        with self.transaction(now):
            if expected is not None and expected != len(self.history(account_id)):
                raise RefusedError("ConcurrencyError")
            at = envelope["occurred_at"] or self.instant
            kind, data = decide(self.state(account_id), do, command, at)
            event = self.record(account_id, kind, data, envelope)
            if key is not None:
                request = request_of(do, account_id, command, envelope)
                self.keys[key] = (request, event)
            return event

    def answered(self, key, do, account_id, arguments, envelope):
        """The event that this request led to before."""
        if key not in self.keys:
            return None
        request, event = self.keys[key]
        if event == REJECTED or request != request_of(do, account_id, arguments, envelope):
            raise RefusedError("IdempotencyConflictError")
        return event

    def record(self, account_id, kind, data, envelope):
        """Append an event."""
        event = {
            **envelope,
            "metadata": envelope["metadata"] or {},
            "position": len(self.events) + 1,
            "account_id": account_id,
            "version": len(self.history(account_id)) + 1,
            "type": kind,
            "recorded_at": self.instant,
            "occurred_at": envelope["occurred_at"] or self.instant,
            "data": data,
        }
        self.events.append(event)
        return event

    # Import

    def ingest(self, records, batch_id, chunk, now, on_refused="reject"):
        """Load records; what became of them, the rejected ones by line."""
        outcome = dict.fromkeys(("recorded", "created", "skipped", "late", "noted"), 0)
        rejected = []
        lines = list(enumerate(records, 1))
        for start in range(0, len(lines), chunk):
            with self.transaction(now):
                for line, record in lines[start : start + chunk]:
                    try:
                        self.take(record, batch_id, outcome, on_refused)
                    except RefusedError:
                        rejected.append(line)
        return outcome, rejected

    def take(self, record, batch_id, outcome, on_refused):
        """Load one record."""
        arguments = copy.deepcopy(record)
        do, account_id, at = (arguments.pop(name) for name in ("do", "account_id", "at"))
        key = arguments.pop("key", None)
        envelope = {name: arguments.pop(name, None) for name in ENVELOPE}
        envelope |= {"occurred_at": at, "batch_id": envelope["batch_id"] or batch_id}
        if envelope["confidence"] is not None:
            envelope["confidence"] = float(envelope["confidence"])
        request = request_of(do, account_id, arguments, envelope)
        if self.answered(key, do, account_id, arguments, envelope) is not None:
            outcome["skipped"] += 1
            return
        if not (envelope["reason"] or "").strip():
            envelope["reason"] = Naming(batch_id)
        history = self.history(account_id)
        opens = not history and do != "create"
        opened = [{"type": "account.created", "version": 1, "data": {"profile": {}}}]
        try:
            kind, data = decide(replay(opened if opens else history), do, arguments, at)
        except RefusedError as refusal:
            if on_refused == "reject" or str(refusal) not in KEPT_AS_NOTES:
                if key is not None:
                    self.keys[key] = (request, REJECTED)
                raise
            kind, data = "account.noted", {"text": Telling(json.dumps(told(record)))}
            outcome["noted"] += 1
        if opens:
            importer = {"kind": "system", "id": "import", "version": None, "account_id": None}
            opening = dict.fromkeys(ENVELOPE) | {
                "actor": importer,
                "reason": Naming(batch_id),
                "batch_id": envelope["batch_id"],
                "occurred_at": at,
            }
            self.record(account_id, "account.created", {"profile": {}}, opening)
            outcome["created"] += 1
        if any(at < event["occurred_at"] for event in history):
            outcome["late"] += 1
        event = self.record(account_id, kind, data, envelope)
        outcome["recorded"] += 1
        if key is not None:
            self.keys[key] = (request, event)

    # Questions

    def history(self, account_id):
        return [event for event in self.events if event["account_id"] == account_id]

    def state(self, account_id):
        return replay(self.history(account_id))

    def account_ids(self):
        return sorted({event["account_id"] for event in self.events})

    def now(self, clock):
        """The instant of the present: never before what is recorded."""
        return max([clock, *(event["recorded_at"] for event in self.events[-1:])])

    def account(self, account_id, at):
        state = self.state(account_id)
        return {
            "id": account_id,
            "version": len(self.history(account_id)),
            "status": status(state, at),
            "profile": state["profile"],
            "flags": state["flags"],
            "protected": state["protected"],
            "sanctions": {
                version: {
                    "kind": sanction[0],
                    "since": sanction[1],
                    "until": sanction[2],
                    "in_force": in_force(sanction, at),
                }
                for version, sanction in state["sanctions"].items()
            },
        }

    def accounts(self, at):
        return [self.account(account_id, at) for account_id in self.account_ids()]

    def count(self, at):
        statuses = [account["status"] for account in self.accounts(at)]
        return {status: statuses.count(status) for status in STATUSES}

    def selected(self, **filters):
        """The events for which all that is given holds."""
        return [
            event
            for event in self.events
            if all(FILTERS[name](event, value) for name, value in filters.items())
        ]


def is_by(event, actor):
    """A text means the id under any kind; an actor means kind and id."""
    if isinstance(actor, str):
        return event["actor"]["id"] == actor
    return (event["actor"]["kind"], event["actor"]["id"]) == (actor["kind"], actor["id"])


FILTERS = {
    "account_id": lambda event, values: event["account_id"] in values,
    "actor": lambda event, values: any(is_by(event, actor) for actor in values),
    "actor_kind": lambda event, values: event["actor"]["kind"] in values,
    "batch_id": lambda event, values: event["batch_id"] in values,
    "type": lambda event, values: event["type"] in values,
    "policy": lambda event, values: event["policy"] in values,
    "correlation_id": lambda event, values: event["correlation_id"] in values,
    "since": lambda event, instant: instant <= event["recorded_at"],
    "until": lambda event, instant: event["recorded_at"] < instant,
    "occurred_since": lambda event, instant: instant <= event["occurred_at"],
    "occurred_until": lambda event, instant: event["occurred_at"] < instant,
    "after_position": lambda event, position: position < event["position"],
    "up_to_position": lambda event, position: event["position"] <= position,
    "positions": lambda event, values: event["position"] in values,
}
