"""Stores of both kinds, fresh for every test."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import databases
import pytest
from builders.captures import before
from stores import at, seen

from memsnap.snapshot import Snapshot
from memsnap.storage.database import Database
from memsnap.storage.migrate import upgrade
from memsnap.storage.records import Slot
from memsnap.storage.snapshots import save
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


@pytest.fixture(scope="session")
def postgres_template(postgres_admin: str) -> Iterator[str]:
    """The name of a database with the newest schema, to copy."""
    url = databases.create(postgres_admin)
    asyncio.run(upgrade(url))
    yield databases.name_of(url)
    databases.drop(postgres_admin, url)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the newest schema, to copy."""
    file = tmp_path_factory.mktemp("store") / "template.db"
    asyncio.run(upgrade(str(file)))
    return file


@pytest.fixture(params=BOTH)
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a store with the newest schema and no rows, of either kind."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "memsnap.db")
        yield f"sqlite:///{tmp_path / 'memsnap.db'}"
        return
    admin = request.getfixturevalue("postgres_admin")
    url = databases.create(admin, template=request.getfixturevalue("postgres_template"))
    yield url
    databases.drop(admin, url)


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


@pytest.fixture
def postgres_empty(postgres_admin: str) -> Iterator[str]:
    """The URL of a database of PostgreSQL with nothing in it."""
    url = databases.create(postgres_admin)
    yield url
    databases.drop(postgres_admin, url)
