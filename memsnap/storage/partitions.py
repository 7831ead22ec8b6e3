"""Daily partitions of `snapshots` on PostgreSQL: made ahead, made smaller, dropped.

A day's rows in a table of their own go with their whole table, which gives its space back at
once; rows deleted one by one leave holes in a table that nobody writes to any more.  Rows of no
day's partition are in the default partition: captures imported from long ago, and whatever comes
when no day was made ahead.

Every change takes short locks with a limit: where somebody else is in the way it raises
StoreUnavailable, and the next attempt is as good.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import func, select, table, text
from sqlalchemy.ext.asyncio import AsyncConnection

from memsnap.storage.database import Database
from memsnap.storage.errors import StoreUnavailable

DAY_NS = 86_400 * 10**9

_DEFAULT = "snapshots_default"
_LOCK_WAIT = "1s"  # while a change waits for its locks, writers wait behind it
_COPY_TIMEOUT = "15min"
_CHANGING = 0x6D656D73_70617274  # key of the advisory lock of whoever changes partitions
_BOUNDS = re.compile(r"FOR VALUES FROM \('(-?\d+)'\) TO \('(-?\d+)'\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A table with snapshots: a day's partition, or one of rows of any time (no bounds).

    `bounds_ns` are the first slot of the day and the first after it.
    """

    name: str
    bounds_ns: tuple[int, int] | None = None

    def closed(self, now_ns: int) -> bool:
        """Whether it is a day's that is over for long enough that nobody writes to it."""
        return self.bounds_ns is not None and self.bounds_ns[1] + DAY_NS // 4 <= now_ns


async def parts(db: Database) -> list[Part]:
    """Return the tables that hold snapshots: that of no day first, then the days, oldest first.

    On SQLite that is the one table.
    """
    if db.dialect == "sqlite":
        return [Part(name="snapshots")]
    async with db.connect() as connection:
        return await _parts(connection)


async def ensure(db: Database, *, now_ns: int, ahead: int = 3) -> list[str]:
    """Make the partitions of yesterday, today and the next `ahead` days, and return the new ones.

    Rows of such a day that are in the default partition move over.  To be called a few times a
    day, by as many collectors as like to.  Does nothing on SQLite.
    """
    if db.dialect == "sqlite":
        return []
    today = now_ns // DAY_NS
    made = []
    for day in range(today - 1, today + ahead + 1):
        bounds = (day * DAY_NS, (day + 1) * DAY_NS)
        if not any(_overlap(part, bounds) for part in await parts(db)):
            async with db.begin() as connection:
                await _prepare(connection)
                if not any(_overlap(part, bounds) for part in await _parts(connection)):
                    made.append(await _make_day(connection, bounds))
    return made


async def rewrite(db: Database, part: Part, keep: Sequence[int], *, rows: int) -> None:
    """Replace a day's partition by one with nothing but the rows whose ids are in `keep`.

    Without any, the partition is dropped.  Writers to this day, of which there should be none,
    wait meanwhile; all others only for the swap at the end.  Raises StoreUnavailable where the
    partition has not `rows` rows: somebody wrote to it after the caller had looked.
    """
    if part.bounds_ns is None:
        raise ValueError(f"{part.name} is not a day's partition")
    new = f"{part.name}_new"
    async with db.begin() as connection:
        await _prepare(connection)
        await _run(connection, f'LOCK TABLE "{part.name}" IN SHARE MODE')
        count = await connection.scalar(select(func.count()).select_from(table(part.name)))
        if count != rows:
            raise StoreUnavailable(f"{part.name} of the store {db.name} has changed meanwhile")
        if keep:
            await _create(connection, new, part.bounds_ns)
            await connection.execute(
                text(
                    f'INSERT INTO "{new}" SELECT * FROM "{part.name}"'  # noqa: S608 - own names
                    " WHERE id = ANY(CAST(:keep AS bigint[]))"
                ),
                {"keep": list(keep)},
            )
        await _run(connection, f'ALTER TABLE snapshots DETACH PARTITION "{part.name}"')
        await _run(connection, f'DROP TABLE "{part.name}"')
        if keep:
            await _run(connection, f'ALTER TABLE "{new}" RENAME TO "{part.name}"')
            await _attach(connection, part.name, part.bounds_ns)


async def _prepare(connection: AsyncConnection) -> None:
    """Make this transaction the only one that changes partitions, and impatient."""
    await _run(connection, f"SET LOCAL lock_timeout = '{_LOCK_WAIT}'")
    await _run(connection, f"SET LOCAL statement_timeout = '{_COPY_TIMEOUT}'")
    await _run(connection, f"SELECT pg_advisory_xact_lock({_CHANGING})")


async def _parts(connection: AsyncConnection) -> list[Part]:
    rows = await connection.execute(
        text(
            "SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i"
            " JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'snapshots'::regclass"
        )
    )
    found = []
    for name, bounds in rows:
        match = _BOUNDS.fullmatch(bounds)
        if match:
            found.append(Part(name=name, bounds_ns=(int(match[1]), int(match[2]))))
        else:
            found.append(Part(name=name))
    return sorted(found, key=lambda part: part.bounds_ns or (-1, -1))


def _overlap(part: Part, bounds_ns: tuple[int, int]) -> bool:
    return (
        part.bounds_ns is not None
        and part.bounds_ns[0] < bounds_ns[1]
        and bounds_ns[0] < part.bounds_ns[1]
    )


async def _make_day(connection: AsyncConnection, bounds_ns: tuple[int, int]) -> str:
    name = f"snapshots_{datetime.fromtimestamp(bounds_ns[0] // 10**9, UTC):%Y%m%d}"
    # Without a default partition of this name there is nothing that could have come too early.
    default = any(part.name == _DEFAULT for part in await _parts(connection))
    await _create(connection, name, bounds_ns)
    if default:
        await _run(connection, f"LOCK TABLE {_DEFAULT} IN SHARE ROW EXCLUSIVE MODE")
        await connection.execute(
            text(
                f"WITH early AS (DELETE FROM {_DEFAULT}"  # noqa: S608 - own names
                " WHERE slot_ns >= :start AND slot_ns < :end RETURNING *)"
                f' INSERT INTO "{name}" SELECT * FROM early'
            ),
            {"start": bounds_ns[0], "end": bounds_ns[1]},
        )
    await _attach(connection, name, bounds_ns)
    return name


async def _create(connection: AsyncConnection, name: str, bounds_ns: tuple[int, int]) -> None:
    """Make a table like `snapshots` on its own, which locks nobody out."""
    await _run(connection, f'CREATE TABLE "{name}" (LIKE snapshots INCLUDING ALL)')
    # Known to hold already, the bounds need no look at every row when the table is attached.
    await _run(
        connection,
        f'ALTER TABLE "{name}" ADD CONSTRAINT in_bounds'
        f" CHECK (slot_ns >= {bounds_ns[0]} AND slot_ns < {bounds_ns[1]})",
    )


async def _attach(connection: AsyncConnection, name: str, bounds_ns: tuple[int, int]) -> None:
    await _run(
        connection,
        f'ALTER TABLE snapshots ATTACH PARTITION "{name}"'
        f" FOR VALUES FROM ({bounds_ns[0]}) TO ({bounds_ns[1]})",
    )
    await _run(connection, f'ALTER TABLE "{name}" DROP CONSTRAINT in_bounds')


async def _run(connection: AsyncConnection, statement: str) -> None:
    await connection.execute(text(statement))
