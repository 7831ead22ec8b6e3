"""config.example.toml documents every option that a file may set, with the real defaults."""

import re
import tomllib
from pathlib import Path

import click
import pytest

from memsnap.cli.config import load_defaults
from memsnap.cli.main import cli

EXAMPLE = Path(__file__).parent.parent / "config.example.toml"
# Options of one run, not of a habit: what to read and where to write.
PER_RUN = {"output", "pid", "diff", "json", "markdown", "pprof", "help"}


def command(name: str) -> click.Command | None:
    return cli.get_command(click.Context(cli), name)


def options(name: str) -> dict[str, click.Option]:
    return {
        option.opts[-1].removeprefix("--"): option
        for option in command(name).params
        if isinstance(option, click.Option) and option.opts[-1].startswith("--")
    }


def uncommented() -> str:
    return re.sub(r"^# ([\w-]+ = )", r"\1", EXAMPLE.read_text(encoding="utf-8"), flags=re.MULTILINE)


def test_the_example_is_valid_as_it_stands():
    assert load_defaults(EXAMPLE, command)


def test_every_key_that_the_example_shows_in_a_comment_is_valid(tmp_path):
    path = tmp_path / "all.toml"
    path.write_text(uncommented(), encoding="utf-8")
    assert load_defaults(path, command)


@pytest.mark.parametrize("name", ["capture", "diff", "show", "top"])
def test_every_default_in_the_example_is_the_built_in_one(name):
    table = tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))[name]
    built_in = {}
    for key in table:
        option = options(name)[key]
        built_in[key] = [] if option.multiple else option.default
        if option.is_flag and option.default is not True:
            built_in[key] = False
    assert table == built_in


def test_every_option_of_capture_that_can_be_a_habit_is_documented():
    documented = tomllib.loads(uncommented())["capture"]
    assert sorted(options("capture").keys() - PER_RUN) == sorted(documented)
