"""Measure what a page of a fleet asks: the overview, what holds a heap, and the list of targets.

Usage: python benchmarks/fleet.py [--targets N] [--stores sqlite postgresql] [--keep FOLDER]

A store is filled with a day of captures of each target, one a minute, in the order in which a
daemon takes them, and of the size that those of a real service have (docs/scale.md).  Then the
daemon's own server is asked over HTTP.
"""

import argparse
import asyncio
import contextlib
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from sqlalchemy import text

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "web"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "config"))

import databases
from aiohttp.test_utils import TestClient
from apps import app_of
from builders.captures import CAPTURE, taken
from builders.profiles import Row

from memsnap.snapshot import MemStats, Snapshot
from memsnap.storage.database import Database
from memsnap.storage.migrate import upgrade
from memsnap.storage.partitions import ensure
from memsnap.storage.records import SeenTarget, Slot
from memsnap.storage.snapshots import save
from memsnap.storage.tables import snapshots
from memsnap.storage.targets import register

DAY = 24 * 60
MINUTE_NS = 60 * 10**9
SITES = 450  # whose columns take the 1.4 kB that those of a real service do
RUNS = 9
_STORES = ("sqlite", "postgresql")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--targets", type=int, default=500)
    parser.add_argument("--stores", nargs="+", choices=_STORES, default=_STORES)
    parser.add_argument("--keep", type=Path, help="folder of SQLite's file, which is filled once")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="memsnap-fleet-") as temporary:
        folder = arguments.keep or Path(temporary)
        for kind in arguments.stores:
            with _url(kind, folder / "fleet.db") as url:
                asyncio.run(_measure(kind, url, Path(temporary), targets=arguments.targets))


@contextlib.contextmanager
def _url(kind: str, file: Path) -> Iterator[str]:
    if kind == "sqlite":
        yield f"sqlite:///{file}"
        return
    with databases.postgres({"shared_buffers": "256MB"}) as server:
        yield databases.create(server.url())


async def _measure(kind: str, url: str, folder: Path, *, targets: int) -> None:
    await upgrade(url)
    async with await Database.open(url) as db:
        await _fill(db, targets)
        async with app_of(db, folder, "") as client:
            first = next(iter((await _got(client, "/api/v1/targets", limit=1))[1]["items"]))["id"]
            for path in (
                "/api/v1/overview?since=-{seconds}s",
                "/api/v1/overview",
                "/api/v1/targets",
                f"/api/v1/targets/{first}/series/top",
                f"/api/v1/targets/{first}/timeline",
            ):
                await _print(kind, client, path)


async def _print(kind: str, client: TestClient, path: str) -> None:
    """Ask for a path some times; `{seconds}` in it is another number each time: nothing is kept."""
    times, size = [], 0
    for run in range(RUNS):
        seconds, size = await _timed(client, path.format(seconds=24 * 3600 - run))
        times.append(seconds * 1000)
    cold, *warm = times
    print(
        f"{kind}: {path}: the first time {cold:.0f} ms, then {statistics.median(warm):.0f} ms "
        f"({min(warm):.0f} to {max(warm):.0f}), {size / 1000:.0f} kB of JSON",
        flush=True,
    )


async def _timed(client: TestClient, path: str) -> tuple[float, int]:
    began = time.perf_counter()
    async with client.get(path) as answer:
        body = await answer.read()
    answer.raise_for_status()
    return time.perf_counter() - began, len(body)


async def _got(client: TestClient, path: str, **query: int) -> tuple[int, dict]:
    async with client.get(path, params=query) as answer:
        return answer.status, await answer.json()


# --- the store ------------------------------------------------------------------------------


async def _fill(db: Database, count: int) -> None:
    """Store one capture of each target as the daemon does, and copies of their rows for a day."""
    end_ns = time.time_ns() // MINUTE_NS * MINUTE_NS
    async with db.connect() as connection:
        if (await connection.execute(text("SELECT count(*) FROM targets"))).scalar_one():
            return
    await ensure(db, now_ns=end_ns)
    seen = [
        SeenTarget(
            key=f"http://10.0.{number // 256}.{number % 256}:6060",
            address=f"http://10.0.{number // 256}.{number % 256}:6060",
            service=f"service-{number % 40}",
            source="static",
            labels=(("env", "prod"), ("zone", f"z{number % 3}")),
        )
        for number in range(count)
    ]
    ids = await register(db, seen, now_ns=end_ns)
    start_ns = end_ns - DAY * MINUTE_NS
    for number, target_id in enumerate(ids.values()):
        slot = Slot(target_id=target_id, at_ns=start_ns + number * 10**6)
        await save(db, slot, _snapshot(number), now_ns=slot.at_ns)
    names = [column.name for column in snapshots.c]
    moved = {
        "id": f"id + :n * {count}",
        "slot_ns": f"slot_ns + :n * {MINUTE_NS}",
        "taken_ns": f"taken_ns + :n * {MINUTE_NS}",
        "go_heap_alloc": "go_heap_alloc + :n * 4096 + (:n * 7919 + id) % 1000000",
        "os_rss": "os_rss + :n * 4096",
    }
    columns = ", ".join(moved.get(name, name) for name in names)
    statement = text(
        f"INSERT INTO snapshots ({', '.join(names)}) SELECT {columns} FROM snapshots "
        f"WHERE id <= {count} ORDER BY id"
    )
    for first in range(1, DAY, 60):
        async with db.begin() as connection:
            for number in range(first, min(first + 60, DAY)):
                await connection.execute(statement.bindparams(n=number))
    async with db.begin() as connection:
        await connection.execute(
            text("UPDATE processes SET last_slot_ns = :last"), {"last": end_ns - MINUTE_NS}
        )
    if db.dialect == "postgresql":  # as its autovacuum does
        async with db.plain() as connection:
            await connection.execute(text("VACUUM ANALYZE"))


def _snapshot(number: int) -> Snapshot:
    """Return a capture of a service under load."""
    draw = random.Random(number)
    rows = [
        Row(
            f"main.f{site} f.go:{site} < main.main main.go:5",
            size=16 * (1 + site % 64),
            alloc=draw.randrange(2000, 6000),
            live=draw.randrange(1, 2000),
            type=f"main.T{site % 50}",
            kind="new",
        )
        for site in range(SITES)
    ]
    stats = MemStats(source="expvar", heap_alloc=50_000_000 + number * 65536, num_gc=5)
    process = replace(CAPTURE.process, pid=1000 + number)
    return taken(*rows, capture=replace(CAPTURE, mem_stats=stats, process=process))


if __name__ == "__main__":
    main()
