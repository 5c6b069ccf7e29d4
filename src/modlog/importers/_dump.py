"""The log of a wiki as MediaWiki dumps it: items, one by one, however long the file is.

Source: wikimedia/mediawiki `docs/export-0.11.xsd` (LogItemType) and
`includes/export/XmlDumpWriter.php` (writeLogItem).
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import Final
from xml.parsers import expat

from attrs import define, field, frozen

from modlog._errors import InvalidInputError
from modlog._services.lines import DAMAGE, damaged
from modlog.importers._reading import Numbered

_PORTION: Final = 64 * 2**10  # bytes
_IN_FILE, _IN_ITEM = 1, 2  # how deep in the tree
# Far above what MediaWiki keeps of one item: a comment has 500 characters.
_LONGEST_ITEM: Final = 2**20  # characters


def log_items(file: io.BufferedReader) -> Numbered:
    """The items of a dump's log, each with the line where it begins.

    Raises:
        InvalidInputError: the file is no dump of a log, or ends too soon.
    """
    reader = _Items()
    parser = reader.parser
    while True:
        try:
            portion = file.read(_PORTION)
            parser.Parse(portion, not portion)
        except DAMAGE as error:
            raise damaged(parser.CurrentLineNumber, error) from None
        except expat.ExpatError as error:
            raise InvalidInputError(
                f"the file is no sound XML from line {error.lineno} on "
                f"({expat.ErrorString(error.code)}): fetch it again"
            ) from None
        yield from reader.taken()
        if not portion:
            return


@frozen
class LogItem:
    """An item of a log.

    Attributes:
        texts: of its elements, by name; of those inside another one, as `contributor/username`.
    """

    texts: Mapping[str, str]


@define
class _Items:
    """What a parser has found since it was last asked."""

    parser: expat.XMLParserType = field(init=False)
    _path: list[str] = field(factory=list)
    _found: list[tuple[int, LogItem]] = field(factory=list)
    _texts: dict[str, list[str]] = field(factory=dict)
    _begun_at: int = 0
    _length: int = 0

    def __attrs_post_init__(self) -> None:
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        # Entities are declared in a DOCTYPE, and a few of them can stand for gigabytes.
        self.parser.StartDoctypeDeclHandler = self._refuse_doctype

    def taken(self) -> Iterator[tuple[int, LogItem]]:
        found, self._found = self._found, []
        yield from found

    def _start(self, name: str, _: Mapping[str, str]) -> None:
        self._path.append(name)
        if len(self._path) == _IN_FILE and name != "mediawiki":
            raise self._no_log(f"its root is <{name:.60}>, not <mediawiki>")
        if len(self._path) == _IN_ITEM:
            if name == "page":
                raise self._no_log("it holds pages")
            self._begun_at, self._length = self.parser.CurrentLineNumber, 0
            self._texts = {}

    def _text(self, text: str) -> None:
        if len(self._path) <= _IN_ITEM or self._path[_IN_FILE] != "logitem":
            return
        self._length += len(text)
        if self._length > _LONGEST_ITEM:
            raise InvalidInputError(
                f"the item at line {self._begun_at} has more than {_LONGEST_ITEM:,} characters, "
                "which no log of MediaWiki has"
            )
        self._texts.setdefault("/".join(self._path[_IN_ITEM:]), []).append(text)

    def _end(self, name: str) -> None:
        self._path.pop()
        if len(self._path) == _IN_FILE and name == "logitem":
            texts = {name: "".join(parts) for name, parts in self._texts.items()}
            self._found.append((self._begun_at, LogItem(texts)))

    def _refuse_doctype(self, *_: object) -> None:
        raise self._no_log("it has a DOCTYPE, which no dump has and which may declare entities")

    def _no_log(self, why: str) -> InvalidInputError:
        return InvalidInputError(
            f"the file is no dump of a wiki's log, as {why} (line "
            f"{self.parser.CurrentLineNumber}): fetch the one called …-pages-logging.xml.gz"
        )
