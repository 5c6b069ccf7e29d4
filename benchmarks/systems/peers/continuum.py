"""SQLAlchemy-Continuum: versions by its unit of work, and on PostgreSQL by its native triggers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, ClassVar, Final

from sqlalchemy import (
    JSON,
    DateTime,
    String,
    and_,
    create_engine,
    event,
    func,
    insert,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    configure_mappers,
    joinedload,
    mapped_column,
)
from sqlalchemy_continuum import (
    make_versioned,
    transaction_class,
    version_class,
    versioning_manager,
)
from sqlalchemy_continuum.plugins import Plugin, TransactionMetaPlugin

from benchmarks.places import Place, claimed, server
from benchmarks.systems.peers.account import change, changes, row, statuses, why
from benchmarks.systems.peers.peer import CREATION, DELETION, REVERSAL, SWEEP, Peer
from benchmarks.workload import ACTORS, Record, blocks

_AT_ONCE: Final = 10_000
_CACHE_KIB: Final = 64 * 1024  # as modlog and the floor have it
# The native triggers compare rows as hstore, of which they only need to know whether two differ.
# Servers without that extension get this much of it.
_LIKE_HSTORE: Final = (
    "CREATE FUNCTION hstore(anyelement) RETURNS jsonb LANGUAGE sql IMMUTABLE"
    " AS 'SELECT to_jsonb($1)'",
    "CREATE FUNCTION hstore(text) RETURNS jsonb LANGUAGE sql IMMUTABLE AS 'SELECT ''{}''::jsonb'",
    "CREATE FUNCTION without(jsonb, jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE"
    " AS 'SELECT CASE WHEN $1 = $2 THEN ''{}''::jsonb ELSE $1 END'",
    "CREATE OPERATOR - (LEFTARG = jsonb, RIGHTARG = jsonb, FUNCTION = without)",
)


class _Who(Plugin):
    """Gives each transaction its user when it is made, as the library's plugin for Flask does."""

    user: str | None = None

    def transaction_args(self, uow: Any, session: Any) -> dict[str, Any]:
        return {"user_id": self.user}


_who, _meta = _Who(), TransactionMetaPlugin()
make_versioned(user_cls="User", plugins=[_who, _meta])


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "actor"

    id: Mapped[str] = mapped_column(String(255), primary_key=True)


class Account(Base):
    __tablename__ = "account"
    __versioned__: ClassVar[dict[str, Any]] = {}

    id: Mapped[str] = mapped_column(String(255), primary_key=True)
    profile: Mapped[dict[str, Any]] = mapped_column(JSON)
    flags: Mapped[list[str]] = mapped_column(JSON)
    suspended: Mapped[bool]
    deleted: Mapped[bool]
    changed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


_COLUMNS: Final = ("profile", "flags", "suspended", "deleted", "changed_at")


def Continuum(place: Place) -> _Versions:
    """With its native triggers where there are any."""
    native = place.store == "postgres"
    versioning_manager.options["native_versioning"] = native
    configure_mappers()
    return _NativeVersions(place) if native else _Versions(place)


class _Versions(Peer):
    """By sessions: objects are loaded and changed, and versions made when they are flushed."""

    by_hand: ClassVar[tuple[str, ...]] = ("as_of", "actor")

    def __init__(self, place: Place) -> None:
        new = claimed(place)
        self._store = place.store
        self._engine = _engine(place)
        self._version: Any = version_class(Account)
        self._transaction: Any = transaction_class(Account)
        if new:
            self._make_tables()

    def _make_tables(self) -> None:
        with self._engine.begin() as connection:
            Base.metadata.create_all(connection)
            connection.execute(insert(User), [{"id": actor["id"]} for actor in ACTORS])

    def durability(self) -> str:
        asked = ("PRAGMA journal_mode", "PRAGMA synchronous")
        if self._store == "postgres":
            asked = ("SHOW fsync", "SHOW synchronous_commit")
        with self._engine.connect() as connection:
            return ", ".join(f"{ask.split()[1]}={connection.scalar(text(ask))}" for ask in asked)

    @contextmanager
    def _acting(self, record: Record) -> Iterator[Session]:
        """A transaction that says who and why."""
        why_and_which = {"reason": why(record), "act": record["do"], "batch": record.get("batch")}
        with Session(self._engine) as session, session.begin():
            _who.user = record["actor"]["id"]
            transaction = versioning_manager.unit_of_work(session).create_transaction(session)
            transaction.meta = {name: value for name, value in why_and_which.items() if value}
            yield session

    def _create(self, creations: Iterable[Record]) -> None:
        with self._acting(CREATION) as session:
            session.add_all(Account(**row(record)) for record in creations)

    def _mark(self, records: Sequence[Record]) -> None:
        with self._acting(records[0]) as session:
            marked = Account.id.in_([record["account_id"] for record in records])
            accounts = {account.id: account for account in session.scalars(_all().where(marked))}
            for record in records:
                change(accounts[record["account_id"]], record)

    def _act(self, record: Record) -> None:
        with self._acting(record) as session:
            if record["do"] == "create":
                session.add(Account(**row(record)))
            else:
                change(session.get(Account, record["account_id"]), record)

    def _delete(self, ids: Sequence[str]) -> None:
        with self._acting(DELETION) as session:
            for chunk in blocks(ids, _AT_ONCE):
                for account in session.scalars(_all().where(Account.id.in_(chunk))).all():
                    change(account, DELETION)
                session.flush()

    def _undo(self) -> None:
        """`revert` of each version that the sweep's transaction ended."""
        with self._acting(REVERSAL) as session:
            ended = self._version.end_transaction_id == self._sweep(session)
            with_account = joinedload(self._version.version_parent)
            for version in session.scalars(
                select(self._version).where(ended).options(with_account)
            ):
                version.revert()

    def _sweep(self, session: Session) -> Any:
        """The id of the sweep's transaction."""
        meta = _meta.model_class
        return session.scalars(
            select(meta.transaction_id).where(meta.key == "batch", meta.value == SWEEP)
        ).one()

    def _moment(self, number: int) -> int:
        """Transactions are numbered themselves."""
        return number

    def _statuses(self, moment: int) -> Mapping[str, int]:
        """The versions that were valid then, as its `version_at` finds that of one account."""
        version = self._version
        marks = (version.suspended, version.deleted)
        valid = and_(
            version.transaction_id <= moment,
            or_(version.end_transaction_id > moment, version.end_transaction_id.is_(None)),
        )
        counted = select(*marks, func.count().label("count")).where(valid).group_by(*marks)
        with Session(self._engine) as session:
            return statuses(session.execute(counted).mappings())

    def _history(self, account_id: str) -> Sequence[Any]:
        version = self._version
        asked = select(version).where(version.id == account_id).order_by(version.transaction_id)
        return self._with_meta(asked)

    def _deletions(self, actor: str, since: int) -> Sequence[Any]:
        version, transaction, meta = self._version, self._transaction, _meta.model_class
        return self._with_meta(
            select(version)
            .join(version.transaction)
            .join(meta, and_(meta.transaction_id == transaction.id, meta.key == "act"))
            .where(transaction.user_id == actor, transaction.id >= since, meta.value == "delete")
        )

    def _with_meta(self, asked: Any) -> Sequence[Any]:
        """Versions with their transactions, and what these say."""
        meta = joinedload(self._version.transaction).joinedload(self._transaction.meta_relation)
        with Session(self._engine) as session:
            return session.scalars(asked.options(meta)).unique().all()

    def _accounts(self) -> Iterable[Any]:
        with Session(self._engine) as session:
            yield from session.scalars(_all())


class _NativeVersions(_Versions):
    """By statements, of which the triggers make versions."""

    by_hand = ("undo", "as_of", "actor")

    def _make_tables(self) -> None:
        with self._engine.begin() as connection:
            if not connection.scalar(text("SELECT to_regtype('hstore')")):
                for statement in _LIKE_HSTORE:
                    connection.execute(text(statement))
        super()._make_tables()

    def _create(self, creations: Iterable[Record]) -> None:
        with self._acting(CREATION) as session:
            session.execute(insert(Account), [row(record) for record in creations])

    def _delete(self, ids: Sequence[str]) -> None:
        with self._acting(DELETION) as session:
            for chunk in blocks(ids, _AT_ONCE):
                session.execute(
                    update(Account).where(Account.id.in_(chunk)).values(changes(DELETION)),
                    execution_options={"synchronize_session": False},
                )

    def _undo(self) -> None:
        """Its own `revert` is for one version: an `update` from those that the sweep ended."""
        version = self._version
        with self._acting(REVERSAL) as session:
            session.execute(
                update(Account)
                .where(
                    Account.id == version.id,
                    version.end_transaction_id == self._sweep(session),
                )
                .values({name: getattr(version, name) for name in _COLUMNS}),
                execution_options={"synchronize_session": False},
            )


def _all() -> Any:
    return select(Account)


def _engine(place: Place) -> Any:
    if place.store == "postgres":
        options = {"options": f"-c search_path={place.schema},public"}
        return create_engine("postgresql+psycopg://", connect_args=server(place) | options)
    engine = create_engine(place.url)

    @event.listens_for(engine, "connect")
    def durable(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")

    return engine
