"""The table of MemStats before and after, as text, Markdown and JSON."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from memsnap.analysis.diff import Diff
from memsnap.analysis.finding import Finding
from memsnap.analysis.verification import Line, Verification
from memsnap.report.document import capture_document, finding_document
from memsnap.report.ink import Column, Ink, clean, table
from memsnap.units import format_bytes, format_count

SCHEMA = "memsnap.verify/1"


def render_verification(
    checked: Verification, labels: Sequence[str], diff: Diff, *, ink: Ink
) -> str:
    """Return the table as text; `labels` name the captures in its head."""
    columns, cells = _cells(checked, labels)
    wide = sum(max(len(row[at]) for row in [*cells, [c.title for c in columns]]) + 2
               for at in range(len(columns)))  # fmt: skip
    if ink.cut and wide > ink.width:  # the meanings are the first to go
        columns, cells = columns[:-1], [row[:-1] for row in cells]
    names = (
        f"{label}: {clean(one.name)}" for label, one in zip(labels, diff.snapshots, strict=True)
    )
    lines = [*names, *table(ink, columns, cells), ""]
    lines += [ink.wrap(sentence, indent=0) for sentence in sentences(checked, diff)]
    return "\n".join(lines)


def verification_markdown(checked: Verification, labels: Sequence[str]) -> Iterator[str]:
    """Yield the table as lines of Markdown; all its texts are memsnap's own."""
    columns, cells = _cells(checked, labels)
    yield "| " + " | ".join(column.title for column in columns) + " |"
    yield "|" + "|".join("--:" if column.right else ":--" for column in columns) + "|"
    for row in cells:
        yield "| " + " | ".join(row) + " |"


def sentences(checked: Verification, diff: Diff) -> Iterator[str]:
    """Yield what the table means, and what the profile says beside it."""
    if checked.unproven:
        names = ", ".join(clean(name) for name in checked.unproven)
        yield (
            f"Not proven to stand behind a finished GC: {names}. Alloc may hold garbage there, so "
            "nothing is said about its growth."
        )
        return
    growth = checked.growth
    if growth is None:
        yield "The captures do not carry MemStats: take them with memsnap capture."
        return
    bounds = diff.totals.growth_bounds
    low, high = int(bounds.low_bytes[0]), int(bounds.high_bytes[0])
    yield (
        f"Alloc behind a forced GC changed by {format_bytes(growth, signed=True)} (exact) from "
        f"the last capture but one; the sampled profile says "
        f"{format_bytes(low, signed=True)} to {format_bytes(high, signed=True)}."
    )


def verification_document(
    checked: Verification, labels: Sequence[str], diff: Diff, found: tuple[Finding, ...]
) -> dict[str, Any]:
    """Return the table as values that JSON knows (`schemas/verify-1.json`)."""
    return {
        "schema": SCHEMA,
        "labels": list(labels),
        "captures": [capture_document(snapshot) for snapshot in diff.snapshots],
        "proven": not checked.unproven,
        "growth_bytes": checked.growth,
        "counters": [asdict(line) | {"deltas": list(line.deltas)} for line in checked.lines],
        "findings": [finding_document(finding) for finding in found],
    }


def _cells(checked: Verification, labels: Sequence[str]) -> tuple[list[Column], list[list[str]]]:
    columns = [Column("", right=False, styles=("bold",))]
    for at, label in enumerate(labels):
        columns.append(Column(label))
        if at:
            columns.append(Column("change", styles=("bold",)))
    columns.append(Column("", right=False, styles=("dim",)))
    return columns, [_row(line) for line in checked.lines]


def _row(line: Line) -> list[str]:
    cells = [line.name]
    for at, value in enumerate(line.values):
        cells.append(_text(line, value, signed=False))
        if at:
            cells.append(_text(line, line.deltas[at - 1], signed=True))
    return [*cells, line.meaning]


def _text(line: Line, value: int | None, *, signed: bool) -> str:
    if value is None:
        return "?"
    form = format_bytes if line.unit == "bytes" else format_count
    return form(value, signed=signed)
