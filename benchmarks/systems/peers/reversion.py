"""django-reversion: a revision, with a serialised version of each object that was saved in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

from django.db import models, transaction
from django.db.models import Max, Min

from benchmarks.systems.peers import django_settings
from benchmarks.systems.peers.account import change, changes, row, statuses, why
from benchmarks.systems.peers.peer import CREATION, DELETION, REVERSAL, SWEEP
from benchmarks.workload import Record, blocks

django_settings.configure("reversion")

import reversion  # noqa: E402
from reversion.models import Revision, Version  # noqa: E402

from benchmarks.systems.peers.models import AccountRow, DjangoPeer, user  # noqa: E402

# Of a revision, which copies what it has with each object that is added: larger ones are slower.
_AT_ONCE: Final = 500


@reversion.register()
class Account(AccountRow):
    class Meta:
        app_label = "peers"


class Act(models.Model):
    """What a revision has besides its own user and comment."""

    revision = models.OneToOneField(Revision, on_delete=models.CASCADE)
    act = models.CharField(max_length=20)
    batch = models.CharField(max_length=50, null=True, db_index=True)

    class Meta:
        app_label = "peers"


class Reversion(DjangoPeer):
    """By revision blocks, to which what is done in bulk is added by hand."""

    model = Account
    by_hand = ("as_of", "actor")

    @transaction.atomic
    def _create(self, creations: Iterable[Record]) -> None:
        for chunk in blocks(self._new(creations), _AT_ONCE):
            with _revision(CREATION, manage_manually=True):
                Account.objects.bulk_create(chunk)
                _add(chunk)

    @transaction.atomic
    def _mark(self, records: Sequence[Record]) -> None:
        for chunk in blocks(records, _AT_ONCE):
            accounts = Account.objects.in_bulk([record["account_id"] for record in chunk])
            with _revision(records[0]):
                for record in chunk:
                    change(accounts[record["account_id"]], record)
                    accounts[record["account_id"]].save()

    def _act(self, record: Record) -> None:
        with _revision(record):
            if record["do"] == "create":
                account = Account(**row(record))
            else:
                account = Account.objects.get(pk=record["account_id"])
                change(account, record)
            account.save()

    @transaction.atomic
    def _delete(self, ids: Sequence[str]) -> None:
        for chunk in blocks(ids, _AT_ONCE):
            with _revision(DELETION, manage_manually=True):
                found = Account.objects.filter(pk__in=chunk)
                found.update(**changes(DELETION))
                _add(found)

    @transaction.atomic
    def _undo(self) -> None:
        """`revert` of each account's version before the sweep."""
        versions = Version.objects.get_for_model(Account)
        swept = versions.filter(revision__act__batch=SWEEP)
        first = swept.aggregate(pk=Min("pk"))["pk"]
        earlier = versions.filter(pk__lt=first, object_id__in=swept.values("object_id"))
        for chunk in blocks(list(_last(earlier)), _AT_ONCE):
            with _revision(REVERSAL):
                for version in chunk:
                    version.revert()

    def _moment(self, number: int) -> datetime:
        found: datetime = Revision.objects.get(pk=number).date_created
        return found

    def _statuses(self, moment: datetime) -> Mapping[str, int]:
        """Each account's last version up to then."""
        versions = Version.objects.get_for_model(Account)
        earlier = versions.filter(revision__date_created__lte=moment)
        return statuses(version.field_dict for version in _last(earlier).iterator())

    def _history(self, account_id: str) -> Sequence[Any]:
        versions = Version.objects.get_for_object_reference(Account, account_id)
        return _decoded(versions.select_related("revision"))

    def _deletions(self, actor: str, since: datetime) -> Sequence[Any]:
        return _decoded(
            Version.objects.get_for_model(Account)
            .filter(
                revision__user=user(actor),
                revision__act__act="delete",
                revision__date_created__gte=since,
            )
            .select_related("revision")
        )


@contextmanager
def _revision(record: Record, *, manage_manually: bool = False) -> Iterator[None]:
    """A revision block that says who and why."""
    with reversion.create_revision(manage_manually=manage_manually):
        yield
        reversion.set_user(user(record["actor"]["id"]))
        reversion.set_comment(why(record))
        reversion.add_meta(Act, act=record["do"], batch=record.get("batch"))


def _add(accounts: Iterable[Account]) -> None:
    for account in accounts:
        reversion.add_to_revision(account)


def _last(versions: Any) -> Any:
    """The last of these of each account."""
    last = versions.order_by().values("object_id").annotate(last=Max("pk")).values("last")
    return Version.objects.filter(pk__in=last)


def _decoded(versions: Iterable[Any]) -> list[Any]:
    return [(version.field_dict, version.revision) for version in versions]
