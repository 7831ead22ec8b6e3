"""Archives of both kinds over stores of both kinds."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

import pytest
from aiohttp import web
from builders.captures import CAPTURE, LEAK, READ, SERVE, taken
from builders.profiles import Row
from stores import at, seen

from memsnap.archive.archive import Archive
from memsnap.archive.local import LocalArchive
from memsnap.archive.remote import RemoteArchive
from memsnap.config.settings import Listen
from memsnap.snapshot import MemStats, Snapshot
from memsnap.storage.database import Database
from memsnap.storage.failures import record_failure
from memsnap.storage.records import Cause, FailureRecord, Slot
from memsnap.storage.targets import register, retire
from memsnap.web.api.routes import add_api
from memsnap.web.server import listening


def captured(minute: int, *, service: str = "shop", pid: int = 4711) -> Snapshot:
    """Return a capture of a service whose cache grows by ten entries a minute."""
    capture = replace(
        CAPTURE,
        service=service,
        taken_ns=at(minute) + 5_000_000,
        process=replace(CAPTURE.process, pid=pid),
        mem_stats=MemStats(
            source="expvar", heap_alloc=(50 + minute) << 20, num_gc=minute, gc_cpu_fraction=0.25
        ),
    )
    return taken(
        Row(LEAK, size=48, alloc=30 + 20 * minute, live=20 + 10 * minute),
        Row(READ, size=4096, alloc=400, live=2),
        Row(SERVE, size=4096, alloc=100, live=50, type="[]uint8", kind="make"),
        capture=capture,
    )


@dataclass(frozen=True, slots=True)
class Filled:
    """Ids in a store that has been filled: targets by key, snapshots of `shop` by minute."""

    targets: dict[str, int]
    shop: dict[int, int]


@pytest.fixture
async def filled(store: Database, saved: Callable[..., Awaitable[int]]) -> Filled:
    """A store with three targets: one captured ten times, one that fails, one retired."""
    ids = await register(
        store,
        [
            seen("shop", service="shop", labels=(("env", "prod"), ("zone", "a"))),
            seen("cart", service="cart", labels=(("env", "prod"),)),
            seen("old", service="shop"),
        ],
        now_ns=at(0),
    )
    await retire(store, ["old"], now_ns=at(1))
    shop = {
        minute: await saved(ids["shop"], at(minute), captured(minute)) for minute in range(0, 20, 2)
    }
    await saved(ids["old"], at(0), captured(0, pid=1))
    for minute in (3, 1, 2):
        await record_failure(
            store,
            FailureRecord(
                slot=Slot(target_id=ids["cart"], at_ns=at(minute)),
                at_ns=at(minute) + 1,
                cause=Cause.TIMEOUT,
                message=f"failure {minute}",
                collector="collector-1",
            ),
        )
    return Filled(ids, shop)


@pytest.fixture
async def local(store_url: str) -> AsyncIterator[Archive]:
    """An archive that reads a store."""
    async with LocalArchive.open(store_url) as archive:
        yield archive


@pytest.fixture
async def remote(store: Database) -> AsyncIterator[Archive]:
    """An archive that asks a server with that store, over a real socket."""
    app = web.Application()
    add_api(app, LocalArchive(store))
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(listening(app, Listen(host="127.0.0.1", port=0)))
        yield await stack.enter_async_context(RemoteArchive.open(url, max_bytes=1 << 26))


@pytest.fixture(params=["local", "remote"])
def archive(request: pytest.FixtureRequest) -> Archive:
    """An archive of either kind."""
    return request.getfixturevalue(request.param)
