"""django-pghistory: triggers of PostgreSQL write an event for each row that a statement changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from django.db import transaction
from django.db.models import Min, OuterRef, Subquery

from benchmarks.systems.peers import django_settings
from benchmarks.systems.peers.account import READING, changes, row, statuses, why
from benchmarks.systems.peers.peer import CREATION, DELETION, REVERSAL, SWEEP
from benchmarks.workload import Record, blocks

django_settings.configure("pgtrigger", "pghistory")

import pghistory  # noqa: E402
import pgtrigger  # noqa: E402
from pghistory.models import Context  # noqa: E402

from benchmarks.systems.peers.models import COLUMNS, AccountRow, DjangoPeer, user  # noqa: E402

_AT_ONCE: Final = 10_000
_ROWS: Final = 1_000


@pghistory.track(level=pghistory.Statement)
class Account(AccountRow):
    class Meta:
        app_label = "peers"


Event: Any = Account.pgh_event_model


class PgHistory(DjangoPeer):
    """By `update`, inside of a context."""

    model = Account
    by_hand = ("undo", "as_of", "actor")

    def _make_tables(self) -> None:
        super()._make_tables()
        Context.install_pgh_attach_context_func()
        pgtrigger.install()

    def _create(self, creations: Iterable[Record]) -> None:
        with _context(CREATION):
            Account.objects.bulk_create(self._new(creations), batch_size=_ROWS)

    def _mark(self, records: Sequence[Record]) -> None:
        """One `update`, since all of them had nothing of the kind."""
        ids = [record["account_id"] for record in records]
        changed = changes(records[0], Account.objects.get(pk=ids[0]))
        with _context(records[0]):
            Account.objects.filter(pk__in=ids).update(**changed)

    def _act(self, record: Record) -> None:
        with _context(record):
            if record["do"] == "create":
                Account.objects.create(**row(record))
                return
            found = Account.objects.filter(pk=record["account_id"])
            account = found.get() if record["do"] in READING else None
            found.update(**changes(record, account))

    @transaction.atomic
    def _delete(self, ids: Sequence[str]) -> None:
        with _context(DELETION):
            for chunk in blocks(ids, _AT_ONCE):
                Account.objects.filter(pk__in=chunk).update(**changes(DELETION))

    def _undo(self) -> None:
        """Its own `revert` is for one event: an `update` from each account's event before."""
        swept = Event.objects.filter(pgh_context__metadata__batch=SWEEP)
        first = swept.aggregate(id=Min("pgh_id"))["id"]
        earlier = Event.objects.filter(pgh_obj=OuterRef("pk"), pgh_id__lt=first)
        last = earlier.order_by("-pgh_id")
        with _context(REVERSAL):
            Account.objects.filter(pk__in=swept.values("pgh_obj")).update(
                **{name: Subquery(last.values(name)[:1]) for name in COLUMNS}
            )

    def _moment(self, number: int) -> datetime:
        found: datetime = Event.objects.get(pgh_id=number).pgh_created_at
        return found

    def _statuses(self, moment: datetime) -> Mapping[str, int]:
        """Each account's last event up to then."""
        events = Event.objects.filter(pgh_created_at__lte=moment)
        last = events.order_by("pgh_obj", "-pgh_id").distinct("pgh_obj")
        return statuses(last.values("suspended", "deleted"))

    def _history(self, account_id: str) -> Sequence[Any]:
        events = Event.objects.filter(pgh_obj=account_id).select_related("pgh_context")
        return list(events.order_by("pgh_id"))

    def _deletions(self, actor: str, since: datetime) -> Sequence[Any]:
        meant = {"user": user(actor).pk, "act": "delete"}
        return list(
            Event.objects.filter(
                pgh_context__metadata__contains=meant, pgh_created_at__gte=since
            ).select_related("pgh_context")
        )


def _context(record: Record) -> Any:
    """Who and why, for all that happens inside."""
    batch = {"batch": record["batch"]} if "batch" in record else {}
    who = user(record["actor"]["id"]).pk
    return pghistory.context(user=who, reason=why(record), act=record["do"], **batch)
