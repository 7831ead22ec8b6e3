"""What each row of a table does over the captures, in the one word that findings have for it.

By itself a row shows that it holds steady, that its memory comes and goes, or that it levels off.
That it leaks only a finding can say: it weighs all rows, and the runtime's exact counts.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from memsnap.analysis.align import Alignment
from memsnap.analysis.finding import RANKS, Finding
from memsnap.analysis.table import Amounts, Cause
from memsnap.pprof.profile import Bools, Int32s, Int64s

_KEPT_BY_CHURN = 0.05  # of what is allocated, at most this share may stay
_MUCH = 2.0  # churn allocates at least this many times what is live
_ORDER = sorted(Cause, key=lambda cause: RANKS.get(cause, len(RANKS)))
_UNTOLD = len(_ORDER)


def judge(
    *,
    growth: Amounts,
    significant: Bools,
    replaced: Bools,
    allocated: Amounts | None,
    history: Int64s,
) -> npt.NDArray[np.object_]:
    """Return one Cause per row, as far as it tells by itself; the arguments are columns of a table.

    `replaced` marks rows whose growth is offset by shrinkage elsewhere at the same object size:
    together they hold steady.
    """
    verdicts = np.full(len(significant), Cause.UNKNOWN, dtype=np.object_)
    verdicts[growth.bytes == 0] = Cause.STEADY
    if allocated is not None:
        verdicts[~significant & _churns(growth, allocated, history)] = Cause.CHURN
    if history.shape[1] >= 3:
        verdicts[significant & (growth.bytes > 0) & _levels_off(history)] = Cause.CACHE
    verdicts[replaced] = Cause.STEADY
    return verdicts


def told(found: Iterable[Finding], alignment: Alignment, own: Int32s) -> Int64s:
    """Return the cause that findings tell of each row, as a number for `overrule`.

    `own` is the frame of own code of each row.  Findings tell of the lines of their sites; where
    several tell of one line, the most important counts.
    """
    frames, strings = alignment.frames, alignment.frames.strings
    lines: dict[tuple[str, str, int], int] = {}
    for finding in found:
        for site in finding.sites:
            line = (site.function, site.file, site.line)
            lines[line] = min(lines.get(line, _UNTOLD), _ORDER.index(finding.verdict))
    causes = np.full(len(frames) + 1, _UNTOLD, dtype=np.int64)  # the last is that of no frame
    for at in np.unique(own[own >= 0]).tolist():
        line = (strings[frames.function[at]], strings[frames.file[at]], int(frames.line[at]))
        causes[at] = lines.get(line, _UNTOLD)
    return causes[own]


def overrule(
    verdicts: npt.NDArray[np.object_], causes: Int64s, ids: Int64s
) -> npt.NDArray[np.object_]:
    """Return the verdicts of groups with those that findings tell of their rows (see `told`)."""
    most = np.full(len(verdicts), _UNTOLD, dtype=np.int64)
    np.minimum.at(most, ids, causes)
    for number, cause in enumerate(_ORDER):
        verdicts[most == number] = cause
    return verdicts


def _churns(growth: Amounts, allocated: Amounts, history: Int64s) -> Bools:
    much = allocated.bytes > _MUCH * np.maximum(history.max(axis=1), 1)
    return much & (np.abs(growth.bytes) <= _KEPT_BY_CHURN * allocated.bytes)


def _levels_off(history: Int64s) -> Bools:
    """Return which rows rise in their last third at less than a quarter of the first's rate."""
    third = max(history.shape[1] // 3, 1)
    first = history[:, third] - history[:, 0]
    last = history[:, -1] - history[:, -1 - third]
    return 4 * np.maximum(last, 0) < first
