"""`--config` sets defaults that are really applied, and every mistake in it is named."""

import json

import pytest
from commands import profile
from targets import Reply, go_service, serving


@pytest.fixture
def config(tmp_path):
    """A function that writes a configuration and returns its path."""

    def write(text):
        path = tmp_path / "memsnap.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[diff]\nlimt = 5\n", "diff.limt: unknown key (did you mean 'limit'?)"),
        ("[capture]\ninterva = '5s'\n", "(did you mean 'interval'?)"),
        ("[diff]\nxyzzy = 5\n", "diff.xyzzy: unknown key"),
        ("[dif]\nlimit = 5\n", "'dif' is no table of a command"),
        ("limit = 5\n", "'limit' is no table of a command"),
        ("[diff]\nlimit = 'many'\n", "diff.limit: "),
        ("[diff]\nlimit = 2.5\n", "diff.limit: "),
        ("[diff]\nlimit = true\n", "diff.limit: takes integer"),
        ("[diff]\nlimit = [5]\n", "diff.limit: takes a single value"),
        ("[diff]\nfail-on = 'growth>5MB'\n", "diff.fail-on: takes a list"),
        ("[diff]\njson = 'yes'\n", "diff.json: takes true or false"),
        ("[diff]\nby = 'colour'\n", "diff.by: "),
        ("[diff]\nmin-bytes = '5 parsecs'\n", "'5 parsecs' is not a size"),
        ("[capture]\ninterval = 'soon'\n", "'soon' is not a duration"),
        ("[capture]\ntimeout = {a = 1}\n", "capture.timeout: takes"),
        ("[diff\nlimit = 5\n", "is not TOML"),
        (b"[diff]\nby = '\xff'\n", "is not TOML"),
    ],
)
def test_a_mistake_is_named_with_file_and_key(text, said, config, memsnap, pair):
    path = config(text)
    done = memsnap("--config", path, "diff", *pair)
    assert (done.code, done.out) == (2, "")
    assert done.lines[0].startswith(f"memsnap: {path}")
    assert said in done.lines[0]
    assert done.lines[1:] == ["  try: config.example.toml documents every key"]


def test_a_file_that_is_not_there_is_named(memsnap, pair, tmp_path):
    done = memsnap("--config", tmp_path / "gone.toml", "diff", *pair)
    assert done.code == 1
    assert f"cannot read {tmp_path}/gone.toml: no such file" in done.err


def test_defaults_are_applied(config, memsnap, pair):
    path = config("[diff]\njson = true\nby = 'function'\nin = 'main.readBody'\n")
    document = json.loads(memsnap("--config", path, "diff", *pair).out)
    assert document["group_by"] == "function"
    assert [row["function"] for row in document["groups"]] == ["main.readBody"]


def test_numbers_may_be_written_as_numbers(config, memsnap, pair):
    path = config("[diff]\nmin-bytes = 1024\nlimit = 1\nmax-size = 1048576\ntimeout = 10\n")
    done = memsnap("--config", path, "diff", *pair)
    assert (done.code, done.err) == (0, "")
    assert "1 of 1 rows" in done.out


def test_a_list_sets_an_option_that_may_be_repeated(config, memsnap, pair):
    path = config("[diff]\nfail-on = ['growth>1GB', 'heap>1MB']\n")
    done = memsnap("--config", path, "diff", *pair)
    assert done.code == 3
    assert "heap>1MB" in done.err


def test_the_command_line_wins(config, memsnap, pair):
    path = config("[diff]\nlimit = 1\nby = 'function'\n[capture]\ngc = false\n")
    done = memsnap("--config", path, "diff", *pair, "-n", "2", "--by", "size", "--sort", "after")
    assert "2 of 2 rows" in done.out
    assert "by size" in done.out


def test_a_switch_can_be_turned_off(config, memsnap, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = config("[capture]\ngc = false\ngoroutines = false\noutput = 'x.snap'\n")
    table = go_service(profile()) | {"/debug/pprof/goroutine": Reply(b"")}
    with serving(table) as target:
        assert memsnap("--config", path, "capture", target.url).code == 0
    assert (tmp_path / "x.snap").exists()
    asked = [path for path, _ in target.seen]
    assert not any("gc=1" in path or "goroutine" in path for path in asked)


def test_the_environment_may_name_the_file(config, process, pair):
    path = config("[diff]\njson = true\n")
    done = process("diff", *pair, env={"MEMSNAP_CONFIG": str(path)})
    assert json.loads(done.out)["schema"] == "memsnap.diff/1"
