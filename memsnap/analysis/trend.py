"""How a quantity moves over a series of captures: its slope, and the shape of its course.

Pure numbers.  Slopes are medians of pairwise slopes (Theil and Sen), which one odd capture does
not move; limits are Student's around the residuals.
"""

import math
from dataclasses import dataclass
from enum import Enum

import numpy as np

from memsnap.analysis.stats import incomplete_beta
from memsnap.analysis.table import Floats

_LEVELS_OFF = 0.5  # the last half's rate, as a share of the first's, at and below which it does
_ONE_STEP = 0.8  # share of the rise in a single interval from which on it is one step
_SWING = 0.5  # of the rise: falls that add up to more make it no rise


class Shape(Enum):
    """The course of a quantity."""

    FLAT = "flat"  # no rise beyond the noise
    RISING = "rising"  # at every stretch, at about one rate
    LEVELLING = "levelling off"  # ever more slowly
    STEP = "one step"
    SWINGING = "up and down"
    FALLING = "falling"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """A straight line through a series, in units per second, with 95 % limits of the slope.

    `p_value` is that of "it does not rise", one-sided.  `rise` is slope times duration.
    """

    slope: float
    low: float
    high: float
    p_value: float
    seconds: float

    @property
    def rise(self) -> float:
        """What the line rises from the first capture to the last."""
        return self.slope * self.seconds


def trend(seconds: Floats, values: Floats, *, noise: float = 0.0) -> Trend:
    """Return the trend of `values` at the times `seconds`, both (N,), N >= 3.

    `noise` is the least standard error of one value, for series that look calmer than they are.
    """
    ends = np.triu_indices(len(values), 1)
    spans = seconds[ends[1]] - seconds[ends[0]]
    slope = float(np.median((values[ends[1]] - values[ends[0]]) / spans))
    residual = values - slope * seconds
    residual = residual - residual.mean()
    free = len(values) - 2
    spread = math.sqrt(max(float((residual**2).sum()) / free, noise**2))
    error = spread / math.sqrt(float(((seconds - seconds.mean()) ** 2).sum()))
    reach = student_quantile(0.975, free) * error
    return Trend(
        slope=slope,
        low=slope - reach,
        high=slope + reach,
        p_value=student_tail(slope / error, free) if error else (0.0 if slope > 0 else 1.0),
        seconds=float(seconds[-1] - seconds[0]),
    )


def student_tail(t: float, free: int) -> float:
    """Return P(T > t) of Student's distribution with `free` degrees of freedom."""
    square = np.array([free / (free + t * t)])
    half = 0.5 * float(incomplete_beta(np.array([free / 2]), np.array([0.5]), square)[0])
    return half if t > 0 else 1 - half


def student_quantile(probability: float, free: int) -> float:
    """Return t with P(T <= t) = `probability` > 1/2, by bisection."""
    low, high = 0.0, 1e6
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (
            (middle, high) if student_tail(middle, free) > 1 - probability else (low, middle)
        )
    return (low + high) / 2


def shape(seconds: Floats, values: Floats, *, noise: float) -> Shape:
    """Return the course of `values`; changes up to `noise` (in their unit) are no changes.

    Needs three captures or more; two can only be flat, rising or falling.
    """
    steps = np.diff(values)
    ups, downs = steps[steps > noise].sum(), -steps[steps < -noise].sum()
    rise = float(values[-1] - values[0])
    if ups <= noise and downs <= noise:
        # Many small steps of one sign may still add up.
        return Shape.FLAT if abs(rise) <= 2 * noise else _course(seconds, values, rise)
    if downs > _SWING * ups and ups > _SWING * downs:
        return Shape.SWINGING
    if downs > ups:
        return Shape.FALLING
    if downs > noise and downs > 0.1 * ups:
        return Shape.SWINGING
    return _course(seconds, values, rise)


def _course(seconds: Floats, values: Floats, rise: float) -> Shape:
    if rise < 0:
        return Shape.FALLING
    steps = np.diff(values)
    if len(steps) >= 3 and steps.max() > _ONE_STEP * rise:
        return Shape.STEP
    if len(steps) >= 3 and slowdown(seconds, values) <= _LEVELS_OFF:
        return Shape.LEVELLING
    return Shape.RISING


def evenly_rising(values: Floats) -> Floats:
    """Return the course closest to `values` that never falls (least squares).

    Neighbours that fall are pooled to their mean until none are left (Ayer and others, Annals of
    Mathematical Statistics 26, 1955).
    """
    pools: list[tuple[float, int]] = []
    for value in values.tolist():
        pools.append((value, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (left, few), (right, more) = pools[-2:]
            pools[-2:] = [((left * few + right * more) / (few + more), few + more)]
    return np.repeat([mean for mean, _ in pools], [count for _, count in pools])


def slowdown(seconds: Floats, values: Floats) -> float:
    """Return the rate of the last half of the captures as a share of that of the first.

    1 for a straight rise, 0 where it has stopped, infinite where it only began.
    """
    middle = (len(values) - 1) / 2
    first, last = math.floor(middle), math.ceil(middle)
    before = (values[first] - values[0]) / (seconds[first] - seconds[0])
    after = (values[-1] - values[last]) / (seconds[-1] - seconds[last])
    return float(after / before) if before > 0 else math.inf


def plateau(values: Floats) -> float | None:
    """Return where a series that levels off will end, None where that cannot be told.

    Aitken's extrapolation over three captures that divide the series evenly: exact where the
    distance to the plateau shrinks by the same factor in equal times.
    """
    last = len(values) - 1
    half = last // 2
    if half < 1:
        return None
    start, middle, end = (float(values[at]) for at in (last - 2 * half, last - half, last))
    bend = (middle - start) - (end - middle)
    if bend <= 0 or end <= middle:
        return None
    return end + (end - middle) ** 2 / bend


def rises(seconds: Floats, values: Floats) -> float:
    """Return the one-sided p-value of "a random walk": its steps have no direction.

    Student's test on the rates of the single steps, which are independent in a walk; the
    residuals of a straight line would not be, and make walks look like trends.
    """
    rates = np.diff(values) / np.diff(seconds)
    if len(rates) < 2:
        return 1.0
    error = float(rates.std(ddof=1)) / math.sqrt(len(rates))
    mean = float(rates.mean())
    if error == 0:
        return 0.0 if mean > 0 else 1.0
    return student_tail(mean / error, len(rates) - 1)
