"""What a platform's own views do with the ledger."""

from __future__ import annotations

import asyncio
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model, login
from django.http import JsonResponse
from django.views.decorators.csrf import csrf_exempt

from modlog.django import log, within
from modlog.django._settings import alias
from tests.djangosite.models import Member


def answer(event: Any) -> JsonResponse:
    actor = event.actor
    return JsonResponse({"actor": f"{actor.kind}:{actor.id}", "request": event.correlation_id})


def suspend(request: Any, name: str) -> JsonResponse:
    return answer(log.suspend(name, reason="spam"))


@csrf_exempt
def log_in_and_suspend(request: Any, name: str) -> JsonResponse:
    """Nobody is logged in while the middleware begins."""
    user = get_user_model().objects.get(username=request.GET["user"])
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    return suspend(request, name)


def by_token(request: Any, name: str) -> JsonResponse:
    """As Django REST framework does it: the user is put into the request by the view."""
    request.user = get_user_model()(username=request.headers["Token"])
    return suspend(request, name)


def with_members(request: Any, name: str) -> JsonResponse:
    """A row and an event, or neither."""
    with within():
        Member.objects.using(alias()).filter(name=name).update(visible=False)
        event = log.suspend(name, reason="spam")
        if "fail" in request.GET:
            raise RuntimeError("no, after all")
    return answer(event)


async def in_async(request: Any, name: str) -> JsonResponse:
    return await sync_to_async(with_members)(request, name)


async def in_async_by_token(request: Any, name: str) -> JsonResponse:
    request.user = get_user_model()(username="late")
    return answer(log.suspend(name, reason="spam"))  # short, and the user is here already


async def in_async_by_name(request: Any, name: str, number: int) -> JsonResponse:
    request.user = get_user_model()(username=f"u{number}")
    await asyncio.sleep(0.01 * (number % 3))
    return answer(await sync_to_async(log.suspend)(name, reason="spam"))
