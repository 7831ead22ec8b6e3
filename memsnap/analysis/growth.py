"""Growth that two captures show: the lines that surely grew, and a heap that grew without one.

Two captures cannot tell a leak from a cache that fills, so nothing here claims a leak.
"""

import numpy as np

from memsnap.analysis.catalogue import CATALOGUE
from memsnap.analysis.diff import Diff
from memsnap.analysis.finding import Cause, Finding, Growth, Number, Place, Severity
from memsnap.analysis.lineage import elapsed_s
from memsnap.analysis.names import short_function, short_type
from memsnap.analysis.rows import Frame, Row, row
from memsnap.analysis.stacks import frame_of
from memsnap.pprof.profile import Int64s
from memsnap.units import format_bytes, format_count, format_size

_WORTH_SAYING = 64 << 10  # bytes of sure growth below which a line is not worth a finding
_WORTH_SHARE = 0.005  # of the live heap, likewise
_KINDS_SHOWN = 4
_UNSETTLED = 0.5  # confidence where leak and cache are as likely
_ENOUGH_TO_PROJECT_S = 5.0  # time between captures from which on an hour may be projected


def visible_growth_bytes(rate: int) -> int:
    """Return the growth of small objects at one site from which on it can be called significant.

    Eight sampled objects, none of them freed: fewer cannot reach the p-value.
    """
    return 8 * max(rate, 1)


def growing_lines(diff: Diff) -> list[Finding]:
    """Return one finding per line of own code that surely grew, by the sure growth."""
    table, frames, ids = diff.own_lines
    least = max(_WORTH_SAYING, int(_WORTH_SHARE * int(diff.counts.live_bytes[:, -1].sum())))
    sure = table.growth_bounds.low_bytes
    worth = np.flatnonzero(table.significant & (sure >= least))
    findings = []
    for number in worth[np.argsort(-sure[worth], kind="stable")].tolist():
        frame = int(frames[number])
        at = frame_of(diff.alignment, frame) if frame >= 0 else None
        objects = _objects(diff, diff.selected[ids == number])
        findings.append(_growing_line(diff, row(table, number, ()), at, objects))
    return findings


def _growing_line(diff: Diff, line: Row, at: Frame | None, objects: str) -> Finding:
    """Return the finding on `line`, which stands for all sites under the frame `at`."""
    limits = line.growth_limits
    seconds = elapsed_s(diff.before.capture, diff.after.capture)
    name = at.function if at else ""
    place = at or Frame("", "", 0)
    evidence: dict[str, Number] = {
        "growth_objects": line.growth.objects,
        "survived_low_bytes": line.survived.low_bytes,
        "survived_high_bytes": line.survived.high_bytes,
        "samples": line.samples,
        "sites": line.buckets,
        "p_value": line.p_value,
    }
    return Finding(
        id=f"growth:{name}",
        kind="growth",
        verdict=Cause.UNKNOWN,
        severity=Severity.MEDIUM,
        confidence=_UNSETTLED,
        title=f"{short_function(name) or 'code without a stack'} "
        f"holds {format_bytes(line.growth.bytes)} more "
        f"({format_bytes(limits.low_bytes)} to {format_bytes(limits.high_bytes)})",
        detail=tuple(_growth_detail(diff, line, objects, seconds)),
        advice=f"{CATALOGUE['growth'].advice} {_third(diff)}",
        function=place.function,
        file=place.file,
        line=place.line,
        type=line.type,
        sites=(
            Place(
                function=place.function,
                file=place.file,
                line=place.line,
                type=line.type,
                bytes=line.growth.bytes,
            ),
        ),
        growth=Growth(
            bytes=line.growth.bytes,
            low_bytes=limits.low_bytes,
            high_bytes=limits.high_bytes,
            bytes_per_s=line.growth.bytes / seconds if seconds and seconds > 0 else None,
        ),
        evidence=tuple(evidence.items()),
    )


def _third(diff: Diff) -> str:
    if len(diff.snapshots) == 2:
        return "Two captures cannot tell a leak from a cache that fills: take a third later."
    return "Only captures of one life can tell a leak from a cache that fills."


def _growth_detail(diff: Diff, line: Row, what: str, seconds: float | None) -> list[str]:
    detail = [f"{format_count(line.growth.objects)} more objects: {what}"]
    if line.allocated and diff.lineage.one_life:
        allocated = line.allocated.bytes
        kept = min(line.growth.bytes / allocated, 1.0) if allocated else 0.0
        detail.append(
            f"{kept:.0%} of what it allocated in between is still there, and "
            f"{_share(line)} of what was there before"
        )
    if seconds:
        rate = line.growth.bytes / seconds
        hourly = f", {format_bytes(rate * 3600)} an hour" if seconds >= _ENOUGH_TO_PROJECT_S else ""
        detail.append(f"{format_bytes(rate)}/s{hourly}")
    return detail


def _objects(diff: Diff, sites: Int64s) -> str:
    """Return type and size of the objects that grew most among `sites`, four kinds at most."""
    growth, alignment = diff.counts.growth_bytes[sites], diff.alignment
    kinds: dict[str, None] = {}
    for site in sites[np.argsort(-growth, kind="stable")][: int((growth > 0).sum())].tolist():
        size = format_size(int(alignment.object_bytes[site]))
        named = int(alignment.type[site])
        type_name = short_type(alignment.frames.strings[named]) if named >= 0 else ""
        kind = f"{type_name} of {size}" if type_name else f"{size} each"
        kinds[kind] = None
        if len(kinds) == _KINDS_SHOWN:
            break
    return ", ".join(kinds)


def _share(line: Row) -> str:
    before = line.before.bytes
    if not before:
        return "nothing"
    low = min(line.survived.low_bytes / before, 1.0)
    high = min(line.survived.high_bytes / before, 1.0)
    return f"{high:.0%}" if f"{low:.0%}" == f"{high:.0%}" else f"{low:.0%} to {high:.0%}"
