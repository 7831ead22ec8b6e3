"""Which cause stands behind each group of a series: leak, cache, load, churn, one step, or unknown.

A leak is claimed only where all agree: the exact growth is steady over the captures and beyond
what a random walk would give, the profile shows that this group's objects came to stay, and
nobody else in its size classes explains the growth as well.
"""

import math
from dataclasses import dataclass

import numpy as np

from memsnap.analysis.bearing import (
    SIGNIFICANT,
    always_kept,
    chance_of,
    entries_rise,
    follows,
    in_leaps,
    kept_share,
    lets_go,
    noise_of,
    seen_to_rise,
)
from memsnap.analysis.finding import Cause
from memsnap.analysis.series import Series
from memsnap.analysis.trend import Shape, evenly_rising, plateau, shape, student_quantile

SURE = 0.8  # probability from which on a group is named as the one that grew
_NAMED = 0.3  # probability below which a group is not even named
_LIKELY = 0.02  # that a walk rises so: above, growth of unknown cause is not worth a word,
_LARGE = 0.05  # unless it is this share of the live heap
# What sites that allocate in the same sizes may have to do with a growth: a share of it, and bytes
# that they hold at one end of the series and not at the other.  On 125 recorded leaks of known
# rate, 35 and 350 kB a second, the limits with these hold 96 of 100 true values, without them 66.
_NEIGHBOURS = 0.03
_PASSING_BYTES = 128 << 10
_SMALL_BYTES = 64 << 10  # growth below which nothing is said
_SMALL_SHARE = 0.002  # of the live heap, likewise
_MOVED = 0.25  # of the growth in the profile: where less is real, the rest has only moved
_TIDE = 1.25  # margin on the share that churn may seem to keep, see `_may_be_tide`
_SWINGS = 3  # sampled objects that go where memory does
_SHOWN = 0.02  # of the live heap: what a healthy group holds or swings by to be worth a word


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
    grown = series.net
    if len(series.exact.sizes) == 1:  # only the whole heap is known to stand still
        grown = np.full(len(grown), float(series.total[-1] - series.total[0]))
    flat = grown <= _MOVED * table.growth_bounds.low_bytes
    return [
        Judged(
            group=group,
            cause=Cause.STEADY,
            shape=Shape.FLAT,
            confidence=0.95,
            p_value=1.0,
            noise=noise_of(series, group),
            kept=None,
            why="the profile shows growth here that the runtime's exact counts do not: objects "
            "allocated elsewhere before are replaced by these",
        )
        for group in np.flatnonzero(looks & flat).tolist()
    ]


def _judge(series: Series, group: int, floor: float) -> Judged | None:
    sure = float(series.confidence[group])
    if sure < _NAMED:
        return None
    p_value = chance_of(series, group)
    ladder = series.ladder_of(group)
    if ladder is not None:
        p_value = min(p_value, ladder.chance)
    form = _form(series, group)
    kept = kept_share(series, group)
    found = _cause(series, group, form, floor=floor, p_value=p_value, kept=kept)
    if found is None:
        return None
    cause, why = found
    judged = Judged(
        group=group,
        cause=cause,
        shape=form,
        confidence=_confidence(cause, sure, p_value),
        p_value=p_value,
        noise=noise_of(series, group),
        kept=kept,
        plateau=_plateau(series, group) if cause is Cause.CACHE else None,
        why=why,
    )
    return judged if _worth_a_word(series, judged) else None


def _form(series: Series, group: int) -> Shape:
    """Return the shape of a group's course.

    Where none of its samples ever went, what falls is not its own: garbage of others that came
    between the GC and the reading of the counters.
    """
    course = series.course[group]
    if not lets_go(series, group):
        course = evenly_rising(course)
    form = shape(series.seconds, course, noise=noise_of(series, group))
    if form is Shape.SWINGING and seen_to_rise(series, group):
        return Shape.RISING
    ladder = series.ladder_of(group)
    if ladder is not None and ladder.climbs > 1 and ladder.still_climbs:
        return Shape.RISING  # a slice grows in leaps: what tells is that it goes on climbing
    return Shape.RISING if entries_rise(series, group) else form


def _cause(
    series: Series, group: int, form: Shape, *, floor: float, p_value: float, kept: float | None
) -> tuple[Cause, str] | None:
    """Return what a form and its evidence mean, and the reason for a doubt; None for nothing."""
    if form in (Shape.SWINGING, Shape.FALLING):
        return _coming_and_going(series, group, form, floor)
    if form is Shape.FLAT or float(series.net[group]) < floor:
        return None
    if form is Shape.RISING:
        return _leak_or_unknown(series, group, p_value, kept)
    if in_leaps(series, group, form):
        return Cause.UNKNOWN, (
            "it grows in leaps, and the captures are too few to tell whether more will come"
        )
    return (Cause.ONE_TIME if form is Shape.STEP else Cause.CACHE), ""


def _coming_and_going(
    series: Series, group: int, form: Shape, floor: float
) -> tuple[Cause, str] | None:
    """Return load or churn; what only falls is either load or nothing to speak of."""
    if not _seen_to_swing(series, group, floor):
        return None
    if follows(series, group):
        return Cause.LOAD, ""
    return (Cause.CHURN, "") if form is Shape.SWINGING else None


def _seen_to_swing(series: Series, group: int, floor: float) -> bool:
    """Whether the samples fall as the counters do, which see garbage that came behind the GC."""
    raw = series.diff.counts.live_raw[series.group == group].sum(axis=0)
    falls = int((np.maximum.accumulate(raw) - raw).max())
    return falls >= _SWINGS and float(series.live[group].max()) >= floor


def _worth_a_word(series: Series, judged: Judged) -> bool:
    """Whether growth surely is some, and if of unknown cause likely no accident, or large."""
    if judged.cause in (Cause.LEAK, Cause.LOAD, Cause.CHURN):
        return True
    if limits(series, judged)[0] <= 0:
        return False
    large = float(series.net[judged.group]) > _LARGE * float(series.total[-1])
    return judged.cause is not Cause.UNKNOWN or judged.p_value <= _LIKELY or large


def _leak_or_unknown(
    series: Series, group: int, p_value: float, kept: float | None
) -> tuple[Cause, str]:
    captures = len(series.seconds)
    if captures < 3:
        return Cause.UNKNOWN, "two captures cannot tell a leak from a cache that fills"
    if p_value > SIGNIFICANT * (3 if captures < 5 else 1):
        return Cause.UNKNOWN, "the growth is not steady enough to tell it from chance"
    mine = series.group == group
    climbs = series.ladder_of(group) is not None
    if not climbs and int((series.born - series.died)[mine].sum()) <= 0:
        return Cause.UNKNOWN, "no sampled object came to stay there"
    if series.confidence[group] < SURE:
        return Cause.UNKNOWN, "the samples do not tell it from other sites of the same sizes"
    tide = kept is not None and not climbs and _may_be_tide(kept, captures)
    if tide and not always_kept(series, group):
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


def _confidence(cause: Cause, sure: float, p_value: float) -> float:
    """Return the product of: it is this group, and the course is no accident."""
    if cause is Cause.UNKNOWN:
        return min(sure, 0.5)
    if cause is Cause.LEAK:
        return sure * (1 - p_value)
    return 0.9 * sure


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
    free = len(steps) - 1
    spread = student_quantile(0.975, free) * float(steps.std(ddof=1)) if free > 0 else 0.0
    others = math.hypot(judged.noise, _NEIGHBOURS * net, _PASSING_BYTES)
    doubt = math.hypot(spread, others) + float(series.shared[group])
    low, high = net - doubt, net + doubt
    sampled = series.sampled_limits(group)
    if sampled[0] <= high and sampled[1] >= low:
        low, high = max(low, sampled[0]), min(high, sampled[1])
    return round(min(low, net)), round(max(high, net))
