"""Slices that only grow, told from sites that allocate many sizes."""

import numpy as np
from builders.captures import plain
from builders.profiles import Row, heap

from memsnap.analysis.diff import diff
from memsnap.analysis.ladder import ladders
from memsnap.analysis.own import own_frames

PLACE = "main.record audit.go:21 < main.main main.go:9"
SIZES = (98_304, 188_416, 335_872, 557_056, 909_312, 1_458_176)


def found(*captures):
    """Return the ladders of captures given as (size, allocated, live) rows of one place."""
    snapshots = [
        plain(heap(*(Row(PLACE, size=s, alloc=a, live=n) for s, a, n in rows)), f"{at}.snap")
        for at, rows in enumerate(captures)
    ]
    compared = diff(snapshots)
    everything = np.arange(len(compared.alignment))
    return ladders(compared, own_frames(compared.alignment, everything, ""))


def climbed_to(top):
    """Return rows of a slice that has come up to rung `top`: only that one is live."""
    return [(size, 1, int(at == top)) for at, size in enumerate(SIZES[: top + 1])]


def test_an_audit_trail_is_a_ladder():
    (ladder,) = found(climbed_to(2), climbed_to(3), climbed_to(5))
    assert ladder.top == (SIZES[2], SIZES[3], SIZES[5])
    assert (ladder.climbs, ladder.still_climbs) == (2, True)
    assert ladder.chance < 0.01


def test_a_ladder_that_has_come_to_rest_does_not_climb_still():
    (ladder,) = found(climbed_to(3), climbed_to(5), climbed_to(5), climbed_to(5))
    assert (ladder.climbs, ladder.still_climbs) == (1, False)


def test_a_rung_that_no_sample_fell_on_is_no_gap():
    rows = [row for row in climbed_to(5) if row[0] != SIZES[4]]
    (ladder,) = found(climbed_to(2), rows)
    assert ladder.top == (SIZES[2], SIZES[5])


def test_buffers_of_many_sizes_are_no_ladder():
    many = [(size, 3, 1) for size in SIZES]
    assert found(many, many) == ()


def test_sizes_that_come_in_no_order_are_no_ladder():
    large_first = [(SIZES[5], 1, 1), (SIZES[4], 1, 0)]
    assert found(large_first, [*large_first, (SIZES[1], 1, 0)]) == ()


def test_a_slice_that_lives_beside_a_larger_one_is_no_ladder():
    rows = [(size, 1, 1) for size in SIZES]
    assert found(rows[:3], rows) == ()


def side_by_side(per_capture, kind="append"):
    """Return the ladders of many slices: for each capture the rungs allocated since the last."""
    snapshots = []
    ever = dict.fromkeys(SIZES, 0)
    for at, fresh in enumerate(per_capture):
        for rung in fresh:
            ever[SIZES[rung]] += 1
        rows = [
            Row(PLACE, size=s, alloc=n, live=fresh.count(SIZES.index(s)), type="[]int", kind=kind)
            for s, n in ever.items()
            if n
        ]
        snapshots.append(plain(heap(*rows), f"{at}.snap"))
    compared = diff(snapshots)
    everything = np.arange(len(compared.alignment))
    return ladders(compared, own_frames(compared.alignment, everything, ""))


CLIMBING = [[0] * 6, [0, 0, 1, 1, 1, 1], [1, 1, 2, 2, 2], [2, 2, 3, 3, 3], [3, 4, 4, 4, 4, 4, 4, 5]]


def test_slices_that_grow_side_by_side_are_a_ladder_of_their_average():
    (ladder,) = side_by_side(CLIMBING)
    assert ladder.climbs == 4
    assert ladder.still_climbs
    assert ladder.chance < 0.001


def test_sizes_that_come_and_go_side_by_side_are_no_ladder():
    assert side_by_side([[0, 1, 2, 3, 4, 5]] * 5) == ()


def test_buffers_that_are_made_larger_are_no_slices_that_grow():
    assert side_by_side(CLIMBING, kind="make") == ()


def test_what_is_never_seen_alive_is_no_ladder():
    rows = [[(size, 1, 0) for size in SIZES[: at + 2]] for at in range(4)]
    assert found(*rows) == ()
