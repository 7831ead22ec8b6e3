"""Scores findings against the truth of recordings, beside what pprof makes of the same files."""

import dataclasses
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from corpus_baseline import Baseline, baseline
from corpus_store import Recording
from pprof_oracle import Pprof

from memsnap import api
from memsnap.snapshot import Snapshot

Find = Callable[[Sequence[Snapshot]], Sequence[Any]]
"""Findings of one process's captures, the most important first: `memsnap.api.findings`."""

LEAK = "leak"
SILENT = "silent"
"""The verdict on a service of which nothing is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One finding, as far as it counts."""

    verdict: str
    kind: str
    confidence: float
    at: str
    true: bool
    limits: tuple[float, float] | None

    @property
    def false_leak(self) -> bool:
        """Whether it claims a leak where there is none."""
        return self.verdict == LEAK and not self.true


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What memsnap and pprof say of one recording; `rank` counts from 1, None if never said."""

    recording: Recording
    said: tuple[Said, ...]
    pprof: Baseline | None
    seconds: float

    @property
    def rank(self) -> int | None:
        """The place of the first true finding."""
        return next((at for at, one in enumerate(self.said, start=1) if one.true), None)

    @property
    def verdict(self) -> str:
        """What the first true finding calls it, else the first of a healthy service's, else silent.

        A leak that nobody located is silent, whatever else is said.
        """
        if self.rank is not None:
            return self.said[self.rank - 1].verdict
        if self.recording.leaks or not self.said:
            return SILENT
        return self.said[0].verdict

    @property
    def leak_first(self) -> bool:
        """Whether the first finding is the leak, and calls it so."""
        return self.rank == 1 and self.verdict == LEAK

    @property
    def held(self) -> bool | None:
        """Whether the limits of the leak's growth hold the true one; None if it was not found."""
        limits = self.said[0].limits if self.leak_first else None
        if limits is None:
            return None
        return limits[0] <= self.recording.grown_bytes <= limits[1]

    @property
    def false_leaks(self) -> tuple[Said, ...]:
        """The findings that claim a leak where there is none."""
        return tuple(one for one in self.said if one.false_leak)

    @property
    def right(self) -> bool:
        """Whether a service got its right name; to say nothing of a steady one is right, too."""
        if self.recording.leaks:
            return self.leak_first
        names = self.recording.verdicts
        named = self.verdict in names or (self.verdict == SILENT and "steady" in names)
        return named and not self.false_leaks


def scores(recordings: Iterable[Recording], find: Find, pprof: Pprof | None) -> Iterable[Score]:
    """Yield the score of each recording; without `pprof`, without the baseline."""
    for recording in recordings:
        snapshots = [api.load(path) for path in recording.captures]
        began = time.perf_counter()
        found = find(snapshots)
        seconds = time.perf_counter() - began
        yield Score(
            recording=recording,
            said=tuple(_said(one, recording) for one in found),
            pprof=baseline(recording, pprof) if pprof else None,
            seconds=seconds,
        )


def _said(finding: Any, recording: Recording) -> Said:
    places = [finding, *finding.sites]
    verdict = getattr(finding.verdict, "value", finding.verdict)
    true = any(recording.is_true_line(one.function, one.file, one.line) for one in places)
    return Said(
        verdict=verdict.removesuffix(" growth"),  # "one-time growth"
        kind=finding.kind,
        confidence=finding.confidence,
        at=f"{finding.function}:{finding.line}",
        limits=_limits(finding.growth),
        # On a healthy service no claim of a leak is true, wherever it points.
        true=true and not (verdict == LEAK and not recording.leaks),
    )


def _limits(growth: Any) -> tuple[float, float] | None:
    if growth is None or growth.low_bytes is None:
        return None
    return growth.low_bytes, math.inf if growth.high_bytes is None else growth.high_bytes


def render(scored: Sequence[Score]) -> str:
    """Return a table per release and rate, and the totals."""
    groups: dict[tuple[str, str], list[Score]] = {}
    for score in scored:
        groups.setdefault((score.recording.release, score.recording.rate), []).append(score)
    parts = [_table(release, rate, group) for (release, rate), group in groups.items()]
    return "\n\n".join([*parts, _confusion(scored), _totals(groups)])


def _table(release: str, rate: str, group: Sequence[Score]) -> str:
    heads = ["service", "truth", "verdict", "rank", "conf.", "false leaks", "ms"]
    heads += ["pprof", "false rows"]
    rows = [heads, *(_row(score) for score in group)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(heads))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    details = [
        f"  false leak in {score.recording.scenario}: {one.kind} at {one.at}"
        for score in group
        for one in score.false_leaks
    ]
    return "\n".join([f"Go {release}, {rate}", *lines, *details])


def _row(score: Score) -> list[str]:
    true = score.said[score.rank - 1] if score.rank else None
    pprof = score.pprof
    return [
        score.recording.scenario,
        score.recording.verdicts[0],
        score.verdict + ("" if score.right else " !"),
        _number(score.rank),
        f"{true.confidence:.2f}" if true else "-",
        str(len(score.false_leaks)),
        f"{1000 * score.seconds:.0f}",
        _number(pprof.rank if pprof else None) if score.recording.leaks else "",
        str(pprof.false_rows) if pprof else "",
    ]


def _number(rank: int | None) -> str:
    return "-" if rank is None else str(rank)


def _confusion(scored: Sequence[Score]) -> str:
    """Return how often each truth got each verdict."""
    counts = Counter((score.recording.verdicts[0], score.verdict) for score in scored)
    lines = []
    for truth in sorted({truth for truth, _ in counts}):
        given = [(n, verdict) for (of, verdict), n in counts.items() if of == truth]
        said = ", ".join(f"{verdict} {n}" for n, verdict in sorted(given, reverse=True))
        lines.append(f"  {truth}: {said}")
    return "\n".join(["Truth: verdicts given", *lines])


def _totals(groups: dict[tuple[str, str], list[Score]]) -> str:
    return "\n".join(_total(release, rate, group) for (release, rate), group in groups.items())


def _total(release: str, rate: str, group: Sequence[Score]) -> str:
    n, false = len(group), sum(len(score.false_leaks) for score in group)
    rows = [score.pprof for score in group if score.pprof]
    false_rows = sum(row.false_rows for row in rows)
    place = f"Go {release} at {rate}" if group[0].recording.leaks else f"Go {release}, {rate}"
    if not group[0].recording.leaks:
        right = sum(score.right for score in group)
        text = f"{place}: right names: {right} of {n}, false leaks: {false}"
        return text + (f"; pprof: {false_rows} false rows" if rows else "")
    first = sum(score.leak_first for score in group)
    held = [score.held for score in group if score.held is not None]
    text = f"{place}: leak first: {first} of {n}, false leaks: {false}"
    text += f", true growth within the limits: {sum(held)} of {len(held)}"
    if rows:
        firsts = sum(row.rank == 1 for row in rows)
        text += f"; pprof: first in {firsts}, {false_rows} false rows"
    return text


def document(scored: Sequence[Score]) -> list[dict[str, Any]]:
    """Return the scores as values for JSON."""
    return [
        {
            "scenario": score.recording.scenario,
            "release": score.recording.release,
            "rate": score.recording.rate,
            "truth": score.recording.verdicts[0],
            "verdict": score.verdict,
            "right": score.right,
            "rank": score.rank,
            "leak_first": score.leak_first,
            "false_leaks": len(score.false_leaks),
            "grown_bytes": score.recording.grown_bytes,
            "seconds": round(score.seconds, 4),
            "findings": [dataclasses.asdict(one) for one in score.said],
            "pprof": dataclasses.asdict(score.pprof) if score.pprof else None,
        }
        for score in scored
    ]
