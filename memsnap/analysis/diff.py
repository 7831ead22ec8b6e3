"""Compare captures: what was born, what died, what survived, what grew, and how sure that is."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from memsnap.analysis import estimate
from memsnap.analysis.align import Alignment, align
from memsnap.analysis.columns import distinct
from memsnap.analysis.cumulative import cumulative
from memsnap.analysis.estimate import Cells, Counts
from memsnap.analysis.finding import Finding
from memsnap.analysis.groups import Sums, group, keys
from memsnap.analysis.lineage import Lineage, Relation, contradicted, trace
from memsnap.analysis.own import own_frames
from memsnap.analysis.rows import Row, Sort, order, row
from memsnap.analysis.select import EVERYTHING, Selection, select
from memsnap.analysis.significance import moved_bytes, threshold
from memsnap.analysis.stacks import spell
from memsnap.analysis.table import Amounts, Bounds, By, Floats, Table
from memsnap.analysis.verdicts import judge, overrule, told
from memsnap.errors import UsageError
from memsnap.pprof.heap import heap_samples
from memsnap.pprof.profile import Int32s, Int64s
from memsnap.snapshot import Snapshot

_OFFSET_SHARE = 0.5  # of a row's growth; more of it moved from elsewhere, and the row is replaced


@dataclass(frozen=True, kw_only=True, eq=False)
class Diff:
    """Two or more captures compared, first against last.

    Captures between the first and the last tighten the bounds on survivors and give the verdicts
    their history.  `selected` are the rows of `alignment` that the caller asked to see.  What is
    significant is decided over all sites, whatever is selected: `threshold` is the p-value up to
    which a change counts.  `found` are the findings on what is selected, whose verdicts the rows
    at their lines take over (`findings.settled`); None where nobody has asked for them.
    """

    snapshots: tuple[Snapshot, ...]
    lineage: Lineage
    alignment: Alignment
    counts: Counts
    selection: Selection
    selected: Int64s = field(repr=False)
    threshold: float
    found: tuple[Finding, ...] | None = field(default=None, repr=False)

    @property
    def before(self) -> Snapshot:
        """The first capture."""
        return self.snapshots[0]

    @property
    def after(self) -> Snapshot:
        """The last capture."""
        return self.snapshots[-1]

    @property
    def sites(self) -> Table:
        """The selected rows by site, unsorted."""
        return self.table(By.SITE)

    @cached_property
    def totals(self) -> Table:
        """One row: all selected sites together."""
        return self._table(By.SITE, np.zeros(len(self.selected), dtype=np.int64), 1)

    @cached_property
    def _tables(self) -> dict[By, Table]:
        return {}

    def narrowed(self, selection: Selection) -> "Diff":
        """Return the same comparison with another selection.

        Raises UsageError where that matches nothing.
        """
        rows = np.flatnonzero(select(self.alignment, selection))
        return replace(self, selection=selection, selected=rows, found=None)

    def table(self, by: By) -> Table:
        """Return the selected rows grouped by `by`, unsorted."""
        if by not in self._tables:
            self._tables[by] = self._made_table(by)
        return self._tables[by]

    def _made_table(self, by: By) -> Table:
        ids, groups = group(self.alignment, by, self.selected)
        table = self._table(by, ids, groups)
        if by is By.FUNCTION:
            grown = np.zeros(len(self.alignment), dtype=np.int64)
            grown[self.selected] = self.counts.growth_bytes[self.selected]
            under = cumulative(self.alignment, table.keys.function, grown)
            table = replace(table, cumulative=under)
        if self.selection.min_bytes:
            return table.take(np.abs(table.growth.bytes) >= self.selection.min_bytes)
        return table

    def grouped(self, ids: Int64s, groups: int) -> Table:
        """Return the selected rows as `groups` rows, unsorted; `ids` has one number per row."""
        return self._table(By.LINE, ids, groups)

    @cached_property
    def _told(self) -> Int64s:
        """(selected,): the causes that findings tell of the rows; empty without findings."""
        if not self.found:
            return np.empty(0, dtype=np.int64)
        module = self.after.capture.process.module
        own = own_frames(self.alignment, self.selected, module)
        return told(self.found, self.alignment, own)

    @cached_property
    def own_lines(self) -> tuple[Table, Int32s, Int64s]:
        """The selected rows by line of own code: the table, its frames, every row's group.

        The frame of row `r` is number `frames[r]` of the alignment (-1 for an empty stack).
        """
        module = self.after.capture.process.module
        own = own_frames(self.alignment, self.selected, module)
        frames, ids = distinct(own)
        return self._table(By.LINE, ids, len(frames)), frames, ids

    def rows(
        self,
        by: By = By.SITE,
        *,
        sort: Sort = Sort.CONFIDENCE,
        limit: int | None = None,
        offset: int = 0,
    ) -> Iterator[Row]:
        """Return the rows of a table in the order of `sort`, from `offset` on, `limit` at most."""
        table = self.table(by)
        numbers = order(table, sort)[offset:][:limit]
        spelled = spell(self.alignment, table.keys.example[numbers])
        pairs = zip(numbers.tolist(), spelled, strict=True)
        return (row(table, number, stack) for number, stack in pairs)

    def top(self, count: int = 10) -> list[Row]:
        """Return the sites that grew most, the surest growth first."""
        return list(self.rows(limit=count))

    def row(self, table: Table, number: int) -> Row:
        """Return one row of one of this diff's tables, with its stack."""
        (stack,) = spell(self.alignment, table.keys.example[[number]])
        return row(table, number, stack)

    def _table(self, by: By, ids: Int64s, groups: int) -> Table:
        counts = self.counts.take(self.selected)
        sums = Sums(ids, groups)
        before = sums.amounts(counts.live_objects[:, 0], counts.live_bytes[:, 0])
        after = sums.amounts(counts.live_objects[:, -1], counts.live_bytes[:, -1])
        growth = after - before
        allocated = sums.between(counts.alloc_objects, counts.alloc_bytes)
        freed = estimate.freed(counts)
        cells = self._cells(counts, ids, self.after)
        bounds = self._growth_bounds(cells, (counts, ids), before, after)
        p_value = (
            estimate.growth_p_values(cells, groups) if self.lineage.same_rate else np.ones(groups)
        )
        sure = (bounds.low_bytes > 0) | (bounds.high_bytes < 0)
        significant = estimate.testable(cells, groups) & (p_value <= self.threshold) & sure
        moved = self._moved_bytes(ids, groups)
        replaced = significant & (np.abs(moved) > _OFFSET_SHARE * np.abs(growth.bytes))
        history = sums.columns(counts.live_bytes)
        survived = sums.bounds(estimate.survived(self._sizes, counts, rate=self.after.heap.period))
        verdict = judge(
            growth=growth,
            significant=significant,
            replaced=replaced,
            allocated=allocated,
            history=history,
        )
        return Table(
            by=by,
            keys=keys(self.alignment, by, self.selected, ids, growth=counts.growth_bytes),
            before=before,
            after=after,
            growth=growth,
            growth_bounds=bounds,
            allocated=allocated,
            freed=None if freed is None else sums.amounts(freed.objects, freed.bytes),
            survived=survived,
            born=survived.rest_of(after),
            died=survived.rest_of(before),
            changed=sums.total(
                counts.live_raw[:, -1] + counts.live_raw[:, 0] - 2 * counts.survived_low
            ),
            p_value=p_value,
            significant=significant & ~replaced,
            verdict=overrule(verdict, self._told, ids) if self.found else verdict,
            history=history,
        )

    def _moved_bytes(self, ids: Int64s, groups: int) -> Floats:
        """Return per group what of its change is offset elsewhere, be that selected or not."""
        everywhere = groups + np.arange(len(self.alignment))
        everywhere[self.selected] = ids
        sizes, rate = self.alignment.object_bytes, self.after.heap.period
        cells = estimate.pool(sizes, self.counts, everywhere, rate=rate)
        return moved_bytes(cells, groups + len(everywhere), self.threshold)[:groups]

    @property
    def _sizes(self) -> Int64s:
        return self.alignment.object_bytes[self.selected]

    def _cells(self, counts: Counts, ids: Int64s, sampled_as: Snapshot) -> Cells:
        return estimate.pool(self._sizes, counts, ids, rate=sampled_as.heap.period)

    def _growth_bounds(
        self, cells: Cells, grouping: tuple[Counts, Int64s], before: Amounts, after: Amounts
    ) -> Bounds:
        groups = len(before.bytes)
        if self.lineage.same_rate:
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
    return Diff(
        snapshots=tuple(snapshots),
        lineage=lineage,
        alignment=alignment,
        counts=counts,
        selection=selection,
        selected=np.flatnonzero(select(alignment, selection)),
        threshold=threshold(alignment, counts, snapshots[-1].heap.period),
    )
