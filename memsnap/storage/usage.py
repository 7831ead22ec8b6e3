"""How large the store is: by table, by target, and against its budget; and how it shrinks."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, Executable, TextClause, column, func, select, table, text
from sqlalchemy.ext.asyncio import AsyncConnection

from memsnap.storage.database import Database
from memsnap.storage.tables import metadata, snapshots, targets

ROW_BYTES = 1_000  # of a snapshot without its blobs, its places in three indexes included
_STEP_PAGES = 200  # that SQLite gives back in one transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class TableUse:
    """Rows and bytes of a table with its indexes; None where the database cannot tell."""

    name: str
    rows: int
    size_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetUse:
    """What a target has in the store; the bytes are those of its snapshots' blobs."""

    id: int
    key: str
    snapshots: int
    stored_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreStats:
    """Bytes on disk, those of them that hold something, and whose they are.

    `tables` are the largest first, `targets` too.  SQLite's write-ahead log, at most 64 MB when
    idle, and PostgreSQL's are not counted.
    """

    disk_bytes: int
    used_bytes: int
    tables: tuple[TableUse, ...]
    targets: tuple[TargetUse, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DbSize:
    """Bytes on disk, and those of them that hold something."""

    disk_bytes: int
    used_bytes: int


async def stats(db: Database) -> StoreStats:
    """Return rows and bytes by table and by target; reads every index, so not for each minute."""
    async with db.connect() as connection:
        rows = await connection.execute(
            select(
                targets.c.id,
                targets.c.key,
                func.count(snapshots.c.id).label("snapshots"),
                func.coalesce(func.sum(snapshots.c.stored_bytes), 0).label("stored"),
            )
            .outerjoin(snapshots, snapshots.c.target_id == targets.c.id)
            .group_by(targets.c.id, targets.c.key)
        )
        by_target = [
            TargetUse(id=row.id, key=row.key, snapshots=row.snapshots, stored_bytes=int(row.stored))
            for row in rows
        ]
        sizes = await _table_sizes(connection)
        tables = []
        for name in metadata.tables:
            count = await connection.scalar(select(func.count()).select_from(table(name)))
            tables.append(TableUse(name=name, rows=int(count or 0), size_bytes=sizes.get(name)))
    size = await db_size(db)
    return StoreStats(
        disk_bytes=size.disk_bytes,
        used_bytes=size.used_bytes,
        tables=tuple(sorted(tables, key=lambda use: (-(use.size_bytes or 0), use.name))),
        targets=tuple(sorted(by_target, key=lambda use: (-use.stored_bytes, use.key))),
    )


async def db_size(db: Database, *, loose: Sequence[str] = ()) -> DbSize:
    """Return the size of the store; cheap without `loose`.

    These are partitions of PostgreSQL in which deleted rows have left holes: the used bytes are
    the sum of their blobs and a thousand bytes a row.  All other tables of PostgreSQL count as
    they are on disk; SQLite knows its free pages.
    """
    if db.dialect == "sqlite":
        async with db.connect() as connection:
            size = await _pragma(connection, "page_size")
            pages = await _pragma(connection, "page_count")
            free = await _pragma(connection, "freelist_count")
        return DbSize(disk_bytes=pages * size, used_bytes=(pages - free) * size)
    async with db.connect() as connection:
        disk = sum((await _table_sizes(connection)).values())
        used = disk
        for name in loose:
            physical = await _scalar(connection, _relation_size(name))
            stored = column("stored_bytes", BigInteger)
            content = func.coalesce(func.sum(stored + ROW_BYTES), 0)
            live = await _scalar(connection, select(content).select_from(table(name)))
            used -= max(physical - live, 0)
    return DbSize(disk_bytes=disk, used_bytes=used)


async def vacuum(db: Database) -> int:
    """Give free space back to the system and return the bytes; nothing is locked for long.

    SQLite's file gets shorter step by step, or, where it was not made for that, in one go that
    needs room for a second copy.  PostgreSQL's tables become reusable inside.
    """
    before = (await db_size(db)).disk_bytes
    if db.dialect == "postgresql":
        async with db.plain() as connection:
            for name in metadata.tables:
                await connection.execute(text(f'VACUUM (ANALYZE) "{name}"'))
    else:
        async with db.connect() as connection:
            stepwise = await _pragma(connection, "auto_vacuum") == 2  # INCREMENTAL
        if stepwise:
            await shrink(db, 0)
        else:
            async with db.plain() as connection:
                await connection.execute(text("VACUUM"))
        await empty_log(db)
    return max(before - (await db_size(db)).disk_bytes, 0)


async def empty_log(db: Database) -> None:
    """Move SQLite's write-ahead log into its file and cut it, as far as readers allow."""
    async with db.plain() as connection:
        (await connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))).all()


async def shrink(db: Database, disk_bytes: int) -> None:
    """Shorten SQLite's file towards `disk_bytes`, by its free pages, in short transactions."""
    while True:
        async with db.begin() as connection:
            size = await _pragma(connection, "page_size")
            pages = await _pragma(connection, "page_count")
            free = await _pragma(connection, "freelist_count")
            surplus = min(pages - disk_bytes // size, free, _STEP_PAGES)
            if surplus <= 0 or await _pragma(connection, "auto_vacuum") != 2:
                return
            for _ in range(surplus):
                # One page at a time: the statement stops after every page, as if it had a row.
                await connection.execute(text("PRAGMA incremental_vacuum(1)"))


async def _table_sizes(connection: AsyncConnection) -> dict[str, int]:
    """Return bytes by table with its indexes, partitions under the name of the whole."""
    if connection.dialect.name == "postgresql":
        sizes = {}
        for name in metadata.tables:
            sizes[name] = await _scalar(connection, _relation_size(name))
        return sizes
    known = await connection.scalar(
        text("SELECT count(*) FROM pragma_module_list WHERE name = 'dbstat'")
    )
    if not known:
        return {}
    rows = await connection.execute(
        text(
            "SELECT m.tbl_name, sum(s.pgsize) FROM dbstat('main', 1) s JOIN sqlite_master m"
            " ON m.name = s.name GROUP BY m.tbl_name"
        )
    )
    return {name: int(size) for name, size in rows}


def _relation_size(name: str) -> TextClause:
    relation = f"'{name}'::regclass"
    return text(
        "SELECT coalesce(sum(pg_total_relation_size(oid)), 0) FROM"  # noqa: S608 - own names
        f" (SELECT {relation} AS oid"
        f" UNION ALL SELECT inhrelid FROM pg_inherits WHERE inhparent = {relation}) tree"
    )


async def _scalar(connection: AsyncConnection, statement: Executable) -> int:
    return int((await connection.execute(statement)).scalar_one())


async def _pragma(connection: AsyncConnection, name: str) -> int:
    return int((await connection.execute(text(f"PRAGMA {name}"))).scalar_one())
