"""How a method of the ledger becomes one that is awaited: with the same arguments, by its type."""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar

from modlog.aio._streams import Stream
from modlog.aio._threads import Sort, Threads

_A = TypeVar("_A")
_P = ParamSpec("_P")
_S = TypeVar("_S")
_S_co = TypeVar("_S_co", covariant=True)
_T = TypeVar("_T")


class Beside(Generic[_S_co]):
    """What stands beside a thing of the ledger, and calls its methods in the ledger's threads.

    It has those attributes of the thing that it annotates.
    """

    __slots__ = ("_thing", "_threads")

    def __init__(self, thing: _S_co, threads: Threads) -> None:
        self._thing = thing
        self._threads = threads

    if not TYPE_CHECKING:  # else it would hide what is misspelt

        def __getattr__(self, name: str) -> Any:
            if name in type(self).__annotations__:
                return getattr(self._thing, name)
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._thing!r})"


_B = TypeVar("_B", bound=Beside[Any])
_Awaited = Coroutine[Any, Any, _T]


def read(
    method: Callable[Concatenate[_S, _P], _T],
) -> Callable[Concatenate[Beside[_S], _P], _Awaited[_T]]:
    """A method that reads."""
    return _awaited(method, "read")


def written(
    method: Callable[Concatenate[_S, _P], _T],
) -> Callable[Concatenate[Beside[_S], _P], _Awaited[_T]]:
    """A method that may wait for the append lock."""
    return _awaited(method, "write")


def read_as(
    beside: Callable[[_T, Threads], _A], method: Callable[Concatenate[_S, _P], _T]
) -> Callable[Concatenate[Beside[_S], _P], _Awaited[_A]]:
    """A method that reads, and gives what stands beside its answer."""
    return _awaited(method, "read", lambda one, answer: beside(answer, one._threads))


def written_as(
    beside: Callable[[_T, Threads], _A], method: Callable[Concatenate[_S, _P], _T]
) -> Callable[Concatenate[Beside[_S], _P], _Awaited[_A]]:
    """A method that may wait for the append lock, and gives what stands beside its answer."""
    return _awaited(method, "write", lambda one, answer: beside(answer, one._threads))


def read_as_itself(
    method: Callable[Concatenate[_S, _P], _S],
) -> Callable[Concatenate[_B, _P], _Awaited[_B]]:
    """A method that reads, and gives something of the kind that it is a method of."""
    return _awaited(method, "read", lambda one, answer: type(one)(answer, one._threads))


def written_as_itself(
    method: Callable[Concatenate[_S, _P], _S],
) -> Callable[Concatenate[_B, _P], _Awaited[_B]]:
    """A method that writes, and gives what it is a method of."""
    return _awaited(method, "write", lambda one, _: one)


def streamed(
    method: Callable[Concatenate[_S, _P], Iterator[_T]],
) -> Callable[Concatenate[Beside[_S], _P], AsyncIterator[_T]]:
    """A method that gives an iterator."""

    @wraps(method)
    def stream(one: Beside[_S], /, *args: _P.args, **given: _P.kwargs) -> AsyncIterator[_T]:
        return Stream(one._threads, partial(method, one._thing, *args, **given))

    return stream


def streamed_as(
    beside: Callable[[_T, Threads], _A], method: Callable[Concatenate[_S, _P], Iterator[_T]]
) -> Callable[Concatenate[Beside[_S], _P], AsyncIterator[_A]]:
    """A method that gives an iterator of things that something stands beside."""

    @wraps(method)
    def stream(one: Beside[_S], /, *args: _P.args, **given: _P.kwargs) -> AsyncIterator[_A]:
        def begin() -> Iterator[_A]:
            return (beside(each, one._threads) for each in method(one._thing, *args, **given))

        return Stream(one._threads, begin)

    return stream


def _awaited(
    method: Callable[..., Any], sort: Sort, answer: Callable[[Any, Any], Any] | None = None
) -> Callable[..., _Awaited[Any]]:
    tells_progress = "progress" in inspect.signature(method).parameters

    @wraps(method)
    def call(one: Beside[Any], /, *args: Any, **given: Any) -> _Awaited[Any]:
        act = partial(method, one._thing, *args, **given)
        called = _stoppable(one, act) if tells_progress else one._threads.call(act, sort)
        return called if answer is None else _answered(called, partial(answer, one))

    _mark(call)
    return call


def _mark(call: Callable[..., _Awaited[Any]]) -> None:
    """Let those who ask, as frameworks do, know that what it gives is to be awaited."""
    if sys.version_info >= (3, 12):
        inspect.markcoroutinefunction(call)
    else:
        vars(call)["_is_coroutine"] = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined]


async def _answered(called: _Awaited[_T], answer: Callable[[_T], _A]) -> _A:
    return answer(await called)


def _stoppable(one: Beside[Any], act: partial[_T]) -> _Awaited[_T]:
    """A call that takes long, and that ends at the next sign of its progress if it is cancelled."""
    stopped = False
    bound = inspect.signature(act.func).bind(*act.args, **act.keywords)
    tell = bound.arguments.get("progress")

    def progress(*args: Any) -> None:
        if stopped:
            raise asyncio.CancelledError
        if tell is not None:
            tell(*args)

    if tell is None or callable(tell):
        bound.arguments["progress"] = progress
    called = one._threads.call(partial(act.func, *bound.args, **bound.kwargs), "long")

    async def watched() -> _T:
        nonlocal stopped
        try:
            return await called
        finally:
            stopped = True

    return watched()
