"""What the runtime counts exactly, capture by capture: the live heap, by size class.

Behind a finished GC, HeapAlloc is the live heap to the byte, and Mallocs - Frees of each size
class (runtime.MemStats.BySize, up to 18,432 bytes) are its objects.  What is left are the larger
ones.  The sampled profile says where memory is; these say whether it grows, and in what sizes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from memsnap.analysis.table import Floats
from memsnap.pprof.profile import Int64s
from memsnap.snapshot import MemStats, Snapshot


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Exact:
    """The live heap of N captures, in bytes.

    `live` is (C, N), one row per class.  Class `c` holds the objects of `sizes[c]` bytes; the
    last one, of size 0, holds all objects larger than those (all there are, where the target
    does not count by size).
    """

    sizes: Int64s
    live: Floats
    total: Floats  # (N,)

    def spans(self) -> list[tuple[int, int]]:
        """Return per class the captures (earlier, later) between which it changed most.

        What only rises does so from the first capture to the last.
        """
        low, high = self.live.argmin(axis=1), self.live.argmax(axis=1)
        last = self.live.shape[1] - 1
        pairs = zip(np.minimum(low, high).tolist(), np.maximum(low, high).tolist(), strict=True)
        return [(a, b) if a != b else (0, last) for a, b in pairs]

    def class_of(self, object_bytes: Int64s) -> Int64s:
        """Return the class of each object size; sizes between two classes belong to the larger."""
        found: Int64s = np.searchsorted(self.sizes[:-1], object_bytes)
        return found


def exact(snapshots: Sequence[Snapshot]) -> Exact | None:
    """Return the exact series; None where a capture has no counters or no proof of a GC."""
    stats = [snapshot.capture.mem_stats for snapshot in snapshots]
    proven = all(snapshot.capture.gc and snapshot.capture.gc.proven for snapshot in snapshots)
    known = [one for one in stats if one is not None and one.heap_alloc is not None]
    if not proven or len(known) < len(snapshots):
        return None
    total = np.array([one.heap_alloc for one in known], dtype=np.float64)
    sizes = _common_sizes(known)
    live = np.array([_bytes_of(one, sizes) for one in known]).reshape(len(known), -1).T
    rest = total - live.sum(axis=0)
    if (rest < 0).any():  # counters of different moments: only the sum is of one
        sizes, live, rest = [], live[:0], total
    return Exact(
        sizes=np.array([*sizes, 0], dtype=np.int64), live=np.vstack([live, rest]), total=total
    )


def _common_sizes(stats: Sequence[MemStats]) -> list[int]:
    sizes = [{entry.size for entry in one.by_size if entry.size > 0} for one in stats]
    return sorted(set.intersection(*sizes)) if all(sizes) else []


def _bytes_of(stats: MemStats, sizes: list[int]) -> list[float]:
    live = {entry.size: entry.size * (entry.mallocs - entry.frees) for entry in stats.by_size}
    return [float(live[size]) for size in sizes]
