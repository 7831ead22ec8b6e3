"""How many visits run at a time, and what the metrics say of those that wait."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from memsnap.collector.metrics import Metrics


class Turns:
    """A bound on what is done at the same time, that a reload may change."""

    def __init__(self, count: int, metrics: Metrics) -> None:
        self._metrics = metrics
        self.change(count)

    def change(self, count: int) -> None:
        """Let `count` have a turn at a time; those that have one keep it beside them."""
        self._free = asyncio.Semaphore(count)

    @property
    def all_taken(self) -> bool:
        """Whether the next has to wait."""
        return self._free.locked()

    @asynccontextmanager
    async def look(self) -> AsyncIterator[None]:
        """Give a turn for something that is no capture."""
        async with self._free:
            yield

    @asynccontextmanager
    async def capture(self) -> AsyncIterator[None]:
        """Give a turn for a capture, counted while it waits and while it runs."""
        free = self._free
        with self._metrics.waiting.track_inprogress():
            await free.acquire()
        try:
            with self._metrics.running.track_inprogress():
                yield
        finally:
            free.release()
