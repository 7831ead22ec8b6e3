"""Opening stores, their transactions, and the errors that leave them."""

import asyncio
import signal
import sqlite3
import sys

import databases
import pytest
from sqlalchemy import insert, select, text

from memsnap.errors import UsageError
from memsnap.storage.database import Database
from memsnap.storage.errors import StoreError, StoreUnavailable
from memsnap.storage.tables import collectors


def _collector(name: str):
    return insert(collectors).values(name=name, started_ns=1, heartbeat_ns=1)


async def _names(store: Database) -> list[str]:
    async with store.connect() as connection:
        return sorted((await connection.execute(select(collectors.c.name))).scalars())


async def test_what_a_transaction_writes_is_there_afterwards(store):
    async with store.begin() as connection:
        await connection.execute(_collector("a"))

    assert await _names(store) == ["a"]


async def test_an_exception_undoes_the_whole_transaction(store):
    async def write():
        async with store.begin() as connection:
            await connection.execute(_collector("a"))
            raise KeyError

    with pytest.raises(KeyError):
        await write()

    assert await _names(store) == []


async def test_a_cancelled_transaction_is_undone_and_frees_its_connection(store):
    begun = asyncio.Event()

    async def write():
        async with store.begin() as connection:
            await connection.execute(_collector("a"))
            begun.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(write())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with store.begin() as connection:
        await connection.execute(_collector("b"))

    assert await _names(store) == ["b"]


async def test_concurrent_transactions_all_come_through(store):
    async def write(number: int):
        async with store.begin() as connection:
            await connection.execute(_collector(f"{number:02}"))

    await asyncio.gather(*(write(number) for number in range(30)))

    assert await _names(store) == [f"{number:02}" for number in range(30)]


async def test_a_read_transaction_of_sqlite_sees_one_state(tmp_path):
    async with await Database.open(str(tmp_path / "a.db")) as store:
        async with store.begin() as connection:
            await connection.execute(text("CREATE TABLE t (x)"))
        async with store.connect() as reader:
            before = (await reader.execute(text("SELECT count(*) FROM t"))).scalar_one()
            async with store.begin() as connection:
                await connection.execute(text("INSERT INTO t VALUES (1)"))
            after = (await reader.execute(text("SELECT count(*) FROM t"))).scalar_one()

    assert (before, after) == (0, 0)


async def test_readers_cannot_write(tmp_path):
    async with await Database.open(str(tmp_path / "a.db")) as store:
        with pytest.raises(StoreUnavailable, match="read-only"):
            async with store.connect() as connection:
                await connection.execute(text("CREATE TABLE t (x)"))


async def test_a_store_opened_read_only_refuses_writes(store_url):
    async with await Database.open(store_url, read_only=True) as store:
        assert await _names(store) == []
        with pytest.raises(StoreUnavailable, match="read-only"):
            async with store.begin() as connection:
                await connection.execute(_collector("a"))


async def test_a_database_error_names_the_store_and_nothing_of_sqlalchemy(store):
    async def write():
        async with store.begin() as connection:
            await connection.execute(_collector("a"))
            await connection.execute(_collector("a"))

    with pytest.raises(StoreError) as caught:
        await write()

    assert store.name in caught.value.message
    assert "sqlalche" not in caught.value.message.lower()


async def test_a_missing_table_leads_to_the_upgrade(empty_url):
    async with await Database.open(empty_url) as store:
        with pytest.raises(StoreError) as caught:
            await _names(store)

    assert "memsnap db upgrade" in caught.value.hint


async def test_a_missing_file_is_not_created_for_reading(tmp_path):
    with pytest.raises(StoreUnavailable, match="no such file"):
        await Database.open(str(tmp_path / "none.db"), read_only=True)

    assert list(tmp_path.iterdir()) == []


async def test_a_missing_folder_is_unavailable_with_a_hint(tmp_path):
    with pytest.raises(StoreUnavailable, match="cannot be opened") as caught:
        await Database.open(str(tmp_path / "none" / "a.db"))

    assert "folder" in caught.value.hint


async def test_a_file_that_is_no_database_is_refused(tmp_path):
    file = tmp_path / "a.db"
    file.write_text("# memsnap\n" * 100)

    with pytest.raises(StoreError, match="no SQLite database"):
        await Database.open(str(file))


async def test_a_store_locked_by_another_process_is_unavailable(tmp_path, monkeypatch):
    monkeypatch.setattr("memsnap.storage.database._BUSY_TIMEOUT_S", 0.05)
    file = tmp_path / "a.db"
    async with await Database.open(str(file)) as store:
        async with store.begin() as connection:
            await connection.execute(text("CREATE TABLE t (x)"))
        other = sqlite3.connect(file, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked"):
            async with store.begin():
                pass
        other.execute("ROLLBACK")
        other.close()
        async with store.begin() as connection:
            await connection.execute(text("INSERT INTO t VALUES (1)"))


async def test_a_path_with_special_characters_is_that_file(tmp_path):
    file = tmp_path / "a b%20?#ü.db"

    async with await Database.open(str(file)) as store, store.begin() as connection:
        await connection.execute(text("CREATE TABLE t (x)"))

    assert file.exists()


@pytest.mark.parametrize("url", ["mysql://host/x", "sqlite://", "sqlite:///", ":memory:", ""])
async def test_other_urls_are_refused(url):
    with pytest.raises(UsageError):
        await Database.open(url)


async def test_a_server_that_is_not_there_is_unavailable_and_the_password_stays_hidden():
    with pytest.raises(StoreUnavailable) as caught:
        await Database.open("postgresql://me:hunter2@127.0.0.1:1/memsnap?password=hunter3")

    said = caught.value.message + caught.value.hint
    assert "me@127.0.0.1:1/memsnap" in said
    assert "hunter" not in said


@pytest.mark.postgres
async def test_a_database_that_does_not_exist_is_named(postgres_admin):
    with pytest.raises(StoreError, match="nosuch") as caught:
        await Database.open(databases.with_name(postgres_admin, "nosuch"))

    assert "createdb" in caught.value.hint


@pytest.mark.postgres
async def test_a_server_that_goes_is_unavailable_and_one_that_comes_back_is_used_again():
    with databases.postgres() as server:
        async with await Database.open(server.url()) as store:
            async with store.begin() as connection:
                await connection.execute(text("CREATE TABLE t (x int)"))
            server.stop(how=signal.SIGQUIT)
            for _ in range(3):
                with pytest.raises(StoreUnavailable):
                    async with store.begin() as connection:
                        await connection.execute(text("INSERT INTO t VALUES (1)"))
            server.start()
            async with store.begin() as connection:
                await connection.execute(text("INSERT INTO t VALUES (2)"))
                rows = (await connection.execute(text("SELECT x FROM t"))).scalars().all()

    assert rows == [2]


STOPPED = """
import asyncio, os, signal, sys
from sqlalchemy import text
from memsnap.storage.database import Database

async def stop():
    async with await Database.open(sys.argv[1], stall_s=0.5) as store, store.begin() as connection:
        await connection.execute(text("SELECT pg_advisory_xact_lock(7)"))
        print("locked", flush=True)
        os.kill(os.getpid(), signal.SIGSTOP)

asyncio.run(stop())
"""


@pytest.mark.postgres
async def test_what_a_process_that_stopped_has_locked_comes_free(postgres_empty):
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", STOPPED, postgres_empty), stdout=asyncio.subprocess.PIPE
    )
    assert await process.stdout.readline() == b"locked\n"
    try:
        async with await Database.open(postgres_empty) as other, other.begin() as connection:
            await connection.execute(text("SELECT pg_advisory_xact_lock(7)"))
    finally:
        process.kill()
        await process.wait()


@pytest.mark.postgres
async def test_a_connection_lost_in_a_transaction_is_unavailable():
    async def write(store, server):
        async with store.begin() as connection:
            await connection.execute(text("SELECT 1"))
            server.stop(how=signal.SIGQUIT)
            await connection.execute(text("SELECT 1"))

    with databases.postgres() as server:
        async with await Database.open(server.url()) as store:
            with pytest.raises(StoreUnavailable):
                await write(store, server)
