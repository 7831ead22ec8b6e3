"""What is in the archive: thin handlers, each asks it and answers."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from aiohttp import web

from memsnap.archive.archive import Archive
from memsnap.archive.errors import NotFound
from memsnap.archive.parameters import cursor
from memsnap.archive.values import Page, Welcome
from memsnap.pprof.encode import compress, encode
from memsnap.snapshot import Snapshot
from memsnap.storage.records import SnapshotFilter, SnapshotRecord, TargetRecord
from memsnap.storage.snapfile import to_bytes
from memsnap.version import __version__
from memsnap.web.api import queries
from memsnap.web.api.answers import (
    body_answer,
    file_name,
    is_known,
    json_answer,
    not_modified,
    snapshot_tag,
)
from memsnap.web.api.parameters import Values

_AT_ONCE = 2  # snapshots and series in work; visits need threads too, and memory is bounded


class Reading:
    """The handlers."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def welcome(self, request: web.Request, _: Values) -> web.Response:
        """Say which server and version this is."""
        return await json_answer(request, Welcome(version=__version__))

    async def targets(self, request: web.Request, values: Values) -> web.Response:
        """List targets, or find the one that a name means."""
        if values["name"]:
            found = await self._archive.find_target(values["name"])
            return await json_answer(request, Page(items=(found,)))
        wanted = queries.target_query(values)
        rows = await self._archive.targets(replace(wanted, limit=wanted.limit + 1))
        more = len(rows) > wanted.limit
        items = tuple(rows[: wanted.limit])
        page = Page(items=items, next=str(items[-1].id) if more else None)
        return await json_answer(request, page)

    async def target(self, request: web.Request, _: Values) -> web.Response:
        """Describe one target."""
        return await json_answer(request, await self._target(request))

    async def failures_of_target(self, request: web.Request, values: Values) -> web.Response:
        """List the audit of one target."""
        target = await self._target(request)
        wanted = queries.failure_query(values, target_id=target.id)
        return await json_answer(request, Page(items=tuple(await self._archive.failures(wanted))))

    async def failures(self, request: web.Request, values: Values) -> web.Response:
        """List the audit of all targets."""
        wanted = queries.failure_query(values)
        return await json_answer(request, Page(items=tuple(await self._archive.failures(wanted))))

    async def series(self, request: web.Request, values: Values) -> web.Response:
        """Follow metrics, or what some sites hold."""
        target = await self._target(request)
        wanted = queries.series_query(values)
        async with self._turns:
            found = await self._archive.series(target.id, wanted)
        return await json_answer(request, found)

    async def snapshots(self, request: web.Request, values: Values) -> web.Response:
        """List snapshots without their profiles."""
        wanted = queries.snapshot_query(values)
        rows = await self._archive.snapshots(replace(wanted, limit=wanted.limit + 1))
        more = len(rows) > wanted.limit
        items = tuple(rows[: wanted.limit])
        after = cursor(items[-1].slot_ns, items[-1].id) if more else None
        return await json_answer(request, Page(items=items, next=after))

    async def snapshot(self, request: web.Request, _: Values) -> web.Response:
        """Describe one snapshot."""
        return await json_answer(request, await self._record(request))

    async def snap(self, request: web.Request, _: Values) -> web.Response:
        """Give a snapshot as a `.snap`, to which nothing is lost."""
        return await self._download(request, ".snap", to_bytes)

    async def pprof(self, request: web.Request, _: Values) -> web.Response:
        """Give the target's own profile, for pprof and whatever reads its format."""
        return await self._download(request, ".pb.gz", _profile)

    async def _download(
        self, request: web.Request, ending: str, write: Callable[[Snapshot], bytes]
    ) -> web.Response:
        record = await self._record(request)
        tag = snapshot_tag(record.id, record.stored_ns, ending)
        if is_known(request, tag):
            return not_modified(tag)
        async with self._turns:
            snapshot = await self._archive.load(record.id)
            body = await asyncio.to_thread(write, snapshot)
        name = file_name(record.capture, record.id, ending)
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return body_answer(body, "application/octet-stream", tag, **headers)

    async def _target(self, request: web.Request) -> TargetRecord:
        number = queries.path_number(request.match_info["id"])
        return await self._archive.find_target(str(number))

    async def _record(self, request: web.Request) -> SnapshotRecord:
        number = queries.path_number(request.match_info["id"])
        found = await self._archive.snapshots(SnapshotFilter(id=number, limit=1))
        if not found:
            raise NotFound(
                f"the store {self._archive.name} has no snapshot {number}",
                hint="memsnap list shows those that it has",
            )
        return found[0]


def _profile(snapshot: Snapshot) -> bytes:
    return compress(encode(replace(snapshot.heap, extension=b"")))
