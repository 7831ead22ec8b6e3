"""A diff as text: the first screen says what grew, where, how sure; then how to go on."""

import shlex
from collections.abc import Iterator

from memsnap.analysis.diff import Diff
from memsnap.analysis.finding import Finding
from memsnap.analysis.findings import settled
from memsnap.analysis.growth import visible_growth_bytes
from memsnap.analysis.names import short_function
from memsnap.analysis.reconcile import Reconciliation, reconcile
from memsnap.analysis.rows import Row, Sort
from memsnap.analysis.table import By, Cause
from memsnap.report import words
from memsnap.report.findings import finding_lines
from memsnap.report.ink import Ink, clean, table
from memsnap.units import format_bytes, format_count

_TYPES_SHOWN = 3
_STORED = "store:"  # how the names of captures begin that are in a store, not in a file


def render_diff(diff: Diff, *, by: By, sort: Sort, limit: int, ink: Ink, again: str = "") -> str:
    """Return the report of `diff` as text, without a trailing newline.

    `again` are options that suggested commands need, to find captures that are in a store.
    """
    checks = reconcile(diff)
    diff, found = settled(diff)
    parts = [
        "\n".join(_header(diff, ink)),
        "\n".join(_memory(diff, checks, ink)),
        "\n".join(_findings(diff, found, ink)),
        "\n".join(_types(diff, by, ink)),
        "\n".join(_table(diff, by=by, sort=sort, limit=limit, ink=ink)),
        "\n".join(_next(diff, found, by=by, ink=ink, again=again)),
    ]
    return "\n\n".join(part for part in parts if part)


def _header(diff: Diff, ink: Ink) -> Iterator[str]:
    yield ink.paint(words.describe(diff.after.capture) or "heap profiles", "bold")
    first = diff.before.capture
    for at, snapshot in enumerate(diff.snapshots):
        name = words.letter(at, len(diff.snapshots))
        yield f"{name}  {words.when(snapshot, first if at else None)}"
    for warning in diff.lineage.warnings:
        yield ink.paint(ink.wrap("! " + clean(warning), indent=0), "yellow")


def _memory(diff: Diff, checks: Reconciliation, ink: Ink) -> Iterator[str]:
    for change in words.changes(diff, checks):
        numbers = f"{format_bytes(change.before):>8} → {format_bytes(change.after):>8}"
        grown = ink.paint(f"{format_bytes(change.after - change.before, signed=True):>9}", "bold")
        yield f"{change.label:<10}  {numbers}  {grown}  {ink.paint(change.note, 'dim')}"
    parts = words.ledger_sum(diff)
    if parts:
        yield ink.paint(ink.wrap(parts, indent=12), "dim")
    for doubt in words.doubts(checks):
        yield ink.paint(ink.wrap("! " + doubt, indent=0), "yellow")


def _findings(diff: Diff, found: tuple[Finding, ...], ink: Ink) -> Iterator[str]:
    if not found:
        visible = format_bytes(visible_growth_bytes(diff.after.heap.period))
        yield ink.heading("No site grew beyond the sampling error.")
        yield ink.wrap(
            f"Growth of small objects at one site shows from about {visible} on.", indent=0
        )
        return
    yield ink.heading("1 finding" if len(found) == 1 else f"{len(found)} findings")
    for number, finding in enumerate(found, 1):
        yield from finding_lines(number, finding, ink, full=False)


def _types(diff: Diff, by: By, ink: Ink) -> Iterator[str]:
    """Yield what became of the largest types, where the captures have any."""
    covered = diff.after.capture.types
    if covered is None or by is By.TYPE or not covered.live_bytes:
        return
    shown = words.shown_rows(diff, by=By.TYPE, sort=Sort.CONFIDENCE, limit=_TYPES_SHOWN)
    if not shown:
        return
    share = covered.typed_live_bytes / covered.live_bytes
    yield ink.heading("By type", f"known for {share:.1%} of what is in use")
    columns, cells = words.diff_cells(shown, by=By.TYPE, module="", width=ink.width)
    yield from table(ink, columns, cells, [_colours(row) for row in shown])


def _table(diff: Diff, *, by: By, sort: Sort, limit: int, ink: Ink) -> Iterator[str]:
    data = diff.table(by)
    shown = words.shown_rows(diff, by=by, sort=sort, limit=limit)
    sure = int(data.significant.sum())
    note = f"{len(shown)} of {format_count(len(data))} rows, {sure} changed for sure"
    yield ink.heading(f"Survivors by {by.value}", note)
    module = diff.after.capture.process.module
    columns, cells = words.diff_cells(shown, by=by, module=module, width=ink.width)
    yield from table(ink, columns, cells, [_colours(row) for row in shown])


def _colours(row: Row) -> tuple[str, ...]:
    """Return how to paint a row: leaks and sure growth stand out, and what surely went."""
    if row.verdict is Cause.LEAK:
        return ("red",)
    if row.verdict in (Cause.CACHE, Cause.ONE_TIME):
        return ("yellow",)
    if row.verdict is Cause.UNKNOWN and row.significant:
        return ("red",) if row.growth.bytes > 0 else ("green",)
    return ()


def _next(diff: Diff, found: tuple[Finding, ...], *, by: By, ink: Ink, again: str) -> Iterator[str]:
    first, last = (shlex.quote(clean(s.name)) for s in (diff.before, diff.after))
    files = not any(snapshot.name.startswith(_STORED) for snapshot in (diff.before, diff.after))
    names = " ".join(shlex.quote(clean(snapshot.name)) for snapshot in diff.snapshots)
    yield ink.heading("Next")
    other = By.FUNCTION if by is not By.FUNCTION else By.SITE
    yield f"  memsnap diff {names} --by {other.value}{again}"
    at = next((finding.at for finding in found if finding.at), None)
    if at and not diff.selection.function:
        function = shlex.quote(clean(short_function(at.function)))
        yield f"  memsnap diff {names} --in {function} --by line{again}"
    if files:
        yield f"  go tool pprof -diff_base {first} {last}"
