"""How PostgreSQL is reached: what a URL says beside libpq's own options, and poolers."""

from __future__ import annotations

import os
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlsplit

import psycopg
from attrs import frozen
from psycopg.conninfo import conninfo_to_dict

from modlog._errors import InvalidUrlError
from modlog._storage.postgres.cursor import Cursor

_OPTION: Final = "prepare_threshold"
# How long a server has to answer, if nobody says otherwise, in seconds.
_CONNECT_TIMEOUT: Final = 10


@frozen
class Options:
    """Where the server is, and how statements are sent to it.

    Attributes:
        conninfo: what libpq takes.
        prepare_threshold: after how many uses a statement is prepared; None for never.
        chosen: whether the URL says so; else it is the driver's own number, or never behind a
            pooler.
        connect_timeout: how long each of the servers has to answer, in seconds.
    """

    conninfo: str
    prepare_threshold: int | None = None
    chosen: bool = False
    connect_timeout: int = _CONNECT_TIMEOUT


def options_of(url: str) -> Options:
    """What a URL says.

    Raises:
        InvalidUrlError: one that cannot be read.
    """
    try:
        parts = urlsplit(url)
        given = parse_qsl(parts.query, keep_blank_values=True)
        own = [value for name, value in given if name == _OPTION]
        rest = "&".join(f"{quote(n)}={quote(v)}" for n, v in _as_written(parts.query))
        conninfo = f"{url.partition('?')[0]}?{rest}" if own else url
        timeout = _connect_timeout(conninfo)
    except (ValueError, psycopg.ProgrammingError):
        # The messages of others may quote the URL, and with it the password.
        raise InvalidUrlError(
            "the PostgreSQL URL cannot be read; expected postgresql://user@host/database"
        ) from None
    threshold = _threshold(own[-1]) if own else None
    return Options(conninfo, threshold, chosen=bool(own), connect_timeout=timeout)


def _connect_timeout(conninfo: str) -> int:
    """As the URL or the environment says, in seconds; 10 else."""
    given = conninfo_to_dict(conninfo).get("connect_timeout")
    return int(given or os.environ.get("PGCONNECT_TIMEOUT") or _CONNECT_TIMEOUT)


def _as_written(query: str) -> list[tuple[str, str]]:
    # libpq takes + for itself, where parse_qsl would make a space of it.
    given = parse_qsl(query.replace("+", "%2B"), keep_blank_values=True)
    return [(name, value) for name, value in given if name != _OPTION]


def _threshold(text: str) -> int | None:
    if text == "none":
        return None
    if text.isascii() and text.isdecimal():
        return int(text)
    raise InvalidUrlError(f"{_OPTION} in a PostgreSQL URL is a whole number, or none")


def connected(options: Options) -> psycopg.Connection[tuple[Any, ...]]:
    """A new connection, in which each statement commits by itself."""
    connection = psycopg.connect(
        options.conninfo,
        autocommit=True,
        cursor_factory=Cursor,
        connect_timeout=options.connect_timeout,
    )
    if options.chosen:
        connection.prepare_threshold = options.prepare_threshold
    elif is_pooled(connection):
        # A statement prepared on one server connection would be missing on the next, or be
        # somebody else's with the same name.
        connection.prepare_threshold = None
    return connection


def is_pooled(connection: psycopg.Connection[tuple[Any, ...]]) -> bool:
    """Whether a pooler stands before the server.

    A pooler makes up the number of the process that it tells its clients.
    """
    row = connection.execute("SELECT pg_backend_pid()", prepare=False).fetchone()
    return row is None or row[0] != connection.info.backend_pid
