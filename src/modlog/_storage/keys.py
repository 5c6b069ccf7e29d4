"""Idempotency keys, in a narrow table of their own."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from attrs import frozen

KEY_COLUMNS: Final = ("key", "request", "position", "rejection")
# A key, its request, and the event that answered it, or why an import rejected it.
KeyRow = tuple[str, bytes, int | None, str | None]
# The request that a key belongs to, and why it was rejected; None if it was not.
Answer = tuple[bytes, str | None]
# A longer key is kept as its digest, so that every key fits into an index.
_LONGEST: Final = 200


@frozen
class Key:
    """An idempotency key and the request that it belongs to, as a 16-byte digest."""

    text: str
    request: bytes

    def row(self, position: int) -> KeyRow:
        """Its row, once it is answered by the event at that position."""
        return (kept_as(self.text), self.request, position, None)


def kept_as(key: str) -> str:
    """Under which an idempotency key is kept.

    As it is, so that the ascending keys of one source lie beside each other. The sign before it
    tells keys from digests.
    """
    if len(key) <= _LONGEST:
        return f"={key}"
    return f"#{blake2b(key.encode(), digest_size=32).hexdigest()}"
