"""Two captures of one life to report on, made of readable buckets."""

from dataclasses import replace

import pytest
from builders.profiles import Row, heap

from memsnap.snapshot import Capture, GcProof, MemStats, Process, ProcessMemory, Snapshot

START_NS = 1_795_386_000_000_000_000
SERVE = "net/http.(*conn).serve server.go:2009"


def snapshot(name, *rows, minute=0, cycle=6, heap_alloc=20 << 20, **header):
    taken_ns = START_NS + minute * 60_000_000_000
    return Snapshot(
        name=name,
        heap=heap(*rows, time_nanos=taken_ns, **header),
        capture=Capture(
            target="pid:4711",
            service="shop",
            taken_ns=taken_ns,
            gc=GcProof(forced=True, proven=True, reason="cycle", num_gc_after=cycle),
            mem_stats=MemStats(source="debug=1", heap_alloc=heap_alloc, num_gc=cycle),
            memory=ProcessMemory(rss=heap_alloc + (9 << 20)),
            process=Process(pid=4711, start_time_ns=START_NS, go_version="go1.27.3"),
            goroutines=8,
        ),
    )


@pytest.fixture
def take():
    """A function that makes a snapshot: `take("a.snap", Row(...), ..., minute=1)`."""
    return snapshot


@pytest.fixture
def pair():
    """One site that leaks 32 kB objects, one that churns, one that stays."""

    def rows(leaked, churned):
        return (
            Row(f"main.readBody shop.go:40 < {SERVE}", size=32768, alloc=leaked, live=leaked),
            Row(f"fmt.Sprintf print.go:232 < main.price shop.go:88 < {SERVE}",
                size=416, alloc=churned, live=2),
            Row("main.load shop.go:12 < main.main shop.go:5", size=1024, alloc=9, live=9),
        )  # fmt: skip

    before = snapshot("a.snap", *rows(10, 50))
    after = snapshot("b.snap", *rows(110, 500), minute=1, cycle=9, heap_alloc=70 << 20)
    return before, after


@pytest.fixture
def restarted(pair):
    """The same service after a restart."""
    before, after = pair
    process = replace(after.capture.process, pid=4712, start_time_ns=START_NS + 10**12)
    return before, replace(after, capture=replace(after.capture, process=process))
