"""`memsnap serve`: the daemon, from the configuration to its exit code."""

import asyncio
import gc
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from memsnap.cli import options
from memsnap.errors import MemsnapError, UsageError

if TYPE_CHECKING:
    from memsnap.collector.daemon import Daemon
    from memsnap.config.settings import Settings
    from memsnap.storage.database import Database

_LEAST_STALL_S = 2.0  # between two statements of a transaction, on a machine that is busy


@click.command()
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    help="TOML file with targets and settings; config.example.toml documents every key.",
)
@click.option(
    "--target",
    "targets",
    multiple=True,
    metavar="TARGET",
    help="Visit http://host:6060, unix:/run/app.sock or pid:4711; may be given several times.",
)
@click.option("--store", metavar="URL", help="sqlite:///FILE or postgresql://USER@HOST/NAME.")
@click.option("--listen", metavar="HOST:PORT", help="Where health, metrics and API are served.")
@click.option("--interval", type=options.duration, help="Time between captures of a target.")
@click.option("--migrate", is_flag=True, help="Bring the store's schema up to date first.")
@click.pass_context
def serve(ctx: click.Context, /, **given: Any) -> int:
    """Collect captures of many services for months, and keep what matters.

    Without a configuration, --target is enough: captures go to memsnap.db in this folder.

    \b
    memsnap serve --target http://localhost:6060
    memsnap serve --config /etc/memsnap/config.toml --migrate
    """
    # One command after the other makes no garbage worth a search; months of work do.
    gc.enable()
    given["config"] = given["config"] or ctx.find_root().params.get("config")
    load = _loader(given)
    settings = load()
    return asyncio.run(_serve(settings, load))


def _loader(given: dict[str, Any]) -> "Callable[[], Settings]":
    """Return what reads the settings, now and at every reload."""
    from memsnap.cli.main import command_names
    from memsnap.collector.discovery.loading import load_settings, target_settings

    def load() -> "Settings":
        base = None
        if given["config"]:
            base = load_settings(given["config"], other_tables=command_names())
        settings = _overridden(target_settings(given["targets"], base=base), given)
        if not settings.targets and not settings.discovers:
            raise UsageError(
                "there is nothing to collect",
                hint="memsnap serve --target http://localhost:6060, or [[target]] in the "
                "configuration",
            )
        return settings

    return load


def _overridden(settings: "Settings", given: dict[str, Any]) -> "Settings":
    """Return the settings with what the command line says."""
    from dataclasses import replace

    from memsnap.config.settings import read_listen

    if given["store"]:
        settings = replace(settings, store=replace(settings.store, url=given["store"]))
    if given["migrate"]:
        settings = replace(settings, store=replace(settings.store, migrate=True))
    if given["interval"]:
        collector = replace(settings.collector, interval_s=given["interval"])
        settings = replace(settings, collector=collector)
    if given["listen"] is not None:
        settings = replace(
            settings, http=replace(settings.http, listen=read_listen(given["listen"]))
        )
    return settings


async def _serve(settings: "Settings", load: "Callable[[], Settings]") -> int:
    from memsnap.collector import logs
    from memsnap.collector.daemon import Daemon
    from memsnap.storage.spool import Spool
    from memsnap.web.access.exposure import check_exposure

    check_exposure(settings)
    logs.start_logging(settings.log.level.value, settings.log.format.value)
    for sentence in settings.warnings:
        logs.warning(sentence)
    async with await _open_store(settings) as db:
        with Spool(
            Path(settings.store.spool_dir), max_bytes=settings.store.spool_max_bytes
        ) as spool:
            daemon = Daemon(settings, db, spool)
            _handle_signals(daemon, load)
            await _run(daemon, settings)
    return 0


async def _open_store(settings: "Settings") -> "Database":
    """Return the store with the schema that this memsnap knows.

    A new SQLite file gets it at once; an old schema is refused unless it shall be migrated.
    """
    from memsnap.storage.database import Database
    from memsnap.storage.fleet import TURNS
    from memsnap.storage.migrate import check, upgrade

    if settings.store.migrate:
        await upgrade(settings.store.url)
    # What a collector that hangs has locked must not keep its targets from the others.
    stall_s = max(settings.collector.lease_s / TURNS, _LEAST_STALL_S)
    db = await Database.open(settings.store.url, stall_s=stall_s)
    try:
        await check(db, create=True)
    except BaseException:
        await db.close()
        raise
    return db


async def _run(daemon: "Daemon", settings: "Settings") -> None:
    from memsnap.collector import logs

    http = settings.http
    if http.listen is None:
        await daemon.run()
        return
    from memsnap.web.app import make_app
    from memsnap.web.server import listening, tls_of

    async with listening(make_app(daemon), http.listen, tls=tls_of(http)) as address:
        logs.info("serving", address=address, store=daemon.db.name, collector=daemon.owner)
        await daemon.run()


def _handle_signals(daemon: "Daemon", load: "Callable[[], Settings]") -> None:
    """SIGTERM and SIGINT finish what runs; a second one does not wait.  SIGHUP reads anew."""
    from memsnap.collector import logs

    loop = asyncio.get_running_loop()

    def stop() -> None:
        if daemon.stopping:
            os._exit(1)  # captures are whole or not at all, whenever this happens
        daemon.stop()

    def reload() -> None:
        try:
            settings = load()
        except MemsnapError as error:
            daemon.metrics.reloads.labels("refused").inc()
            logs.warning("the new configuration is refused", reason=error.message)
        else:
            daemon.reload(settings)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    loop.add_signal_handler(signal.SIGHUP, reload)
