"""What the store says of its own size agrees with what is in it."""

import pytest
from sqlalchemy import text
from stored_rows import NOW, S, add_life, add_target

from memsnap.storage import usage
from memsnap.storage.tables import metadata, snapshots
from memsnap.storage.usage import TargetUse

ON_SQLITE = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)


async def filled(store):
    """Put two targets with captures, and one without, into the store."""
    for number in (1, 2, 3):
        await add_target(store, number)
    await add_life(store, 1, [NOW + n * S for n in range(40)], target=1, size=10_000)
    await add_life(store, 2, [NOW + n * S for n in range(10)], target=2, size=10_000)


async def test_targets_and_tables_are_counted(store):
    await filled(store)
    stats = await usage.stats(store)
    assert stats.targets == (
        TargetUse(id=1, key="t1", snapshots=40, stored_bytes=400_000),
        TargetUse(id=2, key="t2", snapshots=10, stored_bytes=100_000),
        TargetUse(id=3, key="t3", snapshots=0, stored_bytes=0),
    )
    rows = {table.name: table.rows for table in stats.tables}
    assert set(rows) == set(metadata.tables)
    assert (rows["snapshots"], rows["targets"], rows["leases"]) == (50, 3, 0)


async def test_the_largest_table_comes_first_and_all_are_about_the_whole(store):
    await filled(store)
    stats = await usage.stats(store)
    assert stats.tables[0].name == "snapshots"
    assert stats.tables[0].size_bytes > 500_000
    total = sum(table.size_bytes for table in stats.tables)
    assert 0.9 * stats.used_bytes <= total <= stats.disk_bytes


async def test_an_empty_store_has_a_size_too(store):
    stats = await usage.stats(store)
    assert stats.targets == ()
    assert 0 < stats.used_bytes <= stats.disk_bytes


async def test_rows_deleted_from_a_loose_table_do_not_count(store):
    await filled(store)
    before = await usage.db_size(store)
    async with store.begin() as connection:
        await connection.execute(snapshots.delete())
    after = await usage.db_size(store, loose=["snapshots_default"])
    assert after.used_bytes < before.used_bytes - 400_000


@pytest.mark.parametrize("stepwise", [True, False])
@ON_SQLITE
async def test_vacuum_gives_sqlites_free_pages_back(store, stepwise):
    await filled(store)
    if not stepwise:
        async with store.plain() as connection:
            await connection.execute(text("PRAGMA auto_vacuum = NONE"))
            await connection.execute(text("VACUUM"))
    async with store.begin() as connection:
        await connection.execute(snapshots.delete())
    freed = await usage.vacuum(store)
    assert freed > 400_000
    size = await usage.db_size(store)
    assert size.disk_bytes == size.used_bytes


async def test_vacuum_can_run_at_any_time(store):
    await filled(store)
    assert await usage.vacuum(store) >= 0
