"""`memsnap db`: the store's schema, its size, and what it keeps."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar

import click

from memsnap.cli import options, stores
from memsnap.units import format_bytes, format_count

if TYPE_CHECKING:
    from memsnap.config.settings import RetentionSettings
    from memsnap.storage.database import Database
    from memsnap.storage.pruning import PruneReport
    from memsnap.storage.usage import StoreStats

T = TypeVar("T")

_ROWS = 10
_STORE = click.option(
    "--store",
    default="",
    metavar="URL",
    callback=stores.store_url,
    help="sqlite:///FILE or postgresql://USER@HOST/NAME; else MEMSNAP_STORE_URL, [store] of "
    "memsnap --config, memsnap.db.",
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(short_help="Look after the store: schema, size, retention.")
def db() -> None:
    """Look after the store: schema, size, retention.

    `memsnap serve` does all of this by itself, but for upgrades of the schema.
    """


@db.command()
@_STORE
@_JSON
def upgrade(store: str, *, as_json: bool) -> int:
    """Bring the store's schema to the one of this memsnap; create it if there is none.

    All or nothing; take a backup first if the store matters to you.
    """
    from memsnap.storage import migrate

    before, after = asyncio.run(migrate.upgrade(store)), migrate.head()
    if as_json:
        _print_json({"before": before, "after": after})
    elif before == after:
        options.show(f"The schema is {after}, the newest already.")
    else:
        options.show(f"The schema is {after} now; " + (f"it was {before}." if before else "new."))
    return 0


@db.command()
@_STORE
@_JSON
def current(store: str, *, as_json: bool) -> int:
    """Say which schema the store has, and which this memsnap works with."""
    from memsnap.storage import migrate

    found, newest = _with_store(store, migrate.current, reads=True), migrate.head()
    if as_json:
        _print_json({"current": found, "newest": newest})
    elif found == newest:
        options.show(f"The schema is {found}, the newest.")
    else:
        state = f"The schema is {found}" if found else "There is no schema yet"
        options.show(f"{state}; this memsnap works with {newest} (memsnap db upgrade).")
    return 0


@db.command()
@_STORE
@_JSON
@click.option(
    "-n", "--limit", type=click.IntRange(0), default=_ROWS, show_default=True,
    help="Targets to list, those with the most bytes first; JSON has all.",
)  # fmt: skip
def stats(store: str, limit: int, *, as_json: bool) -> int:
    """Say what the store holds: rows and bytes by table and by target."""
    from memsnap.storage import usage

    found = _with_store(store, usage.stats, reads=True)
    if as_json:
        _print_json(asdict(found))
    else:
        options.show("\n".join(_stats_lines(found, limit)))
    return 0


@db.command()
@_STORE
@_JSON
@click.option(
    "--all-for",
    type=options.duration,
    help="Keep every capture that is younger.",
)
@click.option(
    "--hourly-for",
    type=options.duration,
    help="Then one an hour until this age.",
)
@click.option(
    "--daily-for",
    type=options.duration,
    help="Then one a day until this age.",
)
@click.option(
    "--failures-for",
    type=options.duration,
    help="Keep the audit of failed captures until this age.",
)
@click.option("--max-size", type=options.size, metavar="SIZE",
              help="Drop the oldest captures until the store is no larger.")  # fmt: skip
def prune(store: str, *, as_json: bool, **given: Any) -> int:
    """Drop captures that are too old, as `memsnap serve` does by its [retention].

    What no option says is as in the file of `memsnap --config`, else as config.example.toml has it.
    What an open finding cites stays, and so do the first and the last capture of every process,
    unless the store is too large.
    """
    from memsnap.collector.housekeeping import policy_of
    from memsnap.storage import pruning

    policy = policy_of(_retention(given))
    report = _with_store(store, lambda opened: pruning.prune(opened, policy, time.time_ns()))
    if as_json:
        _print_json(asdict(report))
    else:
        options.show("\n".join(_prune_lines(report)))
    return 0


@db.command()
@_STORE
@_JSON
def vacuum(store: str, *, as_json: bool) -> int:
    """Give the space of what was dropped back to the system."""
    from memsnap.storage import usage

    freed = _with_store(store, usage.vacuum)
    if as_json:
        _print_json({"freed_bytes": freed})
    else:
        options.show(f"{format_bytes(freed)} given back.")
    return 0


def _retention(given: dict[str, Any]) -> "RetentionSettings":
    """Return the retention of the configuration, with what the command line says."""
    from dataclasses import replace

    from memsnap.config.settings import RetentionSettings

    retention, path = RetentionSettings(), stores.config_file()
    if path is not None:
        from memsnap.cli.main import command_names
        from memsnap.collector.discovery.loading import load_settings

        retention = load_settings(path, other_tables=command_names()).retention
    ages = {
        f"{name}_s": given[name] for name in ("all_for", "hourly_for", "daily_for", "failures_for")
    }
    said = ages | {"max_bytes": given["max_size"]}
    return replace(retention, **{name: value for name, value in said.items() if value is not None})


def _with_store(url: str, work: "Callable[[Database], Awaitable[T]]", *, reads: bool = False) -> T:
    """Return what `work` does with an open store; its schema is checked unless work reads it."""
    from memsnap.storage import migrate
    from memsnap.storage.database import Database

    async def run() -> T:
        async with await Database.open(url, read_only=reads, create=False) as opened:
            if work is not migrate.current:
                await migrate.check(opened)
            return await work(opened)

    return asyncio.run(run())


def _print_json(document: dict[str, Any]) -> None:
    from memsnap.report.document import json_text

    options.show(json_text(document))


def _stats_lines(found: "StoreStats", limit: int) -> Iterable[str]:
    from memsnap.report.ink import clean

    yield f"{format_bytes(found.disk_bytes)} on disk, {format_bytes(found.used_bytes)} in use"
    yield ""
    yield f"{'rows':>12}  {'size':>8}  table"
    for table in found.tables:
        size = "" if table.size_bytes is None else format_bytes(table.size_bytes)
        yield f"{format_count(table.rows):>12}  {size:>8}  {table.name}"
    if not found.targets:
        return
    yield ""
    yield f"{'captures':>12}  {'blobs':>8}  target"
    for target in found.targets[:limit]:
        stored = format_bytes(target.stored_bytes)
        yield f"{format_count(target.snapshots):>12}  {stored:>8}  {clean(target.key)}"
    if (left := len(found.targets) - limit) > 0:
        yield f"{'':12}  {'':8}  and {format_count(left)} more"


def _prune_lines(report: "PruneReport") -> Iterable[str]:
    yield (
        f"Dropped {_many(report.by_age, 'capture')} by age and {_many(report.by_size, 'capture')} "
        f"by size, {_many(report.failures, 'failure')}, {_many(report.processes, 'process life')}, "
        f"{_many(report.builds, 'build')}; {format_bytes(report.used_bytes)} are in use."
    )
    if report.protected:
        yield (
            f"{_many(report.protected, 'capture')} of them would have stayed, were there room: "
            "ends of process lives, or cited by a finding."
        )
    if report.over_budget:
        yield "The store is still larger than allowed, and there is nothing left to drop."
    if report.postponed:
        yield f"In use by others, and left for the next time: {', '.join(report.postponed)}."


def _many(count: int, what: str) -> str:
    plural = {"process life": "process lives"}.get(what, f"{what}s")
    return f"{format_count(count)} {what if count == 1 else plural}"
