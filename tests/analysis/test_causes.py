"""What stands behind growth: services whose every object is known, and what is said of them."""

from dataclasses import replace

import numpy as np
import pytest
from builders.series import (
    at_once,
    batches,
    capture_times,
    filling,
    leaking,
    recorded,
    replaced,
)
from builders.simulation import bucket

from memsnap import api
from memsnap.analysis.finding import Cause, Severity

MAIN = "main.main main.go:9"
LEAK = f"main.keep keep.go:12 < main.handle main.go:40 < {MAIN}"
SESSION = f"main.logIn session.go:7 < main.handle main.go:41 < {MAIN}"
PAGE = f"main.page page.go:30 < main.handle main.go:42 < {MAIN}"
JSON = f"encoding/json.Marshal encode.go:160 < main.reply reply.go:5 < {MAIN}"


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def background(rng):
    """The traffic of a busy service: 15 MB that are replaced all the time, and garbage."""
    churn = rng.uniform(0, 200, 40_000)
    return [
        bucket(rng, SESSION, 1024, replaced(rng, 8_000, per_s=300)),
        bucket(rng, PAGE, 4096, replaced(rng, 1_500, per_s=40)),
        bucket(rng, JSON, 512, (churn, churn + 0.02)),
    ]


def said(snapshots):
    """Return function and cause of each finding that is worth more than a remark."""
    return [
        (finding.function, finding.verdict)
        for finding in api.findings(snapshots)
        if finding.severity > Severity.INFO
    ]


def service(rng, *buckets, count=5, step_s=10.0, **settings):
    return recorded([*background(rng), *buckets], capture_times(count, step_s), **settings)


def leak(rng, size=4096, per_s=88.0):
    return bucket(rng, LEAK, size, leaking(rng, per_s, until_s=2000))


def test_a_leak_is_named_first_and_called_so(rng):
    first, *_ = api.findings(service(rng, leak(rng)))
    assert (first.function, first.line, first.verdict) == ("main.keep", 12, Cause.LEAK)
    assert first.confidence > 0.9
    assert first.severity is Severity.HIGH


def test_the_growth_of_a_leak_is_within_its_limits(rng):
    growth = api.findings(service(rng, leak(rng)))[0].growth
    true = 88 * 40 * 4096
    assert growth.low_bytes <= true <= growth.high_bytes
    assert growth.bytes_per_s == pytest.approx(88 * 4096, rel=0.05)


def test_slow_leaks_are_mostly_found_and_nothing_else_is_blamed():
    """At 35 kB/s a leak shows in two or three samples: the exact counters say how much."""
    named, false = 0, 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        leaks = [
            finding.function
            for finding in api.findings(service(rng, leak(rng, size=2048, per_s=17)))
            if finding.verdict is Cause.LEAK
        ]
        named += "main.keep" in leaks
        false += sum(name != "main.keep" for name in leaks)
    assert named >= 12
    assert false == 0


def test_services_that_do_not_leak_are_not_blamed():
    for seed in range(20):
        snapshots = service(np.random.default_rng(seed))
        assert not [one for one in api.findings(snapshots) if one.verdict is Cause.LEAK], seed


def test_a_cache_that_fills_levels_off_at_a_projected_size(rng):
    cache = bucket(rng, LEAK, 4096, filling(rng, most=5_000, half_life_s=15))
    first, *_ = api.findings(service(rng, cache))
    assert (first.function, first.verdict) == ("main.keep", Cause.CACHE)
    plateau = dict(first.evidence)["plateau_bytes"]
    assert plateau == pytest.approx(5_000 * 4096, rel=0.35)


def test_what_is_loaded_once_is_one_time_growth(rng):
    table = bucket(rng, LEAK, 1024, at_once(20_000, at_s=75))
    assert said(service(rng, table)) == [("main.keep", Cause.ONE_TIME)]


def test_batches_that_go_all_at_once_are_churn(rng):
    batch = bucket(rng, LEAK, 4096, batches(per_s=200, period_s=17))
    found = api.findings(service(rng, batch))
    assert [one.verdict for one in found if one.function == "main.keep"] == [Cause.CHURN]


def test_batches_that_the_captures_meet_ever_later_are_not_called_a_leak(rng):
    """A period of 8.5 s, met every 10 s: each capture finds 1.5 s more of the batch."""
    batch = bucket(rng, LEAK, 4096, batches(per_s=200, period_s=8.5))
    snapshots = service(rng, batch)
    heaps = [one.capture.mem_stats.heap_alloc for one in snapshots]
    assert sorted(heaps) == heaps
    assert not [one for one in api.findings(snapshots) if one.verdict is Cause.LEAK]


def test_a_site_that_always_kept_an_eighth_of_what_it_allocates_leaks(rng):
    """Requests of which one in eight is never struck off, from the start of the process."""
    born = rng.uniform(0, 200, 200 * 800)
    kept = rng.random(len(born)) < 1 / 8
    first, *others = api.findings(
        service(rng, bucket(rng, LEAK, 4096, (born, np.where(kept, np.inf, born + 0.02))))
    )
    assert (first.function, first.verdict) == ("main.keep", Cause.LEAK)
    assert [one for one in others if one.verdict is Cause.LEAK] == []


def test_a_pool_that_lets_nothing_go_does_not_come_and_go(rng):
    """What falls at the end is garbage that the counters saw one capture before."""
    pool = bucket(rng, LEAK, 65_536, filling(rng, most=120, half_life_s=12))
    snapshots = service(rng, pool)
    stats = snapshots[3].capture.mem_stats
    late = replace(stats, heap_alloc=stats.heap_alloc + (3 << 20))
    snapshots[3] = replace(snapshots[3], capture=replace(snapshots[3].capture, mem_stats=late))
    causes = [one.verdict for one in api.findings(snapshots) if one.function == "main.keep"]
    assert Cause.CHURN not in causes


def test_rows_that_are_replaced_in_place_hold_steady(rng):
    born, died = replaced(rng, 100_000, per_s=1_000)
    loaded = born == 0
    load = bucket(rng, f"main.load table.go:8 < {MAIN}", 1024, (born[loaded], died[loaded]))
    update = bucket(rng, f"main.update table.go:20 < {MAIN}", 1024, (born[~loaded], died[~loaded]))
    found = api.findings(service(rng, load, update))
    assert {one.verdict for one in found} <= {Cause.STEADY}
    assert [one.function for one in found if one.verdict is Cause.STEADY] == ["main.update"]


def test_memory_that_goes_with_the_goroutines_is_load(rng):
    batch = bucket(rng, LEAK, 4096, batches(per_s=200, period_s=17))
    times = capture_times()
    running = [{"main.serve s.go:1": 10 + int(batch.live(at).sum())} for at in times]
    found = api.findings(service(rng, batch, goroutines=running))
    assert [one.verdict for one in found if one.function == "main.keep"] == [Cause.LOAD]


def test_growth_that_waits_for_a_third_capture_is_unknown(rng):
    found = api.findings(service(rng, leak(rng), count=2))
    assert {one.verdict for one in found} == {Cause.UNKNOWN}


def test_without_counts_by_size_a_large_leak_is_found_still(rng):
    first, *_ = api.findings(service(rng, leak(rng), by_size=False))
    assert (first.function, first.verdict) == ("main.keep", Cause.LEAK)


def test_without_any_counters_a_large_leak_is_found_still(rng):
    bare = [
        replace(one, capture=replace(one.capture, mem_stats=None))
        for one in service(rng, leak(rng, per_s=300))
    ]
    first, *_ = api.findings(bare)
    assert (first.function, first.verdict) == ("main.keep", Cause.LEAK)


def test_a_leak_too_slow_for_the_samples_is_said_to_be_somewhere(rng):
    quiet = recorded([leak(rng, size=512, per_s=8)], capture_times())
    blind = [replace(one, heap=quiet[0].heap) for one in quiet]
    (found,) = [one for one in api.findings(blind) if one.kind == "heap-growth"]
    assert found.verdict is Cause.UNKNOWN
    assert "samples expected" in found.text
    assert "memprofilerate" in found.text


def test_a_long_series_finds_what_a_short_one_leaves_open():
    rng = np.random.default_rng(3)
    snapshots = service(rng, leak(rng, size=2048, per_s=17), count=20, step_s=6)
    first, *_ = api.findings(snapshots)
    assert (first.function, first.verdict) == ("main.keep", Cause.LEAK)


def test_keys_and_values_of_one_map_are_one_finding(rng):
    key = bucket(rng, f"main.visit map.go:3 < {MAIN}", 64, leaking(rng, 600, until_s=150))
    value = bucket(rng, f"main.visit map.go:5 < {MAIN}", 256, leaking(rng, 600, until_s=150))
    leaks = [one for one in api.findings(service(rng, key, value)) if one.verdict is Cause.LEAK]
    assert [one.function for one in leaks] == ["main.visit"]
    assert {site.line for site in leaks[0].sites} == {3, 5}


def test_a_restart_is_no_series(rng):
    snapshots = service(rng, leak(rng))
    process = replace(snapshots[-1].capture.process, pid=4712, start_time_ns=10**18)
    again = replace(snapshots[-1], capture=replace(snapshots[-1].capture, process=process))
    assert all(one.verdict is Cause.UNKNOWN for one in api.findings([*snapshots[:-1], again]))
