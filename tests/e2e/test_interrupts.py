"""A series that is interrupted: what was captured before is whole, and nothing is half a file."""

import re
import signal
import socket
import subprocess
import time

import pytest
from program import MEMSNAP

import memsnap

pytestmark = pytest.mark.go


def interrupted(pid, folder, number, *options, after=2):
    """Run a series, send it `number` once `after` files are there; return code and stderr."""
    series = ["capture", "-p", str(pid), "--count", "200", "--interval", "50ms", "-o", "s.snap"]
    with subprocess.Popen(
        [*MEMSNAP, *series, *options],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as capture:
        while len(list(folder.glob("s-*.snap"))) < after and capture.poll() is None:
            time.sleep(0.01)
        capture.send_signal(number)
        out, err = capture.communicate(timeout=60)
    return capture.returncode, out, err


@pytest.mark.parametrize(
    ("number", "code", "words"),
    [
        (signal.SIGINT, 130, "memsnap: interrupted after {} of 200 captures"),
        (signal.SIGTERM, 143, "memsnap: terminated; what was written before is complete"),
    ],
    ids=["INT", "TERM"],
)
def test_earlier_captures_are_complete(number, code, words, service, tmp_path):
    with service("subslice", "-auto", "50ms") as running:
        ended, _, err = interrupted(running.pid, tmp_path, number)
    files = sorted(tmp_path.iterdir())
    assert ended == code
    assert "Traceback" not in err
    assert words.format(len(files)) in err.splitlines()
    assert [path.name for path in files] == [f"s-{n:03d}.snap" for n in range(1, len(files) + 1)]
    for path in files:
        assert memsnap.load(path).capture.gc.proven


def test_with_diff_what_there_is_is_compared(service, tmp_path):
    with service("subslice", "-auto", "50ms") as running:
        code, out, err = interrupted(running.pid, tmp_path, signal.SIGINT, "--diff")
    assert code == 0
    assert re.search(r"interrupted after \d+ of 200 captures", err)
    assert "Survivors by site" in out


def test_before_the_first_capture_nothing_is_written(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with subprocess.Popen(
            [*MEMSNAP, "capture", address, "-o", "a.snap"],
            cwd=tmp_path,
            stderr=subprocess.PIPE,
            text=True,
        ) as capture:
            connection, _ = silent.accept()
            with connection:
                connection.recv(100)  # it has asked, and now waits for the answer
                capture.send_signal(signal.SIGINT)
                err = capture.stderr.read()
        assert capture.returncode == 130
    assert err.strip() == "memsnap: interrupted; what was written before is complete"
    assert list(tmp_path.iterdir()) == []
