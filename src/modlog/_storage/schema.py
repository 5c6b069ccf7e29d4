"""modlog's tables, once for both databases.

Every name begins with `modlog_`, so that a ledger can live in a platform's own database. The
events are the truth; `accounts`, `flags` and `sanctions` are a projection of them that can be
dropped and rebuilt; `keys` remembers which requests were answered.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from attrs import field, frozen

SCHEMA_VERSION: Final = 1

ColumnType = Literal["integer", "small", "real", "text", "bytes"]


@frozen
class Column:
    """A column, in terms that each database has its own word for."""

    name: str
    type: ColumnType
    required: bool = True


@frozen
class Index:
    """An index, and the rows that it is limited to."""

    name: str
    columns: tuple[str, ...]
    unique: bool = False
    where: str | None = None


@frozen
class Table:
    """A table with its key, checks and indexes.

    Attributes:
        names: of its columns.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    indexes: tuple[Index, ...] = ()
    check: str | None = None
    names: tuple[str, ...] = field(init=False)

    @names.default
    def _names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def type_of(self, column_name: str) -> ColumnType:
        """The type of one of its columns."""
        return next(column.type for column in self.columns if column.name == column_name)


def _optional(name: str, type_: ColumnType) -> Column:
    return Column(name, type_, required=False)


# Events after which a history has to be looked at as a whole: what was folded before is changed,
# or the account does not begin with its creation, or has another.
IRREGULAR: Final = (
    "account_id IS NOT NULL AND (type IN ('events.reverted', 'account.erased')"
    " OR (version = 1) <> (type = 'account.created'))"
)

# An event belongs to an account (account_id), to a sweep (only batch_id), or to a program that
# keeps its own events here (foreign_id, with its raw bytes).
EVENTS: Final = Table(
    "events",
    (
        Column("position", "integer"),
        Column("recorded_at", "integer"),
        _optional("occurred_at", "integer"),
        Column("version", "integer"),
        _optional("schema", "small"),
        _optional("confidence", "real"),
        _optional("account_id", "text"),
        Column("type", "text"),
        _optional("actor_kind", "text"),
        _optional("actor_id", "text"),
        _optional("actor_version", "text"),
        _optional("actor_account_id", "text"),
        _optional("reason", "text"),
        _optional("policy", "text"),
        _optional("batch_id", "text"),
        _optional("correlation_id", "text"),
        _optional("data", "text"),
        _optional("foreign_id", "text"),
        _optional("foreign_state", "bytes"),
    ),
    key=("position",),
    check=(
        "(foreign_id IS NULL AND data IS NOT NULL AND schema IS NOT NULL"
        " AND occurred_at IS NOT NULL AND actor_kind IS NOT NULL AND actor_id IS NOT NULL"
        " AND version > 0 AND (account_id IS NOT NULL OR batch_id IS NOT NULL))"
        " OR (foreign_id IS NOT NULL AND foreign_state IS NOT NULL AND account_id IS NULL"
        " AND batch_id IS NULL AND data IS NULL)"
    ),
    indexes=(
        Index("events_account", ("account_id", "version"), unique=True),
        Index(
            "events_sweep",
            ("batch_id", "version"),
            unique=True,
            where="account_id IS NULL AND foreign_id IS NULL",
        ),
        Index(
            "events_foreign",
            ("foreign_id", "version"),
            unique=True,
            where="foreign_id IS NOT NULL",
        ),
        Index("events_batch", ("batch_id", "position"), where="batch_id IS NOT NULL"),
        # recorded_at grows with the position, so this is also the index by actor and time.
        Index("events_actor", ("actor_id", "position")),
        Index("events_type", ("type", "position")),
        Index("events_irregular", ("account_id", "version"), where=IRREGULAR),
    ),
)

ACCOUNTS: Final = Table(
    "accounts",
    (
        Column("account_id", "text"),
        Column("version", "integer"),
        Column("latest", "integer"),
        Column("created", "small"),
        Column("erased", "small"),
        Column("protected", "small"),
        Column("reverted", "small"),
        Column("profile", "text"),
    ),
    key=("account_id",),
)

FLAGS: Final = Table(
    "flags",
    (Column("account_id", "text"), Column("version", "integer"), Column("label", "text")),
    key=("account_id", "version"),
    indexes=(Index("flags_label", ("label", "account_id")),),
)

SANCTIONS: Final = Table(
    "sanctions",
    (
        Column("account_id", "text"),
        Column("version", "integer"),
        Column("kind", "text"),
        Column("since", "integer"),
        _optional("until", "integer"),
    ),
    key=("account_id", "version"),
)

# A key leads to the event of its request, or to why an import rejected it.
KEYS: Final = Table(
    "keys",
    (
        Column("digest", "bytes"),
        Column("request", "bytes"),
        _optional("position", "integer"),
        _optional("rejection", "text"),
    ),
    key=("digest",),
    check="(position IS NULL) <> (rejection IS NULL)",
)

# What a revert was asked to take back, so that it can go on after a crash: the selection means
# the events up to the head that the plan saw.
REVERTS: Final = Table(
    "reverts",
    (Column("batch_id", "text"), Column("head", "integer"), Column("selection", "text")),
    key=("batch_id",),
)

# What a sweep is to act on, as it was when the sweep was planned. The key is made of the batch
# and the digest of the list, so that a plan which a crash cut short leaves no trace in another.
SWEEP_TARGETS: Final = Table(
    "sweep_targets",
    (
        Column("sweep", "bytes"),
        Column("account_id", "text"),
        _optional("status", "text"),
        Column("protected", "small"),
        _optional("rule", "text"),
    ),
    key=("sweep", "account_id"),
)

# What became of targets on which a sweep did not act; those on which it did have its event.
SWEEP_OUTCOMES: Final = Table(
    "sweep_outcomes",
    (
        Column("batch_id", "text"),
        Column("account_id", "text"),
        Column("outcome", "text"),
        _optional("rule", "text"),
    ),
    key=("batch_id", "account_id"),
)

# By whom and why it was accepted that the ledger goes on although its last instant lies ahead of
# the clock: at which position, what the instant was, and what the clock said.
CLOCKS: Final = Table(
    "clocks",
    (
        Column("position", "integer"),
        Column("recorded_at", "integer"),
        Column("clock", "integer"),
        Column("actor_kind", "text"),
        Column("actor_id", "text"),
        _optional("actor_version", "text"),
        _optional("actor_account_id", "text"),
        Column("reason", "text"),
    ),
    key=("position",),
)

META: Final = Table("meta", (Column("name", "text"), Column("value", "text")), key=("name",))

PROJECTION: Final = (ACCOUNTS, FLAGS, SANCTIONS)
TABLES: Final[Mapping[str, Table]] = {
    table.name: table
    for table in (EVENTS, *PROJECTION, KEYS, REVERTS, SWEEP_TARGETS, SWEEP_OUTCOMES, CLOCKS, META)
}
# Tables whose rows are for ever.
INSERT_ONLY: Final = (EVENTS, REVERTS, SWEEP_TARGETS, SWEEP_OUTCOMES, CLOCKS)


def create_table(table: Table, prefix: str, types: Mapping[ColumnType, str], end: str = "") -> str:
    """The statement that makes a table."""
    columns = [
        f"{column.name} {types[column.type]}{' NOT NULL' if column.required else ''}"
        for column in table.columns
    ]
    constraints = [f"PRIMARY KEY ({', '.join(table.key)})"]
    if table.check:
        constraints.append(f"CHECK ({table.check})")
    body = ", ".join([*columns, *constraints])
    return f"CREATE TABLE {prefix}{table.name} ({body}){end}"


def create_indexes(table: Table, prefix: str, name_prefix: str) -> list[str]:
    """The statements that make a table's indexes."""
    return [
        f"CREATE {'UNIQUE ' if index.unique else ''}INDEX {name_prefix}{index.name}"
        f" ON {prefix}{table.name} ({', '.join(index.columns)})"
        f"{f' WHERE {index.where}' if index.where else ''}"
        for index in table.indexes
    ]
