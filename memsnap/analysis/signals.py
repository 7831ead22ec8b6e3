"""Signals of captures that no growth tells: what slices hold, and what is allocated in vain.

None of them is a leak.  The thresholds are starting points, set where a Go programmer would want
to look; what of a kept array is really used only a snapshot of the objects themselves can tell.
"""

from dataclasses import dataclass

import numpy as np

from memsnap.analysis.align import Alignment
from memsnap.analysis.catalogue import CATALOGUE
from memsnap.analysis.columns import distinct
from memsnap.analysis.finding import Cause, Finding, Number, Place, Severity
from memsnap.analysis.names import short_function, short_type
from memsnap.analysis.series import Series
from memsnap.analysis.stacks import frame_of
from memsnap.pprof.profile import Bools, Int32s, Int64s
from memsnap.units import format_bytes, format_count

_MANY_OBJECTS = 10_000  # live slices of one line
_SMALL = 1 << 10  # bytes of a small one
_LARGE = 1 << 20  # bytes of one array from which on its capacity is worth a question
_SHARE = 0.05  # of the live heap: less is not worth one
_SURGE_BYTES_PER_S = 32 << 20  # allocated at one line
_IN_VAIN = 0.01  # share of it that is live
_MOST = 3  # findings of a kind


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Held:
    """What captures hold, as one column per fact and one row per row of the alignment.

    `frame` is the frame of own code (-1: none), `stays` whether something of the row was live in
    every capture.  `spent` is the bytes allocated in `seconds`, None where one of them is not
    known, and `most` the largest number of live bytes meanwhile.  `total` is the live heap.
    """

    alignment: Alignment
    frame: Int32s
    live_objects: Int64s
    live_bytes: Int64s
    stays: Bools
    most: Int64s
    spent: Int64s | None
    seconds: float
    total: float


def held_over(series: Series) -> Held:
    """Return what the last capture of a series holds, and what was allocated since the first."""
    counts = series.diff.counts
    allocated = counts.alloc_bytes if series.clocked else None
    stays: Bools = counts.live_raw.min(axis=1) > 0
    return Held(
        alignment=series.diff.alignment,
        frame=series.frame,
        live_objects=counts.live_objects[:, -1],
        live_bytes=counts.live_bytes[:, -1],
        stays=stays,
        most=counts.live_bytes.max(axis=1),
        spent=None if allocated is None else allocated[:, -1] - allocated[:, 0],
        seconds=float(series.seconds[-1]),
        total=float(series.total[-1]),
    )


def signals(held: Held) -> list[Finding]:
    """Return the signals by kind, the largest first."""
    slices = _is_slice(held)
    sizes = held.alignment.object_bytes
    return [
        *_small_slices(held, slices & (sizes <= _SMALL)),
        *_large_arrays(held, slices & (sizes >= _LARGE)),
        *_surges(held),
    ]


def _is_slice(held: Held) -> Bools:
    """Return which rows are arrays that make or append allocated, as far as types are known."""
    alignment = held.alignment
    strings = alignment.frames.strings
    made = [at for at, text in enumerate(strings) if text in ("make", "append")]
    arrays = [at for at, text in enumerate(strings) if text.startswith("[]")]
    return np.isin(alignment.alloc, made) & np.isin(alignment.type, arrays)


def _by_line(held: Held, rows: Int64s, amount: Int64s) -> list[tuple[Int64s, int]]:
    """Return the rows of each line of own code and their `amount`, the largest few first."""
    frames, ids = distinct(held.frame[rows])
    totals = np.bincount(ids, weights=amount[rows], minlength=len(frames))
    order = np.argsort(-totals, kind="stable")
    return [(rows[ids == at], int(totals[at])) for at in order[:_MOST].tolist()]


def _small_slices(held: Held, chosen: Bools) -> list[Finding]:
    lines = _by_line(held, np.flatnonzero(chosen), held.live_objects)
    found = []
    for rows, objects in lines:
        size = int(held.live_bytes[rows].sum())
        if objects > _MANY_OBJECTS and size > _SHARE * held.total:
            title = f"holds {format_count(objects)} small slices, {format_bytes(size)} in all"
            evidence: dict[str, Number] = {"live_objects": objects, "live_bytes": size}
            found.append(_finding(held, rows, ("small-slices", title), evidence))
    return found


def _large_arrays(held: Held, chosen: Bools) -> list[Finding]:
    lines = _by_line(held, np.flatnonzero(chosen & held.stays), held.live_bytes)
    found = []
    for rows, size in lines:
        if size > _SHARE * held.total:
            largest = int(held.alignment.object_bytes[rows].max())
            title = f"keeps arrays of up to {format_bytes(largest)}, {format_bytes(size)} in all"
            evidence: dict[str, Number] = {"largest_bytes": largest, "live_bytes": size}
            found.append(_finding(held, rows, ("capacity", title), evidence))
    return found


def _surges(held: Held) -> list[Finding]:
    if held.spent is None:
        return []
    found = []
    for rows, total in _by_line(held, np.arange(len(held.spent)), held.spent):
        most = int(held.most[rows].sum())
        if total > _SURGE_BYTES_PER_S * held.seconds and most < _IN_VAIN * total:
            rate = total / held.seconds
            title = f"allocates {format_bytes(rate)}/s and keeps nothing of it"
            evidence: dict[str, Number] = {"allocated_bytes_per_s": round(rate), "live_bytes": most}
            found.append(_finding(held, rows, ("alloc-surge", title), evidence))
    return found


def _finding(
    held: Held, rows: Int64s, said: tuple[str, str], evidence: dict[str, Number]
) -> Finding:
    """Return the remark on the line of `rows`; `said` are its kind and what it does."""
    kind, title = said
    alignment = held.alignment
    at = frame_of(alignment, int(held.frame[rows[0]])) if held.frame[rows[0]] >= 0 else None
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
