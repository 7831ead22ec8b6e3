"""The screen of `memsnap watch`: what is known so far, in as many lines as a terminal has."""

from collections.abc import Sequence

from memsnap.analysis.diff import Diff
from memsnap.analysis.finding import Cause, Finding, Severity
from memsnap.analysis.names import short_file
from memsnap.report import words
from memsnap.report.findings import headline, span, verdict_words
from memsnap.report.ink import Ink, clean
from memsnap.snapshot import Snapshot
from memsnap.units import format_bytes, format_duration

_BARS = "▁▂▃▄▅▆▇█"
_SHOWN = 5  # findings
_COLOURS = {Severity.HIGH: "red", Severity.MEDIUM: "yellow", Severity.LOW: "cyan"}


def screen(diff: Diff, found: tuple[Finding, ...], *, interval_s: float, ink: Ink) -> list[str]:
    """Return the lines of the screen, none longer than the terminal is wide."""
    title = f"memsnap watch  {words.describe(diff.after.capture) or clean(diff.after.name)}"
    lines = [
        ink.paint(cut(title, ink), "bold"),
        cut(span(diff), ink),
        cut(f"heap  {spark(heaps(diff.snapshots), ink.width - 8)}", ink),
        "",
        ink.paint(cut(headline(found), ink), "bold"),
    ]
    for number, finding in enumerate(found[:_SHOWN], 1):
        lines += _short(number, finding, ink)
    if len(found) > _SHOWN:
        lines.append(cut(f"   and {len(found) - _SHOWN} more", ink))
    how = f"a capture every {format_duration(interval_s)}; Ctrl-C ends with the report"
    return [*lines, "", ink.paint(cut(how, ink), "dim")]


def line(diff: Diff, found: tuple[Finding, ...]) -> str:
    """Return the state in one line, for where there is no terminal to redraw."""
    stats = diff.after.capture.mem_stats
    live = f"{format_bytes(stats.heap_alloc)} live, " if stats and stats.heap_alloc else ""
    return f"capture {len(diff.snapshots)}: {live}{headline(found)}"


def _short(number: int, finding: Finding, ink: Ink) -> list[str]:
    """Return a finding in three lines: what, where, how sure and how fast."""
    colour = _COLOURS.get(finding.severity, "dim")
    lines = [ink.paint(cut(f"{number}. {clean(finding.title)}", ink), colour)]
    facts = [verdict_words(finding)]
    growth = finding.growth
    if growth and growth.bytes_per_s is not None and finding.verdict is not Cause.STEADY:
        facts.append(f"{format_bytes(growth.bytes_per_s)}/s")
    if finding.file:
        facts.append(f"{short_file(clean(finding.file))}:{finding.line}")
    if finding.type:
        facts.append(clean(finding.type))
    return [*lines, ink.paint(cut("   " + "  ".join(facts), ink), "dim")]


def heaps(snapshots: Sequence[Snapshot]) -> list[int]:
    """Return the live heap of each capture that tells it, in bytes."""
    stats = [snapshot.capture.mem_stats for snapshot in snapshots]
    return [one.heap_alloc for one in stats if one is not None and one.heap_alloc is not None]


def spark(values: Sequence[int], width: int) -> str:
    """Return the last `width` values as a row of bars between the least and the most of them."""
    shown = values[-max(width, 1) :]
    if not shown:
        return "unknown"
    low, high = min(shown), max(shown)
    top = len(_BARS) - 1
    return "".join(
        _BARS[round((value - low) / (high - low) * top) if high > low else 0] for value in shown
    )


def cut(text: str, ink: Ink) -> str:
    """Return `text` no longer than the terminal is wide."""
    return text if len(text) <= ink.width else text[: ink.width - 1] + "…"
