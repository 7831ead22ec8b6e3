"""`--config`: a TOML file whose tables are the commands and whose keys are their options."""

import tomllib
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click

from memsnap.errors import FileError, UsageError

# Accepted and used by `memsnap serve` and its like; one file serves all.
_HINT = "config.example.toml documents every key"


def load_defaults(
    path: Path, command: Callable[[str], click.Command | None]
) -> dict[str, dict[str, Any]]:
    """Return click's default map from the TOML file `path`.

    `command` returns a command by name, None where there is none.  Raises FileError where the
    file cannot be read, UsageError, naming the key and the nearest valid one, where it is wrong.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise FileError(f"cannot read {path}: {reason}", hint=_HINT) from error
    try:
        tables = tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not TOML: {error}", hint=_HINT) from error
    return {name: _options(path, name, table, command(name)) for name, table in tables.items()}


def _options(path: Path, name: str, table: Any, command: click.Command | None) -> dict[str, Any]:
    if command is None or not isinstance(table, dict):
        raise UsageError(f"{path}: {name!r} is no table of a command", hint=_HINT)
    options = {
        option.removeprefix("--"): parameter
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for option in parameter.opts
        if option.startswith("--")
    }
    defaults = {}
    for key, value in table.items():
        if key not in options:
            close = get_close_matches(key, options, n=1)
            meant = f" (did you mean {close[0]!r}?)" if close else ""
            raise UsageError(f"{path}: {name}.{key}: unknown key{meant}", hint=_HINT)
        parameter = options[key]
        defaults[parameter.name or key] = _checked(path, f"{name}.{key}", parameter, value)
    return defaults


def _checked(path: Path, key: str, option: click.Option, value: Any) -> Any:
    """Return a value as it would be typed; refuse what the command line would not take."""
    wants_list = option.multiple
    if wants_list != isinstance(value, list):
        kind = "a list" if wants_list else "a single value"
        raise UsageError(f"{path}: {key}: takes {kind}", hint=_HINT)
    if option.is_flag and not isinstance(value, bool):
        raise UsageError(f"{path}: {key}: takes true or false", hint=_HINT)
    if not option.is_flag and isinstance(value, (bool, dict)):
        raise UsageError(f"{path}: {key}: takes {option.type.name}", hint=_HINT)
    if option.is_flag:
        return value
    typed = [str(item) for item in (value if wants_list else [value])]
    try:
        for item in typed:
            option.type.convert(item, option, None)
    except click.UsageError as error:
        raise UsageError(f"{path}: {key}: {error.format_message()}", hint=_HINT) from error
    return typed if wants_list else typed[0]
