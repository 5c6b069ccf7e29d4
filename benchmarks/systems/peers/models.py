"""The account of an application with Django, and what its three peers share."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any, ClassVar

from django.apps import apps
from django.contrib.auth.models import User
from django.db import connection, models, transaction

from benchmarks.places import Place
from benchmarks.systems.peers import django_settings
from benchmarks.systems.peers.account import row
from benchmarks.systems.peers.peer import Peer
from benchmarks.workload import ACTORS, Record


class AccountRow(models.Model):
    """What each peer keeps versions of."""

    id = models.CharField(primary_key=True, max_length=255)
    profile = models.JSONField()
    flags = models.JSONField()
    suspended = models.BooleanField()
    deleted = models.BooleanField()
    changed_at = models.DateTimeField()

    class Meta:
        abstract = True


# All columns but the key.
COLUMNS = [field.name for field in AccountRow._meta.fields if not field.primary_key]


class DjangoPeer(Peer):
    """One that keeps the versions of a model.

    Attributes:
        model: its account.
    """

    model: ClassVar[Any]

    def __init__(self, place: Place) -> None:
        if django_settings.connect(place):
            self._make_tables()

    def _make_tables(self) -> None:
        with connection.schema_editor() as editor:
            for model in apps.get_models():
                if model._meta.managed and not model._meta.proxy:
                    editor.create_model(model)
        User.objects.bulk_create(User(username=actor["id"]) for actor in ACTORS)

    def durability(self) -> str:
        return django_settings.durability()

    def _new(self, creations: Iterable[Record]) -> list[Any]:
        return [self.model(**row(record)) for record in creations]

    def _together(self, records: Iterable[Record]) -> None:
        with transaction.atomic():
            super()._together(list(records))

    def _accounts(self) -> Iterable[Any]:
        return self.model.objects.iterator()


@cache
def user(name: str) -> Any:
    """The user that an actor is."""
    return User.objects.get(username=name)
