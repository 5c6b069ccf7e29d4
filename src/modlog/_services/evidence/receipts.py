"""What a proof of an event gives along: its leaf, and those of its parts that may be seen.

Nobody vouches for it, and nobody has to: the leaf leads to the root that was signed, and each part
to its commitment in the leaf.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Collection, Mapping
from typing import Any, Final

from attrs import frozen

from modlog._domain.evidence.leaves import SALT, Salts, commitment, parsed_leaf
from modlog._domain.evidence.notes import from_base64
from modlog._domain.values import shown
from modlog._errors import EvidenceError, InvalidInputError, ProofError
from modlog._storage.codec import canonical
from modlog._storage.evidence import MARKED, Stored

# The parts that can be kept back.
PARTS: Final = MARKED


@frozen
class Opened:
    """An event, from a leaf and those of its parts that were shown.

    Attributes:
        leaf: what it says.
        parts: the bytes of each part that was shown.
    """

    leaf: Mapping[str, Any]
    parts: Mapping[str, bytes]


def checked_parts(withhold: object) -> frozenset[str]:
    """The parts of an event that a proof is not to show.

    Raises:
        InvalidInputError: an event has no such part.
    """
    names = [withhold] if isinstance(withhold, str) else withhold
    if not isinstance(names, Collection) or not all(name in PARTS for name in names):
        raise InvalidInputError(
            f"withhold= takes some of {', '.join(PARTS)}, not {shown(withhold)}"
        )
    return frozenset(names)


def sealed_extra(event: Stored, entry: bytes, salts: Salts, withhold: Collection[str]) -> bytes:
    """What goes along with the proof of an event."""
    of_data, of_personal = salts.event(event.position)
    parts = {
        "stream": (salts.stream(event.stream_bytes), event.stream_bytes),
        "act": (salts.act(event.act_bytes), event.act_bytes),
        "data": (of_data, event.structure),
        "personal": (of_personal, event.personal),
    }
    shown_parts = {
        name: {"salt": _text(salt), "content": _text(content)}
        for name, (salt, content) in parts.items()
        if content is not None and name not in withhold
    }
    return canonical({"leaf": entry.decode(), "parts": shown_parts})


def _text(content: bytes) -> str:
    return b64encode(content).decode()


def opened(extra: bytes | None) -> tuple[bytes, Opened]:
    """A leaf, and the event that is in it, from what went along with a proof.

    Raises:
        EvidenceError: this is none of modlog's.
        ProofError: a part is not what the leaf commits to.
    """
    try:
        found = json.loads(extra or b"")
        entry = found["leaf"].encode()
        parts = {
            name: (from_base64(part["salt"]), from_base64(part["content"]))
            for name, part in found["parts"].items()
        }
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise EvidenceError(
            "this is no proof of an event: one of modlog prove has the event's leaf along"
        ) from error
    leaf = parsed_leaf(entry)
    for name, (salt, content) in parts.items():
        if name not in PARTS or len(salt) != SALT or commitment(salt, content) != leaf.get(name):
            raise ProofError(f"what is shown as {shown(name)} is not what was sealed of the event")
    return entry, Opened(leaf, {name: content for name, (_, content) in parts.items()})
