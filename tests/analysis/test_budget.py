"""The growth of a heap over a load, judged by the least favourable pair of captures."""

from dataclasses import replace

import pytest
from builders.captures import before

from memsnap.analysis.budget import spent
from memsnap.analysis.verification import verify
from memsnap.errors import UsageError

MB = 1 << 20


def live(*sizes_mb):
    first = before()
    return [
        replace(
            first,
            name=f"{size}.snap",
            capture=replace(
                first.capture, mem_stats=replace(first.capture.mem_stats, heap_alloc=int(size * MB))
            ),
        )
        for size in sizes_mb
    ]


def test_the_bounds_take_the_least_favourable_pair():
    growth = spent(live(10, 11), live(18, 17), 5 * MB)
    assert (growth.low_bytes, growth.bytes, growth.high_bytes) == (6 * MB, 7 * MB, 8 * MB)
    assert growth.exceeded


def test_a_budget_within_the_bounds_is_not_exceeded():
    assert not spent(live(10, 12), live(16, 18), 5 * MB).exceeded


def test_without_counters_or_proof_nothing_is_judged():
    (bare,) = live(1)
    without = replace(bare, capture=replace(bare.capture, mem_stats=None))
    with pytest.raises(UsageError, match="does not tell"):
        spent([without], live(1), MB)
    unproven = replace(bare, capture=replace(bare.capture, gc=None))
    with pytest.raises(UsageError, match="not proven"):
        spent(live(1), [unproven], MB)


def test_the_table_has_a_change_for_each_step_and_none_where_a_value_is_missing():
    first, second, third = live(10, 12, 17)
    second = replace(second, capture=replace(second.capture, memory=None))
    checked = verify([first, second, third])
    lines = {line.name: line for line in checked.lines}
    assert lines["Alloc"].deltas == (2 * MB, 5 * MB)
    assert lines["RSS"].deltas == (None, None)
    assert checked.growth == 5 * MB


def test_without_proof_there_is_no_growth():
    first, second = live(10, 12)
    checked = verify([replace(first, capture=replace(first.capture, gc=None)), second])
    assert checked.unproven == ("10.snap",)
    assert checked.growth is None
