"""How every target of a store goes, in a few numbers each: what an overview of a fleet shows.

The store of a day holds a thousand captures a target; an overview reads only those that begin a
step of its time axis.  Which these are the index on targets and slots tells alone; each is then
read once.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    CompoundSelect,
    func,
    literal,
    select,
    true,
    tuple_,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from memsnap.storage.database import Database
from memsnap.storage.idlists import among
from memsnap.storage.tables import snapshots, targets

Number = int | None

_SECOND_NS = 10**9
_STEPS_S = (
    *(1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800),
    *(3600, 7200, 10_800, 14_400, 21_600, 28_800, 43_200, 86_400),
)
_COLUMNS = (
    *(snapshots.c.target_id, snapshots.c.slot_ns, snapshots.c.process_id),
    *(snapshots.c.go_heap_alloc, snapshots.c.os_rss),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How one target went: columns by step, None where there is no capture or no number.

    Of each step it is the first capture; the last entry is the target's last capture at all.
    """

    target_id: int
    slot_ns: tuple[int, ...]
    process_id: tuple[int, ...]
    heap_alloc: tuple[Number, ...]
    rss: tuple[Number, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """A time axis of `count` steps of `step_ns`, the first of which begins at `since_ns`."""

    since_ns: int
    step_ns: int
    count: int


def axis_of(since_ns: int, until_ns: int, *, most: int) -> Axis:
    """Return the finest axis of at most `most` steps (2 or more) from a moment to another.

    Its steps begin at round times in UTC, so that a later axis has the same ones.
    """
    for step_s in _STEPS_S:
        first, last = (each // (step_s * _SECOND_NS) for each in (since_ns, until_ns))
        if last - first < most:
            step_ns = step_s * _SECOND_NS
            return Axis(since_ns=first * step_ns, step_ns=step_ns, count=last - first + 1)
    days = -((since_ns - until_ns) // (_STEPS_S[-1] * _SECOND_NS * (most - 1)))
    step_ns = days * _STEPS_S[-1] * _SECOND_NS
    first = since_ns // step_ns
    return Axis(since_ns=first * step_ns, step_ns=step_ns, count=until_ns // step_ns - first + 1)


async def active_targets(db: Database, *, after_id: int, limit: int) -> list[int]:
    """Return the ids of targets that some discovery finds, in their order, from `after_id` on."""
    query = (
        select(targets.c.id)
        .where(targets.c.retired_ns.is_(None), targets.c.id > after_id)
        .order_by(targets.c.id)
        .limit(limit)
    )
    async with db.connect() as connection:
        return list((await connection.execute(query)).scalars())


async def newest_id(db: Database) -> int:
    """Return the id of the capture that was stored last, 0 where there is none."""
    async with db.connect() as connection:
        found = (await connection.execute(select(func.max(snapshots.c.id)))).scalar_one()
    return int(found or 0)


async def first_slot(db: Database, *, since_ns: int) -> int | None:
    """Return the slot of the earliest capture of any active target from `since_ns` on."""
    earliest = (
        select(func.min(snapshots.c.slot_ns))
        .where(snapshots.c.target_id == targets.c.id, snapshots.c.slot_ns >= since_ns)
        .scalar_subquery()
    )
    query = select(earliest).where(targets.c.retired_ns.is_(None))
    async with db.connect() as connection:
        found = [slot for (slot,) in await connection.execute(query) if slot is not None]
    return min(found, default=None)


async def courses(db: Database, target_ids: Collection[int], axis: Axis) -> list[Course]:
    """Return how these targets went over `axis`, by their ids.

    Targets without a capture are left out.
    """
    async with db.connect() as connection:
        if db.dialect == "postgresql":
            rows = await connection.execute(_captures(connection, target_ids, axis))
        else:
            found = await connection.execute(_slots(connection, target_ids, axis))
            pairs = {(number, slot_ns) for number, slot_ns in found if slot_ns is not None}
            rows = await connection.execute(select(*_COLUMNS).where(_among_pairs(pairs)))
        return _by_target(sorted({tuple(row) for row in rows}, key=itemgetter(0, 1)))


def _captures(
    connection: AsyncConnection, target_ids: Collection[int], axis: Axis
) -> CompoundSelect[Any]:
    """Return PostgreSQL's query for the first capture of each step and the last of all.

    It would rather read a whole day than look up what it was told, but for a LIMIT.
    """
    starts, own, slot = _starts(axis), targets.c, snapshots.c.slot_ns
    here = select(*_COLUMNS).where(snapshots.c.target_id == own.id).limit(1)
    within = (slot >= starts.c.at_ns, slot < starts.c.at_ns + axis.step_ns)
    first = here.where(*within).order_by(slot).lateral()
    last = here.order_by(slot.desc()).lateral()
    meant = among(connection, own.id, target_ids)
    steps = targets.join(starts, true()).join(first, true())
    return union_all(
        select(first).select_from(steps).where(meant),
        select(last).select_from(targets.join(last, true())).where(meant),
    )


def _slots(
    connection: AsyncConnection, target_ids: Collection[int], axis: Axis
) -> CompoundSelect[Any]:
    """Return the query for targets and slots: the first of each step, and the last of all.

    For SQLite, which knows no LATERAL: what stands there is then read by a query of its own, for
    in one it reads the whole table to join with what is found here.
    """
    starts, own, slot = _starts(axis), targets.c, snapshots.c.slot_ns
    here = snapshots.c.target_id == own.id
    within = (slot >= starts.c.at_ns, slot < starts.c.at_ns + axis.step_ns)
    first = select(func.min(slot)).where(here, *within).scalar_subquery()
    last = select(func.max(slot)).where(here).scalar_subquery()
    meant = among(connection, own.id, target_ids)
    return union_all(
        select(own.id, first).select_from(targets.join(starts, true())).where(meant),
        select(own.id, last).where(meant),
    )


def _starts(axis: Axis) -> CTE:
    """Return the beginnings of the steps as a table of one column, `at_ns`."""
    first = select(literal(axis.since_ns, BigInteger).label("at_ns")).cte("starts", recursive=True)
    last_ns = axis.since_ns + (axis.count - 1) * axis.step_ns
    return first.union_all(select(first.c.at_ns + axis.step_ns).where(first.c.at_ns < last_ns))


def _among_pairs(pairs: Iterable[tuple[int, int]]) -> ColumnElement[bool]:
    """Return SQLite's condition that a snapshot is one of these targets' at these slots."""
    each = func.json_each(json.dumps(sorted(pairs))).table_valued("value").c.value
    listed = select(func.json_extract(each, "$[0]"), func.json_extract(each, "$[1]"))
    return tuple_(snapshots.c.target_id, snapshots.c.slot_ns).in_(listed)


def _by_target(rows: Sequence[Any]) -> list[Course]:
    by_target: dict[int, list[Any]] = defaultdict(list)
    for target_id, *rest in rows:
        by_target[target_id].append(rest)
    courses = []
    for target_id, found in by_target.items():
        slot_ns, process_id, heap_alloc, rss = zip(*found, strict=True)
        courses.append(
            Course(
                target_id=target_id,
                slot_ns=slot_ns,
                process_id=process_id,
                heap_alloc=heap_alloc,
                rss=rss,
            )
        )
    return courses
