"""A collector that only deals with leases, as a process of its own: URL NAME LEASE_S.

Every "visit" writes a line to the table `visits` in the transaction that has checked its lease,
as saving a capture does.  A visit that is refused is written to `refused` instead.
"""

import asyncio
import contextlib
import sys
import time

from sqlalchemy import text

from memsnap.storage import fleet, leases
from memsnap.storage.database import Database
from memsnap.storage.errors import StoreUnavailable

TABLES = (
    "CREATE TABLE visits (id bigserial, target_id bigint, epoch bigint, owner text,"
    " at timestamptz DEFAULT clock_timestamp())",
    "CREATE TABLE refused (target_id bigint, epoch bigint, owner text)",
)
_INSERT = "INSERT INTO {} (target_id, epoch, owner) VALUES (:target, :epoch, :owner)"


async def visit(db, owner, lease):
    """Visit a target: the answer is stored if the lease still holds."""
    async with db.begin() as connection:
        held = await leases.holds(connection, lease, owner)
        values = {"target": lease.target_id, "epoch": lease.epoch, "owner": owner}
        await connection.execute(text(_INSERT.format("visits" if held else "refused")), values)


async def work(url, owner, lease_s):
    """Tend and visit until killed."""
    held = ()

    async def visits():
        while True:
            for lease in held:
                # As a capture that takes its time: begun with this lease, stored later.
                await asyncio.sleep(0.02)
                with contextlib.suppress(StoreUnavailable):
                    await visit(db, owner, lease)
            await asyncio.sleep(0.1)

    async with await Database.open(url) as db, asyncio.TaskGroup() as group:
        group.create_task(visits())
        while True:
            with contextlib.suppress(StoreUnavailable):
                turn = await fleet.tend(db, owner, held, lease_s=lease_s, now_ns=time.time_ns())
                held = turn.leases
            await asyncio.sleep(lease_s / fleet.TURNS)


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1], sys.argv[2], float(sys.argv[3])))
