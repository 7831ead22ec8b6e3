"""Remarks on slices and on what is allocated in vain; none of them claims a leak."""

from dataclasses import replace

import pytest
from builders.captures import plain
from builders.profiles import Row, heap

from memsnap.analysis.diff import diff
from memsnap.analysis.finding import Cause, Severity
from memsnap.analysis.series import series
from memsnap.analysis.signals import held_over, signals
from memsnap.snapshot import Capture

SLICES = {"type": "[]main.entry", "kind": "make"}
PLACE = "main.split split.go:8 < main.main main.go:9"
BODY = Row("main.load l.go:1 < main.main main.go:9", 1024, 900, 900)


def remarks(*captures, apart_s=10):
    """Return the signals of captures given as rows, taken `apart_s` seconds apart."""
    taken = [
        replace(
            plain(heap(*rows), f"{at}.snap"),
            capture=Capture(taken_ns=10**18 + at * apart_s * 10**9),
        )
        for at, rows in enumerate(captures)
    ]
    return signals(held_over(series(diff(taken))))


def said(*captures, **settings):
    return [(one.kind, one.function, one.verdict) for one in remarks(*captures, **settings)]


def test_many_small_slices_of_one_line_are_worth_a_remark():
    rows = [Row(PLACE, 128, 200, 200, **SLICES), BODY]
    assert said(rows, rows) == [("small-slices", "main.split", Cause.STEADY)]


@pytest.mark.parametrize("row", [
    Row(PLACE, 128, 2, 2, **SLICES),  # few
    Row(PLACE, 128, 200, 200, type="main.entry", kind="new"),  # no slices
    Row(PLACE, 4096, 200, 200, **SLICES),  # not small
])  # fmt: skip
def test_few_or_large_objects_and_others_than_slices_are_not(row):
    assert said([row, BODY], [row, BODY]) == []


def test_a_large_array_that_stays_asks_how_much_of_it_is_used():
    row = Row("main.read r.go:3 < main.main main.go:9", 10 << 20, 9, 9, type="[]uint8", kind="make")
    (found,) = remarks([row, BODY], [row, BODY])
    assert (found.kind, found.severity) == ("capacity", Severity.INFO)
    assert "10.0 MB" in found.title


def test_what_is_allocated_in_vain_is_a_surge():
    def row(allocated):
        return Row("main.render r.go:5 < main.main main.go:9", 65_536, allocated, 0)

    assert said([row(0), BODY], [row(2000), BODY]) == [("alloc-surge", "main.render", Cause.CHURN)]
    assert said([row(0), BODY], [row(2000), BODY], apart_s=1000) == []
