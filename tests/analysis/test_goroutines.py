"""Goroutines that pile up: what they wait for, where, and whose memory they hold."""

from dataclasses import replace

import numpy as np
import pytest
from builders.captures import plain
from builders.profiles import Row, heap
from builders.series import capture_times, filling, leaking, recorded, replaced
from builders.simulation import bucket

from memsnap import api
from memsnap.analysis.diff import diff
from memsnap.analysis.finding import Cause
from memsnap.analysis.goroutine_words import go_statement
from memsnap.analysis.goroutines import Waiting, holds, piles_up, waiting
from memsnap.analysis.parked import state_of
from memsnap.analysis.rows import Frame
from memsnap.analysis.series import series

PARKED = "runtime.gopark proc.go:474"
SEND = f"{PARKED} < runtime.chansend chan.go:283 < runtime.chansend1 chan.go:161"
RECEIVE = f"{PARKED} < runtime.chanrecv chan.go:667 < runtime.chanrecv2 chan.go:514"
SELECT = f"{PARKED} < runtime.selectgo select.go:351"
IO = f"{PARKED} < runtime.netpollblock netpoll.go:575 < internal/poll.runtime_pollWait netpoll.go:3"
FETCH = f"{SEND} < main.fetch fetch.go:22"
SERVE = f"{IO} < net.(*netFD).Read fd.go:68 < net/http.(*conn).serve server.go:2193"
SECONDS = np.arange(5) * 10.0


def frames(stack):
    return [Frame(*line.split(" ")[:1], "", 0) for line in stack.split(" < ")]


@pytest.mark.parametrize(
    ("stack", "state"),
    [
        (SEND, "chan send"),
        (RECEIVE, "chan receive"),
        (SELECT, "select"),
        (SERVE, "IO wait"),
        (f"{PARKED} < sync.runtime_Semacquire s.go:1 < sync.(*WaitGroup).Wait w.go:1", "semaphore"),
        (f"{PARKED} < sync.runtime_SemacquireMutex s.go:1 < sync.(*Mutex).Lock", "semaphore"),
        (f"{PARKED} < time.Sleep time.go:1", "sleep"),
        ("main.compute main.go:1", "running"),
    ],
)
def test_the_state_is_what_the_runtime_calls_it(stack, state):
    assert state_of(frames(stack)) == state


def pile(*counts, stack=FETCH):
    rng = np.random.default_rng(1)
    some = bucket(rng, "main.main main.go:9", 64, replaced(rng, 100, 1))
    running = [{stack: count, "main.main main.go:9": 1} for count in counts]
    snapshots = recorded([some], capture_times(len(counts)), goroutines=running)
    return next(one for one in waiting(snapshots) if one.entry.function != "main.main")


def test_goroutines_are_counted_by_entry_place_and_state():
    one = pile(1, 5, 9)
    assert (one.entry.function, one.at, one.state) == (
        "main.fetch",
        Frame("main.fetch", "fetch.go", 22),
        "chan send",
    )
    assert (one.counts, one.rise, one.own, one.stuck) == ((1, 5, 9), 8, True, None)


def test_the_place_of_a_librarys_goroutine_is_not_the_poller():
    one = pile(1, 2, stack=SERVE)
    assert (one.at.function, one.own) == ("net.(*netFD).Read", False)


@pytest.mark.parametrize(
    ("counts", "piles"),
    [
        ((0, 10, 20, 30, 41), True),
        ((0, 10, 20, 15, 41), False),
        ((0, 1, 2, 3, 4), False),
        ((50, 50, 50, 50, 90), False),
    ],
)
def test_a_pile_rises_all_the_time_and_not_by_chance(counts, piles):
    assert piles_up(SECONDS, pile(*counts)) is piles


def test_a_function_holds_what_its_literals_run():
    one = Waiting(
        entry=Frame("main.subscribe.func1", "s.go", 19), runs=None, literal_line=19,
        start=None, minutes=None, at=Frame("", "", 0), own=True,
        state="select", counts=(0, 9), stuck=None, functions=frozenset({"main.subscribe.func1"}),
    )  # fmt: skip
    assert holds("main.subscribe", one)
    assert holds("main.subscribe.func1", one)
    assert not holds("main.subs", one)
    assert not holds("main.publish", one)


def test_the_go_statement_of_a_literal_is_where_it_stands():
    one = replace(pile(1, 2), entry=Frame("main.subscribe.func1", "s.go", 19), literal_line=19)
    assert go_statement(None, one) == Frame("main.subscribe", "s.go", 19)


def test_the_go_statement_of_a_call_is_where_its_closure_comes_from():
    wrapped = {"type": "closure main.lookUp.gowrap1", "kind": "closure"}

    def heaps(count, *others):
        row = Row("main.lookUp l.go:29 < main.main m.go:9", 48, count, count, **wrapped)
        return plain(heap(row, *others))

    one = pile(1, 2)
    assert go_statement(series(diff([heaps(1), heaps(4)])), one) == Frame("main.lookUp", "l.go", 29)
    assert go_statement(series(diff([heaps(4), heaps(4)])), one) is None
    other = Row("main.other o.go:7 < main.main m.go:9", 48, 9, 9, **wrapped)
    assert go_statement(series(diff([heaps(1), heaps(4, other)])), one) is None


def leaking_service(stack, entry, count=5):
    """Return captures of a service that keeps 8 kB at `stack` with each goroutine of `entry`."""
    rng = np.random.default_rng(5)
    pages = bucket(rng, stack, 8192, leaking(rng, 12))
    calm = bucket(rng, "main.logIn s.go:7 < main.main main.go:9", 1024, replaced(rng, 5000, 200))
    times = capture_times(count)
    running = [{entry: int(pages.live(at).sum()), "main.main main.go:9": 1} for at in times]
    return recorded([pages, calm], times, goroutines=running)


def test_a_goroutine_leak_is_one_finding_with_what_it_holds():
    leaks = [
        one
        for one in api.findings(leaking_service("main.fetch fetch.go:19", FETCH))
        if one.verdict is Cause.LEAK
    ]
    assert [(one.kind, one.function, one.line) for one in leaks] == [
        ("goroutine-leak", "main.fetch", 19)
    ]
    evidence = dict(leaks[0].evidence)
    assert (evidence["goroutines_state"], evidence["blocked_line"]) == ("chan send", 22)
    assert leaks[0].growth.bytes > 2 << 20


def test_what_piled_up_goroutines_hold_is_theirs_whatever_its_course_looks_like():
    rng = np.random.default_rng(5)
    pages = bucket(rng, "main.fetch fetch.go:19", 8192, filling(rng, 800, 12.0))
    running = [{FETCH: 10 + 9 * at} for at in range(5)]
    found = api.findings(recorded([pages], capture_times(), goroutines=running))
    assert [(one.kind, one.verdict) for one in found if one.growth] == [
        ("goroutine-leak", Cause.LEAK)
    ]
    assert found[0].growth.bytes > 4 << 20


def test_connections_that_stay_open_are_laid_to_who_opens_them():
    entry = f"{SELECT} < net/http.(*persistConn).readLoop transport.go:2398"
    buffers = (
        "bufio.NewReaderSize bufio.go:57 < net/http.(*Transport).dialConn transport.go:1 < "
        "net/http.(*Client).Do client.go:590 < main.probe probe.go:20 < main.main main.go:9"
    )
    first, *_ = api.findings(leaking_service(buffers, entry))
    assert (first.verdict, first.function, first.line) == (Cause.LEAK, "main.probe", 20)
    assert "net/http.(*persistConn).readLoop" in dict(first.evidence)["entry_function"]


def test_goroutines_without_a_growing_site_are_a_finding_of_their_own():
    rng = np.random.default_rng(1)
    calm = bucket(rng, "main.logIn s.go:7 < main.main main.go:9", 1024, replaced(rng, 500, 20))
    running = [{FETCH: 10 + 9 * at} for at in range(5)]
    first, *_ = api.findings(recorded([calm], capture_times(), goroutines=running))
    assert (first.kind, first.verdict, first.line) == ("goroutine-leak", Cause.LEAK, 22)


def test_goroutines_that_wait_for_work_are_no_leak_yet():
    rng = np.random.default_rng(1)
    calm = bucket(rng, "main.logIn s.go:7 < main.main main.go:9", 1024, replaced(rng, 500, 20))
    running = [{SERVE: 10 + 9 * at} for at in range(5)]
    first, *_ = api.findings(recorded([calm], capture_times(), goroutines=running))
    assert first.verdict is Cause.UNKNOWN


def test_a_goroutine_that_is_about_to_start_has_no_stack_and_does_no_harm():
    rng = np.random.default_rng(1)
    some = bucket(rng, "main.main main.go:9", 64, replaced(rng, 100, 1))
    running = [{"": 1, FETCH: 2}]
    assert [one.counts for one in waiting(recorded([some], [60.0], goroutines=running))] == [(2,)]


def test_goroutines_that_cannot_be_read_leave_what_the_heap_tells():
    snapshots = leaking_service("main.fetch fetch.go:19", FETCH)
    broken = [replace(snapshots[0], goroutine_profile=b"\x0a\xff"), *snapshots[1:]]
    assert waiting(broken) == ()
    assert api.findings(broken)[0].function == "main.fetch"
