"""A daemon on real services, as tests of the page see it: one leaks, one idles, one is replaced."""

import json
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from daemons import Running, serving, until
from services import Service
from toolchains import Go

Start = Callable[..., AbstractContextManager[Service]]

CAPTURES = 12
HOSTILE = "<img src=x onerror=alert(1)>"
_PATIENCE_S = 120
_CONFIG = """
[collector]
interval = "1s"
[judging]
every = "1s"
processor-share = 1.0
resolve-after = 500
[[target]]
address = "pid:{leaky}"
name = "leaky"
labels = {{ env = "prod" }}
[[target]]
address = "pid:{calm}"
name = "calm"
labels = {{ env = "stage", note = "{hostile}" }}
[[target]]
address = "http://127.0.0.1:{port}"
name = "replaced"
"""


@dataclass(frozen=True, slots=True)
class Site:
    """A daemon with captures: `leaking` and `replaced` are ids of targets."""

    daemon: Running
    leaking: int
    replaced: int
    captures: list[int]

    @property
    def address(self) -> str:
        return self.daemon.address

    def at(self, view: str) -> str:
        """Return the address of a view."""
        return f"{self.address}/#/{view}"

    @property
    def diff(self) -> str:
        return self.at(f"diff?a={self.captures[0]}&b={self.captures[-1]}")

    def findings(self, **query: str) -> list[dict[str, Any]]:
        """Return the findings of the leaking target that name a function, as the API has them."""
        path = f"/api/v1/findings?{urlencode({'target': self.leaking, **query})}"
        return [each for each in ask(self.daemon, path)["items"] if each["finding"]["function"]]


def ask(daemon: Running, path: str) -> Any:
    """Return what the daemon's API answers."""
    status, body = daemon.get(path)
    assert status == 200, body
    return json.loads(body)


def printed(command: str, go: Go) -> str:
    """Return what a command of Go prints that the page gives to copy."""
    done = subprocess.run(
        ["bash", "-c", command.replace("go ", f"'{go.path}' ", 1)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def collected(service: Start, folder: Path) -> Iterator[Site]:
    """Run a daemon until it has captures, a finding on the leak, and a target of two builds."""
    port = _free_port()
    listen = ("-listen", f"127.0.0.1:{port}")
    with (
        service("goroutine_closure", "-per-second", "80") as leaky,
        service("idle") as calm,
    ):
        config = _CONFIG.format(leaky=leaky.pid, calm=calm.pid, port=port, hostile=HOSTILE)
        with serving(folder, config) as daemon:
            with service("idle", *listen):
                until(lambda: len(_captures(daemon, "replaced")) > 1, _PATIENCE_S)
                before = len(_captures(daemon, "replaced"))
            with service("map_growth", *listen):
                until(lambda: len(_captures(daemon, "replaced")) > before + 1, _PATIENCE_S)
            until(lambda: len(_captures(daemon, "leaky")) >= CAPTURES, _PATIENCE_S)
            captures = _captures(daemon, "leaky")
            site = Site(daemon, _target(daemon, "leaky"), _target(daemon, "replaced"), captures)
            until(lambda: bool(site.findings(verdict="leak")), _PATIENCE_S)
            yield site


def _target(daemon: Running, name: str) -> int:
    items = ask(daemon, "/api/v1/targets")["items"]
    return next((each["id"] for each in items if each["seen"]["service"] == name), 0)


def _captures(daemon: Running, name: str) -> list[int]:
    number = _target(daemon, name)
    if not number:
        return []
    return list(ask(daemon, f"/api/v1/targets/{number}/series?metric=heap")["snapshot_id"])


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
