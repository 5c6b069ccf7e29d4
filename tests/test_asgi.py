"""`modlog.asgi` in applications of Starlette and FastAPI, by their own clients."""

import asyncio
import shutil
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import httpx2 as httpx
import pytest
from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException, Request, WebSocket
from fastapi.testclient import TestClient
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Mount, Route

import modlog
import modlog.asgi
from modlog import Actor
from modlog.aio import AsyncModLog
from modlog.asgi import ActingMiddleware
from tests.test_surface import environment

Ledger = Annotated[AsyncModLog, Depends(modlog.asgi.ledger)]
SyncLedger = Annotated[modlog.ModLog, Depends(modlog.asgi.sync_ledger)]


def lifespan_at(place, **options):
    return modlog.asgi.lifespan(place.url, schema=place.schema, create=True, **options)


def told(event) -> dict:
    """What an answer tells of an event."""
    actor = f"{event.actor.kind}:{event.actor.id}"
    return {"by": actor, "request": event.correlation_id, "why": event.reason}


# FastAPI


def platform(place, **circumstances) -> FastAPI:
    """A platform whose users are known by a header, which a dependency reads: late."""

    def user(request: Request) -> str:
        name = request.headers.get("x-user")
        if name is None:
            raise HTTPException(401)
        request.state.user = name
        return name

    def actor(scope) -> Actor | None:
        name = scope["state"].get("user")
        return Actor.human(name) if name else None

    app = FastAPI(lifespan=lifespan_at(place))
    app.add_middleware(ActingMiddleware, actor=actor, **circumstances)

    @app.post("/accounts/{account_id}")
    async def create(account_id: str, log: Ledger, user: Annotated[str, Depends(user)]):
        return told(await log.create(account_id))

    @app.delete("/accounts/{account_id}")
    def delete(account_id: str, log: SyncLedger, user: Annotated[str, Depends(user)]):
        with log.transaction():
            log.note(account_id, "gone")
            return told(log.delete(account_id, reason="spam"))

    @app.post("/together")
    async def together(log: Ledger, user: Annotated[str, Depends(user)]):
        async with log.transaction():
            await log.note("a", "1")
            await asyncio.sleep(0)
            return told(await log.note("a", "2"))

    @app.post("/later")
    async def later(log: Ledger, user: Annotated[str, Depends(user)], tasks: BackgroundTasks):
        tasks.add_task(log.note, "a", "in the background")
        tasks.add_task(log.sync.note, "a", "in a thread")

    @app.post("/nobody")
    async def nobody(log: Ledger):
        try:
            return told(await log.note("a", "text"))
        except modlog.MissingActorError:
            raise HTTPException(403) from None

    @app.websocket("/socket")
    async def socket(websocket: WebSocket, log: Ledger):
        await websocket.accept()
        websocket.state.user = await websocket.receive_text()
        await websocket.send_json(told(await log.note("a", "text")))
        await websocket.close()

    return app


def test_who_is_known_late_acts(place):
    with TestClient(platform(place, reason="a request")) as client:
        headers = {"x-user": "wan", "x-request-id": "r-1"}
        answer = client.post("/accounts/a", headers=headers)
        assert answer.json() == {"by": "human:wan", "request": "r-1", "why": "a request"}
        assert answer.headers["x-request-id"] == "r-1"
        answer = client.delete("/accounts/a", headers=headers | {"x-user": "mei"})
        assert answer.json() == {"by": "human:mei", "request": "r-1", "why": "spam"}
        assert client.post("/nobody").status_code == 403


def test_a_request_gets_a_name_if_it_has_none_that_is_one(place):
    with TestClient(platform(place)) as client:
        names: set[str] = set()
        for given in (None, b"", b"a b", b"x" * 129, b"\xfc"):
            headers = {b"x-user": b"wan"} | ({} if given is None else {b"x-request-id": given})
            answer = client.post(f"/accounts/{len(names)}", headers=headers)
            name = answer.headers["x-request-id"]
            assert len(name) == 32
            assert answer.json()["request"] == name
            names.add(name)
        assert len(names) == 5


def test_a_background_task_is_of_its_request(place):
    app = platform(place)
    with TestClient(app) as client:
        for path in ("/accounts/a", "/later"):
            client.post(path, headers={"x-user": "wan", "x-request-id": "r-1"})
        history = app.state.modlog.sync.history("a")
    assert [event.type for event in history] == ["account.created", *["account.noted"] * 2]
    assert {event.correlation_id for event in history} == {"r-1"}
    assert {event.actor.id for event in history} == {"wan"}


def test_a_refused_request_has_a_name_too(place):
    with TestClient(platform(place, header="X-Trace")) as client:
        answer = client.post("/accounts/a", headers={"x-trace": "t-1"})
        assert (answer.status_code, answer.headers["x-trace"]) == (401, "t-1")


def test_a_socket_is_a_request(place):
    with TestClient(platform(place)) as client:
        client.post("/accounts/a", headers={"x-user": "wan"})
        with client.websocket_connect("/socket", headers={"x-request-id": "s-1"}) as socket:
            socket.send_text("mei")
            assert socket.receive_json() == {"by": "human:mei", "request": "s-1", "why": None}
            headers = socket.extra_headers
        assert headers == [(b"x-request-id", b"s-1")]


def test_requests_at_once_are_each_their_own(place):
    app = platform(place)

    async def main():
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://test") as client,
        ):
            await client.post("/accounts/a", headers={"x-user": "wan"})
            calls = (
                client.post("/together", headers={"x-user": f"{n}", "x-request-id": f"r-{n}"})
                for n in range(40)
            )
            for number, answer in enumerate(await asyncio.gather(*calls)):
                expected = {"by": f"human:{number}", "request": f"r-{number}", "why": None}
                assert answer.json() == expected
            log = app.state.modlog
            history = await log.history("a")
            assert len(history) == 81
            for first, second in zip(history[1::2], history[2::2], strict=True):
                assert first.correlation_id == second.correlation_id
            assert (await log.verify()).ok

    asyncio.run(main())


def test_a_dependency_may_settle_who_acts(place):
    """Functions with and without `async` are in the context of an asynchronous dependency."""

    async def moderator(request: Request):
        with modlog.acting(Actor.human(request.headers["x-user"]), reason="moderation"):
            yield

    app = FastAPI(lifespan=lifespan_at(place), dependencies=[Depends(moderator)])

    @app.post("/async/{account_id}")
    async def create(account_id: str, log: Ledger):
        return told(await log.create(account_id))

    @app.post("/sync/{account_id}")
    def create_too(account_id: str, log: SyncLedger):
        return told(log.create(account_id))

    with TestClient(app) as client:
        for way in ("async", "sync"):
            answer = client.post(f"/{way}/{way}", headers={"x-user": "wan"})
            assert answer.json() == {"by": "human:wan", "request": None, "why": "moderation"}


# Starlette


class Header(AuthenticationBackend):
    async def authenticate(self, conn):
        name = conn.headers.get("x-user")
        return (AuthCredentials(), SimpleUser(name)) if name else None


def user_of(scope) -> Actor | None:
    user = scope["user"]
    return Actor.human(user.username) if user.is_authenticated else None


async def noted(request):
    log = await modlog.asgi.ledger(request)
    await log.create(request.path_params["account_id"])
    event = await log.note(request.path_params["account_id"], "text")
    return JSONResponse(told(event), headers=dict(request.query_params))


def test_a_middleware_inside_may_know_who_acts(place):
    app = Starlette(
        routes=[
            Route("/{account_id}", noted),
            Mount("/inner", FastAPI(routes=[Route("/{account_id}", noted)])),
        ],
        middleware=[
            Middleware(ActingMiddleware, actor=user_of),
            Middleware(AuthenticationMiddleware, backend=Header()),
        ],
        lifespan=lifespan_at(place),
    )
    with TestClient(app) as client:
        for path in ("/a", "/inner/b"):
            answer = client.get(path, headers={"x-user": "wan", "x-request-id": "r"})
            assert answer.json() == {"by": "human:wan", "request": "r", "why": None}
        own = client.get("/c?X-Request-ID=own", headers={"x-user": "wan"})
        assert own.headers.get_list("x-request-id") == ["own"]


def test_always_the_same_actor(place):
    app = Starlette(
        routes=[Route("/{account_id}", noted)],
        middleware=[Middleware(ActingMiddleware, actor=Actor.bot("sync"), policy="p")],
        lifespan=lifespan_at(place),
    )
    with TestClient(app) as client:
        assert client.get("/a").json()["by"] == "bot:sync"
        (first, _) = app.state.modlog.sync.history("a")
        assert first.policy == "p"


def test_a_lifespan_of_ones_own_goes_on_with_it(place):
    @asynccontextmanager
    async def life(app):
        async with lifespan_at(place)(app) as state:
            yield {**state, "more": "text"}

    async def shown(request):
        log = await modlog.asgi.ledger(request)
        return PlainTextResponse(f"{await log.head} {request.state.more}")

    with TestClient(Starlette(routes=[Route("/", shown)], lifespan=life)) as client:
        assert client.get("/").text == "0 text"


# Told at the start


def start(app) -> None:
    with TestClient(app):
        pytest.fail("it has started")


def test_a_ledger_of_an_older_schema(tmp_path):
    shutil.copy(Path(__file__).parent / "golden" / "ledger-2.db", tmp_path / "ledger.db")
    with pytest.raises(modlog.SchemaError, match="modlog upgrade"):
        start(FastAPI(lifespan=modlog.asgi.lifespan(tmp_path / "ledger.db")))


@pytest.mark.parametrize(
    ("url", "options", "error"),
    [
        (None, {}, modlog.InvalidUrlError),
        ("mysql://", {}, modlog.InvalidUrlError),
        ("sqlite:///no/folder.db", {}, modlog.StoreUnavailableError),
        ("sqlite:///nothing.db", {"read_only": True}, modlog.StoreError),
        ("sqlite://", {"lock_timeout": "long"}, modlog.InvalidInputError),
        ("postgresql://localhost:1/nowhere", {}, modlog.StoreUnavailableError),
    ],
)
def test_a_ledger_that_cannot_be_opened(url, options, error, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error):
        start(Starlette(lifespan=modlog.asgi.lifespan(url, **options)))


async def asynchronous(scope):
    return None


@pytest.mark.parametrize(
    "wrong",
    [
        {"actor": "wan"},
        {"actor": asynchronous},
        {"reson": "misspelt"},
        {"reason": 3},
        {"header": None},
    ],
)
def test_a_middleware_that_is_made_wrongly(wrong, place):
    app = Starlette(lifespan=lifespan_at(place), middleware=[Middleware(ActingMiddleware, **wrong)])
    with pytest.raises(modlog.InvalidInputError):
        start(app)


def test_an_application_without_a_ledger_says_what_to_do():
    app = Starlette(routes=[Route("/{account_id}", noted)])
    told = pytest.raises(modlog.StoreUnavailableError, match=r"modlog\.asgi\.lifespan\(url\)")
    with TestClient(app) as client, told:
        client.get("/a")


def test_nobody_needs_starlette():
    source = "import sys, modlog, modlog.aio; print(*sys.modules)"
    command = [sys.executable, "-B", "-c", source]
    ended = subprocess.run(command, check=True, capture_output=True, text=True, env=environment())
    assert not {"starlette", "fastapi", "modlog.asgi"} & set(ended.stdout.split())
    source = "import sys; sys.modules['starlette'] = None; import modlog.asgi; print('good')"
    command = [sys.executable, "-B", "-c", source]
    ended = subprocess.run(command, check=True, capture_output=True, text=True, env=environment())
    assert ended.stdout == "good\n"
