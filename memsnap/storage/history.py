"""How a site, a type or a counter went over time: read from many captures at once."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Select, select

from memsnap.analysis.select import Selection
from memsnap.errors import UsageError
from memsnap.pprof.profile import Int64s
from memsnap.storage import builds, columns, matching
from memsnap.storage.columns import RawSamples
from memsnap.storage.database import Database
from memsnap.storage.sites import Sites, object_bytes
from memsnap.storage.tables import processes, snapshots

_AT_ONCE = 500_000  # samples whose values are computed together, some 40 MB

Float64s = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class History:
    """Columns with a row per capture, by slot: what the matching sites held and had allocated.

    Estimates, as Go writes them: objects and bytes that are live, and those allocated since the
    process started, which begin anew where `process_id` changes.
    """

    slot_ns: Int64s
    snapshot_id: Int64s
    process_id: Int64s
    live_objects: Int64s
    live_bytes: Int64s
    alloc_objects: Int64s
    alloc_bytes: Int64s

    def __len__(self) -> int:
        return len(self.slot_ns)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StatsHistory:
    """Plain columns of a target's captures, by slot; `values[name]` is NaN where unknown."""

    slot_ns: Int64s
    snapshot_id: Int64s
    process_id: Int64s
    values: dict[str, Float64s]


async def site_history(
    db: Database,
    target_id: int,
    *,
    since_ns: int | None = None,
    until_ns: int | None = None,
    match: Selection,
) -> History:
    """Return how much the sites that `match` means held, over all captures of a target.

    `until_ns` is exclusive; `min_bytes` is not looked at.  Raises UsageError, with the nearest
    names, where nothing in any build of these captures matches, and FormatError where a row is
    damaged.
    """
    query = _rows(target_id, since_ns, until_ns).add_columns(
        *(processes.c.build_id, snapshots.c.sampling_rate, snapshots.c.samples)
    )
    async with db.connect() as connection:
        rows = (await connection.execute(query)).all()
        wanted = {row.build_id for row in rows}
        dictionaries = {build: await builds.whole(connection, build) for build in wanted}
    return await asyncio.to_thread(_site_history, rows, dictionaries, match)


async def stats_history(
    db: Database,
    target_id: int,
    names: Sequence[str],
    *,
    since_ns: int | None = None,
    until_ns: int | None = None,
) -> StatsHistory:
    """Return plain columns of a target's captures: `go_heap_alloc`, `os_rss`, `goroutines`, ...

    Raises UsageError for a column that there is not.
    """
    known = {each.name for each in snapshots.c if each.name.startswith(("go_", "os_"))}
    known |= {"goroutines", "taken_ns", "stored_bytes", "samples_count"}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UsageError(
            f"there is no column {unknown[0]!r}", hint=f"there are {', '.join(sorted(known))}"
        )
    query = _rows(target_id, since_ns, until_ns).add_columns(*(snapshots.c[name] for name in names))
    async with db.connect() as connection:
        rows = (await connection.execute(query)).all()
    return StatsHistory(
        **_places(rows),
        values={
            name: np.array([row[place] for row in rows], np.float64)
            for place, name in enumerate(names, start=3)
        },
    )


def _rows(target_id: int, since_ns: int | None, until_ns: int | None) -> Select[Any]:
    query = (
        select(snapshots.c.slot_ns, snapshots.c.id, snapshots.c.process_id)
        .join(processes, processes.c.id == snapshots.c.process_id)
        .where(snapshots.c.target_id == target_id)
        .order_by(snapshots.c.slot_ns)
    )
    if since_ns is not None:
        query = query.where(snapshots.c.slot_ns >= since_ns)
    if until_ns is not None:
        query = query.where(snapshots.c.slot_ns < until_ns)
    return query


def _places(rows: Sequence[Any]) -> dict[str, Int64s]:
    names = ("slot_ns", "snapshot_id", "process_id")
    return {
        name: np.array([row[place] for row in rows], np.int64) for place, name in enumerate(names)
    }


def _site_history(rows: Sequence[Any], dictionaries: dict[int, Sites], match: Selection) -> History:
    matched = {build: matching.match(sites, match) for build, sites in dictionaries.items()}
    missed = [each.missed for each in matched.values() if each.missed]
    if matched and len(missed) == len(matched):
        raise matching.nothing_matches(
            *missed[0], {name for each in matched.values() for name in each.known}
        )
    sums = _Sums(len(rows), dictionaries)
    for at, row in enumerate(rows):
        raw = columns.decode(row.samples)
        hits = np.flatnonzero(matched[row.build_id].chosen[raw.sites])
        sums.add(at, raw.taken(hits), build=row.build_id, rate=row.sampling_rate)
    totals = sums.finished()
    return History(
        **_places(rows),
        alloc_objects=totals[:, 0],
        alloc_bytes=totals[:, 1],
        live_objects=totals[:, 2],
        live_bytes=totals[:, 3],
    )


class _Sums:
    """Adds up the values of samples by capture and role, many captures at once."""

    def __init__(self, captures: int, dictionaries: dict[int, Sites]) -> None:
        self._sums = np.zeros(
            (captures, len(columns.ROLES) + 1), np.int64
        )  # others go into the last
        self._sizes = {build: object_bytes(sites) for build, sites in dictionaries.items()}
        self._scales: dict[tuple[int, int], Float64s] = {}
        self._kind: tuple[int, int, tuple[int, ...]] | None = None
        self._waiting: list[tuple[int, RawSamples]] = []
        self._samples = 0

    def add(self, capture: int, samples: RawSamples, *, build: int, rate: int) -> None:
        """Count samples of one capture in."""
        kind = (build, rate, tuple(samples.roles.tolist()))
        if kind != self._kind or self._samples > _AT_ONCE:
            self._flush()
            self._kind = kind
        self._waiting.append((capture, samples))
        self._samples += len(samples.sites)

    def finished(self) -> Int64s:
        """Return the sums, one row per capture."""
        self._flush()
        return self._sums

    def _flush(self) -> None:
        if self._kind is None or not self._samples:
            self._waiting.clear()
            return
        build, rate, _ = self._kind
        if (build, rate) not in self._scales:
            self._scales[build, rate] = columns.scales(self._sizes[build], rate)
        every = columns.joined([samples for _, samples in self._waiting])
        values = every.values(
            self._sizes[build][every.sites], self._scales[build, rate][every.sites]
        )
        running = np.zeros((len(values) + 1, values.shape[1]), np.int64)
        np.cumsum(values, axis=0, out=running[1:])
        ends = np.cumsum([0, *(len(samples.sites) for _, samples in self._waiting)])
        captures = np.array([capture for capture, _ in self._waiting])
        sums = running[ends[1:]] - running[ends[:-1]]
        for column, role in enumerate(every.roles.tolist()):
            self._sums[captures, role] = sums[:, column]
        self._waiting.clear()
        self._samples = 0
