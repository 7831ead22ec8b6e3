"""Findings as text and as the screen of `watch`."""

from dataclasses import replace

import pytest

from memsnap.analysis.diff import diff
from memsnap.analysis.finding import Cause, Finding, Growth, Place, Severity, ranked
from memsnap.report.findings import finding_lines, headline, render_findings
from memsnap.report.ink import Ink
from memsnap.report.watching import line, screen, spark

LEAK = Finding(
    id="growth:main.keep",
    kind="growth",
    verdict=Cause.LEAK,
    severity=Severity.HIGH,
    confidence=0.987,
    title="main.keep leaks: 12.0 MB more",
    detail=("it grew from capture to capture",),
    advice="Look for what keeps it.",
    example="delete(m, key)\n\tm = nil",
    function="main.keep",
    file="/srv/shop/keep.go",
    line=12,
    type="[]uint8",
    sites=(
        Place(function="main.keep", file="/srv/shop/keep.go", line=12, type="[]uint8", bytes=9),
        Place(function="main.keep", file="/srv/shop/keep.go", line=14, type="", bytes=3),
    ),
    growth=Growth(bytes=12 << 20, low_bytes=11 << 20, high_bytes=13 << 20, bytes_per_s=300_000.0),
)
CACHE = replace(LEAK, verdict=Cause.CACHE, severity=Severity.LOW, title="main.get fills a cache")
OPEN = replace(LEAK, verdict=Cause.UNKNOWN, severity=Severity.MEDIUM, title="main.x grows")


def test_a_finding_is_told_with_its_place_sites_advice_and_example():
    text = "\n".join(finding_lines(1, LEAK, Ink(width=100)))
    assert text.startswith("1. main.keep leaks: 12.0 MB more  leak 98%, high")
    assert "/srv/shop/keep.go:12" in text
    assert "· main.keep keep.go:14" in text
    assert "→ Look for what keeps it." in text
    assert "       delete(m, key)\n           m = nil" in text


def test_certainty_is_never_rounded_up():
    assert "leak 99%" in next(finding_lines(1, replace(LEAK, confidence=0.9999), Ink(width=200)))


def test_a_title_too_long_for_the_terminal_is_broken():
    long = replace(LEAK, title="main.keep " + "very " * 30 + "much")
    lines = "\n".join(finding_lines(1, long, Ink(width=80))).splitlines()
    assert max(map(len, lines)) <= 80
    assert "   leak 98%, high" in lines


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ((), "No leak found."),
        ((CACHE,), "No leak found."),
        ((OPEN,), "No leak found, but growth that is not explained."),
        ((LEAK, CACHE), "1 leak: main.keep"),
        ((LEAK,) * 5, "5 leaks: main.keep, main.keep, main.keep and 2 more"),
    ],
)
def test_the_headline_is_the_answer(found, words):
    assert headline(found) == words


def test_leaks_come_first_and_of_leaks_the_surest_growth():
    small = replace(LEAK, growth=replace(LEAK.growth, low_bytes=1))
    assert ranked([CACHE, small, OPEN, LEAK]) == (LEAK, small, OPEN, CACHE)


def test_names_from_profiles_cannot_drive_the_terminal(pair):
    wicked = replace(LEAK, title="main.\x1b[2J", file="\x1b]0;x", function="main.\x1b[2J")
    text = render_findings(diff(pair), (wicked,), ink=Ink())
    drawn = "\n".join(screen(diff(pair), (wicked,), interval_s=5, ink=Ink(width=80)))
    assert "\x1b" not in text + drawn


def test_no_line_of_the_screen_is_wider_than_the_terminal(pair):
    long = replace(LEAK, title="main.keep " + "very " * 40, file="/a" * 90 + ".go")
    lines = screen(diff(pair), (long,) * 9, interval_s=5, ink=Ink(width=80))
    assert max(map(len, lines)) <= 80
    assert "   and 4 more" in lines


def test_without_a_terminal_there_is_a_line_a_capture(pair):
    assert line(diff(pair), (LEAK,)) == "capture 2: 70.0 MB live, 1 leak: main.keep"


def test_the_bars_span_what_was_seen():
    assert spark([1, 2, 3], 10) == "▁▅█"
    assert spark([5, 5], 10) == "▁▁"
    assert spark(list(range(100)), 4) == "▁▃▆█"
    assert spark([], 10) == "unknown"
