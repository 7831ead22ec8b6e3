"""Days of snapshots on PostgreSQL: made ahead, made smaller, dropped; rows never get lost."""

import asyncio
from datetime import date, timedelta

import pytest
from sqlalchemy import text
from stored_rows import DAY, HOUR, NOW, S, add_life, add_target, cite, slots_of

from memsnap.storage import partitions
from memsnap.storage.database import Database
from memsnap.storage.errors import StoreUnavailable
from memsnap.storage.partitions import Part
from memsnap.storage.pruning import prune
from memsnap.storage.retention import Policy

TODAY = NOW // DAY
pytestmark = pytest.mark.parametrize(
    "store_url", [pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True
)
POLICY = Policy(all_for_s=86400, hourly_for_s=3 * 86400, daily_for_s=9 * 86400)


async def days_of(store):
    """The days, counted from today, that have a partition."""
    found = await partitions.parts(store)
    assert found[0] == Part(name="snapshots_default")
    return [part.bounds_ns[0] // DAY - TODAY for part in found[1:]]


async def rows_in(store, name):
    """How many rows are in one table."""
    async with store.connect() as connection:
        return (await connection.execute(text(f'SELECT count(*) FROM "{name}"'))).scalar_one()


def name_of(days_from_today):
    """The name of a day's partition."""
    day = date(1970, 1, 1) + timedelta(days=TODAY + days_from_today)
    return f"snapshots_{day:%Y%m%d}"


async def test_days_are_made_from_yesterday_to_some_days_ahead(store):
    made = await partitions.ensure(store, now_ns=NOW, ahead=2)
    assert made == [name_of(day) for day in (-1, 0, 1, 2)]
    assert await days_of(store) == [-1, 0, 1, 2]


async def test_days_that_exist_stay_as_they_are(store):
    await partitions.ensure(store, now_ns=NOW, ahead=1)
    assert await partitions.ensure(store, now_ns=NOW + DAY, ahead=1) == [name_of(2)]
    assert await partitions.ensure(store, now_ns=NOW + DAY, ahead=1) == []


async def test_rows_that_came_before_their_partition_move_into_it(store):
    await add_target(store)
    slots = [NOW - 40 * DAY, NOW - HOUR, NOW, NOW + HOUR]
    await add_life(store, 1, slots)
    assert await rows_in(store, "snapshots_default") == 4
    await partitions.ensure(store, now_ns=NOW)
    assert await rows_in(store, "snapshots_default") == 1
    assert await rows_in(store, name_of(0)) == 3
    assert await slots_of(store) == slots


async def test_collectors_that_make_days_at_the_same_time_make_them_once(store, store_url):
    async def make():
        async with await Database.open(store_url) as own:
            return await partitions.ensure(own, now_ns=NOW)

    made = await asyncio.gather(make(), make(), make())
    assert sorted(name for names in made for name in names) == [name_of(n) for n in range(-1, 4)]


async def test_a_rewritten_day_has_the_kept_rows_and_takes_new_ones(store):
    await add_target(store)
    await partitions.ensure(store, now_ns=NOW)
    slots = [NOW + number * S for number in range(10)]
    await add_life(store, 1, slots)
    [part] = [part for part in await partitions.parts(store) if part.name == name_of(0)]
    await partitions.rewrite(store, part, [1_000_003, 1_000_007], rows=10)
    assert await slots_of(store) == [slots[3], slots[7]]
    assert part in await partitions.parts(store)
    await add_life(store, 2, [NOW + 60 * S])
    assert await rows_in(store, part.name) == 3
    await partitions.rewrite(store, part, [1_000_003], rows=3)
    assert await slots_of(store) == [slots[3]]


async def test_a_day_of_which_nothing_is_kept_is_dropped(store):
    await add_target(store)
    await partitions.ensure(store, now_ns=NOW)
    await add_life(store, 1, [NOW, NOW + S])
    [part] = [part for part in await partitions.parts(store) if part.name == name_of(0)]
    await partitions.rewrite(store, part, [], rows=2)
    assert await days_of(store) == [-1, 1, 2, 3]
    await add_life(store, 2, [NOW])  # comes late, and is stored all the same
    assert await rows_in(store, "snapshots_default") == 1


async def test_a_day_that_somebody_has_written_to_meanwhile_is_left_alone(store):
    await add_target(store)
    await partitions.ensure(store, now_ns=NOW)
    await add_life(store, 1, [NOW, NOW + S])
    [part] = [part for part in await partitions.parts(store) if part.name == name_of(0)]
    with pytest.raises(StoreUnavailable, match="has changed meanwhile"):
        await partitions.rewrite(store, part, [], rows=1)
    assert len(await slots_of(store)) == 2


async def test_a_day_that_somebody_is_using_is_left_for_the_next_time(store):
    await add_target(store)
    await partitions.ensure(store, now_ns=NOW - 5 * DAY)
    await add_life(store, 1, [(TODAY - 5) * DAY + number * S for number in range(30)])
    async with store.begin() as connection:
        await connection.execute(text("SELECT count(*) FROM snapshots"))
        report = await prune(store, POLICY, NOW)
    assert report.postponed == (name_of(-5),)
    assert len(await slots_of(store)) == 30
    assert (await prune(store, POLICY, NOW)).by_age == 28


async def test_pruning_makes_old_days_small_and_drops_empty_ones(store):
    """Given ten days, when pruned, thinned days are as small on disk as what they hold."""
    await add_target(store)
    for day in (-12, -8, -4):
        await partitions.ensure(store, now_ns=NOW + day * DAY, ahead=3)
    await partitions.ensure(store, now_ns=NOW)
    slots = [NOW - 12 * DAY + number * HOUR // 4 for number in range(12 * 96)]
    await add_life(store, 1, slots, size=9_000)
    await cite(store, 1, 1_000_050)
    async with store.connect() as connection:
        size = text("SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits")
        before = (await connection.execute(size)).scalar_one()
    report = await prune(store, POLICY, NOW)
    left = await slots_of(store)
    assert report.by_age == len(slots) - len(left)
    assert slots[0] in left  # the beginning of its life
    assert slots[50] in left  # cited
    async with store.connect() as connection:
        after = (await connection.execute(size)).scalar_one()
    assert after < before / 2
    assert -10 not in await days_of(store)  # nothing of it was to be kept
    assert await rows_in(store, "snapshots_default") == 0


async def test_a_size_is_kept_by_whole_days_first(store):
    await add_target(store)
    for day in (-8, -4):
        await partitions.ensure(store, now_ns=NOW + day * DAY, ahead=3)
    await partitions.ensure(store, now_ns=NOW)
    slots = [NOW - 6 * DAY + number * HOUR // 4 for number in range(6 * 96)]
    await add_life(store, 1, slots, size=9_000)
    forever = Policy(all_for_s=None, max_bytes=4_000_000)
    report = await prune(store, forever, NOW)
    left = await slots_of(store)
    assert report.used_bytes <= 4_000_000
    assert report.by_size == len(slots) - len(left)
    assert left == [slots[0], *slots[len(slots) - len(left) + 1 :]]
    assert (await prune(store, forever, NOW)).by_size == 0
