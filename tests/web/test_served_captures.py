"""A real daemon on real Go services: its captures through the command line and Go's pprof."""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from daemons import COMMAND, Running, serving, until
from pprof_oracle import Pprof
from services import Service
from toolchains import build_environment

pytestmark = pytest.mark.go

Start = Callable[..., AbstractContextManager[Service]]


@dataclass(frozen=True, slots=True)
class Asking:
    """A daemon with a service that grows, and commands that ask it."""

    daemon: Running
    service: Service
    folder: Path

    def memsnap(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *arguments, "--server", self.daemon.address],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def listed(self, *arguments: str) -> list[dict]:
        done = self.memsnap("list", *arguments, "--json")
        assert done.returncode == 0, done.stderr
        document = json.loads(done.stdout)
        return next(value for value in document.values() if isinstance(value, list))


@pytest.fixture(scope="module")
def asking(service: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asking]:
    """A daemon that has seen a service before it grew, while, and after."""
    folder = tmp_path_factory.mktemp("asking")
    with ExitStack() as stack:
        growing = stack.enter_context(service("map_growth", env={"GODEBUG": "memprofilerate=1024"}))
        config = (
            '[collector]\ninterval = "500ms"\n'
            f'[[target]]\naddress = "{growing.address}"\nname = "growing"\n'
            '[[target]]\naddress = "http://127.0.0.1:1"\nname = "gone"\n'
        )
        daemon = stack.enter_context(serving(folder / "daemon", config))
        asked = Asking(daemon, growing, folder)
        count = 0
        for _ in range(3):
            until(lambda before=count: len(asked.listed("--snapshots")) > before + 1)
            growing.step(3000)
            count = len(asked.listed("--snapshots"))
        until(lambda: len(asked.listed("--snapshots")) > count + 2)
        yield asked


def test_the_targets_of_a_daemon_are_listed(asking: Asking) -> None:
    found = {each["service"]: each for each in asking.listed()}

    assert found.keys() == {"growing", "gone"}
    assert found["growing"]["captures"] > 5
    assert "127.0.0.1:1" in found["gone"]["last_failure"]
    causes = {each["cause"] for each in asking.listed("gone", "--failures")}
    assert "unreachable" in causes
    assert causes <= {"unreachable", "overrun"}  # a busy machine may be late for a slot


def test_a_diff_over_the_network_finds_what_grew(asking: Asking) -> None:
    done = asking.memsnap("diff", "store:growing@first", "store:growing@last", "--json")

    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["findings"]
    assert "main." in json.dumps(document["findings"][0])


@pytest.mark.parametrize("index", ["inuse_space", "inuse_objects", "alloc_space"])
def test_pprof_opens_the_address_of_a_snapshot(asking: Asking, pprof: Pprof, index: str) -> None:
    newest = asking.listed("growing")[0]["id"]
    url = f"{asking.daemon.address}/api/v1/snapshots/{newest}/pprof"
    asking.memsnap("pull", f"store:{newest}", "-o", "newest.snap")

    def printed(source: str) -> str:
        """Return what pprof says; it keeps what it fetches in a folder of ours."""
        done = subprocess.run(
            [pprof.path, "-top", "-symbolize=none", f"-sample_index={index}", source],
            cwd=asking.folder,
            env=build_environment() | {"PPROF_TMPDIR": str(asking.folder)},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    served = printed(url)
    assert served == printed("newest.snap")
    assert "main." in served


def test_a_pulled_capture_has_what_the_service_had(asking: Asking) -> None:
    done = asking.memsnap("pull", "store:growing@last", "-o", "last.snap")
    assert done.returncode == 0, done.stderr
    shown = subprocess.run(
        [*COMMAND, "show", "last.snap", "--json"],
        cwd=asking.folder,
        capture_output=True,
        text=True,
        check=True,
    )

    capture = json.loads(shown.stdout)["capture"]
    assert capture["target"].startswith(asking.service.address)
    assert "gc" in capture


def test_a_series_over_the_network_follows_the_heap(asking: Asking) -> None:
    done = asking.memsnap("series", "growing", "--metric", "heap", "--json")

    document = json.loads(done.stdout)
    (heap,) = document["columns"]
    assert heap["values"][-1] > heap["values"][0]
    assert document["slot_ns"] == sorted(document["slot_ns"])


def test_the_local_store_and_the_server_say_the_same(asking: Asking) -> None:
    number = str(asking.listed("growing")[1]["id"])
    remote = asking.memsnap("top", f"store:{number}", "--json")
    local = subprocess.run(
        [*COMMAND, "top", f"store:{number}", "--json", "--store", "daemon/memsnap.db"],
        cwd=asking.folder,
        capture_output=True,
        text=True,
        check=True,
    )

    assert remote.stdout == local.stdout


def test_health_and_api_are_on_one_port(asking: Asking) -> None:
    assert asking.daemon.get("/healthz")[0] == 200
    status, body = asking.daemon.get("/api/v1/nothing")
    assert (status, json.loads(body)["status"]) == (404, 404)
