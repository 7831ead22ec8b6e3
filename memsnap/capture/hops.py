"""One request as a series of hops: what is sent where, and which redirects are followed.

Everything that decides lives here, the same for every transport.  A transport does one `Hop` at
a time: open, send, read the body within the limits.  Credentials, the user's headers and the
client certificate go along to the endpoint's own host only.
"""

import socket
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

from memsnap.capture.access import Access
from memsnap.capture.endpoint import Endpoint, Route
from memsnap.capture.exchange import Answer, Request
from memsnap.capture.failures import (
    dial_failed,
    proxy_unreadable,
    redirects_astray,
    too_large,
)
from memsnap.capture.proxies import proxy_for

MAX_REDIRECTS = 5

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_UNQUOTED = "!#$%&'()*+,/:;=?@[]~"  # RFC 3986, and what is percent-encoded already


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One request on the wire.

    `url` is quoted as it is sent, `shown` is for people.  `proxy` is a URL, perhaps with
    credentials; empty for none.  `at_home` says that the endpoint itself is asked, and not a host
    that it redirected to.
    """

    url: str = field(repr=False)
    shown: str
    route: Route
    access: Access
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    proxy: str = field(repr=False)
    at_home: bool

    @property
    def dialled(self) -> str:
        """The URL for people, with the proxy where that is what is dialled."""
        if not self.proxy:
            return self.shown
        parts = urlsplit(self.proxy)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return f"{self.shown} by the proxy {parts.hostname}:{port}"

    def check_announced(self, content_length: str) -> None:
        """Raise TargetError if a Content-Length is above the limit."""
        if content_length.isdecimal():
            self.check_size(int(content_length))

    def check_size(self, size_bytes: int) -> None:
        """Raise TargetError if a body of this size is above the limit."""
        if size_bytes > self.access.max_bytes:
            raise too_large(self.shown, self.access.max_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What one hop brought; a redirect has a `location`, and its body is not read."""

    status: int
    content_type: str
    location: str = ""
    body: bytes = field(default=b"", repr=False)


def is_redirect(status: int, location: str) -> bool:
    """Whether an answer sends us on, so that its body is of no interest."""
    return status in _REDIRECTS and bool(location)


def hops_of(request: Request) -> Generator[Hop, Reply, Answer]:
    """Yield the hops of a request, be sent what each brought, and return the answer.

    Raises:
        TargetError: a redirect that is not to be followed, or a host name that is none.
    """
    began = time.monotonic()
    endpoint = request.endpoint
    url = endpoint.url(request.path, request.parameters)
    visited = [endpoint.shown(request.path, request.parameters)]
    while True:
        reply = yield _hop(url, visited[-1], endpoint, request.access)
        if not reply.location or not request.follow:
            break
        url = _join(url, reply.location)
        _check_redirect(url, endpoint, visited)
    return Answer(
        url=visited[-1],
        status=reply.status,
        content_type=reply.content_type,
        body=reply.body,
        elapsed_s=time.monotonic() - began,
        redirects=tuple(visited[:-1]),
    )


def _hop(url: str, shown: str, endpoint: Endpoint, access: Access) -> Hop:
    at_home = _is_home(url, endpoint)
    return Hop(
        url=_as_sent(url, shown),
        shown=shown,
        route=endpoint.route,
        access=access,
        headers=_headers(access, at_home=at_home),
        proxy="" if endpoint.loopback else _proxy(url, shown),
        at_home=at_home,
    )


def _headers(access: Access, *, at_home: bool) -> tuple[tuple[str, str], ...]:
    """Return what is sent; a header of the user replaces ours whatever its case."""
    headers = {
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "Connection": "close",
        "User-Agent": "memsnap",
    }
    if at_home:
        authorization = access.authorization()
        own = (("Authorization", authorization),) if authorization else ()
        for name, value in (*own, *access.headers):
            headers = {key: headers[key] for key in headers if key.lower() != name.lower()}
            headers[name] = value
    return tuple(headers.items())


def _as_sent(url: str, shown: str) -> str:
    """Return the URL in ASCII: the path quoted, the name of the host by IDNA."""
    parts = urlsplit(url)
    netloc = parts.netloc.rpartition("@")[2]  # a redirect's own credentials are not for us to send
    if not netloc.isascii():
        try:
            netloc = netloc.encode("idna").decode("ascii")
        except UnicodeError as error:
            unknown = socket.gaierror(socket.EAI_NONAME, "no valid host name")
            raise dial_failed(shown, unknown) from error
    path, query = quote(parts.path or "/", _UNQUOTED), quote(parts.query, _UNQUOTED)
    return urlunsplit((parts.scheme, netloc, path, query, ""))


def _proxy(url: str, shown: str) -> str:
    proxy = proxy_for(url)
    try:
        parts = urlsplit(proxy)
        usable = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if proxy and not usable:
        raise proxy_unreadable(shown)
    return proxy


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
