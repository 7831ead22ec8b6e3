"""Listens, on TCP or a unix socket, for as long as a context lasts."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from memsnap.config.settings import Listen
from memsnap.errors import MemsnapError

_SHUTDOWN_S = 5.0  # for answers under way


@asynccontextmanager
async def listening(app: web.Application, listen: Listen) -> AsyncIterator[str]:
    """Serve `app` and give the address that it is at; port 0 has become a real one.

    Raises:
        MemsnapError: the address cannot be had.
    """
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_S)
    await runner.setup()
    site: web.BaseSite
    if listen.path:
        site = web.UnixSite(runner, listen.path)
    else:
        site = web.TCPSite(runner, listen.host or None, listen.port)
    try:
        await site.start()
    except OSError as error:
        await runner.cleanup()
        reason = os.strerror(error.errno).lower() if error.errno else str(error)
        raise MemsnapError(
            f"cannot listen on {listen}: {reason}",
            hint="choose another address: --listen 127.0.0.1:7071, or listen in [http]",
        ) from error
    try:
        yield _shown(runner, listen)
    finally:
        await runner.cleanup()


def _shown(runner: web.AppRunner, listen: Listen) -> str:
    if listen.path:
        return str(listen)
    host, port = runner.addresses[0][:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
