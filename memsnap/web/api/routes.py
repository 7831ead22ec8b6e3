"""Brings the table of routes and the handlers together."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from aiohttp import web

from memsnap.archive.archive import Archive
from memsnap.collector.daemon import Daemon
from memsnap.web.access.guard import Guard
from memsnap.web.api.answers import json_answer
from memsnap.web.api.diffs import Diffs
from memsnap.web.api.findings import Findings
from memsnap.web.api.live import Live
from memsnap.web.api.openapi import openapi
from memsnap.web.api.parameters import Values, read_values
from memsnap.web.api.problems import as_problems
from memsnap.web.api.reading import Reading
from memsnap.web.api.route import Route
from memsnap.web.api.sessions import SessionHandlers
from memsnap.web.api.table import ROUTES
from memsnap.web.api.times import Times

Handler = Callable[[web.Request, Values], Awaitable[web.StreamResponse]]

_PREFIX = "/api"


def add_api(app: web.Application, archive: Archive, others: Sequence[object] = ()) -> None:
    """Add below `/api/` the routes that an archive answers, and those whose handlers are given."""
    api = web.Application(middlewares=[as_problems])
    parts = (Reading(archive), Diffs(archive), _Document(), *others)
    for route in ROUTES:
        handlers = (getattr(part, route.name, None) for part in parts)
        if handler := next(filter(None, handlers), None):
            path = route.path.removeprefix(_PREFIX)
            api.router.add_route(route.method, path, _reading(route, handler))

    async def working(_: web.Application) -> AsyncIterator[None]:
        yield
        for part in parts:
            if isinstance(part, (Diffs, Times)):
                await part.close()

    api.cleanup_ctx.append(working)
    app.add_subapp(f"{_PREFIX}/", api)


def add_whole_api(app: web.Application, archive: Archive, daemon: Daemon, guard: Guard) -> None:
    """Add all that stands in the table."""
    others = (
        Times(daemon.db, archive),
        Live(daemon, archive),
        Findings(daemon.db, guard),
        SessionHandlers(guard),
    )
    add_api(app, archive, others)

    async def leaving(_: web.Application) -> None:
        daemon.feed.end()

    app.on_shutdown.append(leaving)


class _Document:
    """The handler of the OpenAPI document."""

    def __init__(self) -> None:
        self._document = openapi(ROUTES)

    async def openapi(self, request: web.Request, _: Values) -> web.Response:
        """Answer with the document."""
        return await json_answer(request, self._document)


def _reading(
    route: Route, handler: Handler
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Return a handler for aiohttp that reads the parameters of a request first."""

    async def handle(request: web.Request) -> web.StreamResponse:
        return await handler(request, read_values(request.query, route.parameters))

    return handle
