"""Opens a socket by its deadline: TCP, unix, and inside another process's network namespace.

The work runs in a thread of its own, for two reasons: name lookups have no timeout that a caller
could set, and a thread that joined a foreign namespace must not be used for anything else.
"""

import ctypes
import os
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

from memsnap.capture.endpoint import Route
from memsnap.capture.failures import dial_failed, namespace_refused, timed_out
from memsnap.errors import TargetError

T = TypeVar("T")

_CLONE_NEWNET = 0x40000000  # linux/sched.h
_SUN_PATH_MAX = 107  # sockaddr_un.sun_path holds 108 bytes with the closing NUL (unix(7))


class Deadline:
    """The end of one request, kept even against a peer that sends a byte now and then.

    Per-read timeouts start anew with every byte, so a timer shuts the socket down from outside.
    Duplicates are shut down rather than the socket itself, because TLS wraps and replaces it.
    """

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self.expired = False
        self._ends = time.monotonic() + timeout_s
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(timeout_s, self._expire)
        self._timer.daemon = True

    def __enter__(self) -> "Deadline":
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        with self._lock:
            for guarded in self._sockets:
                guarded.close()
            self._sockets.clear()

    @property
    def remaining_s(self) -> float:
        """Seconds left, never quite 0: a timeout of 0 would mean non-blocking."""
        return max(self._ends - time.monotonic(), 0.001)

    def guard(self, opened: socket.socket) -> None:
        """Shut `opened` down when the time is over."""
        with self._lock:
            self._sockets.append(opened.dup())
        if self.expired:
            self._expire()

    def _expire(self) -> None:
        with self._lock:
            self.expired = True
            for guarded in self._sockets:
                try:
                    guarded.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # the peer was faster: it is closed already


def in_own_thread(work: Callable[[], T], name: str) -> Future[T]:
    """Run `work` in a new thread, of which nobody waits for the end, and return its outcome.

    OSError and TargetError become the outcome's exception; so does a label of a host name that
    IDNA cannot encode.
    """
    outcome: Future[T] = Future()
    outcome.set_running_or_notify_cancel()

    def run() -> None:
        try:
            outcome.set_result(work())
        except (OSError, TargetError) as error:
            outcome.set_exception(error)
        except UnicodeError:
            outcome.set_exception(socket.gaierror(socket.EAI_NONAME, "no valid host name"))

    threading.Thread(target=run, name=name, daemon=True).start()
    return outcome


def close_late(outcome: Future[socket.socket]) -> None:
    """Close the socket of a dial that nobody waits for any more, as soon as there is one."""
    outcome.add_done_callback(_close_result)


def _close_result(outcome: Future[socket.socket]) -> None:
    if outcome.exception() is None:
        outcome.result().close()


def open_socket(
    route: Route, host: str, port: int, *, shown: str, deadline: Deadline
) -> socket.socket:
    """Return a connected socket with what is left of `deadline` as its timeout.

    Raises:
        TargetError: it cannot be opened, or not in time; `shown` names the target.
    """

    def dial() -> socket.socket:
        if route.namespace_pid is not None:
            join_network(route.namespace_pid, shown)
        if route.unix_path:
            return dial_unix(route.unix_path, deadline.remaining_s)
        return socket.create_connection((host, port), timeout=deadline.remaining_s)

    outcome = in_own_thread(dial, f"dial {shown}")
    try:
        opened = outcome.result(deadline.remaining_s)
    except TimeoutError as error:
        close_late(outcome)
        raise timed_out(shown, deadline.timeout_s) from error
    except OSError as error:
        raise dial_failed(shown, error) from error
    except BaseException:  # Ctrl-C, for one
        close_late(outcome)
        raise
    opened.settimeout(deadline.remaining_s)
    deadline.guard(opened)
    return opened


def dial_unix(path: str, timeout_s: float) -> socket.socket:
    """Return a socket connected to a unix stream socket, of any length of path or abstract."""
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    opened.settimeout(timeout_s)
    try:
        if path.startswith("@"):
            opened.connect(b"\0" + os.fsencode(path[1:]))
        elif len(os.fsencode(path)) <= _SUN_PATH_MAX:
            opened.connect(path)
        else:
            _connect_by_folder(opened, Path(path))
    except OSError:
        opened.close()
        raise
    return opened


def _connect_by_folder(opened: socket.socket, path: Path) -> None:
    """Connect to a path too long for the address, through a short name for its folder."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        opened.connect(f"/proc/self/fd/{folder}/{path.name}")
    finally:
        os.close(folder)


def join_network(pid: int, shown: str) -> None:
    """Move the calling thread into the network namespace of `pid` (setns(2)), for good.

    `os.setns` exists from Python 3.12 on only, hence the C library.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise namespace_refused(shown, pid, error) from error
    try:
        if libc.setns(namespace, _CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise namespace_refused(shown, pid, OSError(number, os.strerror(number)))
    finally:
        os.close(namespace)
