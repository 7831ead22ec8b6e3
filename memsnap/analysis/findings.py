"""What a diff means, in plain words: typed, ranked statements with their evidence."""

from collections import defaultdict
from dataclasses import dataclass
from enum import IntEnum
from math import hypot

from memsnap.analysis.diff import Diff
from memsnap.analysis.ledger import ledger
from memsnap.analysis.lineage import elapsed_s
from memsnap.analysis.names import short_function
from memsnap.analysis.reconcile import Reconciliation
from memsnap.analysis.rows import Frame, Limits, Row, Sort, order, own_frame
from memsnap.analysis.table import Verdict
from memsnap.units import format_bytes, format_count

_WORTH_SAYING = 64 << 10  # bytes of sure growth below which a line is not worth a finding
_WORTH_SHARE = 0.005  # of the live heap, likewise
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
    rows: tuple[Row, ...] = ()


def find(diff: Diff, checks: Reconciliation) -> tuple[Finding, ...]:
    """Return the findings of `diff`, the worst first."""
    growing = _growing_lines(diff)
    found = [*growing]
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
    """Return one finding per line of own code whose sites surely grew, by the sure growth."""
    table = diff.sites
    live = int(diff.counts.live_bytes[:, -1].sum())
    least = max(_WORTH_SAYING, int(_WORTH_SHARE * live))
    lines: dict[Frame, list[Row]] = defaultdict(list)
    module = diff.after.capture.process.module
    for number in order(table, Sort.CONFIDENCE):
        if not table.significant[number] or table.growth_bounds.low_bytes[number] <= 0:
            break
        site = diff.row(table, int(number))
        own = own_frame(site.stack, module) or Frame(site.function, site.file, site.line)
        lines[own].append(site)
    sure = {at: _limits(sites).low_bytes for at, sites in lines.items()}
    worth = [at for at in lines if sure[at] >= least]
    return [_growing_line(diff, at, lines[at]) for at in sorted(worth, key=lambda at: -sure[at])]


def _growing_line(diff: Diff, at: Frame, sites: list[Row]) -> Finding:
    growth = sum(site.growth.bytes for site in sites)
    limits = _limits(sites)
    verdict = _worst(sites)
    words = {Verdict.LEAK: "leaks: it holds", Verdict.LEVELLING: "levels off: it holds"}
    lead = words.get(verdict, "holds")
    seconds = elapsed_s(diff.before.capture, diff.after.capture)
    evidence: dict[str, int | float | str] = {
        "growth_bytes": growth,
        "low_bytes": limits.low_bytes,
        "high_bytes": limits.high_bytes,
        "growth_objects": sum(site.growth.objects for site in sites),
        "survived_low_bytes": sum(site.survived.low_bytes for site in sites),
        "survived_high_bytes": sum(site.survived.high_bytes for site in sites),
        "samples": sum(site.samples for site in sites),
        "p_value": min(site.p_value for site in sites),
        "verdict": verdict.value,
    }
    if seconds:
        evidence["rate_bytes_per_s"] = growth / seconds
    return Finding(
        id="growth",
        severity={Verdict.LEAK: Severity.HIGH, Verdict.LEVELLING: Severity.LOW}.get(
            verdict, Severity.MEDIUM
        ),
        title=f"{short_function(at.function)} {lead} {format_bytes(growth)} more "
        f"({format_bytes(limits.low_bytes)} to {format_bytes(limits.high_bytes)})",
        detail=tuple(_growth_detail(diff, sites, seconds)),
        advice=_advice(verdict),
        at=at,
        evidence=tuple(evidence.items()),
        rows=tuple(sites),
    )


def _growth_detail(diff: Diff, sites: list[Row], seconds: float | None) -> list[str]:
    growth = sum(site.growth.bytes for site in sites)
    objects = sum(site.growth.objects for site in sites)
    what = sorted({_objects(site) for site in sites})
    detail = [f"{format_count(objects)} more objects: {', '.join(what[:4])}"]
    if all(site.allocated for site in sites) and diff.lineage.one_life:
        allocated = sum(site.allocated.bytes for site in sites if site.allocated)
        kept = min(growth / allocated, 1.0) if allocated else 0.0
        detail.append(
            f"{kept:.0%} of what it allocated in between is still there, and "
            f"{_share(sites)} of what was there before"
        )
    if seconds:
        detail.append(
            f"{format_bytes(growth / seconds)}/s, {format_bytes(growth / seconds * 3600)} an hour"
        )
    return detail


def _objects(site: Row) -> str:
    size = format_bytes(site.object_bytes or 0)
    return f"{site.type} of {size}" if site.type else f"{size} each"


def _share(sites: list[Row]) -> str:
    before = sum(site.before.bytes for site in sites)
    if not before:
        return "nothing"
    low = sum(site.survived.low_bytes for site in sites) / before
    high = sum(site.survived.high_bytes for site in sites) / before
    low, high = min(low, 1.0), min(high, 1.0)
    return f"{high:.0%}" if f"{low:.0%}" == f"{high:.0%}" else f"{low:.0%} to {high:.0%}"


def _limits(sites: list[Row]) -> Limits:
    """Return the limits of the sum: distances from the estimates add in squares."""
    objects = sum(site.growth.objects for site in sites)
    size = sum(site.growth.bytes for site in sites)
    ends = [site.growth_limits for site in sites]
    each = list(zip(sites, ends, strict=True))
    return Limits(
        round(objects - hypot(*(s.growth.objects - end.low_objects for s, end in each))),
        round(objects + hypot(*(end.high_objects - s.growth.objects for s, end in each))),
        round(size - hypot(*(s.growth.bytes - end.low_bytes for s, end in each))),
        round(size + hypot(*(end.high_bytes - s.growth.bytes for s, end in each))),
    )


def _worst(sites: list[Row]) -> Verdict:
    verdicts = {site.verdict for site in sites}
    ranked = (Verdict.LEAK, Verdict.GROWTH, Verdict.LEVELLING)
    return next((verdict for verdict in ranked if verdict in verdicts), Verdict.GROWTH)


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
