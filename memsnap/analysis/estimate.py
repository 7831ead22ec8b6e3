"""From the raw counts of several captures to the numbers of a table, with their error bars.

With raw counts A and B live in the first and the last capture and N allocated between, F = N -
(B - A) were freed; of the A, at least A - F and at most min(A, B) survived.  Sampled objects are
the same individuals in both captures, so the survivors add no noise: only what was born and what
died does.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from memsnap.analysis import stats
from memsnap.analysis.align import Alignment
from memsnap.analysis.table import Amounts, Bounds, Columns, Floats
from memsnap.pprof.heap import sampling_probability
from memsnap.pprof.profile import Bools, Int64s


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Counts(Columns):
    """The counts of every row: raw (as sampled) and scaled as the profiles scale them.

    Arrays are (rows, captures), or (rows,) where they say so.  `alloc_*` are None where a profile
    has no cumulative columns.  `survived_low` and `survived_high` (rows,) bound the raw survivors
    from the first to the last capture.
    """

    live_raw: Int64s
    live_objects: Int64s
    live_bytes: Int64s
    alloc_raw: Int64s | None
    alloc_objects: Int64s | None
    alloc_bytes: Int64s | None
    survived_low: Int64s
    survived_high: Int64s
    falling: Bools  # (rows,): the cumulative count is smaller in a later capture

    @property
    def growth_bytes(self) -> Int64s:
        """(rows,): live bytes in the last capture less those in the first."""
        return self.live_bytes[:, -1] - self.live_bytes[:, 0]


def count(alignment: Alignment) -> Counts:
    """Return the counts of all rows, as if all captures were of one life."""
    captures = range(len(alignment.profiles))

    def columns(name: str) -> Int64s:
        return np.stack(
            [alignment.sums(at, getattr(alignment.profiles[at].samples, name)) for at in captures],
            axis=1,
        )

    live_raw = columns("live_raw")
    low, high = np.zeros(len(alignment), dtype=np.int64), live_raw.min(axis=1)
    falling = np.zeros(len(alignment), dtype=np.bool_)
    alloc_raw = None
    has_allocs = all(aligned.samples.has_alloc for aligned in alignment.profiles)
    if has_allocs:
        alloc_raw = columns("alloc_raw")
        falling = np.any(np.diff(alloc_raw, axis=1) < 0, axis=1)
        freed = (alloc_raw[:, -1] - alloc_raw[:, 0]) - (live_raw[:, -1] - live_raw[:, 0])
        low = np.clip(live_raw[:, 0] - freed, 0, high)
    return Counts(
        live_raw=live_raw,
        live_objects=columns("live_objects"),
        live_bytes=columns("live_bytes"),
        alloc_raw=alloc_raw,
        alloc_objects=columns("alloc_objects") if has_allocs else None,
        alloc_bytes=columns("alloc_bytes") if has_allocs else None,
        survived_low=low,
        survived_high=high,
        falling=falling,
    )


def of_two_lives(counts: Counts) -> Counts:
    """Return the counts where nothing can have survived and allocations do not subtract."""
    nothing = np.zeros_like(counts.survived_low)
    return replace(of_unknown_order(counts), survived_low=nothing, survived_high=nothing)


def of_unknown_order(counts: Counts) -> Counts:
    """Return the counts where objects may have survived but allocations do not subtract."""
    return replace(
        counts,
        alloc_raw=None,
        alloc_objects=None,
        alloc_bytes=None,
        survived_low=np.zeros_like(counts.survived_low),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cells(Columns):
    """Rows of one group and one object size, pooled: what can be estimated exactly."""

    group: Int64s
    object_bytes: Int64s
    probability: Floats
    before: Int64s  # raw counts from here on
    after: Int64s
    survived_low: Int64s
    survived_high: Int64s


def pool(sizes: Int64s, counts: Counts, ids: Int64s, *, rate: int) -> Cells:
    """Return the cells of the groups `ids`, sampled every `rate` bytes on average.

    `sizes`, `ids` and `counts` have one entry per row.
    """
    order, first = _runs((ids, sizes))

    def pooled(column: Int64s) -> Int64s:
        return np.add.reduceat(column[order], first) if len(first) else column[:0]

    size = sizes[order[first]]
    return Cells(
        group=ids[order[first]],
        object_bytes=size,
        probability=probabilities(size, rate),
        before=pooled(counts.live_raw[:, 0]),
        after=pooled(counts.live_raw[:, -1]),
        survived_low=pooled(counts.survived_low),
        survived_high=pooled(counts.survived_high),
    )


def probabilities(sizes: Int64s, rate: int) -> Floats:
    """Return the sampling probability of each object size.

    An empty sample has no size; nothing is divided by its probability but 0.
    """
    return np.where(sizes > 0, sampling_probability(sizes, rate), 1.0)


def _runs(columns: Sequence[Int64s]) -> tuple[Int64s, Int64s]:
    """Return the order that sorts rows by `columns` (none negative), and where equal ones begin."""
    bits = [int(column.max(initial=0)).bit_length() for column in columns]
    if sum(bits) < 64:
        # One number per row sorts many times as fast as columns do.
        packed = columns[0]
        for column, width in zip(columns[1:], bits[1:], strict=True):
            packed = packed << width | column
        order = np.argsort(packed)
        changes = [packed[order]]
    else:
        order = np.lexsort(columns[::-1])
        changes = [column[order] for column in columns]
    is_new = np.ones(len(order), dtype=np.bool_)
    is_new[1:] = np.any([column[1:] != column[:-1] for column in changes], axis=0)
    return order, np.flatnonzero(is_new)


def _kinds(columns: Sequence[Int64s]) -> tuple[Int64s, Int64s]:
    """Return one row of each kind, and the kind of each row: equal rows have equal limits.

    Of 100,000 sites, hundreds differ in the size and the number of what was born and died.
    """
    order, first = _runs(columns)
    kind = np.empty(len(order), dtype=np.int64)
    kind[order] = np.repeat(np.arange(len(first)), np.diff(first, append=len(order)))
    return order[first], kind


def growth_bounds(cells: Cells, groups: int, growth: Amounts) -> Bounds:
    """Return the 95 % limits of every group's growth; they always hold `growth` itself."""
    born, died = cells.after - cells.survived_low, cells.before - cells.survived_low
    row, kind = _kinds((cells.object_bytes, born, died))
    low, high = stats.difference_interval(born[row], died[row], cells.probability[row])
    centre = (born - died) / cells.probability
    return _summed(cells, groups, (centre, low[kind], high[kind]), growth)


def live_bounds(cells: Cells, groups: int, live: Amounts) -> Bounds:
    """Return the 95 % limits of what is live in the last capture."""
    low, high = stats.count_interval(cells.after, cells.probability)
    return _summed(cells, groups, (cells.after / cells.probability, low, high), live)


def independent_bounds(before: Bounds, after: Bounds, sides: tuple[Amounts, Amounts]) -> Bounds:
    """Return the 95 % limits of the growth from those of both `sides`, sampled independently."""
    limits = []
    for unit in ("objects", "bytes"):
        old, new = (getattr(side, unit) for side in sides)
        old_low, old_high = getattr(before, f"low_{unit}"), getattr(before, f"high_{unit}")
        new_low, new_high = getattr(after, f"low_{unit}"), getattr(after, f"high_{unit}")
        limits.append(_down(new - old - np.hypot(new - new_low, old_high - old)))
        limits.append(_up(new - old + np.hypot(new_high - new, old - old_low)))
    return Bounds(
        low_objects=limits[0], high_objects=limits[1], low_bytes=limits[2], high_bytes=limits[3]
    )


def _summed(
    cells: Cells, groups: int, limits: tuple[Floats, Floats, Floats], point: Amounts
) -> Bounds:
    """Add up centre, low and high of the cells by group, in objects and in bytes."""
    sums = []
    for unit in (np.ones(len(cells.group)), cells.object_bytes):
        centre, low, high = (values * unit for values in limits)
        sums.append(
            stats.weighted_sum_interval(centre, low, high, group=cells.group, groups=groups)
        )
    (_, low_objects, high_objects), (_, low_bytes, high_bytes) = sums
    return Bounds(
        low_objects=np.minimum(_down(low_objects), point.objects),
        high_objects=np.maximum(_up(high_objects), point.objects),
        low_bytes=np.minimum(_down(low_bytes), point.bytes),
        high_bytes=np.maximum(_up(high_bytes), point.bytes),
    )


def survived(sizes: Int64s, counts: Counts, *, rate: int) -> Bounds:
    """Return the bounds on survivors row by row, scaled as the profiles scale what is live.

    Where all that was live survived, the bound is that very amount of the profile.
    """
    scale = 1 / probabilities(sizes, rate)
    live = (counts.live_objects, counts.live_bytes)
    first, last = counts.live_raw[:, 0], counts.live_raw[:, -1]
    limits = []
    for raw in (counts.survived_low, counts.survived_high):
        for column, unit in zip(live, (np.ones_like(sizes), sizes), strict=True):
            scaled = (raw * scale * unit).astype(np.int64)
            scaled = np.where(raw == last, column[:, -1], scaled)
            scaled = np.where(raw == first, column[:, 0], scaled)
            limits.append(np.minimum(scaled, np.minimum(column[:, 0], column[:, -1])))
    return Bounds(
        low_objects=limits[0], low_bytes=limits[1], high_objects=limits[2], high_bytes=limits[3]
    )


def freed(counts: Counts) -> Amounts | None:
    """Return what was freed row by row, None where allocations do not subtract.

    That is what was allocated and did not stay.  Profiles cut every amount to an integer, which
    can leave one object or byte less than nothing.
    """
    if counts.alloc_objects is None or counts.alloc_bytes is None:
        return None
    pairs = ((counts.alloc_objects, counts.live_objects), (counts.alloc_bytes, counts.live_bytes))
    objects, size = (
        np.maximum((alloc - live)[:, -1] - (alloc - live)[:, 0], 0) for alloc, live in pairs
    )
    return Amounts(objects=objects, bytes=size)


def growth_p_values(cells: Cells, groups: int) -> Floats:
    """Return per group the p-value of "it did not grow or shrink", two-sided.

    A group is at least as sure as its surest cell, corrected for having looked at all of them.
    That it changed at all is not yet that its sum did: its interval tells that.
    """
    born, died = cells.after - cells.survived_low, cells.before - cells.survived_low
    weight = cells.object_bytes / cells.probability
    single = single_p_values(cells)
    if np.array_equal(cells.group, np.arange(groups)):
        return single
    together = stats.change_p_values(born, died, weight=weight, group=cells.group, groups=groups)
    centre = np.bincount(cells.group, weights=weight * (born - died), minlength=groups)
    agrees = np.sign(born - died) == np.sign(centre)[cells.group]
    surest = np.ones(groups)
    np.minimum.at(surest, cells.group[agrees], single[agrees])
    cells_of = np.bincount(cells.group, minlength=groups)
    return np.minimum(np.minimum(together, surest * cells_of), 1.0)


def single_p_values(cells: Cells) -> Floats:
    """Return per cell the p-value of "it did not grow or shrink", two-sided."""
    born, died = cells.after - cells.survived_low, cells.before - cells.survived_low
    weight = cells.object_bytes / cells.probability
    p_values = np.ones(len(born))
    changed = np.flatnonzero(born != died)
    row, kind = _kinds((cells.object_bytes[changed], born[changed], died[changed]))
    some = changed[row]
    born, died, alone = born[some], died[some], np.arange(len(some))
    exact = stats.change_p_values(born, died, weight=weight[some], group=alone, groups=len(some))
    missed = stats.missed_p_values(born, died, cells.probability[some])
    p_values[changed] = np.minimum(exact, missed)[kind]
    return p_values


def testable(cells: Cells, groups: int) -> Bools:
    """Return which groups hold enough changed samples for any outcome to be significant."""
    born, died = cells.after - cells.survived_low, cells.before - cells.survived_low
    changed = np.zeros(groups, dtype=np.int64)
    np.add.at(changed, cells.group, born + died)
    enough = np.exp2(1.0 - np.minimum(changed, 1000)) <= stats.FALSE_DISCOVERY_RATE
    alone = stats.can_be_discovered(born, died, cells.probability)
    enough[cells.group[alone]] = True
    return enough


def _down(values: Floats) -> Int64s:
    return np.floor(values).astype(np.int64)


def _up(values: Floats) -> Int64s:
    return np.ceil(values).astype(np.int64)
