"""What may be done to an account: a command and the state give an event, or a refusal.

Most commands already are the event that they ask for. Two are not: `Restore` and `ClearFlags`
may leave open what they mean, and then mean all that is in force.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import attrs
from attrs import field, frozen

from modlog._domain.account import AccountState
from modlog._domain.effects import Facet
from modlog._domain.events import (
    AccountCreated,
    AccountDeleted,
    AccountEvent,
    AccountFlagged,
    AccountNoted,
    AccountProtected,
    AccountRestored,
    AccountSuspended,
    AccountUnprotected,
    FlagsCleared,
    ProfileChanged,
)
from modlog._domain.values import checked_id, checked_versions, instant_text, shown
from modlog._errors import (
    AccountErasedError,
    AccountExistsError,
    AccountNotFoundError,
    InvalidInputError,
    NothingInForceError,
)


def _versions_or_all(value: object) -> tuple[int, ...] | None:
    return None if value is None else checked_versions(value, "versions")


@frozen
class Restore:
    """Lift the sanctions of these versions, or all that are in force."""

    lifts: tuple[int, ...] | None = field(default=None, converter=_versions_or_all)


def _label_or_any(value: object) -> str | None:
    return None if value is None else checked_id(value, "a label")


@frozen
class ClearFlags:
    """Take off the flags of these versions, those of a label, or all that stand."""

    flags: tuple[int, ...] | None = field(default=None, converter=_versions_or_all)
    label: str | None = field(default=None, converter=_label_or_any)

    def __attrs_post_init__(self) -> None:
        if self.flags is not None and self.label is not None:
            raise InvalidInputError("flags are named by their versions or by a label, not by both")


Command = (
    AccountCreated
    | ProfileChanged
    | AccountFlagged
    | ClearFlags
    | AccountSuspended
    | AccountDeleted
    | Restore
    | AccountProtected
    | AccountUnprotected
    | AccountNoted
)

COMMANDS: Final[Mapping[str, type[Command]]] = {
    "create": AccountCreated,
    "change_profile": ProfileChanged,
    "flag": AccountFlagged,
    "clear_flags": ClearFlags,
    "suspend": AccountSuspended,
    "delete": AccountDeleted,
    "restore": Restore,
    "protect": AccountProtected,
    "unprotect": AccountUnprotected,
    "note": AccountNoted,
}
ARGUMENTS: Final[Mapping[str, tuple[str, ...]]] = {
    name: tuple(attrs.fields_dict(cls)) for name, cls in COMMANDS.items()
}
# What of an account each command depends on, beside its version and profile.
ALWAYS_KNOWN: Final[tuple[Facet, ...]] = ("existence", "protection", "erasure")
KNOWN_TO: Final[Mapping[str, tuple[Facet, ...]]] = {
    **dict.fromkeys(COMMANDS, ALWAYS_KNOWN),
    "restore": (*ALWAYS_KNOWN, "sanction"),
    "clear_flags": (*ALWAYS_KNOWN, "flag"),
}
# What takes something away from somebody, or lifts a barrier, is never done without why.
REASON_IS_DUE: Final = frozenset(
    {"suspend", "delete", "restore", "unprotect", "revert", "sweep", "accept_clock"}
)
# How the reasons begin that an import fills in where one is due, and an adoption where nobody
# knows any more, before the name of the batch.
IMPORTED_WITH: Final = "imported with "
ADOPTED_WITH: Final = "adopted with "


def named_by(command: Command) -> tuple[Facet, tuple[int, ...]] | None:
    """The versions that a command names, and of what; None if it means all that is in force."""
    match command:
        case Restore(lifts=versions) if versions:
            return "sanction", versions
        case ClearFlags(flags=versions) if versions:
            return "flag", versions
    return None


def decide(account_id: str, state: AccountState, command: Command, at: datetime) -> AccountEvent:
    """The event that the command leads to at that instant (its `occurred_at`).

    Raises:
        AccountNotFoundError: the account does not exist.
        RefusedError: its state does not allow the command.
        InvalidInputError: a suspension that would end before it begins.
    """
    if state.erased:
        raise AccountErasedError(
            f"account {shown(account_id)} is erased for good: nothing can be done to it any more"
        )
    if isinstance(command, AccountCreated):
        return _creation(account_id, state, command)
    if not state.created:
        raise AccountNotFoundError(_not_found(account_id, state))
    if isinstance(command, Restore):
        return AccountRestored(_lifted(account_id, state, command, at))
    if isinstance(command, ClearFlags):
        return FlagsCleared(_cleared(account_id, state, command))
    if isinstance(command, AccountSuspended):
        _check_until(command, at)
    return command


def _creation(account_id: str, state: AccountState, command: AccountCreated) -> AccountCreated:
    if state.created:
        raise AccountExistsError(
            f"account {shown(account_id)} exists already, at version {state.version}: "
            "change its profile, or restore it if it is deleted"
        )
    return command


def _not_found(account_id: str, state: AccountState) -> str:
    if state.version:
        return (
            f"account {shown(account_id)} does not exist: its creation was reverted; "
            "create it again, or take the reversal back"
        )
    return f"account {shown(account_id)} is not in this ledger: create it, or import its history"


def _lifted(
    account_id: str, state: AccountState, command: Restore, at: datetime
) -> tuple[int, ...]:
    if command.lifts is None:
        in_force = state.in_force(at)
        if not in_force:
            raise NothingInForceError(
                f"account {shown(account_id)} has no sanction in force at {instant_text(at)}: "
                "there is nothing to lift"
            )
        return in_force
    _check_standing(account_id, command.lifts, state.sanctions, "sanction")
    return command.lifts


def _cleared(account_id: str, state: AccountState, command: ClearFlags) -> tuple[int, ...]:
    if command.flags is None:
        meant = [v for v, label in state.flags.items() if command.label in (None, label)]
        if not meant:
            which = "" if command.label is None else f" {shown(command.label)}"
            raise NothingInForceError(f"account {shown(account_id)} has no flag{which} to clear")
        return tuple(sorted(meant))
    _check_standing(account_id, command.flags, state.flags, "flag")
    return command.flags


def _check_standing(
    account_id: str, named: tuple[int, ...], standing: Mapping[int, object], what: str
) -> None:
    gone = [version for version in named if version not in standing]
    if gone:
        stands = ", ".join(map(str, sorted(standing))) or "none"
        raise NothingInForceError(
            f"account {shown(account_id)} has no {what} from version "
            f"{', '.join(map(str, gone))}; those that stand: {stands}"
        )


def _check_until(command: AccountSuspended, at: datetime) -> None:
    if command.until is not None and command.until <= at:
        raise InvalidInputError(
            f"until must be later than the suspension itself: {instant_text(command.until)} is "
            f"not after {instant_text(at)}"
        )


def is_filled_in(reason: str | None) -> bool:
    """Whether nobody gave the reason, and an import or adoption has filled it in."""
    return reason is not None and reason.startswith((IMPORTED_WITH, ADOPTED_WITH))
