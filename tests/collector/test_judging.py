"""Judging: which captures, whether it is worth it, and what is the same finding again."""

from dataclasses import replace

import pytest
from builders.captures import CAPTURE, MB
from builders.series import at_once, capture_times, leaking, recorded
from builders.simulation import bucket

from memsnap.analysis.finding import Cause, Finding, Severity
from memsnap.collector.fingerprints import fingerprints, stable_function
from memsnap.collector.judging import sightings
from memsnap.collector.windows import may_grow, window
from memsnap.storage.records import SnapshotRecord


def record(number: int, *, life: int = 1, samples: int = 100, heap: int | None = None, **more):
    stats = replace(CAPTURE.mem_stats, heap_alloc=heap)
    return SnapshotRecord(
        id=number,
        target_id=1,
        process_id=life,
        slot_ns=number,
        stored_ns=number,
        reason="schedule",
        stored_bytes=1,
        samples=samples,
        capture=replace(CAPTURE, mem_stats=stats, **more),
    )


def ids(records) -> list[int]:
    return [each.id for each in records]


def test_a_window_holds_the_last_life_alone_the_oldest_first():
    newest_first = [record(5, life=2), record(4, life=2), record(3), record(2)]
    assert ids(window(newest_first)) == [4, 5]
    assert window([]) == ()


def test_very_many_samples_thin_a_window_out_between_its_ends():
    newest_first = [record(number, samples=50_000) for number in range(20, 0, -1)]
    chosen = ids(window(newest_first))
    assert (chosen[0], chosen[-1], len(chosen)) == (1, 20, 6)

    huge = [record(number, samples=10**6) for number in range(20, 0, -1)]
    assert ids(window(huge))[::2] == [1, 20]


@pytest.mark.parametrize(
    ("heaps", "grows"),
    [
        ([1, 2, 3, 4], True),
        ([4, 3, 2, 1], False),
        ([5, 5, 5, 5], False),
        ([5, 1, 5, 1, 6], True),
        ([None, None, None], True),
    ],
)
def test_a_heap_grows_if_its_later_half_is_larger(heaps, grows):
    records = [record(n, heap=heap and heap * MB) for n, heap in enumerate(heaps)]
    assert may_grow(records) is grows


def test_goroutines_or_resident_memory_that_grow_are_enough():
    flat = [record(number, heap=MB) for number in range(4)]
    assert not may_grow(flat)
    assert may_grow([record(number, heap=MB, goroutines=number) for number in range(4)])
    memory = [replace(CAPTURE.memory, rss=number * MB) for number in range(4)]
    assert may_grow([record(n, heap=MB, memory=one) for n, one in enumerate(memory)])


@pytest.mark.parametrize(
    ("name", "stable"),
    [
        ("main.put", "main.put"),
        ("main.Serve.func2", "main.Serve.func"),
        ("main.Serve.func2.1.3", "main.Serve.func"),
        ("main.(*T).run.gowrap3", "main.(*T).run.gowrap"),
        ("main.each-range4", "main.each-range"),
        ("main.func2d", "main.func2d"),
    ],
)
def test_closures_keep_their_name_when_others_are_added_before_them(name, stable):
    assert stable_function(name) == stable


def test_fingerprints_hold_no_lines_and_are_distinct():
    finding = Finding(
        id="growth:main.put",
        kind="growth",
        verdict=Cause.LEAK,
        severity=Severity.HIGH,
        confidence=1.0,
        title="",
        function="main.put.func3",
        line=12,
        type="[]uint8",
    )
    moved = replace(finding, line=99, function="main.put.func4")
    assert fingerprints((finding, moved)) == (
        "growth:main.put.func:[]uint8",
        "growth:main.put.func:[]uint8#2",
    )


@pytest.fixture
def leak():
    import numpy as np

    rng = np.random.default_rng(5)
    stack = "main.(*Cache).Put cache.go:31 < main.main main.go:5"
    growing = bucket(rng, stack, 4096, leaking(rng, 88.0))
    held = bucket(rng, "main.load load.go:9 < main.main main.go:4", 4096, at_once(9000, 1.0))
    return [growing, held]


def test_a_leak_is_sighted_as_reports_show_it(leak):
    (sighted,) = sightings(recorded(leak, capture_times(6)), Severity.LOW)
    assert (sighted.verdict, sighted.severity, sighted.function) == (
        "leak",
        "high",
        "main.(*Cache).Put",
    )
    assert '"verdict": "leak"' in sighted.document or '"verdict":"leak"' in sighted.document


def test_what_is_not_severe_enough_is_not_sighted(leak):
    steady = recorded(leak[1:], capture_times(6))
    assert sightings(steady, Severity.LOW) == ()


def test_captures_of_two_lives_say_nothing(leak):
    snapshots = recorded(leak, capture_times(6))
    last = snapshots[-1]
    process = replace(last.capture.process, pid=4712, start_time_ns=last.capture.taken_ns)
    other = replace(last, capture=replace(last.capture, process=process))
    assert sightings([*snapshots[:-1], other], Severity.LOW) is None
