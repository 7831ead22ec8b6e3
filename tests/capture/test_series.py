"""A series keeps its schedule, survives a failure, and ends with its process."""

import os
import signal
from dataclasses import dataclass, field

import pytest
from peers import peer, reply

from memsnap.capture.access import Access
from memsnap.capture.series import Clock, Listeners, capture_series, next_due
from memsnap.capture.target import parse_target
from memsnap.capture.visit import Options
from memsnap.errors import TargetError, UsageError

HEAP_ONLY = Options(goroutines=False, warm_up=False)


@dataclass
class VirtualTime:
    """A clock that only sleeping moves; `then` runs after each sleep."""

    now_s: float = 1000.0
    slept: list[float] = field(default_factory=list)
    then: object = None

    def clock(self):
        return Clock(now=lambda: self.now_s, sleep=self.sleep)

    def sleep(self, seconds):
        self.slept.append(round(seconds, 6))
        self.now_s += seconds
        if self.then:
            self.then(len(self.slept))


def take(series, into):
    """Move what a series yields, one at a time, so that an error leaves what came before it."""
    for snapshot in series:
        into.append(snapshot)


@pytest.mark.go
def test_a_series_yields_each_snapshot_and_reports_it(service):
    time, seen = VirtualTime(), []
    with service("subslice") as running:
        series = capture_series(
            parse_target(f"pid:{running.pid}"),
            count=3,
            interval_s=10,
            report=Listeners(on_capture=lambda number, one: seen.append((number, one.name))),
            clock=time.clock(),
        )
        snapshots = list(series)
    assert len(snapshots) == 3
    assert seen == [(number, snapshots[0].name) for number in (1, 2, 3)]
    assert time.slept == [10, 10]
    assert all(snapshot.capture.gc.proven for snapshot in snapshots)
    assert [s.capture.taken_ns for s in snapshots] == sorted(s.capture.taken_ns for s in snapshots)


@pytest.mark.parametrize(
    ("now", "due"), [(100.0, 110.0), (104.0, 110.0), (110.0, 120.0), (137.5, 140.0)]
)
def test_the_next_capture_is_due_on_the_grid(now, due):
    assert next_due(100.0, now, 10.0) == due


@pytest.mark.go
def test_a_failure_is_reported_and_the_series_goes_on(service, doors):
    with service(doors, "-listen", "127.0.0.1:0") as running:
        heap = running.get("/debug/pprof/heap")
    asked, failures = [], []

    def answer(path, say, _over):
        if path.startswith("/debug/pprof/heap?gc=1"):
            asked.append(path)
            say(reply(500) if len(asked) == 2 else reply(200, heap))
        else:
            say(reply(404))

    with peer(answer) as target:
        snapshots = list(
            capture_series(
                parse_target(target.url),
                count=3,
                interval_s=1,
                options=HEAP_ONLY,
                report=Listeners(on_failure=lambda *failure: failures.append(failure)),
                clock=VirtualTime().clock(),
            )
        )
    assert len(snapshots) == 2
    assert [(number, "500" in error.message) for number, error in failures] == [(2, True)]


def test_a_first_failure_ends_the_series():
    with peer(lambda _path, say, _over: say(reply(404))) as target:
        series = capture_series(
            parse_target(target.url),
            Access(timeout_s=5),
            count=5,
            interval_s=1,
            options=HEAP_ONLY,
        )
        with pytest.raises(TargetError, match="answered 404"):
            next(series)


@pytest.mark.go
def test_a_series_ends_when_its_process_is_gone(service, doors):
    time, taken, failures = VirtualTime(), [], []
    with service(doors, "-listen", "127.0.0.1:0") as running:
        time.then = lambda _: os.kill(running.pid, signal.SIGKILL)
        series = capture_series(
            parse_target(f"pid:{running.pid}"),
            count=5,
            interval_s=1,
            options=HEAP_ONLY,
            report=Listeners(on_failure=lambda *failure: failures.append(failure)),
            clock=time.clock(),
        )
        with pytest.raises(TargetError, match="there is no such process"):
            take(series, taken)
    assert len(taken) == 1
    assert len(failures) == 1


@pytest.mark.go
def test_an_interrupt_keeps_what_was_taken(service):
    taken, time = [], VirtualTime()

    def interrupt(_):
        raise KeyboardInterrupt

    time.then = interrupt
    with service("subslice") as running:
        series = capture_series(
            parse_target(running.address), count=5, interval_s=1, clock=time.clock()
        )
        with pytest.raises(KeyboardInterrupt):
            take(series, taken)
    assert len(taken) == 1


@pytest.mark.parametrize("options", [{"count": 0, "interval_s": 1}, {"count": 2, "interval_s": 0}])
def test_a_senseless_series_is_a_usage_error(options):
    with pytest.raises(UsageError):
        capture_series(parse_target("pid:1"), **options)
