"""The sampled profile held against the runtime's exact counters.

The profile says where; HeapAlloc after a GC, and the mallocs and frees of each size class, say
exactly how much.  Where they disagree beyond the sampling error, the reader is told.
"""

from dataclasses import dataclass

import numpy as np

from memsnap.analysis import estimate, stats
from memsnap.analysis.columns import distinct
from memsnap.analysis.diff import Diff
from memsnap.pprof.profile import Int64s
from memsnap.snapshot import MemStats

_SLACK_BYTES = 1 << 20
"""What the target allocates between the profile's GC and the reading of the counters: the
capture's own buffers, and what the service does meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveCheck:
    """One capture's live heap: exact, and as the profile estimates it (95 % limits), in bytes."""

    exact: int | None
    estimate: int
    low: int
    high: int

    @property
    def agrees(self) -> bool | None:
        """Whether the exact value lies within the limits; None where it is unknown."""
        if self.exact is None:
            return None
        return self.low - _SLACK_BYTES <= self.exact <= self.high + _SLACK_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassCheck:
    """The growth of one size class in objects: exact, and as the profile bounds it (95 %)."""

    size: int
    exact: int
    estimate: int
    low: int
    high: int

    @property
    def agrees(self) -> bool:
        """Whether the exact value lies within the limits, but for the slack of the reading."""
        slack = _SLACK_BYTES // max(self.size, 16) // 4
        return self.low - slack <= self.exact <= self.high + slack


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """The checks of a diff: both ends, and every size class that the runtime counts."""

    before: LiveCheck
    after: LiveCheck
    classes: tuple[ClassCheck, ...]

    @property
    def disagreements(self) -> tuple[ClassCheck, ...]:
        """The size classes in which profile and runtime disagree beyond the error."""
        return tuple(check for check in self.classes if not check.agrees)


def reconcile(diff: Diff) -> Reconciliation:
    """Return the checks of all sites of `diff`, whatever is selected."""
    return Reconciliation(before=_live(diff, 0), after=_live(diff, -1), classes=_classes(diff))


def _live(diff: Diff, at: int) -> LiveCheck:
    snapshot = diff.snapshots[at]
    sizes, ids = distinct(diff.alignment.object_bytes)
    raw = _sums(ids, diff.counts.live_raw[:, at], len(sizes))
    probability = estimate.probabilities(sizes, snapshot.heap.period)
    low, high = stats.count_interval(raw, probability)
    _, below, above = stats.weighted_sum_interval(
        raw / probability * sizes,
        low * sizes,
        high * sizes,
        group=np.zeros(len(sizes), dtype=np.int64),
        groups=1,
    )
    mem_stats = snapshot.capture.mem_stats
    return LiveCheck(
        exact=mem_stats.heap_alloc if mem_stats else None,
        estimate=int(diff.counts.live_bytes[:, at].sum()),
        low=max(int(below[0]), 0),
        high=int(np.ceil(above[0])),
    )


def _classes(diff: Diff) -> tuple[ClassCheck, ...]:
    exact = _exact_growth(diff.before.capture.mem_stats, diff.after.capture.mem_stats)
    if not exact or not diff.lineage.one_life:
        return ()
    sizes = np.array(list(exact), dtype=np.int64)
    counts = diff.counts
    # Of every size class the sampled births and deaths; classes without a sample have none.
    place = np.searchsorted(sizes, diff.alignment.object_bytes)
    counted = np.flatnonzero(np.isin(diff.alignment.object_bytes, sizes))
    born = counts.live_raw[:, -1] - counts.survived_low
    died = counts.live_raw[:, 0] - counts.survived_low
    born = _sums(place[counted], born[counted], len(sizes))
    died = _sums(place[counted], died[counted], len(sizes))
    probability = estimate.probabilities(sizes, diff.after.heap.period)
    low, high = stats.difference_interval(born, died, probability)
    centre = np.rint((born - died) / probability)
    return tuple(
        ClassCheck(size=size, exact=growth, estimate=int(middle), low=int(least), high=int(most))
        for (size, growth), middle, least, most in zip(
            exact.items(), centre, np.floor(low), np.ceil(high), strict=True
        )
    )


def _exact_growth(before: MemStats | None, after: MemStats | None) -> dict[int, int]:
    """Return size -> exact growth in objects, for the classes that both captures count."""
    if before is None or after is None:
        return {}
    live = {entry.size: entry.mallocs - entry.frees for entry in before.by_size}
    return {
        entry.size: entry.mallocs - entry.frees - live[entry.size]
        for entry in sorted(after.by_size, key=lambda entry: entry.size)
        if entry.size in live and entry.size > 0
    }


def _sums(ids: Int64s, column: Int64s, groups: int) -> Int64s:
    total = np.zeros(groups, dtype=np.int64)
    np.add.at(total, ids, column)
    return total
