"""Pruning: what has to go goes, what is protected stays, and nobody waits long for it."""

import asyncio
import subprocess
from contextlib import contextmanager
from dataclasses import replace

import pytest
from builders.captures import before
from sqlalchemy import insert, text
from stored_rows import DAY, HOUR, NOW, S, add_life, add_target, cite, column_of, put, slots_of

from memsnap.storage import partitions, usage
from memsnap.storage.database import Database
from memsnap.storage.errors import StoreUnavailable
from memsnap.storage.pruning import prune
from memsnap.storage.retention import Policy, limits
from memsnap.storage.snapshots import load
from memsnap.storage.tables import (
    builds,
    citations,
    dictionaries,
    failures,
    metadata,
    processes,
    snapshots,
)

POLICY = Policy(all_for_s=86400, hourly_for_s=3 * 86400, daily_for_s=9 * 86400)
FOR_EVER = Policy(all_for_s=None, hourly_for_s=None, daily_for_s=None)
MIDNIGHT = NOW // DAY * DAY
ON_SQLITE = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)


async def test_old_captures_are_thinned_to_hours_and_days(store):
    await add_target(store)
    slots = [NOW - number * HOUR // 2 - S for number in range(1, 24 * 26)]
    await add_life(store, 1, sorted(slots))
    report = await prune(store, POLICY, NOW)
    whole = DAY if store.dialect == "postgresql" else HOUR
    moments = limits(POLICY, NOW, grain_ns=whole)

    def stays(slot):
        if slot == min(slots) or slot >= moments.hourly_before_ns:
            return True
        bucket = DAY if slot < moments.daily_before_ns else HOUR
        first = min(other for other in slots if other // bucket == slot // bucket)
        return slot == first and slot >= moments.none_before_ns

    expected = [slot for slot in slots if stays(slot)]
    assert await slots_of(store) == sorted(expected)
    assert report.by_age == len(slots) - len(expected)


async def test_pruning_again_drops_nothing(store):
    await add_target(store)
    await add_life(store, 1, [NOW - number * HOUR // 3 for number in range(1, 400)])
    assert (await prune(store, POLICY, NOW)).by_age > 200
    again = await prune(store, POLICY, NOW)
    assert (again.by_age, again.by_size) == (0, 0)


async def test_the_ends_of_every_life_stay(store):
    await add_target(store)
    lives = [[MIDNIGHT - 50 * DAY + life * HOUR + n * S for n in range(5)] for life in range(3)]
    for number, slots in enumerate(lives, start=1):
        await add_life(store, number, slots)
    await prune(store, POLICY, NOW)
    assert await slots_of(store) == [slot for life in lives for slot in (life[0], life[-1])]


@pytest.mark.parametrize(
    ("state", "stays"), [("open", True), ("new", True), ("muted", True), ("resolved", False)]
)
async def test_what_a_finding_cites_stays_until_it_is_resolved(store, state, stays):
    await add_target(store)
    slots = [MIDNIGHT - 50 * DAY + number * S for number in range(5)]
    await add_life(store, 1, slots)
    await cite(store, 1, 1_000_002, state=state)
    await prune(store, POLICY, NOW)
    assert (slots[2] in await slots_of(store)) == stays
    assert await column_of(store, citations.c.snapshot_id) == ([1_000_002] if stays else [])


@ON_SQLITE
async def test_a_number_that_comes_again_is_cited_by_nothing(store):
    await add_target(store)
    slots = [MIDNIGHT - 50 * DAY + number * S for number in range(5)]
    await add_life(store, 1, [*slots[:3], slots[4], slots[3]])  # the number of slots[3] is largest
    await cite(store, 1, 1_000_004, state="resolved")
    await prune(store, POLICY, NOW)

    assert slots[3] not in await slots_of(store)
    assert await column_of(store, citations.c.snapshot_id) == []


@pytest.mark.parametrize("max_bytes", [None, 1_000_000], ids=["age", "size"])
async def test_two_who_prune_at_the_same_time_come_to_what_one_comes_to(
    store, store_url, max_bytes
):
    for target in (1, 2, 3):
        await add_target(store, target)
        slots = [MIDNIGHT - 12 * DAY + number * HOUR for number in range(24 * 12)]
        await add_life(store, target, slots, target=target, size=5_000)
    policy = replace(POLICY, max_bytes=max_bytes)
    async with await Database.open(store_url) as other:
        await asyncio.gather(*(prune(each, policy, NOW) for each in (store, other, store)))
    together = await slots_of(store)

    again = await prune(store, policy, NOW)
    assert (again.by_age, again.by_size) == (0, 0)
    assert {slots[0], slots[-1]} <= set(together) or max_bytes
    assert len(together) > 30


async def test_pages_of_many_rows_are_thinned_alike(store, monkeypatch):
    monkeypatch.setattr("memsnap.storage.pruning._PAGE", 7)
    for target in (1, 2, 3):
        await add_target(store, target)
        slots = [MIDNIGHT - 2 * DAY + number * HOUR // 4 for number in range(40)]
        await add_life(store, target, slots, target=target)
    await prune(store, POLICY, NOW)
    for target in (1, 2, 3):
        hours = [slot // HOUR for slot in await slots_of(store, target)]
        assert len(hours) == 11  # ten hours, and the end of the life
        assert len(set(hours)) == 10


async def test_a_store_over_its_size_drops_the_oldest_first_and_says_so(store):
    await add_target(store)
    slots = [MIDNIGHT - 6 * HOUR + number * 60 * S for number in range(300)]
    await add_life(store, 1, slots, size=20_000)
    before = (await usage.db_size(store)).used_bytes
    bound = before - 3_000_000
    report = await prune(store, replace(FOR_EVER, max_bytes=bound), NOW)
    left = await slots_of(store)
    assert 100 <= report.by_size <= 290
    assert report.protected == 0
    assert left == [slots[0], *slots[len(slots) - len(left) + 1 :]]
    assert report.dropped_until_ns == slots[report.by_size]
    assert not report.over_budget
    again = await prune(store, replace(FOR_EVER, max_bytes=bound), NOW)
    assert again.by_size == 0


async def test_what_is_protected_goes_last(store):
    await add_target(store)
    for number in range(1, 5):
        await add_life(store, number, [NOW - DAY * number + n * S for n in range(3)], size=20_000)
    await cite(store, 1, 4_000_001)
    report = await prune(store, replace(FOR_EVER, max_bytes=1), NOW)
    assert (report.by_size, report.protected) == (12, 9)
    assert report.over_budget
    assert await slots_of(store) == []


async def test_pruning_leaves_the_cited_ones_where_that_is_enough(store):
    await add_target(store)
    slots = [MIDNIGHT - 6 * HOUR + number * S for number in range(100)]
    await add_life(store, 1, slots, size=50_000)
    await cite(store, 1, 1_000_001)
    size = (await usage.db_size(store)).used_bytes
    await prune(store, replace(FOR_EVER, max_bytes=size - 96 * 50_000), NOW)
    assert slots[1] in await slots_of(store)


async def test_what_nothing_refers_to_is_removed(store):
    for number in (1, 2, 3):
        await add_target(store, number)
    await add_life(store, 1, [NOW - 50 * DAY + number * S for number in range(3)], target=1)
    await add_life(store, 3, [NOW - HOUR], target=3)
    async with store.begin() as connection:
        await connection.execute(snapshots.delete().where(snapshots.c.process_id == 1))
    report = await prune(store, POLICY, NOW)
    assert (report.processes, report.builds) == (1, 2)
    assert await column_of(store, processes.c.id) == [3]
    assert await column_of(store, builds.c.id) == [3]
    assert await column_of(store, dictionaries.c.build_id) == [3]


async def test_what_is_new_stays_though_nothing_refers_to_it_yet(store):
    await add_target(store)
    async with store.begin() as connection:
        await connection.execute(builds.update().values(first_seen_ns=NOW - HOUR))
    assert (await prune(store, POLICY, NOW)).builds == 0


async def test_old_lines_of_the_audit_go(store):
    await add_target(store)
    row = {"target_id": 1, "cause": "timeout", "message": "", "collector": "a"}
    for age in (1, 40):
        at = NOW - age * DAY
        await put(store, failures, {**row, "slot_ns": at, "at_ns": at})
    assert (await prune(store, POLICY, NOW)).failures == 1
    assert await column_of(store, failures.c.at_ns) == [NOW - DAY]


async def test_many_rows_to_remove_take_several_batches(store):
    await add_target(store)
    row = {"target_id": 1, "cause": "timeout", "message": "", "collector": "a"}
    rows = [{**row, "slot_ns": number, "at_ns": number} for number in range(2500)]
    await put(store, failures, *rows)
    assert (await prune(store, POLICY, NOW)).failures == 2500


async def test_captures_are_stored_while_pruning_goes_on(store, store_url):
    """Given a collector that stores all the time, when pruning, then nothing of it is lost."""
    await add_target(store)
    await add_life(store, 1, [MIDNIGHT - 40 * DAY + n * S for n in range(3000)], size=2_000)
    stored = []
    done = asyncio.Event()

    async def collect():
        async with await Database.open(store_url) as own:
            while not done.is_set() or not stored:
                slot = NOW - HOUR + len(stored)
                row = {
                    **dict.fromkeys(("target_id", "process_id", "samples_count"), 1),
                    **dict.fromkeys(("taken_ns", "stored_ns", "stored_bytes"), 1),
                    **dict.fromkeys(("details", "samples"), b""),
                    "id": 5_000_000 + len(stored),
                    "slot_ns": slot,
                    "reason": "schedule",
                    "sampling_rate": 1,
                }
                async with own.begin() as connection:
                    await connection.execute(insert(snapshots), row)
                stored.append(slot)

    collecting = asyncio.create_task(collect())
    report = await prune(store, POLICY, NOW)
    done.set()
    await collecting
    assert report.by_age == 2998
    assert [slot for slot in await slots_of(store) if slot > NOW - DAY] == stored


@ON_SQLITE
async def test_sqlites_file_gets_no_larger_than_allowed(store):
    await add_target(store)
    slots = [MIDNIGHT - 6 * HOUR + number * 60 * S for number in range(300)]
    await add_life(store, 1, slots, size=20_000)
    bound = 3_000_000
    assert (await usage.db_size(store)).disk_bytes > bound
    await prune(store, replace(FOR_EVER, max_bytes=bound), NOW)
    assert (await usage.db_size(store)).disk_bytes <= bound


@contextmanager
def mounted(folder, size):
    """Mount a disk of this size."""
    options = ["-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder]
    if subprocess.run(["mount", *options], capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk is not allowed here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.fixture
async def small_disk(tmp_path):
    """A store alone on a disk of 40 MB, pruned once."""
    disk = tmp_path / "disk"
    disk.mkdir()
    with mounted(disk, "40m"):
        async with await Database.open(str(disk / "memsnap.db")) as db:
            async with db.begin() as connection:
                await connection.run_sync(metadata.create_all)
            await prune(db, POLICY, NOW)
            await add_target(db)
            async with db.begin() as connection:
                await connection.execute(builds.update().values(first_seen_ns=NOW))
            yield db


async def fill(db):
    """Store lives of ten captures until that fails; return the error and the lives."""
    for number in range(1, 1000):
        slots = [NOW - 90 * DAY + (number * 10 + n) * S for n in range(10)]
        try:
            await add_life(db, number, slots, size=20_000)
        except StoreUnavailable as error:
            return error, number - 1
    pytest.fail("the disk is never full")


async def test_a_full_disk_is_said_stores_nothing_half_and_pruning_makes_room(small_disk):
    error, lives = await fill(small_disk)
    assert "disk is full" in error.message
    assert len(await slots_of(small_disk)) == 10 * lives
    report = await prune(small_disk, POLICY, NOW)
    assert report.by_age == 8 * lives
    slots = [NOW - 90 * DAY + (20_000 + n) * S for n in range(10)]
    for number in range(1001, 1021):
        await add_life(small_disk, number, [slot + number * 10 * S for slot in slots], size=20_000)
    assert len(await slots_of(small_disk)) == 2 * lives + 200


async def test_a_disk_can_be_filled_and_freed_again_and_again(small_disk):
    for _ in range(3):
        await fill(small_disk)
        assert (await prune(small_disk, replace(FOR_EVER, max_bytes=1), NOW)).by_size > 100
        async with small_disk.begin() as connection:
            await connection.execute(processes.delete())


@ON_SQLITE
async def test_a_file_that_may_not_grow_is_said_and_pruning_makes_room(store):
    await add_target(store)
    await add_life(store, 1, [NOW - 90 * DAY + n * S for n in range(50)], size=20_000)
    async with store.begin() as connection:
        pages = (await connection.execute(text("PRAGMA page_count"))).scalar_one()
        await connection.execute(text(f"PRAGMA max_page_count = {pages + 4}"))
    fresh = [NOW - n * S for n in range(5)]
    with pytest.raises(StoreUnavailable, match="disk is full"):
        await add_life(store, 2, fresh, size=20_000)
    assert len(await slots_of(store)) == 50
    await prune(store, replace(POLICY, failures_for_s=None), NOW)
    await add_life(store, 3, fresh, size=20_000)
    assert len(await slots_of(store)) == 7


async def test_of_real_captures_the_first_and_the_last_of_a_life_can_still_be_loaded(
    store, target, saved
):
    ids = [await saved(target, NOW - 50 * DAY + number * S) for number in (2, 0, 4, 1, 3)]
    report = await prune(store, POLICY, NOW)
    assert report.by_age == 3
    assert await column_of(store, snapshots.c.id) == sorted([ids[1], ids[2]])
    assert len((await load(store, ids[2])).heap) == len(before().heap)


async def test_pruning_an_empty_store_does_nothing(store):
    report = await prune(store, replace(POLICY, max_bytes=1 << 40), NOW)
    assert (report.by_age, report.by_size, report.over_budget) == (0, 0, False)
    assert [part.bounds_ns for part in await partitions.parts(store)] == [None]
