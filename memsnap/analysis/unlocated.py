"""A heap that grows though no site stands out: how fast, and what it would take to see where.

Objects of one size may be seen to grow where the sum over all sizes is too restless to tell.
"""

import numpy as np

from memsnap.analysis.catalogue import CATALOGUE
from memsnap.analysis.diff import Diff
from memsnap.analysis.exact import Exact, exact
from memsnap.analysis.finding import Cause, Finding, Growth, Severity
from memsnap.analysis.growth import visible_growth_bytes
from memsnap.analysis.lineage import elapsed_s
from memsnap.analysis.series import seconds_of
from memsnap.analysis.table import Floats
from memsnap.analysis.trend import Shape, rises, shape, trend
from memsnap.units import format_bytes, format_duration, format_size

_STEADY = 0.02  # that a walk rises so by chance: below, a series grows
_STEADY_SIZE = 0.01  # likewise, of any of the sizes looked at
_SMALL_BYTES = 64 << 10
_NOISE_BYTES = 32 << 10
_FINE_RATE = 64 << 10  # a sampling rate that costs little, and shows eight times as much


def heap_without_site(diff: Diff) -> list[Finding]:
    """Return the finding that the exact live heap grew, where it did; it names no line."""
    exactly = exact(diff.snapshots)
    if exactly is None or not diff.lineage.one_life:
        return []
    growth = int(exactly.total[-1] - exactly.total[0])
    rate = max(diff.after.heap.period, 1)
    if len(diff.snapshots) < 3:
        least = max(visible_growth_bytes(rate) // 2, 0.05 * float(exactly.total[0]))
        return [_finding(diff, exactly, (growth, growth, growth))] if growth >= least else []
    seconds = seconds_of(diff)
    for course, sizes in ((exactly.total, ()), _steady_sizes(seconds, exactly)):
        ends = _steady_growth(seconds, course)
        if ends is not None:
            return [_finding(diff, exactly, ends, sizes)]
    return []


def _steady_growth(seconds: Floats, course: Floats) -> tuple[int, int, int] | None:
    """Return the growth of a course and its 95 % limits, None where it does not rise steadily."""
    growth = int(course[-1] - course[0])
    if growth < _SMALL_BYTES or rises(seconds, course) > _STEADY:
        return None
    if shape(seconds, course, noise=_NOISE_BYTES) is not Shape.RISING:
        return None
    line = trend(seconds, course)
    low, high = line.low * line.seconds, line.high * line.seconds
    return growth, round(min(low, growth)), round(max(high, growth))


def _steady_sizes(seconds: Floats, exactly: Exact) -> tuple[Floats, tuple[int, ...]]:
    """Return the bytes of all classes that surely rise, added up, and their sizes, most first."""
    least = exactly.live[:, -1] - exactly.live[:, 0] >= _SMALL_BYTES
    tried = np.flatnonzero(least & (exactly.sizes > 0)).tolist()
    sure = [at for at in tried if rises(seconds, exactly.live[at]) <= _STEADY_SIZE / len(tried)]
    sure.sort(key=lambda at: float(exactly.live[at, 0] - exactly.live[at, -1]))
    return exactly.live[sure].sum(axis=0), tuple(int(exactly.sizes[at]) for at in sure)


def _finding(
    diff: Diff, exactly: Exact, growth: tuple[int, int, int], sizes: tuple[int, ...] = ()
) -> Finding:
    middle, low, high = growth
    what = "The live heap"
    if sizes:
        what = f"What consists of objects of {', '.join(map(format_size, sizes[:3]))}"
    seconds = elapsed_s(diff.before.capture, diff.after.capture)
    speed = middle / seconds if seconds and seconds > 0 else None
    samples = middle / max(diff.after.heap.period, 1)
    return Finding(
        id="heap-growth:",
        kind="heap-growth",
        verdict=Cause.UNKNOWN,
        severity=Severity.LOW,
        confidence=0.5,
        title=f"{what} grew by {format_bytes(middle)}, and no single site stands out",
        detail=tuple(_detail(diff, exactly, samples, speed)),
        advice=CATALOGUE["heap-growth"].advice,
        growth=Growth(bytes=middle, low_bytes=low, high_bytes=high, bytes_per_s=speed),
        evidence=(("expected_samples", round(samples, 1)),),
    )


def _detail(diff: Diff, exactly: Exact, samples: float, speed: float | None) -> list[str]:
    """Return what is exact, what sampling cannot see, and how long it would take to."""
    before, after = float(exactly.total[0]), float(exactly.total[-1])
    known = "less what was allocated until it was read" if exactly.corrected else "exact"
    detail = [
        f"HeapAlloc behind the GC: {format_bytes(before)}, then {format_bytes(after)} ({known})"
    ]
    grown = exactly.live[:, -1] - exactly.live[:, 0]
    most = int(np.argmax(grown))
    if len(exactly.sizes) > 1 and grown[most] > 0.5 * (after - before):
        size = int(exactly.sizes[most])
        objects = f"objects of {format_size(size)}" if size else "objects of more than 18 kB"
        detail.append(f"{format_bytes(float(grown[most]))} of it are {objects}")
    rate = max(diff.after.heap.period, 1)
    visible = visible_growth_bytes(rate)
    expected = f"{samples:.1f} samples expected in all; one site shows from about 8 on"
    if speed and speed > 0 and samples < visible / rate:
        wait = format_duration(visible / speed)
        expected += (
            f": wait {wait} in all, or start with GODEBUG=memprofilerate={_FINE_RATE}, "
            f"which shows it after {format_duration(visible / speed * _FINE_RATE / rate)}"
        )
    return [*detail, expected]
