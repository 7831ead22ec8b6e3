"""The only SQL on failures: the audit of captures that were due and did not come through."""

from collections.abc import Iterable

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from memsnap.storage import targets
from memsnap.storage.database import Database, insert_into
from memsnap.storage.details import text
from memsnap.storage.records import Cause, FailureRecord, Slot
from memsnap.storage.tables import failures as table
from memsnap.storage.tables import snapshots
from memsnap.storage.unwritten import MOST_CHARACTERS


async def record_failure(db: Database, failure: FailureRecord) -> None:
    """Write down that a capture failed, over an earlier failure of the same slot.

    Where the slot has a snapshot, nothing is written: the capture did come through.  Raises
    Refused where there is no such target.
    """
    await record_failures(db, [failure])


async def record_failures(db: Database, failed: Iterable[FailureRecord]) -> None:
    """Write down failures as `record_failure` does, all in one transaction."""
    async with db.begin() as connection:
        # In one order for all writers, so that no two wait for each other.
        for failure in sorted(failed, key=lambda each: (each.slot.target_id, each.slot.at_ns)):
            await _record(connection, failure)


async def _record(connection: AsyncConnection, failure: FailureRecord) -> None:
    slot = failure.slot
    values = {
        "at_ns": failure.at_ns,
        "cause": failure.cause.value,
        "message": text(failure.message)[:MOST_CHARACTERS],
        "collector": text(failure.collector),
    }
    await targets.lock(connection, slot.target_id)
    stored = select(snapshots.c.id).where(
        snapshots.c.target_id == slot.target_id, snapshots.c.slot_ns == slot.at_ns
    )
    if (await connection.execute(stored)).first() is not None:
        return
    statement = insert_into(connection, table).values(
        target_id=slot.target_id, slot_ns=slot.at_ns, **values
    )
    await connection.execute(
        statement.on_conflict_do_update(index_elements=["target_id", "slot_ns"], set_=values)
    )


async def forget(connection: AsyncConnection, slot: Slot) -> None:
    """Delete the failure of a slot: a later try has succeeded."""
    await connection.execute(
        delete(table).where(table.c.target_id == slot.target_id, table.c.slot_ns == slot.at_ns)
    )


async def failures(
    db: Database,
    *,
    target_id: int | None = None,
    since_ns: int | None = None,
    until_ns: int | None = None,
    limit: int = 100,
) -> list[FailureRecord]:
    """Return failures, the newest slots first; `until_ns` is exclusive."""
    query = select(table).order_by(table.c.slot_ns.desc(), table.c.id.desc()).limit(limit)
    if target_id is not None:
        query = query.where(table.c.target_id == target_id)
    if since_ns is not None:
        query = query.where(table.c.slot_ns >= since_ns)
    if until_ns is not None:
        query = query.where(table.c.slot_ns < until_ns)
    async with db.connect() as connection:
        rows = (await connection.execute(query)).all()
    return [
        FailureRecord(
            slot=Slot(target_id=row.target_id, at_ns=row.slot_ns),
            at_ns=row.at_ns,
            cause=Cause(row.cause),
            message=row.message,
            collector=row.collector,
        )
        for row in rows
    ]
