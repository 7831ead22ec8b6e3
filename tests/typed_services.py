"""A service whose types are known: it keeps the requests, and the JSON, that it is sent."""

import functools
import http.client
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import toolchains
from services import Service, running

PROGRAMS = Path(__file__).parent / "typed_programs"
STRIPPED = ("-ldflags=-s -w",)
PIE = ("-buildmode=pie",)
EVERY_OBJECT = {"GODEBUG": "memprofilerate=1"}
"""Environment in which a service samples every allocation: small ones show too."""
KEPT = 40

_ORDER = {
    "ID": 1,
    "Lines": [{"Name": "a line of an order", "Price": 1.5, "Note": {"Text": "fragile"}}],
    "Next": {"ID": 2},
    "Tags": {"urgent": "yes"},
}


def program(*flags: str, go: toolchains.Go | None = None) -> Path:
    """Return the executable of the service, built with these flags."""
    return (go or toolchains.current()).build(PROGRAMS / "requests", flags=flags)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a filled service sent, and the executable that ran."""

    executable: Path
    proto: bytes
    text: bytes


@functools.cache
def recorded(*flags: str) -> Recorded:
    """Return the heap profiles of the service, built with these flags and filled."""
    return record(program(*flags))


def record(executable: Path) -> Recorded:
    """Return the heap profiles of the service, filled."""
    with running(executable, env=EVERY_OBJECT) as service:
        fill(service)
        return Recorded(executable, service.heap(), service.heap_text().encode())


def fill(service: Service, count: int = KEPT) -> None:
    """Send `count` requests each of those that are kept, copied and decoded."""
    _send(service, [("GET", "/keep", b"")] * count)
    _send(service, [("GET", "/tag", b"")] * count)
    _send(service, [("POST", "/decode", json.dumps(_ORDER).encode())] * count)


def _send(service: Service, requests: Sequence[tuple[str, str, bytes]]) -> None:
    where = urlsplit(service.address)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=60)
    try:
        for method, path, body in requests:
            connection.request(method, path, body=body)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200
    finally:
        connection.close()
