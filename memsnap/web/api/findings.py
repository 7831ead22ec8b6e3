"""Findings over HTTP: listed, described, muted and resolved."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

from memsnap.archive.errors import NotFound
from memsnap.archive.parameters import cursor
from memsnap.archive.values import Page
from memsnap.errors import UsageError
from memsnap.storage.database import Database
from memsnap.storage.findings import FindingFilter, cited, find, mute, resolve, unmute
from memsnap.storage.sightings import FindingRecord, State, said_by
from memsnap.web.access.guard import Guard
from memsnap.web.api.answers import json_answer
from memsnap.web.api.parameters import Values
from memsnap.web.api.queries import path_number
from memsnap.web.api.values import FindingView

_NOBODY = "somebody without a token"


class Findings:
    """The handlers."""

    def __init__(self, db: Database, guard: Guard) -> None:
        self._db = db
        self._guard = guard

    async def findings(self, request: web.Request, values: Values) -> web.Response:
        """List findings, those seen last first."""
        limit, target, now_ns = values["limit"], values["target"], time.time_ns()
        wanted = FindingFilter(
            target_ids=None if target is None else (target,),
            shown=tuple(State(each) for each in values["state"]),
            now_ns=now_ns,
            kinds=values["kind"],
            severities=values["severity"],
            verdict=values["verdict"],
            function=values["function"],
            after=values["after"],
            limit=limit + 1,
        )
        found = await find(self._db, wanted)
        last = found[limit - 1] if len(found) > limit else None
        page = Page(
            items=tuple(_view(each) for each in found[:limit]),
            next=cursor(last.course.last_ns, last.id) if last else None,
        )
        return await json_answer(request, page)

    async def finding(self, request: web.Request, _: Values) -> web.Response:
        """Describe one finding."""
        return await json_answer(request, await self._described(request))

    async def mute_finding(self, request: web.Request, values: Values) -> web.Response:
        """Let nobody be told of it."""
        with _there():
            await mute(
                self._db,
                path_number(request.match_info["id"]),
                until_ns=values["until"],
                by=said_by(self._who(request), values["reason"]),
            )
        return await json_answer(request, await self._described(request))

    async def unmute_finding(self, request: web.Request, _: Values) -> web.Response:
        """End a mute."""
        with _there():
            await unmute(self._db, path_number(request.match_info["id"]))
        return await json_answer(request, await self._described(request))

    async def resolve_finding(self, request: web.Request, values: Values) -> web.Response:
        """Say that it is done with."""
        number, now_ns = path_number(request.match_info["id"]), time.time_ns()
        by = said_by(self._who(request), values["reason"])
        with _there():
            await resolve(self._db, number, by=by, now_ns=now_ns)
        return await json_answer(request, await self._described(request))

    def _who(self, request: web.Request) -> str:
        return self._guard.caller(request).name or _NOBODY

    async def _described(self, request: web.Request) -> FindingView:
        number = path_number(request.match_info["id"])
        found = await find(self._db, FindingFilter(ids=(number,), limit=1))
        if not found:
            raise NotFound(f"there is no finding {number}", hint="/api/v1/findings lists them")
        return _view(found[0], snapshots=tuple(await cited(self._db, number)))


def _view(record: FindingRecord, *, snapshots: tuple[int, ...] | None = None) -> FindingView:
    return FindingView(state=record.state(time.time_ns()), finding=record, snapshots=snapshots)


@contextmanager
def _there() -> Iterator[None]:
    """Turn what the store says of an unknown finding into NotFound."""
    try:
        yield
    except UsageError as error:
        raise NotFound(error.message, hint="/api/v1/findings lists them") from error
