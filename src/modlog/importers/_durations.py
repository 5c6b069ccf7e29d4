"""When a block of MediaWiki ends: what administrators write, as PHP's `strtotime` reads it.

MediaWiki keeps the words ("31 hours", "2 weeks", "30 April 2007") and works the end out from the
instant of the block. What is read here is what its menus offer and people write: numbers of units,
`next` and `tomorrow`, dates in the usual forms, times, UTC and offsets.

Sources: wikimedia/mediawiki `includes/block/BlockUser.php` (parseExpiryInput) and
`includes/ParamValidator/TypeDef/ExpiryDef.php` (INFINITY_VALS),
https://www.php.net/manual/en/datetime.formats.php.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from attrs import define

_FOREVER: Final = ("infinite", "indefinite", "infinity", "never", "")
# As many characters as MediaWiki takes, and as old logs may have.
_LONGEST: Final = 255
_MONTHS: Final = (
    *("jan", "feb", "mar", "apr", "may", "jun"),
    *("jul", "aug", "sep", "oct", "nov", "dec"),
)
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAYS_OF: Final = {"day": 1, "week": 7, "fortnight": 14, "forthnight": 14}
_SECONDS_OF: Final = {"sec": 1, "second": 1, "min": 60, "minute": 60, "hour": 3_600}
_MONTHS_OF: Final = {"month": 1, "year": 12}
_UNIT: Final = "|".join((*_DAYS_OF, "second", "sec", "minute", "min", "hour", *_MONTHS_OF))
_MONTH: Final = (
    r"(?P<month>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)(?![a-z])"
)
_DAY: Final = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?(?!\d)"


def end_of(duration: str, at: datetime) -> datetime | None:
    """When a block ends that was imposed at an instant; None if never, or after the year 9999.

    Raises:
        ValueError: the words are none of those that are read here.
    """
    words = duration.strip().lower()
    if words in _FOREVER:
        return None
    if len(words) > _LONGEST:
        raise ValueError("too long for a duration")
    reading = _Reading(at)
    place = 0
    while place < len(words):
        place = reading.take(words, place)
    try:
        return reading.end()
    except OverflowError:
        return None


@define
class _Reading:
    """What was read so far; of a date and time, None where the instant's own stay."""

    at: datetime
    date: tuple[int, int, int] | None = None
    time: tuple[int, int, int] | None = None
    offset: timedelta = timedelta()
    months: int = 0
    days: int = 0
    seconds: int = 0
    weekday: int | None = None
    after_today: bool = False

    def take(self, words: str, place: int) -> int:
        """Read what stands at a place, and tell where it ends."""
        for pattern, read in _PATTERNS:
            if found := pattern.match(words, place):
                read(self, found)
                return found.end()
        raise ValueError(f"not understood from {words[place:]!r:.60} on")

    def dated(self, year: int, month: int, day: int) -> None:
        if self.date or not 1 <= month <= 12 or not 1 <= day <= 31:
            raise ValueError("no date, or two of them")
        self.date = (year, month, day)

    def timed(self, hour: int, minute: int, second: int) -> None:
        if self.time or hour > 24 or minute > 59 or second > 59:
            raise ValueError("no time, or two of them")
        self.time = (hour, minute, second)

    def end(self) -> datetime:
        """The instant; a day beyond the end of its month counts on into the next one, as in PHP."""
        year, month, day = self.date or (self.at.year, self.at.month, self.at.day)
        whole = year * 12 + month - 1 + self.months
        if not 12 <= whole < 120_000:
            raise OverflowError
        begin = datetime(whole // 12, whole % 12 + 1, 1, tzinfo=UTC)
        moved = begin + timedelta(days=day - 1 + self.days)
        if self.weekday is not None:
            ahead = (self.weekday - moved.weekday()) % 7
            moved += timedelta(days=ahead or 7 * self.after_today)
        return moved + self._of_day() + timedelta(seconds=self.seconds) - self.offset

    def _of_day(self) -> timedelta:
        if self.time:
            hour, minute, second = self.time
        elif self.date or self.weekday is not None:
            hour, minute, second = 0, 0, 0
        else:
            hour, minute, second = self.at.hour, self.at.minute, self.at.second
        return timedelta(hours=hour, minutes=minute, seconds=second)


def _relative(reading: _Reading, found: re.Match[str]) -> None:
    how, unit = found["how"], found["unit"]
    number = {"next": 1, "last": -1, "previous": -1, "this": 0}.get(how)
    number = int(how.replace(" ", "")) if number is None else number
    reading.months += number * _MONTHS_OF.get(unit, 0)
    reading.days += number * _DAYS_OF.get(unit, 0)
    reading.seconds += number * _SECONDS_OF.get(unit, 0)


def _date(reading: _Reading, found: re.Match[str]) -> None:
    parts: Mapping[str, str | None] = found.groupdict()
    month = str(parts["month"])
    number = int(month) if month.isdecimal() else _MONTHS.index(month[:3]) + 1
    year = parts.get("year")
    reading.dated(int(year) if year else reading.at.year, number, int(parts.get("day") or 1))
    if parts.get("hour"):
        _time(reading, found)


def _time(reading: _Reading, found: re.Match[str]) -> None:
    parts: Mapping[str, str | None] = found.groupdict()
    hour, half = int(parts["hour"] or 0), parts.get("half")
    if half:
        if not 1 <= hour <= 12:
            raise ValueError("no hour of a half day")
        hour = hour % 12 + (12 if half == "p" else 0)
    reading.timed(hour, int(parts.get("minute") or 0), int(parts.get("second") or 0))


def _zone(reading: _Reading, found: re.Match[str]) -> None:
    if found["sign"]:
        offset = timedelta(hours=int(found["hours"]), minutes=int(found["minutes"] or 0))
        reading.offset = -offset if found["sign"] == "-" else offset


def _weekday(reading: _Reading, found: re.Match[str]) -> None:
    reading.weekday = _DAYS.index(found["weekday"][:3])
    reading.after_today = found["next"] is not None


def _word(reading: _Reading, found: re.Match[str]) -> None:
    match found["word"]:
        case "tomorrow":
            reading.days += 1
            reading.time = (0, 0, 0)
        case "today" | "midnight":
            reading.time = (0, 0, 0)
        case "noon":
            reading.time = (12, 0, 0)


_PATTERNS: Final[tuple[tuple[re.Pattern[str], Callable[[_Reading, re.Match[str]], None]], ...]] = (
    (re.compile(r"[\s,]+"), lambda _, __: None),
    (re.compile(r"(?P<word>now|today|midnight|noon|tomorrow)(?![a-z])"), _word),
    (
        re.compile(
            r"(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)"
            r"(?:t?(?P<hour>\d\d)(?P<minute>\d\d)(?P<second>\d\d))?(?!\d)"
        ),
        _date,
    ),
    (re.compile(r"(?P<year>\d{4})[-/](?P<month>\d{1,2})[-/](?P<day>\d{1,2})(?!\d)"), _date),
    (re.compile(r"(?P<month>\d{1,2})/(?P<day>\d{1,2})/(?P<year>\d{4})(?!\d)"), _date),
    (re.compile(r"(?P<day>\d{1,2})[-.](?P<month>\d{1,2})[-.](?P<year>\d{4})(?!\d)"), _date),
    (re.compile(rf"{_DAY}[ \t.-]*{_MONTH}(?:[ \t.,-]*(?P<year>\d{{4}})(?![\d:]))?"), _date),
    (re.compile(rf"{_MONTH}[ \t.-]*{_DAY}(?!:)(?:[ \t.,-]*(?P<year>\d{{4}})(?![\d:]))?"), _date),
    (re.compile(rf"{_MONTH}[ \t.-]*(?P<year>\d{{4}})(?![\d:])"), _date),
    (
        re.compile(
            r"t?(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.\d+)?)?"
            r"(?:\s*(?P<half>[ap])\.?m\.?(?![a-z]))?(?!\d)"
        ),
        _time,
    ),
    (re.compile(r"(?P<hour>\d{1,2})\s*(?P<half>[ap])\.?m\.?(?![a-z])"), _time),
    (
        re.compile(
            rf"(?P<how>[+-]?\s*\d{{1,9}}|(?:next|last|previous|this)(?=\s))\s*"
            rf"(?P<unit>{_UNIT})s?(?![a-z])"
        ),
        _relative,
    ),
    (
        re.compile(
            r"(?:z|utc|gmt)?(?P<sign>[+-])(?P<hours>\d\d?):?(?P<minutes>\d\d)?(?!\d)"
            r"|(?:z|utc|gmt)(?![a-z])"
        ),
        _zone,
    ),
    (
        re.compile(
            r"(?P<next>next\s+)?(?P<weekday>mon(?:day)?|tue(?:s(?:day)?)?|wed(?:nesday)?"
            r"|thu(?:r(?:s(?:day)?)?)?|fri(?:day)?|sat(?:urday)?|sun(?:day)?)(?![a-z])"
        ),
        _weekday,
    ),
)
