"""Snapshots of a made-up service, as a capture of the real one would give them."""

from dataclasses import replace

from builders.profiles import Row, heap

from memsnap.pprof.profile import Profile
from memsnap.snapshot import Capture, GcProof, MemStats, Process, ProcessMemory, Snapshot

MB = 1 << 20
LEAK = "main.(*Cache).Put cache.go:31 < main.handle main.go:12 < main.main main.go:5"
READ = "io.ReadAll io.go:704 < main.handle main.go:14 < main.main main.go:5"
SERVE = "net/http.(*conn).serve server.go:2009"

BEFORE = (
    Row(LEAK, size=48, alloc=90, live=70),
    Row(READ, size=4096, alloc=400, live=2),
    Row(SERVE, size=4096, alloc=100, live=50, type="[]uint8", kind="make"),
)
AFTER = (
    Row(LEAK, size=48, alloc=190, live=170),
    Row(READ, size=4096, alloc=900, live=1),
    Row(SERVE, size=4096, alloc=100, live=50, type="[]uint8", kind="make"),
)
CAPTURE = Capture(
    target="pid:4711",
    service="shop",
    taken_ns=1_795_356_187_000_000_000,
    gc=GcProof(
        forced=True,
        proven=True,
        reason="NumGC 11 -> 12 around the heap request",
        num_gc_before=11,
        num_gc_after=12,
    ),
    mem_stats=MemStats(
        source="expvar",
        sys=90 * MB,
        heap_alloc=61 * MB,
        heap_inuse=64 * MB,
        heap_idle=8 * MB,
        heap_released=4 * MB,
        stack_sys=1 * MB,
        buck_hash_sys=2 * MB,
        num_gc=12,
    ),
    memory=ProcessMemory(rss=100 * MB, pss=99 * MB, cgroup_current=120 * MB, cgroup_limit=512 * MB),
    process=Process(
        pid=4711,
        go_version="go1.27.3",
        module_version="v1.2.0",
        build_id="c0ffee0123456789",
        command=("/srv/shop", "--password=hunter2"),
    ),
    goroutines=38,
    notes=("The environment could not be read.",),
)


def taken(
    *rows: Row, name: str = "a.snap", later_s: int = 0, capture: Capture = CAPTURE
) -> Snapshot:
    """Return the snapshot of a service with these buckets, `later_s` after the first."""
    moved = replace(capture, taken_ns=capture.taken_ns + later_s * 10**9)
    return Snapshot(name=name, heap=heap(*rows), capture=moved)


def before() -> Snapshot:
    """Return the first capture."""
    return taken(*BEFORE)


def after() -> Snapshot:
    """Return a capture 38 s later: the cache has grown."""
    return taken(*AFTER, name="b.snap", later_s=38)


def plain(profile: Profile, name: str = "heap.pb.gz") -> Snapshot:
    """Return a plain profile as a snapshot: nothing but the heap is known."""
    return Snapshot(name=name, heap=profile, capture=Capture())
