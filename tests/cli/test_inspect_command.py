"""`memsnap inspect` on Go executables as they are linked, and on files that are none."""

import contextlib
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import termios
from pathlib import Path

import pytest
from builders.elf_files import EXECUTE, READ, WRITE, Part, elf_file
from commands import plain_environment
from program import MEMSNAP

pytestmark = pytest.mark.go

LEDGER = Path(__file__).parent / "programs" / "ledger"
FLAGS = {"default": [], "stripped": ["-ldflags=-s -w"]}
TEXT, DATA = 0x401000, 0x500000


@pytest.fixture(scope="module", params=FLAGS.values(), ids=FLAGS.keys())
def ledger(request, go):
    """The ledger service's executable, with and without symbols."""
    return go.build(LEDGER, flags=request.param)


@pytest.fixture(scope="module")
def stripped(go):
    return go.build(LEDGER, flags=FLAGS["stripped"])


@contextlib.contextmanager
def running(program):
    """Run a program that waits for the end of its input."""
    with subprocess.Popen([program], stdin=subprocess.PIPE) as process:
        yield process.pid
        process.communicate()


def on_terminal(columns, *arguments):
    """Return what a command writes to a terminal of that width."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    command = [*MEMSNAP, *map(str, arguments)]
    environment = plain_environment() | {"TERM": "xterm"}
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, env=environment):
        os.close(theirs)
        written = b""
        with contextlib.suppress(OSError):  # the end of a terminal is an error
            while piece := os.read(ours, 1 << 16):
                written += piece
    os.close(ours)
    return written.decode().replace("\r\n", "\n").replace("\r", "")


def sites_of(done, package="main."):
    rows = [json.loads(line) for line in done.out.splitlines()]
    return [row for row in rows if row["code_of"].startswith(package)]


def test_the_summary_says_what_was_built_and_what_is_readable(memsnap, go, ledger):
    done = memsnap("inspect", ledger)

    head = done.out.splitlines()[0]
    assert (done.code, done.err) == (0, "")
    assert head.startswith("memsnap.test/ledger/ledger")
    assert f"{go.version}, linux/amd64, fixed addresses" in head
    assert "typed by the code alone" in done.out


def test_the_document_counts_functions_types_and_sites(memsnap, go, ledger):
    document = json.loads(memsnap("inspect", ledger, "--json").out)

    is_stripped = "-s -w" in document["settings"].get("-ldflags", "")
    assert document["symbols"] is document["dwarf"] is not is_stripped
    assert document["go_version"] == go.version
    assert document["main"] == "memsnap.test/ledger/ledger"
    assert document["module"]["path"] == "memsnap.test/ledger"
    assert document["functions"] > 1000
    assert document["types"]["by_kind"]["struct"] > 100
    assert document["sites"]["typed"] > 0.9 * document["sites"]["count"] > 100


def test_sites_are_listed_with_place_and_type(memsnap, ledger):
    done = memsnap("inspect", ledger, "--sites")

    found = {(s["kind"], s["type"]) for s in sites_of(done)}
    lines = (LEDGER / "main.go").read_text().splitlines()
    (tight,) = [s for s in sites_of(done) if s["type"] == "main.Tight"]
    assert found >= {
        ("new", "main.Entry"),
        ("new", "money.Entry"),
        ("map", "map[string]*main.Entry"),
        ("append", "[]any"),
        ("string", "string"),
        ("interface box", "string"),
    }
    assert "&Tight{}" in lines[tight["line"] - 1]
    assert tight["file"].endswith("ledger/main.go")
    assert (tight["function"], tight["certainty"]) == ("main.book", "constant")
    assert tight["address"].startswith("0x")
    assert {s["full_type"] for s in sites_of(done) if s["type"] == "money.Entry"} == {
        "memsnap.test/ledger/money.Entry"
    }


def test_sites_as_one_document_are_those_of_the_lines(memsnap, stripped):
    document = json.loads(memsnap("inspect", stripped, "--sites", "--json").out)
    lines = memsnap("inspect", stripped, "--sites").out.splitlines()

    assert document["schema"] == "memsnap.sites/1"
    assert document["sites"] == [json.loads(line) for line in lines]


def test_a_type_is_shown_with_its_fields_and_gaps(memsnap, monkeypatch, ledger):
    monkeypatch.setenv("COLUMNS", "100")
    done = memsnap("inspect", ledger, "--types", "main.Entry")

    assert (done.code, done.err) == (0, "")
    assert (
        done.out
        == """\
main.Entry  struct, 40 B, 48 B on the heap, pointers in the first 32 B
  offset  size  field  type
       0     1  paid   bool
       1     7         padding
       8     8  cents  int64
      16     1  open   bool
      17     7         padding
      24     8  next   *main.Entry
      32     1  note   uint8
      33     7         padding
  21 B of padding. With the fields by falling alignment it takes 24 B: 24 B less for each on the
  heap.
"""
    )


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("Entry", {"main.Entry", "memsnap.test/ledger/money.Entry"}),
        ("*Entry", {"main.Entry", "memsnap.test/ledger/money.Entry"}),
        ("money.Entry", {"memsnap.test/ledger/money.Entry"}),
        ("memsnap.test/ledger/money.Entry", {"memsnap.test/ledger/money.Entry"}),
        ("main.*,!Entry", {"main.Tight"}),
        ("map[string]*Entry", {"map[string]*main.Entry"}),
    ],
)
def test_types_are_chosen_as_go_writes_them(memsnap, stripped, pattern, names):
    document = json.loads(memsnap("inspect", stripped, "--types", pattern, "--json").out)

    assert {row["full_type"] for row in document["types"]} == names


def test_types_alone_lists_what_could_be_saved_the_largest_first(memsnap, stripped):
    document = json.loads(memsnap("inspect", stripped, "--types", "--json").out)
    text = memsnap("inspect", stripped, "--types", "-n", "1").out

    gains = [row["block_bytes"] - row["best_block_bytes"] for row in document["types"]]
    assert gains == sorted(gains, reverse=True)
    assert text.startswith("Structs  1 of 3 outside Go's library")
    assert "main.Entry" in text


def test_the_file_may_follow_types_without_a_pattern(memsnap, stripped):
    assert memsnap("inspect", "--types", stripped) == memsnap("inspect", stripped, "--types")


def test_a_type_that_is_not_there_brings_up_the_nearest(memsnap, stripped):
    done = memsnap("inspect", stripped, "--types", "main.Enrty")

    assert (done.code, done.out) == (2, "")
    assert "no type of" in done.lines[0]
    assert "main.Entry" in done.lines[1]


def test_a_process_stands_for_the_file_that_it_runs_even_if_that_is_gone(
    memsnap, stripped, tmp_path
):
    program = tmp_path / "ledger"
    program.write_bytes(stripped.read_bytes())
    program.chmod(0o755)
    with running(program) as pid:
        program.unlink()
        done = memsnap("inspect", f"pid:{pid}", "--types", "main.Tight")

    assert (done.code, done.err) == (0, "")
    assert "(Entry)  main.Entry" in done.out


@pytest.mark.parametrize("width", [60, 120])
def test_on_a_terminal_lines_fit_and_a_bar_shows_the_progress(stripped, width):
    summary = on_terminal(width, "inspect", stripped)
    types = on_terminal(width, "inspect", stripped, "--types", "main.*")

    assert "allocation sites" in summary.splitlines()[0]
    assert "100%" in summary.splitlines()[0]
    for line in [*summary.splitlines()[1:], *types.splitlines()]:
        assert len(re.sub(r"\x1b\[[0-9;?]*[a-z]", "", line)) <= width


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"hello, world", "is no ELF executable"),
        (b"MZ\x90\0" + bytes(60), "is a Windows executable (PE), and memsnap reads ELF files"),
        (b"\xcf\xfa\xed\xfe" + bytes(60), "is a macOS executable (Mach-O), and memsnap reads ELF"),
        (elf_file(Part(TEXT, bytes(64)), elf_class=1), "is a 32-bit ELF file"),
        (elf_file(Part(TEXT, bytes(64)), machine=243), "memsnap reads amd64 and arm64"),
        (elf_file(Part(TEXT, b"\x90" * 64, READ | EXECUTE)), "has no Go function table"),
        (elf_file(Part(TEXT, b"UPX!" + bytes(64), READ | EXECUTE | WRITE)), "is packed with UPX"),
        (
            elf_file(
                Part(TEXT, b"\x90" * 64, READ | EXECUTE),
                Part(DATA, struct.pack("<IBBBB", 0xFFFFFFFA, 0, 0, 1, 8) + bytes(64)),
            ),
            "was built with Go 1.16 or 1.17; memsnap reads Go 1.18 and later",
        ),
    ],
)
def test_what_is_no_readable_go_executable_is_refused_in_a_line(
    memsnap, tmp_path, content, message
):
    file = tmp_path / "svc"
    file.write_bytes(content)
    done = memsnap("inspect", file)

    assert (done.code, done.out) == (1, "")
    assert done.lines[0].startswith(f"memsnap: {file} ")
    assert message in done.lines[0]
    assert all(line.startswith("  try: ") for line in done.lines[1:])


@pytest.mark.parametrize("part", [0.05, 0.3, 0.6])
def test_a_file_that_was_not_copied_to_its_end_is_said_to_be_cut_off(
    memsnap, tmp_path, stripped, part
):
    data = stripped.read_bytes()
    file = tmp_path / "svc"
    file.write_bytes(data[: int(len(data) * part)])
    done = memsnap("inspect", file)

    assert (done.code, done.out) == (1, "")
    assert "is cut off" in done.lines[0]


def test_what_cannot_be_opened_is_named(memsnap, tmp_path):
    os.mkfifo(tmp_path / "pipe")

    for name in ("missing", "pipe", "."):
        done = memsnap("inspect", tmp_path / name)

        assert done.code == 1
        assert str(tmp_path / name) in done.lines[0]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_said_to_be(memsnap, tmp_path):
    file = tmp_path / "svc"
    file.write_bytes(b"secret")
    file.chmod(0)

    assert "ermission denied" in memsnap("inspect", file).lines[0]


def test_a_process_that_is_not_there_is_said_to_be_missing(memsnap):
    done = memsnap("inspect", "pid:4194305")

    assert done.code == 1
    assert "pid:4194305: there is no such process" in done.lines[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing argument 'BINARY'"),
        (["--types"], "Missing argument 'BINARY'"),
        (["http://host:6060"], "executables are not fetched"),
        (["svc", "--sites", "--types"], "--sites and --types are two lists"),
    ],
)
def test_a_request_that_makes_no_sense_is_a_usage_error(memsnap, arguments, message):
    done = memsnap("inspect", *arguments)

    assert done.code == 2
    assert message in done.err
