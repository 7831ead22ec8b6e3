"""`memsnap export`: formats, destinations, refusals."""

import csv
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from builders.captures import before
from builders.profiles import as_data
from documents import checked
from program import MEMSNAP

from memsnap.cli.main import run
from memsnap.pprof.reader import read
from memsnap.storage.snapfile import save


@pytest.fixture
def memsnap(monkeypatch, capfdbinary, tmp_path):
    """Run a command beside `a.snap`, its output as bytes: `code, out, err = memsnap(...)`."""
    monkeypatch.chdir(tmp_path)
    save(before(), "a.snap")

    def call(*args: str) -> tuple[int, bytes, str]:
        monkeypatch.setattr(sys, "argv", ["memsnap", *args])
        code = run()
        sys.stdout.flush()
        printed = capfdbinary.readouterr()
        return code, printed.out, printed.err.decode()

    return call


def test_folded_stacks_go_to_standard_output(memsnap):
    code, out, err = memsnap("export", "a.snap", "--format", "folded")

    assert (code, err) == (0, "")
    stack, _, number = out.decode().splitlines()[0].rpartition(" ")
    assert stack == "main.main;main.handle;main.(*Cache).Put"
    assert int(number) == before().heap.values[0, 3]


def test_folded_stacks_count_what_is_asked_for(memsnap):
    args = ("export", "a.snap", "--format", "folded", "--sample", "alloc_objects")

    lines = memsnap(*args)[1].decode().splitlines()

    total = sum(int(line.rpartition(" ")[2]) for line in lines)
    assert total == before().heap.values[:, 0].sum()


def test_the_name_of_the_file_says_the_format(memsnap):
    for name in ("sites.csv", "sites.json", "heap.folded", "heap.pb.gz"):
        assert memsnap("export", "a.snap", "-o", name)[:2] == (0, b"")

    assert len(list(csv.DictReader(io.StringIO(Path("sites.csv").read_text())))) == 3
    assert checked(Path("sites.json").read_text())["schema"] == "memsnap.top/1"
    assert Path("heap.folded").read_text().count("\n") == 3
    assert as_data(read(Path("heap.pb.gz").read_bytes(), name="x")) == as_data(before().heap)


def test_a_binary_format_goes_through_a_pipe(memsnap):
    code, out, _ = memsnap("export", "a.snap", "--format", "pprof", "--in", "ReadAll")

    assert code == 0
    assert len(read(out, name="pipe")) == 1


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], "no format is given"),
        (["-o", "heap.xyz"], "heap.xyz does not say which format to write"),
        (["--format", "csv", "--sample", "inuse_space"], "--sample picks the number"),
        (["--format", "yaml"], "'yaml' is not one of"),
        (["--format", "csv", "--package", "nosuch"], "nothing on any stack matches --package"),
    ],
)
def test_a_request_that_makes_no_sense_writes_nothing(memsnap, args, said):
    code, out, err = memsnap("export", "a.snap", *args)

    assert (code, out) == (2, b"")
    assert said in err
    assert [path.name for path in Path().iterdir()] == ["a.snap"]


def test_a_library_that_is_missing_is_named_and_nothing_is_written(memsnap, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    code, _, err = memsnap("export", "a.snap", "-o", "sites.parquet")

    assert code == 2
    assert err.splitlines() == [
        "memsnap: pyarrow is not installed",
        "  try: pip install 'memsnap[arrow]', or pip install pyarrow",
    ]
    assert [path.name for path in Path().iterdir()] == ["a.snap"]


def test_a_place_that_cannot_be_written_is_named(memsnap):
    code, _, err = memsnap("export", "a.snap", "-o", "no/such/folder.csv")

    assert code == 1
    assert err.startswith("memsnap: cannot write no/such/folder.csv: no such file or directory\n")


def test_a_web_page_is_refused_by_name(memsnap):
    Path("page.html").write_text("<html>login</html>")

    code, _, err = memsnap("export", "page.html", "--format", "csv")

    assert code == 1
    assert "page.html" in err.splitlines()[0]


def test_a_binary_format_is_not_written_to_a_terminal(memsnap, tmp_path):
    controller, terminal = os.openpty()
    try:
        done = subprocess.run(
            [*MEMSNAP, "export", "a.snap", "--format", "pprof"],
            cwd=tmp_path,
            stdout=terminal,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(controller)
        os.close(terminal)

    assert done.returncode == 2
    assert "pprof is binary, and standard output is a terminal" in done.stderr
