"""How targets went over time: all at once in a few points each, or one with what happened to it."""

import asyncio
import time
from collections import OrderedDict
from dataclasses import astuple, dataclass
from functools import partial

import msgspec
from aiohttp import web

from memsnap.analysis.table import By
from memsnap.archive.archive import Archive
from memsnap.storage.database import Database
from memsnap.storage.findings import FindingFilter, find
from memsnap.storage.holders import Holders, holders
from memsnap.storage.overview import active_targets, axis_of, courses, first_slot, newest_id
from memsnap.storage.sightings import FindingRecord
from memsnap.storage.timeline import lives
from memsnap.web.api.answers import json_answer, made_answer
from memsnap.web.api.parameters import Values
from memsnap.web.api.queries import path_number, selection
from memsnap.web.api.values import FindingBand, HeldOverTime, Overview, Timeline, TopSeries
from memsnap.web.api.workshop import Workshop

_DAY_NS = 86_400 * 10**9
_MOST_STEPS, _LEAST_STEPS = 48, 16  # of a course
_POINTS = 12_000  # of all courses of an answer, above which they get coarser
_GOOD_FOR_S = 60.0  # an overview while no capture comes; its end is then as old
_REST = 2  # times as long as an overview took, before it is made anew for what came meanwhile
_KEPT = 32  # answers: pages of a fleet, and spans that pages look at
_AT_ONCE = 2  # of those who add heaps up, each of which may take a processor and some 100 MB
_MOST_WAITING = 16
_PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """An overview that knows captures up to `newest`; moments are of the monotonic clock."""

    body: bytes
    newest: int
    rest_until_s: float
    good_until_s: float


class Times:
    """The handlers."""

    def __init__(self, db: Database, archive: Archive) -> None:
        self._db = db
        self._archive = archive
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._kept: OrderedDict[tuple[int, ...], _Made] = OrderedDict()
        self._work = Workshop[_Made](
            weigh=lambda _: 1, most_weight=0, most=_MOST_WAITING, patience_s=_PATIENCE_S
        )
        # Kept no longer than they are made: captures may still come for any time.
        self._tops = Workshop[bytes](
            weigh=len, most_weight=0, most=_MOST_WAITING, patience_s=_PATIENCE_S
        )

    async def close(self) -> None:
        """Give up what is under way."""
        await self._work.close()
        await self._tops.close()

    async def overview(self, request: web.Request, values: Values) -> web.Response:
        """Follow all targets.

        Pages ask with every capture of any target: those who ask meanwhile wait for the next
        overview together, which has all captures that were there when they asked.
        """
        now_ns = time.time_ns()
        span_ns = _DAY_NS if values["since"] is None else max(now_ns - values["since"], 0)
        after_id, limit = values["after"] or 0, values["limit"]
        # A moment such as -6h is another with every request, and so far back all the same.
        key = (round(span_ns / 1e9), after_id, limit)
        newest = await newest_id(self._db)
        made = self._kept.get(key)
        if made is None or made.good_until_s < time.monotonic():
            made = await self._made(key)
        while made.newest < newest:  # begun before: the next one is not
            await asyncio.sleep(max(made.rest_until_s - time.monotonic(), 0))
            newest = min(newest, await newest_id(self._db))  # retention may have taken it
            made = self._kept.get(key, made)  # somebody may have been quicker
            if made.newest < newest:
                made = await self._made(key)
        return await made_answer(request, made.body, "application/json")

    async def _made(self, key: tuple[int, int, int]) -> _Made:
        made = await self._work.get(key, partial(self._overview, *key))
        self._kept[key] = made
        self._kept.move_to_end(key)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return made

    async def _overview(self, span_s: int, after_id: int, limit: int) -> _Made:
        began_s, until_ns = time.monotonic(), time.time_ns()
        newest = await newest_id(self._db)
        ids = await active_targets(self._db, after_id=after_id, limit=limit + 1)
        since_ns = until_ns - span_s * 10**9
        since_ns = await first_slot(self._db, since_ns=since_ns) or since_ns
        meant = ids[:limit]
        steps = min(max(_POINTS // max(len(meant), 1), _LEAST_STEPS), _MOST_STEPS)
        axis = axis_of(min(since_ns, until_ns), until_ns, most=steps + 1)
        found = await courses(self._db, meant, axis)
        answer = Overview(
            since_ns=axis.since_ns,
            until_ns=until_ns,
            items=tuple(found),
            next=str(meant[-1]) if len(ids) > limit else None,
        )
        body = await asyncio.to_thread(msgspec.json.encode, answer)
        now_s = time.monotonic()
        return _Made(
            body=body,
            newest=newest,
            rest_until_s=now_s + _REST * (now_s - began_s),
            good_until_s=now_s + _GOOD_FOR_S,
        )

    async def top_series(self, request: web.Request, values: Values) -> web.Response:
        """Follow what held the live heap of one target."""
        target = await self._target(request)
        by, limit = By(values["by"]), values["limit"]
        since_ns, until_ns = _times(values)
        match = selection(values)
        # What is asked for to the second is the same, and shared while it is made.
        span = (since_ns // 10**9, until_ns // 10**9)

        async def build() -> bytes:
            async with self._turns:
                found = await holders(
                    self._db,
                    target,
                    by=by,
                    limit=limit,
                    since_ns=since_ns,
                    until_ns=until_ns,
                    match=match,
                )
                return await asyncio.to_thread(_top_series, found, by)

        body = await self._tops.get((target, by, limit, span, astuple(match)), build)
        return await made_answer(request, body, "application/json")

    async def timeline(self, request: web.Request, values: Values) -> web.Response:
        """List lives and findings of one target."""
        target, limit = await self._target(request), values["limit"]
        since_ns, until_ns = _times(values)
        wanted = FindingFilter(
            target_ids=(target,), since_ns=since_ns, until_ns=until_ns, limit=limit + 1
        )
        span = {"since_ns": since_ns, "until_ns": until_ns}
        there = await lives(self._db, target, **span, limit=limit + 1)
        found = await find(self._db, wanted)
        bands = sorted(map(_band, found[:limit]), key=lambda each: (each.since_ns, each.id))
        answer = Timeline(
            **span,
            lives=tuple(there[:limit][::-1]),
            findings=tuple(bands),
            more=max(len(there), len(found)) > limit,
        )
        return await json_answer(request, answer)

    async def _target(self, request: web.Request) -> int:
        number = path_number(request.match_info["id"])
        return (await self._archive.find_target(str(number))).id


def _times(values: Values) -> tuple[int, int]:
    """Return the time that was asked for: a day if none was, up to now if no end was."""
    now_ns = time.time_ns()
    since_ns, until_ns = values["since"], values["until"]
    if since_ns is None:
        since_ns = (now_ns if until_ns is None else until_ns) - _DAY_NS
    return since_ns, now_ns + 1 if until_ns is None else until_ns


def _top_series(found: Holders, by: By) -> bytes:
    live = found.live.tolist()
    items = (
        HeldOverTime(
            name=holder.name,
            file=holder.file,
            line=holder.line,
            peak_bytes=max(values),
            values=tuple(values),
        )
        for holder, values in zip(found.holders, live, strict=True)
    )
    unknown = found.unknown if by is By.TYPE else None
    rest = found.rest if by is By.TYPE else found.rest + found.unknown
    answer = TopSeries(
        by=by.value,
        typed=by is not By.TYPE or found.named,
        captures=found.found,
        slot_ns=tuple(found.slot_ns.tolist()),
        snapshot_id=tuple(found.snapshot_id.tolist()),
        process_id=tuple(found.process_id.tolist()),
        items=tuple(items),
        rest=tuple(rest.tolist()),
        unknown=None if unknown is None else tuple(unknown.tolist()),
    )
    return msgspec.json.encode(answer)


def _band(record: FindingRecord) -> FindingBand:
    return FindingBand(
        id=record.id,
        state=record.state(time.time_ns()),
        severity=record.severity,
        kind=record.kind,
        verdict=record.verdict,
        title=str(record.document.get("title", "")),
        function=record.function,
        first_ns=record.course.first_ns,
        since_ns=record.course.since_ns,
        last_ns=record.course.last_ns,
        resolved_ns=record.course.resolved_ns if record.course.is_over else None,
    )
