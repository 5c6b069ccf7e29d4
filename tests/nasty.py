"""Values that no caller means to give, and some that only look as if nobody would."""

import math
from collections import OrderedDict, UserDict, deque
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from fractions import Fraction
from pathlib import PurePosixPath
from uuid import UUID

from modlog import Actor, Selection, Status


class OwnError(Exception):
    """What a caller's own code raises; it is the caller's to have it back."""


class Word(StrEnum):
    A = "a"
    HUMAN = "human"


class Label(str, Enum):  # noqa: UP042 (as they were before StrEnum; str() gives "Label.A")
    A = "a"


class Colour(Enum):
    RED = "red"


class Number(IntEnum):
    ONE = 1


class Text(str):
    """Says something else than it is."""

    __slots__ = ()

    def __str__(self):
        return "\0"


class Whole(int):
    pass


class Real(float):
    pass


class Moment(datetime):
    pass


class Lost(tzinfo):
    """A time zone that does not know its offset, or tells nonsense."""

    def __init__(self, offset=NotImplementedError):
        self.offset = offset

    def utcoffset(self, when):
        if self.offset is NotImplementedError:
            raise NotImplementedError
        return self.offset

    def dst(self, when):
        return None

    def tzname(self, when):
        return None


class Silent:
    """Will not be told, compared or counted."""

    def __repr__(self, *_):
        raise OwnError

    __str__ = __eq__ = __bool__ = __len__ = __iter__ = __repr__
    __hash__ = None  # type: ignore[assignment]


class Anything:
    def __init__(self, *_: object, **__: object) -> None:
        pass


def deep(depth: int, wrap):
    value: object = "x"
    for _ in range(depth):
        value = wrap(value)
    return value


def endless():
    value: dict = {}
    value["self"] = [value]
    return value


def broken():
    yield "a"
    raise OwnError


def raising(*_: object, **__: object):
    raise OwnError


NOON = (2026, 3, 9, 12)
# Makers, because a generator is read but once.
NASTY = {
    "None": lambda: None,
    "True": lambda: True,
    "False": lambda: False,
    "0": lambda: 0,
    "1": lambda: 1,
    "-1": lambda: -1,
    "2**31": lambda: 2**31,
    "2**53": lambda: 2**53,
    "2**63 - 1": lambda: 2**63 - 1,
    "2**63": lambda: 2**63,
    "2**64": lambda: 2**64,
    "2**200": lambda: 2**200,
    "more digits than Python writes": lambda: 10**5_000,
    "-2**63 - 1": lambda: -(2**63) - 1,
    "1.5": lambda: 1.5,
    "-0.0": lambda: -0.0,
    "1e308": lambda: 1e308,
    "nan": lambda: math.nan,
    "inf": lambda: math.inf,
    "-inf": lambda: -math.inf,
    "complex": lambda: 1j,
    "Decimal": lambda: Decimal("0.5"),
    "Decimal sNaN": lambda: Decimal("sNaN"),
    "Fraction": lambda: Fraction(1, 2),
    "int subclass": lambda: Whole(1),
    "IntEnum": lambda: Number.ONE,
    "float subclass": lambda: Real(0.5),
    "empty text": lambda: "",
    "spaces": lambda: " \t\n",
    "text": lambda: "a",
    "long text": lambda: "x" * 100_000,
    "256 characters": lambda: "é" * 256,
    "NUL": lambda: "a\0b",
    "lone surrogate": lambda: "a\ud800",
    "surrogate escape": lambda: b"\xff".decode(errors="surrogateescape"),
    "bidirectional": lambda: "\u202egpj.exe",
    "emoji": lambda: "👩‍👩‍👧",
    "like a URN": lambda: "urn:uuid:00000000-0000-0000-0000-000000000000",
    "quotes": lambda: "'; DROP TABLE modlog_events; --",
    "percent": lambda: "%s %(a)s ? $1",
    "digits": lambda: "1",
    "StrEnum": lambda: Word.A,
    "str and Enum": lambda: Label.A,
    "StrEnum human": lambda: Word.HUMAN,
    "Status": lambda: Status.DELETED,
    "Enum": lambda: Colour.RED,
    "str subclass": lambda: Text("a"),
    "bytes": lambda: b"a",
    "bytearray": lambda: bytearray(b"a"),
    "memoryview": lambda: memoryview(b"a"),
    "UUID": lambda: UUID(int=1),
    "path": lambda: PurePosixPath("a"),
    "object": object,
    "silent object": Silent,
    "class": lambda: Anything,
    "lambda": lambda: lambda *_, **__: None,
    "raising callable": lambda: raising,
    "exception": lambda: OwnError("a"),
    "generator": lambda: (letter for letter in "ab"),
    "generator that breaks": broken,
    "empty list": list,
    "list": lambda: ["a", "b"],
    "list of None": lambda: [None],
    "list of numbers": lambda: [1, 2],
    "list of huge numbers": lambda: [1, 2**200],
    "list of enums": lambda: [Word.A, Number.ONE],
    "tuple": lambda: ("a",),
    "set": lambda: {"a"},
    "frozenset": lambda: frozenset((1,)),
    "deque": lambda: deque((1,)),
    "range": lambda: range(1, 3),
    "empty dict": dict,
    "dict": lambda: {"a": 1},
    "dict of None": lambda: {"a": None},
    "dict with numbers as keys": lambda: {1: 1, None: 2},
    "dict with enums as keys": lambda: {Word.A: Word.A, Text("b"): Whole(2), "c": Real(0.5)},
    "dict with surrogates": lambda: {"a\ud800": 1},
    "dict with huge numbers": lambda: {"a": 2**200, "b": 10**5_000},
    "dict with a datetime": lambda: {"a": datetime(*NOON, tzinfo=UTC)},
    "OrderedDict": lambda: OrderedDict(a=1),
    "UserDict": lambda: UserDict(a=1),
    "dict like an actor": lambda: {"kind": "human", "id": "wan", "version": object()},
    "deep list": lambda: deep(10_000, lambda value: [value]),
    "deep dict": lambda: deep(10_000, lambda value: {"a": value}),
    "recursive": endless,
    "date": lambda: date(*NOON[:3]),
    "naive datetime": lambda: datetime(*NOON),  # noqa: DTZ001
    "datetime": lambda: datetime(*NOON, tzinfo=UTC),
    "datetime.min": lambda: datetime.min,  # noqa: DTZ901
    "datetime.max": lambda: datetime.max,  # noqa: DTZ901
    "datetime.min UTC": lambda: datetime.min.replace(tzinfo=UTC),
    "datetime.max UTC": lambda: datetime.max.replace(tzinfo=UTC),
    "datetime.min east": lambda: datetime.min.replace(tzinfo=timezone(timedelta(hours=9))),
    "datetime.max west": lambda: datetime.max.replace(tzinfo=timezone(timedelta(hours=-9))),
    "odd offset": lambda: datetime(*NOON, tzinfo=timezone(timedelta(microseconds=1))),
    "lost time zone": lambda: datetime(*NOON, tzinfo=Lost()),
    "wrong time zone": lambda: datetime(*NOON, tzinfo=Lost("an hour")),
    "time zone of days": lambda: datetime(*NOON, tzinfo=Lost(timedelta(days=3))),
    "datetime subclass": lambda: Moment(*NOON, tzinfo=UTC),
    "timedelta": lambda: timedelta.max,
    "ISO text": lambda: "9999-12-31T23:59:59.999999-14:00",
    "Actor": lambda: Actor.human("ann"),
    "Actor of an account": lambda: Actor.bot("b", version="1", account_id="a"),
    "Selection": lambda: Selection(account_id="a"),
    "empty Selection": Selection,
    "NotImplemented": lambda: NotImplemented,
    "Ellipsis": lambda: ...,
}
