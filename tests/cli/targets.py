"""Targets on loopback that answer by a table: what a path answers, or how it misbehaves."""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HEAP = "/debug/pprof/heap"


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer; `drip` sends one byte of the body ten times a second."""

    body: bytes = b""
    status: int = 200
    type: str = "application/octet-stream"
    headers: tuple[tuple[str, str], ...] = ()
    drip: bool = False


@dataclass(slots=True)
class Target:
    """A listening target; `seen` are path and headers of the requests that came."""

    port: int
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextlib.contextmanager
def serving(*script: Reply | dict[str, Reply]) -> Iterator[Target]:
    """Serve for the time of the block: any path alike, or by a table of paths without query.

    Paths that the table lacks answer 404.
    """
    (answers,) = script
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            target.seen.append((self.path, dict(self.headers)))
            path = self.path.partition("?")[0]
            table = answers if isinstance(answers, dict) else {path: answers}
            with contextlib.suppress(OSError):
                self.answer(table.get(path, Reply(b"404 page not found\n", 404, "text/plain")))

        def answer(self, reply: Reply) -> None:
            self.send_response(reply.status)
            for name, value in (("Content-Type", reply.type), *reply.headers):
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            if not reply.drip:
                self.wfile.write(reply.body)
                return
            for at in range(len(reply.body)):
                self.wfile.write(reply.body[at : at + 1])
                if over.wait(0.1):
                    return

        def log_message(self, format: str, *args: object) -> None:
            """Keep quiet: the tests look at standard error."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False
    target = Target(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield target
    finally:
        over.set()
        server.shutdown()
        thread.join()
        server.server_close()


def go_service(heap: Callable[[], bytes] | bytes, **variables: object) -> dict[str, Reply]:
    """The table of a healthy Go service that answers with this heap profile."""
    body = heap if isinstance(heap, bytes) else heap()
    stats = {"HeapAlloc": 20 << 20, "NumGC": 7, "BySize": []} | variables
    text = json.dumps({"cmdline": ["/srv/shop"], "memstats": stats}).encode()
    return {
        HEAP: Reply(body),
        "/debug/vars": Reply(text, type="application/json; charset=utf-8"),
        "/debug/pprof/cmdline": Reply(b"/srv/shop", type="text/plain; charset=utf-8"),
    }
