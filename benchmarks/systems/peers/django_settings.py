"""Django, as little of it as models need: settings first, then the models of one peer."""

from __future__ import annotations

from typing import Any, Final

import django
from django.conf import settings
from django.db import connection, connections

from benchmarks.places import Place, claimed, server

_CACHE_KIB: Final = 64 * 1024  # as modlog and the floor have it
_PRAGMAS: Final = (
    f"PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-{_CACHE_KIB}"
)


def configure(*apps: str, **more: Any) -> None:
    """Make models possible, with these apps."""
    settings.configure(
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            *apps,
            "benchmarks.systems.peers",
        ],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3"}},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
        **more,
    )
    django.setup()


def connect(place: Place) -> bool:
    """Whether the tables have still to be made at this place, which is the database from now on."""
    new = claimed(place)
    connections.databases["default"].update(_database(place))
    del connections["default"]  # models may have looked at the one that was there before
    return new


def durability() -> str:
    """What the connection says of itself."""
    names = (
        {"PRAGMA": ("journal_mode", "synchronous")}
        if connection.vendor == "sqlite"
        else {"SHOW": ("fsync", "synchronous_commit")}
    )
    with connection.cursor() as cursor:
        return ", ".join(
            f"{name}={cursor.execute(f'{ask} {name}').fetchone()[0]}"
            for ask, asked in names.items()
            for name in asked
        )


def _database(place: Place) -> dict[str, Any]:
    if place.store == "sqlite":
        options = {"init_command": _PRAGMAS, "transaction_mode": "IMMEDIATE"}
        return {
            "ENGINE": "django.db.backends.sqlite3", "NAME": place.path, "OPTIONS": options
        }  # fmt: skip
    given = server(place)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": given["dbname"],
        "USER": given.get("user", ""),
        "PASSWORD": given.get("password", ""),
        "HOST": given.get("host", ""),
        "PORT": given.get("port", ""),
        "OPTIONS": {"options": f"-c search_path={place.schema}"},
    }
