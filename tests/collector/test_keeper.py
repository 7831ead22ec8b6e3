"""The way into the store: what it refuses, while it is away, and as the daemon ends."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from builders.captures import before
from sqlalchemy import text
from stores import at, seen

from memsnap.collector.keeper import Keeper, Kept
from memsnap.collector.metrics import Metrics
from memsnap.storage.database import Database
from memsnap.storage.errors import Refused
from memsnap.storage.failures import failures
from memsnap.storage.records import Cause, Slot, SnapshotFilter
from memsnap.storage.snapshots import find, save
from memsnap.storage.spool import Spool
from memsnap.storage.targets import retire, targets


@pytest.fixture
def lives(store: Database, tmp_path: Path) -> Iterator[Callable[[], Keeper]]:
    """A function that begins another life of the daemon's keeper, over the same spool."""
    begun: list[tuple[Keeper, Spool]] = []

    def end() -> None:
        for keeper, spool in begun:
            keeper.close()
            spool.close()

    def begin() -> Keeper:
        end()
        spool = Spool(tmp_path / "spool", max_bytes=1 << 20)
        begun.append((Keeper(store, spool, Metrics(), owner="one"), spool))
        return begun[-1][0]

    yield begin
    end()


@pytest.fixture
def keeper(lives: Callable[[], Keeper]) -> Keeper:
    return lives()


def spool_of(tmp_path: Path, *minutes: int) -> None:
    """Leave captures of a service in the spool, as an earlier life has."""
    with Spool(tmp_path / "spool", max_bytes=1 << 20) as spool:
        for minute in minutes:
            spool.put(seen("a"), before(), slot_ns=at(minute), reason="schedule")


async def refuse(store: Database, slot_ns: int) -> None:
    """Make the store refuse the snapshot of a slot, by a rule of its own."""
    if store.dialect == "postgresql":
        rule = f"ALTER TABLE snapshots ADD CHECK (slot_ns <> {slot_ns})"
    else:
        rule = (
            f"CREATE TRIGGER refused BEFORE INSERT ON snapshots WHEN NEW.slot_ns = {slot_ns} "
            "BEGIN SELECT RAISE(ABORT, 'no such moment'); END"
        )
    async with store.begin() as connection:
        await connection.execute(text(rule))


async def stored_minutes(store: Database) -> list[float]:
    found = await find(store, SnapshotFilter(newest_first=False))
    return [(each.slot_ns - at(0)) / (at(1) - at(0)) for each in found]


async def test_a_capture_that_the_store_refuses_keeps_no_other_in_the_spool(
    store: Database, target: int, tmp_path: Path, lives: Callable[[], Keeper]
) -> None:
    await refuse(store, at(2))
    spool_of(tmp_path, 1, 2, 3, 4)
    keeper = lives()
    await keeper.drain()
    await keeper.drain()  # brings the audit what the first has found

    assert await stored_minutes(store) == [1, 3, 4]
    assert [(each.slot.at_ns, each.cause) for each in await failures(store)] == [
        (at(2), Cause.INTERNAL)
    ]
    assert keeper.waiting == 0
    assert keeper.up
    assert len(list((tmp_path / "spool" / "refused").iterdir())) == 1


async def test_a_capture_that_the_store_refuses_at_once_is_in_the_audit(
    store: Database, target: int, keeper: Keeper
) -> None:
    await refuse(store, at(2))
    slot = Slot(target_id=target, at_ns=at(2))
    with pytest.raises(Refused):
        await save(store, slot, before(), now_ns=at(2))
    kept, _ = await keeper.keep(seen("a"), slot, before(), None)
    await keeper.drain()

    assert kept is Kept.LOST
    assert [each.slot.at_ns for each in await failures(store)] == [at(2)]


async def test_a_capture_of_a_target_that_is_gone_is_stored_and_does_not_bring_it_back(
    store: Database, target: int, tmp_path: Path, lives: Callable[[], Keeper]
) -> None:
    await retire(store, ["a"], now_ns=at(5))
    spool_of(tmp_path, 1)
    await lives().drain()

    assert await stored_minutes(store) == [1]
    assert await targets(store) == []


async def test_a_capture_of_a_target_that_was_deleted_is_stored(
    store: Database, target: int, tmp_path: Path, lives: Callable[[], Keeper]
) -> None:
    async with store.begin() as connection:
        await connection.execute(text("DELETE FROM targets"))
    spool_of(tmp_path, 1)
    await lives().drain()

    assert await stored_minutes(store) == [1]
    assert [each.seen.key for each in await targets(store, with_retired=True)] == ["a"]


async def test_a_store_that_cannot_be_used_costs_no_capture(
    store: Database, target: int, keeper: Keeper
) -> None:
    async with store.begin() as connection:
        await connection.execute(text("ALTER TABLE snapshots RENAME TO elsewhere"))
    kept, _ = await keeper.keep(seen("a"), Slot(target_id=target, at_ns=at(1)), before(), None)
    await keeper.drain()
    assert kept is Kept.SPOOLED
    assert not keeper.up

    async with store.begin() as connection:
        await connection.execute(text("ALTER TABLE elsewhere RENAME TO snapshots"))
    await keeper.drain()
    assert keeper.up
    assert await stored_minutes(store) == [1]


async def test_lines_of_the_audit_outlive_a_drain_that_is_cancelled(
    keeper: Keeper, store: Database, target: int
) -> None:
    for number in range(500):
        keeper.fail(seen("a"), number, Cause.OVERRUN, "too late")
    drain = asyncio.create_task(keeper.drain())
    await asyncio.sleep(0)
    drain.cancel()
    with pytest.raises(asyncio.CancelledError):
        await drain
    await keeper.drain()

    assert len(await failures(store, limit=1000)) == 500


async def test_a_line_that_the_store_refuses_keeps_no_other_from_the_audit(
    keeper: Keeper, store: Database, target: int
) -> None:
    if store.dialect == "postgresql":
        rule = "ALTER TABLE failures ADD CHECK (slot_ns <> 1)"
    else:
        rule = (
            "CREATE TRIGGER refused BEFORE INSERT ON failures WHEN NEW.slot_ns = 1 "
            "BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    async with store.begin() as connection:
        await connection.execute(text(rule))
    for number in range(3):
        keeper.fail(seen("a"), number, Cause.TIMEOUT, "too slow")
    await keeper.drain()

    assert [each.slot.at_ns for each in await failures(store)] == [2, 0]
    assert keeper.waiting == 0


async def test_lines_of_the_audit_outlive_a_kill_in_their_order(
    store: Database, target: int, lives: Callable[[], Keeper]
) -> None:
    killed = lives()
    for number in range(1500):
        killed.fail(seen("a"), number, Cause.TIMEOUT, "too slow")
    # A kill is no more than that: nothing is told, closed or written after it.
    keeper = lives()
    assert keeper.waiting == 1500
    keeper.fail(seen("b"), 7, Cause.GONE, "ended")
    await keeper.drain()

    found = await failures(store, limit=2000)
    assert {each.slot.at_ns for each in found if each.cause is Cause.TIMEOUT} == set(range(1500))
    assert [each.message for each in found if each.cause is Cause.GONE] == ["ended"]
    assert lives().waiting == 0
