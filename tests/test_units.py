"""Sizes, durations, counts and times, as people write and read them."""

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memsnap.errors import UsageError
from memsnap.units import (
    format_bytes,
    format_count,
    format_duration,
    format_range,
    format_time,
    parse_bytes,
    parse_duration,
)

SIZES = st.integers(0, 2**60)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("512", 512),
        ("512B", 512),
        ("64kB", 64 << 10),
        ("64 KiB", 64 << 10),
        ("5MB", 5 << 20),
        ("5m", 5 << 20),
        ("1.5GiB", 3 << 29),
        (" 2 tb ", 2 << 40),
    ],
)
def test_a_size_is_read(text, size):
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "MB", "-5", "5 parsecs", "1e6", "5MBit", "0x10", "1,5MB"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(UsageError, match="is not a size"):
        parse_bytes(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10", 10),
        ("2.5", 2.5),
        ("10s", 10),
        ("1m30s", 90),
        ("250ms", 0.25),
        ("2h", 7200),
        ("1d", 86400),
    ],
)
def test_a_duration_is_read(text, seconds):
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "soon", "10 s", "s", "-5s", "5s later", "1m30x"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(UsageError, match="is not a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "0.98 kB"),
        (1024, "1.00 kB"),
        (10_240, "10.0 kB"),
        (102_400, "100 kB"),
        (1_047_552, "1.00 MB"),
        (5 << 20, "5.00 MB"),
        (-(5 << 20), "-5.00 MB"),
        (3 << 40, "3.00 TB"),
        (5000 << 40, "5000 TB"),
    ],
)
def test_a_size_is_written_with_three_figures(size, text):
    assert format_bytes(size) == text


def test_growth_has_a_sign_unless_there_is_none():
    assert [format_bytes(n, signed=True) for n in (2048, -2048, 0)] == [
        "+2.00 kB",
        "-2.00 kB",
        "0 B",
    ]


@given(SIZES)
def test_a_written_size_means_the_same_within_its_figures(size):
    assert parse_bytes(format_bytes(size)) == pytest.approx(size, rel=0.01, abs=0.5)


@given(SIZES)
def test_a_size_takes_seven_characters_at_most_below_a_petabyte(size):
    text = format_bytes(size % (1 << 49))
    assert len(text) <= 7
    assert re.fullmatch(r"\d+(\.\d+)? ([kMGT]?B)", text)


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (15 << 20, 28 << 20, "15.0…28.0 MB"),
        (0, 512 << 10, "0.00…512 kB"),
        (-(1 << 20), 2 << 20, "-1.00…2.00 MB"),
        (-(2 << 20), -(1 << 20), "-2.00…-1.00 MB"),
        (-1, 2 << 20, "0.00…2.00 MB"),
        (5 << 20, 5 << 20, "5.00 MB"),
        (5 << 20, (5 << 20) + 1, "5.00 MB"),
        (0, 0, "0 B"),
    ],
)
def test_a_range_has_one_unit(low, high, text):
    assert format_range(low, high) == text


@given(SIZES, SIZES)
def test_a_range_never_ends_in_minus_zero(one, other):
    assert not re.search(r"-0(\.0+)?(…| |$)", format_range(-one, other))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0ms"), (0.24, "240ms"), (1, "1s"), (38.4, "38s"), (59.7, "1m00s"), (72, "1m12s"),
     (3599.9, "1h00m"), (11_100, "3h05m"), (187_200, "2d04h")],
)  # fmt: skip
def test_a_duration_is_written_with_two_units(seconds, text):
    assert format_duration(seconds) == text


def test_a_count_has_its_thousands_apart():
    assert format_count(1234567) == "1,234,567"
    assert [format_count(n, signed=True) for n in (5, -5, 0)] == ["+5", "-5", "0"]


def test_a_time_is_written_with_its_offset():
    when = datetime(2026, 11, 22, 14, 3, 7, 999, tzinfo=UTC)
    assert format_time(when) == "2026-11-22 14:03:07Z"
    east = when.astimezone(timezone(timedelta(hours=9)))
    assert format_time(east) == "2026-11-22 23:03:07+09:00"
