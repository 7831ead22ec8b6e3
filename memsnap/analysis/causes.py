"""Which cause stands behind each group of a series: leak, cache, load, churn, one step, or unknown.

A leak is claimed only where all agree: the exact growth is steady over the captures and beyond
what a random walk would give, the profile shows that this group's objects came to stay, and
nobody else in its size classes explains the growth as well.
"""

import math
from dataclasses import dataclass

import numpy as np

from memsnap.analysis.finding import Cause
from memsnap.analysis.series import Series
from memsnap.analysis.table import Floats
from memsnap.analysis.trend import Shape, plateau, rises, shape, student_tail

SURE = 0.8  # probability from which on a group is named as the one that grew
_NAMED = 0.3  # probability below which a group is not even named
_LIKELY = 0.02  # that a walk rises so: above, growth of unknown cause is not worth a word,
_LARGE = 0.05  # unless it is this share of the live heap
_SMALL_BYTES = 64 << 10  # growth below which nothing is said
_SMALL_SHARE = 0.002  # of the live heap, likewise
_SIGNIFICANT = 0.01  # that a random walk rises as steadily
_MOVED = 0.25  # of the growth in the profile: where less is real, the rest has only moved
_PART = 0.1  # of a group's growth: less in a class proves nothing
_TIDE = 1.25  # margin on the share that churn may seem to keep, see `_may_be_tide`
_LEAPS = 4.0  # objects that the growth consists of, up to which it goes in leaps
_TELLING = 4.0  # samples kept before the first capture, from which on their share tells
_SHOWN = 0.02  # of the live heap: what a healthy group holds or swings by to be worth a word
_FOLLOWS = 0.9  # correlation with the goroutines from which on it is their load


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One group with its cause.

    `confidence` is the probability that it is this group and this cause.  `plateau` is the live
    bytes at which a cache levels off, as far as that can be projected.  `kept` is the growth as a
    share of what was allocated, None where that is unknown.
    """

    group: int
    cause: Cause
    shape: Shape
    confidence: float
    p_value: float
    noise: float
    kept: float | None
    plateau: float | None = None
    why: str = ""


def judge_groups(series: Series) -> list[Judged]:
    """Return what can be said of each group that grew, swung, or churns."""
    live = float(series.total[-1])
    floor = max(_SMALL_BYTES, _SMALL_SHARE * live)
    swing = series.course.max(axis=1) - series.course.min(axis=1)
    judged = []
    for group in np.flatnonzero(swing >= floor).tolist():
        one = _judge(series, group, floor)
        if one is not None:
            judged.append(one)
    named = {one.group for one in judged}
    return [*judged, *(one for one in _replaced(series, floor) if one.group not in named)]


def _replaced(series: Series, floor: float) -> list[Judged]:
    """Return the groups that surely grew in the profile, and exactly did not.

    Objects replaced in place move from the site that made them first to the one that replaces
    them; the runtime's counts show that none came on top.
    """
    if series.exact is None:
        return []
    table = series.table
    sure = table.p_value <= series.diff.threshold
    looks = sure & (table.growth_bounds.low_bytes >= floor)
    flat = series.net <= _MOVED * table.growth_bounds.low_bytes
    return [
        Judged(
            group=group,
            cause=Cause.STEADY,
            shape=Shape.FLAT,
            confidence=0.95,
            p_value=1.0,
            noise=_noise(series, group),
            kept=None,
            why="the profile shows growth here that the runtime's exact counts do not: objects "
            "allocated elsewhere before are replaced by these",
        )
        for group in np.flatnonzero(looks & flat).tolist()
    ]


def _judge(series: Series, group: int, floor: float) -> Judged | None:
    course = series.course[group]
    noise = _noise(series, group)
    form = shape(series.seconds, course, noise=noise)
    kept = _kept(series, group)
    p_value = _chance(series, group)
    ladder = series.ladder_of(group)
    if ladder is not None:
        # A slice grows in leaps: what tells is that it goes on climbing.
        p_value = min(p_value, ladder.chance)
        form = Shape.RISING if ladder.climbs > 1 and ladder.still_climbs else form
    if form is not Shape.RISING and _entries_rise(series, group):
        form = Shape.RISING
    net = float(course[-1])
    sure = float(series.confidence[group])
    cause, why = Cause.UNKNOWN, ""
    if sure < _NAMED:
        return None
    if form is Shape.SWINGING or (form is Shape.FALLING and -net >= floor):
        if series.live[group].max() < floor:
            return None  # what is allocated between the GC and the counters' reading
        cause = Cause.LOAD if _follows(series, course) else Cause.CHURN
        if form is Shape.FALLING and cause is Cause.CHURN:
            return None
    elif net < floor or form in (Shape.FLAT, Shape.FALLING):
        return None
    elif form in (Shape.STEP, Shape.LEVELLING) and _in_leaps(series, group, form):
        why = "it grows in leaps, and the captures are too few to tell whether more will come"
    elif form is Shape.STEP:
        cause = Cause.ONE_TIME
    elif form is Shape.LEVELLING:
        cause = Cause.CACHE
    else:
        cause, why = _leak_or_unknown(series, group, p_value, kept)
    if cause is Cause.UNKNOWN and not _worth_a_word(series, group, p_value):
        return None
    return Judged(
        group=group,
        cause=cause,
        shape=form,
        confidence=_confidence(cause, sure, p_value),
        p_value=p_value,
        noise=noise,
        kept=kept,
        plateau=_plateau(series, group) if cause is Cause.CACHE else None,
        why=why,
    )


def _worth_a_word(series: Series, group: int, p_value: float) -> bool:
    """Whether growth of unknown cause is likely real, or large."""
    large = float(series.net[group]) > _LARGE * float(series.total[-1])
    return p_value <= _LIKELY or large


def _in_leaps(series: Series, group: int, form: Shape) -> bool:
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


def _leak_or_unknown(
    series: Series, group: int, p_value: float, kept: float | None
) -> tuple[Cause, str]:
    captures = len(series.seconds)
    if captures < 3:
        return Cause.UNKNOWN, "two captures cannot tell a leak from a cache that fills"
    if p_value > _SIGNIFICANT * (3 if captures < 5 else 1):
        return Cause.UNKNOWN, "the growth is not steady enough to tell it from chance"
    mine = series.group == group
    climbs = series.ladder_of(group) is not None
    if not climbs and int((series.born - series.died)[mine].sum()) <= 0:
        return Cause.UNKNOWN, "no sampled object came to stay there"
    if series.confidence[group] < SURE:
        return Cause.UNKNOWN, "the samples do not tell it from other sites of the same sizes"
    tide = kept is not None and not climbs and _may_be_tide(kept, captures)
    if tide and not _always_kept(series, group):
        return Cause.UNKNOWN, (
            "it allocates many times what it keeps: a tide of churn that the captures happened to "
            "meet ever later looks the same"
        )
    return Cause.LEAK, ""


def _may_be_tide(kept: float, captures: int) -> bool:
    """Whether churn in phase with the captures may seem to keep that share of what it allocates.

    A sawtooth that the captures meet later in its period each time, by a share x of it, rises at
    all N captures only if x <= 1 / (N - 1); over a period and more it keeps x / (1 + x) at most.
    """
    return kept < _TIDE / captures


def _always_kept(series: Series, group: int) -> bool:
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


def _confidence(cause: Cause, sure: float, p_value: float) -> float:
    """Return the product of: it is this group, and the course is no accident."""
    if cause is Cause.UNKNOWN:
        return min(sure, 0.5)
    if cause is Cause.LEAK:
        return sure * (1 - p_value)
    return 0.9 * sure


def _chance(series: Series, group: int) -> float:
    """Return the probability that the group's course is due to chance.

    A structure may grow in leaps (a map's tables) what its entries grow evenly: a single one of
    the classes may prove the growth, if it is a good part of it; looking at several is paid for.
    """
    if series.exact is None:
        return float(series.table.p_value[group])
    together = rises(series.seconds, series.course[group])
    single = [rises(series.seconds, one) for one in _parts(series, group)]
    return min([together, *(value * len(single) for value in single)])


def _entries_rise(series: Series, group: int) -> bool:
    """Whether a part of the group rises evenly, while another part leaps: entries and tables."""
    parts = _parts(series, group)
    noise = _noise(series, group)
    return any(
        shape(series.seconds, one, noise=noise) is Shape.RISING
        and rises(series.seconds, one) * len(parts) <= _SIGNIFICANT
        for one in parts
    )


def _parts(series: Series, group: int) -> list[Floats]:
    """Return the exact courses of the size classes that a good part of the growth is in."""
    if series.exact is None:
        return []
    least = max(_PART * float(series.net[group]), _SMALL_BYTES)
    live = series.exact.live[series.classes[group]]
    return [one for one in live if one[-1] - one[0] >= least]


def _noise(series: Series, group: int) -> float:
    """Return what a group's bytes may move by between captures for no reason of its own."""
    noise = max(32 << 10, 0.001 * float(series.total[-1]))
    if series.exact is None:
        low, high = series.sampled_limits(group)
        noise = max(noise, (high - low) / 4)
    return noise


def _kept(series: Series, group: int) -> float | None:
    """Return the growth as a share of what was allocated in the size classes that grew."""
    allocated = series.allocated_in_course(group)
    net = float(series.net[group])
    if allocated is None:
        return None
    # What was allocated is sampled: never less than what stayed.
    return net / max(allocated, net) if net > 0 else 0.0


def _follows(series: Series, course: Floats) -> bool:
    """Whether the course goes with the number of goroutines, up as well as down."""
    counts = [snapshot.capture.goroutines for snapshot in series.diff.snapshots]
    known = [count for count in counts if count is not None]
    if len(known) < len(counts) or len(counts) < 3:
        return False
    goroutines = np.array(known, dtype=np.float64)
    spread = goroutines.max() - goroutines.min()
    if spread < max(5.0, 0.1 * goroutines.mean()):
        return False
    together = float(np.corrcoef(goroutines, course)[0, 1])
    free = len(counts) - 2
    t = together * math.sqrt(free / max(1 - together * together, 1e-12))
    return together >= _FOLLOWS and student_tail(t, free) <= _SIGNIFICANT


def _plateau(series: Series, group: int) -> float | None:
    end = plateau(series.course[group])
    if end is None:
        return None
    return float(series.live[group, 0]) + end


def limits(series: Series, judged: Judged) -> tuple[int, int]:
    """Return the 95 % limits of a group's growth in bytes.

    The exact growth of its classes, give or take what others in them may have changed; within
    what its own samples allow, where that leaves anything.
    """
    group = judged.group
    net = float(series.net[group])
    steps = np.diff(series.course[group])
    spread = 2 * float(steps.std(ddof=1)) if len(steps) > 1 else 0.0
    doubt = math.hypot(judged.noise, spread) + float(series.shared[group])
    low, high = net - doubt, net + doubt
    sampled = series.sampled_limits(group)
    if sampled[0] <= high and sampled[1] >= low:
        low, high = max(low, sampled[0]), min(high, sampled[1])
    return round(min(low, net)), round(max(high, net))
