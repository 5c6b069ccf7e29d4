"""The audit log and the strikes of a Mastodon server: `admin_action_logs`, `account_warnings`.

Both are tables of its PostgreSQL database, exported as CSV with a header or as JSON (one row a
line, or lists of rows; both tables may stand in one file). The rows are put into the order of time.

Of the audit log, which tells what was done:

- `suspend` of an account is a suspension, `unsuspend` restores it; `destroy` of an account, and
  `reject` of a user who has signed up, are deletions;
- `silence`, `sensitive` and `disable` (no login) put a flag on the account, `silenced`, `sensitive`
  or `disabled`, which `unsilence`, `unsensitive` and `enable` take off;
- all else is a note. What is about no account, or about one that the row does not tell, is a note
  on the account of the moderator who did it.

A strike is a note with what its owner was told: what was done stands in the audit log already, and
would count twice. Where an appeal has overruled it (`overruled_at`), which the audit log does not
tell of, that takes the sanction back.

Accounts are the ids of `accounts`. Rows about users, posts, reports and appeals have ids of other
tables; a column `target_account_id`, which an export may add, says whose they are. Sources:
mastodon/mastodon `db/schema.rb`, `app/models/admin/action_log.rb`, `action_log_filter.rb`,
`account_action.rb`, `app/models/account_warning.rb`, `app/services/approve_appeal_service.rb`.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from modlog._errors import InvalidInputError
from modlog._services.records import Unreadable
from modlog.importers._mapping import (
    Mapped,
    Record,
    id_in,
    in_order,
    instant_in,
    mapping_in,
    note,
    record,
    text_in,
)
from modlog.importers._reading import (
    Numbered,
    Source,
    begins_with,
    events_of,
    json_values,
    table_rows,
    values_of,
)

__all__ = ["numbered", "records"]

# What an action on the target of a kind does to its account: a command and its arguments.
_ACTIONS: Final[Mapping[tuple[str, str], Record]] = {
    ("suspend", "Account"): {"do": "suspend"},
    ("unsuspend", "Account"): {"do": "restore"},
    ("destroy", "Account"): {"do": "delete"},
    ("reject", "User"): {"do": "delete", "reason": "the sign-up was rejected"},
    ("silence", "Account"): {"do": "flag", "label": "silenced"},
    ("unsilence", "Account"): {"do": "clear_flags", "label": "silenced"},
    ("sensitive", "Account"): {"do": "flag", "label": "sensitive"},
    ("unsensitive", "Account"): {"do": "clear_flags", "label": "sensitive"},
    ("disable", "User"): {"do": "flag", "label": "disabled"},
    ("enable", "User"): {"do": "clear_flags", "label": "disabled"},
}
# What takes back the sanction of a strike.
_OVERRULING: Final[Mapping[str, Record]] = {
    "suspend": {"do": "restore"},
    "silence": {"do": "clear_flags", "label": "silenced"},
    "sensitive": {"do": "clear_flags", "label": "sensitive"},
    "disable": {"do": "clear_flags", "label": "disabled"},
}
# AccountWarning.action, as it is stored.
_STRIKES: Final[Mapping[int, str]] = {
    0: "none",
    1_000: "disable",
    1_250: "mark_statuses_as_sensitive",
    1_500: "delete_statuses",
    2_000: "sensitive",
    3_000: "silence",
    4_000: "suspend",
}
_SERVER: Final = {"kind": "system", "id": "mastodon"}
_LOG, _STRIKE, _OVERRULED = 0, 1, 2  # in this order at one instant


def records(source: Source) -> Iterator[Record | Unreadable]:
    """The records that rows of the two tables stand for.

    Args:
        source: a path (.gz too), an open binary file, or an iterable of rows or of lines.

    Raises:
        InvalidInputError: the file is damaged, or holds other things.
        OSError: there is no such file, or it may not be read.
    """
    return (one for _, one in numbered(source))


def numbered(source: Source) -> Numbered:
    """The same with the number of the line of each, for `ModLog.ingest_numbered`.

    Of a JSON document that goes over several lines it is the number of the row.
    """
    rows = events_of(values_of(source, _in_file), lambda row: (row,))
    yield from in_order(rows, _mapped)


def _in_file(file: io.BufferedReader) -> Numbered:
    return json_values(file) if begins_with(file, b"{", b"[") else table_rows(file)


def _mapped(row: Any) -> Mapped:
    row = mapping_in(row, "a row")
    if "target_type" in row:
        return _of_log(row)
    if "target_account_id" in row and "text" in row:
        return _of_strike(row)
    raise InvalidInputError(
        "a row of admin_action_logs has target_type, one of account_warnings has "
        f"target_account_id and text; this one has {', '.join(map(str, row)) or 'nothing'!s:.200}"
    )


def _of_log(row: Mapping[str, Any]) -> Mapped:
    number = id_in(row.get("id"), "id")
    at = instant_in(row.get("created_at"), "created_at")
    by, action = _account(row, "account_id"), text_in(row.get("action"), "action")
    kind = row["target_type"] or ""
    about = _target(row, kind)
    key = f"mastodon/admin_action_logs/{number}"
    order = (at, _LOG, number)
    meant = _ACTIONS.get((action, kind)) if isinstance(kind, str) else None
    if meant and about:
        yield order, record(**meant, account_id=about, at=at, key=key, actor=_moderator(by))
        return
    details = _details(row, "human_identifier", "permalink", "target_id")
    yield (
        order,
        note(f"{action} {kind}".strip(), details, about or by, at, key, actor=_moderator(by)),
    )


def _target(row: Mapping[str, Any], kind: str) -> str | None:
    """The account that a row is about, if it tells."""
    if row.get("target_account_id"):
        return _account(row, "target_account_id")
    if kind == "Account":
        return _account(row, "target_id")
    if kind == "User" and row.get("route_param"):
        return _account(row, "route_param")
    return None


def _of_strike(row: Mapping[str, Any]) -> Mapped:
    number = id_in(row.get("id"), "id")
    about = _account(row, "target_account_id")
    at = instant_in(row.get("created_at"), "created_at")
    by = _moderator(_account(row, "account_id")) if row.get("account_id") else _SERVER
    action, key = _strike(row.get("action")), f"mastodon/account_warnings/{number}"
    details = _details(row, "text", "report_id", "status_ids")
    yield (at, _STRIKE, number), note(f"strike: {action}", details, about, at, key, actor=by)
    if row.get("overruled_at"):
        at = instant_in(row["overruled_at"], "overruled_at")
        yield (at, _OVERRULED, number), _overruling(action, about, at, f"{key}/overruled")


def _overruling(action: str, about: str, at: datetime, key: str) -> Record:
    if meant := _OVERRULING.get(action):
        why = "an appeal against the strike was approved"
        return record(**meant, account_id=about, at=at, key=key, actor=_SERVER, reason=why)
    return note(f"strike overruled: {action}", {}, about, at, key, actor=_SERVER)


def _strike(action: Any) -> str:
    if isinstance(action, str) and action in _STRIKES.values():
        return action
    number = id_in(action, "action")
    return _STRIKES.get(number, str(number))


def _details(row: Mapping[str, Any], *columns: str) -> dict[str, str]:
    """Columns as text, so that a row says the same as CSV and as JSON."""
    found = {name: row[name] for name in columns if row.get(name)}
    return {
        name: f"{{{','.join(map(str, value))}}}" if isinstance(value, list) else str(value)
        for name, value in found.items()
    }


def _account(row: Mapping[str, Any], column: str) -> str:
    return str(id_in(row.get(column), column))


def _moderator(account_id: str) -> Record:
    return {"kind": "human", "id": account_id, "account_id": account_id}
