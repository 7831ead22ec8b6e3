"""`--fail-on`: conditions on a diff that turn the exit code to 3, for use in CI."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from memsnap.analysis.diff import Diff
from memsnap.analysis.finding import Severity
from memsnap.analysis.findings import find
from memsnap.analysis.rows import Sort, order
from memsnap.errors import UsageError
from memsnap.units import format_bytes, parse_bytes

METRICS = {
    "growth": "the growth of any site that surely grew",
    "low": "its lower 95 % bound",
    "total": "the sampled growth of everything selected",
    "heap": "the exact growth of the live heap",
    "rss": "the growth of the resident memory",
    "findings": "the number of findings (without those of severity info)",
}


@dataclass(frozen=True, slots=True)
class Threshold:
    """A condition `metric > limit`; `limit` is in bytes, or a count for findings."""

    metric: str
    limit: int
    text: str


def parse_threshold(text: str) -> Threshold:
    """Return the condition that `text` means: `growth>5MB`, `findings>0`."""
    match = re.fullmatch(r"\s*(\w+)\s*(>=?)\s*(\S.*?)\s*", text)
    if not match or match[1] not in METRICS:
        listed = ", ".join(METRICS)
        raise UsageError(
            f"--fail-on {text!r} is no condition", hint=f"write 'growth>5MB'; there are {listed}"
        )
    limit = parse_bytes(match[3])
    return Threshold(match[1], limit - (match[2] == ">="), text.strip())


def exceeded(diff: Diff, threshold: Threshold) -> Iterator[str]:
    """Return a sentence for each case in which `threshold` is crossed.

    Raises UsageError where the captures do not carry what it asks for: a check that cannot be
    made must not pass.
    """
    if threshold.metric in ("growth", "low"):
        yield from _sites(diff, threshold)
        return
    value = _value(diff, threshold.metric)
    if value is None:
        raise UsageError(
            f"--fail-on {threshold.text!r} cannot be checked: the captures do not carry "
            f"{METRICS[threshold.metric]}",
            hint="take the captures with memsnap capture",
        )
    if value > threshold.limit:
        shown = value if threshold.metric == "findings" else format_bytes(value, signed=True)
        yield f"{threshold.text}: {METRICS[threshold.metric]} is {shown}"


def _sites(diff: Diff, threshold: Threshold) -> Iterator[str]:
    table = diff.sites
    low = threshold.metric == "low"
    values = table.growth_bounds.low_bytes if low else table.growth.bytes
    for number in order(table, Sort.CONFIDENCE):
        if table.significant[number] and values[number] > threshold.limit:
            site = diff.row(table, int(number))
            place = f"{site.function} ({site.file}:{site.line})"
            yield f"{threshold.text}: {place} grew by {format_bytes(site.growth.bytes)}"


def _value(diff: Diff, metric: str) -> int | None:
    if metric == "total":
        return int(diff.totals.growth.bytes[0])
    if metric == "findings":
        return sum(finding.severity > Severity.INFO for finding in find(diff))
    if metric == "heap":
        ends = [snapshot.capture.mem_stats for snapshot in (diff.before, diff.after)]
        values = [stats.heap_alloc if stats else None for stats in ends]
    else:
        memory = [snapshot.capture.memory for snapshot in (diff.before, diff.after)]
        values = [part.rss if part else None for part in memory]
    before, after = values
    return None if before is None or after is None else after - before
