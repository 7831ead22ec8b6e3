"""Which sites changed beyond the sampling error, over all sites at once.

Many sites are tested, so the false discovery rate is what is bounded; and growth that only moved
from one site to another is told from growth that came on top.
"""

import numpy as np

from memsnap.analysis import estimate, stats
from memsnap.analysis.align import Alignment
from memsnap.analysis.columns import distinct
from memsnap.analysis.estimate import Cells, Counts
from memsnap.analysis.table import Floats
from memsnap.pprof.profile import Bools, Int64s


def threshold(alignment: Alignment, counts: Counts, rate: int) -> float:
    """Return the p-value up to which a change counts, decided over all sites.

    The bound is the false discovery rate's own, rate * discoveries / tests, rather than the last
    p-value that passed: it serves the rows of every table, whatever sites they add up.
    """
    sites = np.arange(len(alignment))
    cells = estimate.pool(alignment.object_bytes, counts, sites, rate=rate)
    p_values = estimate.growth_p_values(cells, len(sites))
    tested = np.flatnonzero(estimate.testable(cells, len(sites)))
    found = stats.discoveries(p_values[tested]).sum()
    return stats.FALSE_DISCOVERY_RATE * max(int(found), 1) / max(len(tested), 1)


def moved_bytes(cells: Cells, groups: int, highest_p: float) -> Floats:
    """Return per group how many bytes of its change are offset by other groups, signed.

    Rows replaced in place leave one place and appear at another: changes of both signs that are
    sure (their p-value is at most `highest_p`) and cancel within their object size, or within
    its octave.  Sizes are the closest thing to types that every profile has, and what varies in
    size (a document read anew) stays within an octave.  Nothing wider: a leak must not hide
    behind what happens to be freed elsewhere.
    """
    born, died = cells.after - cells.survived_low, cells.before - cells.survived_low
    found = np.flatnonzero(
        (estimate.single_p_values(cells) <= highest_p)
        & stats.can_be_discovered(born, died, cells.probability)
    )
    change = (born - died)[found] / cells.probability[found] * cells.object_bytes[found]
    moved = _offset(cells.take(found), np.sign(change).astype(np.int64))
    kept = np.where(moved, change, 0.0)
    return np.bincount(cells.group[found], weights=kept, minlength=groups).astype(np.float64)


def _offset(found: Cells, sign: Int64s) -> Bools:
    """Return which of the sure changes cancel with those of other groups."""
    low, high = _net(found, found.object_bytes)
    moved = _traded(found.object_bytes, sign) & np.where(sign > 0, low <= 0, high >= 0)
    rest = np.flatnonzero(~moved)
    octave = np.frexp(found.object_bytes[rest])[1].astype(np.int64)
    low, high = _net(found.take(rest), octave)
    moved[rest] = _traded(octave, sign[rest]) & (low <= 0) & (high >= 0)
    return moved


def _net(found: Cells, group: Int64s) -> tuple[Floats, Floats]:
    """Return, for every cell, the limits of the growth in bytes of all cells of its `group`."""
    values, ids = distinct(group)
    born, died = found.after - found.survived_low, found.before - found.survived_low
    low, high = stats.difference_interval(born, died, found.probability)
    _, below, above = stats.weighted_sum_interval(
        (born - died) / found.probability * found.object_bytes,
        low * found.object_bytes,
        high * found.object_bytes,
        group=ids,
        groups=len(values),
    )
    return below[ids], above[ids]


def _traded(group: Int64s, sign: Int64s) -> Bools:
    """Return, for every cell, whether its group has both growth and shrinkage."""
    ups, downs = (np.isin(group, group[sign == side]) for side in (1, -1))
    return ups & downs
