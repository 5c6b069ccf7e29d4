"""Names that a ledger has never seen, and those it knows that are near."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from functools import wraps
from typing import Any, Final

import click

from modlog._cli.calling import Command, complain, reading
from modlog._cli.completing import account_ids, sweep_names
from modlog._domain.values import Actor, shown
from modlog._errors import AccountNotFoundError, ModlogError, SweepNotFoundError
from modlog._services.ledger import ModLog
from modlog._storage.names import NameKind

# The filters of a selection that are names, and of what.
_FILTERS: Final[Mapping[str, NameKind]] = {
    "account_id": "account",
    "actor": "actor",
    "batch_id": "batch",
    "policy": "policy",
    "correlation_id": "correlation",
}
# So many of the last characters may be wrong; if more are, the first half has to be right.
_LAST: Final = 3


def _naming(
    argument: str, kind: NameKind, missing: type[ModlogError], **settings: Any
) -> Callable[[Callable[..., Any]], Command]:
    """A decorator: an argument that is a name; where there is none such, what is near is told."""

    def decorated(command: Callable[..., Any]) -> Command:
        @wraps(command)
        def called(*, url: str, schema: str | None, **rest: Any) -> Any:
            try:
                return command(url=url, schema=schema, **rest)
            except missing as error:
                with reading(url, schema) as log:
                    raise missing(f"{error}{_near(log, kind, rest[argument])}") from None

        return click.argument(argument, **settings)(called)

    return decorated


on_account: Final = _naming(
    "account_id", "account", AccountNotFoundError, metavar="ID", shell_complete=account_ids
)
on_sweep: Final = _naming(
    "batch", "sweep", SweepNotFoundError, metavar="NAME", shell_complete=sweep_names
)


def warn_of_unknown(log: ModLog, filters: Mapping[str, Iterable[Any]]) -> None:
    """Tell which names in the filters of a selection the ledger has never seen."""
    for name, kind in _FILTERS.items():
        for value in filters.get(name, ()):
            sought = value.id if isinstance(value, Actor) else value
            if log.names_from(kind, sought)[:1] != [sought]:
                complain(f"{kind} {shown(sought)} is not in this ledger{_near(log, kind, sought)}")


def warn_of_label(log: ModLog, label: str) -> None:
    """Tell that no flag of a label stands at present, if that is so."""
    if log.names_from("label", label)[:1] != [label]:
        complain(f"no flag {shown(label)} stands in this ledger{_near(log, 'label', label)}")


def _near(log: ModLog, kind: NameKind, name: str) -> str:
    """What to add to a message: the names near this one, if there are any.

    They are sought among a hundred names for each of a few beginnings that they may share.
    """
    lengths = {max(len(name) - cut, 0) for cut in range(_LAST + 1)} | {len(name) // 2, 0}
    found = {one for length in lengths for one in log.names_from(kind, name[:length])}
    near = get_close_matches(name, sorted(found - {name}))
    return f"; near it: {', '.join(map(shown, near))}" if near else ""
