"""What a user may type for a target, read into a frozen value; nothing is visited here.

    http://host:6060                       pprof below /debug/pprof
    https://host/x/debug/pprof/heap?k=v    pprof below /x/debug/pprof; k=v goes with every request
    host:6060                              the same as http://host:6060
    unix:/run/app.sock                     HTTP over a unix socket, pprof below /debug/pprof
    unix:/run/app.sock:/x/debug/pprof      the same below another prefix
    unix:@name                             a socket in Linux' abstract namespace
    pid:4711                               a local process, whose listeners are probed

The prefix follows the socket after `:/`, so the path of a socket may hold no `:/` of its own.
`user:password@` and query parameters may be secrets: they are kept apart and never shown.
"""

import re
from dataclasses import dataclass, field
from itertools import pairwise
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from memsnap.errors import UsageError

DEFAULT_PREFIX = "/debug/pprof"

Query = tuple[tuple[str, str], ...]

# Parameters of net/http/pprof itself: a pasted profile URL carries them, a capture sets its own.
_OUR_PARAMETERS = frozenset({"gc", "debug", "seconds"})

# The profiles of runtime/pprof and the handlers of net/http/pprof (Go 1.27).
_PROFILE_NAMES = frozenset(
    {
        "allocs",
        "block",
        "cmdline",
        "goroutine",
        "goroutineleak",
        "heap",
        "mutex",
        "profile",
        "symbol",
        "threadcreate",
        "trace",
    }
)

_FORMS = "give http://host:6060, https://host/debug/pprof, unix:/run/app.sock or pid:4711"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpTarget:
    """A pprof endpoint over TCP.

    `origin` is `scheme://host[:port]`; `prefix` is the path above `heap`, without a slash at its
    end.  `user` and `password` come from `user:password@` in the URL.
    """

    origin: str
    prefix: str = DEFAULT_PREFIX
    query: Query = field(default=(), repr=False)
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    def __str__(self) -> str:
        return self.origin + self.prefix


@dataclass(frozen=True, slots=True, kw_only=True)
class UnixTarget:
    """A pprof endpoint over a unix stream socket; `path` starts with `@` in the abstract space."""

    path: str
    prefix: str = DEFAULT_PREFIX
    query: Query = field(default=(), repr=False)

    def __str__(self) -> str:
        suffix = "" if self.prefix == DEFAULT_PREFIX else f":{self.prefix}"
        return f"unix:{self.path}{suffix}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PidTarget:
    """A process of this machine, whose listening sockets are probed for pprof."""

    pid: int

    def __str__(self) -> str:
        return f"pid:{self.pid}"


Target = HttpTarget | UnixTarget | PidTarget


def is_target(text: str) -> bool:
    """Whether `text` is a target beyond doubt (it has one of the schemes), and not a file name."""
    return re.match(r"(https?://|unix:|pid:)", text, re.IGNORECASE) is not None


def parse_target(text: str) -> Target:
    """Return the target that `text` names.

    Raises:
        UsageError: no form of the module's docstring fits.  Its message holds no secret.
    """
    text = text.strip()
    scheme, _, rest = text.partition(":")
    match scheme.lower():
        case "pid":
            return _parse_pid(rest)
        case "unix":
            return _parse_unix(rest)
        case "http" | "https" if rest.startswith("//"):
            return _parse_http(text)
    if "://" in text:
        raise UsageError(f"{scheme}:// is no scheme that memsnap can visit", hint=_FORMS)
    if re.fullmatch(r"(\[[0-9a-fA-F:.%]+\]|[\w.-]+):\d+(/.*)?", text):
        return _parse_http(f"http://{text}")
    raise UsageError(f"{_shorten(text)!r} is not a target", hint=_FORMS)


def parse_prefix(text: str) -> str:
    """Return a pprof prefix as `/x/debug/pprof`: a slash in front, none at the end, no profile.

    A known profile name at the end is cut; the root path `/` becomes empty.

    Raises:
        UsageError: it is more than a path.
    """
    if "://" in text or "?" in text:
        raise UsageError("a prefix is a path", hint="write --prefix /x/debug/pprof")
    parts = [part for part in text.split("/") if part]
    for i, pair in enumerate(pairwise(parts)):
        if pair == ("debug", "pprof"):
            return "/" + "/".join(parts[: i + 2])
    if parts and parts[-1] in _PROFILE_NAMES:
        parts.pop()
    return "".join(f"/{part}" for part in parts)


def _parse_pid(text: str) -> PidTarget:
    if not re.fullmatch(r"[1-9][0-9]{0,9}", text.strip()):
        raise UsageError(f"pid:{_shorten(text)} has no process id", hint="write pid:4711")
    return PidTarget(pid=int(text))


def _parse_unix(text: str) -> UnixTarget:
    socket_path, separator, suffix = text.removeprefix("//").partition(":/")
    if socket_path.rstrip("/") in {"", "@"} or "\0" in socket_path:
        raise UsageError(
            f"unix:{_shorten(socket_path)} names no socket",
            hint="write unix:/run/app.sock, unix:/run/app.sock:/x/debug/pprof or unix:@name",
        )
    path, _, query = suffix.partition("?")
    prefix = parse_prefix(path) if separator else DEFAULT_PREFIX
    return UnixTarget(path=socket_path, prefix=prefix, query=_parse_query(query))


def _parse_http(text: str) -> HttpTarget:
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError("the URL's host or port cannot be read", hint=_FORMS) from error
    if not host or re.search(r"[\s<>\"{}|\\^`]", parts.netloc):
        raise UsageError("the URL has no host", hint=_FORMS)
    shown_host = f"[{host}]" if ":" in host else host
    return HttpTarget(
        origin=f"{parts.scheme}://{shown_host}" + (f":{port}" if port is not None else ""),
        prefix=_prefix_of(parts),
        query=_parse_query(parts.query),
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


def _prefix_of(parts: SplitResult) -> str:
    bare = parts.path in {"", "/"}
    return DEFAULT_PREFIX if bare else parse_prefix(parts.path)


def _parse_query(text: str) -> Query:
    pairs = parse_qsl(text, keep_blank_values=True)
    return tuple((name, value) for name, value in pairs if name not in _OUR_PARAMETERS)


def _shorten(text: str) -> str:
    """Keep a message short; what stands before an `@` or behind a `?` may be a secret."""
    shown = re.sub(r"\?.*", "?…", re.sub(r"(?s)^.+@", "…@", text))
    return shown if len(shown) <= 60 else shown[:59] + "…"
