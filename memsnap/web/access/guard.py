"""The guard before every handler: which host was meant, who asks, and whether that is enough.

Whatever lies below `/api/` needs a token, or a session that stands for one; pages hold no data
and need none.  Without any configured token everybody may read, and whoever reaches a server that
listens on this machine alone may write.

Against other sites in the same browser: a name of the server that it does not know is refused
(DNS rebinding); so is what browsers mark as made by another site; and what changes something needs
a token in a header, or the header `X-Memsnap`, which no other site can make a browser send.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from yarl import URL

from memsnap.config.settings import Scope, Settings, TokenSettings
from memsnap.web.access.exposure import is_known_host, is_local
from memsnap.web.access.sessions import Sessions
from memsnap.web.access.tokens import find_token, token_of_header
from memsnap.web.errors import NoToken, Refused, TooLarge

SESSION_PATH = "/api/v1/session"
OWN_HEADER = "X-Memsnap"
COOKIE = "memsnap-session"
MOST_BODY_BYTES = 64 << 10
"""The most bytes of a request's body; nothing is uploaded."""

_HEALTH = ("/healthz", "/readyz")
_METRICS = "/metrics"
_READING = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks: the name of a token, empty without one; `scope` None is not let in.

    `ambient`: a browser may have been made to send what proves it, by another site.
    """

    name: str = ""
    scope: Scope | None = None
    ambient: bool = True

    def may(self, needed: Scope) -> bool:
        """Whether that is enough."""
        return self.scope is Scope.WRITE or self.scope is needed


class Guard:
    """Decides by the settings of the moment; where the server listens is settled at its start."""

    def __init__(self, settings: Callable[[], Settings]) -> None:
        self._settings = settings
        self.sessions = Sessions()
        listen = settings().http.listen
        self._local = listen is None or is_local(listen)

    @property
    def tokens(self) -> tuple[TokenSettings, ...]:
        """The tokens that are known now."""
        return self._settings().tokens

    def middleware(self) -> Middleware:
        """Return the middleware that lets requests in, or raises what it refuses them for."""

        @web.middleware
        async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
            self._check(request)
            return await handler(request)

        return guarded

    def caller(self, request: web.Request) -> Caller:
        """Return who asks.

        Raises NoToken for a token that is none: to fall back on less would hide the mistake.
        """
        tokens = self.tokens
        if not tokens:
            return Caller(scope=Scope.WRITE if self._local else Scope.READ)
        if authorization := request.headers.get("Authorization", ""):
            token = find_token(token_of_header(authorization), tokens)
            if token is None:
                raise NoToken("this token is none of those that are known", hint=_HOW)
            bearer = authorization[:7].lower() == "bearer "
            return Caller(name=token.name, scope=token.scope, ambient=not bearer)
        if cookie := request.cookies.get(COOKIE, ""):
            token = self.sessions.find(cookie, tokens, now_s=int(time.time()))
            if token:
                return Caller(name=token.name, scope=token.scope)
        return Caller()

    def _check(self, request: web.Request) -> None:
        _check_size(request)
        resource = request.match_info.route.resource
        path = resource.canonical if resource else ""
        if path in _HEALTH and (self._settings().http.health_without_token or not self.tokens):
            return
        self._check_host(request)
        if not path.startswith("/api/") and path not in {*_HEALTH, _METRICS}:
            return
        _check_site(request)
        changes = request.method not in _READING
        if path == SESSION_PATH and not changes:
            return
        if path == _METRICS and self._settings().http.metrics_without_token:
            return
        caller = self.caller(request)
        if caller.scope is None:
            raise NoToken(f"{request.path} needs a token", hint=_HOW)
        if path != SESSION_PATH and changes and not caller.may(Scope.WRITE):
            raise Refused(_too_little(caller), hint='use a token with scope = "write"')
        if changes and caller.ambient and request.headers.get(OWN_HEADER) != "1":
            raise Refused(
                f"a browser may have been made to send this: the header {OWN_HEADER} is missing",
                hint=f"send {OWN_HEADER}: 1, or a token as Authorization: Bearer",
            )

    def _check_host(self, request: web.Request) -> None:
        http, host = self._settings().http, request.headers.get("Host", "")
        if (self.tokens and not http.hosts) or _is_unix(request) or is_known_host(host, http):
            return
        raise Refused(
            f"this server is not known as {host[:200]!r}",
            hint="ask for its address, or add the name to hosts in [http]",
        )


_HOW = "send Authorization: Bearer TOKEN; `memsnap token create` makes one for the configuration"


def _too_little(caller: Caller) -> str:
    if caller.name:
        return f"the token {caller.name} may read only"
    return "without a token there is only reading where others than this machine can connect"


def _check_size(request: web.Request) -> None:
    """Refuse a body that nothing here reads; one without a length is not read either."""
    if (request.content_length or 0) > MOST_BODY_BYTES:
        raise TooLarge(
            f"the body has {request.content_length:,} bytes, and nothing here takes more than "
            f"{MOST_BODY_BYTES:,}",
            hint="parameters go into the URL",
        )


def _check_site(request: web.Request) -> None:
    """Refuse what a browser sends for another site; following a link from there is fine."""
    headers = request.headers
    origin = headers.get("Origin")
    same = origin is None or _is_own(origin, request)
    site = headers.get("Sec-Fetch-Site", "none")
    follows_link = headers.get("Sec-Fetch-Mode") == "navigate" and request.method in _READING
    if not same or (site not in {"none", "same-origin"} and not follows_link):
        raise Refused(
            "another site has made this request", hint="open the page of this server itself"
        )


def _is_own(origin: str, request: web.Request) -> bool:
    try:
        url = URL(origin)
        host = URL(f"{url.scheme}://{request.headers.get('Host', '')}")
        same = (url.host, url.port) == (host.host, host.port)
    except ValueError:
        return False
    return same and url.scheme in ({"https"} if request.secure else {"http", "https"})


def _is_unix(request: web.Request) -> bool:
    """Whether the request came over a unix socket, where no browser is."""
    transport = request.transport
    return transport is not None and isinstance(transport.get_extra_info("sockname"), str | bytes)
