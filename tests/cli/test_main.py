"""The command group: help without costs, exit codes, colours, pipes, completion."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from commands import plain_environment, save_capture
from program import MEMSNAP

import memsnap as memsnap_package
from memsnap import __version__
from memsnap.cli import settle
from memsnap.cli.main import cli

HEAVY = ("aiohttp", "msgspec", "numpy", "pandas", "pyarrow", "requests", "sqlalchemy")


def modules_after(*arguments):
    """Return the modules that a run of memsnap has imported, in a process of its own."""
    program = (
        "import json, sys\n"
        "from memsnap.cli.main import run\n"
        "run(); print('\\n' + json.dumps(list(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["completion", "bash"]])
def test_what_needs_no_data_loads_no_heavy_library(arguments):
    loaded = modules_after(*arguments)
    assert "click" in loaded
    assert loaded.isdisjoint(HEAVY)


@pytest.mark.parametrize("command", ["capture", "diff", "demo"])
def test_the_help_of_a_command_loads_no_heavy_library(command):
    assert modules_after(command, "--help").isdisjoint(HEAVY)


def test_a_diff_of_files_loads_no_library_of_the_network(pair):
    loaded = modules_after("diff", *map(str, pair))
    assert "numpy" in loaded
    assert loaded.isdisjoint({"requests", "urllib3", "aiohttp", "ssl"})


def test_the_help_lists_every_command_with_the_words_of_its_own_help(memsnap):
    listed = memsnap("--help").out.partition("Commands:\n")[2]
    names = re.findall(r"^  (\w+) {2,}\S", listed, re.MULTILINE)
    assert names[:2] == ["capture", "diff"]
    for name in names:
        done = memsnap(name, "--help")
        assert done.code == 0
        assert done.out.startswith(f"Usage: memsnap {name} ")


def test_the_version_is_told(memsnap):
    assert memsnap("--version").out == f"memsnap {__version__}\n"


def test_a_mistyped_command_is_guessed(memsnap):
    done = memsnap("captrue")
    assert done.code == 2
    assert "Did you mean 'capture'?" in done.err


def test_the_console_script_ends_with_the_exit_code(process, tmp_path):
    pair = [save_capture(tmp_path / name, leaked) for name, leaked in (("a", 10), ("b", 110))]
    assert process("diff", *pair).code == 0
    assert process("diff", "gone", "gone").code == 1
    assert process("diff", "--nonsense").code == 2
    assert process("diff", *pair, "--fail-on", "growth>1MB").code == 3


ESCAPE = "\x1b["


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [
        ({}, False),
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ({"NO_COLOR": "1"}, False),
        ({"TERM": "xterm-256color"}, False),
    ],
    ids=["piped", "forced", "forced and refused", "refused", "a terminal's name alone"],
)
def test_piped_output_has_colours_only_if_forced(environment, coloured, process, pair):
    done = process("diff", *pair, env=environment)
    assert (ESCAPE in done.out) is coloured
    assert ESCAPE not in done.err


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [({"TERM": "xterm"}, True), ({"TERM": "dumb"}, False), ({"NO_COLOR": "1"}, False)],
    ids=["terminal", "dumb terminal", "refused"],
)
def test_a_terminal_gets_colours(environment, coloured, pair, tmp_path):
    ours, theirs = os.openpty()
    with os.fdopen(theirs, "w") as terminal:
        subprocess.run(
            [*MEMSNAP, "diff", *pair, "-n", "1"],
            cwd=tmp_path,
            env=plain_environment() | environment,
            stdout=terminal,
            check=True,
        )
        shown = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert "main.readBody" in shown
    assert (ESCAPE in shown) is coloured


@pytest.mark.parametrize("width", [60, 80, 100, 140, 200])
def test_lines_fit_the_width(width, process, pair):
    done = process("diff", *(path.name for path in pair), env={"COLUMNS": str(width)})
    table = done.out.partition("Survivors")[2].partition("Next")[0].splitlines()[1:]
    assert max(map(len, table)) <= max(width, 80)


def test_json_is_the_same_in_a_pipe_and_with_colours(process, pair):
    plain = process("diff", *pair, "--json")
    assert json.loads(plain.out)["schema"] == "memsnap.diff/1"
    assert process("diff", *pair, "--json", env={"FORCE_COLOR": "1"}).out == plain.out


@pytest.mark.parametrize(
    ("more", "code"),
    [([], 0), (["--json"], 0), (["--fail-on", "growth>1MB"], 3)],
    ids=["report", "json", "fail-on"],
)
def test_a_reader_that_leaves_early_is_no_failure(more, code, pair):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe:
        done = subprocess.run(
            [*MEMSNAP, "diff", *pair, *more], stdout=pipe, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == code
    assert b"Broken" not in done.stderr
    assert b"Traceback" not in done.stderr


def test_head_gets_its_line(pair):
    printed = subprocess.run(
        ["bash", "-o", "pipefail", "-c", '"$@" | head -1', "-", *MEMSNAP, "diff", *pair],
        capture_output=True,
        text=True,
        check=True,
    )
    assert printed.stdout == "shop, go1.27.3, pid 4711\n"
    assert printed.stderr == ""


def test_a_terminal_that_knows_no_arrows_gets_question_marks(process, pair):
    done = process("diff", *pair, env={"PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"})
    assert done.code == 0
    assert "6.27 MB ?  59.0 MB" in done.out


def test_every_option_that_a_message_names_exists():
    context = click.Context(cli)
    commands = [cli, *(cli.get_command(context, name) for name in cli.list_commands(context))]
    groups = [command for command in commands[1:] if isinstance(command, click.Group)]
    commands += [command for group in groups for command in group.commands.values()]
    commands += [each for each in vars(settle).values() if isinstance(each, click.Command)]
    known = {
        option
        for command in commands
        for parameter in command.get_params(context)
        for option in (*parameter.opts, *parameter.secondary_opts)
    }
    texts = [
        node.value
        for file in Path(memsnap_package.__file__).parent.rglob("*.py")
        if file.parent.name != "page"  # how the page is built, with options of npm
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    named = {option for text in texts for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)}
    assert "--timeout" in named
    assert named <= known
