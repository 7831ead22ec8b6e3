"""Listens, on TCP or a unix socket, for as long as a context lasts."""

import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from memsnap.config.settings import HttpSettings, Listen
from memsnap.errors import MemsnapError

_SHUTDOWN_S = 5.0  # for answers under way
_LINE_MAX_BYTES = 128 << 10  # of a request: all parameters at their longest, percent-encoded


@asynccontextmanager
async def listening(
    app: web.Application, listen: Listen, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    """Serve `app` and give the address that it is at; port 0 has become a real one.

    Raises:
        MemsnapError: the address cannot be had.
    """
    runner = web.AppRunner(
        app, access_log=None, shutdown_timeout=_SHUTDOWN_S, max_line_size=_LINE_MAX_BYTES
    )
    await runner.setup()
    site: web.BaseSite
    if listen.path:
        site = web.UnixSite(runner, listen.path, ssl_context=tls)
    else:
        site = web.TCPSite(runner, listen.host or None, listen.port, ssl_context=tls)
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
        yield _shown(runner, listen, "https" if tls else "http")
    finally:
        await runner.cleanup()


def tls_of(http: HttpSettings) -> ssl.SSLContext | None:
    """Return what serves https; None where it shall be http.

    Raises:
        MemsnapError: the certificate or its key cannot be read.
    """
    if not http.cert:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(http.cert, http.key or None, password=_no_password)
    except OSError as error:  # an SSLError is one
        reason = error.reason if isinstance(error, ssl.SSLError) else error.strerror
        raise MemsnapError(
            f"cannot serve with the certificate {http.cert}: {str(reason or error).lower()}",
            hint="cert and key in [http] are PEM files that belong to each other",
        ) from error
    return context


def _no_password() -> str:
    """Keep OpenSSL from asking at the terminal: a key under a password is refused."""
    return ""


def _shown(runner: web.AppRunner, listen: Listen, scheme: str) -> str:
    if listen.path:
        return str(listen)
    host, port = runner.addresses[0][:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
