"""Where the process's memory is: the Go heap is often the smaller part of what the OS counts.

From runtime.MemStats (Go's runtime/mstats.go): Sys is the sum of the *Sys fields, HeapSys is
HeapInuse + HeapIdle, and of the idle part HeapReleased has been returned to the OS.
"""

from dataclasses import dataclass

from memsnap.snapshot import Capture, GcProof, MemStats


@dataclass(frozen=True, slots=True)
class Entry:
    """One part of the process's memory in one capture, in bytes."""

    name: str
    bytes: int
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """Disjoint parts of a process's memory; those of Go add up to `go_bytes`.

    `rss` is what the OS counts as resident, None where the target is remote.  `non_go` is what
    of it the Go runtime does not account for (the executable, C libraries, mapped files);
    negative where Go has reserved memory that it never touched.  `garbage` is what waited for
    the next cycle and was collected by the capture's own, None where no GC was forced.
    """

    entries: tuple[Entry, ...]
    go_bytes: int
    rss: int | None
    garbage: int | None = None

    @property
    def non_go(self) -> int | None:
        """RSS less what Go holds, in bytes; None where the RSS is unknown."""
        return None if self.rss is None else self.rss - self.go_bytes


def ledger(capture: Capture) -> Ledger | None:
    """Return the ledger of one capture; None where the runtime's counters are not known."""
    stats = capture.mem_stats
    if stats is None:
        return None
    parts = _parts(stats, forced=bool(capture.gc and capture.gc.forced))
    if parts is None:
        return None
    rss = capture.memory.rss if capture.memory else None
    return Ledger(
        entries=parts,
        go_bytes=sum(entry.bytes for entry in parts),
        rss=rss,
        garbage=_garbage(capture.gc, stats.heap_alloc),
    )


def _garbage(gc: GcProof | None, live: int | None) -> int | None:
    if gc is None or not gc.proven or gc.heap_alloc_before is None or live is None:
        return None
    return max(gc.heap_alloc_before - live, 0)


def _parts(stats: MemStats, *, forced: bool) -> tuple[Entry, ...] | None:
    needed = (
        stats.sys,
        stats.heap_alloc,
        stats.heap_inuse,
        stats.heap_idle,
        stats.heap_released,
        stats.stack_sys,
        stats.buck_hash_sys,
    )
    known = [value for value in needed if value is not None]
    if len(known) < len(needed):
        return None
    total, alloc, inuse, idle, released, stacks, buckets = known
    live = "live heap" if forced else "heap, live and garbage"
    rest = total - inuse - idle - stacks - buckets
    return (
        Entry(live, alloc, "HeapAlloc behind the GC of the capture" if forced else "HeapAlloc"),
        Entry("fragmentation", inuse - alloc, "HeapInuse - HeapAlloc: free slots in used spans"),
        Entry("idle heap", idle - released, "HeapIdle - HeapReleased: kept for reuse"),
        Entry("stacks", stacks, "StackSys"),
        Entry("profiler", buckets, "BuckHashSys: the profiler's own buckets, never freed"),
        Entry("runtime", rest, "GC metadata, spans, caches"),
    )
