"""`memsnap capture`: which file it writes, what it prints, and what it never tells anybody."""

import gzip
import json
import os
import re
import subprocess

import pytest
from commands import plain_environment, profile
from program import MEMSNAP
from targets import HEAP, Reply, go_service, serving

from memsnap.pprof.origins import tracebacks_of
from memsnap.pprof.reader import read
from memsnap.storage import snapfile

SECRET = "sesame-4711"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Where captures go by default."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def target():
    """A healthy service."""
    with serving(go_service(profile())) as running:
        yield running


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_capture_is_a_file_and_a_line(memsnap, target, folder):
    done = memsnap("capture", target.url, "-o", "a.snap")
    assert done.code == 0
    assert done.out.startswith("a.snap  ")
    assert len(done.out.splitlines()) == 1
    assert names(folder) == ["a.snap"]
    assert snapfile.load("a.snap").capture.mem_stats.heap_alloc == 20 << 20


def test_the_default_name_carries_service_and_time(memsnap, target, folder):
    memsnap("capture", target.url)
    (name,) = names(folder)
    assert re.fullmatch(r"\w+-20261122T\d{6}\.snap", name)


def test_a_second_capture_of_the_same_moment_gets_a_name_of_its_own(memsnap, target, folder):
    memsnap("capture", target.url)
    memsnap("capture", target.url)
    assert len(names(folder)) == 2


def test_a_series_is_numbered(memsnap, target, folder):
    done = memsnap("capture", target.url, "--count", "3", "--interval", "10ms", "-o", "s.snap")
    assert names(folder) == ["s-001.snap", "s-002.snap", "s-003.snap"]
    assert [line.split()[0] for line in done.out.splitlines()] == names(folder)


@pytest.mark.go
def test_what_holds_for_a_whole_series_is_said_once(memsnap, service, folder):
    with service("subslice") as running:
        done = memsnap("capture", "-p", running.pid, "--count", "3", "--interval", "10ms")
    assert len(done.out.splitlines()) == len(names(folder)) == 3
    assert done.err.count("was visited at") == 1


def test_a_series_shows_its_progress_on_a_terminal(target, folder):
    ours, theirs = os.openpty()
    with os.fdopen(theirs, "w") as terminal:
        series = ["--count", "3", "--interval", "10ms", "-o", "s.snap"]
        subprocess.run(
            [*MEMSNAP, "capture", target.url, *series],
            env=plain_environment() | {"TERM": "xterm"},
            stdout=subprocess.DEVNULL,
            stderr=terminal,
            check=True,
        )
        shown = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert "3 captures in 20ms" in shown
    assert "100%" in shown


def test_json_tells_a_capture_a_line(memsnap, target):
    series = ["--count", "2", "--interval", "10ms", "-o", "s.snap"]
    done = memsnap("capture", target.url, *series, "--json")
    captures = [json.loads(line) for line in done.out.splitlines()]
    assert [capture["name"] for capture in captures] == ["s-001.snap", "s-002.snap"]
    assert captures[0]["heap_alloc"] == 20 << 20
    assert captures[0]["size_bytes"] > 100


def test_diff_captures_twice_and_prints_the_diff_alone(memsnap, target, folder):
    done = memsnap("capture", target.url, "--diff", "--interval", "10ms", "-o", "s.snap")
    assert done.code == 0
    assert "Survivors by site" in done.out
    assert "s-001.snap" in done.out.splitlines()[1]
    assert names(folder) == ["s-001.snap", "s-002.snap"]


def test_diff_as_json_is_one_document(memsnap, target):
    done = memsnap("capture", target.url, "--diff", "--json", "--interval", "10ms", "-o", "s.snap")
    assert json.loads(done.out)["schema"] == "memsnap.diff/1"


def test_standard_output_takes_the_file_itself(target, tmp_path):
    done = subprocess.run([*MEMSNAP, "capture", target.url, "-o", "-"], capture_output=True)
    assert snapfile.from_bytes(done.stdout, name="-").capture.mem_stats.num_gc == 7
    assert names(tmp_path) == []


def test_a_capture_that_fails_in_a_series_is_told_and_the_others_are_there(memsnap, folder):
    class Flaky(dict):
        """Answers the third heap request with an error."""

        asked = 0

        def get(self, path, default=None):
            if path == HEAP:
                Flaky.asked += 1
                if Flaky.asked == 2:
                    return Reply(b"busy", 503, "text/plain")
            return super().get(path, default)

    with serving(Flaky(go_service(profile()))) as target:
        series = ["--count", "3", "--interval", "10ms", "--no-warm-up", "-o", "s.snap"]
        done = memsnap("capture", target.url, *series)
    assert done.code == 1
    assert "capture 2 of 3 failed: " in done.err
    assert "503" in done.err
    assert len(names(folder)) == 2


SECRETS = {
    "header": (["-H", f"X-Api-Key: {SECRET}"], "X-Api-Key", SECRET),
    "bearer from a file": (["--token-file", "secret"], "Authorization", f"Bearer {SECRET}"),
    "bearer from the environment": (["--token-env", "SECRET"], "Authorization", f"Bearer {SECRET}"),
    "basic": (["--user", "me", "--password-file", "secret"], "Authorization", "Basic "),
}


@pytest.mark.parametrize(("options", "header", "sent"), SECRETS.values(), ids=SECRETS)
@pytest.mark.parametrize("status", [200, 401, 500])
def test_secrets_reach_the_target_and_nobody_else(
    options, header, sent, status, memsnap, folder, monkeypatch
):
    (folder / "secret").write_text(SECRET)
    monkeypatch.setenv("SECRET", SECRET)
    table = go_service(profile())
    if status != 200:
        table[HEAP] = Reply(b"no", status, "text/plain")
    with serving(table) as target:
        done = memsnap("capture", target.url, *options, "-o", "a.snap", "--json")
    assert target.seen[0][1][header].startswith(sent)
    assert done.code == (0 if status == 200 else 1)
    assert SECRET not in done.out + done.err
    assert target.seen[0][1][header] not in done.out + done.err
    if status == 200:
        assert SECRET.encode() not in gzip.decompress((folder / "a.snap").read_bytes())


@pytest.mark.parametrize("url", ["http://me:{}@{}", "http://{1}/debug/pprof?authKey={0}"])
def test_secrets_of_a_url_are_not_repeated(url, memsnap, target, folder):
    address = url.format(SECRET, target.url.removeprefix("http://"))
    done = memsnap("capture", address, "-o", "a.snap", "--json")
    assert done.code == 0
    assert SECRET.encode() not in gzip.decompress((folder / "a.snap").read_bytes())
    assert SECRET not in done.out + done.err


@pytest.mark.go
def test_a_process_is_found_by_its_pid(memsnap, service, folder):
    with service("subslice") as running:
        running.step(100)
        done = memsnap("capture", "-p", running.pid)
    assert done.code == 0, done.err
    (name,) = names(folder)
    assert re.fullmatch(rf"subslice-{running.pid}-\d{{8}}T\d{{6}}\.snap", name)
    snapshot = snapfile.load(name)
    assert snapshot.capture.gc.proven
    assert snapshot.goroutine_profile


@pytest.mark.go
def test_go_statements_come_along_unless_there_are_too_many_goroutines(memsnap, service, folder):
    with service("subslice") as running:
        for most in ("0", "2000"):
            done = memsnap(
                "capture", "-p", running.pid, "--stacks-up-to", most, "-o", f"{most}.snap"
            )
            assert done.code == 0, done.err
    goroutines = [snapfile.load(f"{most}.snap").goroutine_profile for most in ("0", "2000")]
    assert [tracebacks_of(read(one, name="x"), name="x") is None for one in goroutines] == [
        True,
        False,
    ]
