"""Which paths of a target are worth a visit: pure functions of the pprof prefix."""

from memsnap.capture.target import DEFAULT_PREFIX, Query, parse_prefix

# Where routers and frameworks mount pprof when it is not at Go's own place, most usual first.
_OTHER_PREFIXES = (
    "/pprof",
    "/debug",
    "/_debug/pprof",
    "/admin/debug/pprof",
    "/internal/debug/pprof",
    "/api/debug/pprof",
)

PLAIN: Query = ()
WITH_GC: Query = (("gc", "1"),)
AS_TEXT: Query = (("debug", "1"),)
AS_LISTING: Query = (("debug", "2"),)


def prefixes_to_probe(given: str | None = None) -> tuple[str, ...]:
    """Return the prefixes under which pprof may be, the user's own first."""
    own = () if given is None else (parse_prefix(given),)
    return _unique(*own, DEFAULT_PREFIX, *_OTHER_PREFIXES)


def expvar_paths(prefix: str) -> tuple[str, ...]:
    """Return where expvar may be: beside pprof, and at Go's own place."""
    return _unique(f"{prefix.rpartition('/')[0]}/vars", "/debug/vars")


def metrics_paths(prefix: str) -> tuple[str, ...]:
    """Return where Prometheus metrics may be: at the root, and beside `/debug`."""
    return _unique("/metrics", f"{prefix.removesuffix(DEFAULT_PREFIX)}/metrics")


def _unique(*paths: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(paths))
