"""Which archive is meant, and opening it.

A store or a server from the command line, else from the environment, else [store] of the
configuration, else memsnap.db in this folder.
"""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from memsnap.archive.archive import Archive, FindingArchive
from memsnap.errors import UsageError

if TYPE_CHECKING:
    from memsnap.archive.local import LocalArchive
    from memsnap.archive.remote import RemoteArchive

SERVER_VARIABLE = "MEMSNAP_SERVER"
STORE_VARIABLE = "MEMSNAP_STORE_URL"
TOKEN_VARIABLE = "MEMSNAP_TOKEN"  # noqa: S105 - its name
DEFAULT_FILE = "memsnap.db"
DEFAULT_MAX_BYTES = 256 << 20  # of an answer, also after decompression


@dataclass(frozen=True, slots=True, kw_only=True)
class StorePlace:
    """A store by its URL."""

    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerPlace:
    """A daemon by its URL; the token is in a file, or in MEMSNAP_TOKEN, or there is none."""

    url: str
    token_file: str = ""
    max_bytes: int = DEFAULT_MAX_BYTES


Place = StorePlace | ServerPlace


def choose(
    *,
    store: str = "",
    server: str = "",
    token_file: str = "",
    config: Path | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Place:
    """Return the place that options, environment and configuration name.

    Raises:
        UsageError: two are named in the same breath, or none at all.
        FileError, ConfigError: the configuration cannot be read, or its [store] is wrong.
    """
    if store and server:
        raise UsageError("--store and --server exclude each other", hint="leave one of them out")
    if not store and not server:
        store = environment.get(STORE_VARIABLE, "").strip()
        server = environment.get(SERVER_VARIABLE, "").strip()
        if store and server:
            raise UsageError(
                f"{SERVER_VARIABLE} and {STORE_VARIABLE} are both set",
                hint="say which one is meant with --server URL or --store URL",
            )
    if server:
        return ServerPlace(url=server, token_file=token_file)
    if token_file:
        raise UsageError("a token is for a server", hint="add --server URL")
    named = named_store(store=store, config=config, environment=environment)
    return StorePlace(url=named or _default())


def named_store(
    *, store: str = "", config: Path | None = None, environment: Mapping[str, str] = os.environ
) -> str:
    """Return the URL of the store that is named, as `memsnap serve` finds it; empty: none is.

    Raises:
        FileError, ConfigError: the configuration cannot be read, or its [store] is wrong.
    """
    return (
        store
        or environment.get(STORE_VARIABLE, "").strip()
        or (_configured(config, environment) if config else "")
    )


@asynccontextmanager
async def opened(place: Place) -> AsyncIterator[Archive]:
    """Give the archive at a place.

    Raises StoreError or ServerError where it is away, foreign, or of another version.
    """
    async with _opened(place, read_only=True) as found:
        yield found


@asynccontextmanager
async def opened_findings(place: Place, *, read_only: bool) -> AsyncIterator[FindingArchive]:
    """Give the findings at a place; raises as `opened`."""
    async with _opened(place, read_only=read_only) as found:
        yield found


@asynccontextmanager
async def _opened(
    place: Place, *, read_only: bool
) -> "AsyncIterator[LocalArchive | RemoteArchive]":
    if isinstance(place, StorePlace):
        from memsnap.archive.local import LocalArchive

        async with LocalArchive.open(place.url, read_only=read_only) as local:
            yield local
        return
    from memsnap.archive.remote import RemoteArchive
    from memsnap.capture.access import SecretSource, read_secret

    named = SecretSource(file=place.token_file)
    if not named and os.environ.get(TOKEN_VARIABLE):
        named = SecretSource(variable=TOKEN_VARIABLE)
    async with RemoteArchive.open(
        place.url, token=read_secret(named), max_bytes=place.max_bytes
    ) as remote:
        yield remote


def _configured(path: Path, environment: Mapping[str, str]) -> str:
    """Return the URL in [store] of a configuration, empty where it has none."""
    from dataclasses import replace

    from memsnap.config.document import read_document
    from memsnap.config.load import Neighbours, settings_of

    document = read_document(path)
    if "store" not in document.tables:
        return ""
    # Its targets, whose parsing takes half of memsnap, do not matter here.
    only = replace(document, tables={"store": document.tables["store"]})
    nobody = Neighbours(parse_target=str, parse_header=str)
    return settings_of(only, environment, nobody).store.url


def _default() -> str:
    if Path(DEFAULT_FILE).exists():
        return f"sqlite:///{DEFAULT_FILE}"
    raise UsageError(
        f"no store is named, and there is no {DEFAULT_FILE} in this folder",
        hint=f"--store URL or --server URL, {STORE_VARIABLE} or {SERVER_VARIABLE}, or [store] in "
        "the file of memsnap --config",
    )
