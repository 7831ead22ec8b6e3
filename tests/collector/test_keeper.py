"""The way into the store, while the daemon ends in the middle of it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from memsnap.collector.keeper import Keeper
from memsnap.collector.metrics import Metrics
from memsnap.storage.database import Database
from memsnap.storage.failures import failures
from memsnap.storage.records import Cause, Slot
from memsnap.storage.spool import Spool


@pytest.fixture
def keeper(store: Database, tmp_path: Path) -> Iterator[Keeper]:
    with Spool(tmp_path / "spool", max_bytes=1 << 20) as spool:
        yield Keeper(store, spool, Metrics(), owner="one")


async def test_lines_of_the_audit_outlive_a_drain_that_is_cancelled(
    keeper: Keeper, store: Database, target: int
) -> None:
    for number in range(500):
        keeper.fail(Slot(target_id=target, at_ns=number), Cause.OVERRUN, "too late")
    drain = asyncio.create_task(keeper.drain())
    await asyncio.sleep(0)
    drain.cancel()
    with pytest.raises(asyncio.CancelledError):
        await drain
    await keeper.drain()

    assert len(await failures(store, limit=1000)) == 500


async def test_a_line_of_a_target_that_is_gone_keeps_no_other_from_the_audit(
    keeper: Keeper, store: Database, target: int
) -> None:
    for number in (target, target + 999, target):
        keeper.fail(Slot(target_id=number, at_ns=keeper.waiting), Cause.TIMEOUT, "too slow")
    await keeper.drain()

    assert [each.slot.at_ns for each in await failures(store)] == [2, 0]
    assert keeper.waiting == 0
