"""A file of TOML as text, as tables, and with the lines that its keys stand in."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memsnap.config.lines import KeyPath, key_lines
from memsnap.config.mistakes import HINT, ConfigError, Mistake
from memsnap.errors import FileError

_FILE_MAX_BYTES = 16 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What a file says; `where` names it in errors."""

    where: str
    tables: Mapping[str, Any]
    lines: Mapping[KeyPath, int]


def read_document(path: Path) -> Document:
    """Return what the file `path` says.

    Raises:
        FileError: it cannot be read.
        ConfigError: it is not TOML.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_FILE_MAX_BYTES + 1)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise FileError(f"cannot read {path}: {reason}", hint=HINT) from error
    if len(content) > _FILE_MAX_BYTES:
        raise ConfigError(str(path), [Mistake(key="", text="is larger than 16 MB")])
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        mistake = Mistake(key="", text="is not TOML: its letters are not UTF-8", line=line)
        raise ConfigError(str(path), [mistake]) from error
    return parse_document(text, str(path))


def parse_document(text: str, where: str) -> Document:
    """Return what a text says; raises ConfigError where it is not TOML."""
    try:
        tables = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(where, [Mistake(key="", text=f"is not TOML: {error}")]) from error
    return Document(where=where, tables=tables, lines=key_lines(text.replace("\r\n", "\n")))
