"""What captures of one life, of two, of two builds or of two sampling rates allow to say."""

from dataclasses import replace

import pytest
from builders.profiles import MAIN, Row, heap
from pairs import MB, SITES, changes, compared, limits
from slow_twin import snapshot

from memsnap.analysis.diff import Diff, diff
from memsnap.analysis.lineage import Relation
from memsnap.pprof.profile import Profile
from memsnap.snapshot import MemStats, Process, Snapshot

BEFORE = heap(Row(SITES["leak"], size=MB, alloc=20, live=20))
AFTER = heap(Row(SITES["leak"], size=MB, alloc=60, live=60))


def pair(before: Snapshot, after: Snapshot) -> Diff:
    return diff([before, after])


def test_captures_of_one_life_subtract() -> None:
    found = compared(BEFORE, AFTER)

    assert found.lineage.one_life
    assert not found.lineage.warnings
    assert changes(found) == {"leak": "grew"}


def test_allocations_that_fall_prove_another_life() -> None:
    found = compared(AFTER, BEFORE)

    assert found.lineage.relation is Relation.RESTARTED
    assert "1 site has fewer allocations" in found.lineage.warnings[0]
    assert found.sites.allocated is None
    assert limits(found.sites.survived, 0) == (0, 0)
    assert limits(found.sites.died, 0) == (int(found.sites.before.bytes[0]),) * 2


def test_a_site_that_is_gone_proves_another_life() -> None:
    other = heap(Row(SITES["load"], size=64, alloc=900, live=900))

    assert compared(BEFORE, other).lineage.relation is Relation.RESTARTED


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            {"process": Process(start_time_ns=10**18)},
            {"process": Process(start_time_ns=10**18 + 10**10)},
        ),
        (
            {"process": Process(start_time_ns=10**18, pid=4)},
            {"process": Process(start_time_ns=10**18, pid=5)},
        ),
        (
            {"mem_stats": MemStats(source="expvar", num_gc=90)},
            {"mem_stats": MemStats(source="expvar", num_gc=3)},
        ),
    ],
)
def test_a_restart_is_told_by_start_time_pid_or_gc_cycles(
    old: dict[str, object], new: dict[str, object]
) -> None:
    found = pair(snapshot(BEFORE, **old), snapshot(AFTER, **new))

    assert found.lineage.relation is Relation.RESTARTED
    assert found.sites.allocated is None
    assert limits(found.sites.survived, 0) == (0, 0)


def test_start_times_within_their_resolution_are_one_life() -> None:
    old, new = (Process(start_time_ns=10**18 + ns, pid=4) for ns in (0, 10**9))

    assert pair(snapshot(BEFORE, process=old), snapshot(AFTER, process=new)).lineage.one_life


def test_two_builds_are_compared_by_function() -> None:
    moved = heap(
        Row(SITES["leak"].replace(".go:", ".go:1"), size=MB, alloc=60, live=60),
        mapping=replace(MAIN, build_id="beef"),
    )
    found = compared(BEFORE, moved)

    assert found.lineage.relation is Relation.OTHER_BUILD
    assert len(found.sites) == 1
    assert found.sites.keys.line.tolist() == [0]
    assert "different builds" in found.lineage.warnings[0]


def test_captures_out_of_order_do_not_subtract_allocations() -> None:
    found = pair(snapshot(BEFORE, taken_ns=2), snapshot(AFTER, taken_ns=1))

    assert found.lineage.relation is Relation.REVERSED
    assert found.sites.allocated is None
    assert limits(found.sites.survived, 0) == (0, int(found.sites.before.bytes[0]))


def other_rate() -> tuple[Profile, Profile]:
    """Return 500 MB in small objects, each sampled at the default rate, then at a finer one."""
    coarse = heap(Row(SITES["leak"], size=64, alloc=1_000, live=1_000))
    fine = heap(
        Row(
            SITES["leak"],
            size=64,
            alloc=128_000,
            live=128_000,
        ),
        rate=4096,
    )
    return coarse, fine


@pytest.mark.parametrize("restarted", [False, True])
def test_captures_of_different_rates_compare_only_their_scaled_totals(restarted: bool) -> None:
    coarse, fine = other_rate()
    starts = (10**18, 2 * 10**18) if restarted else (10**18, 10**18)
    old, new = (Process(start_time_ns=start) for start in starts)
    found = pair(snapshot(coarse, process=old), snapshot(fine, process=new))
    table = found.sites

    assert any("different rates (4096, 524288 bytes)" in text for text in found.lineage.warnings)
    assert found.lineage.relation is (Relation.RESTARTED if restarted else Relation.OTHER_RATE)
    # 500 MB on both sides, the first +-6 %: neither growth nor significance.
    low, high = limits(table.growth_bounds, 0)
    assert low < 0 < high
    assert high - low < 0.2 * table.before.bytes[0]
    assert not table.significant[0]
    assert table.p_value[0] == 1
    assert limits(table.died, 0) == (int(table.before.bytes[0]),) * 2
    assert limits(table.born, 0) == (int(table.after.bytes[0]),) * 2


def test_captures_not_proven_behind_a_gc_are_flagged() -> None:
    unproven = replace(
        snapshot(BEFORE, "old.snap"), capture=replace(snapshot(BEFORE).capture, gc=None)
    )
    found = pair(unproven, snapshot(AFTER))

    assert len(found.lineage.warnings) == 1
    assert found.lineage.warnings[0].startswith("old.snap")
