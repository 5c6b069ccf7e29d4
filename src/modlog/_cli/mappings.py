"""Files that map names to what a platform says about them, in TOML or JSON."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import orjson

from modlog._errors import InvalidInputError


def mapping_from(path: str) -> dict[str, Any]:
    """What stands in a file: TOML, or JSON if its name ends so.

    Raises:
        OSError: there is no such file, or it may not be read.
        InvalidInputError: it is neither, or no mapping.
    """
    read = orjson.loads if path.lower().endswith(".json") else tomllib.loads
    try:
        value = read(Path(path).read_text("utf-8-sig"))
    except (ValueError, RecursionError) as error:  # of either reader, and of what is no UTF-8
        raise InvalidInputError(f"{path} cannot be read: {error}") from None
    if not isinstance(value, dict):
        raise InvalidInputError(f"{path} must hold one object, not {type(value).__name__}")
    return value
