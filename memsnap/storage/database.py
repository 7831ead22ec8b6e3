"""Connections to the store: SQLite, with nothing to set up, or PostgreSQL.

Everything that SQLAlchemy and the drivers raise leaves here as a StoreError.  SQL is left to the
modules that own a table.
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import quote, unquote, urlsplit

from sqlalchemy import Connection, Table, event, exc, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from memsnap.errors import UsageError
from memsnap.storage import errors
from memsnap.storage.dictionary import KnownBuilds
from memsnap.storage.errors import StoreError
from memsnap.version import __version__

Dialect = Literal["sqlite", "postgresql"]

_BUSY_TIMEOUT_S = 10  # of SQLite, for writers in other processes
_CONNECT_TIMEOUT_S = 10
_STATEMENT_TIMEOUT_S = 60  # of PostgreSQL; longer work says SET LOCAL statement_timeout
_POOL_TIMEOUT_S = 30  # for a connection to come free
_READERS = 4
_CONNECTIONS = 8  # to PostgreSQL, of one process
_OLDEST_SQLITE = (3, 35, 0)  # RETURNING
_OLDEST_POSTGRES = 13  # what came before is out of support, and less sure of partitions
_PLAIN = "memsnap_plain"  # the option of connections that begin no transaction

_WRITER_PRAGMAS = (
    # Before the first table, or it has no effect: lets a store shrink without a whole copy.
    "PRAGMA auto_vacuum=INCREMENTAL",
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=NORMAL",  # in WAL mode a power cut may lose the last writes, no more
    "PRAGMA foreign_keys=ON",
    # Debian's SQLite overwrites what is deleted with zeros, for which a full disk has no room.
    "PRAGMA secure_delete=OFF",
    "PRAGMA journal_size_limit=67108864",
)
# Readers go to the system's cache for what they read; 2 MB each of their own would be for months.
_READER_PRAGMAS = ("PRAGMA query_only=ON", "PRAGMA cache_size=-512")


class Database:
    """An open store; `name` says which, without a password.

    `begin()` gives a connection in a write transaction, `connect()` one in a read transaction
    with one consistent view.  Both raise StoreUnavailable and StoreError, and nothing of the
    drivers' own.
    """

    def __init__(self, name: str, *, writer: AsyncEngine, reader: AsyncEngine) -> None:
        self.name = name
        self.known_builds = KnownBuilds()  # dictionaries of which this process knows the digests
        self._writer = writer
        self._reader = reader

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        read_only: bool = False,
        create: bool = True,
        stall_s: float = _STATEMENT_TIMEOUT_S,
    ) -> Self:
        """Open `sqlite:///path`, a bare path or `postgresql://user@host/name`.

        SQLite's file is created where there is none, unless `read_only` or not `create`; the
        schema is left to `migrate`.  A process that stops in the middle of a transaction keeps
        PostgreSQL's locks from others for `stall_s`.

        Raises UsageError for another kind of URL, StoreUnavailable where there is no database,
        StoreError where it is none that memsnap can use.
        """
        if is_postgres(url):
            database = _postgres(cls, url, read_only=read_only, stall_s=stall_s)
        else:
            path = sqlite_path(url)
            await asyncio.to_thread(_probe, path, create=create and not read_only)
            database = _sqlite(cls, path, read_only=read_only)
        try:
            async with database.connect() as connection:
                await _check_version(connection, database.name)
        except BaseException:
            await database.close()
            raise
        return database

    @property
    def dialect(self) -> Dialect:
        """Which of the two databases this is."""
        return "postgresql" if self._writer.dialect.name == "postgresql" else "sqlite"

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """Give a write transaction, committed at the end and undone by any exception.

        On SQLite there is one at a time, and it waits for those of other processes.
        """
        with _translated(self.name):
            async with self._writer.begin() as connection:
                yield connection

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[AsyncConnection]:
        """Give a read transaction: all its statements see the same state of SQLite's store."""
        with _translated(self.name):
            async with self._reader.connect() as connection:
                yield connection

    @asynccontextmanager
    async def plain(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection without a transaction, for VACUUM and its like."""
        with _translated(self.name):
            async with self._writer.connect() as connection:
                option: dict[str, Any] = {_PLAIN: True}
                if self.dialect == "postgresql":
                    option["isolation_level"] = "AUTOCOMMIT"
                yield await connection.execution_options(**option)

    async def close(self) -> None:
        """Close all connections."""
        await self._writer.dispose()
        if self._reader is not self._writer:
            await self._reader.dispose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


def is_postgres(url: str) -> bool:
    """Whether `url` is PostgreSQL's rather than SQLite's."""
    return urlsplit(url).scheme in {"postgresql", "postgres"}


def sqlite_path(url: str) -> Path:
    """Return the file that `sqlite:///path`, `sqlite:////absolute/path` or a bare path means."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        path = url
    elif scheme != "sqlite":
        raise UsageError(
            f"{scheme}:// is no store that memsnap knows",
            hint="write sqlite:///memsnap.db or postgresql://user@host/memsnap",
        )
    else:
        # As SQLAlchemy has it: what follows the third slash is the path.
        path = unquote(rest[1:]) if rest.startswith("/") else ""
    if path in {"", ":memory:"} or "\0" in path:
        raise UsageError(
            f"{url!r} names no file", hint="write sqlite:///memsnap.db or sqlite:////var/lib/x.db"
        )
    return Path(path)


def insert_into(connection: AsyncConnection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Return an INSERT that knows ON CONFLICT, in the dialect of `connection`."""
    return insert_of(connection.dialect.name, table)


def insert_of(dialect: str, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Return an INSERT that knows ON CONFLICT, in the dialect of this name."""
    if dialect == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)


class _translated:
    """Turns what SQLAlchemy and the drivers raise into StoreErrors that name the store."""

    def __init__(self, store: str) -> None:
        self._store = store

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, exc.SQLAlchemyError):
            raise errors.of_sqlalchemy(error, self._store) from error
        # asyncpg lets these through as they are.
        if isinstance(error, TimeoutError):
            raise errors.away(self._store, "it does not answer") from error
        if isinstance(error, ConnectionError):
            raise errors.away(self._store, "the connection is gone") from error


def _probe(path: Path, *, create: bool) -> None:
    """Make sure that a file is a database, or can become one.

    Here rather than at the first use, where a driver with threads fails less tidily.
    """
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise StoreError(
            f"SQLite {sqlite3.sqlite_version} is too old for the store {path}",
            hint="use a Python with SQLite 3.35 or newer, or PostgreSQL",
        )
    if not create and not path.exists():
        raise errors.away(str(path), "there is no such file", hint="is the path right?")
    try:
        uri = f"{_file_uri(path)}?mode={'rwc' if create else 'ro'}"
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=_BUSY_TIMEOUT_S)) as file:
            file.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.Error as error:
        raise errors.of_sqlite(error, str(path)) from error


def _file_uri(path: Path) -> str:
    return f"file:{quote(str(path.absolute()))}"


def _sqlite(kind: type[Database], path: Path, *, read_only: bool) -> Any:
    reader = _sqlite_engine(path, "ro" if read_only else "rwc", _READERS)
    event.listen(reader.sync_engine, "connect", _pragmas(_READER_PRAGMAS))
    event.listen(reader.sync_engine, "begin", _begin)
    if read_only:
        return kind(str(path), writer=reader, reader=reader)
    writer = _sqlite_engine(path, "rwc", 1)
    event.listen(writer.sync_engine, "connect", _pragmas(_WRITER_PRAGMAS))
    event.listen(writer.sync_engine, "begin", _begin_immediate)
    return kind(str(path), writer=writer, reader=reader)


def _sqlite_engine(path: Path, mode: str, connections: int) -> AsyncEngine:
    url = URL.create(
        "sqlite+aiosqlite",
        database=_file_uri(path),
        query={"mode": mode, "uri": "true"},
    )
    return create_async_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=_POOL_TIMEOUT_S,
        connect_args={"timeout": _BUSY_TIMEOUT_S},
    )


def _pragmas(statements: tuple[str, ...]) -> Any:
    def prepare(connection: Any, record: object) -> None:
        # sqlite3 would begin transactions by itself, and not before reads.
        connection.isolation_level = None
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(statement)
        cursor.close()

    return prepare


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _begin_immediate(connection: Connection) -> None:
    # A transaction that reads first and then finds the store locked could only start over.
    if not connection.get_execution_options().get(_PLAIN):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _postgres(kind: type[Database], url: str, *, read_only: bool, stall_s: float) -> Any:
    name = _without_secrets(url)
    try:
        engine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=partial(_connect, url, name, read_only=read_only, stall_s=stall_s),
            pool_size=_CONNECTIONS,
            max_overflow=0,
            pool_timeout=_POOL_TIMEOUT_S,
            pool_pre_ping=True,
            pool_recycle=1800,
        )
    except ImportError as error:
        raise StoreError(
            f"the store {name} needs asyncpg, which is not installed",
            hint="pip install 'memsnap[postgres]'",
        ) from error
    return kind(name, writer=engine, reader=engine)


async def _connect(url: str, name: str, *, read_only: bool, stall_s: float) -> Any:
    """Return a connection of asyncpg, which knows all forms of URL that libpq does."""
    import asyncpg

    settings = {
        "application_name": f"memsnap {__version__}",
        "statement_timeout": f"{_STATEMENT_TIMEOUT_S}s",
        "idle_in_transaction_session_timeout": f"{round(stall_s * 1000)}ms",
        "default_transaction_read_only": "on" if read_only else "off",
    }
    try:
        return await asyncpg.connect(
            url,
            timeout=_CONNECT_TIMEOUT_S,
            # Of the client, for a server that vanished without a word.
            command_timeout=2 * _STATEMENT_TIMEOUT_S,
            server_settings=settings,
        )
    except asyncpg.PostgresError as error:
        raise errors.of_sqlstate(error.sqlstate or "", error, name) from error
    except (asyncpg.InterfaceError, ValueError) as error:
        raise UsageError(f"{name} is no URL of a PostgreSQL database: {error}") from error
    except TimeoutError as error:
        raise errors.away(name, "it does not answer") from error
    except OSError as error:
        raise errors.away(name, _reason(error), hint="does the server run?") from error


def _reason(error: OSError) -> str:
    reason = error.strerror or str(error)
    return f"{reason[:1].lower()}{reason[1:]}"


def _without_secrets(url: str) -> str:
    """Return a URL without its password and query, in which there may be another."""
    parts = urlsplit(url)
    user = f"{unquote(parts.username)}@" if parts.username else ""
    _, _, place = parts.netloc.rpartition("@")
    return f"{parts.scheme}://{user}{place}{parts.path}"


async def _check_version(connection: AsyncConnection, name: str) -> None:
    if connection.dialect.name == "sqlite":
        return
    number = int((await connection.execute(text("SHOW server_version_num"))).scalar_one())
    if number // 10000 < _OLDEST_POSTGRES:
        raise StoreError(
            f"the store {name} runs PostgreSQL {number // 10000}, which is too old",
            hint=f"memsnap needs PostgreSQL {_OLDEST_POSTGRES} or newer",
        )
