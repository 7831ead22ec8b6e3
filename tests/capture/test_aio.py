"""Visits on the event loop: bounded, cancelled without a trace, and never in its way."""

import asyncio
import os
import socket
import threading
import time
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from builders.profiles import Row, heap
from peers import always, peer, reply, routes, trickle, unix_peer

from memsnap.capture.access import Access
from memsnap.capture.aio import Fetcher
from memsnap.capture.endpoint import endpoint_of
from memsnap.capture.exchange import get
from memsnap.capture.failures import TimedOut
from memsnap.capture.target import parse_target
from memsnap.capture.visit import Options
from memsnap.errors import FormatError, TargetError, UsageError
from memsnap.pprof.encode import compress, encode

HEAP = "/debug/pprof/heap"
PROFILE = compress(encode(heap(Row("main.f f.go:1 < main.main m.go:2", size=48, alloc=9, live=7))))
COMMAND = Path(f"/proc/{os.getpid()}/cmdline").read_bytes().removesuffix(b"\0")
PPROF = {
    HEAP: reply(200, PROFILE, type_="application/octet-stream"),
    "/debug/pprof/cmdline": reply(200, COMMAND),
}
HEAP_ONLY = Options(goroutines=False, warm_up=False)
PATIENT = Access(timeout_s=30)


def asking(url, access=PATIENT):
    return get(endpoint_of(parse_target(url)), access, HEAP)


def open_files():
    """Return the sockets that this process holds open."""
    shown = []
    for link in Path("/proc/self/fd").iterdir():
        try:
            shown.append(str(link.readlink()))
        except OSError:
            continue  # the listing itself
    return sorted(name for name in shown if name.startswith("socket:"))


async def until(condition):
    """Let the loop run until `condition()` holds."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in other threads
            await asyncio.sleep(0.01)


@asynccontextmanager
async def nothing_left():
    """Check that the sockets and threads of before are those of after."""
    await asyncio.to_thread(int)
    before = open_files(), threads()
    yield
    await until(lambda: (open_files(), threads()) == before)


def threads():
    """Return the threads that are not the loop's own pool."""
    return sorted(t.name for t in threading.enumerate() if not t.name.startswith("asyncio_"))


async def cancel(task):
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@contextmanager
def full_backlog():
    """A port whose queue of connections is full, so that connecting never ends."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        with socket.create_connection(address), socket.socket() as waiting:
            waiting.setblocking(False)
            waiting.connect_ex(address)
            yield f"http://127.0.0.1:{address[1]}"


async def test_a_cancelled_request_closes_its_socket_and_its_generator():
    with peer(trickle(b"HTTP/1.1 200 OK\r\n\r\n", b"x")) as target:
        async with Fetcher() as fetcher:
            steps = asking(target.url)
            task = asyncio.create_task(fetcher.run(steps))
            await until(lambda: target.heads)
            before = len(open_files())
            await cancel(task)
            assert steps.gi_frame is None
            await until(lambda: len(open_files()) < before)


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_cancelled_connect_or_handshake_leaves_nothing(scheme):
    async with Fetcher() as fetcher, nothing_left():
        with full_backlog() as full, peer(trickle(b"", b"")) as silent:
            for url in (full, silent.url):
                task = asyncio.create_task(fetcher.run(asking(url.replace("http", scheme))))
                await until(lambda url=url: url == full or silent.heads)
                await asyncio.sleep(0.05)
                await cancel(task)


async def test_a_visit_may_be_cancelled_at_any_moment():
    target = parse_target(f"pid:{os.getpid()}")
    async with Fetcher() as fetcher, nothing_left():
        with peer(routes(PPROF)), peer(trickle(b"HTTP/1.1 200 OK\r\n\r\n", b"x")):
            for moment in range(60):
                task = asyncio.create_task(fetcher.capture(target, PATIENT, options=HEAP_ONLY))
                await asyncio.sleep(moment * 0.0005)
                await cancel(task)


async def test_a_step_that_runs_is_finished_and_then_closed():
    began, release, closed = threading.Event(), threading.Event(), threading.Event()

    def steps():
        try:
            began.set()
            release.wait(30)
            yield from asking("http://127.0.0.1:1")
        finally:
            closed.set()

    async with Fetcher() as fetcher:
        task = asyncio.create_task(fetcher.run(steps()))
        await until(began.is_set)
        await cancel(task)
        assert not closed.is_set()
        release.set()
        await until(closed.is_set)


async def test_steps_run_off_the_loop():
    served = threading.Event()

    def steps():
        assert served.wait(30)  # set by the loop, which is free meanwhile
        return "done"
        yield

    async with Fetcher() as fetcher:
        asyncio.get_running_loop().call_later(0.01, served.set)
        assert await fetcher.run(steps()) == "done"


async def test_leaving_the_fetcher_cancels_what_runs():
    with peer(trickle(b"", b"")) as target:
        async with Fetcher() as fetcher:
            task = asyncio.create_task(fetcher.run(asking(target.url)))
            await until(lambda: target.heads)
        assert task.cancelled() or task.done()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_one_host_gets_no_more_requests_than_allowed():
    lock, now, most = threading.Lock(), [0], [0]

    def slow(_path, say, _over):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.05)
        with lock:
            now[0] -= 1
        say(reply(200))

    with peer(slow) as first, peer(slow) as second:
        async with Fetcher(per_host=2) as fetcher:
            urls = [first.url, second.url] * 4  # two ports of one host
            answers = await asyncio.gather(*(fetcher.run(asking(url)) for url in urls))
    assert [answer.status for answer in answers] == [200] * 8
    assert most[0] == 2


async def test_a_bound_below_one_is_a_usage_error():
    with pytest.raises(UsageError, match="1 or more"):
        Fetcher(per_host=0)


async def test_dead_targets_do_not_hold_up_the_others():
    quick = Access(timeout_s=0.5)
    with peer(trickle(b"", b"")) as silent, peer(always(reply(200, b"alive"))) as alive:
        async with Fetcher() as fetcher:
            urls = [silent.url, alive.url] * 20
            access = {silent.url: quick, alive.url: PATIENT}
            outcomes = await asyncio.gather(
                *(fetcher.run(asking(url, access[url])) for url in urls), return_exceptions=True
            )
    assert [type(one) for one in outcomes[::2]] == [TimedOut] * 20
    assert [one.body for one in outcomes[1::2]] == [b"alive"] * 20


async def test_a_place_that_is_known_is_not_looked_for_again():
    target = parse_target(f"pid:{os.getpid()}")
    with peer(routes(PPROF)) as served:
        async with Fetcher() as fetcher:
            first, place = await fetcher.capture(target, PATIENT, options=HEAP_ONLY)
            asked = served.paths.count("/debug/pprof/cmdline")
            second, same = await fetcher.capture(target, PATIENT, options=HEAP_ONLY, place=place)
    assert asked == served.paths.count("/debug/pprof/cmdline") == 1
    assert place.pid == os.getpid()
    assert same is place
    assert first.capture.notes == second.capture.notes
    assert len(first.heap) == len(second.heap) == 1


async def test_a_visit_that_takes_too_long_in_all_is_told():
    async with Fetcher() as fetcher, nothing_left():
        with peer(trickle(b"", b"")) as silent, pytest.raises(TargetError) as caught:
            await fetcher.capture(parse_target(silent.url), PATIENT, timeout_s=0.2)
    assert caught.value.message == f"{silent.url}/debug/pprof: no complete answer within 200ms"


async def test_a_visit_that_fails_leaves_nothing():
    async with Fetcher() as fetcher, nothing_left():
        page = reply(200, b"<html>", type_="text/html")
        with peer(always(page)) as target, pytest.raises(FormatError):
            await fetcher.capture(parse_target(target.url), PATIENT)


async def test_a_unix_socket_that_accepts_nothing_is_told_at_once(tmp_path):
    path = str(tmp_path / "app.sock")
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as first:
        listener.bind(path)
        listener.listen(0)
        first.connect(path)
        async with Fetcher() as fetcher:
            with pytest.raises(TargetError, match="temporarily unavailable") as caught:
                await fetcher.run(asking(f"unix:{path}"))
    assert "stuck" in caught.value.hint


async def test_a_unix_socket_leaves_no_thread(tmp_path):
    path = str(tmp_path / "app.sock")
    async with Fetcher() as fetcher, nothing_left():
        with unix_peer(path, always(reply(200, b"here"))):
            answer = await fetcher.run(asking(f"unix:{path}"))
    assert answer.body == b"here"
