"""Values that PHP has serialized, as MediaWiki keeps the parameters of a log entry.

Numbers, texts and arrays, which is all that stands there; never objects. Source:
https://www.php.net/manual/en/function.serialize.php.
"""

from __future__ import annotations

import re
from typing import Any, Final

from modlog._errors import InvalidInputError

_MOST_NESTED: Final = 16
_SCALAR: Final = re.compile(rb"i:(-?\d{1,19});|b:([01]);|d:([-+.\dA-Za-z]{1,40});|(N);")
_TEXT: Final = re.compile(rb's:(\d{1,9}):"')
_ARRAY: Final = re.compile(rb"a:(\d{1,9}):\{")


def unserialized(text: str) -> Any:
    """A value that PHP's `serialize` wrote; an array is a mapping, also one that counts from 0.

    Raises:
        InvalidInputError: it is none, or holds more than such values.
    """
    data = text.strip().encode(errors="surrogatepass")
    value, end = _value(data, 0, _MOST_NESTED)
    if end != len(data):
        raise _broken(end)
    return value


def _value(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    if found := _SCALAR.match(data, at):
        whole, truth, real, _ = found.groups()
        if whole is not None:
            return int(whole), found.end()
        if truth is not None:
            return truth == b"1", found.end()
        return None if real is None else real.decode(), found.end()
    if found := _TEXT.match(data, at):
        end = found.end() + int(found[1])
        if data[end : end + 2] != b'";':
            raise _broken(at)
        return data[found.end() : end].decode(errors="replace"), end + 2
    if (found := _ARRAY.match(data, at)) and depth:
        return _array(data, found.end(), int(found[1]), depth - 1)
    raise _broken(at)


def _array(data: bytes, at: int, size: int, depth: int) -> tuple[dict[Any, Any], int]:
    found: dict[Any, Any] = {}
    for _ in range(size):
        key, at = _value(data, at, 0)
        found[key], at = _value(data, at, depth)
    if data[at : at + 1] != b"}":
        raise _broken(at)
    return found, at + 1


def _broken(at: int) -> InvalidInputError:
    return InvalidInputError(f"the parameters are no value that PHP serialized, from byte {at} on")
