"""A visit says what it asks for; what comes of it is the same by both transports."""

import os
import subprocess
import sys
import threading
from dataclasses import replace

import pytest
from builders.profiles import Row, heap
from peers import always, peer, reply, routes

from memsnap.capture.access import Access
from memsnap.capture.counters import counters_of
from memsnap.capture.endpoint import endpoint_of
from memsnap.capture.exchange import get, get_ok, together
from memsnap.capture.identity import process_memory_of
from memsnap.capture.probe import Located
from memsnap.capture.process import start_time
from memsnap.capture.target import parse_target
from memsnap.capture.visit import locate_steps, visit_steps
from memsnap.errors import TargetError
from memsnap.pprof.encode import compress, encode

ACCESS = Access(timeout_s=30)
PROFILE = compress(encode(heap(Row("main.f f.go:1 < main.main m.go:2", size=48, alloc=9, live=7))))
EXPVAR = reply(200, b'{"memstats": {"HeapAlloc": 9, "NumGC": 3}}', type_="application/json")
METRICS = reply(200, b"go_memstats_heap_alloc_bytes 7\n")


def endpoint(target):
    return endpoint_of(parse_target(target.url))


def test_parts_give_their_results_in_order_and_run_at_the_same_time(run):
    both = threading.Barrier(2)

    def meet(path, say, _over):
        both.wait(30)
        say(reply(200, path.encode()))

    with peer(meet) as target:
        parts = [get(endpoint(target), ACCESS, f"/{number}") for number in range(4)]
        answers = run(together(parts, at_once=2))
    assert [answer.body for answer in answers] == [b"/0", b"/1", b"/2", b"/3"]


def test_a_part_that_fails_is_thrown_into_the_whole(run):
    def whole(target):
        parts = [get_ok(endpoint(target), ACCESS, path) for path in ("/here", "/away")]
        try:
            yield from together(parts, at_once=2)
        except TargetError as error:
            return error.message

    with peer(routes({"/here": reply(200)})) as target:
        assert run(whole(target)) == f"{target.url}/away: answered 404 Not Found"


def test_no_parts_have_no_results(run):
    assert run(together([], at_once=8)) == ()


@pytest.mark.parametrize(
    ("table", "source"),
    [
        ({"/debug/vars": EXPVAR, "/metrics": METRICS}, "expvar"),
        ({"/metrics": METRICS}, "metrics"),
        ({}, None),
    ],
)
def test_counters_alone_take_no_profile(run, table, source):
    with peer(routes(table)) as target:
        stats = run(counters_of(Located(endpoint=endpoint(target), access=ACCESS)))
    assert (stats and stats.source) == source
    assert not any("pprof" in path for path in target.paths)


def test_counters_of_a_target_that_breaks_are_an_error(run):
    with peer(always(b"")) as target:
        place = Located(endpoint=endpoint(target), access=ACCESS)
        with pytest.raises(TargetError, match="closed without an answer"):
            run(counters_of(place))
    assert len(target.heads) == 1


def test_a_capture_is_the_same_by_both_transports(transports):
    table = {
        "/debug/pprof/heap": reply(200, PROFILE, type_="application/octet-stream"),
        "/debug/vars": EXPVAR,
        "/debug/pprof/cmdline": reply(200, b"/srv/shop\0-x"),
    }
    captures = []
    with peer(routes(table)) as target:
        place = Located(endpoint=endpoint(target), access=ACCESS)
        for run in transports.values():
            steps = visit_steps(parse_target(target.url), place)
            captures.append(replace(run(steps).capture, elapsed_s=0.0))
    assert captures[0] == captures[1]
    assert target.paths[: len(target.paths) // 2] == target.paths[len(target.paths) // 2 :]


@pytest.mark.go
def test_the_memory_of_a_local_process_takes_no_profile(run, service, doors):
    with service(doors, "-listen", "127.0.0.1:0") as running:
        by_url = run(locate_steps(parse_target(running.address), ACCESS))
        by_pid = Located(
            endpoint=by_url.endpoint,
            access=ACCESS,
            pid=running.pid,
            start_time_ns=start_time(running.pid),
        )
        assert run(process_memory_of(by_url)).rss > 1 << 20
        assert run(process_memory_of(by_pid)).rss > 1 << 20
        assert running.vars()["memstats"]["NumForcedGC"] == 0
    with pytest.raises(TargetError, match="no such process"):
        run(process_memory_of(by_pid))


def test_the_memory_of_a_process_elsewhere_is_unknown(run):
    with peer(routes({"/debug/pprof/cmdline": reply(200, b"/srv/shop\0-x")})) as target:
        place = Located(endpoint=endpoint(target), access=ACCESS)
        assert run(process_memory_of(place)) is None


def test_a_pid_that_was_given_to_another_process_is_told(run):
    place = Located(endpoint=endpoint_of(parse_target("h:1")), access=ACCESS, pid=os.getpid())
    with pytest.raises(TargetError, match="another has its PID"):
        run(process_memory_of(place))


CAPTURE = {
    "blocking": """
from memsnap.api import capture
print(len(capture(sys.argv[1]).heap))
""",
    "aio": """
import asyncio
from memsnap.capture.aio import Fetcher
from memsnap.capture.target import parse_target
async def main():
    async with Fetcher() as fetcher:
        return await fetcher.capture(parse_target(sys.argv[1]))
print(len(asyncio.run(main())[0].heap))
""",
}


@pytest.mark.parametrize(
    ("driver", "absent"),
    [("blocking", {"aiohttp", "asyncio", "yarl"}), ("aio", {"requests", "urllib3"})],
)
def test_a_whole_capture_imports_one_http_library(driver, absent):
    table = {"/debug/pprof/heap": reply(200, PROFILE, type_="application/octet-stream")}
    check = f"print(sorted({absent!r} & set(sys.modules)))"
    with peer(routes(table)) as target:
        program = f"import sys\n{CAPTURE[driver]}\n{check}"
        command = [sys.executable, "-c", program, target.url]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout == "1\n[]\n"
