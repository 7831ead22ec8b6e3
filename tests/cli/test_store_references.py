"""`store:...` wherever a file may be given."""

import json
import subprocess
import sys

import pytest
from commands import plain_environment
from filled_stores import fill


def test_two_moments_of_a_target_are_compared(filled, memsnap):
    done = memsnap("diff", "store:shop@-8m", "store:shop@now", "--json")

    assert done.code == 0
    names = [each["name"] for each in json.loads(done.out)["captures"]]
    assert names == [f"store:{filled.shop[6]}", f"store:{filled.shop[9]}"]


def test_the_header_says_when_the_captures_really_are(filled, memsnap):
    listed = json.loads(memsnap("list", "shop", "--json").out)["snapshots"]
    done = memsnap("diff", "store:shop@-9m", "store:shop@now")

    printed = memsnap("list", "shop").out
    time = next(line for line in printed.splitlines() if line.split()[0] == str(filled.shop[9]))
    header = next(line for line in done.out.splitlines() if line.startswith("B  "))
    assert header.split()[1] == f"store:{filled.shop[9]}"
    assert header.split()[3][:6] == time.split()[2][:6]
    assert listed[0]["id"] == filled.shop[9]


def test_what_is_suggested_next_finds_the_same_captures(filled, memsnap, tmp_path):
    url = f"sqlite:///{tmp_path}/other.db"
    fill(url)
    done = memsnap("diff", "store:shop@first", "store:shop@last", "--store", url)

    suggested = done.out.partition("Next\n")[2].splitlines()
    assert suggested[0].strip() == f"memsnap diff store:1 store:10 --by function --store {url}"
    assert "go tool pprof" not in done.out
    assert memsnap(*suggested[0].split()[1:]).code == 0


def test_a_range_is_a_series_of_captures(filled, memsnap):
    done = memsnap("diff", "store:shop@-11m..now", "--json")

    names = [each["name"] for each in json.loads(done.out)["captures"]]
    assert names == [f"store:{number}" for number in filled.shop[5:]]


def test_files_and_stored_captures_are_compared_in_the_order_given(filled, memsnap):
    assert memsnap("pull", f"{filled.shop[0]}", "-o", "old.snap").code == 0
    done = memsnap("diff", "old.snap", f"store:#{filled.shop[5]}", "store:shop", "--json")

    names = [each["name"] for each in json.loads(done.out)["captures"]]
    assert names == ["old.snap", f"store:#{filled.shop[5]}".replace("#", ""), "store:10"]


@pytest.mark.parametrize(
    "command",
    [
        ["show"],
        ["top", "--by", "type"],
        ["export", "--format", "folded"],
        ["attribute", "--exe", "none", "-o", "x.snap"],
    ],
    ids=lambda each: each[0],
)
def test_every_command_that_takes_a_capture_takes_a_stored_one(filled, memsnap, command):
    stored = memsnap(command[0], "store:shop@last", *command[1:])
    memsnap("pull", "store:shop@last", "-o", "last.snap")
    of_file = memsnap(command[0], "last.snap", *command[1:])

    assert stored.code == of_file.code == (1 if command[0] == "attribute" else 0)
    if command[0] in {"top", "export"}:
        assert stored.out == of_file.out


@pytest.mark.parametrize("command", ["show", "top", "export", "attribute"])
def test_a_command_for_one_capture_refuses_a_range(filled, memsnap, command):
    more = {"export": ["--format", "csv"], "attribute": ["--exe", "x", "-o", "y"]}
    done = memsnap(command, "store:shop@-5m..now", *more.get(command, []))

    assert done.code == 2
    assert "are 2 captures, and this command takes one" in done.lines[0]


def test_a_stored_capture_is_no_file_to_add_types_to(filled, memsnap):
    done = memsnap("attribute", "store:shop", "--exe", "x")

    assert done.code == 2
    assert "give -o FILE.snap" in done.lines[1]


def test_the_suggestions_of_show_are_for_stored_captures(filled, memsnap):
    done = memsnap("show", "store:shop")

    suggested = [line.strip() for line in done.out.partition("Next\n")[2].splitlines()]
    assert suggested[-1] == "memsnap pull store:10"


@pytest.mark.parametrize(
    ("sources", "words"),
    [
        (["store:shop@-9h", "store:shop"], "has no capture near -9h; the nearest is #1 of"),
        (["store:shop", "store:shop@now"], "are the same capture, #10 of"),
        (["store:shop@never", "store:shop"], "'never' is no moment"),
        (["store:99", "store:shop"], "has no snapshot 99"),
        (["store:cart", "store:shop"], "cart has no capture in"),
    ],
    ids=str,
)
def test_a_reference_that_means_nothing_is_one_line_and_a_hint(filled, memsnap, sources, words):
    done = memsnap("diff", *sources)

    assert done.code == 2
    assert words in done.lines[0]
    assert done.lines[1].startswith("  try: ")


def test_a_damaged_store_is_one_line(filled, memsnap, tmp_path):
    with (tmp_path / "memsnap.db").open("r+b") as file:
        file.write(b"no database")
    done = memsnap("show", "store:shop")

    assert done.code == 1
    assert "no SQLite database" in done.lines[0]


def modules_after(*arguments: str) -> set[str]:
    """Return the modules that a run of memsnap has imported, in a process of its own."""
    program = (
        "import json, sys\n"
        "from memsnap.cli.main import run\n"
        "run(); print('\\n' + json.dumps(list(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env=plain_environment(),
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("command", ["list", "series", "pull", "import", "show", "diff"])
def test_the_help_of_the_commands_loads_no_heavy_library(command):
    heavy = {"sqlalchemy", "aiohttp", "numpy", "msgspec", "asyncio"}

    assert modules_after(command, "--help").isdisjoint(heavy)


def test_a_diff_of_files_loads_no_library_of_stores(filled, memsnap):
    for number in ("1", "2"):
        memsnap("pull", number, "-o", f"{number}.snap")

    loaded = modules_after("diff", "1.snap", "2.snap")

    assert loaded.isdisjoint({"sqlalchemy", "aiohttp", "asyncio"})


def test_asking_a_server_loads_no_database():
    loaded = modules_after("list", "--server", "http://127.0.0.1:1")

    assert "aiohttp" in loaded
    assert loaded.isdisjoint({"sqlalchemy", "requests"})


def test_a_stored_capture_needs_no_library_of_the_network(filled):
    loaded = modules_after("show", "store:shop", "--json")

    assert "sqlalchemy" in loaded
    assert loaded.isdisjoint({"aiohttp", "requests", "alembic"})


def test_findings_are_told_over_a_range(filled, memsnap):
    done = memsnap("findings", "store:shop@first..last", "--json")

    document = json.loads(done.out)
    assert len(document["captures"]) == len(filled.shop)
    assert isinstance(document["findings"], list)
