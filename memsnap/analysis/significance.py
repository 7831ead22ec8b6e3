"""Which sites changed beyond the sampling error, over all sites at once.

Many sites are tested, so the false discovery rate is what is bounded; and growth that only moved
from one site to another is told from growth that came on top.
"""

import numpy as np

from memsnap.analysis import estimate, stats
from memsnap.analysis.align import Alignment
from memsnap.analysis.estimate import Cells, Counts
from memsnap.analysis.table import Floats
from memsnap.pprof.profile import Bools, Int64s


def significance(alignment: Alignment, counts: Counts, rate: int) -> tuple[float, Bools]:
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
    moved = _offset(cells.take(found), np.sign(counts.growth_bytes[found]))
    everywhere = np.zeros(len(sites), dtype=np.bool_)
    everywhere[found[moved]] = True
    return float(p_values[found].max()), everywhere


def _offset(found: Cells, sign: Int64s) -> Bools:
    """Return which significant changes cancel within their object size, or within its octave.

    Rows replaced in place leave one site and appear at another; what is net of both is what
    grew.  Sizes are the closest thing to types that every profile has, and what varies in size (a
    document read anew) stays within an octave.  Nothing wider: a leak must not hide behind what
    happens to be freed elsewhere.
    """
    low, high = _net(found, found.object_bytes)
    moved = _traded(found.object_bytes, sign) & np.where(sign > 0, low <= 0, high >= 0)
    rest = np.flatnonzero(~moved)
    octave = np.frexp(found.object_bytes[rest])[1].astype(np.int64)
    low, high = _net(found.take(rest), octave)
    moved[rest] = _traded(octave, sign[rest]) & (low <= 0) & (high >= 0)
    return moved


def _net(found: Cells, group: Int64s) -> tuple[Floats, Floats]:
    """Return, for every cell, the limits of the growth in bytes of all cells of its `group`."""
    distinct, ids = np.unique(group, return_inverse=True)
    born, died = found.after - found.survived_low, found.before - found.survived_low
    low, high = stats.difference_interval(born, died, found.probability)
    _, below, above = stats.weighted_sum_interval(
        (born - died) / found.probability * found.object_bytes,
        low * found.object_bytes,
        high * found.object_bytes,
        group=ids,
        groups=len(distinct),
    )
    return below[ids], above[ids]


def _traded(group: Int64s, sign: Int64s) -> Bools:
    """Return, for every cell, whether its group has both growth and shrinkage."""
    ups, downs = (np.isin(group, group[sign == side]) for side in (1, -1))
    return ups & downs
