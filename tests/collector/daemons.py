"""`memsnap serve` as tests meet it: a process of its own, with a configuration in a file."""

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stored import Stored, in_sqlite

START_S = 60.0
COMMAND = (str(Path(sys.executable).with_name("memsnap")),)


@dataclass(slots=True)
class Running:
    """A daemon; `address` is that of its own server."""

    process: subprocess.Popen[bytes]
    folder: Path
    address: str = ""
    code: int | None = field(default=None)

    @property
    def log(self) -> list[dict[str, Any]]:
        lines = (self.folder / "log").read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def said(self, message: str) -> list[dict[str, Any]]:
        return [line for line in self.log if line["message"] == message]

    def get(self, path: str) -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(self.address + path, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def status(self) -> dict[str, Any]:
        return json.loads(self.get("/readyz")[1])

    def metric(self, name: str, **labels: str) -> float:
        """Return the sum of the samples of `name` with these labels."""
        from prometheus_client.parser import text_string_to_metric_families

        text = self.get("/metrics")[1].decode()
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    def stop(self, number: int = signal.SIGTERM, timeout_s: float = 60) -> int:
        """Ask it to end, and return its exit code."""
        if self.process.poll() is None:
            self.send(number)
        self.code = self.process.wait(timeout_s)
        return self.code


@contextlib.contextmanager
def serving(
    folder: Path, config: str, *arguments: str, ready: bool = True, within: Sequence[str] = ()
) -> Iterator[Running]:
    """Run a daemon in `folder` until the context ends; `config` has no [http] and no [log].

    `within` goes before the command.
    """
    folder.mkdir(exist_ok=True)
    (folder / "config.toml").write_text(with_defaults(config))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*within, *COMMAND, "serve", "--config", "config.toml", *arguments],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=log,
            env=os.environ | {"PYTHONWARNINGS": "error"},
        )
    running = Running(process=process, folder=folder)
    try:
        until(lambda: bool(running.said("serving")) or process.poll() is not None, START_S)
        if process.poll() is None:
            running.address = running.said("serving")[-1]["address"]
        if ready:
            assert process.poll() is None, (folder / "log").read_text()
            until(lambda: running.get("/readyz")[0] == 200, START_S)
        yield running
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def config(
    targets: Sequence[str],
    *,
    interval: str = "1s",
    lease: str = "4s",
    extra: str = "",
    store: str = "",
) -> str:
    """Return a configuration; `extra` is of the table [collector], `store` a URL or keys."""
    listed = "".join(f'\n[[target]]\naddress = "{_at(target)}"\n' for target in targets)
    head = f'url = "{store}"\n' if store and not store.startswith("url") else store
    collector = f'interval = "{interval}"\nlease = "{lease}"\n{extra}\n'
    return f"[store]\n{head}\n[collector]\n{collector}{listed}"


def _at(target: str) -> str:
    return f"{target}/debug/pprof" if "/t/" in target else target


def stored(daemon: Running) -> Stored:
    """Return what is in the daemon's own SQLite store."""
    return in_sqlite(daemon.folder / "memsnap.db")


def with_defaults(config: str) -> str:
    tail = '\n[http]\nlisten = "127.0.0.1:0"\n[log]\nformat = "json"\nlevel = "debug"\n'
    return config + tail


def until(holds: Callable[[], bool], timeout_s: float = 60.0, *, every_s: float = 0.05) -> None:
    """Return once `holds`; fail if it does not in time."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(every_s)


@contextlib.contextmanager
def replaying(*heaps: Path) -> Iterator[str]:
    """Run the replayer and give its address."""
    script = Path(__file__).with_name("replayer.py")
    process = subprocess.Popen(
        [sys.executable, script, *heaps], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            assert selector.select(60), "the replayer does not start"
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        assert process.stdin is not None
        process.stdin.close()
