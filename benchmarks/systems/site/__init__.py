"""A site in Django with one view, which writes a row: with the ledger at hand, and without."""

from __future__ import annotations

from typing import Any, Final

from django.conf import settings
from django.core.management import call_command
from django.db import transaction
from django.http import HttpResponse
from django.test import Client, override_settings
from django.urls import path

from benchmarks.places import Place
from benchmarks.systems.peers import django_settings
from benchmarks.tasks import Measured, Stopwatch
from modlog import Actor

_MIDDLEWARE: Final = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
_OURS: Final = "modlog.django.middleware.ActingMiddleware"
# The kinds of request take turns, so that nothing else on the machine meets only one of them.
_TURN: Final = 25

urlpatterns: list[Any] = []


def requests(place: Place, number: int) -> Measured:
    """So many requests of each kind, by somebody who is logged in."""
    clients = _opened(place)
    watches = {name: Stopwatch() for name in clients}
    for name, client in clients.items():
        _asked(name, client, _TURN)
    for _ in range(number // _TURN):
        for name, client in clients.items():
            with watches[name].running():
                _asked(name, client, _TURN)
    count = number // _TURN * _TURN
    parts = {name: Measured(count, watch.seconds) for name, watch in watches.items()}
    return Measured(count, parts["within"].seconds, parts=parts)


def _asked(name: str, client: Client, number: int) -> None:
    for _ in range(number):
        assert client.get(f"/{name}/").status_code == 200


def _opened(place: Place) -> dict[str, Client]:
    """A client of each kind, logged in; its middleware is loaded by its first request."""
    django_settings.configure(
        "django.contrib.sessions",
        "modlog.django",
        "benchmarks.systems.site",
        ALLOWED_HOSTS=["*"],
        LOGGING_CONFIG=None,
        MIDDLEWARE=_MIDDLEWARE,
        MODLOG={"SCHEMA": place.schema},
        ROOT_URLCONF="benchmarks.systems.site",
        SECRET_KEY="only for benchmarks",  # noqa: S106
    )
    django_settings.connect(place)
    call_command("migrate", verbosity=0, run_syncdb=True)
    from django.contrib.auth import get_user_model

    from modlog.django import log

    log.create("1", actor=Actor.system("sign-up"))
    urlpatterns[:] = [path(f"{name}/", view) for name, view in _VIEWS.items()]
    user = get_user_model().objects.create_user("moderator")
    found = {}
    for name, more in (("bare", []), ("within", [_OURS]), ("recorded", [_OURS])):
        with override_settings(MIDDLEWARE=[*settings.MIDDLEWARE, *more]):
            found[name] = Client()
            found[name].force_login(user)
            _asked(name, found[name], 1)
    return found


def _bare(request: Any) -> HttpResponse:
    with transaction.atomic():
        return _written(request)


def _within(request: Any) -> HttpResponse:
    from modlog.django import within

    with within():
        return _written(request)


def _recorded(request: Any) -> HttpResponse:
    from modlog.django import within

    with within() as log:
        log.flag("1", label="spam")
        return _written(request)


_VIEWS: Final = {"bare": _bare, "within": _within, "recorded": _recorded}


def _written(request: Any) -> HttpResponse:
    from benchmarks.systems.site.models import Post

    assert request.user.is_authenticated
    Post.objects.create(text="a row of the platform's own")
    return HttpResponse("written")
