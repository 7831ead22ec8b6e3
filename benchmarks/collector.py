"""Measure the daemon: what a capture costs it, what the store takes, how fast it is read.

Usage: python benchmarks/collector.py NAME=EXECUTABLE [--captures N] [--only PART ...]

The service is one of those that benchmarks/services.py can run.  It is sent requests for half a
minute while its heap profiles are recorded; then a process replays them as many targets, and
`memsnap serve` collects from those.
"""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import threading
import time
from argparse import Namespace
from pathlib import Path
from urllib.request import urlopen

import services

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "collector"))

import databases
from daemons import Running, config, replaying, serving

from memsnap.analysis.select import Selection
from memsnap.capture.access import DEFAULT_ACCESS
from memsnap.capture.aio import Fetcher
from memsnap.capture.target import parse_target
from memsnap.capture.visit import Options, locate_steps
from memsnap.pprof.reader import read
from memsnap.snapshot import Snapshot
from memsnap.storage.database import Database
from memsnap.storage.history import site_history
from memsnap.storage.migrate import check, upgrade
from memsnap.storage.records import SeenTarget, Slot
from memsnap.storage.snapshots import save
from memsnap.storage.targets import register
from memsnap.storage.usage import db_size

PROFILES = 30  # recorded, a second apart
WARM_UP_S = 5.0
TARGETS = 100
INTERVAL_S = 2.0
SAMPLED_EVERY = 500  # captures
SETTLED = 2_000  # captures, by when caches are full
LOOK_S = 1.0  # between looks at the daemon's metrics, which cost it some milliseconds
DAY = 24 * 60
MINUTE_NS = 60 * 10**9
_TICK = os.sysconf("SC_CLK_TCK")
_PARTS = ("daemon", "history")
_STORES = ("sqlite", "postgresql")


def main() -> None:
    arguments = _arguments()
    name, _, path = arguments.service.partition("=")
    with tempfile.TemporaryDirectory(prefix="memsnap-collector-") as temporary:
        folder = Path(temporary)
        files = sorted(arguments.profiles.glob("*.pb.gz")) if arguments.profiles else []
        files = files or recorded(
            name, Path(path), folder, arguments.profiles or folder, rate=arguments.rate
        )
        sizes = [file.stat().st_size for file in files]
        samples = [len(read(file.read_bytes(), name=file.name).values) for file in files]
        print(
            f"{len(files)} heap profiles of {name}: {statistics.median(samples):.0f} samples, "
            f"{statistics.median(sizes) / 1000:.1f} kB as Go compresses them"
        )
        with databases.postgres() as server:
            for kind in arguments.stores:
                if "daemon" in arguments.only:
                    url = _fresh(kind, folder / "daemon.db", server)
                    with replaying(*files) as address:
                        _daemon(
                            folder / kind, url, address, captures=arguments.captures, sizes=sizes
                        )
                if "history" in arguments.only:
                    url = _fresh(kind, folder / "history.db", server)
                    asyncio.run(_history(kind, url, files))


def _arguments() -> Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("service", metavar="NAME=EXECUTABLE", help=", ".join(services.SERVICES))
    parser.add_argument("--captures", type=int, default=10_000, help="of each daemon (10000)")
    parser.add_argument("--rate", type=int, default=16384, help="bytes per sample of the heap")
    parser.add_argument("--profiles", type=Path, help="folder that keeps the recorded profiles")
    parser.add_argument("--only", nargs="+", choices=_PARTS, default=_PARTS)
    parser.add_argument("--stores", nargs="+", choices=_STORES, default=_STORES)
    arguments = parser.parse_args()
    name, _, path = arguments.service.partition("=")
    if name not in services.SERVICES or not Path(path).is_file():
        parser.error(f"give NAME=EXECUTABLE, with a name of {', '.join(services.SERVICES)}")
    return arguments


def _fresh(kind: str, file: Path, server: databases.Postgres) -> str:
    return f"sqlite:///{file}" if kind == "sqlite" else databases.create(server.url())


def recorded(name: str, executable: Path, folder: Path, kept: Path, *, rate: int) -> list[Path]:
    """Return files in `kept` with heap profiles of a service under load, as it sent them."""
    kept.mkdir(exist_ok=True)
    service = services.SERVICES[name]
    (folder / name).mkdir()
    sampled = folder / "sampled"
    sampled.write_text(
        f'#!/bin/sh\nGODEBUG=memprofilerate={rate} exec {executable.resolve()} "$@"\n'
    )
    sampled.chmod(0o755)
    run = Namespace(every_object=False)
    with services._running(service, sampled, folder / name, run) as (pid, ports):
        seconds = WARM_UP_S + 1.5 * PROFILES
        load = threading.Thread(target=services._load, args=(service, ports, seconds))
        load.start()
        time.sleep(WARM_UP_S)
        url = asyncio.run(_heap_url(pid))
        files = []
        for number in range(PROFILES):
            files.append(kept / f"{number:02d}.pb.gz")
            with urlopen(url, timeout=60) as answer:
                files[-1].write_bytes(answer.read())
            time.sleep(1)
        load.join()
    return files


async def _heap_url(pid: int) -> str:
    async with Fetcher() as fetcher:
        place = await fetcher.run(locate_steps(parse_target(f"pid:{pid}"), DEFAULT_ACCESS))
    return f"{place.endpoint.origin}{place.endpoint.prefix}/heap?gc=1"


# --- the daemon -----------------------------------------------------------------------------


def _daemon(folder: Path, url: str, address: str, *, captures: int, sizes: list[int]) -> None:
    targets = [f"{address}/t/{number}" for number in range(TARGETS)]
    extra = "types = false\nper-host = 16\ngoroutines-every = 0"
    text = config(targets, interval=f"{INTERVAL_S}s", lease="60s", extra=extra, store=url)
    rows = []
    with serving(folder, text, "--migrate") as daemon:
        for wanted in [*range(SAMPLED_EVERY, captures, SAMPLED_EVERY), captures]:
            while _captured(daemon) < wanted:
                time.sleep(LOOK_S)
            rows.append(_row(daemon, url))
        daemon.stop()
    kind = url.partition(":")[0]
    first, half, last = rows[len(rows) // 10], rows[len(rows) // 2], rows[-1]
    count = last["captures"] - first["captures"]
    print(f"{kind}, {TARGETS} targets, one capture each {INTERVAL_S:g} s, types off:")
    if count:
        cost = (last["cpu_s"] - first["cpu_s"]) / count
        print(f"  {cost * 1000:.1f} ms of CPU a capture: {1 / cost:.0f} captures/s per core")
        stored = (last["used"] - half["used"]) / max(last["captures"] - half["captures"], 1)
        blob = statistics.median(sizes)
        print(f"  {stored:.0f} bytes a capture, all in: 1/{blob / stored:.1f} of the gzip profile")
    for row in rows:
        print(f"  RSS {row['rss'] / 1e6:6.1f} MB at {row['captures']:6.0f} captures")
    settled = [row for row in rows if row["captures"] >= SETTLED]
    if len(settled) > 1:
        slope = statistics.linear_regression(
            [row["captures"] / 1000 for row in settled], [row["rss"] / 1e6 for row in settled]
        ).slope
        print(f"  {slope:+.2f} MB per 1,000 captures after the first {SETTLED:,}")


def _captured(daemon: Running) -> float:
    return daemon.metric("memsnap_captures_total")


def _row(daemon: Running, url: str) -> dict[str, float]:
    fields = Path(f"/proc/{daemon.process.pid}/stat").read_text().rpartition(")")[2].split()
    status = Path(f"/proc/{daemon.process.pid}/status").read_text()
    rss = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
    return {
        "captures": _captured(daemon),
        "cpu_s": (int(fields[11]) + int(fields[12])) / _TICK,
        "rss": int(rss) * 1024,
        "used": asyncio.run(_used(url)),
    }


async def _used(url: str) -> int:
    async with await Database.open(url, read_only=True) as db:
        return (await db_size(db)).used_bytes


# --- reading a day --------------------------------------------------------------------------


async def _history(kind: str, url: str, files: list[Path]) -> None:
    await upgrade(url)
    async with await Database.open(url) as db:
        await check(db)
        with replaying(*files) as address:
            snapshots = await _snapshots(address, len(files))
        end_ns = time.time_ns() // MINUTE_NS * MINUTE_NS
        target = await _fill(db, snapshots, end_ns)
        selection = Selection(function=_largest(snapshots[0]))
        times = []
        for turn in range(9):
            if turn == 1:
                cpu = time.process_time()
            began = time.perf_counter()
            history = await site_history(
                db, target, since_ns=end_ns - DAY * MINUTE_NS, until_ns=end_ns, match=selection
            )
            times.append(time.perf_counter() - began)
        assert len(history) == DAY
    first, *rest = times
    cpu_s = (time.process_time() - cpu) / len(rest)
    print(
        f"{kind}: 24 h of one site at a capture a minute ({DAY} captures): "
        f"{statistics.median(rest) * 1000:.0f} ms ({cpu_s * 1000:.0f} ms of CPU), the first time "
        f"{first * 1000:.0f} ms"
    )


async def _snapshots(address: str, count: int) -> list[Snapshot]:
    target = parse_target(f"{address}/t/1/debug/pprof")
    options = Options(warm_up=False, goroutines=False)
    async with Fetcher() as fetcher:
        return [(await fetcher.capture(target, options=options))[0] for _ in range(count)]


async def _fill(db: Database, snapshots: list[Snapshot], end_ns: int) -> int:
    seen = SeenTarget(key="a", address="a", service="a", source="static", labels={})
    target = (await register(db, [seen], now_ns=end_ns))["a"]
    for number in range(DAY):
        at_ns = end_ns - (DAY - number) * MINUTE_NS
        slot = Slot(target_id=target, at_ns=at_ns)
        await save(db, slot, snapshots[number % len(snapshots)], now_ns=at_ns)
    return target


def _largest(snapshot: Snapshot) -> str:
    """Return the function that allocated most of what lives, as --in takes it."""
    heap = snapshot.heap
    largest = int(heap.values[:, 3].argmax())
    location = heap.stack[heap.stack_start[largest]]
    function = heap.locations.line_function[heap.locations.line_start[location]]
    return heap.strings[heap.functions.name[function]]


if __name__ == "__main__":
    main()
