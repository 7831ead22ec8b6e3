"""One visit of the daemon: wait for a GC where that is the policy, capture, add the types."""

import asyncio
import math
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from memsnap.capture.aio import Fetcher
from memsnap.capture.counters import counters_of
from memsnap.capture.executables import TypeSource
from memsnap.capture.identity import process_memory_of
from memsnap.capture.probe import Located
from memsnap.capture.visit import Options, locate_steps
from memsnap.collector.discovery.access import access_of
from memsnap.collector.posts import Post
from memsnap.collector.triggers import gauges_of
from memsnap.config.settings import CollectorSettings, GcPolicy, Metric
from memsnap.errors import MemsnapError
from memsnap.snapshot import Snapshot
from memsnap.storage.typecache import TypeCache

_LOOKS_PER_INTERVAL = 20  # at NumGC, while waiting for a natural cycle
_LONGEST_LOOK_S = 10.0
_WAIT_SHARE = 0.9  # of an interval, after which a capture is taken without a new cycle


class _Types:
    """Where the types of captures come from: the process itself, else the folder of builds."""

    def __init__(self, settings: CollectorSettings) -> None:
        memory = TypeCache()
        self._processes = TypeSource(memory=memory)
        self._folder = TypeSource(folder=settings.exe_dir, memory=memory)

    def attribute(self, snapshot: Snapshot) -> Snapshot:
        """Return `snapshot` with types, or with a note that says why it has none."""
        here = snapshot.capture.process.pid is not None
        return (self._processes if here else self._folder).attribute_if_possible(snapshot)

    def close(self) -> None:
        """Close the executables, and keep what was found out about them."""
        self._processes.close()
        self._folder.close()


class Visitor:
    """Takes captures; holds the connections and the executables for all targets."""

    def __init__(
        self, settings: CollectorSettings, fetcher: Fetcher, environment: Mapping[str, str]
    ) -> None:
        self._settings = settings
        self._fetcher = fetcher
        self._environment = environment
        # Executables are looked into by one thread: what is known of a build is then found once.
        self._typing = ThreadPoolExecutor(max_workers=1, thread_name_prefix="types")
        self._types = _Types(settings)

    def change(self, settings: CollectorSettings) -> None:
        """Go on with other settings."""
        if settings.exe_dir != self._settings.exe_dir:
            self._typing.submit(self._types.close)
            self._types = _Types(settings)
        self._settings = settings

    def close(self) -> None:
        """Close the executables, and keep what was found out about them."""
        self._typing.submit(self._types.close)
        self._typing.shutdown(wait=True)

    async def capture(self, post: Post) -> Snapshot:
        """Return a snapshot of the target, and remember at its post what it shows.

        Raises:
            MemsnapError: it cannot be had.  The post then forgets where pprof was.
        """
        try:
            return await self._capture(post)
        except MemsnapError:
            post.place = None
            raise

    async def _capture(self, post: Post) -> Snapshot:
        visit = post.found.visit
        access = access_of(visit, self._environment)
        options = Options(
            gc=visit.gc is GcPolicy.FORCE,
            warm_up=None if post.visits == 0 else False,
            goroutines=post.with_goroutines(),
        )
        snapshot, place = await self._fetcher.capture(
            post.found.target, access, options=options, prefix=visit.prefix, place=post.place
        )
        if self._settings.types and (snapshot.capture.process.pid or self._settings.exe_dir):
            loop = asyncio.get_running_loop()
            snapshot = await loop.run_in_executor(self._typing, self._types.attribute, snapshot)
        post.captured(snapshot, place)
        return snapshot

    async def natural_gc(self, post: Post) -> None:
        """Wait until the target has finished a GC that the last capture has not seen.

        Ends at once where NumGC is not to be had, and when the next capture would be due.
        """
        interval_s = post.found.visit.interval_s
        until = time.monotonic() + interval_s * _WAIT_SHARE
        look_s = min(interval_s / _LOOKS_PER_INTERVAL, _LONGEST_LOOK_S)
        while time.monotonic() + look_s < until:
            stats = await self._fetcher.run(counters_of(await self._place(post)))
            if stats is None or stats.num_gc is None or post.num_gc is None:
                return
            if stats.num_gc != post.num_gc:
                return
            await asyncio.sleep(look_s)

    async def gauges(self, post: Post) -> dict[Metric, float]:
        """Return what triggers watch, as far as it is to be had without a heap profile.

        Raises:
            MemsnapError: the target cannot be visited.
        """
        place = await self._place(post)
        stats = await self._fetcher.run(counters_of(place))
        memory = await self._fetcher.run(process_memory_of(place))
        return gauges_of(stats, memory, None)

    async def _place(self, post: Post) -> Located:
        if post.place is None:
            visit = post.found.visit
            access = access_of(visit, self._environment)
            post.place = await self._fetcher.run(
                locate_steps(post.found.target, access, visit.prefix)
            )
        return post.place


def bound_s(access_timeout_s: float) -> float:
    """Return how long a whole visit may take, its requests each bound by `access_timeout_s`."""
    return math.ceil(access_timeout_s * 3)
