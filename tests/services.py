"""Go services as tests meet them: started on loopback, driven step by step, always killed."""

import contextlib
import gzip
import http.client
import json
import os
import selectors
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


class ServiceError(Exception):
    """A service that did not start or did not answer as it should."""


@dataclass(frozen=True, slots=True)
class Service:
    """A running service; `address` is `http://host:port` or `unix:/path`."""

    address: str
    pid: int
    program: Path

    def request(self, method: str, path: str, timeout_s: float = 60) -> bytes:
        """Return the body of an answer with status 200."""
        connection = _connect(self.address, timeout_s)
        with contextlib.closing(connection):
            connection.request(method, path, headers={"Accept-Encoding": "identity"})
            answer = connection.getresponse()
            body = answer.read()
        if answer.status != 200:
            raise ServiceError(f"{method} {self.address}{path}: {answer.status} {body[:200]!r}")
        return body

    def get(self, path: str) -> bytes:
        """Return the body behind `path`."""
        return self.request("GET", path)

    def step(self, n: int) -> int:
        """Perform `n` operations, wait for them, and return how many were performed in all."""
        return int(self.request("POST", f"/step?n={n}"))

    def heap(self) -> bytes:
        """Return the heap profile as of a GC forced now: gzip-compressed profile.proto."""
        return self.get("/debug/pprof/heap?gc=1")

    def heap_text(self) -> str:
        """Return the heap profile as of a GC forced now, in Go's legacy text form."""
        return self.get("/debug/pprof/heap?gc=1&debug=1").decode()

    def vars(self) -> dict[str, Any]:
        """Return what expvar publishes: `memstats`, and the scenario's `truth_...`."""
        return json.loads(self.get("/debug/vars"))

    def live_bytes(self) -> int:
        """Return the bytes that the scenario's own count says it holds."""
        return int(self.vars()["truth_live_bytes"])


@contextlib.contextmanager
def running(
    program: Path, *args: str, env: Mapping[str, str] | None = None, timeout_s: float = 30
) -> Iterator[Service]:
    """Run a program that prints `listening ADDRESS` first; kill it at the end, come what may.

    Its standard input is a pipe that nobody writes to: scenarios run with `-until-eof` end when
    it closes, so that none outlives a test run that is killed itself.
    """
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [program, *args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, **(env or {})},
        )
        try:
            line = _first_line(process, timeout_s)
            if not line.startswith("listening "):
                errors.seek(0)
                said = line + errors.read().decode(errors="replace")
                raise ServiceError(f"{program.name} did not start: {said!r}")
            yield Service(line.removeprefix("listening ").strip(), process.pid, program)
        finally:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe:
                    pipe.close()


def save_heap(service: Service, file: Path) -> Path:
    """Write the service's heap profile, as of a GC forced now, and return the file."""
    file.write_bytes(service.heap())
    return file


def unzipped(profile: bytes) -> bytes:
    """Return the bare profile.proto message of a profile as Go sends it."""
    return gzip.decompress(profile)


def _first_line(process: subprocess.Popen[bytes], timeout_s: float) -> str:
    """Return the first line, or what there is of it when the program ends or time is up."""
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        if not selector.select(timeout_s):
            return ""
        return process.stdout.readline().decode()


def _connect(address: str, timeout_s: float) -> http.client.HTTPConnection:
    if not address.startswith("unix:"):
        where = urlsplit(address)
        return http.client.HTTPConnection(where.hostname or "", where.port, timeout=timeout_s)
    connection = http.client.HTTPConnection("localhost", timeout=timeout_s)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(timeout_s)
    connection.sock.connect(address.removeprefix("unix:"))
    return connection
