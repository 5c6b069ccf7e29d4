"""Instants, and lengths of time, as people write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import click

_AGO: Final = re.compile(r"(\d{1,6}) *(second|minute|hour|day|week)s? ago")
_AHEAD: Final = re.compile(r"in (\d{1,6}) *(second|minute|hour|day|week)s?")
_DAY: Final = re.compile(r"(today|yesterday)(?: (\d\d:\d\d(?::\d\d)?))?")

_LENGTH: Final = re.compile(r"(\d{1,6}) *(s|seconds?|m|min|minutes?|h|hours?|d|days?|w|weeks?)")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Instant(click.ParamType):  # type: ignore[type-arg]
    """ISO 8601, "2026-11-21 11:44", "3 hours ago", "in 7 days", "yesterday 11:44", "now".

    Without a zone it is UTC, as are all instants that modlog shows.
    """

    name = "TIME"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return instant_from(value, datetime.now(UTC))
        except (ValueError, OverflowError):
            self.fail(
                f"{value!r} is no instant: write 2026-11-21 11:44, 2026-11-21T11:44:00+08:00, "
                "3 hours ago, in 7 days, yesterday 11:44 or now; without a zone it is UTC",
                param,
                ctx,
            )


def instant_from(text: str, now: datetime) -> datetime:
    """The instant that a text means.

    Raises:
        ValueError: none.
        OverflowError: one before the year 1 or after the year 9999.
    """
    text = " ".join(text.split())
    if text == "now":
        return now
    if ago := _AGO.fullmatch(text):
        return now - _span(ago)
    if ahead := _AHEAD.fullmatch(text):
        return now + _span(ahead)
    if day := _DAY.fullmatch(text):
        date = now.date() - timedelta(days=day[1] == "yesterday")
        text = f"{date} {day[2] or '00:00'}"
    instant = datetime.fromisoformat(text.removesuffix(" UTC"))
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _span(found: re.Match[str]) -> timedelta:
    return timedelta(**{f"{found[2]}s": int(found[1])})


class Length(click.ParamType):  # type: ignore[type-arg]
    """How long something takes: "1h", "30 min", "2 days"."""

    name = "LENGTH"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        if isinstance(value, timedelta):
            return value
        found = _LENGTH.fullmatch(value.strip())
        if found is None:
            self.fail(f"{value!r} is no length of time: write 1h, 30 min or 2 days", param, ctx)
        return timedelta(**{_UNITS[found[2][0]]: int(found[1])})


INSTANT: Final = Instant()
LENGTH: Final = Length()
