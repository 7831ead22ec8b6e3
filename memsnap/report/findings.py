"""Findings as text, Markdown and JSON: the answer first, and what it rests on below."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from memsnap.analysis.diff import Diff
from memsnap.analysis.finding import Cause, Finding, Severity
from memsnap.analysis.growth import visible_growth_bytes
from memsnap.analysis.names import short_file, short_function
from memsnap.report import words
from memsnap.report.document import capture_document, finding_document
from memsnap.report.ink import Ink, clean
from memsnap.units import format_bytes, format_duration

SCHEMA = "memsnap.findings/1"
_SEVERITY_COLOURS = {Severity.HIGH: "red", Severity.MEDIUM: "yellow", Severity.LOW: "cyan"}
_SITES_SHOWN = 5
_MARGIN = 30  # columns beside a title: its number, verdict and severity


def render_findings(diff: Diff, found: tuple[Finding, ...], *, ink: Ink) -> str:
    """Return findings over the captures of `diff` as text, without a trailing newline."""
    parts = [
        "\n".join(_header(diff, ink)),
        "\n".join(_body(diff, found, ink)),
        "\n".join(_next(diff, found, ink)),
    ]
    return "\n\n".join(part for part in parts if part)


def headline(found: tuple[Finding, ...]) -> str:
    """Return the answer in one line: the leaks by name, or that there is none."""
    leaks = [finding for finding in found if finding.verdict is Cause.LEAK]
    if not leaks:
        open_ones = sum(finding.verdict is Cause.UNKNOWN for finding in found)
        return "No leak found" + (", but growth that is not explained." if open_ones else ".")
    named = [short_function(clean(leak.function)) for leak in leaks[:3]]
    more = f" and {len(leaks) - 3} more" if len(leaks) > 3 else ""
    noun = "1 leak" if len(leaks) == 1 else f"{len(leaks)} leaks"
    return f"{noun}: {', '.join(named)}{more}"


def verdict_words(finding: Finding) -> str:
    """Return the verdict and how sure it is, never more than is known: `leak 97%`."""
    if finding.verdict is Cause.UNKNOWN:
        return finding.verdict.value  # how sure it is to be unknown tells nobody anything
    return f"{finding.verdict.value} {int(finding.confidence * 100)}%"


def finding_lines(number: int, finding: Finding, ink: Ink, *, full: bool = True) -> Iterator[str]:
    """Yield one finding as lines; `full` adds its sites and the example."""
    severity = finding.severity.name.lower()
    colour = _SEVERITY_COLOURS.get(finding.severity, "dim")
    verdict = ink.paint(f"{verdict_words(finding)}, {severity}", colour)
    title = clean(finding.title)
    if ink.cut and len(title) > ink.width - _MARGIN:
        yield ink.paint(f"{number}. {ink.wrap(title, indent=3).lstrip()}", "bold")
        yield f"   {verdict}"
    else:
        yield f"{number}. {ink.paint(title, 'bold')}  {verdict}"
    if finding.at:
        yield f"   {ink.paint(clean(words.place(finding.at)), 'cyan')}"
    for sentence in finding.detail:
        yield ink.wrap(clean(sentence), indent=3)
    if full:
        yield from _sites(finding, ink)
    if finding.advice:
        yield ink.paint(ink.wrap("→ " + finding.advice, indent=3), "dim")
    if full and finding.example:
        for line in finding.example.split("\n"):
            yield ink.paint("       " + line.replace("\t", "    "), "dim")


def _sites(finding: Finding, ink: Ink) -> Iterator[str]:
    if len(finding.sites) < 2:
        return
    for site in finding.sites[:_SITES_SHOWN]:
        where = f"{short_function(site.function)} {short_file(site.file)}:{site.line}"
        kind = f"  {site.type}" if site.type else ""
        yield ink.paint(clean(f"   · {where}{kind}"), "dim")
    if len(finding.sites) > _SITES_SHOWN:
        yield ink.paint(f"   · and {len(finding.sites) - _SITES_SHOWN} more sites", "dim")


def _header(diff: Diff, ink: Ink) -> Iterator[str]:
    yield ink.paint(words.describe(diff.after.capture) or "heap profiles", "bold")
    yield span(diff)
    for warning in diff.lineage.warnings:
        yield ink.paint(ink.wrap("! " + clean(warning), indent=0), "yellow")


def span(diff: Diff) -> str:
    """Return how many captures over which time, and what became of the live heap."""
    first, last = diff.before.capture, diff.after.capture
    text = f"{len(diff.snapshots)} captures"
    if first.taken and last.taken:
        text += f" in {format_duration(abs((last.taken - first.taken).total_seconds()))}"
    stats = [snapshot.capture.mem_stats for snapshot in (diff.before, diff.after)]
    heaps = [one.heap_alloc for one in stats if one is not None and one.heap_alloc is not None]
    if len(heaps) == 2:
        grown = format_bytes(heaps[1] - heaps[0], signed=True)
        text += f", live heap {format_bytes(heaps[0])} → {format_bytes(heaps[1])} ({grown}, exact)"
    return text


def _body(diff: Diff, found: tuple[Finding, ...], ink: Ink) -> Iterator[str]:
    yield ink.heading(headline(found))
    for number, finding in enumerate(found, 1):
        yield from finding_lines(number, finding, ink)
    if not found:
        visible = format_bytes(visible_growth_bytes(diff.after.heap.period))
        yield ink.wrap(
            f"No site grew beyond the sampling error; {visible} at one site would show in any "
            "case.",
            indent=0,
        )


def _next(diff: Diff, found: tuple[Finding, ...], ink: Ink) -> Iterator[str]:
    if len(diff.snapshots) < 3:
        yield ink.wrap(
            "Two captures show growth, not its cause: take three or more, better five.", indent=0
        )


def findings_document(diff: Diff, found: tuple[Finding, ...]) -> dict[str, Any]:
    """Return the findings as values that JSON knows (`schemas/findings-1.json`)."""
    return {
        "schema": SCHEMA,
        "relation": diff.lineage.relation.value,
        "warnings": list(diff.lineage.warnings),
        "selection": asdict(diff.selection),
        "captures": [capture_document(snapshot) for snapshot in diff.snapshots],
        "findings": [finding_document(finding) for finding in found],
    }
