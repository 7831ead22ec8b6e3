"""Settings out of texts, with the forms of addresses and headers that the daemon knows."""

import textwrap

from memsnap.collector.discovery.loading import settings_in
from memsnap.config.document import parse_document
from memsnap.config.mistakes import ConfigError
from memsnap.config.settings import Settings


def settings(text: str = "", environment=None, *, other_tables=()) -> Settings:
    """Return the settings in an indented TOML text."""
    document = parse_document(textwrap.dedent(text), "memsnap.toml")
    return settings_in(document, environment or {}, other_tables=other_tables)


def mistakes(text: str, environment=None) -> list[str]:
    """Return what is wrong with a text, as people are told."""
    try:
        settings(text, environment)
    except ConfigError as error:
        return [str(mistake) for mistake in error.mistakes]
    return []
