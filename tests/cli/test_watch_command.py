"""`memsnap watch` and `memsnap gate` on real services."""

import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import threading
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ

import pytest
from commands import plain_environment
from documents import checked
from program import MEMSNAP

from memsnap.cli.watch import thinned

POST = (
    "import urllib.request as u; "
    "u.urlopen(u.Request('{address}/step?n={n}', method='POST'), timeout=60).read()"
)


def load(service, n):
    """Return a shell command that lets the service perform `n` operations."""
    return f'{sys.executable} -c "{POST.format(address=service.address, n=n)}"'


@pytest.mark.go
def test_a_pipe_gets_a_line_a_capture_and_the_report(memsnap, service):
    with service("subslice", "-auto", "20ms", "-batch", "2") as running:
        done = memsnap("watch", "-p", running.pid, "--interval", "700ms", "--count", "5")
    assert done.code == 0
    assert [line.partition(":")[0] for line in done.lines[1:]] == [
        f"capture {number}" for number in (2, 3, 4, 5)
    ]
    assert "main.readBody" in done.out


@pytest.mark.go
def test_watch_ends_at_the_first_leak_where_that_is_asked_for(memsnap, service, tmp_path):
    with service("subslice", "-auto", "10ms", "-batch", "4") as running:
        done = memsnap(
            "watch", running.address, "--interval", "500ms", "--count", "30", "--until-leak",
            "--json", "--keep", tmp_path / "kept",
        )  # fmt: skip
    assert done.code == 3
    assert checked(done.out)["findings"][0]["verdict"] == "leak"
    assert len(list((tmp_path / "kept").glob("*.snap"))) == len(json.loads(done.out)["captures"])


@pytest.mark.go
def test_a_terminal_of_80_columns_is_redrawn_and_ctrl_c_ends_with_the_report(service):
    with service("subslice", "-auto", "10ms", "-batch", "4") as running:
        text, code = in_terminal(
            "watch", "-p", str(running.pid), "--interval", "500ms", until="main.readBody leaks"
        )
    assert code == 0
    drawn = re.sub(r"\x1b\[[0-9;]*m", "", text)
    screens = re.split(r"\x1b\[\d+A\x1b\[J", drawn)
    assert "Ctrl-C ends" in screens[-2]
    _, first, drawn_first = screens[0].partition("one capture so far")
    assert first
    shown = [drawn_first, *screens[1:-1]]
    assert max(len(line) for screen in shown for line in screen.splitlines()) <= 80
    assert "main.readBody leaks" in screens[-1]
    assert "Ctrl-C ends" not in screens[-1]


def in_terminal(*arguments, until):
    """Run a command on a terminal, interrupt it when it has said `until`; return text and code."""
    ours, theirs = pty.openpty()
    ioctl(theirs, TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen(
        [*MEMSNAP, *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=plain_environment() | {"TERM": "xterm"},
    )
    os.close(theirs)
    timer = threading.Timer(110, process.kill)
    timer.start()
    text, told = b"", False
    try:
        while data := _read(ours):
            text += data
            if not told and until.encode() in text:
                told = True
                process.send_signal(signal.SIGINT)
    finally:
        timer.cancel()
        os.close(ours)
    return text.decode(), process.wait()


def _read(terminal):
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # the other end is closed
        return b""


def test_a_long_watch_is_thinned_out_and_keeps_its_ends():
    held = []
    for number in range(1000):
        held = thinned([*held, number])
    assert len(held) <= 120
    assert (held[0], held[-1]) == (0, 999)
    assert held == sorted(held)


def test_watch_wants_one_target(memsnap):
    done = memsnap("watch")
    assert done.code == 2
    assert "memsnap watch -p" in done.err


def test_a_target_that_is_not_there_is_named(memsnap):
    done = memsnap("watch", "http://127.0.0.1:1", "--interval", "1s")
    assert done.code == 1
    assert "127.0.0.1:1" in done.err


@pytest.mark.go
def test_the_gate_fails_a_load_that_leaks_and_says_where(memsnap, service):
    with service("subslice") as running:
        done = memsnap(
            "gate", "--max-growth", "5MB", "--during", load(running, 600), "-p", running.pid,
            "--settle", "0s",
        )  # fmt: skip
    assert done.code == 3
    assert done.out.startswith("### ❌ memsnap gate: heap growth exceeds the budget of 5.00 MB")
    assert "main.readBody" in done.out
    assert "| Alloc |" in done.out


@pytest.mark.go
def test_the_gate_lets_a_load_pass_that_keeps_nothing(memsnap, service, tmp_path):
    report = tmp_path / "gate.json"
    with service("big_constant") as running:
        done = memsnap(
            "gate", "--max-growth", "5MB", "--during", load(running, 5000), running.address,
            "--json", "-o", report, "--keep", tmp_path / "kept", "--settle", "0s",
        )  # fmt: skip
    assert (done.code, done.out) == (0, "")
    document = checked(report.read_text())
    assert document["passed"] is True
    growth = document["growth"]
    assert growth["low_bytes"] <= growth["bytes"] <= growth["high_bytes"] < 5 << 20
    kept = sorted(path.name for path in Path(tmp_path / "kept").iterdir())
    assert kept == ["after-1.snap", "after-2.snap", "before-1.snap", "before-2.snap"]


@pytest.mark.go
def test_a_load_that_fails_is_no_pass(memsnap, service):
    with service("subslice") as running:
        done = memsnap("gate", "--max-growth", "5MB", "--during", "exit 7", running.address)
    assert done.code == 1
    assert "status 7" in done.err


def test_the_gate_wants_a_budget_and_a_load(memsnap):
    assert memsnap("gate", "http://127.0.0.1:1").code == 2
