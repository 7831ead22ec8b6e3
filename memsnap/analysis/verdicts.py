"""What each row does over the captures, in one word.

Two captures can show growth; only a series tells a leak from a cache that fills.
"""

import numpy as np
import numpy.typing as npt

from memsnap.analysis.table import Amounts, Verdict
from memsnap.pprof.profile import Bools, Int64s

_KEPT_BY_CHURN = 0.05  # of what is allocated, at most this share may stay
_MUCH = 2.0  # churn allocates at least this many times what is live


def judge(
    *,
    growth: Amounts,
    significant: Bools,
    replaced: Bools,
    allocated: Amounts | None,
    history: Int64s,
) -> npt.NDArray[np.object_]:
    """Return one Verdict per row; the arguments are columns of a table.

    `replaced` marks rows whose growth is offset by shrinkage elsewhere at the same object size.
    """
    up = significant & (growth.bytes > 0)
    verdicts = np.full(len(significant), Verdict.STEADY, dtype=np.object_)
    verdicts[growth.bytes != 0] = Verdict.UNCLEAR
    if allocated is not None:
        verdicts[~significant & _churns(growth, allocated, history)] = Verdict.CHURN
    verdicts[significant & (growth.bytes < 0)] = Verdict.SHRINKING
    verdicts[up] = Verdict.GROWTH
    if history.shape[1] >= 3:
        verdicts[up & _rises_throughout(history)] = Verdict.LEAK
        verdicts[up & _levels_off(history)] = Verdict.LEVELLING
    verdicts[replaced] = Verdict.REPLACED
    return verdicts


def _churns(growth: Amounts, allocated: Amounts, history: Int64s) -> Bools:
    much = allocated.bytes > _MUCH * np.maximum(history.max(axis=1), 1)
    return much & (np.abs(growth.bytes) <= _KEPT_BY_CHURN * allocated.bytes)


def _rises_throughout(history: Int64s) -> Bools:
    """Return which rows never fall by more than a tenth of their whole rise."""
    rise = history[:, -1] - history[:, 0]
    return np.diff(history, axis=1).min(axis=1) > -0.1 * rise


def _levels_off(history: Int64s) -> Bools:
    """Return which rows rise in their last third at less than a quarter of the first's rate."""
    third = max(history.shape[1] // 3, 1)
    first = history[:, third] - history[:, 0]
    last = history[:, -1] - history[:, -1 - third]
    return 4 * np.maximum(last, 0) < first
