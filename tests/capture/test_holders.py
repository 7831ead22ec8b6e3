"""Who holds a listening socket, over the lives of processes."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from memsnap.capture.holders import Holders


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as opened:
        yield opened


@pytest.fixture
def child() -> Iterator[Callable[[], int]]:
    """A function that forks a process, which holds what this one holds, until the test ends."""
    with ExitStack() as stack:

        def fork() -> int:
            reader, writer = os.pipe()
            pid = os.fork()
            if pid == 0:
                os.close(writer)
                os.read(reader, 1)
                os._exit(0)
            os.close(reader)
            stack.callback(os.waitpid, pid, 0)
            stack.callback(os.close, writer)
            return pid

        yield fork


def inode(opened: socket.socket) -> int:
    return os.fstat(opened.fileno()).st_ino


def test_the_process_that_listens_is_found_again_and_again(listener: socket.socket) -> None:
    holders = Holders()

    assert [holders.of(inode(listener)) for _ in range(3)] == [frozenset({os.getpid()})] * 3


def test_a_child_that_inherits_the_socket_holds_it_as_well(
    listener: socket.socket, child: Callable[[], int]
) -> None:
    holders = Holders()
    holders.of(inode(listener))
    forked = child()

    assert holders.of(inode(listener)) == {os.getpid(), forked}


def test_a_socket_that_was_passed_on_is_the_childs_once_the_parent_closes_it(
    child: Callable[[], int],
) -> None:
    holders = Holders()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number = inode(listener)
        holders.of(number)
        forked = child()
        holders.of(number)

    assert holders.of(number) == {forked}


def test_a_socket_handed_to_a_process_that_was_there_before_is_found_once_the_first_is_gone() -> (
    None
):
    holders = Holders()
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        _, descriptors, _, _ = socket.recv_fds(theirs, 1, 1)
        theirs.send(b"1")
        theirs.recv(1)
        os._exit(len(descriptors) - 1)
    try:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            number = inode(listener)
            assert holders.of(number) == {os.getpid()}
            socket.send_fds(ours, [b"1"], [listener.fileno()])
            assert ours.recv(1) == b"1"

        assert holders.of(number) == {pid}
    finally:
        ours.send(b"1")
        ours.close()
        theirs.close()
        assert os.waitpid(pid, 0)[1] == 0


def test_a_closed_socket_is_nobodys() -> None:
    holders = Holders()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number = inode(listener)
        holders.of(number)

    assert holders.of(number) == frozenset()
