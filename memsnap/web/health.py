"""Whether the daemon lives and does its work: for probes, supervisors and Prometheus."""

import asyncio
from dataclasses import asdict

from aiohttp import web

from memsnap.collector.daemon import Daemon

_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


def add_health(app: web.Application, daemon: Daemon) -> None:
    """Add `/healthz`, `/readyz` and `/metrics`."""

    async def healthz(_: web.Request) -> web.Response:
        """Fail where a restart may help: the schedule hangs."""
        status = daemon.status()
        return _answer(asdict(status), ok=not status.stuck)

    async def readyz(_: web.Request) -> web.Response:
        """Fail where the daemon cannot do all of its work now."""
        status = daemon.status()
        return _answer(asdict(status), ok=status.ready and not status.problems)

    async def metrics(_: web.Request) -> web.Response:
        body = await asyncio.to_thread(daemon.metrics.exposition)
        return web.Response(body=body, headers={"Content-Type": _PROMETHEUS})

    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)


def _answer(document: dict[str, object], *, ok: bool) -> web.Response:
    return web.json_response({"ok": ok, **document}, status=200 if ok else 503)
