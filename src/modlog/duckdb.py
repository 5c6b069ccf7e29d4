"""The whole history on one machine: an archive as tables and views of DuckDB.

    history = modlog.duckdb.connect("archive")
    history.sql("SELECT status, count(*) FROM states(1000) GROUP BY status")

What stands when is made by the same code as the ledger's own projection, and asked by the same
SQL; only the engine is another. The connection is DuckDB's own, with these in it:

- `events`: a row an event, with its act and its account;
- `spans`: each stay of something in an account's state, with the positions at which it began and
  ended, and when what happened there occurred;
- `accounts`: each account with its version;
- `states(up_to)`: `account_id` and `status` of every account after the event at a position, at
  the instant when that was recorded, as `as_of` tells them;
- `modlog_events`, `modlog_acts`, `modlog_streams`, `modlog_accounts`, `modlog_spans`: the
  ledger's own tables.

Names: `connect`, `figures`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from os import PathLike
from typing import Any, Final, cast

from attrs import frozen

from modlog._domain.figures import By, Figures, checked_by
from modlog._domain.selection import Scope, Selection, checked_selection
from modlog._domain.values import checked_callable, shown
from modlog._errors import InvalidInputError
from modlog._services.archive.places import place_of
from modlog._services.archive.reading import Dataset, dataset_of
from modlog._services.archive.replaying import buckets_of, events_of_bucket
from modlog._services.archive.tabulating import COLUMNS, schema_of_table, tables_of
from modlog._storage.codec import ACT_COLUMNS
from modlog._storage.database import Database, Row, Session
from modlog._storage.figures import figures as figures_of
from modlog._storage.projection import GRAVEST, OF_STATUS, facets_sql, numbers, status_sql
from modlog._storage.reading import Reader
from modlog._storage.spans import Moment
from modlog._storage.store import Store

__all__ = ["connect", "figures"]

_VIEWS: Final = ("events", "spans", "accounts")


def connect(
    archive: str | PathLike[str],
    ledger: str | None = None,
    *,
    database: str | PathLike[str] = ":memory:",
    filesystem: Any = None,
    progress: Callable[[int], object] | None = None,
) -> Any:
    """Bring what an archive has of a ledger into DuckDB.

    Every file is checked against its manifest, and every account replayed. In a database that has
    the same ledger up to the same position already, nothing is done.

    Args:
        archive: a folder or a URI, as `ModLog.archive` takes it.
        ledger: the id of the ledger; may be left out where the archive has only one.
        database: the path of a DuckDB file; in memory if left out.
        filesystem: one of `pyarrow.fs` on which the archive is a path.
        progress: called after each bucket with how many events are through.

    Returns:
        a `duckdb.DuckDBPyConnection`.

    Raises:
        ArchiveError: there is no archive, or a file of it is missing, cut or changed.
        CorruptEventError: an event in it is not what modlog writes.
        InvalidInputError: DuckDB or pyarrow is not installed; several ledgers and none is named;
            or the database has something else in it.
    """
    checked_callable(progress, "progress")
    duckdb = _installed()
    if not isinstance(database, str | PathLike):
        raise InvalidInputError(f"database= is the path of a file, not {shown(database)}")
    dataset = dataset_of(place_of(archive, filesystem), ledger)
    head = (dataset.ledger, dataset.last)
    try:
        connection = duckdb.connect(os.fspath(database))
    except duckdb.Error as error:
        raise InvalidInputError(f"{shown(os.fspath(database))}: {error}") from error
    try:
        found = _found(connection)
        if found and found[0] != dataset.ledger:
            raise InvalidInputError(
                f"{shown(os.fspath(database))} has the ledger {found[0]}: name another file"
            )
        if found != head:
            _bring(connection, dataset, progress)
    except BaseException:
        connection.close()
        raise
    return connection


def figures(connection: Any, selection: Selection | None = None, by: By = "actor") -> list[Figures]:
    """Figures of sanctions and flags, as `ModLog.stats` gives them.

    Args:
        connection: of `connect`.
        selection: of the events that began them; all if left out.
        by: actor, actor_kind, policy, batch, label, day or hour.
    """
    chosen = checked_selection(selection, "figures()")
    with _reader(connection) as reader:
        return figures_of(reader, chosen, checked_by(by))


def _installed() -> Any:
    try:
        import duckdb
    except ImportError as error:
        raise InvalidInputError(
            "this needs DuckDB, which is not installed: pip install 'modlog[duckdb]'"
        ) from error
    return duckdb


def _found(connection: Any) -> tuple[str, int] | None:
    """Which ledger is there, and up to where."""
    tables = {name for (name,) in connection.execute("SHOW TABLES").fetchall()}
    if "modlog_archive" in tables:
        row = connection.execute("SELECT ledger, head FROM modlog_archive").fetchone()
        return None if row is None else (str(row[0]), int(row[1]))
    if tables:
        raise InvalidInputError("the database has other tables in it: name another file")
    return None


def _bring(connection: Any, dataset: Dataset, progress: Callable[[int], object] | None) -> None:
    """Make the tables and what stands on them, in one transaction."""
    connection.execute("BEGIN")
    connection.execute("CREATE OR REPLACE TABLE modlog_archive (ledger TEXT, head BIGINT)")
    for name in COLUMNS:
        connection.register("modlog_rows", schema_of_table(name).empty_table())
        connection.execute(f"CREATE OR REPLACE TABLE modlog_{name} AS SELECT * FROM modlog_rows")
        connection.unregister("modlog_rows")
    done = 0
    for bucket in buckets_of(dataset):
        done += _bring_bucket(connection, dataset, bucket)
        if progress:
            progress(done)
    for name in _VIEWS:
        connection.execute(f"CREATE OR REPLACE VIEW {name} AS {_view(name)}")
    connection.execute(f"CREATE OR REPLACE MACRO states(up_to) AS TABLE {_states()}")
    connection.execute("INSERT INTO modlog_archive VALUES (?, ?)", (dataset.ledger, dataset.last))
    connection.execute("COMMIT")


def _bring_bucket(connection: Any, dataset: Dataset, bucket: int) -> int:
    """The rows of a bucket's events and accounts; how many events they are."""
    events = events_of_bucket(dataset, bucket)
    for name, rows in tables_of(events).items():
        connection.register("modlog_rows", rows)
        connection.execute(f"INSERT INTO modlog_{name} SELECT * FROM modlog_rows")
        connection.unregister("modlog_rows")
    return int(events.num_rows)


def _view(name: str) -> str:
    own = "FROM modlog_{0} AS x JOIN modlog_streams AS s ON s.number = x.stream"
    if name == "events":
        acts = ", ".join(f"a.{column}" for column in ACT_COLUMNS[3:])
        return (
            "SELECT x.position, CASE WHEN s.kind = 'account' THEN s.id END AS account_id,"
            " x.version, a.type, make_timestamptz(a.recorded_at) AS recorded_at,"
            " make_timestamptz(coalesce(x.occurred_at, a.recorded_at)) AS occurred_at,"
            f" {acts}, x.data, x.personal {own.format('events')}"
            " JOIN modlog_acts AS a ON a.number = x.act WHERE s.kind <> 'foreign'"
        )
    if name == "spans":
        return (
            f"SELECT s.id AS account_id, x.version, {facets_sql('x.facet')} AS facet, x.label,"
            " make_timestamptz(x.since) AS since, make_timestamptz(x.until) AS until,"
            " x.opened, x.closed, make_timestamptz(coalesce(x.opened_at, x.since)) AS opened_at,"
            f" make_timestamptz(x.closed_at) AS closed_at {own.format('spans')}"
        )
    return f"SELECT s.id AS account_id, x.version, x.profile {own.format('accounts')}"


def _states() -> str:
    """The ledger's own rule of statuses, with a position in the place of its parameters."""
    moment = Moment.of(Scope(up_to_position=0)).sql.replace("?", "up_to")
    instant = "(SELECT max(recorded_at) FROM modlog_acts WHERE number <= up_to)"
    gravest = (
        f"SELECT x.stream, {GRAVEST.replace('?', 'i.at_micros')} AS gravest FROM modlog_spans AS x"
        f" CROSS JOIN (SELECT {instant} AS at_micros) AS i"
        f" WHERE x.facet IN ({numbers(OF_STATUS)}) AND {moment} GROUP BY x.stream"
    )
    return (
        f"SELECT s.id AS account_id, {status_sql('g.gravest')} AS status FROM modlog_streams AS s"
        f" LEFT JOIN ({gravest}) AS g ON g.stream = s.number"
        " WHERE s.kind = 'account' AND s.number <= up_to"
    )


# The ledger's questions, asked here.


@frozen
class _DuckDB:
    """What questions ask of a database."""

    def table(self, name: str) -> str:
        return f"modlog_{name}"

    def among(self, column: str, values: Sequence[Any]) -> tuple[str, tuple[Any, ...]]:
        return f"{column} IN (SELECT unnest(?))", (list(values),)

    def sorting(self, _: object) -> AbstractContextManager[None]:
        return nullcontext()


@frozen
class _Session:
    """A cursor in which numbers are divided as the ledger's databases do."""

    cursor: Any

    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        found: list[Row] = self.cursor.execute(sql, list(params)).fetchall()
        return found

    def row(self, sql: str, params: Sequence[Any] = ()) -> Row | None:
        found = self.rows(sql, params)
        return found[0] if found else None


@contextmanager
def _reader(connection: Any) -> Iterator[Reader]:
    with connection.cursor() as cursor:
        cursor.execute("SET integer_division = true")
        yield Reader(Store(cast("Database", _DuckDB())), cast("Session", _Session(cursor)))
