"""What is in a store, read with plain SQL rather than with memsnap."""

import asyncio
import contextlib
import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

_QUERIES = {
    "targets": "SELECT id, key, address, service FROM targets",
    "processes": "SELECT id, target_id, build_id, pid FROM processes",
    "snapshots": "SELECT id, target_id, process_id, slot_ns, stored_ns, reason FROM snapshots",
    "failures": "SELECT target_id, slot_ns, cause, message FROM failures",
}
Row = dict[str, Any]


@dataclass(frozen=True)
class Stored:
    """The rows of a store; targets are named by the beginning of their address."""

    targets: Sequence[Row]
    processes: Sequence[Row]
    snapshots: Sequence[Row]
    failures: Sequence[Row]
    file: Path | None = None

    @classmethod
    def of(cls, url: str) -> "Stored":
        """Read a PostgreSQL store."""
        return cls(**asyncio.run(_rows(url)))

    def _ids(self, address: str) -> set[int]:
        return {row["id"] for row in self.targets if _names(row["address"], address)}

    def slots(self, address: str) -> list[int]:
        """Return the slots of the schedule that have a snapshot, in order."""
        ids = self._ids(address)
        return sorted(
            row["slot_ns"]
            for row in self.snapshots
            if row["target_id"] in ids and row["reason"] == "schedule"
        )

    def causes(self, address: str) -> set[str]:
        ids = self._ids(address)
        return {row["cause"] for row in self.failures if row["target_id"] in ids}

    def gaps(self, address: str, *, interval_s: float) -> list[int]:
        """Return slots between the first and the last that are neither stored nor in the audit."""
        ids = self._ids(address)
        rows = (*self.snapshots, *self.failures)
        known = {row["slot_ns"] for row in rows if row["target_id"] in ids}
        step = round(interval_s * 1e9)
        return [slot for slot in range(min(known), max(known), step) if slot not in known]

    def reasons(self) -> list[str]:
        return [row["reason"] for row in self.snapshots]

    def missing(self, *, interval_s: float) -> list[tuple[str, int]]:
        """Return the `gaps` of all targets."""
        return [
            (row["address"], slot)
            for row in self.targets
            for slot in self.gaps(row["address"], interval_s=interval_s)
        ]

    def twice(self) -> list[tuple[int, int]]:
        """Return target and slot of what is stored more than once."""
        slots = Counter((row["target_id"], row["slot_ns"]) for row in self.snapshots)
        return [slot for slot, count in slots.items() if count > 1]

    def longest_delay_s(self, *, since_ns: int) -> float:
        """Return how long after its slot a capture was stored at most: in a turn, or taken over."""
        late = [row for row in self.snapshots if row["stored_ns"] > since_ns]
        return max(row["stored_ns"] - row["slot_ns"] for row in late) / 1e9

    def longest_pause_s(self, *, since_ns: int) -> float:
        """Return the longest time in which a target got no new capture, of all targets."""
        times: dict[int, list[int]] = {row["id"]: [since_ns] for row in self.targets}
        for row in self.snapshots:
            if row["stored_ns"] > since_ns:
                times[row["target_id"]].append(row["stored_ns"])
        last = max(max(each) for each in times.values())
        pauses = (pairwise([*sorted(each), last]) for each in times.values())
        return max(after - before for each in pauses for before, after in each) / 1e9

    def lives(self) -> set[tuple[int, int]]:
        """Return target and process of every process life that has a snapshot."""
        return {(row["target_id"], row["process_id"]) for row in self.snapshots}

    def integrity(self) -> str:
        assert self.file is not None
        with contextlib.closing(sqlite3.connect(self.file)) as connection:
            return connection.execute("PRAGMA integrity_check").fetchone()[0]


def in_sqlite(file: Path) -> Stored:
    """Read an SQLite store; an empty one where there is none yet."""
    if not file.exists():
        return Stored([], [], [], [])
    with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        connection.execute("BEGIN")
        rows = {
            name: [dict(row) for row in connection.execute(query)]
            for name, query in _QUERIES.items()
        }
    return Stored(**rows, file=file)


def _names(address: str, wanted: str) -> bool:
    return address == wanted or address.startswith(f"{wanted}/")


async def _rows(url: str) -> dict[str, list[Row]]:
    import asyncpg

    connection = await asyncpg.connect(url)
    try:
        return {
            name: [dict(row) for row in await connection.fetch(query)]
            for name, query in _QUERIES.items()
        }
    finally:
        await connection.close()
