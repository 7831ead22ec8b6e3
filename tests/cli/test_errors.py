"""Bad input ends in one clear line that names the culprit, a hint, and an exit code."""

import gzip
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from builders.profiles import Row, Sample, build, heap, message
from commands import plain_environment, profile, save_capture
from program import MEMSNAP
from targets import HEAP, Reply, go_service, serving

from memsnap.pprof.encode import compress, encode

GOOD = profile()
CPU = compress(
    encode(
        build(
            [Sample(stack="main.f f.go:1", values=(3, 30_000_000))],
            types=(("samples", "count"), ("cpu", "nanoseconds")),
            period_type=("cpu", "nanoseconds"),
            period=10_000_000,
        )
    )
)
RATE_0 = compress(encode(heap(Row("main.f f.go:1", size=48, alloc=1, live=1), rate=0)))
BOMB = gzip.compress(b"\0" * (16 << 20), 9)

NO_PROFILE = {
    "truncated gzip": (GOOD[:-30], "ends in the middle of its gzip data"),
    "corrupt gzip": (GOOD[:20] + b"\xff" * 30 + GOOD[50:], "gzip data"),
    "html": (b"<!doctype html><title>Sign in</title>", "an HTML page"),
    "json": (b'{"error": "unknown path"}', "is JSON"),
    "text": (b"404 page not found", "plain text"),
    "empty": (b"", "is empty"),
    "bomb": (BOMB, "more than 1.00 MB uncompressed"),
    "rate 0": (RATE_0, "profiling is off"),
    "cpu": (CPU, "not a heap profile"),
    "goroutines as text": (b"goroutine profile: total 8\n", "a goroutine profile as text"),
}
STATUS = {401: "--user", 403: "credentials", 404: "net/http/pprof", 500: "log of the service"}


def failed(done, culprit, code=1):
    """Check the form of a failure and return its text."""
    assert done.code == code, done
    assert done.out == ""
    first, *rest = done.lines
    assert first.startswith("memsnap: ")
    assert str(culprit) in first
    assert len(rest) == 1, done.err
    assert rest[0].startswith("  try: ")
    return done.err


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Where captures would go by default."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("body", "said"), NO_PROFILE.values(), ids=NO_PROFILE)
def test_a_target_that_sends_no_heap_profile(body, said, memsnap, folder):
    with serving({HEAP: Reply(body)}) as target:
        done = memsnap("capture", target.url, "--max-size", "1MB")
        assert said in failed(done, f"{target.url}{HEAP}")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(("body", "said"), NO_PROFILE.values(), ids=NO_PROFILE)
def test_a_file_that_holds_no_heap_profile(body, said, memsnap, folder):
    good, bad = save_capture(folder / "good.snap", 10), folder / "bad.snap"
    bad.write_bytes(body)
    for sources in ([good, bad], [bad, good]):
        assert said in failed(memsnap("diff", *sources, "--max-size", "1MB"), bad)


@pytest.mark.parametrize(("status", "hint"), STATUS.items(), ids=map(str, STATUS))
def test_a_target_that_refuses(status, hint, memsnap, folder):
    with serving(Reply(b"<html>no</html>", status, "text/html")) as target:
        said = failed(memsnap("capture", target.url), target.url)
    assert f"answered {status}" in said
    assert hint in said
    assert list(folder.iterdir()) == []


def test_a_target_that_redirects_in_a_circle(memsnap):
    circle = Reply(status=302, headers=(("Location", f"{HEAP}?again=1"),))
    with serving(circle) as target:
        failed(memsnap("capture", target.url), target.url)


def test_a_target_that_sends_a_byte_at_a_time(memsnap):
    with serving({HEAP: Reply(GOOD, drip=True)}) as target:
        said = failed(memsnap("capture", target.url, "--timeout", "300ms"), target.url)
    assert "no complete answer within 300ms" in said
    assert "--timeout" in said


def test_a_target_that_is_not_there(memsnap):
    with serving(Reply()) as target:
        pass
    failed(memsnap("capture", target.url), target.url)


def test_a_process_that_is_not_there(memsnap):
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    failed(memsnap("capture", "-p", gone.pid), gone.pid)


def test_a_process_that_is_no_service(memsnap):
    with subprocess.Popen(["sleep", "60"]) as sleeper:
        failed(memsnap("capture", "-p", sleeper.pid), sleeper.pid)
        sleeper.kill()


def test_expvar_that_is_something_else_costs_the_counters_and_not_the_capture(memsnap, folder):
    table = go_service(GOOD) | {"/debug/vars": Reply(b"<html>index</html>", type="text/html")}
    with serving(table) as target:
        done = memsnap("capture", target.url, "-o", "a.snap")
    assert done.code == 0
    assert [file.name for file in folder.iterdir()] == ["a.snap"]
    assert "GC not proven" in done.err


def test_a_snap_of_a_future_version(memsnap, folder):
    meta = json.dumps({"format": 99, "capture": {}})
    future = folder / "future.snap"
    future.write_bytes(compress(encode(heap(time_nanos=1)) + message((1000, message((1, meta))))))
    said = failed(memsnap("diff", future, save_capture(folder / "a.snap", 1)), future)
    assert "newer memsnap (format 99" in said
    assert "upgrade" in said


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file(memsnap, folder):
    path = save_capture(folder / "a.snap", 1)
    path.chmod(0)
    assert "permission denied" in failed(memsnap("diff", path, path), path)


def test_a_missing_file_and_a_folder(memsnap, folder):
    good = save_capture(folder / "a.snap", 1)
    assert "no such file" in failed(memsnap("diff", good, "gone.snap"), "gone.snap")
    assert "is a directory" in failed(memsnap("diff", folder, good), folder)


@pytest.mark.parametrize("option", ["-o", "--output"])
def test_a_place_that_cannot_be_written(option, memsnap, folder):
    with serving(go_service(GOOD)) as target:
        for place in ("gone/a.snap", "."):
            assert "cannot write" in failed(memsnap("capture", target.url, option, place), place)
    assert list(folder.iterdir()) == []


def test_a_full_disk_leaves_nothing_half_written(tmp_path):
    if not shutil.which("unshare"):
        pytest.skip("unshare(1) mounts the small disk")
    pair = [str(save_capture(tmp_path / name, 99)) for name in ("a.snap", "b.snap")]
    disk = tmp_path / "disk"
    disk.mkdir()
    # A disk of one page in a mount namespace of its own: it is gone with the process.
    script = (
        'mount -t tmpfs -o size=4k tmpfs "$1" || exit 99; shift; folder=$1; shift;'
        ' "$@"; code=$?; ls -A "$folder"; exit $code'
    )
    command = ["unshare", "--mount", "--map-root-user", "sh", "-c", script, "-", disk, disk]
    full = disk / "out.pb.gz"
    report = [*MEMSNAP, "diff", *pair, "--json", "--pprof", full]
    fill = ["sh", "-c", f'head -c 4096 /dev/zero > "{disk}/rest"; exec "$@"', "-", *report]
    done = subprocess.run(
        [*command, *fill], env=plain_environment(), capture_output=True, text=True, check=False
    )
    if done.returncode in (1, 99) and "memsnap" not in done.stderr:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
    assert done.returncode == 1
    assert done.stderr.startswith(f"memsnap: cannot write {full}: no space left on device\n")
    assert done.stdout == "rest\n"


@pytest.mark.parametrize(
    "arguments",
    [["diff", "a.snap", "b.snap"], ["diff", "a.snap", "b.snap", "--json"], ["completion", "bash"]],
    ids=["report", "json", "completion"],
)
def test_a_full_disk_under_standard_output(arguments, pair, tmp_path):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*MEMSNAP, *arguments],
            cwd=tmp_path,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == (
        "memsnap: cannot write to standard output: no space left on device"
    )
    assert len(done.stderr.splitlines()) == 2


def test_a_full_disk_under_the_help():
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*MEMSNAP, "--help"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (1, "memsnap: no space left on device\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["capture"],
        ["capture", "-p", "1", "http://127.0.0.1:1"],
        ["capture", "ftp://host"],
        ["capture", "pid:abc"],
        ["capture", "http://127.0.0.1:1", "-o", "-", "--count", "2"],
        ["capture", "http://127.0.0.1:1", "-H", "no colon"],
        ["capture", "http://127.0.0.1:1", "--user", "a", "--token-env", "HOME"],
        ["diff", "a.snap"],
        ["diff", "a.snap", "b.snap", "--fail-on", "speed>5"],
        ["diff", "a.snap", "b.snap", "--fail-on", "growth>much"],
        ["diff", "a.snap", "b.snap", "--in", "no.such.function"],
        ["diff", "a.snap", "b.snap", "--focus", "*http.Request"],
        ["diff", "a.snap", "b.snap", "--json", "--markdown"],
        ["diff", "a.snap", "b.snap", "--json", "--pprof", "-"],
    ],
    ids=" ".join,
)
def test_a_request_that_makes_no_sense_is_a_usage_error(arguments, memsnap, pair):
    done = memsnap(*arguments)
    assert (done.code, done.out) == (2, "")
    assert done.lines[0].startswith("memsnap: ")
    assert len(done.lines) <= 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["bogus"],
        ["diff"],
        ["diff", "a.snap", "b.snap", "--by", "colour"],
        ["diff", "a.snap", "b.snap", "-n", "many"],
        ["diff", "a.snap", "b.snap", "--min-bytes", "5 parsecs"],
        ["capture", "http://127.0.0.1:1", "--interval", "soon"],
        ["capture", "-p", "0"],
        ["completion", "cmd.exe"],
        ["--nonsense"],
    ],
    ids=" ".join,
)
def test_an_option_that_does_not_exist_shows_the_usage(arguments, memsnap):
    done = memsnap(*arguments)
    assert (done.code, done.out) == (2, "")
    assert done.lines[0].startswith("Usage: memsnap ")
    assert any(line.startswith("Error: ") for line in done.lines)


def test_what_a_profile_says_cannot_drive_the_terminal(memsnap, folder):
    row = Row("main.\x1b[2Jf f.go:1 < main.main main.go:5", size=32768, alloc=99, live=99)
    empty = Row("main.\x1b[2Jf f.go:1 < main.main main.go:5", size=32768, alloc=1, live=1)
    for name, part in (("a.pb.gz", empty), ("b.pb.gz", row)):
        (folder / name).write_bytes(compress(encode(heap(part))))
    for more in (["--fail-on", "growth>1"], ["--in", "main.f"], ["--by", "function"]):
        done = memsnap("diff", "a.pb.gz", "b.pb.gz", *more)
        assert "\x1b" not in done.out + done.err
        assert "main.�[2Jf" in done.out + done.err
