"""What one capture holds: its live objects by site, function, type, with sampling limits."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property

import numpy as np

from memsnap.analysis import estimate
from memsnap.analysis.align import Alignment, align
from memsnap.analysis.cumulative import cumulative
from memsnap.analysis.estimate import Counts
from memsnap.analysis.groups import Sums, group, keys
from memsnap.analysis.reconcile import LiveCheck
from memsnap.analysis.rows import Amount, Frame, Limits, Subject, amount_at, limits_at, subject_at
from memsnap.analysis.select import EVERYTHING, Selection, select
from memsnap.analysis.stacks import spell
from memsnap.analysis.table import Amounts, Bounds, By, Framed, Keys
from memsnap.pprof.heap import heap_samples
from memsnap.pprof.profile import Int64s
from memsnap.snapshot import Snapshot


class LiveSort(Enum):
    """The order of rows, largest first."""

    LIVE = "live"  # bytes
    OBJECTS = "objects"  # live objects
    ALLOCATED = "allocated"  # bytes since the start of the process
    CUM = "cum"  # live bytes with callees; rows by function


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LiveTable(Framed):
    """One capture as rows of one kind.

    `live` is what was live, with 95 % limits in `live_bounds`; it rests on `samples` sampled
    objects.  `allocated` is what was allocated since the process started (None where the profile
    does not tell).  `cumulative` is the live bytes under the row's function, callees included
    (rows by function only).
    """

    by: By
    keys: Keys
    live: Amounts
    live_bounds: Bounds
    allocated: Amounts | None
    samples: Int64s
    cumulative: Int64s | None = None

    def __len__(self) -> int:
        return len(self.keys.function)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveRow(Subject):
    """One row of one capture; `live_limits` are those of the 95 % interval."""

    live: Amount
    live_limits: Limits
    allocated: Amount | None
    cumulative: int | None
    samples: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Live:
    """One capture, taken apart; `selected` are the rows of `alignment` that the caller wants."""

    snapshot: Snapshot
    alignment: Alignment
    counts: Counts
    selection: Selection
    selected: Int64s = field(repr=False)

    @cached_property
    def sites(self) -> LiveTable:
        """The selected rows by site, unsorted."""
        return self.table(By.SITE)

    @cached_property
    def totals(self) -> LiveTable:
        """One row: all selected sites together."""
        return self._table(By.SITE, self.selected, np.zeros(len(self.selected), np.int64), 1)

    @cached_property
    def check(self) -> LiveCheck:
        """The whole live heap, whatever is selected: exact, and as the profile estimates it."""
        everything = np.arange(len(self.alignment))
        total = self._table(By.SITE, everything, np.zeros_like(everything), 1)
        stats = self.snapshot.capture.mem_stats
        return LiveCheck(
            exact=stats.heap_alloc if stats else None,
            estimate=int(total.live.bytes[0]),
            low=int(total.live_bounds.low_bytes[0]),
            high=int(total.live_bounds.high_bytes[0]),
        )

    def table(self, by: By) -> LiveTable:
        """Return the selected rows grouped by `by`, unsorted; small ones left out as selected."""
        ids, groups = group(self.alignment, by, self.selected)
        table = self._table(by, self.selected, ids, groups)
        if by is By.FUNCTION:
            held = np.zeros(len(self.alignment), dtype=np.int64)
            held[self.selected] = self.counts.live_bytes[self.selected, 0]
            under = cumulative(self.alignment, table.keys.function, held)
            table = replace(table, cumulative=under)
        return table.take(table.live.bytes >= self.selection.min_bytes)

    def rows(
        self, by: By = By.SITE, *, sort: LiveSort = LiveSort.LIVE, limit: int | None = None
    ) -> Iterator[LiveRow]:
        """Return the rows of a table in the order of `sort`, `limit` of them at most."""
        table = self.sites if by is By.SITE else self.table(by)
        numbers = order(table, sort)[:limit]
        stacks = spell(self.alignment, table.keys.example[numbers])
        pairs = zip(numbers.tolist(), stacks, strict=True)
        return (_row(table, number, stack) for number, stack in pairs)

    def row(self, table: LiveTable, number: int) -> LiveRow:
        """Return one row of one of this capture's tables, with its stack."""
        (stack,) = spell(self.alignment, table.keys.example[[number]])
        return _row(table, number, stack)

    def _table(self, by: By, rows: Int64s, ids: Int64s, groups: int) -> LiveTable:
        counts = self.counts.take(rows)
        sums = Sums(ids, groups)
        live = sums.amounts(counts.live_objects[:, 0], counts.live_bytes[:, 0])
        allocated = None
        if counts.alloc_objects is not None and counts.alloc_bytes is not None:
            allocated = sums.amounts(counts.alloc_objects[:, 0], counts.alloc_bytes[:, 0])
        sizes = self.alignment.object_bytes[rows]
        cells = estimate.pool(sizes, counts, ids, rate=self.snapshot.heap.period)
        return LiveTable(
            by=by,
            keys=keys(self.alignment, by, rows, ids, growth=counts.live_bytes[:, 0]),
            live=live,
            live_bounds=estimate.live_bounds(cells, groups, live),
            allocated=allocated,
            samples=sums.total(counts.live_raw[:, 0]),
        )


def _row(table: LiveTable, number: int, stack: tuple[Frame, ...]) -> LiveRow:
    return LiveRow(
        **subject_at(table.by, table.keys, number, stack),
        live=amount_at(table.live, number),
        live_limits=limits_at(table.live_bounds, number),
        allocated=None if table.allocated is None else amount_at(table.allocated, number),
        cumulative=None if table.cumulative is None else int(table.cumulative[number]),
        samples=int(table.samples[number]),
    )


def live(snapshot: Snapshot, selection: Selection = EVERYTHING) -> Live:
    """Take one snapshot apart.

    Raises UsageError for a selection that matches nothing, FormatError for a profile that is no
    heap profile.
    """
    alignment = align([(snapshot.heap, heap_samples(snapshot.heap, name=snapshot.name))])
    return Live(
        snapshot=snapshot,
        alignment=alignment,
        counts=estimate.count(alignment),
        selection=selection,
        selected=np.flatnonzero(select(alignment, selection)),
    )


def order(table: LiveTable, sort: LiveSort) -> Int64s:
    """Return the row numbers in the order of `sort`."""
    size = table.live.bytes
    column = {
        LiveSort.LIVE: size,
        LiveSort.OBJECTS: table.live.objects,
        LiveSort.ALLOCATED: size if table.allocated is None else table.allocated.bytes,
        LiveSort.CUM: size if table.cumulative is None else table.cumulative,
    }[sort]
    return np.lexsort((-size, -column))
