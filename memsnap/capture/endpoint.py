"""Where a pprof endpoint is and by which way it is reached: values, and the URLs made of them."""

import ipaddress
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from memsnap.capture.target import DEFAULT_PREFIX, HttpTarget, Query, UnixTarget


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """How a socket to an endpoint is opened; empty means TCP to the host of the URL.

    `unix_path` is a unix stream socket (`@name` in the abstract space).  `namespace_pid` is the
    process in whose network namespace the socket is opened.
    """

    unix_path: str = ""
    namespace_pid: int | None = None

    @property
    def direct(self) -> bool:
        """Whether the URL's own host decides where the socket leads."""
        return not self.unix_path and self.namespace_pid is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """The root of a pprof endpoint.

    `origin` is what the URL says (`http://localhost` over a unix socket), `shown_origin` what
    people are told.  `query` goes with every request and is never shown.
    """

    origin: str
    shown_origin: str
    prefix: str = DEFAULT_PREFIX
    query: Query = field(default=(), repr=False)
    route: Route = Route()

    def url(self, path: str, parameters: Query = ()) -> str:
        """Return the URL to request for an absolute `path`."""
        query = urlencode(self.query + parameters)
        return f"{self.origin}{path}" + (f"?{query}" if query else "")

    def shown(self, path: str, parameters: Query = ()) -> str:
        """Return the URL as people may see it: with our parameters, without theirs."""
        query = urlencode(parameters)
        return f"{self.shown_origin}{path}" + (f"?{query}" if query else "")

    @property
    def loopback(self) -> bool:
        """Whether requests stay on this machine, where no proxy has a say."""
        return not self.route.direct or is_loopback(urlsplit(self.origin).hostname or "")


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine without asking a name server."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def endpoint_of(target: HttpTarget | UnixTarget) -> Endpoint:
    """Return the endpoint that a URL or socket target names."""
    match target:
        case HttpTarget():
            return Endpoint(
                origin=target.origin,
                shown_origin=target.origin,
                prefix=target.prefix,
                query=target.query,
            )
        case UnixTarget():
            return unix_endpoint(target.path, target.prefix, target.query)


def unix_endpoint(
    path: str,
    prefix: str = DEFAULT_PREFIX,
    query: Query = (),
    *,
    reached_at: str = "",
    namespace_pid: int | None = None,
) -> Endpoint:
    """Return the endpoint behind the unix socket `path`, opened at `reached_at` if that differs."""
    return Endpoint(
        origin="http://localhost",
        shown_origin=f"unix:{path}:",
        prefix=prefix,
        query=query,
        route=Route(unix_path=reached_at or path, namespace_pid=namespace_pid),
    )
