"""Peers that misbehave: real sockets on loopback, answered byte by byte from a thread."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

Say = Callable[[bytes], None]
Script = Callable[[str, Say, threading.Event], None]
"""Gets the request line's path, a function that sends, and an event that says: the test is over."""


@dataclass(slots=True)
class Peer:
    """A listening peer; `heads` are the requests that came, as text."""

    port: int
    heads: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def paths(self) -> list[str]:
        return [head.split()[1] for head in self.heads]


@contextlib.contextmanager
def peer(script: Script, *, reset: bool = False) -> Iterator[Peer]:
    """Serve every TCP connection by `script`, then close it, or `reset` it."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        _serving(listener, script, reset=reset) as served,
    ):
        yield served


@contextlib.contextmanager
def unix_peer(path: str, script: Script) -> Iterator[Peer]:
    """Serve the same on a unix socket, bound from inside its folder for long paths."""
    with socket.socket(socket.AF_UNIX) as listener:
        if path.startswith("@"):
            listener.bind("\0" + path[1:])
        else:
            with contextlib.chdir(Path(path).parent):
                listener.bind(Path(path).name)
        listener.listen()
        with _serving(listener, script, reset=False) as served:
            yield served


@contextlib.contextmanager
def _serving(listener: socket.socket, script: Script, *, reset: bool) -> Iterator[Peer]:
    over = threading.Event()
    threads: list[threading.Thread] = []
    listener.settimeout(0.05)
    tcp = listener.family == socket.AF_INET
    served = Peer(listener.getsockname()[1] if tcp else 0)

    def serve(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(5)
            head = _head(connection)
            if head:
                served.heads.append(head)
                script(head.split()[1], connection.sendall, over)
            if reset:
                linger = b"\1\0\0\0\0\0\0\0"  # on, 0 seconds: close sends RST
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    def accept() -> None:
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = listener.accept()
                threads.append(threading.Thread(target=serve, args=(connection,)))
                threads[-1].start()

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield served
    finally:
        over.set()
        for thread in (acceptor, *threads):
            thread.join(5)


def reply(
    status: int = 200, body: bytes = b"", *, type_: str = "text/plain", more: str = ""
) -> bytes:
    """Return a whole answer; `more` are further header lines."""
    head = (
        f"HTTP/1.1 {status} X\r\nContent-Type: {type_}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    )
    return head.encode() + body


def always(answer: bytes) -> Script:
    """A script that sends the same bytes for any path."""
    return lambda _path, say, _over: say(answer)


def routes(table: dict[str, bytes], default: bytes = b"") -> Script:
    """A script that answers by path without query, else 404."""
    return lambda path, say, _over: say(
        table.get(path.partition("?")[0], default or reply(404, b"404 page not found\n"))
    )


def trickle(start: bytes, again: bytes) -> Script:
    """A script that sends `start` and then `again` ten times a second until the test is over."""

    def send(_path: str, say: Say, over: threading.Event) -> None:
        say(start)
        while not over.wait(0.1):
            say(again)

    return send


def _head(connection: socket.socket) -> str:
    head = b""
    while b"\r\n\r\n" not in head and not head.startswith(b"\x16"):  # a TLS hello has no end
        received = connection.recv(4096)
        if not received:
            return ""
        head += received
    return head.decode("latin-1") if head.startswith((b"GET", b"CONNECT")) else "TLS ?"
