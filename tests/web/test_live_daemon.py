"""The API of a daemon that visits real Go services: capture now, events, TLS, and fuzzing."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator

import databases
import pytest
from daemons import Running, config, serving, until
from store_fixtures import BOTH

pytestmark = pytest.mark.go


def asked(daemon: Running, method: str, path: str, **headers: str) -> tuple[int, dict]:
    request = urllib.request.Request(daemon.address + path, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


AWAY = "http://127.0.0.1:1"
OWN = {"X-Memsnap": "1"}


def number_of(daemon: Running, address: str) -> int:
    """Return the id of the target with this address."""
    items = json.loads(daemon.get("/api/v1/targets")[1])["items"]
    (found,) = (each["id"] for each in items if each["seen"]["address"].startswith(address))
    return found


def capture_now(daemon: Running, target: int) -> tuple[int, dict]:
    return asked(daemon, "POST", f"/api/v1/targets/{target}/captures", **OWN)


@pytest.fixture(scope="module", params=BOTH)
def store(request) -> Iterator[str]:
    """The URL of a store of either kind; empty for the daemon's own file."""
    if request.param == "sqlite":
        yield ""
        return
    admin = request.getfixturevalue("postgres_admin")
    url = databases.create(admin, template=request.getfixturevalue("postgres_template"))
    yield url
    databases.drop(admin, url)


@pytest.fixture(scope="module")
def daemon(service, tmp_path_factory, store) -> Iterator[Running]:
    """A daemon with two captures of a real service, one of a target that is away, and no hurry."""
    folder = tmp_path_factory.mktemp("live") / "daemon"
    with service("map_growth") as growing:
        text = config([growing.address, AWAY], interval="1h", lease="60s", store=store)
        with serving(folder, text) as running:
            until(lambda: len(json.loads(running.get("/api/v1/snapshots")[1])["items"]) == 1)
            growing.step(20_000)
            assert capture_now(running, number_of(running, growing.address))[0] == 201
            yield running


@pytest.fixture
def growing(daemon) -> int:
    """The id of the real service."""
    away = number_of(daemon, AWAY)
    items = json.loads(daemon.get("/api/v1/targets")[1])["items"]
    (found,) = (each["id"] for each in items if each["id"] != away)
    return found


def test_a_capture_that_is_asked_for_is_in_the_answer_and_in_the_store(daemon, growing):
    status, document = capture_now(daemon, growing)

    assert status == 201
    assert document["snapshot"]["reason"] == "asked for"
    number = document["snapshot"]["id"]
    assert asked(daemon, "GET", f"/api/v1/snapshots/{number}") == (200, document["snapshot"])


def test_only_targets_of_this_daemon_are_captured(daemon):
    status, problem = capture_now(daemon, 99)
    assert (status, problem["type"]) == (404, "urn:memsnap:problem:not-found")


def test_a_target_that_is_away_is_a_bad_gateway(daemon):
    status, problem = capture_now(daemon, number_of(daemon, AWAY))
    assert status == 502
    assert "was not captured" in problem["detail"]


def test_what_happens_is_told_as_it_happens(daemon, growing):
    with urllib.request.urlopen(daemon.address + "/api/v1/events", timeout=60) as stream:
        assert stream.headers["Content-Type"] == "text/event-stream"
        assert next_event(stream)["kind"] == "hello"
        _, document = capture_now(daemon, growing)
        told = next_event(stream)

    assert (told["kind"], told["snapshot_id"]) == ("capture", document["snapshot"]["id"])
    assert told["at_ns"] == document["snapshot"]["slot_ns"]


def next_event(stream) -> dict:
    for line in stream:
        if line.startswith(b"data: "):
            return json.loads(line.removeprefix(b"data: "))
    raise AssertionError("the stream has ended")


def test_an_open_stream_does_not_hold_up_the_end(service, tmp_path):
    with service("idle") as idle, serving(tmp_path / "d", config([idle.address])) as running:
        with urllib.request.urlopen(running.address + "/api/v1/events", timeout=60) as stream:
            assert next_event(stream)["kind"] == "hello"
            running.send(15)
            while stream.readline():
                pass
        assert running.process.wait(60) == 0


def test_a_daemon_without_tokens_does_not_open_to_the_network(service, tmp_path):
    with (
        service("idle") as idle,
        serving(
            tmp_path / "d", config([idle.address]), "--listen", "0.0.0.0:0", ready=False
        ) as running,
    ):
        assert running.process.wait(60) == 2
    assert "open to the network" in (tmp_path / "d" / "log").read_text()


def test_pprof_opens_a_diff(daemon, growing, pprof):
    path = f"/api/v1/diff/pprof?before=first&after=last&target={growing}"
    file = daemon.folder / "diff.pb.gz"
    file.write_bytes(daemon.get(path)[1])
    assert "main.main" in pprof.run("-top", "-cum", file)


def test_no_request_that_the_document_allows_breaks_the_server(daemon, tmp_path):
    """Some hundred requests, right and wrong ones, made up from the OpenAPI document."""
    pytest.importorskip("schemathesis")
    checks = (
        *("not_a_server_error", "status_code_conformance", "content_type_conformance"),
        *("response_schema_conformance", "unsupported_method"),
    )
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run"),
            f"{daemon.address}/api/openapi.json",
            f"--checks={','.join(checks)}",
            *("--exclude-path", "/api/v1/events"),  # it never ends
            *("--exclude-path", "/api/v1/targets/{id}/captures"),  # 502 is its own answer
            *("--max-examples", "15", "--seed", "7", "--generation-database", "none"),
            *("--phases", "examples,coverage,fuzzing", "--no-color"),
            *("--header", "X-Memsnap: 1"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
