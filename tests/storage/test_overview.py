"""How all targets go, out of the store."""

from dataclasses import replace

from builders.captures import CAPTURE, LEAK, taken
from builders.profiles import Row
from stores import MINUTE_NS, at, seen

from memsnap.snapshot import MemStats
from memsnap.storage.overview import courses, first_slot
from memsnap.storage.targets import register, retire


def _captured(heap: int):
    capture = replace(CAPTURE, mem_stats=MemStats(source="x", heap_alloc=heap))
    return taken(Row(LEAK, size=48, alloc=5, live=5), capture=capture)


async def test_a_course_has_the_first_capture_of_each_step_and_the_last_of_all(store, saved):
    ids = await register(store, [seen("a"), seen("b")], now_ns=1)
    for minute in range(12):
        await saved(ids["a"], at(minute), _captured(minute))
    await saved(ids["b"], at(5), _captured(500))

    found = await courses(store, since_ns=at(0), until_ns=at(12), steps=3)

    assert found[ids["a"]].heap_alloc == (0, 4, 8, 11)
    assert found[ids["a"]].slot_ns == tuple(at(minute) for minute in (0, 4, 8, 11))
    assert found[ids["b"]].heap_alloc == (500,)


async def test_a_capture_that_begins_a_step_and_is_the_last_counts_once(store, target, saved):
    await saved(target, at(0), _captured(1))
    await saved(target, at(6), _captured(2))

    found = await courses(store, since_ns=at(0), until_ns=at(12), steps=2)

    assert found[target].heap_alloc == (1, 2)


async def test_targets_without_captures_and_retired_ones_have_no_course(store, saved):
    ids = await register(store, [seen("a"), seen("b")], now_ns=1)
    await saved(ids["b"], at(1), _captured(1))
    await retire(store, ["b"], now_ns=at(2))

    assert await courses(store, since_ns=at(0), until_ns=at(12), steps=3) == {}
    assert await first_slot(store, since_ns=at(0)) is None


async def test_the_first_slot_is_the_earliest_of_all_targets_in_the_span(store, saved):
    ids = await register(store, [seen("a"), seen("b")], now_ns=1)
    for key, minute in (("a", 1), ("a", 5), ("b", 3)):
        await saved(ids[key], at(minute), _captured(1))

    assert await first_slot(store, since_ns=at(2)) == at(3)
    assert at(3) - at(2) == MINUTE_NS
