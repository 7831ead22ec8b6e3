"""Lives of processes: which captures of a target belong to one, and where the next begins."""

from dataclasses import dataclass

from sqlalchemy import BindParameter, RowMapping, bindparam, case, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from memsnap.snapshot import Capture, Process
from memsnap.storage import details
from memsnap.storage.builds import BUILD, Build, Identity, Moved, build_of, lock
from memsnap.storage.records import Slot
from memsnap.storage.tables import builds, processes, snapshots

# A start time is derived from when the machine booted, which moves when its clock is set.
_SAME_START_NS = 2_000_000_000

PROCESS = (
    processes.c.id.label("process"),
    *(processes.c.pid, processes.c.start_time_ns, processes.c.command),
    *(builds.c.go_version, builds.c.go_build_id, builds.c.executable),
    *(builds.c.module, builds.c.module_version, builds.c.vcs_revision),
    builds.c.build_id.label("gnu_build_id"),
)
"""The columns of a life and its build that make a `Process`; see `details.process_of`."""


# Statements are made once: to put one together takes as long as to run it.
_LIVES = (
    select(*PROCESS, *BUILD, processes.c.mappings)
    .select_from(processes)
    .join(builds, builds.c.id == processes.c.build_id)
)
_SAME = _LIVES.where(
    processes.c.target_id == bindparam("target"),
    processes.c.pid == bindparam("pid"),
    processes.c.start_time_ns.between(bindparam("low"), bindparam("high")),
).order_by(processes.c.id.desc())
_NEIGHBOURS = (
    _LIVES.add_columns(snapshots.c.go_num_gc, snapshots.c.go_total_alloc)
    .join(snapshots, processes.c.id == snapshots.c.process_id)
    .where(snapshots.c.target_id == bindparam("target"))
    .limit(1)
)
_BEFORE = _NEIGHBOURS.where(snapshots.c.slot_ns < bindparam("at")).order_by(
    snapshots.c.slot_ns.desc()
)
_AFTER = _NEIGHBOURS.where(snapshots.c.slot_ns > bindparam("at")).order_by(snapshots.c.slot_ns)
_FIRST, _LAST = processes.c.first_slot_ns, processes.c.last_slot_ns
_AT: BindParameter[int] = bindparam("at")
_EXTEND = (
    update(processes)
    .where(processes.c.id == bindparam("process"))
    .values(
        first_slot_ns=case((_FIRST > _AT, _AT), else_=_FIRST),
        last_slot_ns=case((_LAST < _AT, _AT), else_=_LAST),
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """One life of a process, as the store knows it; `mappings` as stored."""

    id: int
    build: Build
    process: Process
    mappings: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What of a capture tells whose it is; the capture is `sane`."""

    slot: Slot
    capture: Capture
    identity: Identity


async def find(connection: AsyncConnection, sighting: Sighting) -> Life | None:
    """Return the life that a capture belongs to, None if it is the first of one.

    A PID and a start time name a process for good.  Where they are unknown, a capture continues
    the life of the one before it, or of the one after, unless something says otherwise.
    """
    process = sighting.capture.process
    place = {"target": sighting.slot.target_id, "at": sighting.slot.at_ns}
    if process.pid is not None and process.start_time_ns is not None:
        low, high = _around(process.start_time_ns)
        same = {"target": sighting.slot.target_id, "pid": process.pid, "low": low, "high": high}
        for named in (await connection.execute(_SAME, same)).mappings():
            if _may_be_build(named, sighting.identity):
                return _life(named)
    row = (await connection.execute(_BEFORE, place)).mappings().first()
    if row and _continues(row, sighting) and not _falls(_counters(row), _own(sighting)):
        return _life(row)
    row = (await connection.execute(_AFTER, place)).mappings().first()
    if row and _continues(row, sighting) and not _falls(_own(sighting), _counters(row)):
        return _life(row)
    return None


async def extend(connection: AsyncConnection, life: Life, slot: Slot) -> None:
    """Let a life include `slot`; raises Moved where retention has just deleted it."""
    done = await connection.execute(_EXTEND, {"process": life.id, "at": slot.at_ns})
    if done.rowcount == 0:
        raise Moved


async def begin(
    connection: AsyncConnection, sighting: Sighting, build: Build, *, mappings: bytes
) -> int:
    """Add a life that begins with this capture, and return its number.

    Raises Moved where another writer has just added it, or retention has deleted the build.
    """
    if await find(connection, sighting) is not None:
        raise Moved
    await lock(connection, build.id)
    own, _ = details.process_columns(sighting.capture.process)
    values = {
        **own,
        "target_id": sighting.slot.target_id,
        "build_id": build.id,
        "mappings": mappings,
        "first_slot_ns": sighting.slot.at_ns,
        "last_slot_ns": sighting.slot.at_ns,
    }
    added = await connection.execute(insert(processes).values(values).returning(processes.c.id))
    number: int = added.scalar_one()
    return number


def _continues(row: RowMapping, sighting: Sighting) -> bool:
    """Whether nothing that both captures know of the process differs."""
    process = sighting.capture.process
    if None not in (row["pid"], process.pid) and row["pid"] != process.pid:
        return False
    if row["start_time_ns"] is not None and process.start_time_ns is not None:
        low, high = _around(row["start_time_ns"])
        if not low <= process.start_time_ns <= high:
            return False
    return _may_be_build(row, sighting.identity)


def _may_be_build(row: RowMapping, identity: Identity) -> bool:
    """Whether the build is the same, or one of the two does not know its own."""
    strong = bool(row["gnu_build_id"] or row["go_build_id"])
    return row["digest"] == identity.digest or not (strong and identity.strong)


def _around(start_ns: int) -> tuple[int, int]:
    return start_ns - _SAME_START_NS, start_ns + _SAME_START_NS


def _own(sighting: Sighting) -> tuple[int | None, int | None]:
    stats = sighting.capture.mem_stats
    return (stats.num_gc, stats.total_alloc) if stats else (None, None)


def _counters(row: RowMapping) -> tuple[int | None, int | None]:
    return row["go_num_gc"], row["go_total_alloc"]


def _falls(earlier: tuple[int | None, ...], later: tuple[int | None, ...]) -> bool:
    """Whether a counter that only ever grows is less at the later capture."""
    return any(
        first is not None and then is not None and then < first
        for first, then in zip(earlier, later, strict=True)
    )


def _life(row: RowMapping) -> Life:
    return Life(
        id=row["process"],
        build=build_of(row),
        process=details.process_of(row),
        mappings=bytes(row["mappings"]),
    )
