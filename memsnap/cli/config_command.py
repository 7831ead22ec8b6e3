"""`memsnap config`: says what is wrong with a configuration, and what it comes to."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from memsnap.cli import options
from memsnap.errors import MemsnapError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memsnap.config.document import Document
    from memsnap.config.settings import AccessSettings, Settings

_FILE = click.argument(
    "file", type=click.Path(dir_okay=False, path_type=Path), envvar="MEMSNAP_CONFIG"
)


@click.group(short_help="Check or show a configuration file.")
def config() -> None:
    """Check or show a configuration file.

    One file serves the daemon (`memsnap serve`) and, as `memsnap --config FILE`, the defaults of
    all other commands; config.example.toml documents every key.
    """


@config.command(short_help="Say every mistake in a file.")
@_FILE
def check(file: Path) -> int:
    """Say every mistake in FILE, with its line; exit with 2 if there is one.

    What may differ on the machine that FILE is for, such as files with secrets that are not here,
    is told and is no mistake.
    """
    from memsnap.config.document import read_document
    from memsnap.config.mistakes import ConfigError

    document = read_document(file)
    try:
        settings = _settings(document)
    except ConfigError as error:
        count = len(error.mistakes)
        options.say(f"memsnap: {file}: {count} mistake{'s' if count > 1 else ''}")
        for mistake in error.mistakes:
            options.say(f"  {mistake}")
        options.say(f"  try: {error.hint}")
        return error.exit_code
    for warning in (*settings.warnings, *_not_here(settings)):
        options.say(f"  note: {warning}")
    options.show(f"{file} is fine: {_summary(settings)}")
    return 0


@config.command(short_help="Print a file as it is understood.")
@_FILE
def show(file: Path) -> None:
    """Print FILE as it is understood, with all defaults and without secrets."""
    from memsnap.config.document import read_document
    from memsnap.config.show import render

    options.show(render(_settings(read_document(file))).rstrip("\n"))


def _settings(document: "Document") -> "Settings":
    """Return the daemon's settings; raises ConfigError with the mistakes of all readers."""
    from memsnap.cli.config import read_defaults
    from memsnap.cli.main import cli
    from memsnap.collector.discovery.loading import settings_in
    from memsnap.config.mistakes import ConfigError

    context = click.Context(cli)
    _, mistakes = read_defaults(document, lambda name: cli.get_command(context, name))
    of_commands = [mistake for mistake in mistakes if mistake.key]  # unknown tables are told below
    try:
        settings = settings_in(document, os.environ, other_tables=cli.list_commands(context))
    except ConfigError as error:
        raise ConfigError(document.where, [*error.mistakes, *of_commands]) from error
    if of_commands:
        raise ConfigError(document.where, of_commands)
    return settings


def _not_here(settings: "Settings") -> "Iterator[str]":
    """Say which secrets and certificates cannot be read here and now."""
    from memsnap.collector.discovery.access import open_access

    said = set()
    for access in _accesses(settings):
        try:
            open_access(access)
        except MemsnapError as error:
            if error.message not in said:
                yield error.message
            said.add(error.message)


def _accesses(settings: "Settings") -> "Iterator[AccessSettings]":
    from memsnap.config.settings import HttpSearch, KubernetesSearch

    for target in settings.targets:
        yield target.overrides.access
    for discover in settings.discovers:
        yield discover.overrides.access
        if isinstance(discover.search, HttpSearch | KubernetesSearch):
            yield discover.search.request


def _summary(settings: "Settings") -> str:
    counts = {
        "target": len(settings.targets),
        "discovery": len(settings.discovers),
        "trigger": len(settings.triggers),
    }
    plural = {"target": "targets", "discovery": "discoveries", "trigger": "triggers"}
    return ", ".join(f"{n} {name if n == 1 else plural[name]}" for name, n in counts.items())
