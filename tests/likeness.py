"""What the ledger answers in the words of the model, and a comparison that is strict."""

from attrs import asdict


def plain_event(event):
    """A recorded event as the model has it."""
    return {
        "position": event.position,
        "account_id": event.account_id,
        "version": event.version,
        "type": event.type,
        "recorded_at": event.recorded_at,
        "occurred_at": event.occurred_at,
        "actor": asdict(event.actor),
        "reason": event.reason,
        "policy": event.policy,
        "batch_id": event.batch_id,
        "confidence": event.confidence,
        "correlation_id": event.correlation_id,
        "metadata": event.metadata,
        "data": dict(event.data),
    }


def plain_account(account):
    """An account at an instant as the model has it."""
    return asdict(account) | {"status": account.status.value}


def plain_state(state):
    """A state of the domain as the model has it; version and latest instant are left out."""
    return {
        "created": state.created,
        "erased": state.erased,
        "protected": state.protected,
        "profile": state.profile,
        "flags": state.flags,
        "sanctions": {
            version: (one.kind, one.since, one.until) for version, one in state.sanctions.items()
        },
    }


def assert_same(found, expected, where="it"):
    """Equal as JSON tells values apart: 1, 1.0 and true are three, and 0.0 is not -0.0."""
    if isinstance(expected, dict):
        assert isinstance(found, dict), f"{where}: {found!r}"
        assert found.keys() == expected.keys(), where
        for key, value in expected.items():
            assert_same(found[key], value, f"{where}[{key!r}]")
    elif isinstance(expected, list | tuple):
        assert isinstance(found, type(expected)), f"{where}: {found!r}"
        assert len(found) == len(expected), f"{where}: {found!r} is not {expected!r}"
        for index, value in enumerate(expected):
            assert_same(found[index], value, f"{where}[{index}]")
    elif isinstance(expected, bool | int | float):
        assert repr(found) == repr(expected), f"{where}: {found!r} is not {expected!r}"
    else:
        assert expected == found, f"{where}: {found!r} is not {expected!r}"
