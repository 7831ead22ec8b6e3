"""What one capture shows by itself; growth is none of it."""

from dataclasses import replace

import pytest
from builders.captures import BEFORE, CAPTURE, MB, plain, taken
from builders.profiles import Row, heap
from builders.series import goroutine_profile

from memsnap.analysis.alone import find_alone
from memsnap.analysis.finding import Cause, Severity
from memsnap.analysis.live import live
from memsnap.analysis.select import Selection
from memsnap.pprof.origins import with_tracebacks
from memsnap.pprof.tracebacks import Spot, Traceback

SEND = "runtime.gopark p.go:1 < runtime.chansend c.go:2 < main.fetch fetch.go:22"
SELECT = "runtime.gopark p.go:1 < runtime.selectgo s.go:2 < main.work work.go:8"
SERVE = "runtime.gopark p.go:1 < internal/poll.runtime_pollWait n.go:3 < main.serve serve.go:5"
FINALIZER = "runtime.gopark p.go:1 < runtime.chanrecv c.go:2 < main.logOut l.go:4"


def found(snapshot, **selection):
    return find_alone(live(snapshot, Selection(**selection)))


def with_goroutines(stacks, *, stuck=None, minutes=None):
    """Return a capture with these goroutines; `minutes` is how long those of SEND wait."""
    profile = goroutine_profile(stacks)
    if minutes is not None:
        spot = Spot("main.fetch", "fetch.go", 22)
        start = Spot("main.lookUp", "look.go", 31)
        one = Traceback(
            state="chan send", frames=(spot,), go=start, count=stacks[SEND], minutes=minutes
        )
        profile = with_tracebacks(profile, (one,))
    leaks = None if stuck is None else goroutine_profile(stuck)
    return replace(taken(*BEFORE), goroutine_profile=profile, leak_profile=leaks)


def told(snapshot):
    return [(one.kind, one.verdict, one.severity, one.function) for one in found(snapshot)]


def test_a_quiet_capture_says_nothing():
    assert found(with_goroutines({SEND: 7, SELECT: 900, SERVE: 90_000}, stuck={})) == ()


@pytest.mark.parametrize(
    ("stats", "kind"),
    [
        ({"heap_idle": 108 * MB, "sys": 240 * MB}, "idle-heap"),
        ({"stack_sys": 101 * MB, "sys": 240 * MB}, "stacks"),
        ({"buck_hash_sys": 102 * MB, "sys": 240 * MB}, "profiler"),
        ({"heap_inuse": 174 * MB, "sys": 290 * MB}, "fragmentation"),
    ],
)
def test_a_part_of_the_process_larger_than_the_live_heap_is_a_remark(stats, kind):
    capture = replace(CAPTURE, mem_stats=replace(CAPTURE.mem_stats, **stats))
    (one,) = found(taken(*BEFORE, capture=capture))
    assert (one.kind, one.verdict, one.severity) == (kind, Cause.STEADY, Severity.INFO)
    assert one.growth is None


def test_goroutines_that_nothing_can_wake_are_leaked():
    snapshot = with_goroutines({SEND: 40, SERVE: 3}, stuck={SEND: 40})
    assert told(snapshot) == [("goroutine-leak", Cause.LEAK, Severity.MEDIUM, "main.fetch")]
    assert dict(found(snapshot)[0].evidence)["goroutines_stuck"] == 40


def test_a_few_goroutines_that_stand_still_are_not():
    assert told(with_goroutines({SELECT: 2}, stuck={SELECT: 2})) == []


def test_goroutines_that_cannot_get_rid_of_something_for_minutes_may_be():
    snapshot = with_goroutines({SEND: 9}, minutes=4)
    assert told(snapshot) == [("goroutine-leak", Cause.UNKNOWN, Severity.LOW, "main.fetch")]
    evidence = dict(found(snapshot)[0].evidence)
    assert (evidence["blocked_minutes"], evidence["go_line"]) == (4, 31)
    assert "some for 4 min and more" in found(snapshot)[0].text
    assert told(with_goroutines({SEND: 9}, minutes=0)) == []


def test_very_many_goroutines_at_one_place_may_be():
    assert told(with_goroutines({SELECT: 1000})) == [
        ("goroutine-leak", Cause.UNKNOWN, Severity.LOW, "main.work")
    ]


@pytest.mark.parametrize(
    ("runner", "says"),
    [
        ("runtime.runfinq mfinal.go:255", "A finalizer waits in chan receive"),
        ("runtime.runFinalizers mfinal.go:272", "A finalizer waits in chan receive"),
        ("runtime.runCleanups mcleanup.go:9", "A cleanup waits in chan receive"),
    ],
)
def test_a_finalizer_that_waits_holds_up_the_others(runner, says):
    (one,) = found(with_goroutines({f"{FINALIZER} < {runner}": 1}))
    assert (one.kind, one.severity, one.function) == (
        "finalizer-backlog",
        Severity.LOW,
        "main.logOut",
    )
    assert one.title.startswith(says)


def test_a_finalizer_at_work_holds_up_nobody():
    assert found(with_goroutines({"main.logOut l.go:4 < runtime.runfinq m.go:1": 1})) == ()


def test_an_array_whose_use_nobody_knows_is_a_remark_about_what_is_selected():
    array = {"type": "[]uint8", "kind": "make"}
    rows = [
        Row("main.read r.go:3 < main.main m.go:1", 10 << 20, 9, 9, **array),
        Row("main.load l.go:8 < main.main m.go:1", 1024, 90, 90),
    ]
    capacity = [("capacity", "main.read")]
    assert [(one.kind, one.function) for one in found(plain(heap(*rows)))] == capacity
    chosen = found(plain(heap(*rows)), function="main.read")
    assert [(one.kind, one.function) for one in chosen] == capacity
    assert found(plain(heap(*rows)), function="main.load") == ()


def test_what_is_allocated_in_vain_is_told_by_the_life_of_the_process():
    row = Row("main.render r.go:5 < main.main m.go:9", 65_536, 90_000, 0)
    process = replace(CAPTURE.process, start_time_ns=CAPTURE.taken_ns - 60 * 10**9)
    snapshot = taken(row, *BEFORE, capture=replace(CAPTURE, process=process))
    assert [one.kind for one in found(snapshot)] == ["alloc-surge"]
    assert found(taken(row, *BEFORE)) == ()
