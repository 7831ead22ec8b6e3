"""What the runtime counts exactly, capture by capture: the live heap, by size class.

Behind a finished GC, HeapAlloc is the live heap to the byte, and Mallocs - Frees of each size
class (runtime.MemStats.BySize, up to 18,432 bytes) are its objects.  What is left are the larger
ones.  The sampled profile says where memory is; these say whether it grows, and in what sizes.

The counters are read a moment after the GC, and the program goes on meanwhile: on a busy machine
that garbage may be megabytes.  `late` takes it out.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from memsnap.analysis.table import Floats
from memsnap.pprof.profile import Int64s
from memsnap.snapshot import MemStats, Snapshot

_SHORT_LIVED = 20.0  # allocated in the series, in sizes of what is live, by what shows delays
_WITNESSES = 5  # size classes that have to agree
_SURELY = 3.0  # how many times its error a delay is
_LEAST_S = 0.01  # seconds: a few objects more or less are no delay


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Exact:
    """The live heap of N captures, in bytes.

    `live` is (C, N), one row per class.  Class `c` holds the objects of `sizes[c]` bytes; the
    last one, of size 0, holds all objects larger than those (all there are, where the target
    does not count by size).  `corrected` says whether garbage of other moments was taken out.
    """

    sizes: Int64s
    live: Floats
    total: Floats  # (N,)
    corrected: bool = False

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
    live = np.vstack([live, rest])
    garbage = _garbage(snapshots, known, sizes, live) if sizes else np.zeros_like(live)
    return Exact(
        sizes=np.array([*sizes, 0], dtype=np.int64),
        live=live - garbage,
        total=total - garbage.sum(axis=0),
        corrected=bool(garbage.any()),
    )


def _garbage(
    snapshots: Sequence[Snapshot], stats: Sequence[MemStats], sizes: list[int], live: Floats
) -> Floats:
    """Return (C, N): what was allocated in each class while the counters were waited for."""
    nothing = np.zeros_like(live)
    taken = [snapshot.capture.taken_ns for snapshot in snapshots]
    spent = [one.total_alloc for one in stats]
    known = [total for total in spent if total is not None]
    if not all(taken) or taken[-1] <= taken[0] or len(known) < len(stats):
        return nothing
    small = [
        [{e.size: e.size * e.mallocs for e in one.by_size}[at] for at in sizes] for one in stats
    ]
    ever = np.array(small, dtype=np.float64).T
    ever = np.vstack([ever, np.array(known, dtype=np.float64) - ever.sum(axis=0)])
    seconds = (taken[-1] - taken[0]) / 1e9
    rate = np.maximum(ever[:, -1] - ever[:, 0], 0.0) / seconds
    return np.outer(rate, late(live[:-1], rate[:-1], seconds))


def late(live: Floats, rate: Floats, seconds: float) -> Floats:
    """Return (N,): how many seconds later than usual the counters of each capture were read.

    `live` is (C, N) bytes, `rate` (C,) bytes a second allocated, both by class.  What lives much
    shorter than the series shows the delay d of a capture by rate * d more in each class: all
    classes agree on d, as nothing that the program does would have it.  0 where they do not.
    """
    usual = np.median(live, axis=1)
    short = np.flatnonzero((rate * seconds >= _SHORT_LIVED * usual) & (rate > 0))
    count = live.shape[1]
    if len(short) < _WITNESSES:
        return np.zeros(count)
    votes = (live[short] - usual[short, np.newaxis]) / rate[short, np.newaxis]
    weight = rate[short]
    delay = _weighted_medians(votes, weight)
    spread = _weighted_medians(np.abs(votes - delay), weight)
    base = float(np.median(np.sort(delay)[: (count + 1) // 2]))
    # The error of a median of as many votes as weigh alike, from their median deviation.
    error = 1.9 * spread / math.sqrt(weight.sum() ** 2 / (weight**2).sum())
    least = np.maximum(_SURELY * np.maximum(error, np.median(error)), _LEAST_S)
    return np.where(delay - base > np.maximum(least, spread), delay - base, 0.0)


def _weighted_medians(values: Floats, weight: Floats) -> Floats:
    """Return (N,): the weighted median of each column of `values` (C, N)."""
    order = np.argsort(values, axis=0)
    total = np.cumsum(weight[order], axis=0)
    at = (total < total[-1] / 2).sum(axis=0)
    found: Floats = np.take_along_axis(values, order, axis=0)[at, np.arange(values.shape[1])]
    return found


def _common_sizes(stats: Sequence[MemStats]) -> list[int]:
    sizes = [{entry.size for entry in one.by_size if entry.size > 0} for one in stats]
    return sorted(set.intersection(*sizes)) if all(sizes) else []


def _bytes_of(stats: MemStats, sizes: list[int]) -> list[float]:
    live = {entry.size: entry.size * (entry.mallocs - entry.frees) for entry in stats.by_size}
    return [float(live[size]) for size in sizes]
