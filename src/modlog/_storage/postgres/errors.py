"""Errors of PostgreSQL and its driver in modlog's own terms."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg

from modlog._errors import (
    AppendOnlyError,
    ClockError,
    ConcurrencyError,
    ConflictError,
    InvalidInputError,
    ModlogError,
    OutcomeUnknownError,
    ReadOnlyStoreError,
    SchemaError,
    StoreError,
    StoreFullError,
    StoreUnavailableError,
)

# How a refused statement leaves: by SQLSTATE, then by its class.
_ERRORS: Final[dict[str, tuple[type[ModlogError], str]]] = {
    "ML001": (AppendOnlyError, "record a reversal instead"),
    "ML002": (ConcurrencyError, "look at the account again, and decide again"),
    "ML003": (ClockError, "set the clock right; nothing was written"),
    "23505": (ConflictError, "this place is taken"),
    "25006": (ReadOnlyStoreError, "connect to the primary, as a user who may write"),
    "25P03": (
        StoreUnavailableError,
        "the transaction did nothing for longer than the server's "
        "idle_in_transaction_session_timeout, and was rolled back: keep transactions short",
    ),
    "25P04": (
        StoreUnavailableError,
        "the transaction took longer than the server's transaction_timeout, and was rolled back: "
        "raise it, or work in smaller chunks",
    ),
    "42501": (StoreError, "connect as a user with the privileges that modlog needs"),
    "53100": (StoreFullError, "make room; nothing was written"),
    "53300": (StoreUnavailableError, "the server has no connection left: try again later"),
    "55P03": (
        StoreUnavailableError,
        "another thread or process has held the lock for all of the lock_timeout, and nothing was "
        "written: end long transactions, also those of within(), and try again",
    ),
    "57014": (
        StoreUnavailableError,
        "the server's statement_timeout was over, or somebody cancelled the statement: raise "
        "statement_timeout for this user, or try again; nothing was written",
    ),
    "57P05": (
        StoreUnavailableError,
        "the connection was idle for longer than the server's idle_session_timeout: try again",
    ),
    "22": (InvalidInputError, "a value is out of PostgreSQL's bounds"),
    "28": (StoreUnavailableError, "check the user and password"),
    "3D": (StoreUnavailableError, "check the database's name"),
    "3F": (SchemaError, "check the schema's name"),
    "40": (ConcurrencyError, "another transaction came first: try again"),
    "42": (SchemaError, "the tables are not as modlog made them"),
    "54": (InvalidInputError, "a value is larger than PostgreSQL takes"),
}
_MAY_NOT_WRITE: Final[tuple[type[ModlogError], str]] = (
    ReadOnlyStoreError,
    "connect as a user who may write; nothing was written",
)
_AWAY: Final = (StoreUnavailableError, "the server is away: check that it runs, and try again")
# What ends the connection, and not the statement alone.
_ENDING: Final = ("FATAL", "PANIC")


@contextmanager
def translated(*, writing: bool = False) -> Iterator[None]:
    """Let errors of the driver leave as modlog's own."""
    try:
        yield
    except psycopg.Error as error:
        raise translation(error, writing=writing) from error


def translation(error: psycopg.Error, *, writing: bool = False) -> ModlogError:
    """What an error of the driver is in modlog's own terms.

    Args:
        error: the driver's.
        writing: whether it was met on the way to write something.
    """
    state = error.sqlstate or ""
    text = error.diag.message_primary or str(error).strip()
    refused = _MAY_NOT_WRITE if writing and state == "42501" else None
    kind, advice = refused or _ERRORS.get(state) or _ERRORS.get(state[:2]) or _other(error)
    return kind(f"PostgreSQL: {text}: {advice}")


def _other(error: psycopg.Error) -> tuple[type[ModlogError], str]:
    if isinstance(error, psycopg.OperationalError) or _is_ending(error):
        return _AWAY
    return StoreError, "see the error's cause"


def _is_ending(error: psycopg.Error) -> bool:
    return error.diag.severity_nonlocalized in _ENDING


def check_outcome_known(connection: psycopg.Connection[Any], error: psycopg.Error) -> None:
    """Tell a connection lost while committing from one lost before.

    The server may say why it hangs up before the driver sees that it has, and may have answered
    the statement already.

    Raises:
        OutcomeUnknownError: it broke.
    """
    if connection.broken or _is_ending(error):
        raise OutcomeUnknownError(
            "PostgreSQL: the connection broke while committing, so that the events are recorded "
            "or none of them is: settle(key) tells, or try again with the same idempotency_key"
        ) from error


def not_replicated() -> OutcomeUnknownError:
    """What is raised where the server was told not to wait for a standby any longer."""
    return OutcomeUnknownError(
        "PostgreSQL: the wait for a standby was cancelled while committing: the events are "
        "recorded on this server, and lost if it fails before a standby has them: settle(key) "
        "tells when one does, or try again with the same idempotency_key"
    )
