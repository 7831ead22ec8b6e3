"""Work on a store that one process at a time does, whoever else wants to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import func, select

from memsnap.storage.database import Database

PRUNING = 0x6D656D73_7072756E  # key of the advisory lock of who brings the store to its size
_AGAIN_S = 0.2


@asynccontextmanager
async def alone(db: Database, key: int) -> AsyncIterator[None]:
    """Wait until nobody else of this PostgreSQL has `key`, and have it for the block.

    The lock is the session's, not a transaction's, so that long work leaves none open.  Under
    SQLite, where sizes are right at every moment and writers wait for each other, it is no lock.
    Raises StoreUnavailable where the store goes away.
    """
    if db.dialect != "postgresql":
        yield
        return
    async with db.plain() as connection:
        while True:
            if await connection.scalar(select(func.pg_try_advisory_lock(key))):
                break
            await asyncio.sleep(_AGAIN_S)
        try:
            yield
        finally:
            await connection.execute(select(func.pg_advisory_unlock(key)))
