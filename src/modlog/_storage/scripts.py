"""The SQL files that make a ledger's tables, and what stands in them.

Each database has a folder `schema` with numbered files, of which each leads from the shape before
to its own; `cache.sql` makes what can be made anew from the events, and what else is no data.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Final

from attrs import frozen

# Schema 1 was that of 0.1.0.dev0, which was never released.
FIRST: Final = 2
CACHES: Final = ("accounts", "spans")

# A table that is made, one that gets a column, and one that goes.
_TABLE: Final = re.compile(
    r"^CREATE TABLE modlog_(?P<made>\w+) \((?P<body>.*?)^\)"
    r"|^ALTER TABLE modlog_(?P<changed>\w+) ADD COLUMN (?P<column>\w+)"
    r"|^DROP TABLE modlog_(?P<dropped>\w+)",
    re.MULTILINE | re.DOTALL,
)
_COLUMN: Final = re.compile(r"^    ([a-z]\w*) ", re.MULTILINE)
_OBJECT: Final = re.compile(
    r"^(CREATE|DROP) (?:UNIQUE )?(INDEX|TRIGGER) (modlog_\w+)", re.MULTILINE
)
_INDEX: Final = re.compile(
    r"^CREATE (?:UNIQUE )?INDEX (?P<name>modlog_\w+) .*?;", re.MULTILINE | re.DOTALL
)
_TITLE: Final = re.compile(r"^-- (.+)", re.MULTILINE)


@frozen
class Scripts:
    """The files of one database.

    Attributes:
        folder: the package that holds them.
    """

    folder: str

    @property
    def numbered(self) -> dict[int, str]:
        """The numbered files, in order."""
        return dict(
            sorted(
                (int(name.removesuffix(".sql")), text)
                for name, text in _read(self.folder).items()
                if name[0].isdecimal()
            )
        )

    @property
    def newest(self) -> int:
        """The number of the shape that this modlog writes."""
        return max(self.numbered)

    @property
    def cache(self) -> str:
        """What makes the tables that can be made anew."""
        return _read(self.folder)["cache.sql"]

    def after(self, number: int) -> dict[int, str]:
        """The numbered files that a ledger of an older shape has before it, in order."""
        return {own: script for own, script in self.numbered.items() if own > number}

    def columns(self) -> dict[str, list[str]]:
        """The columns of each table, by its name without the prefix."""
        return _columns("\n".join((*self.numbered.values(), self.cache)))

    def columns_at(self, number: int) -> dict[str, list[str]]:
        """Those of the tables that the numbered files up to this one made."""
        return _columns("\n".join(s for own, s in self.numbered.items() if own <= number))

    def indexes(self) -> dict[str, str]:
        """The statements that make the indexes, by their names."""
        script = "\n".join((*self.numbered.values(), self.cache))
        made = {found["name"]: found[0] for found in _INDEX.finditer(script)}
        return {name: made[name] for name in self.names_of("INDEX")}

    def names_of(self, kind: str) -> list[str]:
        """The names of all indexes or all triggers."""
        names: dict[str, None] = {}
        for what, of, name in _OBJECT.findall("\n".join((*self.numbered.values(), self.cache))):
            if of == kind and what == "CREATE":
                names[name] = None
            elif of == kind:
                del names[name]
        return list(names)


def title_of(script: str) -> str:
    """The first line of comment in a script, which says what it does."""
    found = _TITLE.search(script)
    return found.group(1) if found else ""


def _columns(script: str) -> dict[str, list[str]]:
    columns: dict[str, list[str]] = {}
    for found in _TABLE.finditer(script):
        if found["made"]:
            columns[found["made"]] = _COLUMN.findall(found["body"])
        elif found["changed"]:
            columns[found["changed"]].append(found["column"])
        else:
            del columns[found["dropped"]]
    return columns


@cache
def _read(folder: str) -> dict[str, str]:
    schema = files(folder) / "schema"
    return {
        file.name: file.read_text(encoding="utf-8")
        for file in schema.iterdir()
        if file.name.endswith(".sql")
    }
