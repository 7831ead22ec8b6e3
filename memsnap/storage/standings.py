"""How far targets have got, for a collector that takes them on: read, never written."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Table, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from memsnap.storage.database import Database
from memsnap.storage.idlists import among
from memsnap.storage.records import Cause
from memsnap.storage.tables import failures, snapshots

_RECENT_NS = 86_400 * 10**9  # failures before that make no backoff any longer
_NO_VISIT = (Cause.OVERRUN, Cause.LEASE_LOST, Cause.SPOOL_FULL, Cause.SHUTDOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The last slot that anybody has taken care of, and how many visits failed since a capture."""

    last_slot_ns: int
    failures: int = 0


async def standings(db: Database, ids: Collection[int], *, now_ns: int) -> dict[int, Standing]:
    """Return how far each target has got, by id; those without any slot are left out.

    What the audit says of slots without a visit, and of captures that were lost later, takes care
    of these slots, but is no failed visit.
    """
    async with db.connect() as connection:
        lasts = [await _last_slots(connection, each, ids) for each in (snapshots, failures)]
        failed = await _failed(connection, ids, now_ns - _RECENT_NS)
    return {
        number: Standing(
            last_slot_ns=max(last[number] for last in lasts if number in last),
            failures=failed.get(number, 0),
        )
        for number in lasts[0].keys() | lasts[1].keys()
    }


async def _last_slots(
    connection: AsyncConnection, table: Table, ids: Collection[int]
) -> dict[int, int]:
    query = select(table.c.target_id, func.max(table.c.slot_ns)).group_by(table.c.target_id)
    rows = await connection.execute(query.where(among(connection, table.c.target_id, ids)))
    return {number: slot_ns for number, slot_ns in rows}


async def _failed(
    connection: AsyncConnection, ids: Collection[int], since_ns: int
) -> dict[int, int]:
    own = failures.c
    captured = (
        select(func.max(snapshots.c.slot_ns))
        .where(snapshots.c.target_id == own.target_id)
        .scalar_subquery()
    )
    rows = await connection.execute(
        select(own.target_id, func.count())
        .where(
            among(connection, own.target_id, ids),
            own.slot_ns > func.coalesce(captured, since_ns),
            own.slot_ns > since_ns,
            own.cause.not_in([each.value for each in _NO_VISIT]),
        )
        .group_by(own.target_id)
    )
    return {number: count for number, count in rows}
