"""What goes wrong around the daemon, done to it for real: it goes on, and says what is missing."""

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import databases
import pytest
from daemons import config, serving, stored, until
from services import running
from stored import Stored, in_sqlite

from memsnap.collector.daemon import Daemon
from memsnap.collector.discovery.loading import target_settings
from memsnap.config.settings import Settings
from memsnap.storage.database import Database
from memsnap.storage.migrate import check
from memsnap.storage.spool import Spool

SECOND = 1_000_000_000
HOUR = 3600 * SECOND


# --- the disk -------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MB, for whoever may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", disk]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_full_disk_stops_nothing_and_captures_go_on_once_there_is_room(
    replayed: str, small_disk: Path
) -> None:
    ballast = small_disk / "ballast"
    folder = small_disk / "daemon"
    targets = [f"{replayed}/t/{number}" for number in range(8)]
    with serving(folder, config(targets)) as daemon:
        until(lambda: len(stored(daemon).snapshots) >= 8)
        with contextlib.suppress(OSError), ballast.open("wb") as file:
            while file.write(bytes(4096)):
                file.flush()
        until(lambda: daemon.metric("memsnap_store_up") == 0)
        assert daemon.get("/readyz")[0] == 503
        assert daemon.get("/healthz")[0] == 200
        full_ns = time.time_ns()

        ballast.unlink()
        until(lambda: daemon.metric("memsnap_store_up") == 1)
        until(lambda: sum(row["slot_ns"] > full_ns for row in stored(daemon).snapshots) >= 16)
        until(lambda: daemon.get("/readyz")[0] == 200)
        assert daemon.stop() == 0

    found = in_sqlite(folder / "memsnap.db")
    assert found.integrity() == "ok"
    assert found.missing(interval_s=1) == []


# --- targets --------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_five_hundred_targets_of_which_half_are_dead_leave_the_others_their_slots(
    replayed: str, tmp_path: Path
) -> None:
    dead = _dead_addresses(250)
    live = [f"{replayed}/t/{number}" for number in range(250)]
    extra = 'timeout = "5s"\nper-host = 64\nconcurrency = 64'
    text = config([*live, *dead], interval="20s", lease="20s", extra=extra)
    with serving(tmp_path / "daemon", text) as daemon:
        until(lambda: _least(stored(daemon), live) >= 4, 300)
        tries = daemon.metric("memsnap_capture_failures_total", cause="unreachable")
        assert daemon.stop() == 0

    found = stored(daemon)
    assert [found.gaps(address, interval_s=20) for address in live] == [[]] * 250
    # At the start all are due at once, and a visit may take until the next slot.
    assert all({"unreachable"} <= found.causes(each) <= {"unreachable", "overrun"} for each in dead)
    # Four slots or more each, of which a target in its backoff skips the third.
    assert 250 <= tries < 250 * 4


def _least(found: Stored, addresses: Sequence[str]) -> int:
    counts = dict.fromkeys(addresses, 0)
    names = {row["id"]: row["address"].removesuffix("/debug/pprof") for row in found.targets}
    for row in found.snapshots:
        counts[names[row["target_id"]]] += 1
    return min(counts.values())


def _dead_addresses(count: int) -> list[str]:
    """Return addresses of this machine's loopback at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    return [
        f"http://127.0.{1 + number // 200}.{1 + number % 200}:{port}" for number in range(count)
    ]


def test_a_target_that_restarts_with_a_new_build_begins_a_new_life_of_the_same_target(
    scenarios: dict[str, Path], tmp_path: Path
) -> None:
    program = tmp_path / "service"
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    url = f"http://{address}"
    with serving(tmp_path / "daemon", config([url], extra='backoff-max = "1s"')) as daemon:
        for lives, name in enumerate(("map_growth", "append_global"), 1):
            program.unlink(missing_ok=True)
            shutil.copy(scenarios[name], program)
            with running(program, "-until-eof", "-listen", address) as service:
                until(lambda lives=lives: len(stored(daemon).lives()) >= lives)
            process = max(stored(daemon).processes, key=lambda row: row["id"])
            assert process["pid"] == service.pid
        assert daemon.stop() == 0

    found = stored(daemon)
    assert len({row["build_id"] for row in found.processes}) == 2
    assert len({row["target_id"] for row in found.processes}) == 1
    assert "unreachable" in found.causes(url)
    assert found.gaps(url, interval_s=1) == []


# --- the clock ------------------------------------------------------------------------------


@dataclass
class Clock:
    """The real time, and how far it was set since."""

    ahead_ns: int = 0

    def __call__(self) -> int:
        return time.time_ns() + self.ahead_ns


@pytest.mark.parametrize("jump_ns", [-HOUR, HOUR], ids=["back", "ahead"])
async def test_a_clock_that_is_set_stops_no_target(
    replayed: str, tmp_path: Path, jump_ns: int
) -> None:
    """The machine's own clock cannot be set for a test: the daemon's is, in this process."""
    clock = Clock()
    address = f"{replayed}/t/a/debug/pprof"
    settings = _settings([address], interval_s=1.0)
    file = tmp_path / "memsnap.db"
    async with await Database.open(str(file)) as db:
        await check(db, create=True)
        with Spool(tmp_path / "spool", max_bytes=1 << 20) as spool:
            daemon = Daemon(settings, db, spool, clock=clock)
            work = asyncio.create_task(daemon.run())
            await _until(lambda: len(in_sqlite(file).snapshots) >= 2)
            clock.ahead_ns = jump_ns
            before = len(in_sqlite(file).snapshots)
            await _until(lambda: len(in_sqlite(file).snapshots) >= before + 3)
            assert daemon.status().problems == ()
            daemon.stop()
            await work

    slots = [row["slot_ns"] for row in in_sqlite(file).snapshots]
    assert len(slots) == len(set(slots))
    assert max(slots) - min(slots) > HOUR - 60 * SECOND
    # Of an hour that nobody lived through, the audit has its last slots and no more.
    assert len(in_sqlite(file).failures) <= 110


async def test_slots_that_a_dead_target_was_spared_are_no_overrun_to_the_next_collector(
    tmp_path: Path,
) -> None:
    (dead,) = _dead_addresses(1)
    settings = _settings([dead], interval_s=0.5)
    file = tmp_path / "memsnap.db"
    async with await Database.open(str(file)) as db:
        await check(db, create=True)
        for failures in (4, 5):  # at slots 0, 1, 3 and 7; the next collector comes before 15
            with Spool(tmp_path / "spool", max_bytes=1 << 20) as spool:
                daemon = Daemon(settings, db, spool)
                work = asyncio.create_task(daemon.run())
                await _until(lambda most=failures: len(in_sqlite(file).failures) >= most)
                await asyncio.sleep(1.0)  # another slot or two that are left out
                daemon.stop()
                await work

    assert in_sqlite(file).causes(dead) == {"unreachable"}


def _settings(targets: Sequence[str], *, interval_s: float) -> Settings:
    from dataclasses import replace

    settings = target_settings(targets, {})
    collector = replace(settings.collector, interval_s=interval_s, types=False)
    return replace(settings, collector=collector)


async def _until(holds, timeout_s: float = 60.0) -> None:
    await asyncio.to_thread(until, holds, timeout_s)


# --- the database ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server() -> Iterator[databases.Postgres]:
    """A server to stop; each test leaves it running."""
    with databases.postgres() as running:
        yield running


@pytest.mark.postgres
def test_captures_wait_on_disk_while_postgresql_is_away(
    replayed: str, tmp_path: Path, server: databases.Postgres
) -> None:
    targets = [f"{replayed}/t/{n}" for n in range(5)]
    url = databases.create(server.url())
    with serving(tmp_path / "daemon", config(targets, store=url), "--migrate") as daemon:
        until(lambda: daemon.metric("memsnap_captures_total") >= 10)
        server.stop()
        until(lambda: daemon.metric("memsnap_spool_files") >= 10)
        assert daemon.get("/readyz")[0] == 503
        assert daemon.get("/healthz")[0] == 200
        server.start()
        until(lambda: daemon.metric("memsnap_spool_files") == 0, 60)
        until(lambda: daemon.get("/readyz")[0] == 200)
        captured = daemon.metric("memsnap_captures_total")
        assert daemon.stop() == 0
    found = Stored.of(url)
    assert len(found.snapshots) >= captured
    for target in targets:
        assert found.gaps(target, interval_s=1) == []


@pytest.mark.postgres
def test_a_database_away_for_longer_than_the_spool_has_room_costs_the_oldest_and_says_so(
    replayed: str, tmp_path: Path, server: databases.Postgres
) -> None:
    targets = [f"{replayed}/t/{number}" for number in range(5)]
    url = databases.create(server.url())
    text = config(targets, store=f'url = "{url}"\nspool-max-size = "100kB"\n')
    with serving(tmp_path / "daemon", text, "--migrate") as daemon:
        until(lambda: daemon.metric("memsnap_captures_total") >= 5)
        server.stop()
        until(lambda: daemon.metric("memsnap_spool_dropped_total") >= 3)
        server.start()
        until(lambda: daemon.metric("memsnap_spool_files") == 0)
        until(lambda: daemon.get("/readyz")[0] == 200)
        assert daemon.stop() == 0

    found = Stored.of(url)
    assert "spool-full" in {row["cause"] for row in found.failures}
    assert found.missing(interval_s=1) == []


@pytest.mark.postgres
def test_a_daemon_killed_while_it_spools_stores_later_what_it_had_on_disk(
    replayed: str, tmp_path: Path, server: databases.Postgres
) -> None:
    dead, *_ = _dead_addresses(1)
    targets = [*(f"{replayed}/t/{number}" for number in range(5)), dead]
    folder = tmp_path / "daemon"
    url = databases.create(server.url())
    text = config(targets, store=url, extra='backoff-max = "1s"')
    with serving(folder, text, "--migrate") as daemon:
        until(lambda: daemon.metric("memsnap_captures_total") >= 5)
        server.stop()
        until(lambda: daemon.metric("memsnap_spool_files") >= 5)
        until(lambda: daemon.metric("memsnap_audit_waiting") >= 2)
        daemon.stop(signal.SIGKILL)
    waiting = {
        int(match[1])
        for file in (folder / "memsnap-spool").iterdir()
        if (match := re.match(r"(\d{19})-.*\.snap$", file.name))
    }
    assert len(waiting) >= 5
    failed = {
        json.loads(line)["slot_ns"]
        for file in (folder / "memsnap-spool").glob("failures-*.jsonl")
        for line in file.read_text().splitlines()
    }
    assert len(failed) >= 2

    server.start()
    with serving(folder, text) as daemon:
        until(lambda: daemon.metric("memsnap_spool_files") == 0)
        until(lambda: daemon.metric("memsnap_audit_waiting") == 0)
        assert daemon.stop() == 0
    found = Stored.of(url)
    assert waiting <= {row["slot_ns"] for row in found.snapshots}
    assert failed <= {row["slot_ns"] for row in found.failures}
    assert found.twice() == []


# --- other collectors -----------------------------------------------------------------------


@pytest.mark.postgres
def test_of_two_collectors_that_claim_the_same_target_one_visits_it(
    replayed: str, tmp_path: Path, postgres_empty: str
) -> None:
    target = f"{replayed}/t/only"
    text = config([target], store=postgres_empty, interval="1s", lease="30s")
    with (
        serving(tmp_path / "first", text, "--migrate") as first,
        serving(tmp_path / "second", text) as second,
    ):
        until(lambda: len(Stored.of(postgres_empty).slots(target)) >= 4)
        held = [each.metric("memsnap_leases_held") for each in (first, second)]
        assert sorted(held) == [0, 1]
        until(lambda: first.metric("memsnap_captures_running") == 0)
        captured = [each.metric("memsnap_captures_total") for each in (first, second)]
        assert sorted(captured)[0] == 0
        assert first.stop() == second.stop() == 0

    found = Stored.of(postgres_empty)
    assert found.twice() == []
    assert found.gaps(target, interval_s=1) == []


def become(replayed: str, target: str, behaviour: str) -> None:
    """Make a replayed target behave otherwise from now on."""
    urlopen(f"{replayed}/t/{target}/become/{behaviour}", data=b"", timeout=60).close()


def test_a_target_that_hangs_and_comes_back_is_visited_again(replayed: str, tmp_path: Path) -> None:
    extra = 'timeout = "1s"\nbackoff-max = "2s"'
    with serving(tmp_path / "daemon", config([f"{replayed}/t/a"], extra=extra)) as daemon:
        until(lambda: bool(stored(daemon).slots(f"{replayed}/t/a")))
        become(replayed, "a", "hang")
        until(lambda: "timeout" in stored(daemon).causes(f"{replayed}/t/a"))
        before = len(stored(daemon).slots(f"{replayed}/t/a"))
        become(replayed, "a", "well")
        until(lambda: len(stored(daemon).slots(f"{replayed}/t/a")) > before)
        assert daemon.stop() == 0
