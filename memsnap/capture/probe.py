"""Finds pprof among the listening sockets of a process, and makes sure whose answer it is."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from memsnap.capture.access import Access
from memsnap.capture.command import is_command
from memsnap.capture.endpoint import Endpoint, Route, unix_endpoint
from memsnap.capture.exchange import Steps, get, together
from memsnap.capture.failures import NamespaceRefused, ProcessGone, status_error
from memsnap.capture.process import command_line, start_time
from memsnap.capture.routes import PLAIN, prefixes_to_probe
from memsnap.capture.sockets import (
    Listener,
    TcpListener,
    UnixListener,
    listeners_of,
    same_namespace,
)
from memsnap.errors import FormatError, TargetError
from memsnap.pprof.heap import heap_samples
from memsnap.pprof.reader import read

_PROBE_TIMEOUT_S = 3.0
_PROBES_AT_ONCE = 8
_PROBE_MAX_BYTES = 32 << 20
_LISTED = 6

_HINT = (
    'import _ "net/http/pprof" and serve it, best on localhost; where it is served already, give '
    "--prefix /path/to/pprof or its URL instead of the PID"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """Where to go: the endpoint and the access that suits it.

    `pid` and `start_time_ns` are set where the target is a process; `notes` say what was chosen
    and what else there was.
    """

    endpoint: Endpoint
    access: Access
    pid: int | None = None
    start_time_ns: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Finding:
    """What one endpoint answered: pprof or not, and as which process."""

    endpoint: Endpoint
    is_pprof: bool
    same_process: bool = False
    reason: str = ""
    hint: str = ""  # only where it says more than what holds for all
    speaks_http: bool = True


def probe(pid: int, access: Access, prefix: str | None = None) -> Steps[Located]:
    """Return the pprof endpoint of a process; `prefix` is tried before the usual ones.

    The one that answers `cmdline` with the process's own command line wins; else the first that
    answers with a heap profile, which a note then says.

    Raises:
        TargetError: there is no such process, it may not be inspected, or none of its listeners
            answers as pprof; then all that was tried is listed.
    """
    started = start_time(pid)
    listeners = _listeners(pid)
    if not listeners:
        raise TargetError(f"pid:{pid} listens on no TCP port and no named unix socket", hint=_HINT)
    quick = replace(
        access,
        timeout_s=min(access.timeout_s, _PROBE_TIMEOUT_S),
        max_bytes=min(access.max_bytes, _PROBE_MAX_BYTES),
        insecure=not access.ca_file,
    )
    parts = [_probe(pid, listener, quick, prefix) for listener in listeners]
    probed = yield from together(parts, at_once=_PROBES_AT_ONCE)  # some may never answer
    findings = [finding for each in probed for finding in each]
    good = [finding for finding in findings if finding.is_pprof]
    if not good:
        raise TargetError(
            f"pid:{pid}: none of its listeners answers as pprof ({_list_tried(findings)})",
            hint=next((finding.hint for finding in findings if finding.hint), _HINT),
        )
    chosen = next((finding for finding in good if finding.same_process), good[0])
    https = chosen.endpoint.origin.startswith("https:")
    return Located(
        endpoint=chosen.endpoint,
        access=replace(access, insecure=not access.ca_file) if https else access,
        pid=pid,
        start_time_ns=started,
        notes=_notes(pid, chosen, good, checked=bool(access.ca_file)),
    )


def _listeners(pid: int) -> tuple[Listener, ...]:
    try:
        return listeners_of(pid)
    except PermissionError as error:
        raise TargetError(
            f"pid:{pid}: its sockets may not be seen: permission denied",
            hint="run memsnap with sudo or as the user of the process (CAP_SYS_PTRACE), or give "
            "the URL of its pprof",
        ) from error
    except OSError as error:
        raise ProcessGone(f"pid:{pid}: the process ended", hint="give a running process") from error


def _probe(
    pid: int, listener: Listener, access: Access, prefix: str | None
) -> Steps[list[_Finding]]:
    """Return what each address of a listener answers, up to the first that speaks HTTP."""
    findings = []
    for endpoint in _endpoints(pid, listener):
        finding = yield from _probe_endpoint(pid, endpoint, access, prefix)
        findings.append(finding)
        if finding.speaks_http:
            break
    return findings


def _endpoints(pid: int, listener: Listener) -> Iterator[Endpoint]:
    foreign = None if same_namespace(pid, "net") else pid
    match listener:
        case TcpListener():
            for host in listener.hosts:
                origin = (
                    f"http://[{host}]:{listener.port}"
                    if ":" in host
                    else f"http://{host}:{listener.port}"
                )
                route = Route(namespace_pid=foreign)
                yield Endpoint(origin=origin, shown_origin=origin, route=route)
        case UnixListener(path=path) if path.startswith("@"):
            yield unix_endpoint(path, namespace_pid=foreign)
        case UnixListener(path=path):
            root = "" if same_namespace(pid, "mnt") else f"/proc/{pid}/root"
            reached_at = root + path if path.startswith("/") else f"/proc/{pid}/cwd/{path}"
            yield unix_endpoint(path, reached_at=reached_at)


def _probe_endpoint(
    pid: int, endpoint: Endpoint, access: Access, prefix: str | None
) -> Steps[_Finding]:
    """Try the prefixes of one endpoint until one answers as pprof.

    A TLS port tells a plain request so (net/http's server, "HTTP request to an HTTPS server");
    it is then tried again with TLS.
    """
    command, refused = command_line(pid), None
    for path in prefixes_to_probe(prefix):
        place = replace(endpoint, prefix=path)
        try:
            answer = yield from get(place, access, f"{path}/cmdline", follow=False)
            if is_command(answer, command, access.max_bytes):
                return _Finding(endpoint=place, is_pprof=True, same_process=True)
            if b"to an HTTPS server" in answer.body and place.origin.startswith("http:"):
                return (yield from _probe_endpoint(pid, _with_tls(endpoint), access, prefix))
            if answer.status in {401, 403}:
                refused = refused or status_error(f"{path}/cmdline", answer.status)
            elif (yield from _answers_heap(place, access)):
                return _Finding(endpoint=place, is_pprof=True)
        except TargetError as error:
            return _broken(place, error)
    if refused:
        return _Finding(
            endpoint=endpoint, is_pprof=False, reason=refused.message, hint=refused.hint
        )
    tried = len(prefixes_to_probe(prefix))
    return _Finding(
        endpoint=endpoint, is_pprof=False, reason=f"no profile below any of {tried} prefixes"
    )


def _broken(endpoint: Endpoint, error: TargetError) -> _Finding:
    reason = error.message.removeprefix(endpoint.shown_origin).partition(": ")[2]
    return _Finding(
        endpoint=endpoint,
        is_pprof=False,
        reason=reason or error.message,
        hint=error.hint if isinstance(error, NamespaceRefused) else "",
        speaks_http=False,
    )


def _with_tls(endpoint: Endpoint) -> Endpoint:
    return replace(
        endpoint,
        origin=endpoint.origin.replace("http:", "https:", 1),
        shown_origin=endpoint.shown_origin.replace("http:", "https:", 1),
    )


def _answers_heap(endpoint: Endpoint, access: Access) -> Steps[bool]:
    answer = yield from get(endpoint, access, f"{endpoint.prefix}/heap", PLAIN, follow=False)
    if answer.status != 200:
        return False
    try:
        profile = read(answer.body, name=answer.url, max_bytes=access.max_bytes)
        heap_samples(profile, name=answer.url)
    except FormatError:
        return False
    return True


def _notes(pid: int, chosen: _Finding, good: list[_Finding], *, checked: bool) -> tuple[str, ...]:
    place = chosen.endpoint.shown(chosen.endpoint.prefix)
    notes = [f"Process {pid} was visited at {place}."]
    others = [one.endpoint.shown(one.endpoint.prefix) for one in good if one is not chosen]
    if others:
        notes.append(f"It also answers as pprof at {', '.join(others)}.")
    if place.startswith("https:") and not checked:
        notes.append("Its certificate was not checked, for the socket is the process's own.")
    if not chosen.same_process:
        notes.append(
            f"The command line given at {place} is not that of process {pid}: "
            "it may pass requests on to another process."
        )
    return tuple(notes)


def _list_tried(findings: list[_Finding]) -> str:
    tried = [f"{one.endpoint.shown_origin.rstrip(':')}: {one.reason}" for one in findings]
    more = [f"and {len(tried) - _LISTED} more"] if len(tried) > _LISTED else []
    return "; ".join([*tried[:_LISTED], *more])
