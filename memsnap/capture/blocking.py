"""Visits on requests, one request after another: what the command line and scripts use.

Bodies come as sent (`Accept-Encoding: identity`, nothing decoded): a proxy may compress anyway,
even twice, and `pprof.envelope` unwraps that.  Every request opens its own connection, so that
nothing of one can delay or poison the next.
"""

import contextlib
import http.client
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from memsnap.capture.access import DEFAULT_ACCESS, Access
from memsnap.capture.dial import Deadline, open_socket
from memsnap.capture.exchange import Answer, Request, Steps, Together, Wish
from memsnap.capture.failures import (
    Meanings,
    closed_unanswered,
    cut_short,
    not_http,
    proxy_unsupported,
    request_failed,
    timed_out,
    tunnel_refused,
)
from memsnap.capture.hops import Hop, Reply, hops_of, is_redirect
from memsnap.capture.probe import Located
from memsnap.capture.target import Target
from memsnap.capture.tls import authorities, check_files
from memsnap.capture.visit import STACKS_UP_TO, Options, Progress, locate_steps, visit_steps
from memsnap.errors import TargetError
from memsnap.snapshot import Snapshot

T = TypeVar("T")
OpenSocket = Callable[[str, int], socket.socket]

_CHUNK_BYTES = 64 << 10

_MEANINGS: Meanings = {
    requests.exceptions.InvalidSchema: proxy_unsupported,  # SOCKS, without its library
    requests.exceptions.ProxyError: tunnel_refused,
    http.client.RemoteDisconnected: closed_unanswered,
    http.client.BadStatusLine: not_http,
    http.client.IncompleteRead: cut_short,
    http.client.HTTPException: not_http,  # too many headers, or too long ones
}


def capture(
    target: Target,
    access: Access = DEFAULT_ACCESS,
    *,
    gc: bool = True,
    warm_up: bool | None = None,
    goroutines: bool = True,
    stacks_up_to: int = STACKS_UP_TO,
    prefix: str | None = None,
    progress: Progress | None = None,
) -> Snapshot:
    """Visit `target` once and return what it answered.

    `gc`, `warm_up`, `goroutines` and `stacks_up_to` are those of `Options`.  `prefix` overrides
    where pprof is (for a PID: where it is looked for first).  `progress` is called with a word or
    two at each step.

    Raises:
        TargetError: the target cannot be found or reached, or does not answer as pprof.
        FormatError: it answers with something that is no heap profile.
    """
    options = Options(gc=gc, warm_up=warm_up, goroutines=goroutines, stacks_up_to=stacks_up_to)
    place = locate(target, access, prefix)
    return visit(target, place, options=options, progress=progress)


def locate(target: Target, access: Access, prefix: str | None = None) -> Located:
    """Return where to visit `target`; only a PID takes requests to find that out.

    Raises:
        TargetError: as `probe`.
    """
    return run(locate_steps(target, access, prefix))


def visit(
    target: Target,
    place: Located,
    *,
    options: Options | None = None,
    progress: Progress | None = None,
) -> Snapshot:
    """Return the snapshot of one visit to a located target.

    Raises:
        TargetError, FormatError: as `capture`; also if the process ended or was replaced.
    """
    return run(visit_steps(target, place, options=options, progress=progress))


def run(steps: Steps[T]) -> T:
    """Perform the requests of `steps` and return what it returns, or raise what it raises."""
    with contextlib.closing(steps):
        try:
            wish = next(steps)
            while True:
                try:
                    come = _perform(wish)
                except TargetError as error:
                    wish = steps.throw(error)
                else:
                    wish = steps.send(come)
        except StopIteration as end:
            result: T = end.value
            return result


def _perform(wish: Wish) -> Answer | tuple[Any, ...]:
    if isinstance(wish, Together):
        with ThreadPoolExecutor(wish.at_once) as pool:
            return tuple(pool.map(run, wish.parts))
    return fetch(wish)


def fetch(request: Request) -> Answer:
    """Return the answer to a request, whatever its status.

    Raises:
        TargetError: no complete answer within the deadline and the size limit.
    """
    hops = hops_of(request)
    with Deadline(request.limit_s) as deadline:
        try:
            hop = next(hops)
            while True:
                hop = hops.send(_send(hop, deadline))
        except StopIteration as end:
            answer: Answer = end.value
            return answer


def _send(hop: Hop, deadline: Deadline) -> Reply:
    def open_(host: str, port: int) -> socket.socket:
        return open_socket(hop.route, host, port, shown=hop.dialled, deadline=deadline)

    if hop.url.startswith("https:"):
        check_files(hop.access, hop.shown, with_certificate=hop.at_home)
    try:
        with (
            contextlib.closing(_Adapter(open_)) as adapter,
            _start(hop, adapter, deadline) as response,
        ):
            location = response.headers.get("Location", "")
            redirect = is_redirect(response.status_code, location)
            return Reply(
                status=response.status_code,
                content_type=response.headers.get("Content-Type", ""),
                location=location if redirect else "",
                body=b"" if redirect else _body(hop, response, deadline),
            )
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        slow = (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError)
        if deadline.expired or isinstance(error, slow):
            raise timed_out(hop.shown, deadline.timeout_s) from error
        raise request_failed(hop.shown, error, _MEANINGS) from error


def _start(hop: Hop, adapter: "_Adapter", deadline: Deadline) -> requests.Response:
    """Send the request and read the head of the answer.

    A `requests.Session` would add credentials from .netrc, use proxies even for loopback, and
    read the body of a redirect whatever its size.
    """
    access = hop.access
    certificate = (access.client_certificate, access.client_key or access.client_certificate)
    return adapter.send(
        requests.Request("GET", hop.url, headers=dict(hop.headers)).prepare(),
        stream=True,
        timeout=deadline.remaining_s,
        verify=False if access.insecure else authorities(access),
        cert=certificate if hop.at_home and access.client_certificate else None,
        proxies={urlsplit(hop.url).scheme: hop.proxy} if hop.proxy else {},
    )


def _body(hop: Hop, response: requests.Response, deadline: Deadline) -> bytes:
    hop.check_announced(response.headers.get("Content-Length", ""))
    body = bytearray()
    while chunk := response.raw.read(_CHUNK_BYTES, decode_content=False):
        body += chunk
        hop.check_size(len(body))
    if deadline.expired:  # a body that ends with its connection looks complete
        raise timed_out(hop.shown, deadline.timeout_s)
    return bytes(body)


class _Adapter(HTTPAdapter):
    """Makes urllib3 take its sockets from `open_`, for direct and for proxied requests."""

    def __init__(self, open_: OpenSocket) -> None:
        self._pools = _pool_classes(open_)
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        if not proxy.lower().startswith("socks"):  # SOCKS brings connection classes of its own
            manager.pool_classes_by_scheme = self._pools
        return manager


def _pool_classes(open_: OpenSocket) -> dict[str, type[HTTPConnectionPool]]:
    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return open_(self._dns_host, self.port or self.default_port)

    class Secure(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return open_(self._dns_host, self.port or self.default_port)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

        def _validate_conn(self, conn: Any) -> None:
            """Connect early, as urllib3 does, but warn of no `--insecure` that was asked for."""
            if conn.is_closed:
                conn.connect()

    return {"http": PlainPool, "https": SecurePool}
