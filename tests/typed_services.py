"""A service whose types are known: it keeps the requests, and the JSON, that it is sent."""

import http.client
import json
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import toolchains
from services import Service

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


def program(*flags: str) -> Path:
    """Return the executable of the service, built with these flags."""
    return toolchains.current().build(PROGRAMS / "requests", flags=flags)


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
