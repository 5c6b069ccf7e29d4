"""Who acts in a request, and which request it is."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final
from uuid import uuid4

from asgiref.sync import iscoroutinefunction, markcoroutinefunction

from modlog import Actor, acting
from modlog.django._checks import check_at_start
from modlog.django._settings import actor_source

HEADER: Final = "X-Request-ID"
_IN_META: Final = "HTTP_X_REQUEST_ID"
# What others call a request is taken over, if it is a name and no more.
_NAME: Final = re.compile(r"[\w.:/+=@-]{1,128}", re.ASCII)


def actor_of(request: Any) -> Actor | None:
    """Who acts in a request: what `MODLOG["ACTOR"]` says, or else the user who is logged in."""
    source = actor_source()
    if source is not None:
        found: Actor | None = source(request)
        return found
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return None
    return Actor.human(user.get_username())


class ActingMiddleware:
    """Settle actor and correlation id for all that is recorded while a request is answered.

    The actor is asked for by each command that is given none, so that it may be logged in, by
    a view or by an API's own authentication, until then. The correlation id is the request's
    `X-Request-ID`, or one that is made here; the answer tells it.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[Any], Any]) -> None:
        check_at_start()
        self._get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: Any) -> Any:
        name = request_id(request)
        if self._is_async:
            return self._answer(request, name)
        with _acting(request, name):
            return _named(self._get_response(request), name)

    async def _answer(self, request: Any, name: str) -> Any:
        with _acting(request, name):
            return _named(await self._get_response(request), name)


def request_id(request: Any) -> str:
    """What the request is called by those before us; a new name if they give none."""
    given: str = request.META.get(_IN_META, "")
    return given if _NAME.fullmatch(given) else uuid4().hex


def _acting(request: Any, name: str) -> AbstractContextManager[None]:
    return acting(lambda: actor_of(request), correlation_id=name)


def _named(response: Any, name: str) -> Any:
    response.headers.setdefault(HEADER, name)
    return response
