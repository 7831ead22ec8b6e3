"""What a diff means, in plain words: typed, ranked statements with their evidence."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from memsnap.analysis.diff import Diff
from memsnap.analysis.ledger import ledger
from memsnap.analysis.lineage import elapsed_s
from memsnap.analysis.names import short_function, short_type
from memsnap.analysis.reconcile import Reconciliation
from memsnap.analysis.rows import Frame, Row, row
from memsnap.analysis.select import EVERYTHING
from memsnap.analysis.stacks import frame_of
from memsnap.analysis.table import Verdict
from memsnap.pprof.profile import Int64s
from memsnap.units import format_bytes, format_count, format_size

_WORTH_SAYING = 64 << 10  # bytes of sure growth below which a line is not worth a finding
_WORTH_SHARE = 0.005  # of the live heap, likewise
_KINDS_SHOWN = 4
_ENOUGH_TO_PROJECT_S = 5.0  # time between captures from which on an hour may be projected
_OUTSIDE_BYTES = 16 << 20  # growth outside the live heap from which on it is a finding


class Severity(IntEnum):
    """How much a finding matters; higher is worse."""

    INFO = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One statement.  `at` is the line of code to open, where there is one.

    `evidence` holds the numbers, each with its unit in the name (`growth_bytes`).  `detail` and
    `advice` are sentences for people.
    """

    id: str
    severity: Severity
    title: str
    detail: tuple[str, ...]
    advice: str
    at: Frame | None = None
    evidence: tuple[tuple[str, int | float | str], ...] = ()


def find(diff: Diff, checks: Reconciliation) -> tuple[Finding, ...]:
    """Return the findings of `diff`, the worst first."""
    growing = _growing_lines(diff)
    found = [*growing]
    if diff.selection == EVERYTHING:
        if not growing:
            found.extend(_heap_without_site(diff, checks))
        found.extend(_outside_the_heap(diff))
    return tuple(sorted(found, key=lambda finding: -finding.severity))


def visible_growth_bytes(rate: int) -> int:
    """Return the growth of small objects at one site from which on it can be called significant.

    Eight sampled objects, none of them freed: fewer cannot reach the p-value.
    """
    return 8 * max(rate, 1)


def _growing_lines(diff: Diff) -> list[Finding]:
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
    limits, verdict = line.growth_limits, line.verdict
    words = {Verdict.LEAK: "leaks: it holds", Verdict.LEVELLING: "levels off: it holds"}
    seconds = elapsed_s(diff.before.capture, diff.after.capture)
    evidence: dict[str, int | float | str] = {
        "growth_bytes": line.growth.bytes,
        "low_bytes": limits.low_bytes,
        "high_bytes": limits.high_bytes,
        "growth_objects": line.growth.objects,
        "survived_low_bytes": line.survived.low_bytes,
        "survived_high_bytes": line.survived.high_bytes,
        "samples": line.samples,
        "sites": line.buckets,
        "p_value": line.p_value,
        "verdict": verdict.value,
    }
    if seconds:
        evidence["rate_bytes_per_s"] = line.growth.bytes / seconds
    return Finding(
        id="growth",
        severity={Verdict.LEAK: Severity.HIGH, Verdict.LEVELLING: Severity.LOW}.get(
            verdict, Severity.MEDIUM
        ),
        title=f"{short_function(at.function) if at else 'code without a stack'} "
        f"{words.get(verdict, 'holds')} {format_bytes(line.growth.bytes)} more "
        f"({format_bytes(limits.low_bytes)} to {format_bytes(limits.high_bytes)})",
        detail=tuple(_growth_detail(diff, line, objects, seconds)),
        advice=_advice(verdict),
        at=at,
        evidence=tuple(evidence.items()),
    )


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


def _advice(verdict: Verdict) -> str:
    if verdict is Verdict.LEVELLING:
        return "A cache or a warm-up looks like this; watch whether it stops where you expect."
    keeps = (
        "Look for what keeps the result of this line: a map, slice or channel that is never "
        "emptied, or a goroutine that never ends."
    )
    if verdict is Verdict.LEAK:
        return keeps
    return keeps + " Two captures cannot tell a leak from a cache that fills: take a third later."


def _heap_without_site(diff: Diff, checks: Reconciliation) -> list[Finding]:
    """Return the finding that the exact live heap grew though no site stands out."""
    before, after = checks.before.exact, checks.after.exact
    if before is None or after is None or not diff.lineage.one_life:
        return []
    growth = after - before
    rate = diff.after.heap.period
    if growth < max(visible_growth_bytes(rate) // 2, 0.05 * before):
        return []
    samples = growth / max(rate, 1)
    return [
        Finding(
            id="heap-growth",
            severity=Severity.LOW,
            title=f"The live heap grew by {format_bytes(growth)}, and no single site stands out",
            detail=(
                f"HeapAlloc behind the GC: {format_bytes(before)}, then {format_bytes(after)} "
                "(exact)",
                f"The profile sees that as about {samples:.0f} samples over all sites; one site "
                f"shows from about {format_bytes(visible_growth_bytes(rate))} on",
            ),
            advice="Take the captures further apart, or start the service with "
            "GODEBUG=memprofilerate=65536 for eight times as many samples.",
            evidence=(("growth_bytes", growth), ("expected_samples", samples)),
        )
    ]


def _outside_the_heap(diff: Diff) -> list[Finding]:
    """Return the finding that memory grew that is not the live heap."""
    old, new = ledger(diff.before.capture), ledger(diff.after.capture)
    if old is None or new is None or not diff.lineage.one_life:
        return []
    grown = {
        entry.name: entry.bytes - previous.bytes
        for previous, entry in zip(old.entries[1:], new.entries[1:], strict=True)
    }
    if old.non_go is not None and new.non_go is not None:
        grown["memory outside of Go"] = max(new.non_go, 0) - max(old.non_go, 0)
    name, growth = max(grown.items(), key=lambda item: item[1])
    heap = new.entries[0].bytes - old.entries[0].bytes
    if growth < max(_OUTSIDE_BYTES, heap):
        return []
    return [
        Finding(
            id="outside-live-heap",
            severity=Severity.LOW,
            title=f"{name[:1].upper()}{name[1:]} grew by {format_bytes(growth)}, "
            "which no heap profile shows",
            detail=(f"the live heap changed by {format_bytes(heap, signed=True)}",),
            advice=_OUTSIDE_ADVICE.get(name, "The memory ledger above has the parts."),
            evidence=(("growth_bytes", growth), ("part", name)),
        )
    ]


_OUTSIDE_ADVICE = {
    "idle heap": "Go keeps it for reuse and returns it over minutes; GOMEMLIMIT bounds it.",
    "stacks": "Stacks grow with goroutines: compare the goroutine counts.",
    "memory outside of Go": "Look at cgo, mapped files and the page cache of the container.",
    "profiler": "Many different stacks allocate: GODEBUG=profstackdepth bounds their length.",
    "fragmentation": "Objects of a few sizes keep spans alive that are mostly free.",
}
