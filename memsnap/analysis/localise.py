"""Who grew: dividing an exactly known growth over the sites that may have caused it.

The runtime says to the byte how much each size class grew, the profile shows for each group of
sites a few sampled births and deaths in that class.  Bayes' rule joins them: a group that grew by
g expected samples shows born ~ Poisson(t + g) and died ~ Poisson(t), one that did not grow shows
Poisson(t) twice, and the turnover t is integrated out under what its history says of it.  A class
may have several culprits, and a culprit several classes (keys, values and buckets of a map): what
one class says is the prior of the others.
"""

import math
from dataclasses import dataclass

import numpy as np

from memsnap.analysis.table import Columns, Floats
from memsnap.pprof.profile import Bools, Int64s

_ROUNDS = 20
_ALIKE = 0.2  # of all growth: the weight of knowing nothing, beside what other classes say
_DECISIVE = 7.0  # logarithm of odds, for growth as sampled, from which on there is no doubt
_ENOUGH = 6  # sampled objects without which there always is
_BEYOND_DOUBT = 0.99
_OVERDRAWN = 1.5  # what several may claim of a class's growth: sampling errs both ways
_LARGE_COUNT = 300  # sampled objects from which on sums become integrals, and normal


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cells(Columns):
    """What each group shows in each class: one entry per pair that has samples at all.

    `born` and `died` are the sampled objects that came to stay and that went, first capture to
    last.  `density` is the number of samples to expect per byte of growth.  The turnover's prior
    is Gamma(`shape`, `weight`): what other times than the window say, in units of the window.
    `hint` is a logarithm of odds from elsewhere, 0 without any.
    """

    group: Int64s
    cls: Int64s
    born: Int64s
    died: Int64s
    density: Floats
    shape: Floats
    weight: Floats
    hint: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shares:
    """How the growth of each class divides over the groups.

    `share` (groups, C) are probabilities; with `unseen` (C,), that of a site without any sample,
    each class adds up to 1, or to 0 where the class did not grow.  `sure` (groups, C) is the
    probability that the group grew in the class at all: that of being the one culprit, unless
    several are beyond doubt.
    """

    share: Floats
    unseen: Floats
    sure: Floats


def divide(cells: Cells, groups: int, growth: Floats, *, rate: int, steady: Bools) -> Shares:
    """Return how `growth` (C,), in bytes and of either sign, divides over the groups.

    That g bytes came without a sample has the probability exp(-g / `rate`), whatever the size of
    the objects.  In a class that grows steadily (`steady`, (C,)) any group may have such a site;
    what only comes and goes was sampled before, so no group is blamed for it without a sample.
    """
    unseen = np.where(growth != 0, -np.abs(growth) / max(rate, 1), -np.inf)
    odds = np.tile(np.where(steady, unseen, -np.inf), (groups + 1, 1))
    odds[groups] = unseen
    grown = growth[cells.cls]
    falls = grown < 0
    born = np.where(falls, cells.died, cells.born)
    died = np.where(falls, cells.born, cells.died)
    expected = np.abs(grown) * cells.density
    for at in np.flatnonzero(grown != 0).tolist():
        known = {"shape": float(cells.shape[at]), "weight": float(cells.weight[at])}
        ratio = float(unseen[cells.cls[at]])
        if born[at]:
            ratio = _fitting_ratio(int(born[at]), int(died[at]), float(expected[at]), known)
        odds[cells.group[at], cells.cls[at]] = ratio + (0.0 if falls[at] else cells.hint[at])
    flat = np.full_like(odds, 1 / (groups + 1))  # all who have no sample there are one suspect
    flat[cells.group, cells.cls] = 1.0
    posterior = np.zeros_like(odds)
    for alike in (steady, ~steady):  # what swings says nothing about what grows
        posterior += _divide(odds, flat, np.abs(growth) * alike)
    sure = posterior[:groups].copy()
    for at in np.flatnonzero(growth > 0).tolist():
        found = _decisive(cells.take(cells.cls == at), float(growth[at]))
        if len(found.group) > 1:
            posterior[:, at] = 0.0
            grown = (found.born - found.died) / found.density
            posterior[found.group, at] = grown / grown.sum()
            sure[found.group, at] = _BEYOND_DOUBT
    return Shares(share=posterior[:groups], unseen=posterior[groups], sure=sure)


def _decisive(cells: Cells, growth: float) -> Cells:
    """Return the cells of one class whose own samples leave no doubt that they grew.

    None where they claim more than the class grew by in all: then some only took over what others
    held before.
    """
    net = cells.born - cells.died
    odds = np.zeros(len(net))
    for at in np.flatnonzero(net >= _ENOUGH).tolist():
        known = {"shape": float(cells.shape[at]), "weight": float(cells.weight[at])}
        ratio = log_ratio(int(cells.born[at]), int(cells.died[at]), float(net[at]), **known)
        odds[at] = ratio + cells.hint[at]
    found = cells.take(odds >= _DECISIVE)
    claimed = float(((found.born - found.died) / found.density).sum())
    return found if claimed <= _OVERDRAWN * growth else cells.take(net < net.min(initial=0))


def _fitting_ratio(born: int, died: int, expected: float, known: dict[str, float]) -> float:
    """Return `log_ratio`, less what it would gain if more had grown than has.

    Who shows more growth than there was did not cause it, but took over from others: the same
    objects at another place.
    """
    ratio = log_ratio(born, died, expected, **known)
    if born - died <= expected:
        return ratio
    return ratio - max(log_ratio(born, died, float(born - died), **known) - ratio, 0.0)


def _divide(odds: Floats, flat: Floats, size: Floats) -> Floats:
    """Return the posterior of each candidate (row) in each class (column).

    The prior of a class is what the *other* classes say, by the bytes that they grew, and with
    the weight of `_ALIKE` of all growth the prior of knowing nothing, `flat` (not normalised): one
    class alone never decides for itself.
    """
    posterior = np.zeros_like(odds)
    busy = np.flatnonzero(size > 0)
    if not len(busy):
        return posterior
    weight = size[busy] / size[busy].sum()
    likelihood = np.exp(odds[:, busy] - odds[:, busy].max(axis=0))
    flat = np.where(np.isfinite(odds[:, busy]), flat[:, busy], 0.0)
    flat = flat / flat.sum(axis=0)
    joint = flat
    for _ in range(_ROUNDS):
        weighed = joint * weight
        others = weighed.sum(axis=1, keepdims=True) - weighed
        joint = (others + _ALIKE * flat) * likelihood
        joint /= joint.sum(axis=0)
    posterior[:, busy] = joint
    return posterior


def log_ratio(born: int, died: int, expected: float, *, shape: float, weight: float) -> float:
    """Return log P(born, died | grew by `expected` samples) / P(born, died | did not grow).

    With the turnover t integrated out under Gamma(shape, weight), the first is, up to what both
    share, exp(-g) times the sum over j of C(born, j) g^(born - j) G(died + j + shape) / r^(died +
    j + shape), where r = 2 + weight; the second is its last term without exp(-g).
    """
    if born == 0:
        return -expected
    if born + died > _LARGE_COUNT:
        return _normal_ratio(born, died, expected)
    rate = math.log(2 + weight)
    null = math.lgamma(born + died + shape) - (born + died + shape) * rate
    terms = [
        math.lgamma(born + 1)
        - math.lgamma(j + 1)
        - math.lgamma(born - j + 1)
        + (born - j) * math.log(expected)
        + math.lgamma(died + j + shape)
        - (died + j + shape) * rate
        for j in range(born + 1)
    ]
    top = max(terms)
    return top + math.log(sum(math.exp(term - top) for term in terms)) - expected - null


def _normal_ratio(born: int, died: int, expected: float) -> float:
    """Return the same for many samples: born - died is normal around the growth."""
    change, variance = born - died, born + died
    return float((change * expected - expected * expected / 2) / variance)
