"""The numbers behind every error bar: what a sampled count says about the true one.

Go's profiler keeps each allocation of size s with probability p = 1 - exp(-s / rate),
independently (runtime/malloc.go, nextSample and profilealloc).  A bucket that truly holds n
objects therefore shows x ~ Binomial(n, p).  Everything here turns x back into statements on n.
All functions take and return numpy arrays of one length.
"""

import math
from functools import cache

import numpy as np
import numpy.typing as npt

from memsnap.analysis.columns import distinct

Floats = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]

CONFIDENCE = 0.95
FALSE_DISCOVERY_RATE = 0.01
"""Of the rows called significant, at most this share is wrong on average; lower than the usual
0.05 because a false alarm costs more trust than a late one."""

_EXACT_BELOW = 40  # sampled objects; above, the score interval is within 1 % of the exact one
_CERTAIN = 1 - 1e-12  # a sampling probability from which on every object is seen
_RARE = 0.02  # a sampling probability up to which the binomial is all but Poisson's
_Z = 1.959963984540054  # the 97.5 % quantile of the normal distribution

_lgamma = np.frompyfunc(math.lgamma, 1, 1)


def count_interval(sampled: Int64s, probability: Floats) -> tuple[Floats, Floats]:
    """Return the 95 % limits of the true count n behind `sampled` ~ Binomial(n, `probability`).

    Exact (Clopper-Pearson's construction, turned around for an unknown n) below 40 sampled
    objects, Wilson's score interval with continuity correction from there on.  Never below
    `sampled`: those objects were seen.
    """
    low = sampled.astype(np.float64)
    high = low.copy()
    certain = probability >= _CERTAIN
    small = (sampled < _EXACT_BELOW) & ~certain
    if small.any():
        low[small], high[small] = _small_limits(sampled[small], probability[small])
    large = ~small & ~certain
    if large.any():
        low[large], high[large] = _score_limits(low[large], probability[large])
    return np.maximum(low, sampled), high


def difference_interval(born: Int64s, died: Int64s, probability: Floats) -> tuple[Floats, Floats]:
    """Return the 95 % limits of (true born - true died), in objects.

    `born` and `died` are sampled counts of independent populations, both seen with
    `probability`.  The limits of each are combined by recovering the variance from them (MOVER:
    Zou and Donner, Statistics in Medicine 27, 2008), which keeps their asymmetry.
    """
    born_estimate, died_estimate = born / probability, died / probability
    born_low, born_high = count_interval(born, probability)
    died_low, died_high = count_interval(died, probability)
    centre = born_estimate - died_estimate
    low = centre - np.hypot(born_estimate - born_low, died_high - died_estimate)
    high = centre + np.hypot(born_high - born_estimate, died_estimate - died_low)
    return low, high


def weighted_sum_interval(
    centre: Floats, low: Floats, high: Floats, *, group: Int64s, groups: int
) -> tuple[Floats, Floats, Floats]:
    """Return centre, low and high of the sums over `group`, each of length `groups`.

    The members' limits are combined as in `difference_interval`: distances from the estimate
    add in squares, each side for itself.
    """
    total = np.bincount(group, weights=centre, minlength=groups).astype(np.float64)
    below = np.sqrt(np.bincount(group, weights=(centre - low) ** 2, minlength=groups))
    above = np.sqrt(np.bincount(group, weights=(high - centre) ** 2, minlength=groups))
    return total, total - below, total + above


def change_p_values(
    born: Int64s, died: Int64s, *, weight: Floats, group: Int64s, groups: int
) -> Floats:
    """Return for each group the two-sided p-value of "as much was born as died".

    Given that n = born + died samples changed, born ~ Binomial(n, 1/2) if nothing grew: an exact
    test for one object size.  A group of several sizes (weights in bytes per sample) is matched
    to the symmetric binomial with the same variance and kurtosis, which for one size is itself.
    """
    changed = born + died
    square = weight * weight
    variance = np.bincount(group, weights=square * changed, minlength=groups)
    fourth = np.bincount(group, weights=square * square * changed, minlength=groups)
    excess = np.abs(np.bincount(group, weights=weight * (born - died), minlength=groups))
    p_values = np.ones(groups)
    moved = (variance > 0) & (excess > 0)
    count = variance[moved] ** 2 / fourth[moved]
    step = np.sqrt(fourth[moved] / variance[moved])
    successes = np.minimum((count + excess[moved] / step) / 2, count)
    tail = incomplete_beta(successes, count - successes + 1, np.full(len(count), 0.5))
    p_values[moved] = np.minimum(2 * tail, 1.0)
    return p_values


def missed_p_values(born: Int64s, died: Int64s, probability: Floats) -> Floats:
    """Return two-sided p-values that rest on the objects seen, for large objects.

    If the larger side shows x objects and nothing grew, the other side holds at least x too, of
    which the sampling would have had to miss all but those it shows: P(X <= the smaller) for
    X ~ Binomial(x, p).  Sharp as p nears 1, where one object more is one object more; no use
    for small p.
    """
    more, less = np.maximum(born, died).astype(np.float64), np.minimum(born, died)
    p_values = np.ones(len(more))
    useful = (more > less) & (probability > _RARE)
    misses = np.maximum(1 - probability[useful], 0.0)
    tail = incomplete_beta(more[useful] - less[useful], less[useful] + 1.0, misses)
    p_values[useful] = np.minimum(2 * tail, 1.0)
    return p_values


def can_be_discovered(
    born: Int64s, died: Int64s, probability: Floats, *, rate: float = FALSE_DISCOVERY_RATE
) -> npt.NDArray[np.bool_]:
    """Return which cells hold enough samples for any outcome to be significant at `rate`."""
    changed = born + died
    seen = np.maximum(born, died)
    missing = np.maximum(1 - probability, 0.0) ** seen
    return (np.exp2(1.0 - changed) <= rate) | ((seen > 0) & (2 * missing <= rate))


def discoveries(p_values: Floats, *, rate: float = FALSE_DISCOVERY_RATE) -> npt.NDArray[np.bool_]:
    """Return which hypotheses Benjamini and Hochberg's procedure rejects at `rate`.

    Pass only hypotheses that could be rejected at all (`can_be_discovered`): a bucket in which
    three samples changed cannot reach any useful p-value and would only dilute the others
    (Gilbert, Applied Statistics 54, 2005).
    """
    order = np.argsort(p_values, kind="stable")
    bound = rate * np.arange(1, len(p_values) + 1) / max(len(p_values), 1)
    passed = np.flatnonzero(p_values[order] <= bound)
    rejected = np.zeros(len(p_values), dtype=np.bool_)
    if len(passed):
        rejected[order[: passed[-1] + 1]] = True
    return rejected


def incomplete_beta(a: Floats, b: Floats, x: Floats) -> Floats:
    """Return the regularised incomplete beta function I_x(a, b), for a, b > 0 and 0 <= x <= 1.

    Continued fraction of DLMF 8.17.22, evaluated from the front (Lentz), on the side where it
    converges fast; relative error below 1e-9 for a + b up to 1e5, below 1e-8 up to 1e6.
    """
    swap = x > (a + 1) / (a + b + 2)
    a, b, x = np.where(swap, b, a), np.where(swap, a, b), np.where(swap, 1 - x, x)
    with np.errstate(divide="ignore"):
        log_front = (
            a * np.log(x)
            + b * np.log1p(-x)
            + np.asarray(_lgamma(a + b) - _lgamma(a) - _lgamma(b), dtype=np.float64)
        )
    value = np.exp(log_front) / (a * _beta_fraction(a, b, x))
    return np.where(swap, 1 - value, value)


def _beta_fraction(a: Floats, b: Floats, x: Floats) -> Floats:
    """Return 1 + d1/(1 + d2/(1 + ...)) of DLMF 8.17.22."""
    value = np.ones_like(x)
    numerator = np.ones_like(x)
    denominator = np.zeros_like(x)
    tiny = 1e-300
    for step in range(1, 2000):
        m = step // 2
        if step % 2:
            d = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            d = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        denominator = 1 + d * denominator
        denominator = 1 / np.where(np.abs(denominator) < tiny, tiny, denominator)
        numerator = 1 + d / numerator
        numerator = np.where(np.abs(numerator) < tiny, tiny, numerator)
        change = numerator * denominator
        value = value * change
        if np.all(np.abs(change - 1) < 1e-12):
            break
    return value


@cache
def _rare_limits() -> npt.NDArray[np.float64]:
    """Return (2, 40): the limits of n p for x sampled objects as p goes to 0 (Garwood's).

    Up to `_RARE` they serve every probability: the binomial is narrower there by the factor
    sqrt(1 - p), so they err on the wide side, by 1 % at most.
    """
    counts = np.arange(_EXACT_BELOW)
    probability = np.full(_EXACT_BELOW, 1e-6)
    return np.stack(_exact_limits(counts, probability)) * 1e-6


def _small_limits(sampled: Int64s, probability: Floats) -> tuple[Floats, Floats]:
    low, high = _rare_limits()[:, sampled] / probability
    common = probability > _RARE
    if common.any():
        pairs, ids = distinct(sampled[common] + 1j * probability[common])
        limits = _exact_limits(pairs.real.astype(np.int64), pairs.imag)
        low[common], high[common] = limits[0][ids], limits[1][ids]
    return low, high


def _exact_limits(sampled: Int64s, probability: Floats) -> tuple[Floats, Floats]:
    """Solve P(X >= x | n_low) = 2.5 % and P(X <= x | n_high) = 2.5 % for real n."""
    tail = (1 - CONFIDENCE) / 2
    low = np.where(sampled > 0, _solve(sampled - 1, probability, 1 - tail), 0.0)
    return low, _solve(sampled, probability, tail)


def _solve(most: Int64s, probability: Floats, target: float) -> Floats:
    """Return n with P(X <= `most`) = `target` for X ~ Binomial(n, p), by bisection."""
    below = np.maximum(most, 0).astype(np.float64)
    above = (most + 10 + 6 * np.sqrt(most + 4.0)) / probability
    for _ in range(60):
        middle = (below + above) / 2
        too_likely = _at_most(most, middle, probability) > target
        below, above = np.where(too_likely, middle, below), np.where(too_likely, above, middle)
        if np.all(above - below <= 1e-9 * above):
            break
    return above


def _at_most(most: Int64s, count: Floats, probability: Floats) -> Floats:
    """Return P(X <= `most`) for X ~ Binomial(`count`, p), summing its terms from 0."""
    k = np.arange(int(most.max(initial=0)))[:, np.newaxis]
    ratios = np.maximum(count - k, 0) / (k + 1) * (probability / (1 - probability))
    terms = np.concatenate([np.exp(count * np.log1p(-probability))[np.newaxis], ratios])
    np.multiply.accumulate(terms, axis=0, out=terms)
    return np.where(np.arange(len(terms))[:, np.newaxis] <= most, terms, 0.0).sum(axis=0)


def _score_limits(sampled: Floats, probability: Floats) -> tuple[Floats, Floats]:
    """Solve (x -+ 1/2 - n p)^2 = z^2 n p (1 - p) for n."""
    z_squared = _Z * _Z
    spread = z_squared * probability * (1 - probability)
    limits = []
    for shifted, sign in ((sampled - 0.5, -1), (sampled + 0.5, 1)):
        middle = 2 * shifted * probability + spread
        root = np.sqrt(middle * middle - 4 * (probability * shifted) ** 2)
        limits.append((middle + sign * root) / (2 * probability * probability))
    return limits[0], limits[1]
