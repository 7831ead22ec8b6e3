"""Snapshots go into the store and come out as they were, once per slot."""

import asyncio
import math
from dataclasses import replace

import numpy as np
import pytest
from builders.captures import AFTER, BEFORE, CAPTURE, after, before, plain, taken
from builders.profiles import Row, Sample, build, heap
from sqlalchemy import func, select
from stores import at, seen
from test_dictionary import by_sample, header

from memsnap.errors import FormatError, UsageError
from memsnap.pprof.profile import Mapping
from memsnap.snapshot import Capture, MemStats, Process, ProcessMemory, SizeClass, Snapshot, Types
from memsnap.storage.database import Database
from memsnap.storage.errors import LeaseLost, SlotTaken, StoreError
from memsnap.storage.failures import failures, record_failure
from memsnap.storage.leases import claim
from memsnap.storage.records import Cause, FailureRecord, Slot, SnapshotFilter
from memsnap.storage.snapshots import find, load, nearest, save
from memsnap.storage.tables import builds, dictionaries, processes, snapshots
from memsnap.storage.targets import register


async def _column(store: Database, column) -> list:
    async with store.connect() as connection:
        return list((await connection.execute(select(column).order_by(column))).scalars())


async def _same(store: Database, number: int, expected: Snapshot) -> bool:
    """Whether a snapshot comes back as it was; by value, in any order of samples."""
    again = await load(store, number)
    return (
        by_sample(again.heap) == by_sample(expected.heap)
        and header(again.heap) == header(expected.heap)
        and again.capture == expected.capture
        and again.goroutine_profile == expected.goroutine_profile
        and again.leak_profile == expected.leak_profile
    )


async def test_a_snapshot_comes_back_as_it_was(store, target, saved):
    snapshot = replace(before(), goroutine_profile=b"g" * 999, leak_profile=b"")

    number = await saved(target, at(0), snapshot)

    assert await _same(store, number, snapshot)


async def test_every_counter_comes_back(store, target, saved):
    stats = MemStats(
        source="expvar",
        gc_cpu_fraction=0.25,
        by_size=(SizeClass(size=8, mallocs=9, frees=2), SizeClass(size=16, mallocs=3, frees=3)),
        **{
            name: place
            for place, name in enumerate(MemStats.__slots__)
            if name not in {"source", "gc_cpu_fraction", "by_size"}
        },
    )
    capture = replace(
        CAPTURE,
        elapsed_s=1.5,
        memory=ProcessMemory(),
        mem_stats=stats,
        types=Types(
            executable="/srv/shop",
            checked_locations=9,
            matched_locations=9,
            live_bytes=5,
            typed_live_bytes=4,
        ),
    )

    number = await saved(target, at(0), replace(before(), capture=capture))

    assert (await load(store, number)).capture == capture
    assert await _column(store, snapshots.c.go_num_gc) == [stats.num_gc]


async def test_a_plain_profile_of_an_unknown_process_comes_back(store, target, saved):
    snapshot = plain(heap(*BEFORE, mapping=None))

    assert await _same(store, await saved(target, at(0), snapshot), snapshot)


async def test_an_empty_profile_comes_back(store, target, saved):
    first = await saved(target, at(0), plain(heap()))
    second = await saved(target, at(1), plain(heap(*BEFORE)))

    assert await _same(store, first, plain(heap()))
    assert await _same(store, second, plain(heap(*BEFORE)))


async def test_a_profile_that_no_counts_explain_comes_back(store, target, saved):
    samples = [
        Sample(stack="f f.go:1", values=(-5, 2**63 - 1, -(2**63), 7), labels={"bytes": 48}),
        Sample(stack="f f.go:1", values=(3, 144, 3, 144), labels={"request": "a\0b"}),
    ]
    snapshot = plain(build(samples, period=1, comments=("x\0", "y"), keep_frames="k"))

    assert await _same(store, await saved(target, at(0), snapshot), snapshot)


async def test_what_no_database_takes_is_stored_as_unknown(store, target, saved):
    capture = replace(
        CAPTURE,
        taken_ns=2**70,
        service="sh\0op\ud800",
        elapsed_s=math.nan,
        goroutines=2**63,
        mem_stats=MemStats(
            source="expvar",
            sys=2**64,
            mallocs=7,
            gc_cpu_fraction=math.inf,
            by_size=(SizeClass(size=8, mallocs=2**64, frees=0),),
        ),
        process=replace(CAPTURE.process, pid=2**65, command=("a\0b", "\ud800")),
    )

    number = await saved(target, at(0), replace(before(), capture=capture))

    again = (await load(store, number)).capture
    assert again == replace(
        capture,
        taken_ns=0,
        service="sh\ufffdop?",
        elapsed_s=None,
        goroutines=None,
        mem_stats=MemStats(source="expvar", mallocs=7),
        process=replace(CAPTURE.process, pid=None, command=("a\ufffdb", "?")),
    )


async def test_a_slot_is_stored_once(store, target, saved):
    number = await saved(target, at(0))

    with pytest.raises(SlotTaken):
        await saved(target, at(0), after())

    assert await _column(store, snapshots.c.id) == [number]
    assert await _same(store, number, before())


async def test_of_many_who_save_one_slot_one_succeeds(store, target, saved):
    async def attempt(number: int) -> bool:
        try:
            await saved(target, at(0), taken(*AFTER, Row(f"main.f f.go:{number}", 48, 1, 1)))
        except SlotTaken:
            return False
        return True

    assert sum(await asyncio.gather(*map(attempt, range(8)))) == 1
    assert len(await _column(store, snapshots.c.id)) == 1


async def test_collectors_that_extend_one_dictionary_at_a_time_all_succeed(store_url):
    async with await Database.open(store_url) as one, await Database.open(store_url) as two:
        keys = [f"t{number}" for number in range(12)]
        ids = await register(one, [seen(key) for key in keys], now_ns=1)

        def captured(number: int) -> Snapshot:
            own = [Row(f"main.f{number} f.go:{line}", 48, 9, 5) for line in range(number)]
            return taken(*BEFORE, *own)

        async def save_one(number: int) -> int:
            slot = Slot(target_id=ids[keys[number]], at_ns=at(0))
            return await save((one, two)[number % 2], slot, captured(number), now_ns=1)

        saved = await asyncio.gather(*map(save_one, range(12)))

        assert all([await _same(one, number, captured(at)) for at, number in enumerate(saved)])
        assert len(await _column(one, builds.c.id)) == 1


async def test_a_dictionary_of_many_small_parts_is_few_rows(store, target, saved):
    def captured(number: int) -> Snapshot:
        return taken(*(Row(f"main.f{at} f.go:{at}", 48, 9, 5) for at in range(number + 1)))

    numbers = [await saved(target, at(minute), captured(minute)) for minute in range(40)]

    assert len(await _column(store, dictionaries.c.part)) <= 8
    assert all([await _same(store, each, captured(row)) for row, each in enumerate(numbers)])


async def test_the_same_build_in_another_process_adds_no_sites(store, saved):
    def process(pid: int, start: int) -> Snapshot:
        profile = heap(*BEFORE)
        mapping = replace(profile.mappings[0], start=start, limit=start + 0x400000)
        moved = profile.locations.address + np.uint64(start) - np.uint64(0x400000)
        return Snapshot(
            name="a",
            heap=replace(
                profile, mappings=(mapping,), locations=replace(profile.locations, address=moved)
            ),
            capture=replace(CAPTURE, process=replace(CAPTURE.process, pid=pid)),
        )

    ids = await register(store, [seen("a"), seen("b")], now_ns=1)
    first = await saved(ids["a"], at(0), process(1, 0x55AA00000000))
    second = await saved(ids["b"], at(0), process(2, 0x7F0000000000))

    assert len(await _column(store, dictionaries.c.part)) == 1
    assert await _same(store, first, process(1, 0x55AA00000000))
    assert await _same(store, second, process(2, 0x7F0000000000))


async def test_mappings_that_change_within_a_life_come_back(store, target, saved):
    profile = heap(*BEFORE)
    plugin = Mapping(start=0x7F00_0000_0000, limit=0x7F00_0000_1000, file="/srv/plugin.so")
    more = Snapshot(
        name="b", heap=replace(profile, mappings=(*profile.mappings, plugin)), capture=CAPTURE
    )

    first, second = await saved(target, at(0), before()), await saved(target, at(1), more)

    assert await _same(store, first, before())
    assert await _same(store, second, more)
    assert len(await _column(store, processes.c.id)) == 1


async def test_a_store_of_another_process_is_read_anew(store_url):
    async with await Database.open(store_url) as one:
        ids = await register(one, [seen("a")], now_ns=1)
        first = await save(one, Slot(target_id=ids["a"], at_ns=at(0)), before(), now_ns=1)
    async with await Database.open(store_url) as two:
        second = await save(two, Slot(target_id=ids["a"], at_ns=at(1)), after(), now_ns=1)
        assert await _same(two, first, before())
        assert await _same(two, second, after())
        assert len(await _column(two, dictionaries.c.part)) == 1


async def test_a_build_that_retention_deleted_is_added_again(store, target, saved):
    await saved(target, at(0))
    async with store.begin() as connection:
        for table in (snapshots, processes, dictionaries, builds):
            await connection.execute(table.delete())

    number = await saved(target, at(1))

    assert await _same(store, number, before())


async def test_a_target_that_does_not_exist_is_an_error(store, saved):
    with pytest.raises(StoreError, match="no target 77"):
        await saved(77, at(0))


async def test_a_collector_stores_while_it_holds_the_lease(store, target):
    (lease,) = await claim(store, "one", want=1, lease_s=60, now_ns=at(0))
    slot = Slot(target_id=target, at_ns=at(0))

    await save(store, slot, before(), lease=lease, owner="one", now_ns=at(0))

    with pytest.raises(LeaseLost):
        await save(
            store,
            replace(slot, at_ns=at(1)),
            before(),
            lease=replace(lease, epoch=lease.epoch - 1),
            owner="one",
            now_ns=at(1),
        )
    assert len(await _column(store, snapshots.c.id)) == 1


async def test_a_failure_goes_when_its_slot_is_stored_and_does_not_come_after(store, target, saved):
    failure = FailureRecord(
        slot=Slot(target_id=target, at_ns=at(0)),
        at_ns=at(0),
        cause=Cause.TIMEOUT,
        message="no answer\0 in 5 s",
        collector="one",
    )
    await record_failure(store, replace(failure, message="first"))
    await record_failure(store, failure)
    assert await failures(store) == [replace(failure, message="no answer\ufffd in 5 s")]

    await saved(target, at(0))
    assert await failures(store) == []

    await record_failure(store, failure)
    assert await failures(store) == []


async def test_failures_are_listed_by_target_and_time(store):
    ids = await register(store, [seen("a"), seen("b")], now_ns=1)
    every = [
        FailureRecord(
            slot=Slot(target_id=ids[key], at_ns=at(minute)),
            at_ns=at(minute),
            cause=Cause.REFUSED,
            message="",
            collector="",
        )
        for minute, key in enumerate("abab")
    ]
    for each in every:
        await record_failure(store, each)

    assert await failures(store, limit=2) == [every[3], every[2]]
    assert await failures(store, target_id=ids["a"]) == [every[2], every[0]]
    assert await failures(store, since_ns=at(1), until_ns=at(3)) == [every[2], every[1]]
    with pytest.raises(StoreError, match="no target"):
        await record_failure(store, replace(every[0], slot=Slot(target_id=99, at_ns=0)))


async def test_snapshots_are_found_by_target_time_service_and_label(store, saved):
    quoted = (("team", 'a"b'), ("zone", "eu"))
    found = [seen("a", service="shop", labels=quoted), seen("b", labels=(("zone", "EU"),))]
    ids = await register(store, found, now_ns=1)
    a, b, c = (
        await saved(ids["a"], at(0)),
        await saved(ids["b"], at(1)),
        await saved(ids["a"], at(2), after(), reason="trigger:rss"),
    )

    async def numbers(**wanted) -> list[int]:
        return [each.id for each in await find(store, SnapshotFilter(**wanted))]

    assert await numbers() == [c, b, a]
    assert await numbers(newest_first=False, limit=2) == [a, b]
    assert await numbers(target_id=ids["b"]) == [b]
    assert await numbers(service="shop") == [c, a]
    assert await numbers(labels=(("zone", "eu"),)) == [c, a]
    assert await numbers(labels=(("zone", "EU"),)) == [b]
    assert await numbers(labels=quoted) == [c, a]
    assert await numbers(labels=(("team", 'a","zone":"eu'),)) == []
    assert await numbers(since_ns=at(1), until_ns=at(2)) == [b]
    assert await numbers(service="nosuch") == []


async def test_a_record_says_all_of_a_snapshot_but_its_profiles(store, target, saved):
    number = await saved(target, at(3), after(), reason="trigger:rss")

    (record,) = await find(store, SnapshotFilter())

    assert (record.id, record.target_id, record.slot_ns) == (number, target, at(3))
    assert (record.stored_ns, record.reason) == (at(3) + 1, "trigger:rss")
    assert record.samples == len(AFTER)
    assert record.capture == after().capture
    assert 0 < record.stored_bytes < 2000


async def test_the_nearest_snapshot_in_time_is_found_on_either_side(store, target, saved):
    assert await nearest(store, target, at(0)) is None
    first, last = await saved(target, at(0)), await saved(target, at(10), after())

    async def number(minutes: float) -> int:
        record = await nearest(store, target, at(minutes))
        assert record is not None
        return record.id

    moments = [await number(minute) for minute in (-99, 0, 4, 6, 10, 99)]
    assert moments == [first, first, first, last, last, last]


async def test_an_unknown_id_is_a_usage_error(store):
    with pytest.raises(UsageError, match="no snapshot 5"):
        await load(store, 5)


async def test_a_damaged_snapshot_is_a_format_error(store, target, saved):
    number = await saved(target, at(0))
    async with store.begin() as connection:
        await connection.execute(snapshots.update().values(samples=b"\1nonsense"))

    with pytest.raises(FormatError, match="samples in the store"):
        await load(store, number)


async def test_a_save_that_fails_leaves_nothing_behind(store, target, saved):
    await saved(target, at(0))
    counts = select(*(select(func.count()).select_from(t).scalar_subquery() for t in _TABLES))

    with pytest.raises(SlotTaken):
        await saved(target, at(0), _other_build())

    async with store.connect() as connection:
        assert (await connection.execute(counts)).one() == (1, 1, 1, 1)
    await saved(target, at(1), _other_build())
    assert len(await _column(store, builds.c.id)) == 2


_TABLES = (snapshots, processes, builds, dictionaries)


def _other_build() -> Snapshot:
    process = Process(pid=1, build_id="d00d", go_version="go1.27.3")
    return Snapshot(name="x", heap=heap(*AFTER), capture=Capture(process=process))
