"""Slices that only grow: one stack whose objects climb in size, each outliving the one before.

When append outgrows its array it allocates one 2 to 1.25 times as large and lets the old one go
(runtime/slice.go, nextslicecap).  Survival fails as a sign of a leak there: nothing survives but
the total.  The profile shows a ladder instead: at one place many sizes, allocated in ascending
order, about once each, and live on the topmost rung only.  Many slices that grow side by side at
one place show the same of their average: what is allocated there is larger each time.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from memsnap.analysis.columns import distinct
from memsnap.analysis.diff import Diff
from memsnap.analysis.table import Floats
from memsnap.pprof.profile import Int32s, Int64s

_RUNGS = 3  # sizes ever sampled that make a ladder
_SMALLEST = 16 << 10  # bytes: below, a rung is sampled too rarely to tell
_BY_CHANCE = 0.05  # probability that sizes without growth climb from one capture to the next
_SEVERAL = 4  # samples of an interval from which on their sizes have an average
_SIDE_BY_SIDE = 1e-3  # probability of an average that climbs so by chance, up to which it is one
_LEAST_KEPT = 0.1  # of what is allocated: growing by a quarter keeps a fifth
_HIGHER = 1.25  # the last interval's average size over the first's: one rung at least
_GROWING = ("append", "map")  # what outgrows its arrays, as the executable tells


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ladder:
    """One climbing place: its `rows`, all its `sizes`, smallest first, and its height.

    `top` is the largest size allocated by each capture, in bytes; 0 where none was sampled.  Of
    many slices side by side it is the average of what was allocated up to each capture since the
    one before.  `chance` is the probability of such a climb without growth.
    """

    rows: Int64s
    sizes: tuple[int, ...]
    top: tuple[int, ...]
    chance: float

    @property
    def climbs(self) -> int:
        """The number of intervals between captures in which the slice grew."""
        return sum(high > low for low, high in pairwise(self.top))

    @property
    def still_climbs(self) -> bool:
        """Whether it grew in the last half of the captures too."""
        return self.top[-1] > self.top[len(self.top) // 2]

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
    growing = [at for at, text in enumerate(alignment.frames.strings) if text in _GROWING]
    found = []
    for rows in runs:
        rungs = _rungs(rows, sizes, allocated, diff.counts.live_raw)
        one = _ladder(rungs)
        if one is None and np.isin(alignment.alloc[rows], growing).all():
            one = _side_by_side(rungs)
        if one is not None:
            found.append(one)
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Rungs:
    """The rows of one place by size, smallest first: objects ever sampled and held, by capture."""

    rows: Int64s
    sizes: Int64s
    ever: Int64s
    held: Int64s


def _rungs(rows: Int64s, sizes: Int64s, allocated: Int64s, live: Int64s) -> _Rungs:
    values, ids = distinct(sizes[rows])
    ever = np.zeros((len(values), allocated.shape[1]), dtype=np.int64)
    held = np.zeros_like(ever)
    np.add.at(ever, ids, allocated[rows])
    np.add.at(held, ids, live[rows])
    return _Rungs(rows, values, ever, held)


def _ladder(rungs: _Rungs) -> Ladder | None:
    """Return the ladder of one slice, if the rungs make one."""
    sizes, ever, held = rungs.sizes, rungs.ever, rungs.held
    if len(sizes) < _RUNGS or not held.any():
        return None
    first = np.argmax(ever > 0, axis=1)  # the capture by which each rung was reached
    reached = sizes[:, np.newaxis] * (ever > 0)
    top = reached.max(axis=0)
    below = (held > 0) & (sizes[:, np.newaxis] < top)
    if ever.max() > 1 or np.any(np.diff(first) < 0) or below.any():
        return None
    climbs = sum(high > low for low, high in pairwise(top.tolist()))
    return Ladder(
        rows=rungs.rows,
        sizes=tuple(sizes.tolist()),
        top=tuple(top.tolist()),
        chance=_BY_CHANCE**climbs,
    )


def _side_by_side(rungs: _Rungs) -> Ladder | None:
    """Return the ladder that many slices climb at once, if what is allocated grows in size.

    Where sizes do not climb, any sampled object may as well have come at another's time: the sum
    of time by height is normal, with the variance of all permutations.
    """
    fresh = np.diff(rungs.ever, axis=1, prepend=0)
    each = fresh.sum(axis=0)
    if len(rungs.sizes) < _RUNGS or each.min() < _SEVERAL:
        return None
    grown = rungs.sizes @ (rungs.held[:, -1] - rungs.held[:, 0])
    if grown < _LEAST_KEPT * (rungs.sizes @ fresh[:, 1:]).sum():
        return None
    heights = np.log(rungs.sizes)
    average = heights @ fresh / each
    chance = _trend_by_chance(heights, fresh.astype(np.float64))
    if chance > _SIDE_BY_SIDE or average[-1] - average[0] < math.log(_HIGHER):
        return None
    return Ladder(
        rows=rungs.rows,
        sizes=tuple(rungs.sizes.tolist()),
        top=tuple(np.exp(average).round().astype(int).tolist()),
        chance=chance,
    )


def _trend_by_chance(heights: Floats, fresh: Floats) -> float:
    """Return the p-value of "heights come in no order" for counts by (height, time)."""
    times = np.arange(fresh.shape[1], dtype=np.float64)
    count = fresh.sum()
    height = heights - (heights @ fresh.sum(axis=1)) / count
    time = times - (fresh.sum(axis=0) @ times) / count
    spread = (height**2 @ fresh.sum(axis=1)) * (time**2 @ fresh.sum(axis=0)) / (count - 1)
    return 0.5 * math.erfc(float(height @ fresh @ time) / math.sqrt(2 * max(spread, 1e-12)))
