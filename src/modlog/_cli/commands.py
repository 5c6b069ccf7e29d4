"""Every command on one account, from the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import click
from attrs import frozen

from modlog._cli.acting import actor_of, as_actor
from modlog._cli.answers import event_data
from modlog._cli.calling import options, print_json, writing
from modlog._cli.completing import batch_ids
from modlog._cli.instants import INSTANT
from modlog._cli.near import on_account
from modlog._domain.values import shown
from modlog._errors import InvalidInputError
from modlog._services.ledger import ModLog
from modlog._services.lines import record_in

Decorator = Callable[[Any], Any]

_ENVELOPE: Final = (
    click.option("--reason", help="Why, in words."),
    click.option("--policy", metavar="CODE", help="The rule that is applied."),
    click.option(
        "--batch", "batch_id", metavar="NAME", shell_complete=batch_ids, help="What it is part of."
    ),
    click.option(
        "--correlation",
        "correlation_id",
        metavar="ID",
        help="Ties it to a ticket, request or trace outside.",
    ),
    click.option(
        "--at", "occurred_at", type=INSTANT, help="When it happened, if not now; UTC if no zone."
    ),
    click.option(
        "--key",
        "idempotency_key",
        metavar="KEY",
        help="The same request with the same key is carried out once.",
    ),
    click.option("--dry-run", is_flag=True, help="Only show what would come of it."),
)


_GIVEN: Final = ("reason", "policy", "batch_id", "correlation_id", "occurred_at", "idempotency_key")
_OVERRIDING: Final = (
    click.option(
        "--override-protection",
        is_flag=True,
        help="Also if it is protected; needs --approved-by.",
    ),
    click.option("--approved-by", metavar="KIND:ID", help="The second person, who agrees to that."),
)
_SET: Final = click.option(
    "--set", "values", metavar="KEY=TEXT", multiple=True, help="A key of the profile."
)


@frozen
class _Asked:
    """A command that is to be carried out.

    Attributes:
        name: of the ledger's method.
        account_id: on which account.
        arguments: of the method.
        dry_run: whether nothing is to stay of it.
        as_json: whether a program reads the answer.
    """

    name: str
    account_id: str
    arguments: Mapping[str, Any]
    dry_run: bool
    as_json: bool

    def carry_out(self, log: ModLog) -> None:
        """Carry it out, and tell what came of it."""
        with log.transaction(dry_run=self.dry_run):
            event = getattr(log, self.name)(self.account_id, **self.arguments)
            account = log.account(self.account_id)
            events = log.history(self.account_id) if account.sanctions else []
        if self.as_json:
            print_json({**event_data(event), "status": account.status, "dry_run": self.dry_run})
            return
        from modlog._cli import terminal

        done = "would be" if self.dry_run else "is"
        click.echo(f"{event.type} {done} recorded at position {event.position:,}")
        terminal.show(terminal.card(account, events))


def _on_account(own: Callable[..., Mapping[str, Any]], *options_: Decorator) -> click.Command:
    """A command on an account, which is called as the ledger's method is.

    Args:
        own: makes the arguments of the method from the options that only this command has.
        options_: these options.
    """

    def called(
        *,
        account_id: str,
        actor: str,
        own_account: str | None,
        dry_run: bool,
        url: str,
        schema: str | None,
        as_json: bool,
        **rest: Any,
    ) -> None:
        given = {name: rest.pop(name) for name in _GIVEN}
        arguments = {**given, **own(**rest), "actor": actor_of(actor, own_account)}
        with writing(url, schema) as log:
            _Asked(own.__name__, account_id, arguments, dry_run, as_json).carry_out(log)

    command: Any = called
    for option in reversed((on_account, *options_, *_ENVELOPE, as_actor, options)):
        command = option(command)
    return click.command(own.__name__.replace("_", "-"), help=own.__doc__)(command)


def create(values: tuple[str, ...], profile: str | None) -> Mapping[str, Any]:
    """Open account ID.

    Example: modlog create 110018 --set nickname=Lei --as system:sign-up
    """
    return {"profile": {**_json_object(profile), **_pairs(values)}}


def change_profile(
    values: tuple[str, ...], profile: str | None, removed: tuple[str, ...]
) -> Mapping[str, Any]:
    """Change the profile of account ID.

    Example: modlog change-profile 110018 --set nickname=Lei --remove avatar --as human:wan
    """
    return {"changes": {**_json_object(profile), **_pairs(values), **dict.fromkeys(removed)}}


def flag(label: str, score: float | None) -> Mapping[str, Any]:
    """Put a flag on account ID.

    Example: modlog flag 110018 --label spam --score 0.9 --as bot:filter
    """
    return {"label": label, "score": score}


def clear_flags(flags: tuple[int, ...], label: str | None) -> Mapping[str, Any]:
    """Take flags off account ID: all, or those named.

    Example: modlog clear-flags 110018 --label spam --as human:wan
    """
    return {"flags": flags or None, "label": label}


def suspend(until: datetime | None, **overriding: Any) -> Mapping[str, Any]:
    """Suspend account ID.

    Example: modlog suspend 110018 --until "in 7 days" --reason spam --as human:wan
    """
    return {"until": until, **_overridden(**overriding)}


def delete(**overriding: Any) -> Mapping[str, Any]:
    """Delete account ID.

    One that is deleted already gets a further cause, and stays deleted until each is lifted.

    Example: modlog delete 110018 --reason "illegal content" --as human:wan --dry-run
    """
    return _overridden(**overriding)


def restore(lifts: tuple[int, ...]) -> Mapping[str, Any]:
    """Lift the sanctions of account ID: all, or those named.

    Example: modlog restore 110018 --reason "a mistake" --as human:mei
    """
    return {"lifts": lifts or None}


def protect() -> Mapping[str, Any]:
    """Shield account ID from sweeps.

    Example: modlog protect 110018 --as human:wan
    """
    return {}


def unprotect() -> Mapping[str, Any]:
    """Take the shield from account ID.

    Example: modlog unprotect 110018 --reason "no longer needed" --as human:wan
    """
    return {}


def note(text: str) -> Mapping[str, Any]:
    """Write TEXT down about account ID; it changes nothing.

    Example: modlog note 110018 "called support" --as human:wan
    """
    return {"text": text}


def _overridden(override_protection: bool, approved_by: str | None) -> Mapping[str, Any]:
    second = None if approved_by is None else actor_of(approved_by, None)
    return {"override_protection": override_protection, "approved_by": second}


def _pairs(values: tuple[str, ...]) -> Mapping[str, str]:
    pairs = {}
    for value in values:
        key, equals, text = value.partition("=")
        if not equals:
            raise InvalidInputError(f"--set takes KEY=TEXT, not {shown(value)}")
        pairs[key] = text
    return pairs


def _json_object(text: str | None) -> Mapping[str, Any]:
    found = {} if text is None else record_in(text.encode("utf-8", "surrogateescape"))
    if not isinstance(found, dict):
        raise InvalidInputError('--profile takes a JSON object, as {"nickname": "Lei"}')
    return found


_VERSION: Final[Mapping[str, Any]] = {
    "metavar": "VERSION",
    "type": int,
    "multiple": True,
    "help": "Only this one; may be repeated.",
}
_PROFILE: Final = click.option(
    "--profile", metavar="JSON", help="Keys of the profile with values of any kind, as an object."
)
ON_ACCOUNTS: Final = (
    _on_account(create, _SET, _PROFILE),
    _on_account(
        change_profile,
        _SET,
        _PROFILE,
        click.option("--remove", "removed", metavar="KEY", multiple=True, help="A key to remove."),
    ),
    _on_account(
        flag,
        click.option("--label", metavar="LABEL", required=True, help="What it is flagged as."),
        click.option("--score", type=click.FloatRange(0, 1), help="How sure that is, 0 to 1."),
    ),
    _on_account(
        clear_flags,
        click.option("--flag", "flags", **_VERSION),
        click.option("--label", metavar="LABEL", help="Only those of this label."),
    ),
    _on_account(
        suspend,
        click.option("--until", type=INSTANT, help="When it ends; never if left out."),
        *_OVERRIDING,
    ),
    _on_account(delete, *_OVERRIDING),
    _on_account(
        restore,
        click.option("--lift", "lifts", **_VERSION),
    ),
    _on_account(protect),
    _on_account(unprotect),
    _on_account(note, click.argument("text")),
)
