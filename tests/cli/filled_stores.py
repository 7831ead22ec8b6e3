"""A store for commands: `shop` is captured every other minute, `cart` fails."""

import asyncio
import time
from dataclasses import dataclass, replace

from builders.captures import CAPTURE, LEAK, READ, SERVE, taken
from builders.profiles import Row

from memsnap.snapshot import Snapshot
from memsnap.storage.database import Database
from memsnap.storage.failures import record_failure
from memsnap.storage.migrate import check
from memsnap.storage.records import Cause, FailureRecord, SeenTarget, Slot
from memsnap.storage.snapshots import save
from memsnap.storage.targets import register

MINUTE_NS = 60 * 10**9
CAPTURES = 10


@dataclass(frozen=True, slots=True)
class Filled:
    """A store, its targets by key, and the ids of `shop`'s captures, 20 to 2 minutes ago."""

    url: str
    targets: dict[str, int]
    shop: list[int]


def capture_of(number: int, taken_ns: int) -> Snapshot:
    """Return capture `number`: the cache has grown, and at the seventh the process is another."""
    stats = replace(CAPTURE.mem_stats, heap_alloc=(50 + number) << 20, num_gc=number)
    process = replace(CAPTURE.process, pid=4711 if number < 7 else 4712, start_time_ns=None)
    capture = replace(CAPTURE, taken_ns=taken_ns, mem_stats=stats, process=process)
    return taken(
        Row(LEAK, size=48, alloc=30 + 2000 * number, live=20 + 1000 * number),
        Row(READ, size=4096, alloc=400, live=2),
        Row(SERVE, size=4096, alloc=100, live=50, type="[]uint8", kind="make"),
        capture=capture,
    )


def fill(url: str) -> Filled:
    """Make a store with two targets."""
    return asyncio.run(_fill(url))


async def _fill(url: str) -> Filled:
    now_ns, shop = time.time_ns(), []
    seen = [
        SeenTarget(
            key="shop",
            address="http://shop:6060",
            service="shop",
            source="static",
            labels=(("env", "prod"),),
        ),
        SeenTarget(key="cart", address="http://cart:6060", service="cart", source="static"),
    ]
    async with await Database.open(url) as db:
        await check(db, create=True)
        ids = await register(db, seen, now_ns=now_ns)
        for number in range(CAPTURES):
            slot_ns = now_ns - 2 * (CAPTURES - number) * MINUTE_NS
            slot = Slot(target_id=ids["shop"], at_ns=slot_ns)
            snapshot = capture_of(number, slot_ns + 5_000_000)
            shop.append(await save(db, slot, snapshot, now_ns=slot_ns + 1))
        failure = FailureRecord(
            slot=Slot(target_id=ids["cart"], at_ns=now_ns - MINUTE_NS),
            at_ns=now_ns,
            cause=Cause.UNREACHABLE,
            message="http://cart:6060 refuses the connection",
            collector="c-1",
        )
        await record_failure(db, failure)
    return Filled(url, ids, shop)
