"""What speaks for a cause behind one group of a series: its noise, its share kept, how it moves."""

import math

import numpy as np

from memsnap.analysis.series import Series
from memsnap.analysis.table import Floats
from memsnap.analysis.trend import Shape, rises, shape, student_tail

SIGNIFICANT = 0.01  # that a random walk rises as steadily
_SMALL_BYTES = 64 << 10  # a size class that grew by less proves nothing
_PART = 0.1  # of a group's growth: less in a class proves nothing
_LEAPS = 4.0  # objects that the growth consists of, up to which it goes in leaps
_TELLING = 4.0  # samples kept before the first capture, from which on their share tells
_FOLLOWS = 0.9  # correlation with the goroutines from which on it is their load


def noise_of(series: Series, group: int) -> float:
    """Return what a group's bytes may move by between captures for no reason of its own."""
    noise = max(32 << 10, 0.001 * float(series.total[-1]))
    if series.exact is None:
        low, high = series.sampled_limits(group)
        noise = max(noise, (high - low) / 4)
    return noise


def kept_share(series: Series, group: int) -> float | None:
    """Return the growth as a share of what was allocated in the size classes that grew."""
    allocated = series.allocated_in_course(group)
    net = float(series.net[group])
    if allocated is None:
        return None
    # What was allocated is sampled: never less than what stayed.
    return net / max(allocated, net) if net > 0 else 0.0


def always_kept(series: Series, group: int) -> bool:
    """Whether the group has kept that share of what it allocates from the start of the process.

    Of a tide only the part of one period is live, however much was allocated before the captures.
    """
    allocated = series.diff.counts.alloc_raw
    if allocated is None:
        return False
    rows = np.flatnonzero(series.group == group)
    rows = rows[series.in_course(rows)]
    live = series.diff.counts.live_raw[rows].sum(axis=0)
    ever = allocated[rows].sum(axis=0)
    fresh = float(ever[-1] - ever[0])
    expected = float(ever[0]) * float(live[-1] - live[0]) / fresh if fresh else 0.0
    return expected >= _TELLING and expected / 2 <= float(live[0]) <= 2 * expected


def lets_go(series: Series, group: int) -> bool:
    """Whether a sampled object of a group's course went between the captures, as far as known."""
    allocated = series.diff.counts.alloc_raw
    rows = np.flatnonzero(series.group == group)
    rows = rows[series.in_course(rows)]
    if allocated is None or not len(rows):
        return True
    live = series.diff.counts.live_raw[rows]
    born = int((allocated[rows, -1] - allocated[rows, 0]).sum())
    return born == 0 or born > int((live[:, -1] - live[:, 0]).sum())


def seen_to_rise(series: Series, group: int) -> bool:
    """Whether the samples rise all the time, beyond their error: what swings is on top of that."""
    low, high = series.sampled_limits(group)
    live = series.live[group]
    return low > 0 and shape(series.seconds, live, noise=(high - low) / 4) is Shape.RISING


def chance_of(series: Series, group: int) -> float:
    """Return the probability that the group's course is due to chance.

    A structure may grow in leaps (a map's tables) what its entries grow evenly: a single one of
    the classes may prove the growth, if it is a good part of it; looking at several is paid for.
    """
    if series.exact is None:
        return float(series.table.p_value[group])
    together = rises(series.seconds, series.course[group])
    single = [rises(series.seconds, one) for one in _parts(series, group)]
    return min([together, *(value * len(single) for value in single)])


def entries_rise(series: Series, group: int) -> bool:
    """Whether a part of the group rises evenly, while another part leaps: entries and tables."""
    parts = _parts(series, group)
    noise = noise_of(series, group)
    return any(
        shape(series.seconds, one, noise=noise) is Shape.RISING
        and rises(series.seconds, one) * len(parts) <= SIGNIFICANT
        for one in parts
    )


def _parts(series: Series, group: int) -> list[Floats]:
    """Return the exact courses of the size classes that a good part of the growth is in."""
    if series.exact is None:
        return []
    least = max(_PART * float(series.net[group]), _SMALL_BYTES)
    live = series.exact.live[series.classes[group]]
    return [one for one in live if one[-1] - one[0] >= least]


def in_leaps(series: Series, group: int, form: Shape) -> bool:
    """Whether a course that stops, or stopped, is that of tables and arrays that grow in leaps.

    What fills them may go on evenly.  A single step of one large object is one step all the same.
    """
    alignment = series.diff.alignment
    rows = np.flatnonzero((series.group == group) & (series.born > 0))
    rows = rows[series.in_course(rows)]
    if not len(rows):
        return False
    weight = series.born[rows] / series.density[rows]
    strings = alignment.frames.strings
    maps = np.array([at >= 0 and strings[at] == "map" for at in alignment.alloc[rows].tolist()])
    if weight[maps].sum() > weight.sum() / 2 or series.ladder_of(group) is not None:
        return True
    leap = float((weight * alignment.object_bytes[rows]).sum() / weight.sum())
    return form is Shape.LEVELLING and leap * _LEAPS > float(series.net[group])


def follows(series: Series, group: int) -> bool:
    """Whether the course goes with the number of goroutines, up as well as down."""
    counts = [snapshot.capture.goroutines for snapshot in series.diff.snapshots]
    known = [count for count in counts if count is not None]
    if len(known) < len(counts) or len(counts) < 3:
        return False
    goroutines = np.array(known, dtype=np.float64)
    spread = goroutines.max() - goroutines.min()
    if spread < max(5.0, 0.1 * goroutines.mean()):
        return False
    together = float(np.corrcoef(goroutines, series.course[group])[0, 1])
    free = len(counts) - 2
    t = together * math.sqrt(free / max(1 - together * together, 1e-12))
    return together >= _FOLLOWS and student_tail(t, free) <= SIGNIFICANT
