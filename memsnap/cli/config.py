"""`--config`: a TOML file whose tables are the commands and whose keys are their options.

The same file may hold the daemon's tables, which are left to `memsnap.config`.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from memsnap.config.document import Document, read_document
from memsnap.config.forms import nearest
from memsnap.config.lines import line_of
from memsnap.config.mistakes import ConfigError, Mistake
from memsnap.config.settings import TABLES
from memsnap.errors import UsageError


def load_defaults(
    path: Path, command: Callable[[str], click.Command | None]
) -> dict[str, dict[str, Any]]:
    """Return click's default map from the TOML file `path`.

    `command` returns a command by name, None where there is none.  Raises FileError where the
    file cannot be read, ConfigError, with all mistakes and the nearest valid keys, where it is
    wrong.
    """
    document = read_document(path)
    defaults, mistakes = read_defaults(document, command)
    if mistakes:
        raise ConfigError(document.where, mistakes)
    return defaults


def read_defaults(
    document: Document, command: Callable[[str], click.Command | None]
) -> tuple[dict[str, dict[str, Any]], list[Mistake]]:
    """Return what a file says of commands, and what is wrong with that."""
    defaults: dict[str, dict[str, Any]] = {}
    mistakes: list[Mistake] = []
    for name, table in document.tables.items():
        if name in TABLES:
            continue
        found = command(name)
        if found is None or not isinstance(table, dict):
            text = f"{name!r} is no table of a command, nor of the daemon{nearest(name, TABLES)}"
            mistakes.append(Mistake(key="", text=text, line=line_of((name,), document.lines)))
            continue
        options = _options(found)
        defaults[name] = {}
        for key, value in table.items():
            try:
                option = _option(options, key)
                defaults[name][option.name or key] = _checked(option, value)
            except UsageError as error:
                line = line_of((name, key), document.lines)
                mistakes.append(Mistake(key=f"{name}.{key}", text=error.message, line=line))
    return defaults, mistakes


def _options(command: click.Command) -> dict[str, click.Option]:
    return {
        option.removeprefix("--"): parameter
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for option in parameter.opts
        if option.startswith("--")
    }


def _option(options: Mapping[str, click.Option], key: str) -> click.Option:
    if key not in options:
        raise UsageError(f"unknown key{nearest(key, options)}")
    return options[key]


def _checked(option: click.Option, value: Any) -> Any:
    """Return a value as it would be typed; refuse what the command line would not take."""
    wants_list = option.multiple
    if wants_list != isinstance(value, list):
        raise UsageError(f"takes {'a list' if wants_list else 'a single value'}")
    if option.is_flag and not isinstance(value, bool):
        raise UsageError("takes true or false")
    if not option.is_flag and isinstance(value, (bool, dict)):
        raise UsageError(f"takes {option.type.name}")
    if option.is_flag:
        return value
    typed = [str(item) for item in (value if wants_list else [value])]
    try:
        for item in typed:
            option.type.convert(item, option, None)
    except click.UsageError as error:
        raise UsageError(error.format_message()) from error
    return typed if wants_list else typed[0]
