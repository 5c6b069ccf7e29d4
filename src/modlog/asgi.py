"""modlog in applications of ASGI: Starlette, FastAPI and others.

`lifespan` opens the ledger when the application starts, and closes it at its end; `ledger` and
`sync_ledger` are dependencies that give it; `ActingMiddleware` settles who acts in a request.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import update_wrapper
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, Final, ParamSpec, Unpack
from uuid import uuid4

from modlog._domain.values import Actor, checked_text, shown
from modlog._errors import InvalidInputError, StoreUnavailableError
from modlog._services.acting import Circumstances, acting
from modlog._services.ledger import ModLog
from modlog.aio import AsyncModLog
from modlog.aio import open as open_async

if TYPE_CHECKING:
    from modlog.aio._ledger import Opening

try:  # FastAPI looks a dependency's annotations up here, and without it nobody does
    from starlette.requests import HTTPConnection
except ImportError:
    HTTPConnection = Any  # type: ignore[assignment,misc]

__all__ = ["ActingMiddleware", "ledger", "lifespan", "sync_ledger"]

_P = ParamSpec("_P")
_Scope = MutableMapping[str, Any]
_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_App = Callable[[_Scope, _Receive, _Send], Awaitable[None]]
_Lifespan = Callable[[Any], AbstractAsyncContextManager[dict[str, Any]]]

# What the ledger is called in the state of an application.
_KEY: Final = "modlog"
# What others call a request is taken over, if it is a name and no more.
_NAME: Final = re.compile(rb"[\w.:/+=@-]{1,128}")
_ANSWERS: Final = ("http.response.start", "websocket.accept")


class ActingMiddleware:
    """Settle actor and correlation id for all that is recorded while a request is answered.

    The correlation id is what the request's header calls it, or a name that is made here; the
    answer tells it in the same header.

    Args:
        app: the application.
        actor: is asked for the actor by each command that is given none, with the ASGI scope of
            the request; so the request may be authenticated until then by another middleware, or
            a dependency that leaves the user in `request.state`, which is ``scope["state"]``.
            None if nobody is known to act. An `Actor`, where it is always the same.
        header: what names a request.
        **circumstances: reason, policy and so on, as `modlog.acting` takes them.

    Raises:
        InvalidInputError: an argument that cannot be.
    """

    def __init__(
        self,
        app: _App,
        actor: Callable[[_Scope], Actor | None] | Actor | None = None,
        *,
        header: str = "X-Request-ID",
        **circumstances: Unpack[Circumstances],
    ) -> None:
        is_source = callable(actor) and not iscoroutinefunction(actor)
        if not (actor is None or isinstance(actor, Actor) or is_source):
            raise InvalidInputError(
                "ActingMiddleware takes an actor, or what is called with the scope of a request "
                f"and gives one without being awaited, not {shown(actor)}"
            )
        with acting(**circumstances):  # wrong ones are told now
            pass
        self._app = app
        self._actor = actor
        self._header = checked_text(header, "header").lower().encode("latin-1")
        self._circumstances = circumstances

    async def __call__(self, scope: _Scope, receive: _Receive, send: _Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        name = self._name(scope)

        async def named(message: _Message) -> None:
            if message["type"] in _ANSWERS:
                headers = list(message.get("headers", ()))
                if self._header not in (key.lower() for key, _ in headers):
                    headers.append((self._header, name))
                message["headers"] = headers
            await send(message)

        circumstances: Circumstances = {**self._circumstances, "correlation_id": name.decode()}
        with acting(self._source(scope), **circumstances):
            await self._app(scope, receive, named)

    def _source(self, scope: _Scope) -> Actor | Callable[[], Actor | None] | None:
        actor = self._actor
        return actor if actor is None or isinstance(actor, Actor) else lambda: actor(scope)

    def _name(self, scope: _Scope) -> bytes:
        """What the request is called by those before us; a new name if they give none."""
        given: bytes = next((value for key, value in scope["headers"] if key == self._header), b"")
        return given if _NAME.fullmatch(given) else uuid4().hex.encode()


def _as_lifespan(opening: Callable[_P, Opening]) -> Callable[_P, _Lifespan]:
    def lifespan(*args: _P.args, **options: _P.kwargs) -> _Lifespan:
        """The life of an application with a ledger: opened at its start, closed at its end.

        Give it to Starlette or FastAPI as `lifespan`; or enter it in a lifespan of your own, which
        then yields what this one gave (and more). A ledger that is not there, not migrated, or
        opened with wrong arguments keeps the application from starting.

        Args:
            *args: the URL of the ledger, as `modlog.open` takes it.
            **options: the arguments of `modlog.open`.
        """

        @asynccontextmanager
        async def life(app: Any) -> AsyncIterator[dict[str, Any]]:
            async with opening(*args, **options) as log:
                if hasattr(app, "state"):
                    setattr(app.state, _KEY, log)
                yield {_KEY: log}

        return life

    return update_wrapper(lifespan, opening, assigned=())


lifespan = _as_lifespan(open_async)


async def ledger(connection: HTTPConnection) -> AsyncModLog:
    """The ledger of the application that a request is for: a dependency of FastAPI.

    Raises:
        StoreUnavailableError: the application was not started with `lifespan`.
    """
    scope = connection.scope
    log = (scope.get("state") or {}).get(_KEY)
    if log is None:
        log = getattr(getattr(scope.get("app"), "state", None), _KEY, None)
    if not isinstance(log, AsyncModLog):
        raise StoreUnavailableError(
            "this application has no ledger: start it with lifespan=modlog.asgi.lifespan(url); a "
            "lifespan of your own yields what that one gives; and a TestClient starts it in a block"
        )
    return log


async def sync_ledger(connection: HTTPConnection) -> ModLog:
    """The same ledger for functions that run in threads, as those of FastAPI without `async`."""
    return (await ledger(connection)).sync
