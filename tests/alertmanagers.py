"""A real Alertmanager: the one of this machine, or Debian's package, fetched once."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

PACKAGE = "prometheus-alertmanager"
_START_S = 30.0


@dataclass(frozen=True)
class Alertmanager:
    """A running one; all its alerts go to `webhook`."""

    address: str

    def alerts(self) -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"{self.address}/api/v2/alerts", timeout=10) as answer:
            return json.loads(answer.read())


def program() -> Path:
    """Return its executable; skips the test where there is none and none can be fetched."""
    for name in (PACKAGE, "alertmanager"):
        if found := shutil.which(name):
            return Path(found)
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(root) / "memsnap-tests" / PACKAGE
    executable = folder / "usr" / "bin" / PACKAGE
    if executable.exists():
        return executable
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        pytest.skip("there is no Alertmanager here, and no apt-get to fetch Debian's")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as place:
        fetched = subprocess.run(
            ["apt-get", "download", PACKAGE], cwd=place, capture_output=True, text=True
        )
        packages = list(Path(place).glob("*.deb"))
        if fetched.returncode or not packages:
            pytest.skip(f"apt-get download {PACKAGE} failed: {fetched.stderr.strip()[-200:]}")
        unpacked = Path(place) / "unpacked"
        subprocess.run(["dpkg-deb", "-x", packages[0], unpacked], check=True)
        _relocate(unpacked)
        with contextlib.suppress(OSError):  # another run was quicker
            unpacked.rename(folder)
    return executable


def _relocate(unpacked: Path) -> None:
    """Let a package that is unpacked, not installed, find its templates below its own folder.

    Debian's build knows them by an absolute path alone; a relative one of the same length takes
    its place, for a process that runs in that folder.
    """
    executable = unpacked / "usr" / "bin" / PACKAGE
    image = executable.read_bytes()
    absolute, relative = b"/usr/share/prometheus/", b"./sr/share/prometheus/"
    assert absolute in image
    assert len(absolute) == len(relative)
    executable.write_bytes(image.replace(absolute, relative))
    (unpacked / "sr").symlink_to("usr")


@contextlib.contextmanager
def running(folder: Path, webhook: str) -> Iterator[Alertmanager]:
    """Run one that forwards what it gets to `webhook` within a second."""
    executable = program()
    receiver = {"name": "all", "webhook_configs": [{"url": webhook}]}
    route = {"receiver": "all", "group_by": ["..."], "group_wait": "100ms", "group_interval": "1s"}
    config = folder / "alertmanager.yml"
    config.write_text(json.dumps({"route": route, "receivers": [receiver]}))  # YAML takes JSON
    port = free_port()
    with (folder / "alertmanager.log").open("wb") as log:
        process = subprocess.Popen(
            [
                executable,
                f"--config.file={config}",
                f"--storage.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--cluster.listen-address=",
            ],
            cwd=executable.parents[2],
            stdout=log,
            stderr=log,
        )
    try:
        started = Alertmanager(f"http://127.0.0.1:{port}")
        deadline = time.monotonic() + _START_S
        while not _is_ready(started.address):
            assert process.poll() is None, (folder / "alertmanager.log").read_text()
            assert time.monotonic() < deadline, "the Alertmanager does not start"
            time.sleep(0.05)
        yield started
    finally:
        process.kill()
        process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _is_ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/-/ready", timeout=5) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False
