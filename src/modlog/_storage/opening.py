"""Opening a ledger: the URL, the driver, and tables that are made or checked."""

from __future__ import annotations

import os
import re
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from modlog._domain.values import checked_id, shown
from modlog._errors import InvalidInputError, InvalidUrlError
from modlog._storage.database import LOCK_TIMEOUT
from modlog._storage.sqlite.database import SQLiteDatabase
from modlog._storage.store import Store
from modlog._storage.tables import ensure_tables
from modlog._storage.waiting import checked_timeout

_EXPECTED: Final = (
    "expected a path, sqlite:///relative/path.db, sqlite:////absolute/path.db, sqlite:// for "
    "memory, or postgresql://user@host/database"
)
# Text without :// that may be a URL, with a password, misspelt.
_MISSPELT: Final = re.compile(r".*[:@]|(sqlite|postgres(ql)?)(//|$)", re.DOTALL | re.IGNORECASE)
# What a path does not hold: control characters, and what stands for no byte of a file's name.
_NO_PATH: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udc7f\udd00-\udfff]")
# How Python writes bytes of a file's name that are no UTF-8.
_ODD_BYTES: Final = "surrogateescape"
# The second is Heroku's, the third SQLAlchemy's way to name the driver.
_POSTGRES: Final = ("postgresql", "postgres", "postgresql+psycopg")
_MODES: Final = ("ro", "rw", "rwc")
# What PostgreSQL keeps of an identifier, in bytes.
_MAX_IDENTIFIER: Final = 63


def open_store(
    url: str | os.PathLike[str],
    schema: str | None,
    lock_timeout: float = LOCK_TIMEOUT,
    *,
    create: bool = False,
    read_only: bool = False,
) -> Store:
    """The store that a URL or a path names, its tables made if it is new and checked if it is not.

    Args:
        url: of the database.
        schema: of the ledger's own, on PostgreSQL.
        lock_timeout: how long one who writes waits for another, in seconds.
        create: whether such a schema is made if it is not there.
        read_only: whether everything that writes is refused.

    Raises:
        InvalidUrlError: a URL that cannot be read.
        SchemaError: modlog's tables are there in another shape, or of a newer version.
        StoreUnavailableError: the database cannot be reached or opened.
    """
    for name, value in (("read_only", read_only), ("create", create)):
        if not isinstance(value, bool):
            raise InvalidInputError(f"{name} is true or false, not {shown(value)}")
    store = store_at(url, schema, lock_timeout, mode="ro" if read_only else None)
    try:
        ensure_tables(store.database, may_create=create or schema is None)
    except BaseException:
        store.close()
        raise
    return store


def store_at(
    url: str | os.PathLike[str],
    schema: str | None,
    lock_timeout: float = LOCK_TIMEOUT,
    *,
    mode: str | None = None,
) -> Store:
    """The store that a URL or a path names, whatever its tables are.

    Args:
        url: of the database.
        schema: of the ledger's own, on PostgreSQL.
        lock_timeout: how long one who writes waits for another, in seconds.
        mode: ro to read, rw to write; either needs the file of SQLite to be there. None for
            what the URL says.
    """
    url = _as_url(url)
    timeout = checked_timeout(lock_timeout)
    scheme, _, _ = url.partition("://")
    if scheme == "sqlite":
        return _sqlite_store(url, schema, timeout, mode)
    if scheme in _POSTGRES:
        url = f"postgresql{url.removeprefix(scheme)}"
        return _postgres_store(url, schema, timeout, read_only=mode == "ro")
    raise InvalidUrlError(f"{shown(scheme)} is not a kind of database; {_EXPECTED}")


def _as_url(url: object) -> str:
    if isinstance(url, os.PathLike):
        return file_url(os.fspath(url))
    if not isinstance(url, str):
        raise InvalidUrlError(
            f"a database URL is text or a path, not {type(url).__name__}; {_EXPECTED}"
        )
    if "://" in url:
        return url
    if url == ":memory:":
        return "sqlite://"
    if _MISSPELT.match(url):
        # Nothing of it is shown: it may hold a password.
        raise InvalidUrlError(
            "this has no ://, so it is no database URL, and a path that has : or @ in it is given "
            f"as a pathlib.Path; {_EXPECTED}"
        )
    return file_url(url)


def file_url(path: object) -> str:
    """The URL of an SQLite file.

    Raises:
        InvalidUrlError: what no path should be.
    """
    if not isinstance(path, str) or not path or _NO_PATH.search(path):
        raise InvalidUrlError(
            "a path is text, not empty, without control characters and lone surrogates; "
            f"{_EXPECTED}"
        )
    return f"sqlite:///{quote(path, errors=_ODD_BYTES)}"


def _sqlite_store(url: str, schema: str | None, lock_timeout: float, wanted: str | None) -> Store:
    if schema is not None:
        raise InvalidInputError("schema= is for PostgreSQL; with SQLite, give each ledger a file")
    parts = urlsplit(url)
    if parts.netloc:
        raise InvalidUrlError(f"sqlite:// takes no host, a path needs one slash more; {_EXPECTED}")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    mode = options.pop("mode", "rwc")
    if options or mode not in _MODES or parts.fragment:
        raise InvalidUrlError(f"an SQLite URL takes mode={'|'.join(_MODES)} and nothing else")
    mode = mode if mode == "ro" or wanted is None else wanted
    path = unquote(parts.path[1:], errors=_ODD_BYTES)
    # SQLite would make a database without a name, gone when it is closed, for an empty path.
    if not parts.path or path == ":memory:":
        if wanted:
            raise InvalidInputError("a ledger in memory is new: there is nothing in it yet")
        return Store(SQLiteDatabase(None, lock_timeout=lock_timeout))
    file_url(path)
    store = Store(SQLiteDatabase(path, mode=mode, lock_timeout=lock_timeout))
    store.address = file_url(os.path.abspath(path)), None  # noqa: PTH100  as it is called
    return store


def _postgres_store(url: str, schema: str | None, lock_timeout: float, *, read_only: bool) -> Store:
    try:
        import psycopg  # noqa: F401

        from modlog._storage.postgres.connecting import options_of
        from modlog._storage.postgres.database import PostgresDatabase
        from modlog._storage.postgres.store import PostgresStore
    except ImportError as error:
        raise InvalidUrlError(
            "PostgreSQL needs psycopg, which is not installed: pip install 'modlog[postgres]'"
        ) from error
    if schema is not None:
        _check_schema_name(schema)
    database = PostgresDatabase(
        options_of(url), schema=schema, lock_timeout=lock_timeout, read_only=read_only
    )
    store = PostgresStore(database)
    store.address = url, schema
    return store


def _check_schema_name(schema: str) -> None:
    if len(checked_id(schema, "schema").encode()) > _MAX_IDENTIFIER:
        raise InvalidInputError(f"schema must have at most {_MAX_IDENTIFIER} bytes")
    if any(sign in schema for sign in "%?$"):
        raise InvalidInputError("schema takes no %, ? and $, which mean something in statements")
