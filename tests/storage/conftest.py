"""Stores of both kinds, fresh for every test."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import databases
import pytest
from builders.captures import before
from sqlalchemy import text
from stores import at, seen

from memsnap.snapshot import Snapshot
from memsnap.storage.database import Database
from memsnap.storage.records import Slot
from memsnap.storage.snapshots import save
from memsnap.storage.tables import metadata
from memsnap.storage.targets import register

BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]


@pytest.fixture(scope="session")
def postgres_admin() -> Iterator[str]:
    """The URL of a PostgreSQL server on which databases may be created."""
    with databases.admin_url() as url:
        yield url


@pytest.fixture(params=BOTH)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database with nothing in it, of either kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'memsnap.db'}"
        return
    admin = request.getfixturevalue("postgres_admin")
    url = databases.create(admin)
    yield url
    databases.drop(admin, url)


@pytest.fixture
async def store_url(empty_url: str) -> str:
    """The URL of a store with the newest schema and no rows, of either kind."""
    async with await Database.open(empty_url) as database, database.begin() as connection:
        await connection.run_sync(metadata.create_all)
        if database.dialect == "postgresql":
            await connection.execute(
                text("CREATE TABLE snapshots_default PARTITION OF snapshots DEFAULT")
            )
    return empty_url


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Database]:
    """An open store with the newest schema and no rows, of either kind."""
    async with await Database.open(store_url) as database:
        yield database


@pytest.fixture
async def target(store: Database) -> int:
    """The id of a target of `store`."""
    return (await register(store, [seen("a")], now_ns=at(0)))["a"]


@pytest.fixture
def saved(store: Database) -> Callable[..., Awaitable[int]]:
    """A function that saves a capture of a made-up service: `await saved(target, slot_ns)`."""

    async def save_one(
        target_id: int, slot_ns: int, snapshot: Snapshot | None = None, reason: str = "schedule"
    ) -> int:
        slot = Slot(target_id=target_id, at_ns=slot_ns, reason=reason)
        return await save(store, slot, snapshot or before(), now_ns=slot_ns + 1)

    return save_one
