"""Who acts in a request to Django and which one it is, by Django's own clients."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.test import AsyncClient, Client

import modlog
from modlog import Actor, MissingActorError
from tests.djangosite import KINDS

NAME = "x-request-id"


@pytest.fixture(params=KINDS)
def alias(request: pytest.FixtureRequest, site: Any) -> Iterator[str]:
    with site.using(request.param):
        yield request.param
    site.close()


@pytest.fixture
def log(alias: str) -> modlog.ModLog:
    from modlog.django import log

    return log


@pytest.fixture
def account(log: modlog.ModLog) -> str:
    account_id = f"account-{log.head}"
    log.create(account_id, actor=Actor.system("sign-up"))
    return account_id


@pytest.fixture
def user(site: Any) -> Any:
    from django.contrib.auth import get_user_model

    yield get_user_model().objects.create_user("wan")
    get_user_model().objects.all().delete()


@pytest.fixture
def client(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_the_user_of_a_request_acts_in_it(client, account, log):
    answer = client.get(f"/suspend/{account}/")
    event = log.history(account)[-1]
    assert event.actor == Actor.human("wan")
    assert answer.json() == {"actor": "human:wan", "request": event.correlation_id}


def test_nobody_acts_where_nobody_is_logged_in(account, log):
    with pytest.raises(MissingActorError):
        Client().get(f"/suspend/{account}/")
    assert log.account(account).version == 1


def test_who_logs_in_during_the_request_acts_in_it(user, account):
    answer = Client().get(f"/log-in-and-suspend/{account}/?user=wan")
    assert answer.json()["actor"] == "human:wan"


def test_who_an_api_takes_for_its_user_acts(client, account):
    answer = client.get(f"/by-token/{account}/", headers={"token": "mei"})
    assert answer.json()["actor"] == "human:mei"


def test_what_the_settings_name_acts(site, client, account, alias):
    def actor(request: Any) -> Actor:
        return Actor.bot(request.headers["robot"], version="3")

    for source in (actor, "tests.test_django_requests.robot"):
        with site.using(alias, ACTOR=source):
            answer = client.get(f"/suspend/{account}/", headers={"robot": "r2"})
            assert answer.json()["actor"] == "bot:r2"


def robot(request: Any) -> Actor:
    return Actor.bot(request.headers["robot"])


@pytest.mark.parametrize("given", ["3f2a9c", "00-4bf92f-01", "https://x/y"])
def test_a_request_keeps_the_name_that_others_gave_it(given, client, account, log):
    answer = client.get(f"/suspend/{account}/", headers={NAME: given})
    assert log.history(account)[-1].correlation_id == given
    assert answer.headers[NAME] == given


@pytest.mark.parametrize("given", ["", "x" * 129, "<script>", "a b", "é", "\u202eevil"])
def test_a_request_gets_a_name_where_it_has_none_that_can_be(given, client, account):
    answer = client.get(f"/suspend/{account}/", headers={NAME: given})
    made = answer.json()["request"]
    assert made == answer.headers[NAME]
    assert made not in ("", given)
    assert client.get(f"/suspend/{account}/").json()["request"] != made


def test_what_a_request_settled_ends_with_it(client, account, log):
    client.get(f"/suspend/{account}/")
    with pytest.raises(MissingActorError):
        log.note(account, "after the request")


def test_a_view_saves_a_row_and_an_event_or_neither(client, account, log, alias):
    from tests.djangosite.models import Member

    member = Member.objects.using(alias).create(name=account)
    with pytest.raises(RuntimeError):
        client.get(f"/with-members/{account}/?fail=1")
    member.refresh_from_db()
    assert (member.visible, log.account(account).status) == (True, "active")
    client.get(f"/with-members/{account}/")
    member.refresh_from_db()
    assert (member.visible, log.account(account).status) == (False, "suspended")
    assert log.verify().ok


@pytest.mark.parametrize("path", ["async", "with-members"])
def test_an_asynchronous_client_is_answered_alike(path, user, account, log, alias):
    @async_to_sync
    async def asked() -> Any:
        client = AsyncClient()
        await sync_to_async(client.force_login)(user)
        return await client.get(f"/{path}/{account}/", headers={NAME: "r1"})

    answer = asked()
    assert answer.json() == {"actor": "human:wan", "request": "r1"}
    assert log.account(account).status == "suspended"


def test_a_user_who_is_known_acts_in_an_asynchronous_view(account):
    @async_to_sync
    async def asked() -> Any:
        return await AsyncClient().get(f"/async-by-token/{account}/")

    assert asked().json()["actor"] == "human:late"


def test_requests_at_once_do_not_mix_who_acts(account, log):
    @async_to_sync
    async def asked() -> list[Any]:
        return await asyncio.gather(
            *(
                AsyncClient().get(f"/async-by-name/{account}/{n}/", headers={NAME: f"r{n}"})
                for n in range(20)
            )
        )

    answers = [answer.json() for answer in asked()]
    assert answers == [{"actor": f"human:u{n}", "request": f"r{n}"} for n in range(20)]
