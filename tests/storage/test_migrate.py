"""The schema's revisions lead to the tables that the code works with, with all data."""

import asyncio
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from builders.captures import before
from sqlalchemy import Boolean, Connection, MetaData, text
from test_dictionary import by_sample

from memsnap.storage import migrate, snapfile
from memsnap.storage.database import Database
from memsnap.storage.errors import StoreError
from memsnap.storage.failures import failures
from memsnap.storage.migrate import check, current, upgrade
from memsnap.storage.records import Slot
from memsnap.storage.snapshots import load, save
from memsnap.storage.tables import metadata
from memsnap.storage.targets import targets

RELEASES = Path(__file__).parent / "stores_of_releases"

_POSTGRES_SCHEMA = """
    SELECT 'column', table_name, column_name, data_type || is_nullable
        || coalesce(column_default, '') FROM information_schema.columns
        WHERE table_schema = 'public'
    UNION ALL SELECT 'index', tablename, indexname, indexdef FROM pg_indexes
        WHERE schemaname = 'public'
    UNION ALL SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid)
        FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 'n'
    UNION ALL SELECT 'partition', relname, '', pg_get_partkeydef(oid) FROM pg_class
        WHERE relkind = 'p'
    UNION ALL SELECT 'sequence', sequencename, '', data_type::text FROM pg_sequences
        WHERE schemaname = 'public'
"""


async def _schema(db: Database) -> set[tuple]:
    """Return all that a database has of tables, columns, indexes and constraints."""
    async with db.connect() as connection:
        if db.dialect == "postgresql":
            rows = (await connection.execute(text(_POSTGRES_SCHEMA))).all()
            return {tuple(row) for row in rows if "alembic" not in str(row)}
        names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'alembic%'"
        found: set[tuple] = set()
        for (name,) in (await connection.execute(text(names))).all():
            for pragma in ("table_xinfo", "foreign_key_list", "index_list"):
                rows = (await connection.execute(text(f"PRAGMA {pragma}('{name}')"))).all()
                found |= {(name, pragma, *row) for row in rows}
            indexes = await connection.execute(
                text(f"SELECT name FROM pragma_index_list('{name}')")
            )
            for (index,) in indexes.all():
                rows = (await connection.execute(text(f"PRAGMA index_xinfo('{index}')"))).all()
                found |= {(name, index, *row) for row in rows}
        return found


async def test_the_revisions_lead_to_the_tables_of_the_code(empty_url):
    async with await Database.open(empty_url) as db:
        async with db.begin() as connection:
            await connection.run_sync(metadata.create_all)
            if db.dialect == "postgresql":
                await connection.execute(
                    text("CREATE TABLE snapshots_default PARTITION OF snapshots DEFAULT")
                )
        wanted = await _schema(db)
        async with db.begin() as connection:
            await connection.run_sync(metadata.drop_all)
        await upgrade(empty_url)

        assert await _schema(db) == wanted
        assert len(wanted) > 100


async def test_an_upgrade_says_what_there_was_and_is_done_once(empty_url):
    assert await upgrade(empty_url) is None
    assert await upgrade(empty_url) == migrate.head()
    async with await Database.open(empty_url) as db:
        assert await current(db) == migrate.head()
        await check(db)


async def test_upgrades_at_the_same_time_do_not_get_in_each_others_way(empty_url):
    found = await asyncio.gather(*(upgrade(empty_url) for _ in range(4)))

    assert sorted(found, key=str) == ["0001", "0001", "0001", None]


async def test_an_empty_database_is_refused_with_the_command_to_run(empty_url):
    async with await Database.open(empty_url) as db:
        with pytest.raises(StoreError, match="is empty") as caught:
            await check(db)

    assert "memsnap db upgrade" in caught.value.hint


async def test_an_empty_file_becomes_a_store_on_request(tmp_path):
    async with await Database.open(str(tmp_path / "a.db")) as db:
        await check(db, create=True)

        assert await current(db) == migrate.head()


@pytest.mark.postgres
async def test_a_server_is_never_changed_without_being_asked_to(postgres_empty):
    async with await Database.open(postgres_empty) as db:
        with pytest.raises(StoreError, match="is empty"):
            await check(db, create=True)


async def test_an_older_schema_is_refused_with_the_command_to_run(store, monkeypatch):
    monkeypatch.setattr(migrate, "REVISIONS", ("0001", "0002"))

    with pytest.raises(StoreError, match="old schema") as caught:
        await check(store)

    assert "memsnap db upgrade" in caught.value.hint


async def test_a_newer_schema_is_refused(store, store_url):
    async with store.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(StoreError, match="newer schema"):
        await check(store)
    with pytest.raises(StoreError, match="newer schema"):
        await upgrade(store_url)


async def test_another_programs_database_is_left_alone(empty_url):
    async with await Database.open(empty_url) as db:
        async with db.begin() as connection:
            await connection.execute(text("CREATE TABLE songs (title text)"))
        with pytest.raises(StoreError, match="songs"):
            await check(db, create=True)
    with pytest.raises(StoreError, match="songs"):
        await upgrade(empty_url)


async def test_an_upgrade_that_fails_changes_nothing(empty_url, monkeypatch, tmp_path):
    versions = tmp_path / "migrations" / "versions"
    versions.mkdir(parents=True)
    for name in ("env.py", "script.py.mako"):
        (versions.parent / name).write_bytes((migrate.folder() / name).read_bytes())
    first = (migrate.folder() / "versions" / "0001_first.py").read_text()
    (versions / "0001.py").write_text(f"{first}\n\ndef _findings():\n    op.execute('nonsense')\n")
    monkeypatch.setattr(migrate, "folder", lambda: versions.parent)

    with pytest.raises(StoreError):
        await upgrade(empty_url)

    async with await Database.open(empty_url) as db:
        assert await current(db) is None


def test_the_known_revisions_are_those_of_the_folder():
    script = ScriptDirectory(str(migrate.folder()))

    revisions = [each.revision for each in script.walk_revisions()]
    assert tuple(reversed(revisions)) == migrate.REVISIONS


def test_checking_a_schema_does_not_load_alembic(tmp_path):
    asyncio.run(upgrade(str(tmp_path / "a.db")))
    program = (
        "import asyncio, sys\n"
        "from memsnap.storage.database import Database\n"
        "from memsnap.storage.migrate import check\n"
        "async def main():\n"
        f"    async with await Database.open({str(tmp_path / 'a.db')!r}) as db:\n"
        "        await check(db)\n"
        "asyncio.run(main())\n"
        "assert 'alembic' not in sys.modules\n"
    )

    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("release", ["0001"])
async def test_a_store_of_an_older_release_upgrades_with_its_data(empty_url, release):
    old = _old_store(RELEASES / f"{release}.sql")
    async with await Database.open(empty_url) as db, db.begin() as connection:
        await connection.run_sync(migrate.run, release)
        await connection.run_sync(_copy, old)
    old.close()

    assert await upgrade(empty_url) == release

    async with await Database.open(empty_url) as db:
        await check(db)
        for file in RELEASES.glob(f"{release}-*.snap"):
            original = snapfile.load(file)
            again = await load(db, int(file.stem.partition("-")[2]))
            assert by_sample(again.heap) == by_sample(original.heap)
            assert again.capture == original.capture
            assert again.goroutine_profile == original.goroutine_profile
        assert [each.message for each in await failures(db)] == ["no answer in 30 s"]
        assert [each.seen.key for each in await targets(db)] == ["a"]
        slot = Slot(target_id=1, at_ns=2 * 10**18)
        assert await save(db, slot, before(), now_ns=1) > 2


def _old_store(dump: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    connection.executescript(dump.read_text())
    connection.row_factory = sqlite3.Row
    return connection


def _copy(connection: Connection, old: sqlite3.Connection) -> None:
    """Fill the tables of a schema with the rows of a store of that schema."""
    schema = MetaData()
    schema.reflect(connection)
    for table in schema.sorted_tables:
        if table.name.startswith(("alembic", "snapshots_")):
            continue
        rows = [dict(row) for row in old.execute(f"SELECT * FROM {table.name}")]
        for row in rows:
            for column in table.c:
                if isinstance(column.type, Boolean) and row[column.name] is not None:
                    row[column.name] = bool(row[column.name])
        if rows:
            connection.execute(table.insert(), rows)
        if connection.dialect.name == "postgresql" and "id" in table.c:
            _count_on(connection, table.name)


def _count_on(connection: Connection, name: str) -> None:
    """Let PostgreSQL count on from the ids that there are."""
    sequence = "snapshot_ids" if name == "snapshots" else f"{name}_id_seq"
    connection.execute(
        text(f"SELECT setval('{sequence}', (SELECT coalesce(max(id), 1) FROM {name}))")
    )
