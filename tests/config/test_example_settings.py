"""config.example.toml documents every key of the daemon, with the real defaults."""

import re
import tomllib
from pathlib import Path

import pytest
from settings_texts import settings

from memsnap.config.document import parse_document
from memsnap.config.settings import (
    SEARCHES,
    AlertSettings,
    CollectorSettings,
    DiscoverSettings,
    HttpSettings,
    JudgingSettings,
    LogSettings,
    RetentionSettings,
    Settings,
    StoreSettings,
    TargetSettings,
    TokenSettings,
    TriggerSettings,
)
from memsnap.config.show import render
from memsnap.config.tables import keys, keys_of

TEXT = (Path(__file__).parents[2] / "config.example.toml").read_text(encoding="utf-8")
COMMANDS = ("capture", "diff", "show", "top")
SECTIONS = {
    "store": StoreSettings,
    "retention": RetentionSettings,
    "collector": CollectorSettings,
    "judging": JudgingSettings,
    "http": HttpSettings,
    "log": LogSettings,
}


def switched_on(*, everything: bool) -> str:
    """The file with its example tables, and if wanted with every key that it shows."""
    text = re.sub(r"^#(?=[\[\w])", "", TEXT, flags=re.MULTILINE)
    if everything:
        text = re.sub(r"^#{1,2} (?=[a-z-]+ = )", "", text, flags=re.MULTILINE)
    return text


def documented() -> dict:
    return tomllib.loads(switched_on(everything=True))


def test_as_it_stands_it_is_what_holds_without_a_file():
    assert settings(TEXT, other_tables=COMMANDS) == Settings()


def test_its_tables_show_every_default_that_is_not_empty():
    written = tomllib.loads(TEXT)
    shown = tomllib.loads(render(Settings()))
    assert {name: written[name] for name in SECTIONS} == shown


def test_its_examples_are_valid():
    read = settings(switched_on(everything=False), other_tables=COMMANDS)
    assert len(read.targets) == len(read.triggers) == len(read.alerts) == len(read.tokens) == 1
    assert [discover.name for discover in read.discovers] == list(SEARCHES)
    assert read.warnings == ()


@pytest.mark.parametrize("name", SECTIONS)
def test_every_key_of_a_section_is_documented(name):
    assert sorted(documented()[name]) == sorted(keys_of(SECTIONS[name]))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("trigger", TriggerSettings),
        ("alert", AlertSettings),
        ("target", TargetSettings),
        ("token", TokenSettings),
    ],
)
def test_every_key_of_a_repeated_table_is_documented(name, kind):
    (table,) = documented()[name]
    assert sorted(table) == sorted(keys_of(kind))


def test_every_key_of_a_discovery_is_documented():
    tables = {table["kind"]: table for table in documented()["discover"]}
    common = [one.key for one in keys(DiscoverSettings) if not one.flat]
    for kind, table in tables.items():
        assert sorted(set(table) - {"kind", *common}) == sorted(keys_of(SEARCHES[kind]))
    assert tables.keys() == SEARCHES.keys()
    explained = [key for key in common if re.search(rf"^#   {key} ", TEXT, re.MULTILINE)]
    assert explained == common


def test_every_value_that_it_shows_is_of_the_form_of_its_key():
    document = parse_document(switched_on(everything=True), "config.example.toml")
    from memsnap.collector.discovery.loading import settings_in
    from memsnap.config.mistakes import ConfigError

    # Alternatives stand side by side in it, which is all that may be wrong.
    with pytest.raises(ConfigError) as caught:
        settings_in(document, {"DATABASE_URL": "a.db", "NODE_NAME": "n"}, other_tables=COMMANDS)
    told = [str(mistake) for mistake in caught.value.mistakes]
    assert [one for one in told if "beside" not in one and "is told by SRV" not in one] == [
        one for one in told if "store.url-file: cannot read" in one
    ]
