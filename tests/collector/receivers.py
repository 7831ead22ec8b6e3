"""A real HTTP server that takes alerts, and answers as it is told to."""

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Received:
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class Receiver:
    """What arrived, in order; `answers` are used up one a request, then it is 200."""

    address: str = ""
    arrived: list[Received] = field(default_factory=list)
    taken: list[Received] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    refuses: bool = False  # all, with 503

    def texts(self) -> list[str]:
        """What messages that were taken say in one line."""
        return [each.body["text"] for each in self.taken]


@contextlib.contextmanager
def receiving(port: int = 0) -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            message = Received(self.path, dict(self.headers), body)
            receiver.arrived.append(message)
            status, headers = receiver.answers.pop(0) if receiver.answers else (200, {})
            if receiver.refuses:
                status = 503
            if status == 200:
                receiver.taken.append(message)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        receiver.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
