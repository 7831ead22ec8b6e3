"""Targets that answer, but not as Go's pprof does: whole captures end in one clear line."""

import gzip
import json

import pytest
from builders.profiles import Row, heap
from peers import always, peer, reply, routes, trickle

from memsnap.capture.access import Access
from memsnap.capture.counters import TRAILER_MAX_SAMPLES
from memsnap.capture.target import parse_target
from memsnap.capture.visit import Options, locate_steps, visit_steps
from memsnap.errors import FormatError, MemsnapError, TargetError
from memsnap.pprof.encode import compress, encode

PATIENT = Access(timeout_s=30, max_bytes=8 << 20)
QUICK = Access(timeout_s=0.5, max_bytes=8 << 20)
BINARY = "application/octet-stream"
HEAP = "/debug/pprof/heap"


def profile_bytes(*rows, **header):
    rows = rows or (Row("main.leak leak.go:12 < main.main main.go:5", size=48, alloc=9, live=7),)
    return compress(encode(heap(*rows, **header)))


@pytest.fixture
def visit(run):
    """A function that takes a whole capture."""

    def visit(target, access=PATIENT, **options):
        place = run(locate_steps(parse_target(target.url), access))
        steps = visit_steps(parse_target(target.url), place, options=Options(**options))
        return run(steps)

    return visit


@pytest.fixture
def failure(visit):
    """A function that returns the error of a capture that must fail."""

    def failure(script, kind=MemsnapError, access=PATIENT):
        with peer(script) as target, pytest.raises(kind) as caught:
            visit(target, access)
        assert f"http://127.0.0.1:{target.port}{HEAP}?gc=1" in caught.value.message
        assert "\n" not in caught.value.message
        assert caught.value.hint
        return caught.value

    return failure


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><title>Sign in</title></html>",
        b'{"error": "no"}',
        b"plain words",
        profile_bytes()[:40],
        b"\x1f\x8b\x08 not gzip",
        gzip.compress(b"\0" * (64 << 20), 9),
    ],
    ids=["empty", "html", "json", "text", "truncated", "corrupt", "bomb"],
)
def test_200_with_something_else_is_a_format_error(failure, body):
    failure(always(reply(200, body, type_="text/html")), FormatError)


def test_a_target_that_trickles_ends_at_the_deadline(failure):
    error = failure(trickle(b"HTTP/1.1 200 OK\r\n\r\n", b"x"), TargetError, QUICK)
    assert "no complete answer" in error.message


def test_a_heap_alone_is_a_snapshot_with_notes(visit):
    with peer(routes({HEAP: reply(200, profile_bytes(), type_=BINARY)})) as target:
        snapshot = visit(target)
    described = snapshot.capture
    assert len(snapshot.heap) == 1
    assert (described.mem_stats, described.goroutines, described.memory) == (None, None, None)
    assert snapshot.leak_profile is None
    assert not described.gc.proven
    assert len(described.notes) == 2
    assert "no counters" in described.notes[0]
    assert "goroutines could not be had" in described.notes[1]
    assert all(note.endswith(".") for note in described.notes)


@pytest.mark.parametrize(
    "answer",
    [
        reply(200, b"", type_="application/json"),
        reply(200, b"<html>index</html>", type_="text/html"),
        reply(400, b"unsupported path"),
    ],
    ids=["empty", "html", "400"],
)
def test_counters_that_are_none_are_absent(visit, answer):
    table = {HEAP: reply(200, profile_bytes(), type_=BINARY)}
    with peer(routes(table, answer)) as target:
        described = visit(target).capture
    assert described.mem_stats is None
    assert described.service == "app"


def test_counters_that_hang_cost_one_wait_and_not_the_snapshot(visit):
    def script(path, say, over):
        if path.startswith(HEAP):
            say(reply(200, profile_bytes(), type_=BINARY))
        elif path == "/debug/vars":
            over.wait(60)
        else:
            say(reply(404))

    with peer(script) as target:
        described = visit(target, QUICK).capture
    assert target.paths.count("/debug/vars") == 1
    assert "/metrics" not in target.paths
    assert "Counters could not be had" in described.notes[0]


def test_a_large_profile_is_not_asked_for_as_text(visit):
    rows = [
        Row(f"main.f{i} f.go:{i} < main.main main.go:5", size=48, alloc=1, live=1)
        for i in range(TRAILER_MAX_SAMPLES + 1)
    ]
    metrics = b"go_memstats_heap_alloc_bytes 7\n"
    table = {
        HEAP: reply(200, profile_bytes(*rows), type_=BINARY),
        "/metrics": reply(200, metrics),
    }
    with peer(routes(table)) as target:
        described = visit(target, warm_up=False).capture
    assert described.mem_stats.source == "metrics"
    assert not any("debug=1" in path for path in target.paths)
    assert "10,001 samples" in described.notes[0]


def test_a_body_compressed_twice_is_read(visit):
    stats = gzip.compress(json.dumps({"memstats": {"HeapAlloc": 9}}).encode())
    table = {
        HEAP: reply(200, gzip.compress(profile_bytes()), more="Content-Encoding: gzip\r\n"),
        "/debug/vars": reply(200, stats, type_="application/json"),
    }
    with peer(routes(table)) as target:
        snapshot = visit(target)
    assert len(snapshot.heap) == 1
    assert snapshot.capture.mem_stats.heap_alloc == 9


def test_a_redirect_on_the_way_is_noted(visit):
    table = {
        HEAP: reply(301, more="Location: /x/heap?gc=1\r\n"),
        "/x/heap": reply(200, profile_bytes(), type_=BINARY),
    }
    with peer(routes(table)) as target:
        notes = visit(target).capture.notes
    assert notes[0].startswith(f"The target redirected: {target.url}{HEAP}?gc=1 -> ")


def test_another_profile_in_place_of_the_heap_is_refused(failure):
    rows = profile_bytes(Row("main.f f.go:1", size=1, alloc=1, live=1), rate=0)
    error = failure(always(reply(200, rows, type_=BINARY)), FormatError)
    assert "profiling is off" in error.message
