"""What happens in the daemon, told to whoever listens: captures, failures, findings.

Nothing is kept for those who come later, and nobody who is slow holds up the daemon: what does
not fit into a listener's queue is lost to it, and it hears that something was.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum

from memsnap.errors import MemsnapError

_QUEUE = 256  # events that wait for one listener
_MOST_LISTENERS = 100


class Kind(Enum):
    """What happened."""

    HELLO = "hello"  # to this listener: from here on it hears everything
    CAPTURE = "capture"  # is in the store
    FAILURE = "failure"  # a capture that was due could not be had
    FINDING = "finding"  # of the target, one or several: new, or resolved
    LOST = "lost"  # to this listener: it was too slow, and something was not told


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened; `at_ns` is the slot, or the moment.

    `snapshot_id` is that of a capture; `detail` says more in words.
    """

    kind: Kind
    at_ns: int
    target_id: int | None = None
    snapshot_id: int | None = None
    detail: str = ""


class TooManyListeners(MemsnapError):
    """There is no room for another listener."""


class Listener:
    """One that listens; `next` gives the events in their order."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Event | None] = asyncio.Queue(_QUEUE)
        self._lost_ns: int | None = None

    async def next(self) -> Event | None:
        """Return the next event; None at the end of the daemon."""
        if self._lost_ns is not None and self._queue.empty():
            lost = Event(kind=Kind.LOST, at_ns=self._lost_ns)
            self._lost_ns = None
            return lost
        return await self._queue.get()

    def tell(self, event: Event) -> None:
        """Queue an event, or note that it is lost."""
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            self._lost_ns = event.at_ns

    def end(self) -> None:
        """Tell that there is nothing more, whatever waits."""
        while self._queue.full():
            self._queue.get_nowait()
        self._queue.put_nowait(None)


class Feed:
    """Brings events to all listeners."""

    def __init__(self) -> None:
        self._listeners: set[Listener] = set()
        self._ended = False

    def publish(self, event: Event) -> None:
        """Tell everybody who listens now; never waits."""
        for listener in self._listeners:
            listener.tell(event)

    @contextmanager
    def listening(self) -> Iterator[Listener]:
        """Listen until the context ends.

        Raises TooManyListeners.
        """
        if len(self._listeners) >= _MOST_LISTENERS:
            raise TooManyListeners(
                f"{_MOST_LISTENERS} listen already", hint="close a page, or ask again later"
            )
        listener = Listener()
        if self._ended:
            listener.end()
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    def end(self) -> None:
        """Send everybody home."""
        self._ended = True
        for listener in self._listeners:
            listener.end()
