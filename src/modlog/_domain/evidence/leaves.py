"""The leaf of an event: what is hashed of it, for ever in the same bytes.

Canonical JSON (RFC 8785) of strings and whole numbers. What is said of somebody stands in it as a
commitment only: SHA-256 of a salt and the stored bytes, where salts are derived from a secret of
the ledger. So each part can be shown (with its salt), kept back, or made unreadable later, and
nobody can guess it from the leaf; what was proven stays proven.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from hashlib import blake2b, sha256
from typing import Any, Final

from attrs import field, frozen

from modlog._domain.values import shown
from modlog._errors import EvidenceError

# Of the leaf's form. Another one would be another leaf.
FORM: Final = 1
# Bytes of a salt.
SALT: Final = 32
_PLAIN: Final = re.compile(r"[a-z._]+")
_NAMES: Final = frozenset(
    ("act", "data", "occurred_at", "personal", "position", "recorded_at", "stream", "type", "v")
) | {"version"}
_OPTIONAL: Final = frozenset(("data", "personal"))
_COMMITMENT: Final = re.compile("[0-9a-f]{64}")


@frozen
class Salts:
    """What hides the parts of leaves, derived from a ledger's secret.

    Attributes:
        secret: 32 random bytes, which the ledger got when it began.
    """

    secret: bytes = field(repr=False)

    def stream(self, content: bytes) -> bytes:
        """The salt of a stream's `stream_bytes`: one for all its events."""
        return self._derived(b"stream", content, SALT)

    def act(self, content: bytes) -> bytes:
        """The salt of an act's bytes: one for all its events, wherever they stand."""
        return self._derived(b"act", content, SALT)

    def event(self, position: int) -> tuple[bytes, bytes]:
        """The salts of the structure and of the personal values of the event at a position."""
        both = self._derived(b"event", position.to_bytes(8), 2 * SALT)
        return both[:SALT], both[SALT:]

    def _derived(self, purpose: bytes, what: bytes, size: int) -> bytes:
        # Keyed BLAKE2b (RFC 7693), with its field for what a hash is for.
        return blake2b(what, digest_size=size, key=self.secret, person=purpose).digest()


def commitment(salt: bytes, content: bytes) -> str:
    """What stands for bytes in a leaf: 64 hexadecimal digits."""
    return sha256(salt + content).hexdigest()


def stream_bytes(kind: str, id_: str) -> bytes:
    """What is committed to of a stream: its kind, such as "account", and its id; no number."""
    return f"{kind}\0{id_}".encode()


def leaf(
    *,
    position: int,
    version: int,
    type_name: str,
    recorded_at: int,
    occurred_at: int,
    stream: str,
    act: str,
    data: str | None,
    personal: str | None,
) -> bytes:
    """The leaf of an event.

    Args:
        position: in the log, from 1; the leaf's index is one less.
        version: in its stream, from 1.
        type_name: what happened.
        recorded_at: microseconds since 1970 in UTC.
        occurred_at: the same; `recorded_at` where the event has no time of its own.
        stream: the commitment to `stream_bytes`.
        act: the commitment to the act: who, why, by which rule.
        data: the commitment to the stored bytes of the structure; None if there are none.
        personal: the commitment to the stored bytes of personal values; None if there are none.
    """
    of_data = "" if data is None else f'"data":"{data}",'
    of_personal = "" if personal is None else f'"personal":"{personal}",'
    return (
        f'{{"act":"{act}",{of_data}"occurred_at":{occurred_at},{of_personal}'
        f'"position":{position},"recorded_at":{recorded_at},"stream":"{stream}",'
        f'"type":{_quoted(type_name)},"v":{FORM},"version":{version}}}'
    ).encode()


def _quoted(text: str) -> str:
    # Those of modlog itself need no escapes; other programs of the same store name theirs freely.
    return f'"{text}"' if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def parsed_leaf(entry: bytes) -> Mapping[str, Any]:
    """What a leaf says.

    Raises:
        EvidenceError: it is not a leaf in its one form.
    """
    try:
        found = json.loads(entry)
        _check(found)
        named = {name: value for name, value in found.items() if name not in ("v", "type")}
        if leaf(type_name=found["type"], **{"data": None, "personal": None} | named) == entry:
            return dict(found)
    except (ValueError, TypeError, RecursionError):
        pass
    raise EvidenceError(f"this is no leaf of a ledger's log: {shown(entry[:200])}")


def _check(found: Any) -> None:
    if not isinstance(found, dict) or not _NAMES - _OPTIONAL <= found.keys() <= _NAMES:
        raise ValueError("other names than a leaf has")
    for name, value in found.items():
        if name in ("act", "data", "personal", "stream"):
            right = isinstance(value, str) and bool(_COMMITMENT.fullmatch(value))
        else:
            right = isinstance(value, str if name == "type" else int) and value is not True
        if not right:
            raise ValueError(f"{name} is not what it is in a leaf")
    if found["v"] != FORM:
        raise ValueError("another form")
