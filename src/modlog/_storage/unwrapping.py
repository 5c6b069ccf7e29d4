"""The driver's connection below one of SQLAlchemy's, for `within`."""

from __future__ import annotations

import sys
from typing import Any, Final

from modlog._errors import InvalidInputError

# SQLAlchemy's names for psycopg 3 and sqlite3.
_DRIVERS: Final = ("psycopg", "pysqlite")


def unwrapped(connection: Any) -> Any:
    """The driver's connection below a connection or session of SQLAlchemy's; else what it is.

    SQLAlchemy has then begun its transaction, else its commit would do nothing.

    Raises:
        InvalidInputError: an asynchronous one, one of another driver, or something of SQLAlchemy's
            that is neither; or a savepoint that SQLite would take for the transaction.
    """
    if not _is_of_sqlalchemy(type(connection)):
        return connection
    from sqlalchemy.engine import Connection
    from sqlalchemy.orm import Session, scoped_session

    found = connection() if isinstance(connection, scoped_session) else connection
    if isinstance(found, Session):
        found = found.connection()
    if not isinstance(found, Connection):
        raise InvalidInputError(
            "within() takes a Connection or Session of SQLAlchemy's, not one of its "
            f"{type(connection).__name__}s: open a connection of an engine that is not asynchronous"
        )
    _check_driver(found)
    if not found.in_transaction():
        found.begin()
    driver = found.connection.driver_connection
    _check_savepoint(found, driver)
    return driver


def _is_of_sqlalchemy(kind: type) -> bool:
    """Whether it is a class of SQLAlchemy's, or derived from one, as those of Flask are."""
    if "sqlalchemy" not in sys.modules:
        return False
    return any(one.__module__.partition(".")[0] == "sqlalchemy" for one in kind.__mro__)


def _check_savepoint(connection: Any, driver: Any) -> None:
    """Refuse a savepoint before which sqlite3 may have begun no transaction.

    It begins one before a statement that writes, and takes a savepoint for none: released, it
    would commit everything.
    """
    begins_late = getattr(driver, "isolation_level", None) is not None
    if connection.in_nested_transaction() and begins_late and not _is_eager(driver):
        raise InvalidInputError(
            "within() inside begin_nested() needs SQLite to begin its transactions when SQLAlchemy "
            "does, else they end with the savepoint: let it, as SQLAlchemy's page on SQLite shows "
            "(isolation_level = None and an event that executes BEGIN)"
        )


def _is_eager(driver: Any) -> bool:
    """Whether a connection of sqlite3 always has a transaction, as from Python 3.12 on it may."""
    return getattr(driver, "autocommit", None) is False


def _check_driver(connection: Any) -> None:
    dialect = connection.dialect
    if dialect.is_async or dialect.driver not in _DRIVERS:
        kind = "asynchronous" if dialect.is_async else f"of {dialect.driver}"
        raise InvalidInputError(
            f"within() takes connections of psycopg 3 and sqlite3, and this engine is {kind}: "
            "make one of postgresql+psycopg:// with create_engine(), or of sqlite://"
        )
