"""Work that takes a processor for a while: few at once, each once, for a bounded time of waiting.

Whoever asks for the same gets the same work.  A caller waits no longer than a limit; the work goes
on, and who asks again finds it done.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from memsnap.web.errors import Busy

T = TypeVar("T")
Build = Callable[[], Awaitable[T]]


class Workshop(Generic[T]):
    """Builds values by key, and keeps those used last up to a total weight.

    `weigh` gives the weight of a value.  At most `most` values are being built; a caller waits up
    to `patience_s` seconds.
    """

    def __init__(
        self, *, weigh: Callable[[T], int], most_weight: int, most: int, patience_s: float
    ) -> None:
        self._weigh = weigh
        self._most_weight = most_weight
        self._most = most
        self._patience_s = patience_s
        self._kept: OrderedDict[Hashable, T] = OrderedDict()
        self._weight = 0
        self._under_way: dict[Hashable, asyncio.Task[T]] = {}

    async def get(self, key: Hashable, build: Build[T]) -> T:
        """Return the value of `key`, from `build` where it is not kept.

        Raises Busy where too much is under way or this takes too long, and what `build` raises.
        """
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        task = self._under_way.get(key) or self._start(key, build)
        done, _ = await asyncio.wait({task}, timeout=self._patience_s)
        if not done:
            raise Busy(
                f"this takes longer than {self._patience_s:.0f} s, and goes on",
                hint="ask again in a while",
            )
        return task.result()

    async def close(self) -> None:
        """Give up what is under way."""
        for task in self._under_way.values():
            task.cancel()
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)

    def _start(self, key: Hashable, build: Build[T]) -> asyncio.Task[T]:
        if len(self._under_way) >= self._most:
            raise Busy("too much is asked for at once", hint="ask again in a moment")

        async def work() -> T:
            return await build()

        task = asyncio.create_task(work(), name=f"workshop {type(key).__name__}")
        self._under_way[key] = task
        task.add_done_callback(lambda done: self._done(key, done))
        return task

    def _done(self, key: Hashable, task: asyncio.Task[T]) -> None:
        del self._under_way[key]
        # To ask for the exception keeps it from being reported as lost where nobody waits.
        if task.cancelled() or task.exception() is not None:
            return
        value = task.result()
        weight = self._weigh(value)
        if weight > self._most_weight:
            return
        self._kept[key] = value
        self._weight += weight
        while self._weight > self._most_weight:
            _, gone = self._kept.popitem(last=False)
            self._weight -= self._weigh(gone)
