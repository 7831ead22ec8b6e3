"""What memsnap prints of real Go programs is what Go's own pprof prints, and names the leaks.

Profiles are captured from live scenarios by the command line; the bytes that a program really
sent are kept by a proxy, so that a `.snap` can be held against the profile it came from.
"""

import contextlib
import http.client
import json
import threading
from collections import defaultdict
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import scenario_truth
from pprof_oracle import Pprof
from services import running

from memsnap.cli.main import cli

pytestmark = pytest.mark.go

LEAKS = [truth.name for truth in scenario_truth.all_truths() if truth.leaks]
# Goroutines of net/http allocate for this one: no stack of its heap profile has a line of its own.
NAMELESS = "unclosed_body"
HEALTHY = [truth.name for truth in scenario_truth.all_truths() if not truth.leaks]
# sample type -> the amount of a site that it is the sum of, over both captures
SAMPLE_TYPES = {
    "inuse_space": ("growth", "bytes"),
    "inuse_objects": ("growth", "objects"),
    "alloc_space": ("allocated", "bytes"),
    "alloc_objects": ("allocated", "objects"),
}
ENOUGH_BYTES = 24 << 20
"""Growth that any leak shows at the default rate: 48 samples of small objects."""


def memsnap(*arguments: object) -> int:
    """Run a command in this process."""
    return cli.main([str(argument) for argument in arguments], "memsnap", standalone_mode=False)


@pytest.fixture
def compare(capsys):
    """A function that returns what `memsnap diff --json` prints."""

    def document(*sources: Path) -> dict:
        capsys.readouterr()
        assert memsnap("diff", *sources, "--json") == 0
        return json.loads(capsys.readouterr().out)

    return document


@contextlib.contextmanager
def recording(address: str) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Stand before a service; yields an address, and the last body by path."""
    bodies: dict[str, bytes] = {}
    behind = urlsplit(address)

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            connection = http.client.HTTPConnection(behind.hostname, behind.port, timeout=60)
            with contextlib.closing(connection):
                connection.request("GET", self.path, headers={"Accept-Encoding": "identity"})
                answer = connection.getresponse()
                body = answer.read()
            bodies[urlsplit(self.path).path] = body
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.headers["Content-Type"])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    server.daemon_threads = False
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", bodies
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def by_function(document: dict, amount: str, unit: str) -> dict[str, int]:
    """Return the sum over the sites of each function, without those of 0."""
    total: dict[str, int] = defaultdict(int)
    for site in document["sites"]:
        total[site["function"]] += site[amount][unit]
    return {name: value for name, value in total.items() if value}


def flat(pprof: Pprof, after: Path, before: Path, sample_index: str) -> dict[str, int]:
    rows = pprof.top(after, sample_index=sample_index, base=before)
    return {name: row.flat for name, row in rows.items() if row.flat}


def check_against_pprof(program: Path, pprof: Pprof, compare, folder: Path) -> None:
    """Capture a noisy scenario twice and compare all four sample types, and the files."""
    before, after = folder / "before.snap", folder / "after.snap"
    served = {}
    with running(program, "-until-eof", "-noise") as service:
        for file in (before, after):
            service.step(600)
            with recording(service.address) as (address, bodies):
                assert memsnap("capture", address, "-o", file) == 0
            served[file] = file.with_suffix(".pb.gz")
            served[file].write_bytes(bodies["/debug/pprof/heap"])
    document = compare(before, after)
    for sample_index, (amount, unit) in SAMPLE_TYPES.items():
        printed = flat(pprof, served[after], served[before], sample_index)
        assert by_function(document, amount, unit) == printed, sample_index
        for file in (before, after):
            snap = pprof.top(file, sample_index=sample_index)
            assert snap == pprof.top(served[file], sample_index=sample_index)


@pytest.mark.parametrize("name", ["subslice", "map_growth", "big_constant"])
def test_growth_by_function_is_what_pprof_prints_to_the_byte(
    name, scenarios, pprof, compare, tmp_path
):
    check_against_pprof(scenarios[name], pprof, compare, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("release", ["1.21", "1.24"])
def test_growth_by_function_is_what_pprof_prints_for_older_releases(
    release, go_release, compare, tmp_path
):
    go = go_release(release)
    names = ["subslice", "map_growth", "big_constant"]
    programs = go.build_all(scenario_truth.SCENARIOS, names)
    for name in names:
        folder = tmp_path / name
        folder.mkdir()
        check_against_pprof(programs[name], Pprof.of(go), compare, folder)


def captured(service, name, folder, *, steps) -> list[Path]:
    """Capture a scenario before the first and behind every number of operations."""
    files = []
    with service(name) as scenario:
        for number, ops in enumerate(steps):
            scenario.step(ops)
            files.append(folder / f"{number}.snap")
            assert memsnap("capture", "-p", scenario.pid, "-o", files[-1]) == 0
    return files


@pytest.mark.parametrize("name", HEALTHY)
def test_a_service_whose_heap_is_flat_has_no_finding(name, service, compare, tmp_path):
    """One row in a hundred may be called growth by chance, but not the same row twice."""
    truth = scenario_truth.load(name)
    files = captured(service, name, tmp_path, steps=[truth.settle, truth.ops, truth.ops])
    documents = [compare(*pair) for pair in pairwise(files)]
    grown = [
        {
            (site["function"], site["line"])
            for site in document["sites"]
            if site["significant"] and site["growth"]["bytes"] > 0
        }
        for document in documents
    ]
    assert grown[0] & grown[1] == set()
    found = [{each["id"] for each in document["findings"]} for document in documents]
    assert found[0] & found[1] == set()


@pytest.mark.parametrize("name", [name for name in LEAKS if name != NAMELESS])
def test_the_first_finding_names_the_line_of_the_leak(name, service, compare, tmp_path):
    truth = scenario_truth.load(name)
    with service(name) as probe:
        probe.step(truth.ops)
        held = max(probe.live_bytes(), 1)
    ops = truth.ops * max(1, -(-ENOUGH_BYTES // held))
    document = compare(*captured(service, name, tmp_path, steps=[truth.ops, ops]))
    at = document["findings"][0]["at"]
    assert (at["function"], at["line"]) in {(site.function, site.line) for site in truth.sites}
    assert at["file"].endswith(f"/{name}/main.go")


def test_a_leak_of_the_librarys_goroutines_shows_their_stacks(service, compare, tmp_path):
    document = compare(*captured(service, NAMELESS, tmp_path, steps=[100, 2400]))
    finding = document["findings"][0]
    assert (finding["kind"], finding["severity"]) == ("growth", "medium")
    first = document["sites"][0]
    assert first["significant"]
    assert any("net/http." in frame["function"] for frame in first["stack"])
