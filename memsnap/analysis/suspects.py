"""What speaks for and against each group of sites, in each size class that may have grown there.

Beside the sampled births and deaths in the window stand what a group did before it, what shares
of its objects it lets go, whether all of its sizes grew or only one, and who waits in its code.
"""

from dataclasses import dataclass, replace

import numpy as np

from memsnap.analysis.columns import distinct
from memsnap.analysis.diff import Diff
from memsnap.analysis.exact import Exact
from memsnap.analysis.ladder import Ladder
from memsnap.analysis.localise import Cells
from memsnap.analysis.table import Floats
from memsnap.pprof.profile import Bools, Int32s, Int64s

_HISTORY = 3.0  # windows of history that may speak for a group's turnover, at most
_PARTIAL = 0.2  # how likely a leak keeps only a part, against one that keeps all
_FEW = 2.0  # sampled objects that speak half as loud as many
_PILE_ODDS = 3.0  # logarithm: goroutines that pile up make their code 20 times as suspect
_ONE_SIZE = 3.0  # logarithm of odds against growth in one of many sizes that a site allocates


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Suspects:
    """The rows of a series: their `group`, `frame` of own code, and `density` in samples a byte."""

    diff: Diff
    exact: Exact
    group: Int64s
    frame: Int32s
    density: Floats
    ladders: tuple[Ladder, ...]

    def cells(self) -> Cells:
        """Return what every group shows in every class, over the span that moved each most."""
        counts = self.diff.counts
        cls = self.exact.class_of(self.diff.alignment.object_bytes)
        classes = len(self.exact.sizes)
        keys, ids = distinct(self.group * classes + cls)
        born, died = self._changed(cls)
        raw = np.maximum(counts.live_raw.max(axis=1), 1).astype(np.float64)
        held = np.bincount(ids, weights=raw / self.density, minlength=len(keys))
        shape, weight = _history(self.diff, ids, len(keys))
        hint = self._releases(ids, born, len(keys)) + self._in_one_size(cls, ids, born, len(keys))
        for ladder in self.ladders:
            hint[ids[ladder.rows]] = ladder.log_odds
        return Cells(
            group=keys // classes,
            cls=keys % classes,
            born=np.bincount(ids, weights=born, minlength=len(keys)).astype(np.int64),
            died=np.bincount(ids, weights=died, minlength=len(keys)).astype(np.int64),
            density=np.bincount(ids, weights=raw, minlength=len(keys)) / held,
            shape=shape,
            weight=weight,
            hint=hint,
        )

    def _changed(self, cls: Int64s) -> tuple[Int64s, Int64s]:
        """Return per row what came and went over the span of its class."""
        born, died = np.zeros((2, len(cls)), dtype=np.int64)
        spans = self.exact.spans()
        for span in set(spans):
            rows = np.flatnonzero(np.array([pair == span for pair in spans])[cls])
            came, went = changed(self.diff, *span)
            born[rows], died[rows] = came[rows], went[rows]
        return born, died

    def _releases(self, ids: Int64s, born: Int64s, cells: int) -> Floats:
        """Return the logarithm of odds against cells whose sites let go of what they allocate.

        Most leaks keep everything; a site that leaks a part of what it mostly releases is rarer.
        What a site does in one size it does in all: its sizes are judged together.  Of several
        sites of a cell the likeliest speaks, of those that something came to stay at.
        """
        allocated = self.diff.counts.alloc_raw
        if allocated is None:
            return np.zeros(cells)
        site = self._sites()
        ever = np.bincount(site, weights=allocated[:, -1])
        held = np.bincount(site, weights=self.diff.counts.live_raw[:, -1])
        released = (ever - held) / (ever + _FEW)
        return _likeliest(np.log1p(-(1 - _PARTIAL) * released)[site], ids, born, cells)

    def _sites(self) -> Int64s:
        """Return the number of each row's site: its line of own code, what it calls, and type.

        Where append outgrows arrays each size is a site of its own: it lets go of all but one.
        """
        alignment = self.diff.alignment
        size = np.where(self._appends(), alignment.object_bytes, 0)
        site = np.zeros(len(size), dtype=np.int64)
        for column in (self.frame, alignment.leaf, alignment.type, size):
            _, site = distinct(site << 40 | (column.astype(np.int64) + 1))
        return site

    def _in_one_size(self, cls: Int64s, ids: Int64s, born: Int64s, cells: int) -> Floats:
        """Return the odds against growth in one class at sites that allocate in many.

        A site that leaks leaks in all of its sizes, in the proportions in which it allocates
        them.  The odds rest on the share of the growth to expect in the other classes that the
        runtime counted there.  Of several sites of a cell, the likeliest speaks.
        """
        allocated = self.diff.counts.alloc_raw
        if allocated is None:
            return np.zeros(cells)
        kind = (self.frame.astype(np.int64) + 1) << 32 | (self.diff.alignment.type + 1)
        values, site = distinct(kind)
        raw = np.zeros((len(values), len(self.exact.sizes)))
        np.add.at(raw, (site, cls), allocated[:, -1])
        odds = np.where(self._appends(), 0.0, self._odds(raw)[site, cls])
        return _likeliest(odds, ids, born, cells)

    def _appends(self) -> Bools:
        """Return which rows are arrays that append outgrows: all sizes but the last are passed."""
        alignment = self.diff.alignment
        kinds = [at for at, text in enumerate(alignment.frames.strings) if text == "append"]
        return np.isin(alignment.alloc, kinds)

    def _odds(self, raw: Floats) -> Floats:
        """Return the odds for each site (row) and class, from what each site ever allocated."""
        growth = np.maximum(self.exact.live[:, -1] - self.exact.live[:, 0], 0.0)
        odds = np.zeros_like(raw)
        several = np.flatnonzero((raw > 0).sum(axis=1) > 1)
        some = raw[several]
        for at in np.flatnonzero(growth > 0).tolist():
            expected = growth[at] * some / np.maximum(some[:, [at]], 1.0)
            expected[:, at] = 0.0
            seen, whole = np.minimum(expected, growth).sum(axis=1), expected.sum(axis=1)
            missing = 1 - seen / np.where(whole > 0, whole, 1.0)
            share = (some[:, at] + _FEW) / (some.sum(axis=1) + _FEW)
            odds[several, at] = np.where(whole > 0, -_ONE_SIZE * missing * (1 - share), 0.0)
        return odds


def _likeliest(odds: Floats, ids: Int64s, born: Int64s, cells: int) -> Floats:
    """Return the best odds of each cell's rows, of those with births where there are any."""
    found = np.full(cells, -np.inf)
    for rows in (np.flatnonzero(born > 0), np.arange(len(ids))):
        best = np.full(cells, -np.inf)
        np.maximum.at(best, ids[rows], odds[rows])
        found = np.where(np.isfinite(found), found, best)
    return found


def changed(diff: Diff, first: int, last: int) -> tuple[Int64s, Int64s]:
    """Return per row the sampled objects that came to stay, and those that went, between captures.

    Of what is replaced while nobody looks, as much as possible is taken to have survived.
    """
    counts = diff.counts
    before, after = counts.live_raw[:, first], counts.live_raw[:, last]
    if counts.alloc_raw is None:
        stayed = np.minimum(before, after)
    else:
        freed = counts.alloc_raw[:, last] - counts.alloc_raw[:, first] - (after - before)
        stayed = np.clip(before - freed, 0, np.minimum(before, after))
    return after - stayed, before - stayed


def with_piles(cells: Cells, holders: Int64s) -> Cells:
    """Return the cells with better odds for the groups that goroutines pile up in."""
    hint = np.where(np.isin(cells.group, holders), cells.hint + _PILE_ODDS, cells.hint)
    return replace(cells, hint=hint)


def _history(diff: Diff, ids: Int64s, cells: int) -> tuple[Floats, Floats]:
    """Return the turnover's prior: what was freed before the first capture, scaled to the window.

    What lives so short that every capture shows other objects turns over as often as it is seen.
    """
    counts = diff.counts
    window = _window_s(diff)
    started = diff.before.capture.process.start_time_ns
    taken = diff.before.capture.taken_ns
    if not window or not started or not taken or counts.alloc_raw is None:
        return np.full(cells, 0.5), np.zeros(cells)
    before = max((taken - started) / 1e9, 1.0)
    freed = (counts.alloc_raw[:, 0] - counts.live_raw[:, 0]) * (window / before)
    seen = np.minimum(freed, counts.live_raw.mean(axis=1))
    weight = min(before / window, _HISTORY)
    turnover = np.bincount(ids, weights=seen, minlength=cells)
    return (0.5 + turnover * weight).astype(np.float64), np.full(cells, weight)


def _window_s(diff: Diff) -> float:
    first, last = diff.before.capture.taken_ns, diff.after.capture.taken_ns
    return (last - first) / 1e9 if first and last else 0.0
