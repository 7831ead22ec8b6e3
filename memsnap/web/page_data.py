"""What the page needs in one request each, in its own form: no interface that is kept stable.

Scripts use `/api/v1`.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from memsnap.analysis.diff import diff
from memsnap.analysis.select import Selection
from memsnap.archive.local import LocalArchive
from memsnap.errors import UsageError
from memsnap.report.columns import columns_document
from memsnap.storage import overview
from memsnap.storage.database import Database
from memsnap.units import parse_duration
from memsnap.web.api.answers import json_answer
from memsnap.web.api.problems import as_problems

_MOST_STEPS, _LEAST_STEPS = 48, 16  # of a sparkline
_POINTS = 12_000  # of all sparklines together, above which they get coarser
_DAY_S = 86_400.0
_LONGEST_S = 90 * _DAY_S
_AT_ONCE = 2  # diffs that are worked on; more wait, and memory stays bounded


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The time axis of the sparklines, and the course of every target that has captures."""

    since_ns: int
    until_ns: int
    courses: tuple[overview.Course, ...]


def add_page_data(app: web.Application, db: Database) -> None:
    """Add `/api/page/...`; before `/api/`, which would take it."""
    page = web.Application(middlewares=[as_problems])
    handlers = _Handlers(db)
    page.router.add_get("/overview", handlers.overview)
    page.router.add_get("/diff", handlers.diff)
    app.add_subapp("/api/page/", page)


class _Handlers:
    def __init__(self, db: Database) -> None:
        self._db = db
        self._archive = LocalArchive(db)
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def overview(self, request: web.Request) -> web.Response:
        """Give the course of every target over the last `span`, a day unless told."""
        span_s = parse_duration(request.query.get("span", "24h"))
        if not 0 < span_s <= _LONGEST_S:
            raise UsageError("the span is out of range", hint="span=1h, 6h, 24h or 7d")
        until_ns = time.time_ns()
        since_ns = until_ns - round(span_s * 1e9)
        first_ns = await overview.first_slot(self._db, since_ns=since_ns)
        since_ns = max(since_ns, first_ns or since_ns)
        active = await overview.active_targets(self._db)
        steps = min(max(_POINTS // max(active, 1), _LEAST_STEPS), _MOST_STEPS)
        found = await overview.courses(
            self._db, since_ns=since_ns, until_ns=until_ns + 1, steps=steps
        )
        answer = Overview(since_ns=since_ns, until_ns=until_ns, courses=tuple(found.values()))
        return await json_answer(request, answer)

    async def diff(self, request: web.Request) -> web.Response:
        """Compare the snapshots `a` and `b` as columns."""
        query = request.query
        selection = Selection(
            focus=query.get("focus", ""),
            function=query.get("in", ""),
            package=query.get("package", ""),
            file=query.get("file", ""),
        )
        ids = [_number(query.get(name, ""), name) for name in ("a", "b")]
        if ids[0] == ids[1]:
            raise UsageError("A and B are the same capture", hint="choose two captures")
        async with self._turns:
            snapshots = [await self._archive.load(number) for number in ids]
            document = await asyncio.to_thread(_compare, snapshots, selection)
            return await json_answer(request, document)


def _compare(snapshots: list[Any], selection: Selection) -> dict[str, Any]:
    return columns_document(diff(snapshots, selection))


def _number(text: str, name: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise UsageError(f"{name} is {text!r}, and no id of a snapshot", hint=f"{name}=17")
    return int(text)
