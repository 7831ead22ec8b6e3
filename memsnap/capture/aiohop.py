"""One hop on aiohttp: open, send, read the body, each on the event loop and within the limits.

No connection serves two requests: what one leaves behind could delay or poison the next, a
target restarted in between would answer for the old one, and a daemon that asks each of many
targets once a minute would keep sockets open in all of them for nothing.  A session of its own
costs 10 us.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from yarl import URL

from memsnap.capture.aiodial import Resolver, open_socket
from memsnap.capture.failures import (
    Meanings,
    closed_unanswered,
    cut_short,
    dial_failed,
    not_http,
    proxy_unsupported,
    request_failed,
    tunnel_refused,
)
from memsnap.capture.hops import Hop, Reply, is_redirect

_BUFFER_BYTES = 256 << 10
_HEADER_MAX_BYTES = 64 << 10  # as http.client's, for the requests transport
_HANDSHAKE_MAX_S = 86_400.0  # the deadline of the request is the one that counts

_MEANINGS: Meanings = {
    aiohttp.ClientHttpProxyError: tunnel_refused,
    aiohttp.ClientResponseError: not_http,
    aiohttp.ServerDisconnectedError: closed_unanswered,
    aiohttp.ClientPayloadError: cut_short,
}


async def send(hop: Hop, context: ssl.SSLContext | None) -> Reply:
    """Return what one hop brought; `context` is for https.  The caller sets the deadline.

    Raises:
        TargetError: it failed, or the body is above the limit.
        TimeoutError: the kernel gave up on the connection.
    """
    if hop.proxy and not hop.proxy.lower().startswith(("http://", "https://")):
        raise proxy_unsupported(hop.shown)
    async with _Line(hop, context) as line:
        try:
            return await _exchange(hop, line)
        except TimeoutError:
            raise
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise line.judge(error) from error


async def _exchange(hop: Hop, line: "_Line") -> Reply:
    response = await line.session.get(
        URL(hop.url, encoded=True),
        headers=hop.headers,
        allow_redirects=False,
        ssl=line.context or True,
        proxy=hop.proxy or None,
    )
    with contextlib.closing(response):
        location = response.headers.get("Location", "")
        redirect = is_redirect(response.status, location)
        return Reply(
            status=response.status,
            content_type=response.headers.get("Content-Type", ""),
            location=location if redirect else "",
            body=b"" if redirect else await _body(hop, response),
        )


async def _body(hop: Hop, response: aiohttp.ClientResponse) -> bytes:
    hop.check_announced(response.headers.get("Content-Length", ""))
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        hop.check_size(len(body))
    return bytes(body)


class _Line:
    """The session and the connection of one hop; leaving it closes the socket at once."""

    def __init__(self, hop: Hop, context: ssl.SSLContext | None) -> None:
        self.hop, self.context = hop, context
        self.transports: list[asyncio.Transport] = []
        self.lost: BaseException | None = None
        self.session = aiohttp.ClientSession(
            connector=_Connector(self),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(),
            read_bufsize=_BUFFER_BYTES,
            max_line_size=_HEADER_MAX_BYTES,
            max_field_size=_HEADER_MAX_BYTES,
            middlewares=(self._once,),
        )

    async def __aenter__(self) -> "_Line":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Abort rather than close: TLS would wait for the peer to say goodbye."""
        for transport in self.transports:
            transport.abort()
        await self.session.close()
        await asyncio.sleep(0)  # the loop closes the sockets in its next turn

    def judge(self, error: Exception) -> Exception:
        """Return the error that tells what went wrong; where the kernel gave up, TimeoutError."""
        tls = isinstance(error, aiohttp.ClientSSLError)
        if isinstance(error, aiohttp.ClientConnectorError) and not tls:
            reason = error.os_error
            timeout = isinstance(reason, TimeoutError)
            return reason if timeout else dial_failed(self.hop.dialled, reason)
        if isinstance(self.lost, ConnectionError | ssl.SSLError):
            error = self.lost  # aiohttp tells that the answer is short, and not why
        return request_failed(self.hop.shown, error, _MEANINGS)

    async def _once(
        self,
        request: aiohttp.ClientRequest,
        handler: Callable[[aiohttp.ClientRequest], Awaitable[aiohttp.ClientResponse]],
    ) -> aiohttp.ClientResponse:
        """Send a request once: aiohttp repeats a GET that broke, and ours may run a GC."""
        try:
            return await handler(request)
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
            raise self.judge(error) from error


class _Protocol(ResponseHandler):
    """Remembers why the connection was lost."""

    def __init__(self, line: _Line) -> None:
        super().__init__(asyncio.get_running_loop())
        self._line = line

    def connection_lost(self, exc: BaseException | None) -> None:
        self._line.lost = exc
        super().connection_lost(exc)


class _Connector(aiohttp.TCPConnector):
    """Dials by itself, except for a proxy, to which aiohttp speaks.

    `_create_connection` is the method that aiohttp's documentation of BaseConnector names for
    connectors of one's own.
    """

    def __init__(self, line: _Line) -> None:
        super().__init__(force_close=True, use_dns_cache=False, resolver=Resolver())
        self._line = line

    async def _create_connection(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Any],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - the name that aiohttp gives it
    ) -> ResponseHandler:
        if self._line.hop.proxy:
            protocol = await super()._create_connection(req, traces, timeout)
            if protocol.transport is not None:
                self._line.transports.append(protocol.transport)
            return protocol
        return await self._dial(req.url.raw_host or "", req.url.port or 80)

    async def _dial(self, host: str, port: int) -> ResponseHandler:
        line, loop = self._line, asyncio.get_running_loop()
        opened = await open_socket(line.hop.route, host, port, shown=line.hop.dialled)
        secure = line.context is not None
        transport, protocol = await loop.create_connection(
            lambda: _Protocol(line),
            sock=opened,
            ssl=line.context,
            server_hostname=host.rstrip(".") if secure else None,
            ssl_handshake_timeout=_HANDSHAKE_MAX_S if secure else None,
        )
        line.transports.append(transport)
        return protocol
