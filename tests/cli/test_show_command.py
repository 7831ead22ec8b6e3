"""`memsnap show` and `memsnap top`: what they print, and how they fail."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import astuple, replace
from pathlib import Path

import pytest
from builders.captures import READ, before, plain
from builders.profiles import Row, Sample, build, heap
from documents import checked

from memsnap.pprof.encode import compress, encode
from memsnap.storage.snapfile import save


@pytest.fixture
def run(memsnap, monkeypatch, tmp_path) -> Callable[..., tuple[int, str, str]]:
    """Run a command in a folder of its own: `code, out, err = run("show", "a.snap")`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    return lambda *args: astuple(memsnap(*args))


@pytest.fixture
def snap(run) -> str:
    """A snapshot in the current folder."""
    save(before(), "a.snap")
    return "a.snap"


def test_show_describes_the_capture_and_says_how_to_go_on(run, snap):
    code, out, err = run("show", snap)

    assert (code, err) == (0, "")
    assert out.startswith("shop v1.2.0, go1.27.3, pid 4711, build c0ffee012345\n")
    assert "main.(*Cache).Put cache.go:31" in out
    assert out.endswith("go tool pprof -top a.snap\n")
    assert "\x1b" not in out


def test_show_lists_as_many_sites_as_asked(run, snap):
    _, out, _ = run("show", snap, "-n", "1", "--json")

    document = checked(out)
    assert document["schema"] == "memsnap.show/1"
    assert len(document["sites"]) == 1
    assert document["heap"]["site_count"] == 3


def test_what_one_capture_shows_by_itself_comes_first(run, snap):
    large = before()
    stats = replace(large.capture.mem_stats, stack_sys=200 << 20, sys=400 << 20)
    save(replace(large, capture=replace(large.capture, mem_stats=stats)), "b.snap")

    document = checked(run("show", "b.snap", "--json")[1])
    assert [(one["kind"], one["verdict"]) for one in document["findings"]] == [("stacks", "steady")]
    lines = run("show", "b.snap")[1].splitlines()
    assert lines.index("1. Stacks: 200 MB, more than the live heap  steady 90%, info") < next(
        at for at, line in enumerate(lines) if line.startswith("Live heap")
    )
    assert checked(run("show", snap, "--json")[1])["findings"] == []


def test_the_findings_of_top_are_about_what_is_selected(run):
    large = {"type": "[]uint8", "kind": "make"}
    save(plain(heap(Row("main.read r.go:3", 10 << 20, 9, 9, **large))), "c.snap")

    def found(*args):
        return [
            one["kind"] for one in checked(run("top", "c.snap", "--json", *args)[1])["findings"]
        ]

    assert found() == found("--in", "main.read") == ["capacity"]
    assert found("--focus", "[]uint8") == ["capacity"]


def test_top_prints_the_table_alone(run, snap):
    code, out, _ = run("top", snap, "--by", "function", "--sort", "cum", "-n", "2")

    assert code == 0
    assert out.startswith("Live by function  2 of 3 rows, ")
    assert len(out.splitlines()) == 4


def test_top_as_json_has_every_row_unless_told_otherwise(run, snap):
    rows = [checked(run("top", snap, "--json", *args)[1])["rows"] for args in ((), ("-n1",))]

    assert [len(part) for part in rows] == [3, 1]


@pytest.mark.parametrize(
    ("filters", "functions"),
    [
        (["--focus", "[]byte"], ["net/http.(*conn).serve"]),
        (["--in", "handle"], ["main.(*Cache).Put", "io.ReadAll"]),
        (["--package", "net/http"], ["net/http.(*conn).serve"]),
        (["--file", "io.go"], ["io.ReadAll"]),
        (["--min-bytes", "10MB"], ["main.(*Cache).Put", "net/http.(*conn).serve"]),
    ],
)
def test_top_filters_as_diff_does(run, snap, filters, functions):
    _, out, _ = run("top", snap, "--json", *filters)

    assert [row["function"] for row in json.loads(out)["rows"]] == functions


def test_colours_come_only_when_asked_for(run, snap, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")

    assert "\x1b[1m" in run("show", snap)[1]


@pytest.mark.parametrize("command", ["show", "top"])
@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("page.html", b"<!DOCTYPE html><html><body>login</body></html>", "page.html"),
        ("empty", b"", "empty"),
        ("cut.pb.gz", compress(encode(before().heap))[:90], "cut.pb.gz"),
        (
            "cpu.pb.gz",
            compress(encode(build([], types=[("samples", "count"), ("cpu", "nanoseconds")]))),
            "is a CPU profile, not a heap profile",
        ),
    ],
    ids=["web page", "empty", "truncated", "other kind"],
)
def test_what_is_no_heap_profile_is_named_in_one_line(run, command, name, content, said):
    Path(name).write_bytes(content)

    code, out, err = run(command, name)

    assert (code, out) == (1, "")
    first, *hints = err.splitlines()
    assert first.startswith("memsnap: ")
    assert name in first
    assert said in first
    assert all(hint.startswith("  try: ") for hint in hints)


def test_a_file_that_is_not_there_is_named(run):
    code, _, err = run("show", "nowhere.snap")

    assert code == 1
    assert err.startswith("memsnap: cannot read nowhere.snap: no such file or directory\n")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--sort", "cum"], "--sort cum needs functions, and the rows are by site"),
        (["--in", "nosuch"], "nothing on any stack matches --in 'nosuch'"),
        (["--sort", "flat"], "'flat' is not one of"),
        (["--by", "colour"], "'colour' is not one of"),
    ],
)
def test_a_request_that_makes_no_sense_ends_with_2(run, snap, args, said):
    code, out, err = run("top", snap, *args)

    assert (code, out) == (2, "")
    assert said in err


def test_a_profile_without_allocations_cannot_be_sorted_by_them(run):
    values = ("objects", "count"), ("space", "bytes")
    heap = build([Sample(stack=READ, values=(3, 300))], types=values, period=1)
    save(plain(heap), "c.snap")

    code, _, err = run("top", "c.snap", "--sort", "allocated")

    assert code == 2
    assert "c.snap does not count allocations" in err


@pytest.mark.go
def test_a_live_target_can_be_shown_without_a_file(run, service):
    with service("subslice") as scenario:
        scenario.step(500)
        code, out, err = run("show", scenario.address)

    assert (code, err) == (0, "")
    assert "GC proven" in out
    assert "main.readBody main.go:" in out
    assert f"memsnap capture {scenario.address}" in out


def test_a_reader_that_has_seen_enough_ends_it_quietly(snap, tmp_path):
    command = f"{sys.executable} -c 'from memsnap.cli.main import main; main()' top a.snap | true"

    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
