"""What can go wrong on the way to an endpoint, as one sentence each and a hint of what to try.

The sentences are made of our own words, error numbers and URLs without their secrets; texts of
libraries and servers are left out, because they may repeat a header or a query.
"""

import errno
import http.client
import os
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping

from memsnap.errors import TargetError
from memsnap.units import format_bytes, format_duration

_DIAL_HINTS = {
    errno.ECONNREFUSED: "is the service running, and does it listen on this address?",
    errno.ENOENT: "is the service running, and is this the path of its socket?",
    errno.EACCES: "run memsnap as the user of the service, or with sudo",
    errno.EPERM: "run memsnap as the user of the service, or with sudo",
    errno.EAGAIN: "the service has not accepted its last connections; is it stuck?",
    errno.EHOSTUNREACH: "check the address and the route to it",
    errno.ENETUNREACH: "check the address and the route to it",
    errno.ENOTSOCK: "give the path of the socket that the service listens on",
    errno.EPROTOTYPE: "give a stream socket that speaks HTTP",
}

_STATUS_HINTS = {
    400: "a server that refuses parameters may need another port or --prefix; if it is a TLS "
    "port, write https://",
    401: "give credentials: --user with --password-file or --password-env, --token-file or "
    "--token-env, or -H 'Name: value'",
    403: "credentials without the right to see pprof, or a server with a list of allowed hosts "
    "(such as caddy's admin address): use the host name it expects, or -H 'Host: name'",
    404: "does the service import net/http/pprof and serve it on this port? If it is below "
    "another path, give that path down to .../debug/pprof (or --prefix)",
    405: "something in front of the service refuses GET requests to pprof",
    429: "the target limits requests; wait and try again",
    502: "a proxy answered for the service; visit the service itself",
    503: "the service, or a proxy before it, is not ready; try again or visit it directly",
    504: "a proxy gave up before the service answered; visit the service itself",
}


class NamespaceRefused(TargetError):
    """The network namespace of a process may not be entered."""


class ProcessGone(TargetError):
    """The process of a PID ended, or another has its PID by now."""


class TimedOut(TargetError):
    """No complete answer came within the deadline."""


class TooLarge(TargetError):
    """The answer is above the limit of size."""


class StatusRefused(TargetError):
    """The answer has another HTTP status than 200."""


def dial_failed(shown: str, error: OSError) -> TargetError:
    """Return the error for a socket that could not be opened."""
    if isinstance(error, socket.gaierror):
        return TargetError(
            f"{shown}: the host name cannot be resolved",
            hint="check its spelling, and whether this machine may ask a name server for it",
        )
    reason = os.strerror(error.errno).lower() if error.errno else "the connection failed"
    hint = _DIAL_HINTS.get(error.errno or 0, "check the address, and whether the service runs")
    return TargetError(f"{shown}: {reason}", hint=hint)


def namespace_refused(shown: str, pid: int, error: OSError) -> TargetError:
    """Return the error for a network namespace that memsnap may not enter."""
    if error.errno == errno.ENOENT:
        return ProcessGone(f"{shown}: process {pid} is gone", hint="give a running process")
    return NamespaceRefused(
        f"{shown}: process {pid} listens in a network namespace that memsnap may not enter "
        f"({os.strerror(error.errno or 0).lower()})",
        hint="run memsnap with sudo (it takes CAP_SYS_ADMIN), or give a URL that reaches the "
        "service from here",
    )


def timed_out(shown: str, timeout_s: float) -> TargetError:
    """Return the error for a request that was not complete at its deadline."""
    return TimedOut(
        f"{shown}: no complete answer within {format_duration(timeout_s)}",
        hint="the target is slow, or speaks no HTTP; allow more time with --timeout",
    )


def too_large(shown: str, max_bytes: int) -> TargetError:
    """Return the error for a body above the limit."""
    return TooLarge(
        f"{shown}: the answer is larger than {format_bytes(max_bytes)}",
        hint="raise the limit with --max-size if the target is to be trusted",
    )


def redirects_astray(shown: str, visited: tuple[str, ...], reason: str) -> TargetError:
    """Return the error for redirects that cannot or need not be followed further."""
    return TargetError(
        f"{shown}: {reason} ({' -> '.join(visited[:4])}{' -> ...' if len(visited) > 4 else ''})",
        hint="give the final URL of pprof; a redirect to a login page asks for credentials",
    )


def status_error(shown: str, status: int) -> TargetError:
    """Return the error for an answer with another HTTP status than 200."""
    phrase = http.client.responses.get(status, "")
    hint = _STATUS_HINTS.get(status, "look into the log of the service for the reason")
    return StatusRefused(f"{shown}: answered {status} {phrase}".rstrip(), hint=hint)


def file_unreadable(shown: str, path: str, error: OSError) -> TargetError:
    """Return the error for a file of certificates or keys that cannot be read."""
    reason = os.strerror(error.errno).lower() if error.errno else "it cannot be read"
    return TargetError(
        f"{shown}: {path}: {reason}", hint="the files of --ca, --cert and --key must be readable"
    )


def proxy_unreadable(shown: str) -> TargetError:
    """Return the error for a proxy of the environment that is no URL."""
    return TargetError(
        f"{shown}: the proxy that the environment names is no URL",
        hint="set http_proxy and https_proxy to http://host:port, or list the host in no_proxy",
    )


def proxy_unsupported(shown: str) -> TargetError:
    """Return the error for a proxy that speaks something else than HTTP."""
    return TargetError(
        f"{shown}: the proxy that the environment names is no HTTP proxy",
        hint="give an HTTP proxy, or list the host in no_proxy",
    )


def tunnel_refused(shown: str) -> TargetError:
    """Return the error for a proxy that opens no connection to the target."""
    return TargetError(
        f"{shown}: the proxy does not connect to the target",
        hint="may the proxy reach it? Else list the host in no_proxy",
    )


def closed_unanswered(shown: str) -> TargetError:
    """Return the error for a connection that ended before an answer began."""
    return TargetError(
        f"{shown}: the connection was closed without an answer",
        hint="does this port speak HTTP, or only TLS (https://)?",
    )


def not_http(shown: str) -> TargetError:
    """Return the error for an answer that cannot be read as HTTP."""
    return TargetError(
        f"{shown}: the answer is not HTTP",
        hint="give the port that serves pprof; if it is a TLS port, write https://",
    )


def cut_short(shown: str) -> TargetError:
    """Return the error for a connection that ended before the answer was complete."""
    return TargetError(
        f"{shown}: the connection ended in the middle of the answer",
        hint="did the service stop, or does a proxy cut long answers? Try again",
    )


Meanings = Mapping[type[BaseException], Callable[[str], TargetError]]
"""What the exceptions of an HTTP library mean: the first that fits decides."""


def request_failed(shown: str, error: BaseException, meanings: Meanings) -> TargetError:
    """Return the error for a request that broke after the socket was open.

    The cause is found along the chain of exceptions, since HTTP libraries wrap it several times.
    TLS comes first, as it says most; else the first cause that has a meaning or is a lost
    connection.
    """
    causes = tuple(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLError):
            return _tls_failed(shown, cause)
    for cause in causes:
        for kind, mean in meanings.items():
            if isinstance(cause, kind):
                return mean(shown)
        if isinstance(cause, ConnectionError):
            reason = os.strerror(cause.errno).lower() if cause.errno else "connection lost"
            return TargetError(
                f"{shown}: {reason} during the request",
                hint="did the service stop or restart? Try again",
            )
    return TargetError(
        f"{shown}: the request failed ({type(error).__name__})",
        hint="check that this is the HTTP address of a Go service's pprof",
    )


def _tls_failed(shown: str, error: ssl.SSLError) -> TargetError:
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = error.verify_message.rstrip(".")
        return TargetError(
            f"{shown}: the server's certificate is not trusted: {reason}",
            hint="give the CA with --ca FILE, or go without any check with --insecure",
        )
    words = (error.reason or "handshake failed").replace("_", " ").lower()
    hint = "check the TLS settings of the service"
    if any(word in words for word in ("no certificate or crl", "pem lib", "no start line")):
        hint = "the files of --ca, --cert and --key must be PEM"
    elif "key values mismatch" in words:
        hint = "--key must be the key of the certificate in --cert"
    elif any(word in words for word in ("wrong version", "record layer", "unknown protocol")):
        hint = "the port may speak plain HTTP: write http://"
    elif "certificate" in words or "handshake failure" in words:
        hint = "the server may want a client certificate: --cert FILE --key FILE"
    return TargetError(f"{shown}: TLS failed: {words}", hint=hint)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield `error` and everything wrapped in it: as context, or as an argument or a reason."""
    pending: list[object] = [error]
    seen: set[int] = set()
    while pending:
        cause = pending.pop(0)
        if not isinstance(cause, BaseException) or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        pending += [getattr(cause, "reason", None), *cause.args]
        pending += [cause.__cause__, cause.__context__]
