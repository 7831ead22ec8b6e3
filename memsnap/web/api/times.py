"""How targets went over time, out of the store: all of them at once, in a few points each."""

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass
from functools import partial

import msgspec
from aiohttp import web

from memsnap.storage.database import Database
from memsnap.storage.overview import active_targets, axis_of, courses, first_slot
from memsnap.web.api.answers import made_answer
from memsnap.web.api.parameters import Values
from memsnap.web.api.values import Overview
from memsnap.web.api.workshop import Workshop

_DAY_NS = 86_400 * 10**9
_MOST_STEPS, _LEAST_STEPS = 48, 16  # of a course
_POINTS = 12_000  # of all courses of an answer, above which they get coarser
_GOOD_FOR = 10  # times as long as it took to make
_KEPT = 32  # answers: pages of a fleet, and spans that pages look at
_MOST_WAITING = 16
_PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    body: bytes
    good_until_s: float  # of the monotonic clock


class Times:
    """The handlers."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._kept: OrderedDict[tuple[int, ...], _Made] = OrderedDict()
        self._work = Workshop[_Made](
            weigh=lambda _: 1, most_weight=0, most=_MOST_WAITING, patience_s=_PATIENCE_S
        )

    async def close(self) -> None:
        """Give up what is under way."""
        await self._work.close()

    async def overview(self, request: web.Request, values: Values) -> web.Response:
        """Follow all targets.

        What was made a moment ago is given again: pages ask with every capture of any target.
        """
        now_ns = time.time_ns()
        span_ns = _DAY_NS if values["since"] is None else max(now_ns - values["since"], 0)
        after_id, limit = values["after"] or 0, values["limit"]
        # A moment such as -6h is another with every request, and so far back all the same.
        key = (round(span_ns / 1e9), after_id, limit)
        made = self._kept.get(key)
        if made is None or made.good_until_s < time.monotonic():
            made = await self._work.get(key, partial(self._overview, *key))
            self._keep(key, made)
        return await made_answer(request, made.body, "application/json")

    async def _overview(self, span_s: int, after_id: int, limit: int) -> _Made:
        began_s, until_ns = time.monotonic(), time.time_ns()
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
        return _Made(body=body, good_until_s=now_s + _GOOD_FOR * (now_s - began_s))

    def _keep(self, key: tuple[int, ...], made: _Made) -> None:
        self._kept[key] = made
        self._kept.move_to_end(key)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
