"""The eventsourcing library as it comes: an aggregate, its repository, its own recorders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event

from benchmarks.places import Place, claimed, server
from benchmarks.tasks import Measured, Stopwatch, Task
from benchmarks.workload import (
    FILLED_AT_ONCE,
    Facts,
    Mixed,
    Population,
    account_ids,
    asked_accounts,
    blocks,
    earlier,
)

# The same as a replay of modlog reads at a time.
_PAGE = 5_000


class Account(Aggregate):
    """The same account: what is in force, and who did it and why in every event."""

    @event("Created")
    def __init__(self, account_id: str, profile: dict[str, Any], actor: dict[str, str]) -> None:
        self.account_id = account_id
        self.profile = profile
        self.flags: dict[int, str] = {}
        self.sanctions: dict[int, str] = {}

    @staticmethod
    def create_id(account_id: str) -> UUID:
        return uuid5(NAMESPACE_URL, account_id)

    @event("ProfileChanged")
    def change_profile(self, changes: dict[str, Any], actor: dict[str, str]) -> None:
        self.profile = {**self.profile, **changes}

    @event("Flagged")
    def flag(self, label: str, actor: dict[str, str], score: float | None = None) -> None:
        self.flags[self.version] = label

    @event("Suspended")
    def suspend(self, actor: dict[str, str], reason: str, policy: str) -> None:
        self.sanctions[self.version] = "suspension"

    @event("Deleted")
    def delete(self, actor: dict[str, str], reason: str, policy: str) -> None:
        self.sanctions[self.version] = "deletion"

    def restore(self, actor: dict[str, str], reason: str, policy: str) -> None:
        self._restore(list(self.sanctions), actor, reason, policy)

    @event("Restored")
    def _restore(self, lifts: list[int], actor: dict[str, str], reason: str, policy: str) -> None:
        for version in lifts:
            self.sanctions.pop(version)

    def undelete(self, actor: dict[str, str], reason: str, policy: str) -> None:
        deletions = [version for version, kind in self.sanctions.items() if kind == "deletion"]
        self._restore(deletions, actor, reason, policy)

    @event("Noted")
    def note(self, text: str, actor: dict[str, str]) -> None:
        pass


_MODERATOR = {"kind": "human", "id": "moderator-1"}


class Stock:
    """An application with that aggregate."""

    def __init__(self, place: Place) -> None:
        self._store = place.store
        self._app = Application[UUID](env=_environment(place))

    def durability(self) -> str:
        datastore: Any = self._app.factory.datastore  # type: ignore[attr-defined]
        if self._store == "sqlite":
            with datastore.transaction(commit=False) as cursor:
                return ", ".join(
                    f"{name}={cursor.execute(f'PRAGMA {name}') or cursor.fetchone()[0]}"
                    for name in ("journal_mode", "synchronous")
                )
        with datastore.get_connection() as connection:
            return ", ".join(
                f"{name}={connection.execute(f'SHOW {name}').fetchone()[name]}"
                for name in ("fsync", "synchronous_commit")
            )

    # What the operations work on

    def fill_accounts(self, task: Task) -> None:
        self._save(
            Account(account_id=id_, profile={"nickname": f"member {id_}"}, actor=_MODERATOR)
            for id_ in account_ids(task.n)
        )

    def fill_mixed(self, task: Task) -> None:
        accounts: dict[str, Account] = {}
        self._save(_done(record, accounts) for record in Mixed(task.n))

    def fill_population(self, task: Task) -> None:
        population = Population(task.n)
        accounts: dict[str, Account] = {}
        for records in (population.creations(), population.marks()):
            self._save(_done({"actor": _MODERATOR} | record, accounts) for record in records)

    def check(self, population: Population, *, deleted: bool, marked: bool = True) -> None:
        """Stop the run if one account is not as it must be."""
        population.check(self._facts(population.count), deleted=deleted, marked=marked)

    def _facts(self, count: int) -> Iterator[Facts]:
        for account_id in account_ids(count):
            account: Account = self._app.repository.get(Account.create_id(account_id))
            labels, kinds = sorted(account.flags.values()), sorted(account.sanctions.values())
            yield account_id, account.profile["nickname"], labels, kinds

    def _save(self, changed: Iterable[Account]) -> None:
        waiting: dict[UUID, Account] = {}
        for events, account in enumerate(changed, 1):
            waiting[account.id] = account
            # More in a transaction, and psycopg's pipeline hangs on a socket.
            if events % FILLED_AT_ONCE == 0:
                self._app.save(*waiting.values())
                waiting = {}
        self._app.save(*waiting.values())

    # Operations

    def commands(self, accounts: Sequence[str]) -> None:
        """A suspension of each account, and its end: load, act, save."""
        app = self._app
        for account_id in [Account.create_id(account_id) for account_id in accounts]:
            account: Account = app.repository.get(account_id)
            account.suspend(actor=_MODERATOR, reason="against the rules", policy="spam")
            app.save(account)
            account = app.repository.get(account_id)
            account.restore(actor=_MODERATOR, reason="against the rules", policy="spam")
            app.save(account)

    def create(self, task: Task) -> Measured:
        """An aggregate and a save for each."""
        watch, population = Stopwatch(), Population(task.n)
        with watch.running():
            for record in watch.without(population.creations()):
                id_, profile = record["account_id"], record["profile"]
                self._app.save(Account(account_id=id_, profile=profile, actor=_MODERATOR))
        return Measured(task.n, watch.seconds)

    def sweep(self, task: Task) -> Measured:
        """Load, delete and save every account."""
        return self._each(task, Account.delete)

    def undo(self, task: Task) -> Measured:
        """Load every account, lift its deletion and save it."""
        return self._each(task, Account.undelete)

    def _each(self, task: Task, act: Callable[..., None]) -> Measured:
        watch, ids = Stopwatch(), account_ids(task.n)
        with watch.running():
            self._keep(self._acted_on(id_, act) for id_ in ids)
        return Measured(task.n, watch.seconds)

    def _acted_on(self, id_: str, act: Callable[..., None]) -> Account:
        account: Account = self._app.repository.get(Account.create_id(id_))
        act(account, actor=_MODERATOR, reason="against the rules", policy="spam")
        return account

    def _keep(self, changed: Iterable[Account]) -> None:
        """Save accounts, one after another."""
        for account in changed:
            self._app.save(account)

    def as_of(self, task: Task) -> Measured:
        """The aggregates, as the notification log up to then leads to them."""
        watch, last = Stopwatch(), earlier(task.n)
        accounts: dict[UUID, Account | None] = {}
        decoded, position = self._app.mapper.to_domain_event, 0
        with watch.running():
            while page := self._app.recorder.select_notifications(position + 1, _PAGE, last):
                for notification in page:
                    happened: Any = decoded(notification)
                    id_ = happened.originator_id
                    accounts[id_] = happened.mutate(accounts.get(id_))
                position = page[-1].id
            counts = Counter(_status(account) for account in accounts.values())
        return Measured(last, watch.seconds, dict(counts))

    def history(self, task: Task) -> Measured:
        """An aggregate's decoded events."""
        watch, asked = Stopwatch(), asked_accounts(task.n)
        with watch.running():
            found = sum(len(list(self._app.events.get(Account.create_id(id_)))) for id_ in asked)
        return Measured(len(asked), watch.seconds, found)

    def replay(self, task: Task) -> Measured:
        """The decoded notification log."""
        watch, count = Stopwatch(), 0
        decoded = self._app.mapper.to_domain_event
        with watch.running():
            while page := self._app.recorder.select_notifications(count + 1, _PAGE):
                for notification in page:
                    decoded(notification)
                count += len(page)
        assert count == task.n
        return Measured(count, watch.seconds)


class StockTogether(Stock):
    """The same, as a competent user would write a sweep: 500 aggregates in one transaction."""

    def _keep(self, changed: Iterable[Account]) -> None:
        for block in blocks(changed, FILLED_AT_ONCE):
            self._app.save(*block)


def _status(account: Account | None) -> str:
    assert account is not None
    kinds = account.sanctions.values()
    if "deletion" in kinds:
        return "deleted"
    return "suspended" if "suspension" in kinds else "active"


def _done(record: dict[str, Any], accounts: dict[str, Account]) -> Account:
    account_id, act = record["account_id"], record["do"]
    given = {
        name: value
        for name, value in record.items()
        if name not in ("do", "account_id", "at", "key")
    }
    if act == "create":
        accounts[account_id] = Account(account_id=account_id, **given)
    else:
        getattr(accounts[account_id], act)(**given)
    return accounts[account_id]


def _environment(place: Place) -> dict[str, str]:
    if place.store == "sqlite":
        return {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": place.path}
    given = server(place)
    assert place.schema is not None
    return {
        # Several processes that make the tables at once get into each other's way.
        "CREATE_TABLE": "yes" if claimed(place) else "no",
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": given["dbname"],
        "POSTGRES_HOST": given["host"],
        "POSTGRES_PORT": given.get("port", "5432"),
        "POSTGRES_USER": given.get("user", ""),
        "POSTGRES_PASSWORD": given.get("password", ""),
        "POSTGRES_SCHEMA": place.schema,
    }
