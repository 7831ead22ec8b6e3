"""How all targets go, out of the store."""

from dataclasses import replace

import pytest
from builders.captures import CAPTURE, LEAK, taken
from builders.profiles import Row
from stores import MINUTE_NS, at, seen

from memsnap.snapshot import MemStats
from memsnap.storage.overview import Axis, active_targets, axis_of, courses, first_slot, newest_id
from memsnap.storage.targets import register, retire


def _captured(heap: int):
    capture = replace(CAPTURE, mem_stats=MemStats(source="x", heap_alloc=heap))
    return taken(Row(LEAK, size=48, alloc=5, live=5), capture=capture)


def _axis(minutes: float, count: int) -> Axis:
    """Return an axis from the test's start on."""
    return Axis(since_ns=at(0), step_ns=round(minutes * MINUTE_NS), count=count)


async def test_a_course_has_the_first_capture_of_each_step_and_the_last_of_all(store, saved):
    ids = await register(store, [seen("a"), seen("b")], now_ns=1)
    for minute in range(12):
        await saved(ids["a"], at(minute), _captured(minute))
    await saved(ids["b"], at(5), _captured(500))

    first, second = await courses(store, [ids["a"], ids["b"]], _axis(4, 3))

    assert first.target_id == ids["a"]
    assert first.heap_alloc == (0, 4, 8, 11)
    assert first.slot_ns == tuple(at(minute) for minute in (0, 4, 8, 11))
    assert (second.target_id, second.heap_alloc) == (ids["b"], (500,))


async def test_a_capture_that_begins_a_step_and_is_the_last_counts_once(store, target, saved):
    await saved(target, at(0), _captured(1))
    await saved(target, at(6), _captured(2))

    (course,) = await courses(store, [target], _axis(6, 2))

    assert course.heap_alloc == (1, 2)


async def test_a_target_whose_last_capture_is_before_the_axis_shows_that_one(store, target, saved):
    await saved(target, at(-100), _captured(1))

    (course,) = await courses(store, [target], _axis(6, 2))

    assert course.slot_ns == (at(-100),)


async def test_targets_without_captures_have_no_course(store, saved):
    ids = await register(store, [seen("a"), seen("b")], now_ns=1)
    await saved(ids["b"], at(1), _captured(1))

    assert await courses(store, [ids["a"]], _axis(4, 3)) == []
    assert await courses(store, [], _axis(4, 3)) == []


async def test_targets_that_are_found_come_page_by_page(store):
    ids = await register(store, [seen(name) for name in "abcd"], now_ns=1)
    await retire(store, ["b"], now_ns=at(2))

    assert await active_targets(store, after_id=0, limit=2) == [ids["a"], ids["c"]]
    assert await active_targets(store, after_id=ids["c"], limit=2) == [ids["d"]]


async def test_the_newest_capture_is_the_one_that_was_stored_last(store, target, saved):
    assert await newest_id(store) == 0
    await saved(target, at(5))
    late = await saved(target, at(1))

    assert await newest_id(store) == late


async def test_the_first_slot_is_the_earliest_of_all_targets_that_are_found(store, saved):
    ids = await register(store, [seen("a"), seen("b"), seen("gone")], now_ns=1)
    for key, minute in (("a", 1), ("a", 5), ("b", 3), ("gone", 2)):
        await saved(ids[key], at(minute), _captured(1))
    await retire(store, ["gone"], now_ns=at(6))

    assert await first_slot(store, since_ns=at(2)) == at(3)
    assert await first_slot(store, since_ns=at(6)) is None


@pytest.mark.parametrize(
    ("span_s", "most", "step_s"),
    [
        (0, 2, 1),
        (40, 48, 1),
        (3600, 48, 120),
        (86_400, 48, 3600),
        (86_400, 16, 7200),
        (90 * 86_400, 48, 2 * 86_400),
        (50 * 365 * 86_400, 16, 1217 * 86_400),
    ],
)
def test_an_axis_covers_its_span_in_few_round_steps(span_s, most, step_s):
    until_ns = at(7)
    axis = axis_of(until_ns - span_s * 10**9, until_ns, most=most)

    assert axis.step_ns == step_s * 10**9
    assert axis.count <= most
    assert axis.since_ns % axis.step_ns == 0
    assert axis.since_ns <= until_ns - span_s * 10**9
    assert axis.since_ns + axis.count * axis.step_ns > until_ns
