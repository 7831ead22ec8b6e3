"""Maps that were emptied: the objects that they pointed to went, and their tables stayed."""

import pytest
from builders.captures import plain
from builders.profiles import Row, heap

from memsnap.analysis.diff import diff
from memsnap.analysis.emptied import emptied_maps
from memsnap.analysis.finding import Cause, Severity

PUT = "main.logIn s.go:12 < main.main main.go:9"
MAP = "map[int]*example.com/shop/user.session"
ENTRY = "example.com/shop/user.session"


def captures(entries, tables=(9, 9), map_type=MAP, entry_type=ENTRY, others=()):
    """Return the findings on sampled entries and tables at each capture."""
    heaps = [
        heap(
            Row(PUT, 64, 500, live, type=entry_type, kind="new"),
            Row(PUT, 1 << 20, 9, kept, type=map_type, kind="map"),
            *others,
        )
        for live, kept in zip(entries, tables, strict=True)
    ]
    return emptied_maps(diff([plain(one, f"{at}.snap") for at, one in enumerate(heaps)]))


def test_tables_that_stay_when_the_entries_went_are_a_finding():
    (one,) = captures((200, 3))
    assert (one.kind, one.verdict, one.severity) == ("emptied-map", Cause.STEADY, Severity.LOW)
    assert (one.function, one.file, one.line) == ("main.logIn", "s.go", 12)
    assert one.type == "map[int]*user.session"
    evidence = dict(one.evidence)
    assert evidence["entries_peak"] > 50 * evidence["entries_left"] > 0
    assert evidence["table_bytes"] > 9 << 20
    assert one.growth is None


def test_the_peak_may_lie_between_the_captures():
    assert len(captures((20, 200, 9), tables=(2, 9, 9))) == 1


@pytest.mark.parametrize(
    "settings",
    [
        {"entries": (200, 120)},  # most are still there
        {"entries": (15, 0)},  # too few were sampled
        {"entries": (200, 3), "tables": (9, 2)},  # the tables went with them
        {"entries": (200, 3), "tables": (0, 0)},  # there are none
        {"entries": (200, 3), "map_type": "map[int]example.com/shop/user.session"},
        {"entries": (200, 3), "map_type": "map[int]*example.com/shop/user.other"},
        {"entries": (200, 3), "map_type": "map[[2]int][]*example.com/shop/user.session"},
    ],
)
def test_what_the_profile_does_not_settle_is_not_said(settings):
    assert captures(**settings) == []


def test_entries_that_another_map_may_hold_settle_nothing():
    other = Row(
        "main.cache c.go:3 < main.main main.go:9", 1 << 20, 9, 9,
        type=MAP.replace("int", "string"), kind="map",
    )  # fmt: skip
    assert captures((200, 3), others=(other,)) == []


def test_keys_may_have_brackets_of_their_own():
    keyed = MAP.replace("int", "[2]string")
    assert [one.type for one in captures((200, 3), map_type=keyed)] == [
        "map[[2]string]*user.session"
    ]
