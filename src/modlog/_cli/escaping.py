"""Foreign text as data: nothing in it commands a terminal or deceives a reader."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Final
from unicodedata import category

# All that may be unprintable: whatever is no ASCII letter, digit, mark or space.
_SUSPECTS: Final = re.compile(r"[^ -~]")


def visible(text: str) -> str:
    """Text for a terminal: control, bidirectional and invisible characters as escapes."""
    return _SUSPECTS.sub(lambda found: _shown(found[0], _for_people), text)


def visible_json(value: object) -> str:
    """A value as JSON in one line, readable in any script, safe on a terminal."""
    return visible_in_json(json.dumps(value, ensure_ascii=False))


def visible_in_json(text: str) -> str:
    """JSON for a terminal: what commands it, as JSON's own escapes."""
    return _SUSPECTS.sub(lambda found: _shown(found[0], _for_json), text)


def ascii_json(text: str) -> str:
    """JSON for a stream that shows nothing else than ASCII."""
    return "".join(one if one.isascii() else json.dumps(one)[1:-1] for one in text)


def _shown(character: str, escaped: Callable[[str], str]) -> str:
    # Spaces of other scripts are no danger, although Python calls them unprintable.
    safe = character.isprintable() or category(character) == "Zs"
    return character if safe else escaped(character)


def _for_people(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _for_json(character: str) -> str:
    return json.dumps(character)[1:-1] if character != "\x7f" else "\\u007f"
