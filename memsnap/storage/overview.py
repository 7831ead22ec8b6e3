"""How every target of a store goes, in a few numbers each: what an overview of a fleet shows.

The store of a day holds a thousand captures a target; an overview reads only those that begin a
step of its time axis, each found through the index.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import CTE, BigInteger, func, literal, select, true, union_all

from memsnap.storage.database import Database
from memsnap.storage.idlists import among
from memsnap.storage.tables import snapshots, targets

Number = int | None


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


async def active_targets(db: Database) -> int:
    """Return how many targets some discovery finds."""
    query = select(func.count()).select_from(targets).where(targets.c.retired_ns.is_(None))
    async with db.connect() as connection:
        return int((await connection.execute(query)).scalar_one())


async def courses(db: Database, *, since_ns: int, until_ns: int, steps: int) -> dict[int, Course]:
    """Return how each active target went from `since_ns` to `until_ns`, by its id.

    Targets without a capture are left out.
    """
    step_ns = max((until_ns - since_ns) // steps, 1)
    starts = _starts(since_ns, step_ns, steps)
    own, slot, number = targets.c, snapshots.c.slot_ns, snapshots.c.id
    here = select(number).where(snapshots.c.target_id == own.id)
    first = (
        here.where(slot >= starts.c.at_ns, slot < starts.c.at_ns + step_ns)
        .order_by(slot)
        .limit(1)
        .scalar_subquery()
    )
    last = here.order_by(slot.desc()).limit(1).scalar_subquery()
    active = own.retired_ns.is_(None)
    wanted = union_all(
        select(first).select_from(targets.join(starts, true())).where(active),
        select(last).where(active),
    )
    row = snapshots.c
    async with db.connect() as connection:
        # Two queries: in one, SQLite reads the whole table to join with what is found here.
        ids = {found for (found,) in await connection.execute(wanted) if found is not None}
        query = (
            select(row.target_id, row.slot_ns, row.process_id, row.go_heap_alloc, row.os_rss)
            .where(among(connection, number, ids))
            .order_by(slot)
        )
        return _by_target((await connection.execute(query)).all())


def _starts(since_ns: int, step_ns: int, steps: int) -> CTE:
    """Return the beginnings of the steps as a table of one column, `at_ns`."""
    first = select(literal(since_ns, BigInteger).label("at_ns")).cte("starts", recursive=True)
    last_ns = since_ns + (steps - 1) * step_ns
    return first.union_all(select(first.c.at_ns + step_ns).where(first.c.at_ns < last_ns))


def _by_target(rows: Sequence[Any]) -> dict[int, Course]:
    by_target: dict[int, list[Any]] = defaultdict(list)
    for target_id, *rest in rows:
        by_target[target_id].append(rest)
    courses = {}
    for target_id, found in by_target.items():
        slot_ns, process_id, heap_alloc, rss = zip(*found, strict=True)
        courses[target_id] = Course(
            target_id=target_id,
            slot_ns=slot_ns,
            process_id=process_id,
            heap_alloc=heap_alloc,
            rss=rss,
        )
    return courses
