"""Diffs over HTTP: the document, its tables, its tree of calls, its types, and a profile of it."""

import asyncio
from collections.abc import Callable
from dataclasses import astuple
from functools import partial

import msgspec
from aiohttp import web

from memsnap.analysis.diff import Diff
from memsnap.analysis.diff import diff as compare
from memsnap.analysis.rows import Sort
from memsnap.analysis.select import EVERYTHING, Selection
from memsnap.analysis.table import By
from memsnap.archive.archive import Archive
from memsnap.archive.lookup import load
from memsnap.archive.values import Page
from memsnap.errors import UsageError
from memsnap.report.columns import GROUPINGS, MOST_SITES, columns_document
from memsnap.report.document import Window, diff_json
from memsnap.report.export import Value, diff_pprof
from memsnap.report.flame_document import flame_document
from memsnap.storage.records import SnapshotRecord
from memsnap.units import format_count
from memsnap.web.api.answers import file_name, made_answer
from memsnap.web.api.pairs import captures_of
from memsnap.web.api.parameters import Values
from memsnap.web.api.queries import selection
from memsnap.web.api.values import TypeGrowth
from memsnap.web.api.workshop import Workshop

_AT_ONCE = 2  # comparisons, each of which may take a processor and some 100 MB
_MOST_WAITING = 32
_PATIENCE_S = 60.0
_KEPT_BYTES = 64 << 20  # of answers
_KEPT_SAMPLES = 400_000  # of compared captures, a kilobyte or so each

Write = Callable[[Diff], bytes]


class Diffs:
    """The handlers.  Captures never change: a pair and its parameters have one answer for good."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._answers = Workshop[bytes](
            weigh=len, most_weight=_KEPT_BYTES, most=_MOST_WAITING, patience_s=_PATIENCE_S
        )
        self._diffs = Workshop[Diff](
            weigh=_samples, most_weight=_KEPT_SAMPLES, most=_MOST_WAITING, patience_s=_PATIENCE_S
        )

    async def close(self) -> None:
        """Give up what is under way."""
        await self._answers.close()
        await self._diffs.close()

    async def diff(self, request: web.Request, values: Values) -> web.Response:
        """Answer with a window of the document."""
        by, sort = By(values["by"]), Sort(values["sort"])
        window = Window(offset=values["offset"], limit=values["limit"])
        form = ("diff", by, sort, window)
        return await self._json(request, values, form, partial(_document, by, sort, window))

    async def diff_columns(self, request: web.Request, values: Values) -> web.Response:
        """Answer with all rows, and the stacks that they stand for."""
        groupings = tuple(by for by in GROUPINGS if by.value in values["by"]) or GROUPINGS
        form = ("columns", groupings)
        return await self._json(request, values, form, partial(_columns, groupings))

    async def diff_flame(self, request: web.Request, values: Values) -> web.Response:
        """Answer with the tree of calls."""
        value, limit = Value(values["value"]), values["limit"]

        def write(diff: Diff) -> bytes:
            return msgspec.json.encode(flame_document(diff, value, limit=limit))

        return await self._json(request, values, ("flame", value, limit), write)

    async def diff_types(self, request: web.Request, values: Values) -> web.Response:
        """Answer with types by part of their name."""
        part, limit = values["q"].casefold(), values["limit"]
        anything = {**values, "focus": ""}
        return await self._json(
            request, anything, ("types", part, limit), partial(_types, part, limit)
        )

    async def diff_pprof(self, request: web.Request, values: Values) -> web.Response:
        """Answer with a profile of differences."""
        records = await captures_of(self._archive, values)
        body = await self._body(records, selection(values), ("pprof",), diff_pprof)
        last = records[-1]
        name = file_name(last.capture, last.id, f"-less-{records[0].id}.pb.gz")
        return await made_answer(
            request,
            body,
            "application/octet-stream",
            **{"Content-Disposition": f'attachment; filename="{name}"'},
        )

    async def _json(
        self, request: web.Request, values: Values, form: tuple[object, ...], write: Write
    ) -> web.Response:
        records = await captures_of(self._archive, values)
        body = await self._body(records, selection(values), form, write)
        return await made_answer(request, body, "application/json")

    async def _body(
        self,
        records: tuple[SnapshotRecord, ...],
        wanted: Selection,
        form: tuple[object, ...],
        write: Write,
    ) -> bytes:
        captures = tuple((each.id, each.stored_ns) for each in records)

        async def build() -> bytes:
            whole = await self._diffs.get(captures, partial(self._compare, records))
            async with self._turns:
                return await asyncio.to_thread(_written, whole, wanted, write)

        return await self._answers.get((captures, astuple(wanted), form), build)

    async def _compare(self, records: tuple[SnapshotRecord, ...]) -> Diff:
        async with self._turns:
            snapshots = [await load(self._archive, record) for record in records]
            return await asyncio.to_thread(compare, snapshots)


def _written(whole: Diff, wanted: Selection, write: Write) -> bytes:
    return write(whole if wanted == EVERYTHING else whole.narrowed(wanted))


def _document(by: By, sort: Sort, window: Window, diff: Diff) -> bytes:
    return "".join(diff_json(diff, by=by, sort=sort, window=window)).encode()


def _columns(groupings: tuple[By, ...], diff: Diff) -> bytes:
    sites = len(diff.selected)
    if sites > MOST_SITES:
        raise UsageError(
            f"there are {format_count(sites)} sites in this diff, more than "
            f"{format_count(MOST_SITES)}",
            hint="narrow it by focus, in, package or file; /api/v1/diff gives windows of it",
        )
    return msgspec.json.encode(columns_document(diff, groupings))


def _types(part: str, limit: int, diff: Diff) -> bytes:
    table = diff.table(By.TYPE)
    numbers = abs(table.growth.bytes).argsort(kind="stable")[::-1].tolist()
    found: list[TypeGrowth] = []
    for number in numbers:
        name = table.keys.text(table.keys.type, number)
        if name and part in name.casefold() and len(found) < limit:
            found.append(
                TypeGrowth(
                    type=name,
                    before_bytes=int(table.before.bytes[number]),
                    after_bytes=int(table.after.bytes[number]),
                )
            )
    return msgspec.json.encode(Page(items=tuple(found)))


def _samples(diff: Diff) -> int:
    return sum(len(snapshot.heap) for snapshot in diff.snapshots)
