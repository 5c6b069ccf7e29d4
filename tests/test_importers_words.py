"""What the importer of MediaWiki reads word by word: durations, and what PHP has serialized."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modlog import InvalidInputError
from modlog.importers._durations import end_of
from modlog.importers._php import unserialized
from tests.wiki import php

# Durations


AT = datetime(2007, 1, 31, 10, 20, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("duration", "end"),
    [
        # What PHP's strtotime makes of them at that instant.
        ("31 hours", "2007-02-01 17:20:30"),
        ("2 weeks", "2007-02-14 10:20:30"),
        ("1 month", "2007-03-03 10:20:30"),  # there is no 31 February
        ("1 year", "2008-01-31 10:20:30"),
        ("1 month 2 days", "2007-03-05 10:20:30"),
        ("3 days, 4 hours", "2007-02-03 14:20:30"),
        ("24hours", "2007-02-01 10:20:30"),
        ("+1 week", "2007-02-07 10:20:30"),
        ("1 fortnight", "2007-02-14 10:20:30"),
        ("next month", "2007-03-03 10:20:30"),
        ("tomorrow", "2007-02-01 00:00:00"),
        ("tomorrow noon", "2007-02-01 12:00:00"),
        ("Friday", "2007-02-02 00:00:00"),
        ("next Wednesday", "2007-02-07 00:00:00"),
        ("2007-04-30", "2007-04-30 00:00:00"),
        ("2007-04-30T12:00:00Z", "2007-04-30 12:00:00"),
        ("20070430120000", "2007-04-30 12:00:00"),
        ("30 April 2007", "2007-04-30 00:00:00"),
        ("April 30, 2007 12:00", "2007-04-30 12:00:00"),
        ("12:00, 30 April 2007", "2007-04-30 12:00:00"),
        ("Thu, 12 Jan 2017 12:00:00 GMT", "2017-01-12 12:00:00"),
        ("4/30/2007", "2007-04-30 00:00:00"),
        ("30.4.2007", "2007-04-30 00:00:00"),
        ("30th April", "2007-04-30 00:00:00"),
        ("May 2010", "2010-05-01 00:00:00"),
        ("1 May 2008 12:00 +02:00", "2008-05-01 10:00:00"),
        ("5pm", "2007-01-31 17:00:00"),
        ("12 am 1 May 2008", "2008-05-01 00:00:00"),
    ],
)
def test_a_duration_ends(duration, end):
    assert end_of(duration, AT) == datetime.fromisoformat(end).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "duration", ["infinite", "indefinite", "infinity", "never", "", "40000 years", "999999999 days"]
)
def test_a_duration_never_ends(duration):
    assert end_of(duration, AT) is None


@pytest.mark.parametrize(
    "duration",
    [
        "für immer",
        "2 blocks",
        "1 May 2 May",
        "25:00",
        "13/13/2007",
        "13 pm",
        "9" * 300,
        "\0",
        "1 week ago",
    ],
)
def test_words_that_nobody_understands_are_kept(duration):
    with pytest.raises(ValueError, match=r"."):
        end_of(duration, AT)


@given(st.text(max_size=60), st.datetimes(timezones=st.just(UTC)))
def test_any_duration_ends_or_not_or_is_not_understood(duration, at):
    try:
        end = end_of(duration, at)
    except ValueError:
        return
    assert end is None or end.tzinfo is UTC


@given(
    st.integers(0, 10_000),
    st.sampled_from(["second", "minute", "hour", "day", "week"]),
    st.datetimes(min_value=datetime(2001, 1, 1), max_value=datetime(2100, 1, 1)),  # noqa: DTZ001
)
def test_a_number_of_units_is_as_long_as_they_are(number, unit, at):
    at = at.replace(tzinfo=UTC, microsecond=0)
    assert end_of(f"{number} {unit}s", at) == at + number * timedelta(**{f"{unit}s": 1})


# What PHP serialized


PHP = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.text(max_size=8),
    lambda inner: st.dictionaries(st.text(max_size=4) | st.integers(0, 9), inner, max_size=4),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=4), PHP, max_size=4))
def test_what_php_serialized_is_read(value):
    assert unserialized(php(value)) == value


@given(st.text(alphabet='aisbdN:;{}"0123456789O', max_size=40))
def test_what_it_did_not_is_told(text):
    try:
        unserialized(text)
    except InvalidInputError:
        return


@pytest.mark.parametrize(
    "text",
    [
        'O:8:"stdClass":0:{}',
        "a:999999999:{",
        "a:1:{" * 5_000,
        's:99:"x";',
        's:-1:"x";',
        "i:1",
        "i:1;i:2;",
    ],
)
def test_no_object_is_made_and_no_promise_believed(text):
    with pytest.raises(InvalidInputError, match="from byte"):
        unserialized(text)
