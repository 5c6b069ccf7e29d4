"""The app."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.core import checks
from django.db import DEFAULT_DB_ALIAS
from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate, pre_migrate

from modlog.django import _ledgers, _places, _settings
from modlog.django._checks import check_ledger


class ModlogConfig(AppConfig):
    """A ledger in Django."""

    name = "modlog.django"
    label = "modlog"
    verbose_name = "Moderation"
    default = True

    def ready(self) -> None:
        _settings.remember()
        checks.register(check_ledger, "modlog")
        pre_migrate.connect(_migrating, dispatch_uid="modlog")
        connection_created.connect(_connected, dispatch_uid="modlog")


def _migrating(**_: Any) -> None:
    # Behind all others: what they write must have been written when files are settled.
    post_migrate.disconnect(dispatch_uid="modlog")
    post_migrate.connect(_migrated, dispatch_uid="modlog")


def _migrated(app_config: AppConfig, using: str, **_: Any) -> None:
    if using != (_settings.alias() or DEFAULT_DB_ALIAS) or any(_settings.problems()):
        return
    if app_config.label == ModlogConfig.label:
        _places.migrate()
    _places.settle_files()


def _connected(connection: Any, **_: Any) -> None:
    # Django makes, copies or drops a test database, which nobody else may have open meanwhile.
    if connection.alias == NO_DB_ALIAS:
        _ledgers.close()
