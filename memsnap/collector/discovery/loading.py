"""Loads settings with what `capture` knows of targets and headers, which `config` does not."""

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from memsnap.capture.access import parse_header
from memsnap.capture.target import parse_target
from memsnap.config.document import Document, read_document
from memsnap.config.load import Neighbours, from_command_line, settings_of
from memsnap.config.settings import Settings


def load_settings(
    path: Path,
    environment: Mapping[str, str] = os.environ,
    *,
    other_tables: Collection[str] = (),
) -> Settings:
    """Return the settings in `path`; `other_tables` are those of the command line.

    Raises:
        FileError: the file cannot be read.
        ConfigError: it is wrong; the error has every mistake in it.
    """
    return settings_in(read_document(path), environment, other_tables=other_tables)


def settings_in(
    document: Document, environment: Mapping[str, str], *, other_tables: Collection[str] = ()
) -> Settings:
    """Return the settings in a file that was read already; raises ConfigError."""
    return settings_of(document, environment, _neighbours(other_tables))


def target_settings(
    targets: Sequence[str],
    environment: Mapping[str, str] = os.environ,
    *,
    base: Settings | None = None,
) -> Settings:
    """Return `base` with targets from the command line added.

    Without `base` it is the defaults, with secrets from `environment`.

    Raises:
        ConfigError: an address is none, or is there twice.
    """
    return from_command_line(targets, environment, _neighbours(()), base=base)


def _neighbours(tables: Collection[str]) -> Neighbours:
    return Neighbours(parse_target=parse_target, parse_header=parse_header, tables=tables)
