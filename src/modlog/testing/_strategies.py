"""What a ledger may meet, drawn at random: the plain, the hostile, and the bounds of both."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from typing import Any, Final

import attrs
from hypothesis import strategies as st

from modlog._domain import events as e
from modlog._domain.account import AccountState, replay
from modlog._domain.decisions import ARGUMENTS
from modlog._domain.effects import effect_of
from modlog._domain.events import Event, RecordedEvent
from modlog._domain.values import (
    ACTOR_KINDS,
    EPOCH,
    MAX_ID_LENGTH,
    MAX_INTEGER,
    Actor,
)

_HOSTILE: Final = (
    "\u202egnp.exe",  # right-to-left override
    "\u2066\u200bzero\u200dwidth\u2069",
    "tab\t, bell\x07, escape\x1b[31m, delete\x7f, line\r\nend\u2028",
    "👩🏽‍🚀🏴‍☠️🇫🇷",
    "e\u0301 is not \u00e9",
    "\ufeffﬃ İ ß \U0010ffff",
    "<script>alert('x')</script>&amp;",
    '=HYPERLINK("http://example.org")',
    "'; DROP TABLE modlog_events; --",
    "?%s{0}$1:name\\",
    "../../etc/passwd",
    '{"_type_": "datetime_iso", "_data_": "x"}',
    "null",
    " ",
)
_LONG: Final = "長" * MAX_ID_LENGTH
_START: Final = datetime(2026, 1, 1, tzinfo=UTC)
_STEPS: Final = (
    timedelta(microseconds=1),
    timedelta(seconds=1),
    timedelta(hours=6),
    timedelta(days=3),
)

_texts = st.one_of(
    st.sampled_from(_HOSTILE),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
)
_codes = st.one_of(
    st.sampled_from(("spam", "illegal-content", "nudity", _LONG)), _texts.filter(bool)
)
_reasons = st.one_of(st.sampled_from(("clean-up", "by mistake", "x" * 5_000)), _texts)
_versions = st.lists(st.integers(1, 8) | st.integers(1, MAX_INTEGER), min_size=1, max_size=3)
_probabilities = st.sampled_from((0.0, 1.0, 0, 1, 5e-324)) | st.floats(0, 1)
_numbers = st.sampled_from((0, 1, 10_000, MAX_INTEGER)) | st.integers(0, MAX_INTEGER)
_scalars = st.one_of(
    # Equal in Python, different in JSON.
    st.sampled_from((0, 1, False, True, 0.0, -0.0, 1.0, "", "0")),
    st.integers(-MAX_INTEGER, MAX_INTEGER),
    st.sampled_from((MAX_INTEGER, -MAX_INTEGER, 1.7976931348623157e308, 5e-324, 1e16)),
    st.floats(allow_nan=False, allow_infinity=False),
    _texts,
)
_values = st.one_of(
    _scalars,
    st.recursive(
        _scalars | st.none(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
        max_leaves=5,
    ).filter(lambda value: value is not None),
)
_keys = st.sampled_from(("nickname", "avatar", "bio", "_type_", "")) | _texts
_profiles = st.dictionaries(_keys, _values, max_size=4)
_changes = st.dictionaries(_keys, _values | st.none(), min_size=1, max_size=4)
_records = st.dictionaries(_keys, _values | st.none(), max_size=3)

_zones = st.sampled_from((UTC, timezone(timedelta(hours=8)), timezone(-timedelta(hours=9.5))))
_instants = st.one_of(
    st.builds(lambda days: _START + timedelta(days=days), st.integers(-30, 30)),
    st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=_zones),  # noqa: DTZ001
    st.sampled_from((datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC), EPOCH)),
)
_actors = st.one_of(
    st.sampled_from((Actor.human("wan"), Actor.bot("sweeper", version="2"))),
    st.builds(
        Actor,
        kind=st.sampled_from(ACTOR_KINDS),
        id=_codes,
        version=st.none() | _codes,
        account_id=st.none() | _codes,
    ),
)


def account_ids() -> st.SearchStrategy[str]:
    """Ids of accounts: 1 to 255 characters, numbers and hostile text."""
    return st.one_of(st.integers(1, 999_999).map(str), _codes)


def profiles() -> st.SearchStrategy[dict[str, Any]]:
    """Profiles as an account is created with them: text → JSON values, none of them null."""
    return _profiles


def actors() -> st.SearchStrategy[Actor]:
    """Actors of every kind."""
    return _actors


def instants() -> st.SearchStrategy[datetime]:
    """Aware datetimes in several time zones: most about 2026, some at the ends of the calendar."""
    return _instants


# A field means the same in whichever event or command it stands.
_FIELDS: Final[Mapping[str, st.SearchStrategy[Any]]] = {
    "profile": _profiles,
    "changes": _changes,
    "label": _codes,
    "score": st.none() | _probabilities,
    "flags": _versions,
    "until": st.none() | _instants,
    "lifts": _versions,
    "targets": _versions,
    "text": _reasons,
    "action": _codes,
    "rule": _codes,
    "digest": _codes,
    "size": _numbers,
    "arguments": _records,
    "guardrails": _records,
    "needs_approval": st.booleans(),
    "through": _numbers,
    "last": _codes,
    "outcomes": _records,
}
_any_event: st.SearchStrategy[Event] = st.one_of(
    *(
        st.builds(cls, **{name: _FIELDS[name] for name in attrs.fields_dict(cls)})
        for cls in e.EVENT_CLASSES.values()
    )
)


def events() -> st.SearchStrategy[Event]:
    """Events of every type, those of sweeps included; versions point anywhere."""
    return _any_event


_OPTIONAL: Final = ("flags", "lifts")  # left open, they mean all that is in force
_ARGUMENTS: Final = {
    do: {name: _FIELDS[name] | st.none() if name in _OPTIONAL else _FIELDS[name] for name in names}
    for do, names in ARGUMENTS.items()
}
_ARGUMENTS["clear_flags"]["label"] = st.none() | _codes


def commands(
    ids: st.SearchStrategy[str] | None = None,
) -> st.SearchStrategy[dict[str, Any]]:
    """Commands as mappings: `do`, `account_id` and the command's own arguments.

    With `at` and `actor` added they are records for `ModLog.ingest`; `perform` carries one out.

    Args:
        ids: the accounts that they are about; any if left out.
    """
    accounts = account_ids() if ids is None else ids
    return st.one_of(
        *(
            st.fixed_dictionaries({"do": st.just(do), "account_id": accounts, **arguments})
            for do, arguments in _ARGUMENTS.items()
        )
    ).map(_naming_flags_once)


def _naming_flags_once(command: dict[str, Any]) -> dict[str, Any]:
    """Flags are named by their versions or by a label."""
    return command | {"label": None} if command.get("flags") else command


@st.composite
def recorded_events(draw: st.DrawFn) -> RecordedEvent:
    """Events of every type with an envelope; not of one history."""
    event = draw(_any_event)
    of_sweep = event.TYPE.startswith("sweep.")
    return RecordedEvent(
        position=draw(st.integers(1, MAX_INTEGER)),
        account_id=None if of_sweep else draw(account_ids()),
        version=draw(st.integers(1, MAX_INTEGER)),
        recorded_at=draw(_instants).astimezone(UTC),
        batch_id=draw(_codes if of_sweep else st.none() | _codes),
        event=event,
        **draw(_circumstances(_instants)),
    )


def _circumstances(occurred_at: st.SearchStrategy[datetime]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "occurred_at": occurred_at.map(lambda instant: instant.astimezone(UTC)),
            "actor": _actors,
            "reason": st.none() | _reasons,
            "policy": st.none() | _codes,
            "confidence": st.none() | _probabilities.map(float),
            "correlation_id": st.none() | _codes,
            "metadata": _records,
        }
    )


@st.composite
def histories(
    draw: st.DrawFn,
    *,
    account_id: str = "110018",
    erasures: bool = False,
    reverts: bool = True,
    max_size: int = 12,
) -> list[RecordedEvent]:
    """One account's whole history as a ledger that holds no other account could have it.

    Positions and versions run from 1; each command was allowed when it was recorded. Reverts
    name earlier events, reverts among them; after a reverted creation there may be another.
    Events of one transaction share their `recorded_at`, and some occurred earlier or later.

    Args:
        account_id: the account's id.
        erasures: whether the account may be erased, and a revert may name the erasure.
        reverts: whether there are reverts.
        max_size: how many events there are at the most.
    """
    history: list[RecordedEvent] = []
    recorded_at = _START
    for version in range(1, draw(st.integers(1, max_size)) + 1):
        occurred_at = recorded_at + draw(_shifts)
        state = replay(history)
        kinds = _kinds(
            created=state.created,
            erased=state.erased,
            sanctioned=bool(state.sanctions),
            flagged=bool(state.flags),
            erasures=erasures,
            reverts=reverts and bool(_revertible(history)),
        )
        event = _event(draw, draw(kinds), history, state, occurred_at)
        history.append(
            RecordedEvent(
                position=version,
                account_id=account_id,
                version=version,
                recorded_at=recorded_at,
                occurred_at=occurred_at,
                event=event,
                **draw(_envelopes),
            )
        )
        recorded_at += draw(_pauses)
    return history


# A history is about order, so its values are few, and drawn with few choices.
_pauses = st.sampled_from((timedelta(0), *_STEPS))
_shifts = st.sampled_from((timedelta(0),) * 6 + _STEPS + tuple(-step for step in _STEPS))
_envelopes: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {
            "actor": actor,
            "reason": reason,
            "policy": policy,
            "batch_id": batch_id,
            "confidence": None if actor.kind == "human" else 0.5,
            "correlation_id": None if policy is None else "ticket-1",
            "metadata": {"ip": "::1", "tags": [1, None]} if policy and batch_id else {},
        }
        for actor in (Actor.human("wan"), Actor.bot("sweeper", version="2"))
        for reason in ("clean-up", _HOSTILE[0])
        for policy in (None, "illegal-content")
        for batch_id in (None, "b1", "b2")
    ]
)
_light_keys = st.sampled_from(("nickname", "avatar"))
_light_values = st.sampled_from((0, 1, False, True, 1.0, "Lei Jun", _HOSTILE[3], [None, -0.0]))
_light_profiles = st.dictionaries(_light_keys, _light_values, max_size=2)
_light_changes = st.dictionaries(_light_keys, _light_values | st.none(), min_size=1, max_size=2)
_SIMPLE: Final[Mapping[str, st.SearchStrategy[Event]]] = {
    "create": st.builds(e.AccountCreated, _light_profiles),
    "change": st.builds(e.ProfileChanged, _light_changes),
    "flag": st.sampled_from((e.AccountFlagged("spam"), e.AccountFlagged("nudity", 0.5))),
    "delete": st.just(e.AccountDeleted()),
    "protect": st.sampled_from((e.AccountProtected(), e.AccountUnprotected())),
    "remark": st.sampled_from((e.AccountNoted(_HOSTILE[3]), e.ActionRefused("delete", "age"))),
    "erase": st.just(e.AccountErased()),
}


@cache
def _kinds(
    *, created: bool, erased: bool, sanctioned: bool, flagged: bool, erasures: bool, reverts: bool
) -> st.SearchStrategy[str]:
    """What may come next: what a command could have decided, a revert, an erasure."""
    kinds = ["revert"] * reverts
    if erased:
        kinds.append("remark")
    elif not created:
        kinds += ["create"] * 3
    else:
        kinds += ["change", "flag", "suspend", "delete", "protect"] * 2
        kinds += ["change", "revert" if reverts else "change", "remark"]
        kinds += ["restore"] * 3 * sanctioned + ["clear"] * 2 * flagged + ["erase"] * erasures
    return st.sampled_from(kinds)


def _event(
    draw: st.DrawFn,
    kind: str,
    history: Sequence[RecordedEvent],
    state: AccountState,
    at: datetime,
) -> Event:
    match kind:
        case "revert":
            return e.EventsReverted(_some(draw, _revertible(history)))
        case "restore":
            return e.AccountRestored(_some(draw, state.sanctions))
        case "clear":
            return e.FlagsCleared(_some(draw, state.flags))
        case "suspend":
            pause = draw(_pauses)
            return e.AccountSuspended(at + pause if pause else None)
        case _:
            return draw(_SIMPLE[kind])


def _revertible(history: Sequence[RecordedEvent]) -> list[int]:
    return [
        one.version
        for one in history
        if effect_of(one.event).is_revertible or isinstance(one.event, e.AccountErased)
    ]


def _some(draw: st.DrawFn, versions: Collection[int]) -> list[int]:
    """One at least, and seldom many, by the bits of two numbers."""
    numbers = st.integers(1, 2 ** len(versions) - 1)
    chosen = draw(numbers)
    chosen = chosen & draw(numbers) or chosen
    return [version for bit, version in enumerate(sorted(versions)) if chosen >> bit & 1]
