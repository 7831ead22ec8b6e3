"""Signals of one capture that no growth tells: what slices hold, and what is allocated in vain.

None of them is a leak.  The thresholds are starting points, set where a Go programmer would want
to look; what of a kept array is really used only a snapshot of the objects themselves can tell.
"""

import numpy as np

from memsnap.analysis.catalogue import CATALOGUE
from memsnap.analysis.columns import distinct
from memsnap.analysis.finding import Cause, Finding, Number, Place, Severity
from memsnap.analysis.names import short_function, short_type
from memsnap.analysis.series import Series
from memsnap.analysis.stacks import frame_of
from memsnap.pprof.profile import Bools, Int64s
from memsnap.units import format_bytes, format_count

_MANY_OBJECTS = 10_000  # live slices of one line
_SMALL = 1 << 10  # bytes of a small one
_LARGE = 1 << 20  # bytes of one array from which on its capacity is worth a question
_SHARE = 0.05  # of the live heap: less is not worth one
_SURGE_BYTES_PER_S = 32 << 20  # allocated at one line
_IN_VAIN = 0.01  # share of it that is live
_MOST = 3  # findings of a kind


def signals(series: Series) -> list[Finding]:
    """Return the signals of a series, by kind, the largest first."""
    slices = _is_slice(series)
    sizes = series.diff.alignment.object_bytes
    return [
        *_small_slices(series, slices & (sizes <= _SMALL)),
        *_large_arrays(series, slices & (sizes >= _LARGE)),
        *_surges(series),
    ]


def _is_slice(series: Series) -> Bools:
    """Return which rows are arrays that make or append allocated, as far as types are known."""
    alignment = series.diff.alignment
    strings = alignment.frames.strings
    made = [at for at, text in enumerate(strings) if text in ("make", "append")]
    arrays = [at for at, text in enumerate(strings) if text.startswith("[]")]
    return np.isin(alignment.alloc, made) & np.isin(alignment.type, arrays)


def _by_line(series: Series, rows: Int64s, amount: Int64s) -> list[tuple[Int64s, int]]:
    """Return the rows of each line of own code and their `amount`, the largest few first."""
    frames, ids = distinct(series.frame[rows])
    totals = np.bincount(ids, weights=amount[rows], minlength=len(frames))
    order = np.argsort(-totals, kind="stable")
    return [(rows[ids == at], int(totals[at])) for at in order[:_MOST].tolist()]


def _small_slices(series: Series, chosen: Bools) -> list[Finding]:
    counts = series.diff.counts
    lines = _by_line(series, np.flatnonzero(chosen), counts.live_objects[:, -1])
    found = []
    for rows, objects in lines:
        held = int(counts.live_bytes[rows, -1].sum())
        if objects > _MANY_OBJECTS and held > _SHARE * float(series.total[-1]):
            title = f"holds {format_count(objects)} small slices, {format_bytes(held)} in all"
            evidence: dict[str, Number] = {"live_objects": objects, "live_bytes": held}
            found.append(_finding(series, rows, ("small-slices", title), evidence))
    return found


def _large_arrays(series: Series, chosen: Bools) -> list[Finding]:
    counts = series.diff.counts
    stays = (counts.live_raw > 0).all(axis=1)
    lines = _by_line(series, np.flatnonzero(chosen & stays), counts.live_bytes[:, -1])
    found = []
    for rows, held in lines:
        if held > _SHARE * float(series.total[-1]):
            largest = int(series.diff.alignment.object_bytes[rows].max())
            title = f"keeps arrays of up to {format_bytes(largest)}, {format_bytes(held)} in all"
            evidence: dict[str, Number] = {"largest_bytes": largest, "live_bytes": held}
            found.append(_finding(series, rows, ("capacity", title), evidence))
    return found


def _surges(series: Series) -> list[Finding]:
    counts = series.diff.counts
    if counts.alloc_bytes is None or not series.clocked:
        return []
    spent = counts.alloc_bytes[:, -1] - counts.alloc_bytes[:, 0]
    seconds = float(series.seconds[-1])
    found = []
    for rows, total in _by_line(series, np.arange(len(spent)), spent):
        held = int(counts.live_bytes[rows].max(axis=1).sum())
        if total > _SURGE_BYTES_PER_S * seconds and held < _IN_VAIN * total:
            rate = total / seconds
            title = f"allocates {format_bytes(rate)}/s and keeps nothing of it"
            evidence: dict[str, Number] = {"allocated_bytes_per_s": round(rate), "live_bytes": held}
            found.append(_finding(series, rows, ("alloc-surge", title), evidence))
    return found


def _finding(
    series: Series, rows: Int64s, said: tuple[str, str], evidence: dict[str, Number]
) -> Finding:
    """Return the remark on the line of `rows`; `said` are its kind and what it does."""
    kind, title = said
    alignment = series.diff.alignment
    at = frame_of(alignment, int(series.frame[rows[0]])) if series.frame[rows[0]] >= 0 else None
    types = set(alignment.type[rows].tolist())
    only = types.pop() if len(types) == 1 else -1
    type_name = short_type(alignment.frames.strings[only]) if only >= 0 else ""
    function, file, line = (at.function, at.file, at.line) if at else ("", "", 0)
    entry = CATALOGUE[kind]
    place = Place(function=function, file=file, line=line, type=type_name, bytes=0)
    return Finding(
        id=f"{kind}:{function}",
        kind=kind,
        verdict=Cause.CHURN if kind == "alloc-surge" else Cause.STEADY,
        severity=Severity.INFO,
        confidence=0.9,
        title=f"{short_function(function) or 'code without a stack'} {title}",
        detail=(entry.meaning,),
        advice=entry.advice,
        example=entry.example,
        function=function,
        file=file,
        line=line,
        type=type_name,
        sites=(place,),
        evidence=tuple(evidence.items()),
    )
