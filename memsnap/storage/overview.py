"""How every target of a store goes, in a few numbers each: what an overview of a fleet shows.

The store of a day holds a thousand captures a target; an overview reads only those that begin a
step of its time axis, each found through the index.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import CTE, BigInteger, func, literal, select, true, union_all

from memsnap.storage.database import Database
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


async def courses(db: Database, *, since_ns: int, until_ns: int, steps: int) -> dict[int, Course]:
    """Return how each active target went from `since_ns` to `until_ns`, by its id.

    Targets without a capture are left out.
    """
    step_ns = max((until_ns - since_ns) // steps, 1)
    starts = _starts(since_ns, step_ns, steps)
    own, slot = targets.c, snapshots.c.slot_ns
    first = (
        select(func.min(slot))
        .where(snapshots.c.target_id == own.id)
        .where(slot >= starts.c.at_ns, slot < starts.c.at_ns + step_ns)
        .scalar_subquery()
    )
    last = select(func.max(slot)).where(snapshots.c.target_id == own.id).scalar_subquery()
    active = own.retired_ns.is_(None)
    wanted = union_all(
        select(own.id.label("target_id"), first.label("slot_ns"))
        .select_from(targets.join(starts, true()))  # every target with every step
        .where(active),
        select(own.id, last).where(active),
    ).subquery()
    row = snapshots.c
    query = (
        select(row.target_id, row.slot_ns, row.process_id, row.go_heap_alloc, row.os_rss)
        .join(
            wanted,
            (wanted.c.target_id == row.target_id) & (wanted.c.slot_ns == row.slot_ns),
        )
        .order_by(row.slot_ns)
    )
    async with db.connect() as connection:
        return _by_target((await connection.execute(query)).all())


def _starts(since_ns: int, step_ns: int, steps: int) -> CTE:
    """Return the beginnings of the steps as a table of one column, `at_ns`."""
    first = select(literal(since_ns, BigInteger).label("at_ns")).cte("starts", recursive=True)
    last_ns = since_ns + (steps - 1) * step_ns
    return first.union_all(select(first.c.at_ns + step_ns).where(first.c.at_ns < last_ns))


def _by_target(rows: Iterable[tuple[int, int, int, Number, Number]]) -> dict[int, Course]:
    kept: dict[int, dict[int, tuple[int, int, Number, Number]]] = defaultdict(dict)
    for target_id, *rest in rows:
        kept[target_id][rest[0]] = tuple(rest)  # the last capture may begin a step as well
    return {
        target_id: Course(
            target_id=target_id,
            slot_ns=tuple(each[0] for each in found.values()),
            process_id=tuple(each[1] for each in found.values()),
            heap_alloc=tuple(each[2] for each in found.values()),
            rss=tuple(each[3] for each in found.values()),
        )
        for target_id, found in kept.items()
    }
