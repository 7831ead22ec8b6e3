"""What commands share that read a store or ask a daemon: options, and the way there."""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from memsnap.errors import UsageError

if TYPE_CHECKING:
    from memsnap.archive.archive import Archive, FindingArchive
    from memsnap.archive.places import Place
    from memsnap.snapshot import Snapshot
    from memsnap.storage.records import Labels

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

STORE = click.option(
    "--store",
    default="",
    metavar="URL",
    help="The store to read: sqlite:///FILE or postgresql://USER@HOST/NAME.",
)
_SERVER = click.option(
    "--server", default="", metavar="URL", help="The daemon to ask instead: http://HOST:7070."
)
_TOKEN_HELP = "File with the server's bearer token; MEMSNAP_TOKEN holds one too."  # noqa: S105


def store_options(command: F) -> F:
    """Add --store, --server and --token-file, for commands that visit no target."""
    token = click.option(
        *("--token-file", "--server-token-file", "server_token_file"),
        default="",
        metavar="FILE",
        help=_TOKEN_HELP,
    )
    return STORE(_SERVER(token(command)))


def store_options_beside_access(command: F) -> F:
    """Add --store, --server and --server-token-file; --token-file is a target's there."""
    token = click.option("--server-token-file", default="", metavar="FILE", help=_TOKEN_HELP)
    return STORE(_SERVER(token(command)))


def place(given: dict[str, Any]) -> "Place":
    """Return the place that options, environment and configuration name."""
    from memsnap.archive.places import ServerPlace, choose

    chosen = choose(
        store=given["store"],
        server=given.get("server", ""),
        token_file=given.get("server_token_file", ""),
        config=config_file(),
    )
    if isinstance(chosen, ServerPlace) and given.get("max_size"):
        return replace(chosen, max_bytes=given["max_size"])
    return chosen


def store_url(_ctx: click.Context, _parameter: click.Parameter, given: str) -> str:
    """Return the URL of the store as `memsnap serve` finds it, for --store of commands on stores.

    Whether there is anything at it is left to the command.
    """
    from memsnap.archive.places import DEFAULT_FILE, named_store

    return named_store(store=given, config=config_file()) or f"sqlite:///{DEFAULT_FILE}"


def config_file() -> Path | None:
    """Return the file of `memsnap --config`."""
    context = click.get_current_context(silent=True)
    found: Path | None = context.find_root().params.get("config") if context else None
    return found


def ask(given: dict[str, Any], work: "Callable[[Archive], Awaitable[T]]") -> T:
    """Return what `work` does with the archive that is meant."""
    import asyncio

    from memsnap.archive.places import opened

    async def run() -> T:
        async with opened(place(given)) as archive:
            return await work(archive)

    return asyncio.run(run())


def ask_findings(
    given: dict[str, Any], work: "Callable[[FindingArchive], Awaitable[T]]", *, read_only: bool
) -> T:
    """Return what `work` does with the findings of the archive that is meant."""
    import asyncio

    from memsnap.archive.places import opened_findings

    async def run() -> T:
        async with opened_findings(place(given), read_only=read_only) as archive:
            return await work(archive)

    return asyncio.run(run())


def load_references(sources: Sequence[str], given: dict[str, Any]) -> "list[list[Snapshot]]":
    """Return the captures that each reference means; several for a range."""
    from memsnap.archive import lookup
    from memsnap.archive.references import parse_reference

    now_ns = time.time_ns()
    references = [parse_reference(source, now_ns=now_ns) for source in sources]

    async def work(archive: "Archive") -> "list[list[Snapshot]]":
        meant = await lookup.resolve_all(archive, references, now_ns=now_ns)
        return [[await lookup.load(archive, each) for each in records] for records in meant]

    return ask(given, work)


def parse_labels(texts: Sequence[str]) -> "Labels":
    """Return the labels that `NAME=VALUE` mean, sorted; raises UsageError."""
    found: dict[str, str] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not name or not separator:
            raise UsageError(f"{text!r} is no label", hint="--label env=prod")
        if found.setdefault(name, value) != value:
            raise UsageError(f"the label {name} has two values", hint="give one of them")
    return tuple(sorted(found.items()))


def span(text: str, now_ns: int) -> int | None:
    """Return what --since or --until means in ns since 1970, None where it is not given."""
    from memsnap.archive.moments import parse_span

    return parse_span(text, now_ns=now_ns) if text else None
