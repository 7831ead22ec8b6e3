"""Slices that only grow: one stack whose objects climb in size, each outliving the one before.

When append outgrows its array it allocates one 2 to 1.25 times as large and lets the old one go
(runtime/slice.go, nextslicecap).  Survival fails as a sign of a leak there: nothing survives but
the total.  The profile shows a ladder instead: at one place many sizes, allocated in ascending
order, about once each, and live on the topmost rung only.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from memsnap.analysis.columns import distinct
from memsnap.analysis.diff import Diff
from memsnap.pprof.profile import Int32s, Int64s

_RUNGS = 3  # sizes ever sampled that make a ladder
_SMALLEST = 16 << 10  # bytes: below, a rung is sampled too rarely to tell
_BY_CHANCE = 0.05  # probability that sizes without growth climb from one capture to the next


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ladder:
    """One climbing place: its `rows`, all its `sizes`, smallest first, and its height.

    `top` is the largest size allocated by each capture, in bytes; 0 where none was sampled.
    """

    rows: Int64s
    sizes: tuple[int, ...]
    top: tuple[int, ...]

    @property
    def climbs(self) -> int:
        """The number of intervals between captures in which the slice grew."""
        return sum(high > low for low, high in pairwise(self.top))

    @property
    def still_climbs(self) -> bool:
        """Whether it grew in the last half of the captures too."""
        return self.top[-1] > self.top[len(self.top) // 2]

    @property
    def chance(self) -> float:
        """The probability of such a climb without growth."""
        return _BY_CHANCE**self.climbs

    @property
    def log_odds(self) -> float:
        """How much more likely this climb is for what grows than by chance, as a logarithm."""
        return -math.log(self.chance)


def ladders(diff: Diff, frame: Int32s) -> tuple[Ladder, ...]:
    """Return the ladders of a diff; `frame` is the frame of own code of each row."""
    alignment, allocated = diff.alignment, diff.counts.alloc_raw
    sizes = alignment.object_bytes
    if allocated is None:
        return ()
    large = np.flatnonzero(sizes >= _SMALLEST)
    place = (frame[large].astype(np.int64) + 1) << 32 | (alignment.leaf[large].astype(np.int64) + 1)
    _, ids = distinct(place)
    order = np.argsort(ids, kind="stable")
    runs = np.split(large[order], np.flatnonzero(np.diff(ids[order])) + 1)
    found = (_ladder(rows, sizes, allocated, diff.counts.live_raw) for rows in runs)
    return tuple(ladder for ladder in found if ladder is not None)


def _ladder(rows: Int64s, sizes: Int64s, allocated: Int64s, live: Int64s) -> Ladder | None:
    """Return the ladder that the rows of one place make, if they do."""
    rungs, ids = distinct(sizes[rows])
    if len(rungs) < _RUNGS:
        return None
    ever = np.zeros((len(rungs), allocated.shape[1]), dtype=np.int64)
    held = np.zeros_like(ever)
    np.add.at(ever, ids, allocated[rows])
    np.add.at(held, ids, live[rows])
    first = np.argmax(ever > 0, axis=1)  # the capture by which each rung was reached
    reached = rungs[:, np.newaxis] * (ever > 0)
    top = reached.max(axis=0)
    below = (held > 0) & (rungs[:, np.newaxis] < top)
    if ever.max() > 1 or np.any(np.diff(first) < 0) or below.any():
        return None
    return Ladder(rows=rows, sizes=tuple(rungs.tolist()), top=tuple(top.tolist()))
