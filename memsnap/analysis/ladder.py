"""Slices that only grow: one stack whose objects climb in size, each outliving the one before.

When append outgrows its array it allocates one 2 to 1.25 times as large and lets the old one go
(runtime/slice.go, nextslicecap), and a map's tables double.  Survival fails as a sign of a leak
there: nothing survives but the total.  The profile shows a ladder instead: at one place many
sizes, about one allocation each, live on the topmost rung only.
"""

from dataclasses import dataclass

import numpy as np

from memsnap.analysis import estimate
from memsnap.analysis.columns import distinct
from memsnap.analysis.diff import Diff
from memsnap.pprof.profile import Int32s, Int64s

_RUNGS = 3  # sizes ever allocated that make a ladder
_ALONE = 4.0  # allocations on a rung, estimated: one slice that grows, not one per request
_SMALLEST = 16 << 10  # bytes: below, a rung is sampled too rarely to tell
_BY_CHANCE = 0.05  # probability that sizes climb one rung and none falls without growth


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ladder:
    """One climbing place: its `rows`, and the largest live size at each capture, in bytes.

    `sizes` are all rungs, smallest first.
    """

    rows: Int64s
    sizes: tuple[int, ...]
    top: tuple[int, ...]

    @property
    def climbed(self) -> bool:
        """Whether the slice grew between the first capture and the last."""
        return self.top[-1] > self.top[0]

    @property
    def log_odds(self) -> float:
        """How much more likely this climb is for what grows than by chance, as a logarithm."""
        rungs = sum(high > low for low, high in zip(self.top, self.top[1:], strict=False))
        return -float(np.log(_BY_CHANCE)) * rungs


def ladders(diff: Diff, frame: Int32s) -> tuple[Ladder, ...]:
    """Return the ladders of a diff; `frame` is the frame of own code of each row."""
    alignment, counts = diff.alignment, diff.counts
    sizes = alignment.object_bytes
    if counts.alloc_raw is None:
        return ()
    large = np.flatnonzero(sizes >= _SMALLEST)
    place = (frame[large].astype(np.int64) + 1) << 32 | (alignment.leaf[large].astype(np.int64) + 1)
    values, ids = distinct(place)
    probability = estimate.probabilities(sizes, diff.after.heap.period)
    allocated = counts.alloc_raw[:, -1] / probability
    found = []
    for at in range(len(values)):
        rows = large[ids == at]
        rungs = np.unique(sizes[rows])
        alone = all(allocated[rows[sizes[rows] == rung]].sum() < _ALONE for rung in rungs)
        if len(rungs) < _RUNGS or not alone:
            continue
        live = counts.live_raw[rows] > 0
        top = (live * sizes[rows][:, np.newaxis]).max(axis=0)
        if np.all(np.diff(top) >= 0):
            found.append(Ladder(rows=rows, sizes=tuple(rungs.tolist()), top=tuple(top.tolist())))
    return tuple(found)
