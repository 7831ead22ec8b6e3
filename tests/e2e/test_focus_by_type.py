"""Types from capture to report: what a Go programmer asks for by type, on services that run."""

import contextlib
import http.server
import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pprof_oracle
import pytest
import typed_services
from program import MEMSNAP
from services import Service, running

from memsnap.cli.main import run
from memsnap.pprof.heap import string_label
from memsnap.storage.snapfile import load

pytestmark = pytest.mark.go

STRIPPED, PIE = typed_services.STRIPPED, typed_services.PIE
BUILDS = {"default": (), "stripped": STRIPPED, "pie": PIE, "stripped pie": STRIPPED + PIE}

Memsnap = Callable[..., str]


@pytest.fixture
def memsnap(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Memsnap:
    """A function that runs a command in a folder of its own and returns all that it prints."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("MEMSNAP_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("FORCE_COLOR", raising=False)

    def call(*args: str | Path) -> str:
        monkeypatch.setattr(sys, "argv", ["memsnap", *map(str, args)])
        capsys.readouterr()
        code = run()
        out, err = capsys.readouterr()
        assert code == 0, err
        return out + err

    return call


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two typed captures of the stripped service, between which it kept requests."""
    folder = tmp_path_factory.mktemp("pair")
    with filled(STRIPPED) as service:
        for name in ("a.snap", "b.snap"):
            # As a process of its own, for a module's fixture has no monkeypatch.
            subprocess.run(
                [
                    *MEMSNAP,
                    *("capture", "-p", str(service.pid), "-o", folder / name),
                ],
                check=True,
                capture_output=True,
            )
            typed_services.fill(service)
    return folder / "a.snap", folder / "b.snap"


@contextlib.contextmanager
def filled(flags: tuple[str, ...], count: int = 10) -> Iterator[Service]:
    with running(typed_services.program(*flags), env=typed_services.EVERY_OBJECT) as service:
        typed_services.fill(service, count)
        yield service


@contextlib.contextmanager
def another_host(service: Service) -> Iterator[str]:
    """Pass requests on to the service, as a tunnel to a host of which nothing is known."""

    class Tunnel(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.endswith("/cmdline"):
                self.send_error(404)
                return
            body = service.get(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Keep quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Tunnel)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def allocating_lines(snap: Path, what: str) -> set[tuple[str, int]]:
    """Return file and line of the live leaves whose source says `new(what)` or `&what{`."""
    heap = load(snap).heap
    made = re.compile(rf"new\({what}\)|&{what}\{{")
    found = set()
    for sample, live in enumerate(heap.values[:, 3].tolist()):
        at = heap.locations.line_start[heap.stack[heap.stack_start[sample]]]
        function = heap.locations.line_function[at]
        file = heap.strings[heap.functions.file[function]]
        line = int(heap.locations.line_number[at])
        if live and "/net/http/" in file and made.search(source_line(file, line)):
            found.add((file, line))
    return found


def source_line(file: str, line: int) -> str:
    """Return a line of source; empty for the lines that the compiler gives to code of its own."""
    lines = Path(file).read_text().splitlines()
    return lines[line - 1] if 0 < line <= len(lines) else ""


def rows(document: str, name: str = "sites") -> list[dict[str, Any]]:
    return json.loads(document)[name]


@pytest.mark.parametrize("flags", BUILDS.values(), ids=BUILDS)
def test_a_capture_of_a_process_has_types(memsnap: Memsnap, flags: tuple[str, ...]) -> None:
    with filled(flags) as service:
        printed = memsnap("capture", "-p", service.pid, "-o", "a.snap")

    assert "No types" not in printed
    capture = load("a.snap").capture
    assert capture.types
    assert capture.types.matched_locations == capture.types.checked_locations
    assert capture.types.typed_live_bytes > 0.9 * capture.types.live_bytes
    assert capture.types.executable == str(typed_services.program(*flags))


def test_a_deleted_and_replaced_executable_is_typed(memsnap: Memsnap, tmp_path: Path) -> None:
    file = Path(shutil.copy(typed_services.program(*STRIPPED), tmp_path / "shop"))
    with running(file, env=typed_services.EVERY_OBJECT) as service:
        typed_services.fill(service, 5)
        file.unlink()
        assert "No types" not in memsnap("capture", "-p", service.pid, "-o", "deleted.snap")
        shutil.copy(typed_services.program(*PIE), file)
        assert "No types" not in memsnap("capture", "-p", service.pid, "-o", "replaced.snap")

    for name in ("deleted.snap", "replaced.snap"):
        types = load(name).capture.types
        assert types
        assert types.matched_locations == types.checked_locations


def test_no_types_leaves_the_profile_as_it_came(memsnap: Memsnap) -> None:
    with filled(STRIPPED) as service:
        printed = memsnap("capture", "-p", service.pid, "--no-types", "-o", "a.snap")

    snapshot = load("a.snap")
    assert snapshot.capture.types is None
    assert "types" not in printed.lower()
    assert (string_label(snapshot.heap, "type") < 0).all()
    assert (string_label(snapshot.heap, "alloc") < 0).all()


def test_a_capture_from_elsewhere_says_how_to_add_types_and_takes_them(memsnap: Memsnap) -> None:
    with filled(STRIPPED) as service, another_host(service) as url:
        printed = memsnap("capture", url, "-o", "a.snap")

    assert "No types: the executable is on another machine" in printed
    assert "memsnap attribute FILE.snap --exe ./service" in printed
    assert load("a.snap").capture.types is None

    memsnap("attribute", "a.snap", "--exe", typed_services.program(*STRIPPED))

    snapshot = load("a.snap")
    assert snapshot.capture.types
    assert not [note for note in snapshot.capture.notes if "types" in note.lower()]


def test_a_wrong_executable_does_not_cost_the_capture(memsnap: Memsnap) -> None:
    other = typed_services.program(*PIE)
    with filled(STRIPPED) as service, another_host(service) as url:
        printed = memsnap("capture", url, "-o", "a.snap", "--exe", other)

    assert re.search(r"No types: .* is not the executable behind .* of 400 places", printed)
    assert len(load("a.snap").heap) > 100


def test_a_series_is_typed_throughout(memsnap: Memsnap) -> None:
    with filled(STRIPPED) as service:
        memsnap("capture", "-p", service.pid, "--count", 3, "--interval", "10ms", "-o", "s.snap")

    assert all(load(f"s-00{number}.snap").capture.types for number in (1, 2, 3))


def test_focus_lists_exactly_the_sites_that_allocate_a_type(
    memsnap: Memsnap, pair: tuple[Path, Path]
) -> None:
    expected = allocating_lines(pair[1], "Request")
    assert len(expected) == 2

    for focus in ("*http.Request", "http.Request", "net/http.Request", "*Request"):
        document = memsnap("diff", *pair, f"--focus={focus}", "--json")
        sites = rows(document)
        assert {(site["file"], site["line"]) for site in sites} == expected
        assert {site["type"] for site in sites} == {"http.Request"}
        assert [site["growth"]["objects"] for site in sites] == [typed_services.KEPT] * 2


def test_growth_of_a_type_is_the_growth_of_its_sites(
    memsnap: Memsnap, pair: tuple[Path, Path]
) -> None:
    by_type = rows(memsnap("diff", *pair, "--by", "type", "--json"), "groups")
    by_name = {row["type"]: row for row in by_type}

    assert by_name["http.Request"]["growth"]["objects"] == 2 * typed_services.KEPT
    assert by_name["context.valueCtx"]["growth"]["objects"] >= typed_services.KEPT
    assert by_name["main.Order"]["growth"]["objects"] == 2 * typed_services.KEPT
    assert by_name["main.Note"]["growth"]["objects"] == typed_services.KEPT
    assert by_name["main.Note"]["object_bytes"] == 128


def test_types_lead_the_printed_diff(memsnap: Memsnap, pair: tuple[Path, Path]) -> None:
    printed = memsnap("diff", *pair)

    assert "By type" in printed
    assert "http.Request" in printed
    assert re.search(r"known for 9\d\.\d% of what is in use", printed)


def test_what_is_inferred_is_marked(memsnap: Memsnap, pair: tuple[Path, Path]) -> None:
    sites = rows(memsnap("top", pair[1], "--json"), "rows")
    inferred = [site for site in sites if site["type_inferred"]]

    assert "main.Note" in {site["type"] for site in inferred}
    assert all(
        site["function"].startswith(("reflect.", "internal/"))
        for site in inferred
        if site["type"].startswith("main.")
    )
    requests = [site for site in sites if site["type"] == "http.Request"]
    assert requests
    assert not any(site["type_inferred"] for site in requests)
    assert " ~main.Note" in memsnap("top", pair[1], "--focus", "Note")
    assert "~" not in memsnap("top", pair[1], "--focus", "http.Request")


def test_bytes_are_found_by_either_name(memsnap: Memsnap, pair: tuple[Path, Path]) -> None:
    found = [
        rows(memsnap("top", pair[1], "--json", "--focus", name), "rows")
        for name in ("[]byte", "[]uint8")
    ]

    assert found[0] == found[1]
    assert {row["type"] for row in found[0]} == {"[]uint8"}


def test_a_typed_and_an_untyped_capture_make_a_diff(memsnap: Memsnap) -> None:
    with filled(STRIPPED) as service:
        memsnap("capture", "-p", service.pid, "--no-types", "-o", "untyped.snap")
        typed_services.fill(service, 7)
        memsnap("capture", "-p", service.pid, "-o", "typed.snap")

    for order in (("untyped.snap", "typed.snap"), ("typed.snap", "untyped.snap")):
        sites = rows(memsnap("diff", *order, "--json"))
        copied = [site for site in sites if site["function"].endswith("(*Request).WithContext")]
        assert [abs(site["growth"]["objects"]) for site in copied] == [7]
        assert len(
            {json.dumps(site["stack"]) + str(site["object_bytes"]) for site in sites}
        ) == len(sites)
        assert memsnap("diff", *order)
        assert memsnap("diff", *order, "--by", "type")


def test_gos_pprof_reads_the_types(pair: tuple[Path, Path], pprof: pprof_oracle.Pprof) -> None:
    tags = pprof.run("-tags", "-sample_index=inuse_space", pair[1])
    for line in (" http.Request", " []uint8", " new", " append", " inferred"):
        assert line in tags
    assert re.search(r"^ *type: Total ", tags, re.MULTILINE)
    assert re.search(r"^ *bytes: Total ", tags, re.MULTILINE)

    focused = pprof.top(pair[1], "-tagfocus=type=^http\\.Request$", sample_index="inuse_objects")

    flat = {name: row.flat for name, row in focused.items() if row.flat}
    assert set(flat) == {
        "net/http.(*Request).WithContext",
        *(n for n in flat if "readRequest" in n),
    }
    assert flat["net/http.(*Request).WithContext"] == 10 + typed_services.KEPT


@pytest.mark.parametrize(
    ("name", "data"),
    [("heap.pb.gz", "proto"), ("heap.txt", "text")],
)
def test_profiles_that_others_took_are_typed_by_hand(
    memsnap: Memsnap, tmp_path: Path, name: str, data: str
) -> None:
    recorded = typed_services.recorded(*STRIPPED)
    (tmp_path / name).write_bytes(getattr(recorded, data))

    memsnap("attribute", name, "--exe", recorded.executable, "-o", "typed.snap")

    sites = rows(memsnap("top", "typed.snap", "--focus=*http.Request", "--json"), "rows")
    assert {(site["file"], site["line"]) for site in sites} == allocating_lines(
        Path("typed.snap"), "Request"
    )
