"""Compare captures: what was born, what died, what survived, what grew, and how sure that is."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from memsnap.analysis import estimate, stats
from memsnap.analysis.align import Alignment, align
from memsnap.analysis.cumulative import cumulative
from memsnap.analysis.estimate import Cells, Counts
from memsnap.analysis.groups import group, keys
from memsnap.analysis.lineage import Lineage, Relation, contradicted, trace
from memsnap.analysis.select import EVERYTHING, Selection, select
from memsnap.analysis.table import Amounts, Bounds, By, Floats, Table
from memsnap.analysis.verdicts import judge
from memsnap.errors import UsageError
from memsnap.pprof.heap import heap_samples
from memsnap.pprof.profile import Bools, Int64s
from memsnap.snapshot import Snapshot

_OFFSET_SHARE = 0.5  # of a row's growth; more of it moved from elsewhere, and the row is replaced


@dataclass(frozen=True, kw_only=True, eq=False)
class Diff:
    """Two or more captures compared, first against last.

    Captures between the first and the last tighten the bounds on survivors and give the verdicts
    their history.  `selected` are the rows of `alignment` that the caller asked to see.  What is
    significant is decided over all sites, whatever is selected: `threshold` is the largest
    p-value that passes, `moved` marks the sites whose change is offset at other sites.
    """

    snapshots: tuple[Snapshot, ...]
    lineage: Lineage
    alignment: Alignment
    counts: Counts
    selection: Selection
    selected: Int64s = field(repr=False)
    threshold: float
    moved: Bools = field(repr=False)

    @property
    def before(self) -> Snapshot:
        """The first capture."""
        return self.snapshots[0]

    @property
    def after(self) -> Snapshot:
        """The last capture."""
        return self.snapshots[-1]

    @cached_property
    def sites(self) -> Table:
        """The selected rows by site, unsorted."""
        return self.table(By.SITE)

    @cached_property
    def totals(self) -> Table:
        """One row: all selected sites together."""
        return self._table(By.SITE, np.zeros(len(self.selected), dtype=np.int64), 1)

    def table(self, by: By) -> Table:
        """Return the selected rows grouped by `by`, unsorted."""
        ids, groups = group(self.alignment, by, self.selected)
        table = self._table(by, ids, groups)
        if by is By.FUNCTION:
            grown = np.zeros(len(self.alignment), dtype=np.int64)
            grown[self.selected] = _growth(self.counts)[self.selected]
            under = cumulative(self.alignment, table.keys.function, grown)
            table = replace(table, cumulative=under)
        if self.selection.min_bytes:
            return table.take(np.abs(table.growth.bytes) >= self.selection.min_bytes)
        return table

    def stack(self, table: Table, row: int) -> list[tuple[str, str, int]]:
        """Return function, file and line of every frame of the row's example, innermost first."""
        frames, strings = self.alignment.frames, self.alignment.frames.strings
        return [
            (strings[frames.function[at]], strings[frames.file[at]], int(frames.line[at]))
            for at in self.alignment.stack(int(table.keys.example[row])).tolist()
        ]

    def _table(self, by: By, ids: Int64s, groups: int) -> Table:
        counts = self.counts.take(self.selected)
        sums = _Sums(ids, groups)
        before = sums.amounts(counts.live_objects[:, 0], counts.live_bytes[:, 0])
        after = sums.amounts(counts.live_objects[:, -1], counts.live_bytes[:, -1])
        growth = after - before
        allocated = sums.between(counts.alloc_objects, counts.alloc_bytes)
        cells = self._cells(counts, ids, self.after)
        bounds = self._growth_bounds(cells, (counts, ids), before, after)
        p_value = estimate.growth_p_values(cells, groups)
        significant = estimate.testable(cells, groups) & (p_value <= self.threshold)
        moved = sums.total(np.where(self.moved[self.selected], _growth(counts), 0))
        replaced = significant & (np.abs(moved) > _OFFSET_SHARE * np.abs(growth.bytes))
        history = sums.columns(counts.live_bytes)
        low, high = cells.survived_low, cells.survived_high
        return Table(
            by=by,
            keys=keys(self.alignment, by, self.selected, ids, growth=_growth(counts)),
            before=before,
            after=after,
            growth=growth,
            growth_bounds=bounds,
            allocated=allocated,
            freed=None if allocated is None else allocated - growth,
            survived=estimate.count_bounds(cells, groups, low, high),
            born=estimate.count_bounds(cells, groups, cells.after - high, cells.after - low),
            died=estimate.count_bounds(cells, groups, cells.before - high, cells.before - low),
            changed=sums.total(
                counts.live_raw[:, -1] + counts.live_raw[:, 0] - 2 * counts.survived_low
            ),
            p_value=p_value,
            significant=significant & ~replaced,
            verdict=judge(
                growth=growth,
                bounds=bounds,
                significant=significant,
                replaced=replaced,
                allocated=allocated,
                history=history,
            ),
            history=history,
        )

    def _cells(self, counts: Counts, ids: Int64s, sampled_as: Snapshot) -> Cells:
        sizes = self.alignment.object_bytes[self.selected]
        return estimate.pool(sizes, counts, ids, rate=sampled_as.heap.period)

    def _growth_bounds(
        self, cells: Cells, grouping: tuple[Counts, Int64s], before: Amounts, after: Amounts
    ) -> Bounds:
        groups = len(before.bytes)
        if self.lineage.relation is not Relation.OTHER_RATE:
            return estimate.growth_bounds(cells, groups, after - before)
        start = self._cells(*grouping, self.before)
        return estimate.independent_bounds(
            estimate.live_bounds(replace(start, after=start.before), groups, before),
            estimate.live_bounds(cells, groups, after),
            (before, after),
        )


def diff(snapshots: Sequence[Snapshot], selection: Selection = EVERYTHING) -> Diff:
    """Compare `snapshots`, the oldest first.

    Raises UsageError for fewer than two and for a selection that matches nothing, FormatError
    where one of them is no heap profile.
    """
    if len(snapshots) < 2:
        raise UsageError("a diff takes two captures or more", hint="memsnap diff a.snap b.snap")
    lineage = trace(snapshots)
    heaps = [
        (snapshot.heap, heap_samples(snapshot.heap, name=snapshot.name)) for snapshot in snapshots
    ]
    alignment = align(heaps, lines=lineage.relation is not Relation.OTHER_BUILD)
    counts = estimate.count(alignment)
    lineage = contradicted(lineage, int(counts.falling.sum()))
    if lineage.relation in (Relation.RESTARTED, Relation.OTHER_BUILD, Relation.OTHER_RATE):
        counts = estimate.of_two_lives(counts)
    elif lineage.relation is Relation.REVERSED:
        counts = estimate.of_unknown_order(counts)
    threshold, moved = _significance(alignment, counts, snapshots[-1].heap.period)
    return Diff(
        snapshots=tuple(snapshots),
        lineage=lineage,
        alignment=alignment,
        counts=counts,
        selection=selection,
        selected=np.flatnonzero(select(alignment, selection)),
        threshold=-1.0 if lineage.relation is Relation.OTHER_RATE else threshold,
        moved=moved,
    )


def _significance(alignment: Alignment, counts: Counts, rate: int) -> tuple[float, Bools]:
    """Return the largest p-value that counts, and which sites' change is offset elsewhere."""
    sites = np.arange(len(alignment))
    cells = estimate.pool(alignment.object_bytes, counts, sites, rate=rate)
    p_values = estimate.growth_p_values(cells, len(sites))
    tested = np.flatnonzero(estimate.testable(cells, len(sites)))
    found = tested[stats.discoveries(p_values[tested])]
    if not len(found):
        return stats.FALSE_DISCOVERY_RATE / max(len(tested), 1), np.zeros(
            len(sites), dtype=np.bool_
        )
    # Pooling sorts cells by group, and here every row is a group of its own.
    moved = _offset(cells.take(found), np.sign(_growth(counts)[found]))
    everywhere = np.zeros(len(sites), dtype=np.bool_)
    everywhere[found[moved]] = True
    return float(p_values[found].max()), everywhere


def _offset(found: Cells, sign: Int64s) -> Bools:
    """Return which significant changes cancel: by object size, or all of them together.

    Rows replaced in place leave one site and appear at another; what is net of both is what
    grew.  Sizes are the closest thing to types that every profile has.
    """
    _, sizes = np.unique(found.object_bytes, return_inverse=True)
    low, high = _net(found, sizes.astype(np.int64))
    traded = _both_signs(sizes, sign)
    moved = traded & np.where(sign > 0, low <= 0, high >= 0)
    everything = np.zeros(len(sign), dtype=np.int64)
    low, high = _net(found, everything)
    return moved | (_both_signs(everything, sign) & (low <= 0) & (high >= 0))


def _net(found: Cells, group: Int64s) -> tuple[Floats, Floats]:
    """Return, for every cell, the limits of the growth in bytes of its whole group."""
    groups = int(group.max(initial=-1)) + 1
    born, died = found.after - found.survived_low, found.before - found.survived_low
    low, high = stats.difference_interval(born, died, found.probability)
    _, below, above = stats.weighted_sum_interval(
        (born - died) / found.probability * found.object_bytes,
        low * found.object_bytes,
        high * found.object_bytes,
        group=group,
        groups=groups,
    )
    return below[group], above[group]


def _both_signs(group: Int64s, sign: Int64s) -> Bools:
    ups = np.bincount(group, weights=sign > 0) > 0
    downs = np.bincount(group, weights=sign < 0) > 0
    return (ups & downs)[group]


def _growth(counts: Counts) -> Int64s:
    return counts.live_bytes[:, -1] - counts.live_bytes[:, 0]


class _Sums:
    """Adds columns of rows up by group."""

    def __init__(self, ids: Int64s, groups: int) -> None:
        self.ids, self.groups = ids, groups

    def total(self, column: Int64s) -> Int64s:
        added = np.zeros(self.groups, dtype=np.int64)
        np.add.at(added, self.ids, column)
        return added

    def columns(self, table: Int64s) -> Int64s:
        return np.stack([self.total(column) for column in table.T], axis=1)

    def amounts(self, objects: Int64s, size: Int64s) -> Amounts:
        return Amounts(objects=self.total(objects), bytes=self.total(size))

    def between(self, objects: Int64s | None, size: Int64s | None) -> Amounts | None:
        """Return the sums of last - first of (rows, captures); None where unknown."""
        if objects is None or size is None:
            return None
        return self.amounts(objects[:, -1] - objects[:, 0], size[:, -1] - size[:, 0])
