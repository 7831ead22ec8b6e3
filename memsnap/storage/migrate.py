"""The schema's revisions: which one a store has, and how it comes to the newest.

Alembic, which takes its time to load, is needed to change a schema only.
"""

from pathlib import Path

from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection

from memsnap.storage.database import Database
from memsnap.storage.errors import StoreError

REVISIONS = ("0001",)
"""All revisions in `migrations/versions`, the oldest first."""

_VERSION_TABLE = "alembic_version"
_LOCK = 0x6D656D73_6E617000  # "memsnap": of PostgreSQL's advisory locks, ours
_UPGRADE = "memsnap db upgrade"


def head() -> str:
    """Return the revision that this release works with."""
    return REVISIONS[-1]


async def current(db: Database) -> str | None:
    """Return the revision of a store, None where the database is empty.

    Raises StoreError where it holds something else than a store.
    """
    async with db.connect() as connection:
        return await _current(connection, db.name)


async def upgrade(url: str) -> str | None:
    """Bring a store to the newest revision, and return which one it had; None if it was empty.

    One transaction: it happens wholly or not at all.  Raises StoreError where the store belongs
    to a newer release.
    """
    async with await Database.open(url) as db:
        return await _upgrade(db)


async def check(db: Database, *, create: bool = False) -> None:
    """Make sure that a store has the schema that this release works with.

    With `create`, an empty SQLite file becomes a store.  Raises StoreError otherwise, with the
    command to run.
    """
    found = await current(db)
    if found == head():
        return
    if found is None and create and db.dialect == "sqlite":
        await _upgrade(db)
        return
    if found is None:
        raise StoreError(f"the store {db.name} is empty", hint=f"create its tables: {_UPGRADE}")
    _refuse_newer(found, db.name)
    raise StoreError(
        f"the store {db.name} has an old schema ({found}; this memsnap needs {head()})",
        hint=f"bring it up to date: {_UPGRADE}",
    )


def folder() -> Path:
    """Return the folder of the revisions: in the installed package, or in the checkout."""
    package = Path(__file__).parents[1]
    installed = package / "migrations"
    return installed if installed.is_dir() else package.parent / "migrations"


async def _upgrade(db: Database) -> str | None:
    async with db.begin() as connection:
        if db.dialect == "postgresql":
            # Whoever comes second finds the work done.
            await connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
            await connection.execute(text("SET LOCAL statement_timeout = 0"))
        found = await _current(connection, db.name)
        if found is not None:
            _refuse_newer(found, db.name)
        if found != head():
            await connection.run_sync(run)
    return found


def run(connection: Connection, revision: str = "head") -> None:
    """Run the revisions up to one of them in the transaction of `connection`."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(folder()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


async def _current(connection: AsyncConnection, name: str) -> str | None:
    tables = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
    if _VERSION_TABLE in tables:
        query = text(f"SELECT version_num FROM {_VERSION_TABLE}")  # noqa: S608 - a constant
        found: str | None = (await connection.execute(query)).scalar_one_or_none()
        if found is not None and "snapshots" in tables:
            return found
    if tables:
        raise StoreError(
            f"the database {name} holds something else than a memsnap store "
            f"({', '.join(sorted(tables)[:3])})",
            hint="give memsnap a database of its own",
        )
    return None


def _refuse_newer(found: str, name: str) -> None:
    if found not in REVISIONS:
        raise StoreError(
            f"the store {name} has a newer schema ({found}) than this memsnap knows ({head()})",
            hint="upgrade memsnap: pip install -U memsnap",
        )
