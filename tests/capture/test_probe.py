"""Looking for pprof in a process that has other things to say, or is none of our business."""

import contextlib
import errno
import os
import subprocess
from pathlib import Path

import pytest
from peers import always, peer, reply, routes

from memsnap.capture.access import Access
from memsnap.capture.failures import namespace_refused
from memsnap.capture.probe import probe as probing
from memsnap.errors import TargetError

ME = os.getpid()
COMMAND = Path(f"/proc/{ME}/cmdline").read_bytes().removesuffix(b"\0")


@pytest.fixture
def probe(run):
    """A function that looks for pprof in a process."""
    return lambda pid, access: run(probing(pid, access))


def test_the_endpoint_that_answers_as_this_process_is_taken(probe):
    table = {"/pprof/cmdline": reply(200, COMMAND)}
    with peer(always(b"not HTTP at all")), peer(routes(table)) as target:
        located = probe(ME, Access())
        assert located.endpoint.shown(located.endpoint.prefix) == f"{target.url}/pprof"
        assert located.pid == ME


def test_html_for_any_path_is_no_pprof(probe):
    page = reply(200, b"<html><title>Index</title></html>", type_="text/html")
    with peer(always(page)) as target, pytest.raises(TargetError) as caught:
        probe(ME, Access())
    assert f"{target.url}: no profile below any of" in caught.value.message
    assert "--prefix" in caught.value.hint


def test_a_probe_follows_no_redirect(probe):
    with peer(always(reply(200, COMMAND))) as elsewhere:
        moved = reply(302, more=f"Location: http://127.0.0.2:{elsewhere.port}/x\r\n")
        with peer(always(moved)) as target:
            located = probe(ME, Access())
        assert located.endpoint.origin == elsewhere.url
        assert set(elsewhere.paths) == {"/debug/pprof/cmdline"}
        assert len(target.paths) > 1


def test_everything_that_was_tried_is_listed_up_to_a_limit(probe):
    with contextlib.ExitStack() as stack:
        for _ in range(8):
            stack.enter_context(peer(always(b"SSH-2.0\r\n")))
        with pytest.raises(TargetError, match=r"the answer is not HTTP; .*and 2 more") as caught:
            probe(ME, Access())
    assert "\n" not in caught.value.message


@contextlib.contextmanager
def another_user():
    """Drop to a user without rights for a while, if we are root; else we are one already."""
    if os.geteuid() == 0:
        os.seteuid(65534)
        try:
            yield
        finally:
            os.seteuid(0)
    else:
        yield


def test_a_process_of_another_user_is_told_to_need_rights(probe):
    with contextlib.ExitStack() as stack:
        pid = 1
        if os.geteuid() == 0:
            child = stack.enter_context(subprocess.Popen(["sleep", "60"]))
            stack.callback(child.kill)
            pid = child.pid
        stack.enter_context(another_user())
        with pytest.raises(TargetError, match="permission denied") as caught:
            probe(pid, Access())
    assert "sudo" in caught.value.hint
    assert "URL" in caught.value.hint


def test_a_namespace_that_may_not_be_entered_is_told():
    refused = namespace_refused("http://127.0.0.1:1/x", 7, OSError(errno.EPERM, "no"))
    assert "process 7 listens in a network namespace" in refused.message
    assert "CAP_SYS_ADMIN" in refused.hint
    gone = namespace_refused("http://127.0.0.1:1/x", 7, OSError(errno.ENOENT, "no"))
    assert "process 7 is gone" in gone.message
