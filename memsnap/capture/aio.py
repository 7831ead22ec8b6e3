"""Visits on aiohttp, many at a time: what the daemon uses.

The steps of a visit parse, and read /proc, so each runs in a thread (`asyncio.to_thread`); every
request runs on the event loop (`aiohop`).  A visit that is cancelled closes its sockets at once,
and its steps are closed as soon as the one that runs is over.
"""

import asyncio
import contextlib
import ssl
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

from memsnap.capture.access import DEFAULT_ACCESS, Access
from memsnap.capture.aiohop import send
from memsnap.capture.endpoint import Endpoint
from memsnap.capture.exchange import Answer, Request, Steps, Together, Wish
from memsnap.capture.failures import timed_out
from memsnap.capture.hops import Hop, Reply, hops_of
from memsnap.capture.probe import Located
from memsnap.capture.target import Target
from memsnap.capture.tls import Contexts
from memsnap.capture.visit import Options, locate_steps, visit_steps
from memsnap.errors import MemsnapError, TargetError, UsageError
from memsnap.snapshot import Snapshot

T = TypeVar("T")

_DEFAULTS = Options()


class Fetcher:
    """Runs visits on the event loop; use it as an asynchronous context manager.

    `per_host` bounds the requests that one host gets at the same time (None: no bound).  A host
    is what the URL names; all of this machine's loopback, sockets and processes are one.  What a
    request waits for its turn is not counted as its own time.

    Leaving the context cancels the visits that are still under way and waits for their end.
    """

    def __init__(self, *, per_host: int | None = None) -> None:
        if per_host is not None and per_host < 1:
            raise UsageError("the requests allowed per host must be 1 or more")
        self._per_host = per_host
        self._turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._contexts = Contexts()
        self._running: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> "Fetcher":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in self._running:
            task.cancel()
        if self._running:
            await asyncio.wait(self._running)

    async def capture(
        self,
        target: Target,
        access: Access = DEFAULT_ACCESS,
        *,
        options: Options = _DEFAULTS,
        prefix: str | None = None,
        place: Located | None = None,
        timeout_s: float | None = None,
    ) -> tuple[Snapshot, Located]:
        """Visit `target` once; return what it answered, and where that was.

        `place` is where an earlier visit of the same target was, which spares the search of a
        process; forget it when a visit fails, for the listener may have moved.  `timeout_s`
        bounds the whole visit, waiting for turns included.

        Raises:
            TargetError, FormatError: as `blocking.capture`; also if `timeout_s` is over.
        """
        try:
            async with asyncio.timeout(timeout_s):
                if place is None:
                    place = await self.run(locate_steps(target, access, prefix))
                snapshot = await self.run(visit_steps(target, place, options=options))
        except TimeoutError as error:
            if timeout_s is None:
                raise
            raise timed_out(str(target), timeout_s) from error
        return snapshot, place

    async def run(self, steps: Steps[T]) -> T:
        """Perform the requests of `steps` and return what it returns, or raise what it raises.

        Cancelling it closes `steps`, at once or after the step that runs in its thread.
        """
        task = asyncio.create_task(self._drive(_Stepper(steps)))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await task

    async def _drive(self, stepper: "_Stepper[T]") -> T:
        try:
            wish = await stepper.advance(None)
            while not isinstance(wish, _End):
                try:
                    come = await self._perform(wish)
                except TargetError as error:
                    wish = await stepper.advance(error)
                else:
                    wish = await stepper.advance(come)
            return wish.result
        finally:
            stepper.close()

    async def _perform(self, wish: Wish) -> Answer | tuple[Any, ...]:
        if isinstance(wish, Together):
            return await self._perform_together(wish)
        async with self._turn(wish.endpoint):
            return await self._fetch(wish)

    async def _perform_together(self, wish: Together) -> tuple[Any, ...]:
        places = asyncio.Semaphore(wish.at_once)

        async def one(part: Steps[Any]) -> Any:
            async with places:
                return await self._drive(_Stepper(part))

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(part)) for part in wish.parts]
        except* MemsnapError as failed:
            first = failed.exceptions[0]
        else:
            return tuple(task.result() for task in tasks)
        raise first

    @contextlib.asynccontextmanager
    async def _turn(self, endpoint: Endpoint) -> AsyncIterator[None]:
        if self._per_host is None:
            yield
            return
        host = "" if endpoint.loopback else urlsplit(endpoint.origin).hostname or ""
        turns = self._turns.get(host)
        if turns is None:
            self._turns[host] = turns = asyncio.Semaphore(self._per_host)
        async with turns:
            yield

    async def _fetch(self, request: Request) -> Answer:
        """Return the answer to a request, whatever its status, or raise TargetError."""
        hops = hops_of(request)
        shown = request.endpoint.shown(request.path, request.parameters)
        try:
            async with asyncio.timeout(request.limit_s):
                hop = next(hops)
                while True:
                    shown = hop.shown
                    hop = hops.send(await self._send(hop))
        except StopIteration as end:
            answer: Answer = end.value
            return answer
        except TimeoutError as error:
            raise timed_out(shown, request.limit_s) from error

    async def _send(self, hop: Hop) -> Reply:
        context: ssl.SSLContext | None = None
        if hop.url.startswith("https:") or hop.proxy.startswith("https:"):
            context = await asyncio.to_thread(
                self._contexts.context, hop.access, hop.shown, with_certificate=hop.at_home
            )
        return await send(hop, context)


@dataclass(frozen=True, slots=True)
class _End(Generic[T]):
    """What a generator returned; a StopIteration passes through no future."""

    result: T


class _Stepper(Generic[T]):
    """Advances a generator in threads, one step at a time, and closes it from anywhere.

    A generator cannot be closed while it runs, and a thread cannot be stopped: whoever comes
    last, the closer or the running step, closes it.
    """

    def __init__(self, steps: Steps[T]) -> None:
        self._steps = steps
        self._busy = threading.Lock()
        self._closing = False

    async def advance(self, come: object) -> Wish | _End[T]:
        """Send what came of the last wish, or throw the error, and return the next wish."""
        return await asyncio.to_thread(self._step, come)

    def close(self) -> None:
        """Close the generator, now or when the step that runs is over."""
        self._closing = True
        self._close_if_idle()

    def _step(self, come: object) -> Wish | _End[T]:
        try:
            with self._busy:
                if isinstance(come, TargetError):
                    return self._steps.throw(come)
                return self._steps.send(come)
        except StopIteration as end:
            return _End(end.value)
        finally:
            self._close_if_idle()

    def _close_if_idle(self) -> None:
        if self._closing and self._busy.acquire(blocking=False):
            try:
                self._steps.close()
            finally:
                self._busy.release()
