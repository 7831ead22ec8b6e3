"""The report of `memsnap gate`: whether the budget held, and where the growth is."""

from collections.abc import Iterator
from typing import Any

from memsnap.analysis.budget import Spent
from memsnap.analysis.diff import Diff
from memsnap.analysis.finding import Finding
from memsnap.analysis.verification import Verification
from memsnap.report import words
from memsnap.report.document import capture_document, finding_document
from memsnap.report.markdown import code, markdown_list, prose
from memsnap.report.verify import verification_markdown
from memsnap.units import format_bytes, format_duration, format_range

SCHEMA = "memsnap.gate/1"


def render_gate(
    spent: Spent,
    diff: Diff,
    found: tuple[Finding, ...],
    *,
    checked: Verification,
    command: str,
    took_s: float,
) -> str:
    """Return the report as Markdown, without a trailing newline."""
    lines = [*_head(spent, diff, command, took_s), "", *verification_markdown(checked, _LABELS)]
    if found:
        lines += ["", "#### Where", "", *markdown_list(found)]
    return "\n".join(lines)


_LABELS = ("before", "after")


def _head(spent: Spent, diff: Diff, command: str, took_s: float) -> Iterator[str]:
    mark, verdict = ("❌", "exceeds") if spent.exceeded else ("✅", "is within")
    budget = format_bytes(spent.budget_bytes)
    yield f"### {mark} memsnap gate: heap growth {verdict} the budget of {budget}"
    yield ""
    span = format_range(spent.low_bytes, spent.high_bytes)
    yield (
        f"The live heap changed by **{format_bytes(spent.bytes, signed=True)}** ({span}), exact "
        f"and behind a GC, over {code(command)} ({format_duration(took_s)})."
    )
    described = words.describe(diff.after.capture)
    if described:
        yield ""
        yield prose(described)
    for warning in diff.lineage.warnings:
        yield ""
        yield f"> ⚠ {prose(warning)}"


def gate_document(
    spent: Spent, diff: Diff, found: tuple[Finding, ...], *, command: str, took_s: float
) -> dict[str, Any]:
    """Return the report as values that JSON knows (`schemas/gate-1.json`)."""
    return {
        "schema": SCHEMA,
        "passed": not spent.exceeded,
        "budget_bytes": spent.budget_bytes,
        "growth": {
            "bytes": spent.bytes,
            "low_bytes": spent.low_bytes,
            "high_bytes": spent.high_bytes,
        },
        "command": command,
        "command_s": took_s,
        "captures": [capture_document(snapshot) for snapshot in diff.snapshots],
        "findings": [finding_document(finding) for finding in found],
    }
