"""`memsnap config check` and `show`, on real files."""

import textwrap

import pytest
from click.testing import CliRunner

from memsnap.cli.config_command import config


@pytest.fixture
def run(tmp_path):
    """A function that runs a subcommand on a text; gives code, output and errors."""
    path = tmp_path / "memsnap.toml"

    def run(command: str, text: str):
        path.write_text(textwrap.dedent(text))
        done = CliRunner().invoke(config, [command, str(path)], standalone_mode=False)
        if done.exception:
            raise done.exception
        here = str(tmp_path)
        return done.return_value, done.stdout.replace(here, ""), done.stderr.replace(here, "")

    return run


def test_a_file_that_is_fine_is_summed_up(run):
    code, out, err = run(
        "check",
        """
        [diff]
        limit = 5
        [[target]]
        address = "a:1"
        [[discover]]
        kind = "processes"
        [[discover]]
        kind = "dns"
        names = ["a"]
        """,
    )
    assert (code, err) == (0, "")
    assert out == "/memsnap.toml is fine: 1 target, 2 discoveries, 0 triggers\n"


def test_mistakes_of_the_daemon_and_of_the_commands_are_told_together(run):
    code, out, err = run(
        "check",
        """
        [diff]
        limt = 5
        [htp]
        [collector]
        interval = "soon"
        [capture]
        count = "x"
        """,
    )
    assert (code, out) == (2, "")
    assert err.splitlines() == [
        "memsnap: /memsnap.toml: 4 mistakes",
        "  line 3: diff.limt: unknown key (did you mean 'limit'?)",
        "  line 4: htp: unknown table (did you mean 'http'?)",
        "  line 6: collector.interval: takes a duration such as 30s, 10m or 1h30m, not 'soon'",
        "  line 8: capture.count: Invalid value for '--count': 'x' is not a valid integer range.",
        "  try: config.example.toml documents every key",
    ]


def test_a_mistake_of_a_command_alone_is_one_too(run):
    assert run("check", "[diff]\nlimit = true\n")[0] == 2


def test_secrets_that_are_not_here_are_no_mistakes(run):
    code, _, err = run(
        "check",
        """
        [[target]]
        address = "a:1"
        token-env = "MEMSNAP_NO_SUCH_TOKEN"
        [[discover]]
        kind = "http"
        url = "http://x/"
        request = { ca = "/no/such/ca.pem" }
        """,
    )
    assert code == 0
    assert err.splitlines() == [
        "  note: the environment variable MEMSNAP_NO_SUCH_TOKEN is not set",
        "  note: /no/such/ca.pem cannot be read: No such file or directory",
    ]


def test_show_prints_what_holds(run):
    code, out, _ = run("show", "[collector]\ninterval = 90\n[diff]\nlimit = 1\n")
    assert not code
    assert '[collector]\ninterval = "1m30s"\ntimeout = "30s"\n' in out
    assert "diff" not in out
