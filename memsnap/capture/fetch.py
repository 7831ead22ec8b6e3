"""One GET with an end: total deadline, size limit, and redirects that carry no secret away.

Bodies come as sent (`Accept-Encoding: identity`, nothing decoded): a proxy may compress anyway,
even twice, and `pprof.envelope` unwraps that.  Every request opens its own connection, so that
nothing of one can delay or poison the next.
"""

import contextlib
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies, select_proxy
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from memsnap.capture.access import Access
from memsnap.capture.dial import Deadline, open_socket
from memsnap.capture.endpoint import Endpoint
from memsnap.capture.failures import (
    redirects_astray,
    request_failed,
    status_error,
    timed_out,
    too_large,
)
from memsnap.capture.target import Query

MAX_REDIRECTS = 5

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CHUNK_BYTES = 64 << 10

OpenSocket = Callable[[str, int], socket.socket]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back: any status, the body as sent.

    `url` is the last URL without secrets; `redirects` those on the way to it; `elapsed_s` counts
    from the start of the first request to the last byte.
    """

    url: str
    status: int
    content_type: str
    body: bytes = field(repr=False)
    elapsed_s: float
    redirects: tuple[str, ...] = ()


def fetch(
    endpoint: Endpoint,
    access: Access,
    path: str,
    parameters: Query = (),
    *,
    timeout_s: float | None = None,
    follow: bool = True,
) -> Answer:
    """Return the answer to a GET of the absolute `path`, whatever its status.

    `follow` is whether redirects are followed; else the redirect itself is the answer.

    Raises:
        TargetError: no complete answer within the deadline and the size limit.
    """
    began = time.monotonic()
    url, visited = endpoint.url(path, parameters), [endpoint.shown(path, parameters)]
    with Deadline(timeout_s or access.timeout_s) as deadline:
        while True:
            request = _Request(url, visited[-1], endpoint, access, deadline)
            answer, location = request.send()
            if not location or not follow:
                break
            url = _join(url, location)
            _check_redirect(url, endpoint, visited)
    return Answer(
        url=visited[-1],
        status=answer.status,
        content_type=answer.content_type,
        body=answer.body,
        elapsed_s=time.monotonic() - began,
        redirects=tuple(visited[:-1]),
    )


def fetch_ok(endpoint: Endpoint, access: Access, path: str, parameters: Query = ()) -> Answer:
    """Return the answer to a GET if its status is 200.

    Raises:
        TargetError: as `fetch`, and for any other status.
    """
    answer = fetch(endpoint, access, path, parameters)
    if answer.status != 200:
        raise status_error(answer.url, answer.status)
    return answer


def _check_redirect(url: str, endpoint: Endpoint, visited: list[str]) -> None:
    """Append `url` to `visited` as people may see it, if it is to be followed."""
    try:
        parts, home = urlsplit(url), _is_home(url, endpoint)
    except ValueError as error:
        raise redirects_astray(visited[0], tuple(visited), "redirects to no valid URL") from error
    origin = (
        endpoint.shown_origin if home else f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    )
    shown = origin + parts.path
    trail = (*visited, shown)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise redirects_astray(visited[0], trail, "redirects to something that is not HTTP")
    if not home and not endpoint.route.direct:
        raise redirects_astray(visited[0], trail, "redirects to a host beyond its socket")
    if any(shown == before.partition("?")[0] for before in visited):
        raise redirects_astray(visited[0], trail, "redirects in a loop")
    if len(visited) > MAX_REDIRECTS:
        raise redirects_astray(visited[0], trail, f"redirects more than {MAX_REDIRECTS} times")
    visited.append(shown)


def _join(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError:
        return location  # refused in a moment, by `_check_redirect`


def _is_home(url: str, endpoint: Endpoint) -> bool:
    """Whether a URL leads to the endpoint's own host and port, or from its port 80 to 443."""
    home, there = _origin(endpoint.origin), _origin(url)
    upgrade = (home[0], home[2], there[0], there[2]) == ("http", 80, "https", 443)
    return home == there or (upgrade and home[1] == there[1])


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    default = 443 if parts.scheme == "https" else 80
    return parts.scheme, parts.hostname, parts.port or default


@dataclass(frozen=True, slots=True)
class _Request:
    """One hop; credentials and the user's headers go along to the endpoint's own host only."""

    url: str
    shown: str
    endpoint: Endpoint
    access: Access
    deadline: Deadline

    @property
    def at_home(self) -> bool:
        """Whether this hop leads to the endpoint itself."""
        return _is_home(self.url, self.endpoint)

    def send(self) -> tuple[Answer, str]:
        """Return the answer and the Location that it sends us to, empty if it does not."""
        proxies = {} if self.endpoint.loopback else get_environ_proxies(self.url)
        proxied = select_proxy(self.url, proxies) is not None
        route = self.endpoint.route

        def open_(host: str, port: int) -> socket.socket:
            shown = f"{self.shown} by the proxy {host}:{port}" if proxied else self.shown
            return open_socket(route, host, port, shown=shown, deadline=self.deadline)

        try:
            with (
                contextlib.closing(_Adapter(open_)) as adapter,
                self._start(adapter, proxies) as response,
            ):
                location = response.headers.get("Location", "")
                if response.status_code in _REDIRECTS and location:
                    return self._answer(response, b""), location
                return self._answer(response, self._body(response)), ""
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            if self._out_of_time(error):
                raise timed_out(self.shown, self.deadline.timeout_s) from error
            raise request_failed(self.shown, error) from error

    def _start(self, adapter: "_Adapter", proxies: dict[str, str]) -> requests.Response:
        """Send the request and read the head of the answer.

        A `requests.Session` would add credentials from .netrc, use proxies even for loopback,
        and read the body of a redirect whatever its size.
        """
        access = self.access
        certificate = (access.client_certificate, access.client_key or access.client_certificate)
        return adapter.send(
            requests.Request("GET", self.url, headers=self._headers()).prepare(),
            stream=True,
            timeout=self.deadline.remaining_s,
            verify=False if access.insecure else _authorities(access),
            cert=certificate if self.at_home and access.client_certificate else None,
            proxies=proxies,
        )

    def _headers(self) -> dict[str, str]:
        headers = {
            "Accept": "*/*",
            "Accept-Encoding": "identity",
            "Connection": "close",
            "User-Agent": "memsnap",
        }
        if self.at_home:
            authorization = self.access.authorization()
            if authorization:
                headers["Authorization"] = authorization
            headers.update(self.access.headers)
        return headers

    def _body(self, response: requests.Response) -> bytes:
        limit = self.access.max_bytes
        announced = response.headers.get("Content-Length", "")
        if announced.isdecimal() and int(announced) > limit:
            raise too_large(self.shown, limit)
        body = bytearray()
        while chunk := response.raw.read(_CHUNK_BYTES, decode_content=False):
            body += chunk
            if len(body) > limit:
                raise too_large(self.shown, limit)
        if self.deadline.expired:  # a body that ends with its connection looks complete
            raise timed_out(self.shown, self.deadline.timeout_s)
        return bytes(body)

    def _answer(self, response: requests.Response, body: bytes) -> Answer:
        return Answer(
            url=self.shown,
            status=response.status_code,
            content_type=response.headers.get("Content-Type", ""),
            body=body,
            elapsed_s=0.0,
        )

    def _out_of_time(self, error: Exception) -> bool:
        slow = (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError)
        return self.deadline.expired or isinstance(error, slow)


def _authorities(access: Access) -> str | bool:
    """Return the CA bundle: the given one, else what the usual variables name, else certifi's."""
    variables = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
    named = (os.environ[variable] for variable in variables if os.environ.get(variable))
    return access.ca_file or next((path for path in named if Path(path).exists()), True)


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
