"""Moments as people write them."""

import time
from datetime import UTC, datetime

import pytest

from memsnap.archive.moments import parse_span, parse_time, to_datetime
from memsnap.errors import UsageError

NOW = 1_795_356_187 * 10**9
NOON = int(datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()) * 10**9


@pytest.fixture
def in_berlin(monkeypatch):
    """The machine's own zone, an hour before UTC in winter."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    "text", ["2026-11-22T12:00:00Z", "2026-11-22T13:00+01:00", "20261122T120000Z"]
)
def test_a_time_with_an_offset_is_that_time(text):
    assert parse_time(text, now_ns=NOW) == NOON


def test_a_time_without_an_offset_is_local(in_berlin):
    assert parse_time("2026-11-22T13:00", now_ns=NOW) == NOON
    assert parse_time("2026-11-22T12:00", now_ns=NOW, zone=UTC) == NOON


def test_microseconds_are_kept():
    assert parse_time("2026-11-22T12:00:00.000007Z", now_ns=NOW) == NOON + 7000


@pytest.mark.parametrize(("text", "ago_s"), [("-90", 90), ("-1h", 3600), ("now", 0), ("NOW", 0)])
def test_a_distance_is_counted_from_now(text, ago_s):
    assert parse_time(text, now_ns=NOW) == NOW - ago_s * 10**9


def test_a_distance_beyond_all_time_is_its_beginning():
    assert parse_time("-100000d", now_ns=NOW) == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [("24h", NOW - 86400 * 10**9), ("1h30m", NOW - 5400 * 10**9), ("2026-11-22T12:00Z", NOON)],
)
def test_since_may_be_written_without_the_minus(text, expected):
    assert parse_span(text, now_ns=NOW) == expected


@pytest.mark.parametrize(
    "text", ["", "first", "1969-12-31T00:00Z", "9999-01-01T00:00Z", "2026-13-01", "-", "-1y"]
)
def test_what_is_no_time_leads_to_how_one_is_written(text):
    with pytest.raises(UsageError) as caught:
        parse_time(text, now_ns=NOW)
    assert "2026-11-22T14:03" in caught.value.hint


def test_a_time_comes_back():
    assert to_datetime(NOON) == datetime(2026, 11, 22, 12, tzinfo=UTC)
