"""Follows a discovery as the daemon does, update by update."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from memsnap.collector.discovery.catalogue import discoveries
from memsnap.collector.discovery.found import Discovery, Update
from memsnap.collector.discovery.loading import settings_in
from memsnap.config.document import parse_document

HOST = "here"


def discovery_of(text: str, environment=None) -> Discovery:
    """Return the last discovery that a TOML text asks for, on a machine called `here`."""
    environment = environment or {}
    settings = settings_in(parse_document(text, "memsnap.toml"), environment)
    return discoveries(settings, host=HOST, environment=environment)[-1]


@contextlib.asynccontextmanager
async def following(discovery: Discovery) -> AsyncIterator[Callable[[], object]]:
    """Return a function that waits for the next update."""
    updates: asyncio.Queue[Update] = asyncio.Queue()
    task = asyncio.create_task(discovery.follow(updates.put_nowait))

    async def next_update() -> Update:
        waiting = asyncio.create_task(updates.get())
        await asyncio.wait({waiting, task}, return_when=asyncio.FIRST_COMPLETED, timeout=30)
        if task.done():
            task.result()
        assert waiting.done(), "no update within 30 s"
        return waiting.result()

    try:
        yield next_update
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def first(discovery: Discovery) -> Update:
    """Return the first update."""
    async with following(discovery) as next_update:
        return await next_update()


def keys(update: Update) -> list[str]:
    """Return the keys of what an update found."""
    return [one.seen.key for one in update.found]
