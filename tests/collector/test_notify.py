"""What the service manager hears, on a real datagram socket."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from memsnap.collector.notify import Supervisor
from memsnap.errors import UsageError


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(5)
        yield listening


def test_a_supervisor_hears_that_the_daemon_is_ready(listener: socket.socket) -> None:
    Supervisor.of({"NOTIFY_SOCKET": listener.getsockname()}).ready("10 targets")

    assert listener.recv(1000) == b"READY=1\nSTATUS=10 targets"


def test_an_abstract_socket_is_reached_too() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(b"")  # the kernel picks an abstract name
        listening.settimeout(5)
        name = listening.getsockname().decode()
        Supervisor.of({"NOTIFY_SOCKET": "@" + name[1:]}).stopping()

        assert listening.recv(100) == b"STOPPING=1"


def test_the_watchdog_is_for_the_process_that_it_names(listener: socket.socket) -> None:
    variables = {"NOTIFY_SOCKET": listener.getsockname(), "WATCHDOG_USEC": "30000000"}

    assert Supervisor.of(variables | {"WATCHDOG_PID": str(os.getpid())}).watchdog_s == 30.0
    assert Supervisor.of(variables | {"WATCHDOG_PID": "1"}).watchdog_s is None


def test_without_a_supervisor_nothing_is_sent() -> None:
    Supervisor.of({}).alive("fine")


def test_a_supervisor_that_is_gone_does_no_harm(tmp_path: Path) -> None:
    Supervisor.of({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).alive("fine")


@pytest.mark.parametrize(
    "variables",
    [{"NOTIFY_SOCKET": "nonsense"}, {"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "soon"}],
)
def test_variables_that_make_no_sense_are_refused(variables: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        Supervisor.of(variables)
