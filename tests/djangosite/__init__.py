"""A site in Django whose members are accounts, with its tables in SQLite and in PostgreSQL.

Django is configured once in a process. Each test says with `MODLOG` in which of the databases
the ledger lies; members are saved there, too. Users of the admin are in the first.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import django
import psycopg
from django.conf import settings
from django.core.management import call_command
from django.test import override_settings
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Identifier

from tests import places

# Each is reached in another way; the last by a pool, which Django has since 5.1.
ON_POSTGRES: dict[str, dict[str, Any]] = {
    "postgres": {},
    "server_side": {"server_side_binding": True},
    "pooled": {"pool": {"min_size": 1, "max_size": 4}},
}
ALIASES = ("default", *(ON_POSTGRES if django.VERSION >= (5, 1) else list(ON_POSTGRES)[:-1]))
# One of each kind of database.
KINDS = ("default", "postgres")


@contextmanager
def running() -> Iterator[None]:
    """The site, with all of its tables but a ledger's."""
    with (
        tempfile.TemporaryDirectory(prefix="modlog-django-") as folder,
        places.fresh_schema() as schema,
    ):
        with psycopg.connect(places.postgres_url(), autocommit=True) as connection:
            connection.execute(SQL("CREATE SCHEMA {}").format(Identifier(schema)))
        configure(databases(Path(folder), schema))
        for alias in KINDS:
            with using(alias):
                call_command("migrate", database=alias, run_syncdb=True, verbosity=0)
        yield
        close()


def configure(found: dict[str, Any]) -> None:
    settings.configure(
        DATABASES=found,
        INSTALLED_APPS=[
            "django.contrib.admin",
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.messages",
            "django.contrib.sessions",
            "django.contrib.staticfiles",
            "modlog.django",
            "tests.djangosite",
        ],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
            "modlog.django.middleware.ActingMiddleware",
        ],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {
                    "context_processors": [
                        "django.template.context_processors.request",
                        "django.contrib.auth.context_processors.auth",
                        "django.contrib.messages.context_processors.messages",
                    ]
                },
            }
        ],
        ALLOWED_HOSTS=["*"],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        LOGGING_CONFIG=None,
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        ROOT_URLCONF="tests.djangosite.urls",
        SECRET_KEY="only for tests",  # noqa: S106
        STATIC_URL="static/",
        USE_TZ=True,
    )
    django.setup()


def databases(folder: Path, schema: str) -> dict[str, Any]:
    """The same schema of one server under several names, and a file."""
    found = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": folder / "site.sqlite3"}}
    server = on_server(places.postgres_url())
    for name, options in ON_POSTGRES.items():
        path = {"options": f"-c search_path={schema}"}
        found[name] = server | {"OPTIONS": path | options}
    return found


def on_server(url: str) -> dict[str, Any]:
    """A URL in Django's terms."""
    place = conninfo_to_dict(url)
    names = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host"}
    given = {name: place.get(key) or "" for name, key in (*names.items(), ("PORT", "port"))}
    return {"ENGINE": "django.db.backends.postgresql", **given}


def using(alias: str, **more: Any) -> Any:
    """The settings with a ledger in that database."""
    return override_settings(MODLOG={"DATABASE": alias, **more})


def close() -> None:
    """Close everything that the site has open."""
    from django.db import connections

    import modlog.django

    modlog.django.close()
    connections.close_all()
    for connection in connections.all():
        if hasattr(connection, "close_pool"):
            connection.close_pool()
