"""The whole history on many machines: an archive, replayed on Apache Spark.

    states = modlog.spark.states(spark, "s3://bucket/archive", as_of=1_000_000)
    states.groupBy("status").count().show()

Each bucket of the archive is a task: a worker reads its files, checks them against their manifest
and replays its accounts by the ledger's own code, in Arrow, without any shuffle. So there are as
many tasks as the archive has buckets (`ModLog.archive(buckets=…)`). Workers need modlog and
pyarrow, and must reach the archive under the same name.

Names: `states`, `stats`, `impact`, `verify`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from datetime import datetime
from functools import partial
from os import PathLike
from typing import Any, Final, cast
from uuid import uuid4

import orjson
from attrs import fields, frozen

from modlog._domain.figures import By, Figures, checked_by
from modlog._domain.selection import Selection, checked_selection
from modlog._domain.values import shown
from modlog._errors import InvalidInputError
from modlog._services.archive.looking import Looking
from modlog._services.archive.places import place_of
from modlog._services.archive.reading import Dataset, dataset_of
from modlog._services.archive.replaying import (
    accounts_at,
    buckets_of,
    events_of_bucket,
    impact_lines,
)
from modlog._services.archive.tabulating import (
    projected_tables,
    recorded_tables,
    schema_of_table,
)
from modlog._services.blocks import blocks
from modlog._storage.codec import canonical
from modlog._storage.database import Database, Row, Session
from modlog._storage.figures import figures as figures_of
from modlog._storage.parts import PartReader
from modlog._storage.store import Store

__all__ = ["impact", "states", "stats", "verify"]

_Answer = Callable[[int], Iterable[Any]]
# Rows that are handed to Spark at a time.
_BATCH: Final = 10_000
_STATES: Final = (
    "account_id string, status string, version long, protected boolean, flags array<string>,"
    " profile string"
)
_IMPACT: Final = (
    "account_id string, status string, standing array<long>, lifted array<long>,"
    " others array<long>, batches array<string>, remarks array<string>"
)
_FINDINGS: Final = "check string, message string, position long"
# What figures are worked out from.
_TABLES: Final = ("events", "acts", "streams", "spans")
_NOT_ASKED: Final = ("data", "personal", "state")


def states(
    spark: Any,
    archive: str | PathLike[str],
    *,
    as_of: int | datetime | None = None,
    without: Selection | None = None,
    ledger: str | None = None,
    filesystem: Any = None,
) -> Any:
    """Every account as it was, or as it would be without some events.

    Args:
        spark: a `SparkSession`.
        archive: a folder or a URI, as `ModLog.archive` takes it.
        as_of: a position, or an aware datetime on the clock of `recorded_at`, as `ModLog.as_of`
            takes them; the archive's end, at the instant of its last event, if left out.
        without: events that do not count, as `ModLog.without` takes them.
        ledger: the id of the ledger; may be left out where the archive has only one.
        filesystem: one of `pyarrow.fs` on which the archive is a path; it is sent to the workers.

    Returns:
        a DataFrame, worked out when it is asked: `account_id`, `status`, `version`, `protected`,
        `flags` (the labels of those that stand), `profile` (JSON as text). A file that is missing,
        cut or changed, or an event that is damaged, fails it.

    Raises:
        ArchiveError: there is no archive, or a manifest of it is missing or was changed.
        InvalidInputError: no session; no moment that the archive has; several ledgers, and none
            is named.
    """
    if without is not None and not isinstance(without, Selection):
        raise InvalidInputError(f"without= takes a Selection, not {shown(without)}")
    dataset = _dataset(spark, archive, ledger, filesystem)
    position, at = dataset.moment(as_of)
    return _by_bucket(spark, dataset, partial(_states, dataset, position, at, without), _STATES)


def impact(
    spark: Any,
    archive: str | PathLike[str],
    selection: Selection,
    *,
    ledger: str | None = None,
    filesystem: Any = None,
) -> Any:
    """What selected events came to for each account, up to the archive's end.

    Args:
        spark: a `SparkSession`.
        archive: as `states` takes it.
        selection: the events that are meant.
        ledger: as `states` takes it.
        filesystem: as `states` takes it.

    Returns:
        a DataFrame of what `Impact.lines` gives: `account_id`, `status` at the instant of the
        last event, the versions `standing`, `lifted` and `others`, `batches`, and the codes of
        the `remarks`. It is worked out when it is asked.

    Raises:
        ArchiveError, InvalidInputError: as `states`.
    """
    chosen = checked_selection(selection, "impact()")
    dataset = _dataset(spark, archive, ledger, filesystem)
    _, at = dataset.moment(None)
    return _by_bucket(spark, dataset, partial(_impact, dataset, chosen, at), _IMPACT)


def stats(
    spark: Any,
    archive: str | PathLike[str],
    selection: Selection | None = None,
    by: By = "actor",
    *,
    ledger: str | None = None,
    filesystem: Any = None,
) -> Any:
    """Figures of sanctions and flags, as `ModLog.stats` gives them, by the same SQL.

    Args:
        spark: a `SparkSession`.
        archive: as `states` takes it.
        selection: of the events that began them; all if left out.
        by: actor, actor_kind, policy, batch, label, day or hour.
        ledger: as `states` takes it.
        filesystem: as `states` takes it.

    Returns:
        a DataFrame with a row for each of them and the attributes of `Figures` as columns.

    Raises:
        ArchiveError, InvalidInputError: as `states`.
    """
    chosen, by = checked_selection(selection, "stats()"), checked_by(by)
    dataset = _dataset(spark, archive, ledger, filesystem)
    with _reader(spark, dataset) as reader:
        found = figures_of(reader, chosen, by)
    names = [one.name for one in fields(Figures)]
    rows = [tuple(getattr(one, name) for name in names) for one in found]
    return spark.createDataFrame(rows, _schema_of_figures())


def verify(
    spark: Any,
    archive: str | PathLike[str],
    *,
    ledger: str | None = None,
    filesystem: Any = None,
) -> Any:
    """Check the archive against itself, as `Archive.verify` does, and replay every account.

    Args:
        spark: a `SparkSession`.
        archive: as `states` takes it.
        ledger: as `states` takes it.
        filesystem: as `states` takes it.

    Returns:
        a DataFrame of findings, without rows if the archive is sound: `check`, `message`, and
        `position` of the event concerned, if it is one.

    Raises:
        ArchiveError: there is no archive.
        InvalidInputError: as `states`.
    """
    dataset = _dataset(spark, archive, ledger, filesystem)
    looking = Looking(dataset)
    if looking.manifests():
        for row in _by_bucket(spark, dataset, partial(_look, dataset), "found string").collect():
            looking.join(orjson.loads(row.found))
        looking.look_at_sums()
        looking.look_beside()
    rows = [(one.check, one.message, one.position) for one in looking.findings]
    return spark.createDataFrame(rows, _FINDINGS)


def _dataset(
    spark: Any, archive: str | PathLike[str], ledger: str | None, filesystem: Any
) -> Dataset:
    """What the archive has of the ledger, for a session that is one."""
    if not all(callable(getattr(spark, name, None)) for name in ("range", "sql")):
        raise InvalidInputError(
            f"spark is a SparkSession, as of SparkSession.builder.getOrCreate(), not {shown(spark)}"
        )
    return dataset_of(place_of(archive, filesystem), ledger)


# What workers do: each bucket is the one row of a partition.


def _by_bucket(spark: Any, dataset: Dataset, answer: _Answer, schema: str) -> Any:
    """The rows that the buckets answer with, as a DataFrame."""
    number = len(buckets_of(dataset))  # this reads the manifests, which are sent to all
    return spark.range(0, number, 1, max(number, 1)).mapInArrow(partial(_answers, answer), schema)


def _answers(answer: _Answer, batches: Iterable[Any]) -> Iterator[Any]:
    for batch in batches:
        for bucket in batch.column(0).to_pylist():
            yield from answer(bucket)


def _states(
    dataset: Dataset, position: int, at: datetime, without: Selection | None, bucket: int
) -> Iterator[Any]:
    accounts = accounts_at(dataset, bucket, position, at, without)
    rows = (
        (
            *(one.id, one.status.value, one.version, one.protected),
            *(list(one.flags.values()), canonical(one.profile).decode()),
        )
        for one in accounts
    )
    return _batches(rows, _STATES)


def _impact(dataset: Dataset, selection: Selection, at: datetime, bucket: int) -> Iterator[Any]:
    rows = (
        (
            *(one.account_id, one.status.value),
            *map(list, (one.standing, one.lifted, one.others, one.batches)),
            [remark.code for remark in one.remarks],
        )
        for one in impact_lines(dataset, bucket, selection, at)
    )
    return _batches(rows, _IMPACT)


def _look(dataset: Dataset, bucket: int) -> Iterator[Any]:
    looking = Looking(dataset)
    looking.look_at_bucket(bucket)
    looking.replay_bucket(bucket)
    return _batches(iter([(orjson.dumps(looking.as_dict()).decode(),)]), "found string")


def _table(dataset: Dataset, name: str, bucket: int) -> Iterator[Any]:
    events = events_of_bucket(dataset, bucket)
    tables = projected_tables(events) if name == "spans" else recorded_tables(events)
    found: Iterator[Any] = iter(tables[name].to_batches(_BATCH))
    return found


def _batches(rows: Iterator[Row], schema: str) -> Iterator[Any]:
    """Rows as batches of Arrow."""
    import pyarrow as pa

    types = {
        "string": pa.string(),
        "long": pa.int64(),
        "boolean": pa.bool_(),
        "array<string>": pa.list_(pa.string()),
        "array<long>": pa.list_(pa.int64()),
    }
    names, kinds = zip(*(column.split() for column in schema.split(",")), strict=True)
    for block in blocks(rows, _BATCH):
        values = zip(*block, strict=True)
        arrays = [pa.array(some, types[kind]) for some, kind in zip(values, kinds, strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, names=list(names))


# The ledger's questions, asked here.


@frozen
class _Spark:
    """What questions ask of a database."""

    prefix: str

    def table(self, name: str) -> str:
        return f"{self.prefix}_{name}"

    def among(self, column: str, values: Sequence[Any]) -> tuple[str, tuple[Any, ...]]:
        return f"{column} IN ({', '.join('?' * len(values))})", tuple(values)

    def sorting(self, _: object) -> AbstractContextManager[None]:
        return nullcontext()


@frozen
class _Session:
    """A session in which numbers are divided and texts called as in the ledger's databases."""

    spark: Any

    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        own = sql.replace(" / ", " div ").replace(" AS TEXT", " AS STRING")
        return [tuple(row) for row in self.spark.sql(own, args=list(params) or None).collect()]

    def row(self, sql: str, params: Sequence[Any] = ()) -> Row | None:
        found = self.rows(sql, params)
        return found[0] if found else None


@contextmanager
def _reader(spark: Any, dataset: Dataset) -> Iterator[PartReader]:
    """The ledger's tables as views, made once and kept until all questions are answered."""
    database = _Spark(f"modlog_{uuid4().hex}")
    with ExitStack() as stack:
        for name in _TABLES:
            columns = ((one.name, _DDL[str(one.type)]) for one in schema_of_table(name))
            schema = ", ".join(f"`{column}` {type_}" for column, type_ in columns)
            rows = _by_bucket(spark, dataset, partial(_table, dataset, name), schema)
            kept = rows.drop(*_NOT_ASKED).persist()
            stack.callback(kept.unpersist)
            kept.createOrReplaceTempView(database.table(name))
            stack.callback(spark.catalog.dropTempView, database.table(name))
        yield PartReader(Store(cast("Database", database)), cast("Session", _Session(spark)))


_DDL: Final = {"string": "string", "int64": "long", "double": "double", "binary": "binary"}


def _schema_of_figures() -> str:
    kinds = {"str | None": "string", "int": "long", "float | None": "double"}
    return ", ".join(f"`{one.name}` {kinds[str(one.type)]}" for one in fields(Figures))
