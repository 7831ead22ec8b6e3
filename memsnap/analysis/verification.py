"""MemStats at two or three moments, each behind a forced GC: what an exact recipe says of growth.

The recipe: `runtime.GC()`, then read MemStats.Alloc, before, after a clean run and after the
suspect run.  Here the moments are captures; only those with a proof of their GC count.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from memsnap.snapshot import Capture, Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One counter at each capture, None where it is unknown; `unit` is `bytes` or `count`."""

    name: str
    unit: str
    values: tuple[int | None, ...]
    meaning: str

    @property
    def deltas(self) -> tuple[int | None, ...]:
        """The change from each capture to the next."""
        pairs = zip(self.values, self.values[1:], strict=False)
        return tuple(
            None if before is None or after is None else after - before for before, after in pairs
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """The table, and whether its first line (Alloc) may be read as the live heap.

    `unproven` are the names of captures without a proof of their GC.
    """

    lines: tuple[Line, ...]
    unproven: tuple[str, ...]

    @property
    def growth(self) -> int | None:
        """Bytes of Alloc from the last but one capture to the last; None if unknown or unproven."""
        return None if self.unproven else self.lines[0].deltas[-1]


def _stat(name: str) -> Callable[[Capture], int | None]:
    def read(capture: Capture) -> int | None:
        value: int | None = getattr(capture.mem_stats, name, None)
        return value

    return read


_LINES: tuple[tuple[str, str, Callable[[Capture], int | None], str], ...] = (
    ("Alloc", "bytes", _stat("heap_alloc"), "live heap, exact behind a GC"),
    ("HeapObjects", "count", _stat("heap_objects"), "live objects"),
    ("TotalAlloc", "bytes", _stat("total_alloc"), "allocated since the start"),
    ("Mallocs", "count", _stat("mallocs"), "objects allocated since the start"),
    ("Frees", "count", _stat("frees"), "objects freed since the start"),
    ("HeapInuse", "bytes", _stat("heap_inuse"), "spans in use"),
    ("HeapIdle", "bytes", _stat("heap_idle"), "spans kept for reuse"),
    ("HeapReleased", "bytes", _stat("heap_released"), "of these, returned to the OS"),
    ("StackInuse", "bytes", _stat("stack_inuse"), "goroutine stacks"),
    ("Sys", "bytes", _stat("sys"), "obtained from the OS"),
    ("Goroutines", "count", lambda capture: capture.goroutines, ""),
    ("RSS", "bytes", lambda capture: capture.memory.rss if capture.memory else None, "says the OS"),
    ("NumGC", "count", _stat("num_gc"), "cycles since the start"),
)


def verify(snapshots: Sequence[Snapshot]) -> Verification:
    """Return the counters of the captures, the oldest first."""
    captures = [snapshot.capture for snapshot in snapshots]
    lines = tuple(
        Line(name=name, unit=unit, values=tuple(map(read, captures)), meaning=meaning)
        for name, unit, read, meaning in _LINES
    )
    return Verification(
        lines=tuple(line for line in lines if any(value is not None for value in line.values))
        or lines[:1],
        unproven=tuple(
            snapshot.name
            for snapshot in snapshots
            if snapshot.capture.gc is None or not snapshot.capture.gc.proven
        ),
    )
