"""What `MODLOG` in the settings says, and where the ledger lies therefore."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

from attrs import frozen
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.utils.module_loading import import_string

from modlog import Guardrails

_DEFAULT: Final = "default"
_NAMES: Final = ("URL", "DATABASE", "SCHEMA", "GUARDRAILS", "LOCK_TIMEOUT", "ACTOR")
_LOCK_TIMEOUT: Final = 60.0
# What Django's connections take beside what libpq does.
_NOT_LIBPQ: Final = ("cursor_factory", "context", "client_encoding", "prepare_threshold")

# The databases' names as the process began: those of a test run are others.
_names_at_start: Final[dict[str, str]] = {}
_settings_at_start: Final[list[object]] = []


@frozen
class Place:
    """Where the ledger lies, and how it is opened.

    Attributes:
        url: of the ledger.
        schema: the PostgreSQL schema of its own, if it has one.
        alias: the database of Django's in which it lies; None if Django does not know it.
        guardrails: its limits; None for those that modlog has by itself.
        lock_timeout: in seconds.
    """

    url: str
    schema: str | None
    alias: str | None
    guardrails: Guardrails | None
    lock_timeout: float


# The last place that was found, the settings that it was found by, and all databases' names.
_last: Final[list[tuple[object, list[str], Place]]] = []


def remember() -> None:
    """Remember the settings as the process began."""
    _names_at_start.update((alias, _name_of(alias)) for alias in connections)
    _settings_at_start[:] = [getattr(settings, "MODLOG", None)]


def is_test_run() -> bool:
    """Whether a test runner has put other databases in the place of those of the settings."""
    return any(
        _name_of(alias) != name for alias, name in _names_at_start.items() if alias in connections
    )


def _name_of(alias: str) -> str:
    return str(connections[alias].settings_dict["NAME"])


def given() -> Mapping[str, Any]:
    """`MODLOG` as it stands in the settings."""
    found = getattr(settings, "MODLOG", None)
    return {} if found is None else found


def alias() -> str | None:
    """The database of Django's that holds the ledger; None if it lies elsewhere."""
    asked = given()
    found: str | None = asked.get("DATABASE", None if "URL" in asked else _DEFAULT)
    return found


def place() -> Place:
    """Where the ledger lies as of now.

    Raises:
        ImproperlyConfigured: what the settings say cannot be.
    """
    asked, names = getattr(settings, "MODLOG", None), [_name_of(alias) for alias in connections]
    for settings_then, names_then, found in _last:
        if settings_then is asked and names_then == names:
            return found
    wrong = next(problems(), None)
    if wrong:
        raise ImproperlyConfigured(wrong)
    _last[:] = [(asked, names, _place())]
    return _last[0][-1]


def _place() -> Place:
    asked, database = given(), alias()
    url = asked.get("URL")
    if url is None or (database is not None and is_test_run()):
        assert database is not None
        url = url_of(database)
    return Place(
        url=_as_text(url),
        schema=asked.get("SCHEMA"),
        alias=database,
        guardrails=asked.get("GUARDRAILS"),
        lock_timeout=float(asked.get("LOCK_TIMEOUT", _LOCK_TIMEOUT)),
    )


def actor_source() -> Callable[[Any], Any] | None:
    """The platform's own way from a request to an actor, if it has one."""
    found: Callable[[Any], Any] | None = _imported(given().get("ACTOR"))
    return found


def _imported(source: Any) -> Any:
    return import_string(source) if isinstance(source, str) else source


def url_of(database: str) -> str:
    """The URL of a database that Django knows by this alias."""
    connection = connections[database]
    if connection.vendor == "sqlite":
        return _as_text(Path(connection.settings_dict["NAME"]))
    options = connection.settings_dict["OPTIONS"]
    found = {
        name: str(value)
        for name, value in connection.get_connection_params().items()
        if name not in _NOT_LIBPQ
    }
    if options.get("assume_role"):
        found["options"] = f"{found.get('options', '')} -c role={options['assume_role']}".strip()
    if options.get("prepare_threshold") is not None:
        found["prepare_threshold"] = str(options["prepare_threshold"])
    return f"postgresql://?{urlencode(found, quote_via=quote)}"


def _as_text(url: str | PathLike[str]) -> str:
    """A URL also where a path was given, which the command line could not take."""
    return url if isinstance(url, str) else f"sqlite:///{quote(str(Path(url).absolute()))}"


# What may be wrong


def problems() -> Iterator[str]:
    """What is wrong with the settings, a sentence each, with what to do."""
    asked = given()
    if not isinstance(asked, Mapping):
        yield f"MODLOG must be a dict, as {{'DATABASE': 'default'}}, not {type(asked).__name__}."
        return
    for name in asked:
        if name not in _NAMES:
            yield f"MODLOG knows no {name!r}; it takes {', '.join(_NAMES)}."
    yield from _wrong_values(asked)
    database = alias()
    if database is None:
        yield from _wrong_url(asked)
    else:
        yield from _wrong_database(asked, database)


def _wrong_values(asked: Mapping[str, Any]) -> Iterator[str]:
    guardrails = asked.get("GUARDRAILS")
    if guardrails is not None and not isinstance(guardrails, Guardrails):
        yield "MODLOG['GUARDRAILS'] must be a modlog.Guardrails, as Guardrails(sweep_size=100)."
    timeout = asked.get("LOCK_TIMEOUT", _LOCK_TIMEOUT)
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        yield "MODLOG['LOCK_TIMEOUT'] must be a number of seconds."
    schema = asked.get("SCHEMA")
    if schema is not None and not isinstance(schema, str):
        yield "MODLOG['SCHEMA'] must be the name of a PostgreSQL schema."
    yield from _wrong_actor(asked.get("ACTOR"))


def _wrong_actor(source: object) -> Iterator[str]:
    what = "MODLOG['ACTOR'] must be a function of the request, or the dotted path of one"
    try:
        source = _imported(source)
    except ImportError as error:
        yield f"{what}: {error}."
        return
    if source is not None and not callable(source):
        yield f"{what}, not {type(source).__name__}."


def _wrong_url(asked: Mapping[str, Any]) -> Iterator[str]:
    url = asked.get("URL")
    if not isinstance(url, str | PathLike):
        yield (
            "MODLOG['DATABASE'] is None, so MODLOG['URL'] must say where the ledger lies, as "
            "'postgresql://user@host/database'."
        )
    elif is_test_run() and _settings_at_start == [getattr(settings, "MODLOG", None)]:
        yield (
            "This is a test run, and MODLOG['URL'] leads to the ledger of the platform: give "
            "the tests another one, with other settings or override_settings(MODLOG=…)."
        )


def _wrong_database(asked: Mapping[str, Any], database: object) -> Iterator[str]:
    if not isinstance(database, str) or database not in connections:
        known = ", ".join(map(repr, connections))
        yield f"MODLOG['DATABASE'] is {database!r}; DATABASES knows {known}."
        return
    connection = connections[database]
    if connection.vendor == "sqlite":
        yield from _wrong_sqlite(asked, database)
    elif connection.vendor != "postgresql":
        yield (
            f"The database {database!r} is one of {connection.display_name}, and a ledger lies "
            "in SQLite or PostgreSQL: name another with MODLOG['DATABASE'], or with "
            "MODLOG['URL'] one that Django does not know."
        )
    elif connection.Database.__name__ != "psycopg":
        yield f"Django reaches {database!r} by psycopg2, and modlog needs psycopg 3: install it."


def _wrong_sqlite(asked: Mapping[str, Any], database: str) -> Iterator[str]:
    if asked.get("SCHEMA") is not None:
        yield "MODLOG['SCHEMA'] is for PostgreSQL; on SQLite a ledger has a file."
    name = str(connections[database].settings_dict["NAME"])
    if connections[database].is_in_memory_db() or name.startswith("file:"):
        yield (
            f"The database {database!r} is SQLite in memory, where no ledger can lie beside "
            "Django's tables: give it a file. For tests, DATABASES takes "
            "'TEST': {'NAME': BASE_DIR / 'test.sqlite3'}."
        )
