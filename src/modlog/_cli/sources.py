"""Where rows of accounts come from: a file of JSON lines or CSV, or a query."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time, tzinfo
from decimal import Decimal
from typing import Any, BinaryIO, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import click
from attrs import frozen

from modlog._cli.calling import Command
from modlog._errors import InvalidInputError
from modlog._services.adoption.rows import Kind, Numbered, check_shape
from modlog._services.lines import DAMAGE, damaged, opened, record_in, records
from modlog._services.records import Unreadable
from modlog._services.tables import mappings, table
from modlog._storage.asking import answer

# Columns that are keys of the profile, as profile.nickname.
_PROFILE: Final = "profile."
_INSTANTS: Final = ("at", "until")
_SPACE: Final = b" \t\r\n"
_START: Final = 64


class Zone(click.ParamType):  # type: ignore[type-arg]
    """A time zone by its name, as UTC or Asia/Shanghai."""

    name = "ZONE"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tzinfo:
        if isinstance(value, tzinfo):
            return value
        try:
            return ZoneInfo(value)
        except (ValueError, OSError, KeyError):
            self.fail(f"{value!r} is no time zone: write UTC or Asia/Shanghai", param, ctx)


def sources(command: Command) -> Command:
    """Where the rows are: a file, or a database and a query."""
    for option in (
        click.option(
            "--zone",
            type=Zone(),
            help="Of instants that have none, as UTC or Asia/Shanghai; without it they are "
            "refused.",
        ),
        click.option("--query", metavar="SQL", help="One SELECT that gives the rows."),
        click.option(
            "--from-url",
            metavar="URL",
            envvar="MODLOG_FROM_URL",
            show_envvar=True,
            help="The platform's own database, as in --db, for --query.",
        ),
        click.argument("file", required=False),
    ):
        command = option(command)
    return command


@frozen
class Source:
    """Where rows come from, and how they are to be understood.

    Attributes:
        file: a path, or - for standard input; None for a query.
        url: of the database.
        query: for it.
        zone: of instants that have none.
    """

    file: str | None
    url: str | None
    query: str | None
    zone: tzinfo | None

    @classmethod
    def chosen(
        cls, file: str | None, from_url: str | None, query: str | None, zone: tzinfo | None
    ) -> Source:
        """What the arguments name.

        Raises:
            InvalidInputError: neither a file nor a query, or both, or half a query.
        """
        if file is None and from_url and query:
            return cls(None, from_url, query, zone)
        if file is None or query:
            raise InvalidInputError(
                "the rows come from FILE (- is standard input), or from --from-url URL with "
                "--query SQL: give one of the two"
            )
        return cls(file, None, None, zone)

    @property
    def can_be_read_again(self) -> bool:
        """Whether it is there a second time; standard input is not."""
        return self.file != "-"

    @contextmanager
    def rows(self, kind: Kind) -> Iterator[tuple[BinaryIO | None, Numbered]]:
        """The file as it is, which knows how far it was read, and the rows in it.

        Raises:
            InvalidInputError: the columns are not those that rows for this purpose have.
        """
        if self.file is None:
            with answer(self.url or "", self.query or "") as (columns, found):
                yield None, Numbered(self._shaped(_under(columns, enumerate(found, 1), kind)))
            return
        with opened(self.file) as (raw, text):
            yield raw, Numbered(self._shaped(_in_file(self.file, text, kind)))

    def _shaped(self, rows: Iterator[tuple[int, object]]) -> Iterator[tuple[int, object]]:
        for line, row in rows:
            yield line, _shaped(row, self.zone) if isinstance(row, dict) else row


def _in_file(path: str, text: BinaryIO, kind: Kind) -> Iterator[tuple[int, object]]:
    if _is_json(path, text):
        return records(text)
    names, rows = table(text)
    return _under(names, ((line, _nulls(row)) for line, row in rows), kind)


def _under(
    names: Sequence[str], rows: Iterable[tuple[int, Sequence[object]]], kind: Kind
) -> Iterator[tuple[int, object]]:
    """Rows as mappings; that their columns cannot be is told once, and not of every row."""
    found = mappings(names, rows)
    shape = dict.fromkeys("profile" if name.startswith(_PROFILE) else name for name in names)
    check_shape(tuple(shape), kind)
    return found


def _is_json(path: str, text: BinaryIO) -> bool:
    """Whether a file holds JSON lines, by its first sign.

    Raises:
        InvalidInputError: it is empty, which says more of how it was made than of accounts; or
            one list.
    """
    try:
        start: bytes = text.peek(_START)  # type: ignore[attr-defined]
    except DAMAGE as error:
        raise damaged(1, error) from None
    if not start:
        raise InvalidInputError(f"{path} is empty: not even a line with names of columns")
    begins = start.removeprefix(BOM_UTF8).lstrip(_SPACE)
    if begins.startswith(b"["):
        raise InvalidInputError(
            f"{path} is one list in JSON, and JSON lines have a row a line: `jq -c .[]` makes them"
        )
    return begins.startswith(b"{")


def _nulls(row: Sequence[str]) -> list[str | None]:
    """CSV knows no null: an empty cell is one."""
    return [cell or None for cell in row]


def _shaped(given: Mapping[str, Any], zone: tzinfo | None) -> object:
    """A row as `adopt` takes it: text for ids, a mapping for the profile, zones for instants."""
    row = {name: value for name, value in given.items() if not name.startswith(_PROFILE)}
    if isinstance(row.get("account_id"), int | UUID) and row["account_id"] is not True:
        row["account_id"] = str(row["account_id"])
    profile = row.get("profile")
    if isinstance(profile, str):
        profile = row["profile"] = record_in(profile.encode())
        if isinstance(profile, Unreadable):
            return Unreadable(str(given), f"profile: {profile.reason}")
    if len(row) < len(given) and (profile is None or isinstance(profile, dict)):
        more = {
            name.removeprefix(_PROFILE): _plain(value)
            for name, value in given.items()
            if name.startswith(_PROFILE) and value is not None
        }
        row["profile"] = {**(profile or {}), **more}
    for name in _INSTANTS if zone else ():
        if name in row:
            row[name] = _in_zone(row[name], zone)
    return row


def _plain(value: object) -> object:
    """What a database has a type of its own for, as text."""
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value) if isinstance(value, UUID | Decimal) else value


def _in_zone(value: object, zone: tzinfo | None) -> object:
    """An instant with a zone; what is none is left for the one who reads the row."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return value
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.replace(tzinfo=zone)
    return value
