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
