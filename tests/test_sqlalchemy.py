"""`within` a transaction of SQLAlchemy 2, on both databases: connections, sessions, savepoints."""

import subprocess
import sys

import pytest
import sqlalchemy
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.orm import Session, scoped_session, sessionmaker

import modlog
from modlog import Actor, InvalidInputError
from tests import places
from tests.test_surface import environment

pytestmark = pytest.mark.filterwarnings("ignore:.*pysqlite.*:DeprecationWarning")


def engine_of(place, **options) -> Engine:
    """An engine as its user would make one."""
    if place.kind == "postgres":
        url = place.url.replace("postgresql://", "postgresql+psycopg://")
        options["connect_args"] = {"options": f"-csearch_path={place.schema}"}
        return create_engine(url, **options)
    return create_engine(place.url, **options)


def with_savepoints(engine: Engine) -> Engine:
    """SQLAlchemy's own recipe for savepoints on SQLite."""
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", lambda one, _: setattr(one, "isolation_level", None))
        event.listen(engine, "begin", lambda one: one.exec_driver_sql("BEGIN"))
    return engine


@pytest.fixture(params=["sqlite", "postgres"])
def own_place(request):
    with places.fresh(request.param) as place:
        yield place


@pytest.fixture
def log(own_place):
    with own_place.open() as log, modlog.acting(Actor.human("ann"), reason="clean-up"):
        log.create("a")
        yield log


@pytest.fixture(params=["plain", "with savepoints"])
def engine(request, log, own_place):
    engine = engine_of(own_place)
    if request.param == "with savepoints":
        with_savepoints(engine)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE users (id VARCHAR(20), visible INTEGER)"))
        connection.execute(text("INSERT INTO users VALUES ('a', 1)"))
    yield engine
    engine.dispose()


def hide(connection) -> None:
    connection.execute(text("UPDATE users SET visible = 0"))


def visible(engine) -> bool:
    with engine.connect() as connection:
        return bool(connection.execute(text("SELECT visible FROM users")).scalar_one())


def is_deleted(log, engine) -> bool:
    """Whether both say so."""
    gone = log.account("a").status == "deleted"
    assert visible(engine) != gone
    assert log.verify().ok
    return gone


def made(kind, engine):
    """A connection or session of an engine, of one of the kinds that there are."""
    match kind:
        case "connection":
            return engine.connect()
        case "session":
            return Session(engine)
        case _:
            return scoped_session(sessionmaker(engine))


KINDS = ("connection", "session", "scoped session")


@pytest.mark.parametrize("kind", KINDS)
class TestWithin:
    @pytest.mark.parametrize("first", ["ledger", "users"])
    def test_commits_with_sqlalchemy(self, log, engine, kind, first):
        own = made(kind, engine)
        if first == "users":
            hide(own)
        with log.within(own):
            log.delete("a")
            if first == "ledger":
                hide(own)
        own.commit()
        own.close()

        assert is_deleted(log, engine)

    def test_rolls_back_with_it(self, log, engine, kind):
        own = made(kind, engine)
        with log.within(own):
            log.delete("a")
            hide(own)
        own.rollback()
        own.close()

        assert not is_deleted(log, engine)

    def test_is_undone_where_nobody_commits(self, log, engine, kind):
        own = made(kind, engine)
        with log.within(own):
            log.delete("a")
            hide(own)
        own.close()

        assert not is_deleted(log, engine)


def test_a_block_of_sqlalchemy_commits_at_its_end(log, engine):
    with engine.begin() as connection, log.within(connection):
        log.delete("a")
        hide(connection)

    assert is_deleted(log, engine)


def test_a_session_of_its_own_class_is_one(log, engine):
    class OwnSession(Session):  # type: ignore[misc]  # types of SQLAlchemy are not looked at
        pass

    with OwnSession(engine) as session, session.begin(), log.within(session):
        log.delete("a")
        hide(session)

    assert is_deleted(log, engine)


def test_several_blocks_are_part_of_one_transaction(log, engine):
    with engine.connect() as connection:
        with log.within(connection):
            log.delete("a")
        with log.within(connection):
            hide(connection)
            log.note("a", "text")
        connection.commit()

    assert is_deleted(log, engine)
    assert log.head == 3


@pytest.mark.parametrize("kind", ["connection", "session"])
@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_a_savepoint_is_undone_or_kept_with_its_transaction(log, own_place, kind, end):
    engine = with_savepoints(engine_of(own_place))
    with made(kind, engine) as own:
        nested = own.begin_nested()
        with log.within(own):
            log.delete("a")
        getattr(nested, end)()
        with own.begin_nested(), log.within(own):
            log.note("a", "text")
        own.rollback()
        assert log.head == 1

        nested = own.begin_nested()
        with log.within(own):
            log.delete("a")
        getattr(nested, end)()
        with log.within(own):
            log.note("a", "text")
            with own.begin_nested() as inner:
                own.execute(text("SELECT 1"))  # a session begins it only when it is used
                log.flag("a", "spam")
                inner.rollback()
            log.protect("a")
        own.commit()
    engine.dispose()

    deleted = ["account.deleted"] if end == "commit" else []
    found = [one.type for one in log.events()]
    assert found == ["account.created", *deleted, "account.noted", "account.protected"]
    assert log.verify().ok


def test_a_savepoint_that_sqlite_takes_for_the_transaction_is_refused():
    with places.fresh("sqlite") as place, place.open() as log:
        engine = engine_of(place)
        with (
            engine.begin() as connection,
            connection.begin_nested(),
            pytest.raises(InvalidInputError, match=r"begin_nested\(\) needs SQLite to begin"),
        ):
            log.within(connection).__enter__()
        with engine.begin() as connection, log.within(connection), connection.begin_nested():
            log.create("b", actor=Actor.human("ann"))
        assert log.head == 1
        engine.dispose()


def test_what_commits_each_statement_by_itself_is_refused(log, own_place):
    engine = engine_of(own_place, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection, pytest.raises(InvalidInputError, match="by itself"):
        log.within(connection).__enter__()
    engine.dispose()


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_connection_to_another_database_is_refused(kind):
    message = "leads to another" if kind == "sqlite" else r"takes a sqlite3\.Connection"
    with (
        places.fresh("sqlite") as place,
        places.fresh(kind) as other,
        place.open() as log,
        other.open(),
    ):
        engine = engine_of(other)
        with engine.connect() as own, pytest.raises(InvalidInputError, match=message):
            log.within(own).__enter__()
        engine.dispose()


def test_an_engine_is_refused(log, engine):
    with pytest.raises(InvalidInputError, match="not one of its Engines"):
        log.within(engine).__enter__()


def test_an_engine_of_another_driver_is_refused(log, engine):
    engine.dialect.driver = "psycopg2"
    with engine.connect() as connection:
        with pytest.raises(InvalidInputError, match=r"of psycopg2: make one of"):
            log.within(connection).__enter__()
        assert not connection.in_transaction()


def test_asynchronous_engines_are_refused(postgres_url, schema):
    import asyncio

    from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

    url = postgres_url.replace("postgresql://", "postgresql+psycopg://")

    async def main(log):
        engine = create_async_engine(url)
        async with AsyncSession(engine) as session, engine.connect() as connection:
            for own, message in (
                (session, "not one of its AsyncSessions"),
                (connection, "not one of its AsyncConnections"),
                (session.sync_session, None),
            ):
                await connection.run_sync(lambda _, one=own, told=message: refused(log, one, told))
        await engine.dispose()

    def refused(log, own, message):
        with pytest.raises(InvalidInputError, match=message or "this engine is asynchronous"):
            log.within(own).__enter__()

    with modlog.open(postgres_url, schema=schema, create=True) as log:
        asyncio.run(main(log))


def test_nobody_needs_sqlalchemy():
    source = """
import sys, sqlite3, modlog
log = modlog.open("sqlite://")
try:
    log.within(sqlite3.connect(":memory:")).__enter__()
except modlog.InvalidInputError:
    print("sqlalchemy" in sys.modules)
"""
    command = [sys.executable, "-B", "-c", source]
    ended = subprocess.run(command, check=True, capture_output=True, text=True, env=environment())
    assert ended.stdout == "False\n"


def test_the_version_that_is_meant():
    assert sqlalchemy.__version__ >= "2"
