"""A series of captures of one life, taken apart by who grew: the numbers behind the verdicts.

Sites are pooled by the function of own code that they run under: a map's keys, values and
buckets, or the arrays that append outgrows, are one leak of one function.  How much grew is
exact where the runtime counts by size class, and who grew is what `localise` makes of the
samples; where nothing is exact, both come from the profile.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from memsnap.analysis import estimate
from memsnap.analysis.columns import distinct
from memsnap.analysis.diff import Diff
from memsnap.analysis.exact import Exact, exact
from memsnap.analysis.goroutines import Waiting, holds, piles_up, waiting
from memsnap.analysis.ladder import Ladder, ladders
from memsnap.analysis.localise import Cells, divide
from memsnap.analysis.names import package_of
from memsnap.analysis.own import is_own, own_frames
from memsnap.analysis.stacks import stacks
from memsnap.analysis.suspects import Suspects, changed, with_piles
from memsnap.analysis.table import Floats, Table
from memsnap.analysis.trend import rises
from memsnap.pprof.profile import Bools, Int32s, Int64s

_STEADY = 0.1  # probability that a class walks so by chance, up to which it is worth dividing
_SWING_BYTES = 512 << 10  # a change that is worth dividing, steady or not,
_SWING_SHARE = 0.02  # and as a share of the live heap
_CLASS_NOISE = 16 << 10  # bytes that a class may change by for the capture's own sake


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Series:
    """N captures of R rows in G groups.

    `group` (R,) is the group of each row, `function` (G,) the string that names it, `own` (G,)
    whether that is the program's own code.  `born` and `died` (R,) are sampled objects that came
    to stay and that went,  `course` (G, N) is the growth of
    each group since the first capture in bytes, `confidence` (G,) the probability that it is
    this group's, where it is worth a look (`net` bytes).  `classes` (G, C) says which size
    classes the course was read from.
    """

    diff: Diff
    seconds: Floats
    exact: Exact | None
    group: Int64s
    frame: Int32s  # (R,): frame of own code
    function: Int32s
    own: Bools
    born: Int64s
    died: Int64s
    course: Floats
    confidence: Floats
    classes: Bools
    shared: Floats  # (G,): bytes of the course that may as well be another group's
    ladders: tuple[Ladder, ...]
    piles: tuple[Waiting, ...]  # goroutines that pile up
    density: Floats  # (R,): samples per byte
    total: Floats  # (N,): the live heap, exact where it can be
    live: Floats  # (G, N): live bytes as the profile estimates them
    table: Table  # the groups as rows of a diff
    clocked: bool  # whether `seconds` are seconds

    @property
    def net(self) -> Floats:
        """(G,): growth from the first capture to the last, in bytes."""
        return self.course[:, -1]

    def sampled_limits(self, group: int) -> tuple[float, float]:
        """Return the 95 % limits of a group's growth in bytes, from its samples alone."""
        bounds = self.table.growth_bounds
        return float(bounds.low_bytes[group]), float(bounds.high_bytes[group])

    def ladder_of(self, group: int) -> Ladder | None:
        """Return the ladder that a group climbs between the captures, the highest of several."""
        mine = [
            ladder
            for ladder in self.ladders
            if ladder.climbs and int(self.group[ladder.rows[0]]) == group
        ]
        return max(mine, key=lambda ladder: ladder.top[-1], default=None)

    def in_course(self, rows: Int64s) -> Bools:
        """Return which of `rows` are of a size class that their group's course was read from."""
        if self.exact is None:
            return np.ones(len(rows), dtype=np.bool_)
        cls = self.exact.class_of(self.diff.alignment.object_bytes[rows])
        found: Bools = self.classes[self.group[rows], cls]
        return found

    def allocated_in_course(self, group: int) -> float | None:
        """Return the bytes allocated in the classes of a group's course; None if unknown."""
        allocated = self.diff.counts.alloc_bytes
        if allocated is None:
            return None
        rows = np.flatnonzero(self.group == group)
        rows = rows[self.in_course(rows)]
        return float((allocated[rows, -1] - allocated[rows, 0]).sum())

    def main_classes(self, group: int) -> list[int]:
        """Return the sizes of the classes that a group grew most in, three at most; 0 is large."""
        if self.exact is None:
            return []
        grown = (self.exact.live[:, -1] - self.exact.live[:, 0]) * self.classes[group]
        order = np.argsort(-grown, kind="stable")[:3]
        return [int(self.exact.sizes[at]) for at in order if grown[at] > 0.1 * grown.max()]

    def name(self, group: int) -> str:
        """Return the function that names a group."""
        at = int(self.function[group])
        return self.diff.alignment.frames.strings[at] if at >= 0 else ""


def series(diff: Diff) -> Series:
    """Return the series of a diff of one life; raises nothing of its own."""
    frame, function, group, own = _groups(diff)
    born, died = changed(diff, 0, len(diff.snapshots) - 1)
    sizes, rate = diff.alignment.object_bytes, diff.after.heap.period
    density = estimate.probabilities(sizes, rate) / np.maximum(sizes, 1)
    exactly = exact(diff.snapshots)
    seconds = seconds_of(diff)
    found = ladders(diff, frame)
    piles = tuple(one for one in waiting(diff.snapshots) if piles_up(seconds, one))
    if exactly is None:
        course, confidence, classes, shared = _by_profile(diff, group, len(function))
    else:
        suspects = Suspects(
            diff=diff, exact=exactly, group=group, frame=frame, density=density, ladders=found
        )
        cells = with_piles(suspects.cells(), _holders(diff, (function, own), piles))
        course, confidence, classes, shared = _by_classes(
            exactly, cells, len(function), rate=rate, seconds=seconds
        )
    return Series(
        diff=diff,
        seconds=seconds,
        exact=exactly,
        group=group,
        frame=frame,
        function=function,
        own=own,
        born=born,
        died=died,
        course=course,
        confidence=confidence,
        classes=classes,
        shared=shared,
        ladders=found,
        piles=piles,
        density=density,
        total=diff.counts.live_bytes.sum(axis=0).astype(np.float64)
        if exactly is None
        else exactly.total,
        live=_sums(group, diff.counts.live_bytes, len(function)),
        table=diff.grouped(group, len(function)),
        clocked=_clocked(diff),
    )


def _sums(group: Int64s, columns: Int64s, groups: int) -> Floats:
    return np.stack(
        [np.bincount(group, weights=column, minlength=groups) for column in columns.T], axis=1
    )


def seconds_of(diff: Diff) -> Floats:
    """Return the time of each capture since the first; their numbers where no clock is known."""
    taken = [snapshot.capture.taken_ns for snapshot in diff.snapshots]
    if not _clocked(diff):
        return np.arange(len(taken), dtype=np.float64)
    return (np.array(taken, dtype=np.int64) - taken[0]) / 1e9


def _clocked(diff: Diff) -> bool:
    taken = [snapshot.capture.taken_ns for snapshot in diff.snapshots]
    return all(taken) and all(early < late for early, late in pairwise(taken))


def _groups(diff: Diff) -> tuple[Int32s, Int32s, Int64s, Bools]:
    """Return frame of own code by row, function by group, group by row, and own by group.

    Stacks without own code go by the package of their outermost function: what their goroutine
    is for.  The outermost function that holds most stands for such a group.
    """
    alignment = diff.alignment
    frames, strings = alignment.frames, alignment.frames.strings
    module = diff.after.capture.process.module
    everything = np.arange(len(alignment))
    frame = own_frames(alignment, everything, module)
    start, spots = stacks(alignment, everything)
    root = np.full(len(alignment), -1, dtype=np.int64)
    deep = np.flatnonzero(np.diff(start))
    root[deep] = frames.function[spots[start[deep + 1] - 1]]
    is_mine = np.zeros(len(strings) + 1, dtype=np.bool_)
    package = np.full(len(strings) + 1, -1, dtype=np.int64)
    known: dict[str, int] = {}
    for at in set(frames.function.tolist()):
        path = package_of(strings[at])
        is_mine[at] = is_own(path, module)
        package[at] = known.setdefault(path, len(known))
    innermost = np.where(frame >= 0, frames.function[frame], -1)
    own = is_mine[innermost]
    named = np.where(own, innermost, len(strings) + 1 + package[root])
    values, group = distinct(named)
    function = np.where(values < len(strings), values, -1).astype(np.int32)
    order = np.argsort(diff.counts.live_bytes[:, -1], kind="stable")
    order = order[~own[order]]
    function[group[order]] = root[order]  # the last write wins: the largest
    return frame, function, group, is_mine[function] & (values < len(strings))


def _holders(diff: Diff, groups: tuple[Int32s, Bools], piles: tuple[Waiting, ...]) -> Int64s:
    """Return the groups whose code runs, or started, goroutines that pile up."""
    strings = diff.alignment.frames.strings
    found = []
    for group, (at, own) in enumerate(zip(*(column.tolist() for column in groups), strict=True)):
        name = strings[at] if at >= 0 else ""
        package = package_of(name)
        if any(
            holds(name, one) if own else package == package_of(one.entry.function) for one in piles
        ):
            found.append(group)
    return np.array(found, dtype=np.int64)


def _by_classes(
    exactly: Exact, cells: Cells, groups: int, *, rate: int, seconds: Floats
) -> tuple[Floats, Floats, Bools, Floats]:
    """Divide the exact growth of every class over the groups."""
    growth = np.array(
        [exactly.live[at, b] - exactly.live[at, a] for at, (a, b) in enumerate(exactly.spans())]
    )
    noise = np.maximum(_CLASS_NOISE, 2.0 * exactly.sizes)
    walk = np.array([min(rises(seconds, row), rises(seconds, -row)) for row in exactly.live])
    steady = (np.abs(growth) > noise) & (walk < _STEADY)
    large = np.abs(growth) > max(_SWING_BYTES, _SWING_SHARE * float(exactly.total[-1]))
    growth = np.where(steady | large, growth, 0.0)
    shares = divide(cells, groups, growth, rate=rate, steady=steady)
    since = exactly.live - exactly.live[:, :1]
    size = np.abs(growth)
    weighed = shares.share * size
    doubt = (shares.share * (1 - shares.share) * size).sum(axis=1)
    confidence = (shares.sure * weighed).sum(axis=1) / np.maximum(weighed.sum(axis=1), 1.0)
    return shares.share @ since, confidence, shares.sure > 0.5, doubt


def _by_profile(diff: Diff, group: Int64s, groups: int) -> tuple[Floats, Floats, Bools, Floats]:
    """Take the profile's own estimates, where the runtime's counters are not known."""
    live = _sums(group, diff.counts.live_bytes, groups)
    course = live - live[:, :1]
    table = diff.grouped(group, groups)
    sure = np.where(table.significant & (table.growth.bytes > 0), 1 - table.p_value, 0.5)
    return course, sure, np.zeros((groups, 0), dtype=np.bool_), np.zeros(groups)
