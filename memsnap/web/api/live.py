"""What the daemon does now: captures asked for, and events as they happen."""

import asyncio
import time

import msgspec
from aiohttp import web

from memsnap.archive.archive import Archive
from memsnap.archive.errors import NotFound
from memsnap.collector.daemon import Daemon
from memsnap.collector.feed import Event, Kind, Listener, TooManyListeners
from memsnap.collector.keeper import Kept
from memsnap.collector.outcomes import Unvisited
from memsnap.storage.records import SnapshotFilter
from memsnap.web.api.parameters import Values
from memsnap.web.api.queries import path_number
from memsnap.web.api.values import Captured
from memsnap.web.errors import Busy, Conflict, VisitFailed

_HEARTBEAT_S = 15.0  # below the time after which proxies close what is silent
_RETRY_MS = 3000  # after which a browser connects anew


class Live:
    """The handlers."""

    def __init__(self, daemon: Daemon, archive: Archive) -> None:
        self._daemon = daemon
        self._archive = archive

    async def capture_now(self, request: web.Request, _: Values) -> web.Response:
        """Capture a target, and answer when that is done."""
        number = path_number(request.match_info["id"])
        try:
            outcome = await self._daemon.capture_now(number)
        except Unvisited as error:
            kind = Conflict if error.known else NotFound
            raise kind(error.message, hint=error.hint) from error
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise Conflict("memsnap was stopped during the capture") from error
        if outcome.snapshot_id is None and outcome.kept is not Kept.SPOOLED:
            reason = outcome.failure or "another collector was faster, or the lease has moved"
            raise VisitFailed(f"target {number} was not captured: {reason}")
        if outcome.snapshot_id is None:
            return _json(Captured(snapshot=None), 202)
        (record,) = await self._archive.snapshots(SnapshotFilter(id=outcome.snapshot_id, limit=1))
        return _json(Captured(snapshot=record), 201)

    async def events(self, request: web.Request, _: Values) -> web.StreamResponse:
        """Tell what happens until the client goes, or the daemon ends."""
        try:
            with self._daemon.feed.listening() as listener:
                return await _stream(request, listener)
        except TooManyListeners as error:
            raise Busy(error.message, hint=error.hint) from error


async def _stream(request: web.Request, listener: Listener) -> web.StreamResponse:
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/event-stream",
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",  # nginx would hold events back
        }
    )
    await response.prepare(request)
    try:
        await response.write(f"retry: {_RETRY_MS}\n\n".encode())
        event: Event | None = Event(kind=Kind.HELLO, at_ns=time.time_ns())
        while event is not None:
            await response.write(_written(event))
            event = await _next(response, listener)
    except ConnectionError:
        return response  # the client has gone
    return response


async def _next(response: web.StreamResponse, listener: Listener) -> Event | None:
    """Return the next event; until then keep the connection from looking dead."""
    while True:
        try:
            return await asyncio.wait_for(listener.next(), _HEARTBEAT_S)
        except TimeoutError:
            await response.write(b": alive\n\n")


def _written(event: Event) -> bytes:
    """Return an event as it goes over the wire; JSON has no line breaks of its own."""
    return f"event: {event.kind.value}\ndata: ".encode() + msgspec.json.encode(event) + b"\n\n"


def _json(value: object, status: int) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(value),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
