"""The ledger in Django's transactions, on each kind of connection that Django makes."""

import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import psycopg
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connections, transaction

import modlog
from modlog import Actor, InvalidInputError, StoreUnavailableError
from tests.djangosite import ALIASES, KINDS

ANN: dict[str, Any] = {"actor": Actor.human("ann"), "reason": "spam"}


class Undone(Exception):  # noqa: N818
    """Ends a block of which nothing is to stay."""


@pytest.fixture(params=ALIASES)
def alias(request: pytest.FixtureRequest, site: Any) -> Iterator[str]:
    """A database of Django's in which a ledger lies."""
    with site.using(request.param):
        yield request.param
    site.close()


@pytest.fixture
def members(alias: str) -> Any:
    from tests.djangosite.models import Member

    found = Member.objects.using(alias)
    found.all().delete()
    return found


@pytest.fixture
def log(alias: str) -> modlog.ModLog:
    from modlog.django import log

    return log


@pytest.fixture
def within(alias: str) -> Any:
    from modlog.django import within

    return within


@pytest.fixture
def name(log: modlog.ModLog, request: pytest.FixtureRequest) -> str:
    """An account of this test's own."""
    account_id = f"account-{log.head}"
    log.create(account_id, actor=Actor.system("sign-up"))
    return account_id


def test_a_row_and_an_event_are_committed_together(within, log, members, name):
    with within():
        members.create(name=name)
        log.suspend(name, **ANN)
        assert in_a_thread(lambda: log.account(name).status) == "active"
    assert members.filter(name=name).exists()
    assert log.account(name).status == "suspended"
    assert log.verify().ok


def test_neither_is_there_after_an_error(within, log, members, name):
    head = log.head
    with suppress(Undone), within():
        members.create(name=name)
        log.suspend(name, **ANN)
        raise Undone
    assert not members.filter(name=name).exists()
    assert (log.head, log.account(name).status) == (head, "active")


def test_they_follow_the_atomic_block_around_them(alias, within, log, members, name):
    head = log.head
    with transaction.atomic(using=alias):
        with within() as found:
            assert found.suspend(name, **ANN).position == head + 1
            members.create(name=name)
        transaction.set_rollback(True, using=alias)
    assert not members.filter(name=name).exists()
    assert log.head == head


def test_a_savepoint_of_django_takes_events_back(alias, within, log, members, name):
    with within():
        log.flag(name, label="spam", **ANN)
        with suppress(Undone), transaction.atomic(using=alias):
            members.create(name=name)
            log.delete(name, **ANN)
            log.create(f"{name}-2", actor=Actor.system("sign-up"))
            raise Undone
        log.create(f"{name}-3", actor=Actor.system("sign-up"))
        log.suspend(name, **ANN)
    assert not members.filter(name=name).exists()
    assert [event.type for event in log.history(name)][1:] == [
        "account.flagged",
        "account.suspended",
    ]
    assert log.verify().ok


def test_a_block_within_a_block_is_a_part_of_it(within, log, members, name):
    with within():
        log.flag(name, label="spam", **ANN)
        with suppress(Undone), within():
            members.create(name=name)
            log.delete(name, **ANN)
            raise Undone
        with within():
            log.suspend(name, **ANN)
    assert not members.filter(name=name).exists()
    assert log.account(name).status == "suspended"
    assert log.history(name)[-1].version == 3
    assert log.verify().ok


def test_two_blocks_may_be_in_one_transaction(alias, within, log, name):
    with transaction.atomic(using=alias):
        with within():
            log.flag(name, label="spam", **ANN)
        with within():
            log.suspend(name, **ANN)
            assert log.account(name).version == 3
    assert log.verify().ok


def test_a_transaction_of_the_ledgers_own_is_not_mixed_with_it(within, log, name):
    with (
        log.transaction(),
        pytest.raises(InvalidInputError, match="would wait for its end"),
        within(),
    ):
        pass
    assert log.account(name).version == 1


def test_every_thread_has_the_same_ledger(within, log, name):
    with within():
        log.suspend(name, **ANN)
    assert in_a_thread(lambda: log.account(name).status) == "suspended"


def test_a_forked_child_has_connections_of_its_own(log, within, name, members, alias):
    log.note(name, "before", actor=ANN["actor"])
    connections.close_all()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            with within():
                log.suspend(name, **ANN)
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert log.account(name).status == "suspended"
    log.restore(name, **ANN)
    assert log.verify().ok


@pytest.mark.parametrize("alias", ["postgres"], indirect=True)
def test_waiting_for_its_own_transaction_is_refused_at_once(within, log, name, alias):
    with transaction.atomic(using=alias):
        with within():
            log.suspend(name, **ANN)
        with pytest.raises(StoreUnavailableError, match="in this same thread"):
            log.note(name, "outside of the block", actor=ANN["actor"])
    assert log.account(name).version == 2


def test_a_ledger_that_django_does_not_know_has_no_part_in_its_transactions(site, tmp_path, within):
    url = f"sqlite:///{tmp_path}/elsewhere.db"
    modlog.open(url).close()
    with site.override_settings(MODLOG={"URL": url}):
        from modlog.django import log

        log.create("a", actor=ANN["actor"])
        with pytest.raises(ImproperlyConfigured, match="name the same database"), within():
            pass
        assert log.head == 1


@pytest.mark.parametrize("alias", KINDS[1:], indirect=True)
def test_a_connection_of_django_can_be_given_to_a_ledger_of_ones_own(
    alias, postgres_url, schema, site
):
    """Without the app: `log.within` takes the driver's connection."""
    for one in ("postgres", "server_side"):
        with modlog.open(postgres_url, schema=schema, create=True) as log:
            with transaction.atomic(using=one), log.within(driver_of(connections[one])):
                log.create(one, actor=ANN["actor"], idempotency_key=one, profile={"name": "Lei"})
                log.flag(one, label="spam", score=0.5, actor=ANN["actor"])
                log.delete(one, **ANN)
            assert log.account(one).status == "deleted"
            assert log.verify().ok


def driver_of(connection: Any) -> psycopg.Connection[Any]:
    driver = connection.connection
    assert isinstance(driver, psycopg.Connection)
    return driver


def test_the_lock_is_taken_by_the_first_command_and_not_before(alias, within, log, name):
    with within():
        in_a_thread(lambda: log.flag(name, label="meanwhile", actor=ANN["actor"]))
        log.suspend(name, **ANN)
        assert log.account(name).version == 3


def test_another_may_write_once_django_has_gone_back_behind_the_first_command(
    alias, within, log, name
):
    """On PostgreSQL a lock that was taken behind a savepoint is given back with it."""
    with within():
        with suppress(Undone), transaction.atomic(using=alias):
            log.suspend(name, **ANN)
            raise Undone
        if alias != "default":
            in_a_thread(lambda: log.flag(name, label="meanwhile", actor=ANN["actor"]))
        log.delete(name, **ANN)
    assert log.account(name).status == "deleted"
    assert log.verify().ok


def in_a_thread(act: Any) -> Any:
    """A call in a thread, which has connections of its own and takes no part in the block."""
    found: list[Any] = []

    def called() -> None:
        try:
            found.append(act())
        finally:
            connections.close_all()

    thread = threading.Thread(target=called)
    thread.start()
    thread.join()
    return found[0]
