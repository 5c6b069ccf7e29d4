"""django-simple-history: a row of history with each save, and in bulk by its own helpers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.db import models, transaction
from django.db.models import Count, Min

from benchmarks.places import Place
from benchmarks.systems.peers import django_settings
from benchmarks.systems.peers.account import change, changes, row, statuses, why
from benchmarks.systems.peers.peer import CREATION, DELETION, REVERSAL, SWEEP
from benchmarks.workload import Record, blocks

# Its documentation has this index for `as_of`.
django_settings.configure("simple_history", SIMPLE_HISTORY_DATE_INDEX="Composite")

from simple_history.models import HistoricalRecords  # noqa: E402
from simple_history.signals import pre_create_historical_record  # noqa: E402
from simple_history.utils import (  # noqa: E402
    bulk_create_with_history,
    bulk_update_with_history,
)

from benchmarks.systems.peers.models import COLUMNS, AccountRow, DjangoPeer, user  # noqa: E402

_AT_ONCE: Final = 10_000
_ROWS: Final = 500  # of a statement, as its documentation has it


class Act(models.Model):
    """What a row of history has besides its own user and reason."""

    act = models.CharField(max_length=20)
    batch = models.CharField(max_length=50, null=True, db_index=True)

    class Meta:
        abstract = True


class Account(AccountRow):
    history = HistoricalRecords(bases=[Act])

    class Meta:
        app_label = "peers"


class SimpleHistory(DjangoPeer):
    """By its helpers where many rows change, else by `save`."""

    model = Account
    by_hand = ("undo", "actor")

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        pre_create_historical_record.connect(_add_act)

    def _create(self, creations: Iterable[Record]) -> None:
        bulk_create_with_history(
            self._new(creations), Account, batch_size=_ROWS, **_given(CREATION)
        )

    def _mark(self, records: Sequence[Record]) -> None:
        accounts = Account.objects.in_bulk([record["account_id"] for record in records])
        for record in records:
            change(accounts[record["account_id"]], record)
        fields = list(changes(records[0], next(iter(accounts.values()))))
        bulk_update_with_history(
            accounts.values(), Account, fields, batch_size=_ROWS, **_given(records[0])
        )

    def _act(self, record: Record) -> None:
        if record["do"] == "create":
            account = Account(**row(record))
        else:
            account = Account.objects.get(pk=record["account_id"])
            change(account, record)
        account._history_user = user(record["actor"]["id"])
        account._change_reason = why(record)
        account._act = record["do"]
        with transaction.atomic():
            account.save()

    @transaction.atomic
    def _delete(self, ids: Sequence[str]) -> None:
        """One `update` for all; then their history, with `fields` empty: nothing is left to do."""
        for chunk in blocks(ids, _AT_ONCE):
            found = Account.objects.filter(pk__in=chunk)
            found.update(**changes(DELETION))
            bulk_update_with_history(found, Account, [], batch_size=_ROWS, **_given(DELETION))

    @transaction.atomic
    def _undo(self) -> None:
        """`as_of` just before the sweep gives all accounts; an upsert, and then their history."""
        swept = Account.history.filter(batch=SWEEP)
        before = swept.aggregate(at=Min("history_date"))["at"] - timedelta(microseconds=1)
        accounts = list(Account.history.as_of(before).filter(id__in=swept.values("id")))
        Account.objects.bulk_create(
            accounts,
            update_conflicts=True,
            unique_fields=["id"],
            update_fields=COLUMNS,
            batch_size=_ROWS,
        )
        bulk_update_with_history(accounts, Account, [], batch_size=_ROWS, **_given(REVERSAL))

    def _moment(self, number: int) -> datetime:
        found: datetime = Account.history.get(history_id=number).history_date
        return found

    def _statuses(self, moment: datetime) -> Mapping[str, int]:
        then = Account.history.as_of(moment).order_by()
        return statuses(then.values("suspended", "deleted").annotate(count=Count("*")))

    def _history(self, account_id: str) -> Sequence[Any]:
        return list(Account.history.filter(id=account_id))

    def _deletions(self, actor: str, since: datetime) -> Sequence[Any]:
        return list(
            Account.history.filter(history_user=user(actor), act="delete", history_date__gte=since)
        )


def _given(record: Record) -> dict[str, Any]:
    """Who and why, as the helpers take it."""
    return {
        "default_user": user(record["actor"]["id"]),
        "default_change_reason": why(record),
        "default_date": datetime.now(UTC),
        "custom_historical_attrs": {"act": record["do"], "batch": record.get("batch")},
    }


def _add_act(history_instance: Any, instance: Any, **_: Any) -> None:
    history_instance.act = instance._act
