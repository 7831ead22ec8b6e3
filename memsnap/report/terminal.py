"""A diff as text: the first screen says what grew, where, how sure; then how to go on."""

import shlex
from collections.abc import Iterator

from memsnap.analysis.diff import Diff
from memsnap.analysis.findings import Finding, Severity, find, visible_growth_bytes
from memsnap.analysis.ledger import Ledger, ledger
from memsnap.analysis.lineage import elapsed_s
from memsnap.analysis.names import short_file, short_function
from memsnap.analysis.reconcile import Reconciliation, reconcile
from memsnap.analysis.rows import Frame, Row, Sort, order, own_frame, rows
from memsnap.analysis.table import By, Verdict
from memsnap.report.ink import Column, Ink, clean, table
from memsnap.snapshot import Capture, Snapshot
from memsnap.units import format_bytes, format_count, format_duration, format_range, format_time

_WIDE = 140  # columns from which on born and died have room
_COLOURS = {
    Verdict.LEAK: ("red", "bold"),
    Verdict.GROWTH: ("red",),
    Verdict.LEVELLING: ("yellow",),
    Verdict.SHRINKING: ("green",),
    Verdict.REPLACED: ("cyan",),
}
_SEVERITY_COLOURS = {Severity.HIGH: "red", Severity.MEDIUM: "yellow", Severity.LOW: "cyan"}


def render_diff(diff: Diff, *, by: By, sort: Sort, limit: int, ink: Ink) -> str:
    """Return the report of `diff` as text, without a trailing newline."""
    checks = reconcile(diff)
    found = find(diff, checks)
    parts = [
        "\n".join(_header(diff, ink)),
        "\n".join(_memory(diff, checks, ink)),
        "\n".join(_findings(diff, found, ink)),
        "\n".join(_table(diff, by=by, sort=sort, limit=limit, ink=ink)),
        "\n".join(_next(diff, found, by, ink)),
    ]
    return "\n\n".join(part for part in parts if part)


def _header(diff: Diff, ink: Ink) -> Iterator[str]:
    yield ink.paint(describe(diff.after.capture) or "heap profiles", "bold")
    first = diff.before.capture
    for at, snapshot in enumerate(diff.snapshots):
        yield f"{_letter(at, len(diff.snapshots))}  {when(snapshot, first if at else None)}"
    for warning in diff.lineage.warnings:
        yield ink.paint(ink.wrap("! " + clean(warning), indent=0), "yellow")


def describe(capture: Capture) -> str:
    """Return service, Go version, pid and build of a capture, as far as they are known."""
    process = capture.process
    named = " ".join(part for part in (capture.service, process.module_version) if part)
    parts = [
        named,
        process.go_version,
        f"pid {process.pid}" if process.pid else "",
        f"build {process.build_id[:12]}" if process.build_id else "",
    ]
    return clean(", ".join(part for part in parts if part))


def when(snapshot: Snapshot, first: Capture | None) -> str:
    """Return name, time and GC proof of a capture; `first` is what to count the time from."""
    capture, parts = snapshot.capture, [clean(snapshot.name)]
    if capture.taken:
        parts.append(format_time(capture.taken))
    if capture.gc:
        cycle = capture.gc.num_gc_after
        behind = "behind GC" if capture.gc.proven else "GC not proven"
        parts.append(f"{behind} {cycle}" if cycle is not None and capture.gc.proven else behind)
    if capture.goroutines is not None:
        parts.append(f"{format_count(capture.goroutines)} goroutines")
    seconds = elapsed_s(first, capture) if first else None
    if seconds is not None:
        parts.append(f"{format_duration(abs(seconds))} {'later' if seconds >= 0 else 'earlier'}")
    return "  ".join(parts)


def _memory(diff: Diff, checks: Reconciliation, ink: Ink) -> Iterator[str]:
    total = diff.totals
    low, high = int(total.growth_bounds.low_bytes[0]), int(total.growth_bounds.high_bytes[0])
    sampled = f"{format_bytes(int(total.growth.bytes[0]), signed=True)} ({format_range(low, high)})"
    before, after = checks.before, checks.after
    everything = len(diff.selected) == len(diff.alignment)
    if before.exact is not None and after.exact is not None:
        yield _change(ink, "Live heap", (before.exact, after.exact), "exact")
    label = "In profile" if everything else "Selected"
    ends = int(total.before.bytes[0]), int(total.after.bytes[0])
    yield _change(ink, label, ends, f"sampled, {sampled}")
    old, new = ledger(diff.before.capture), ledger(diff.after.capture)
    memory = diff.before.capture.memory, diff.after.capture.memory
    if memory[0] and memory[1] and memory[0].rss and memory[1].rss:
        yield _change(ink, "RSS", (memory[0].rss, memory[1].rss), "resident, says the OS")
    if new is not None:
        yield ink.paint(ink.wrap(_spelled(new, old), indent=12), "dim")
    yield from _doubts(checks, ink)


def _change(ink: Ink, label: str, values: tuple[int, int], note: str) -> str:
    before, after = values
    numbers = f"{format_bytes(before):>8} → {format_bytes(after):>8}"
    grown = format_bytes(after - before, signed=True)
    return f"{label:<10}  {numbers}  {ink.paint(f'{grown:>9}', 'bold')}  {ink.paint(note, 'dim')}"


def _spelled(new: Ledger, old: Ledger | None) -> str:
    """Return the ledger as one sum, with the change of each part where it is worth a word."""
    parts = []
    for at, entry in enumerate(new.entries):
        change = entry.bytes - old.entries[at].bytes if old else 0
        grown = f" ({format_bytes(change, signed=True)})" if abs(change) >= 1 << 20 else ""
        parts.append(f"{entry.name} {format_bytes(entry.bytes)}{grown}")
    if new.non_go is not None and new.non_go >= 0:
        parts.append(f"not Go's {format_bytes(new.non_go)}")
    text = "= " + " + ".join(parts)
    if new.non_go is not None and new.non_go < 0:
        text += f" - reserved but never touched {format_bytes(-new.non_go)}"
    return text


def _doubts(checks: Reconciliation, ink: Ink) -> Iterator[str]:
    for name, check in (("before", checks.before), ("after", checks.after)):
        if check.agrees is False:
            yield ink.paint(
                ink.wrap(
                    f"! {name}: the profile estimates {format_range(check.low, check.high)} live, "
                    f"but the runtime counts {format_bytes(check.exact or 0)}: read the sites as "
                    "shares, not as totals.",
                    indent=0,
                ),
                "yellow",
            )
    if checks.classes and checks.disagreements:
        worst = max(checks.disagreements, key=lambda check: abs(check.exact - check.estimate))
        yield ink.paint(
            ink.wrap(
                f"! exact counters disagree in {len(checks.disagreements)} of "
                f"{len(checks.classes)} size classes, most at {format_bytes(worst.size)}: "
                f"{format_count(worst.exact, signed=True)} objects, profile "
                f"{format_count(worst.estimate, signed=True)}",
                indent=0,
            ),
            "yellow",
        )


def _findings(diff: Diff, found: tuple[Finding, ...], ink: Ink) -> Iterator[str]:
    if not found:
        visible = format_bytes(visible_growth_bytes(diff.after.heap.period))
        yield ink.heading("Nothing grew beyond the sampling error.")
        yield ink.wrap(
            f"One site of small objects shows from about {visible} of growth on.", indent=0
        )
        return
    yield ink.heading("1 finding" if len(found) == 1 else f"{len(found)} findings")
    for number, finding in enumerate(found, 1):
        yield from _finding(number, finding, ink)


def _finding(number: int, finding: Finding, ink: Ink) -> Iterator[str]:
    severity = finding.severity.name.lower()
    colour = _SEVERITY_COLOURS.get(finding.severity, "dim")
    yield f"{number}. {ink.paint(clean(finding.title), 'bold')}  {ink.paint(severity, colour)}"
    if finding.at:
        yield f"   {ink.paint(clean(place(finding.at)), 'cyan')}"
    for sentence in finding.detail:
        yield ink.wrap(clean(sentence), indent=3)
    if finding.advice:
        yield ink.paint(ink.wrap("→ " + finding.advice, indent=3), "dim")


def place(frame: Frame) -> str:
    """Return `file:line` as an editor opens it, or the function where no file is known."""
    if not frame.file:
        return frame.function
    return f"{frame.file}:{frame.line}" if frame.line else frame.file


def _table(diff: Diff, *, by: By, sort: Sort, limit: int, ink: Ink) -> Iterator[str]:
    data = diff.table(by)
    numbers = order(data, sort)[:limit]
    shown = list(rows(diff, data, numbers))
    sure = int(data.significant.sum())
    note = f"{len(shown)} of {format_count(len(data))} rows, {sure} changed for sure"
    yield ink.heading(f"Survivors by {by.value}", note)
    module = diff.after.capture.process.module
    columns, cells = _cells(shown, by=by, module=module, wide=ink.width >= _WIDE)
    yield from table(ink, columns, cells)


def _cells(
    shown: list[Row], *, by: By, module: str, wide: bool
) -> tuple[list[Column], list[list[str]]]:
    typed = by is not By.TYPE and any(row.type for row in shown)
    columns = [
        Column("growth", styles=("bold",)),
        Column("95 % interval"),
        Column("before"),
        Column("after"),
        *([Column("born"), Column("died")] if wide else []),
        Column("survived"),
        *([Column("cum")] if by is By.FUNCTION else []),
        *([Column("size")] if by in (By.SITE, By.LINE) else []),
        Column("verdict", right=False),
        *([Column("type", right=False)] if typed else []),
        Column(by.value, right=False),
    ]
    return columns, [_cell(row, by=by, module=module, wide=wide, typed=typed) for row in shown]


def _cell(row: Row, *, by: By, module: str, wide: bool, typed: bool) -> list[str]:
    limits = row.growth_limits
    cells = [
        format_bytes(row.growth.bytes, signed=True),
        format_range(limits.low_bytes, limits.high_bytes),
        format_bytes(row.before.bytes),
        format_bytes(row.after.bytes),
    ]
    if wide:
        cells += [
            format_range(row.born.low_bytes, row.born.high_bytes),
            format_range(row.died.low_bytes, row.died.high_bytes),
        ]
    cells.append(format_range(row.survived.low_bytes, row.survived.high_bytes))
    if by is By.FUNCTION:
        cells.append(format_bytes(row.cumulative or 0, signed=True))
    if by in (By.SITE, By.LINE):
        cells.append(format_bytes(row.object_bytes) if row.object_bytes else "various")
    cells.append(row.verdict.value)
    if typed:
        cells.append(clean(row.type or "?"))
    cells.append(clean(subject(row, module)))
    return cells


def subject(row: Row, module: str) -> str:
    """Return what the row is about; for a site, the line of own code behind foreign ones too."""
    if row.by is By.PACKAGE:
        return row.package or "?"
    if row.by is By.TYPE:
        return row.type or "type unknown"
    if row.by is By.SIZE:
        return format_bytes(row.object_bytes or 0)
    if row.by is By.FUNCTION:
        return row.function or "?"
    leaf = Frame(row.function, row.file, row.line)
    own = own_frame(row.stack, module)
    if own is None or own.function == leaf.function:
        return _spot(leaf)
    return f"{_spot(own)} ← {short_function(leaf.function)}"


def _spot(frame: Frame) -> str:
    spot = f" {short_file(frame.file)}:{frame.line}" if frame.file else ""
    return (short_function(frame.function) or "?") + spot


def _next(diff: Diff, found: tuple[Finding, ...], by: By, ink: Ink) -> Iterator[str]:
    first, last = (shlex.quote(clean(s.name)) for s in (diff.before, diff.after))
    names = f"{first} {last}"
    yield ink.heading("Next")
    other = By.FUNCTION if by is not By.FUNCTION else By.SITE
    yield f"  memsnap diff {names} --by {other.value}"
    at = next((finding.at for finding in found if finding.at), None)
    if at and not diff.selection.function:
        function = shlex.quote(clean(short_function(at.function)))
        yield f"  memsnap diff {names} --in {function} --by line"
    yield f"  go tool pprof -diff_base {names}"


def _letter(at: int, count: int) -> str:
    return chr(ord("A") + at) if count <= 26 else f"{at + 1:>3}"
