"""How captures, lines of code and amounts read, in whatever form a report takes.

Plain sentences and cells, without colour, width or markup: those belong to the forms.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from memsnap.analysis.diff import Diff
from memsnap.analysis.finding import Cause
from memsnap.analysis.ledger import Ledger, ledger
from memsnap.analysis.lineage import elapsed_s
from memsnap.analysis.names import short_file, short_function
from memsnap.analysis.reconcile import LiveCheck, Reconciliation
from memsnap.analysis.rows import Frame, Limits, Row, Sort, Subject, own_frame
from memsnap.analysis.table import By
from memsnap.report.ink import Column, clean
from memsnap.snapshot import Capture, Snapshot
from memsnap.units import (
    format_bytes,
    format_count,
    format_duration,
    format_range,
    format_size,
    format_time,
)

# Columns of the terminal from which on a table has room for more.
_NARROW, _MEDIUM, _WIDE = 90, 115, 140
# Of many 95 % intervals some miss by chance: size classes that may before a word is said.
_FEW_CLASSES, _FEW_SHARE = 3, 0.1


@dataclass(frozen=True, slots=True)
class Change:
    """One number before and after, in bytes, and what it rests on."""

    label: str
    before: int
    after: int
    note: str


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
    return "  ".join([clean(snapshot.name), *circumstances(snapshot.capture, first)])


def circumstances(capture: Capture, first: Capture | None) -> list[str]:
    """Return time, GC proof and goroutines of a capture, and the time since `first`."""
    parts = []
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
    return parts


def letter(at: int, count: int) -> str:
    """Return the name of capture `at` of `count`: A, B, C, or its number where letters end."""
    return chr(ord("A") + at) if count <= 26 else f"{at + 1:>3}"


def changes(diff: Diff, checks: Reconciliation) -> Iterator[Change]:
    """Return what became of the live heap, the profile's share of it, and the process."""
    total = diff.totals
    before, after = checks.before, checks.after
    if before.exact is not None and after.exact is not None:
        yield Change("Live heap", before.exact, after.exact, "exact")
    low, high = int(total.growth_bounds.low_bytes[0]), int(total.growth_bounds.high_bytes[0])
    everything = len(diff.selected) == len(diff.alignment)
    yield Change(
        "In profile" if everything else "Selected",
        int(total.before.bytes[0]),
        int(total.after.bytes[0]),
        f"sampled: {format_range(low, high)}",
    )
    memory = diff.before.capture.memory, diff.after.capture.memory
    if memory[0] and memory[1] and memory[0].rss and memory[1].rss:
        yield Change("RSS", memory[0].rss, memory[1].rss, "resident, says the OS")


def ledger_sum(diff: Diff) -> str:
    """Return the last capture's ledger as one sum, with the change of each part worth a word.

    Empty where the runtime's counters are not known.
    """
    new = ledger(diff.after.capture)
    return "" if new is None else _spelled(new, ledger(diff.before.capture))


def _spelled(new: Ledger, old: Ledger | None) -> str:
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
    if new.garbage:
        text += f"; {format_bytes(new.garbage)} of garbage went with the capture's GC"
    return text


def doubts(checks: Reconciliation) -> Iterator[str]:
    """Return what the runtime's exact counters say against the profile, one sentence each."""
    ends = {"before": checks.before, "after": checks.after}
    doubted = [name for name, check in ends.items() if check.agrees is False]
    if doubted:
        yield f"{' and '.join(doubted)}: {disagreement(ends[doubted[-1]])}"
    if len(checks.disagreements) > max(_FEW_CLASSES, _FEW_SHARE * len(checks.classes)):
        worst = max(checks.disagreements, key=lambda check: abs(check.exact - check.estimate))
        yield (
            f"exact counters disagree in {len(checks.disagreements)} of "
            f"{len(checks.classes)} size classes, most at {format_bytes(worst.size)}: "
            f"{format_count(worst.exact, signed=True)} objects, profile "
            f"{format_count(worst.estimate, signed=True)}"
        )


def disagreement(check: LiveCheck) -> str:
    """Return the sentence that the profile's live heap is not the runtime's."""
    return (
        f"the profile estimates {format_range(check.low, check.high)} live, but the runtime counts "
        f"{format_bytes(check.exact or 0)}: read the sites as shares, not as totals."
    )


def place(frame: Frame) -> str:
    """Return `file:line` as an editor opens it, or the function where no file is known."""
    if not frame.file:
        return frame.function
    return f"{frame.file}:{frame.line}" if frame.line else frame.file


def subject(row: Subject, module: str) -> str:
    """Return what the row is about; for a site, the line of own code behind foreign ones too."""
    if row.by is By.PACKAGE:
        return row.package or "?"
    if row.by is By.TYPE:
        return type_of(row) if row.type else "type unknown"
    if row.by is By.SIZE:
        return format_size(row.object_bytes or 0)
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


def shown_rows(diff: Diff, *, by: By, sort: Sort, limit: int) -> list[Row]:
    """Return the rows of a printed table: what did not change is noise, unless it is asked for."""
    by_change = sort in (Sort.CONFIDENCE, Sort.GROWTH)
    rows = diff.rows(by, sort=sort)
    return list(islice((row for row in rows if row.changed or not by_change), limit))


def verdict_of(row: Row) -> str:
    """Return a row's verdict; a dash where it is unknown whether anything changed at all."""
    unsure = row.verdict is Cause.UNKNOWN and not row.significant
    return "-" if unsure else row.verdict.value


def diff_cells(
    shown: list[Row], *, by: By, module: str, width: int
) -> tuple[list[Column], list[list[str]]]:
    """Return the columns of a diff's table that fit in `width`, and the cells of its rows."""
    typed = by is not By.TYPE and any(row.type for row in shown)
    sized = by in (By.SITE, By.LINE)
    wanted: list[tuple[bool, Column, Callable[[Row], str]]] = [
        (True, Column("growth", styles=("bold",)), lambda row: _signed(row.growth.bytes)),
        (True, Column("95 % interval"), lambda row: _range(row.growth_limits)),
        (width >= _MEDIUM, Column("before"), lambda row: format_bytes(row.before.bytes)),
        (True, Column("after"), lambda row: format_bytes(row.after.bytes)),
        (width >= _WIDE, Column("born"), lambda row: _range(row.born)),
        (width >= _WIDE, Column("died"), lambda row: _range(row.died)),
        (True, Column("survived"), lambda row: _range(row.survived)),
        (by is By.FUNCTION, Column("cum"), lambda row: _signed(row.cumulative or 0)),
        (sized and width >= _NARROW, Column("size"), size_of),
        (True, Column("verdict", right=False), verdict_of),
        (typed, Column("type", right=False), type_of),
        (True, Column(by.value, right=False), lambda row: clean(subject(row, module))),
    ]
    chosen = [(column, text) for has_room, column, text in wanted if has_room]
    return [column for column, _ in chosen], [[text(row) for _, text in chosen] for row in shown]


def _signed(size_bytes: int) -> str:
    return format_bytes(size_bytes, signed=True)


def _range(limits: Limits) -> str:
    return format_range(limits.low_bytes, limits.high_bytes)


def type_of(row: Subject) -> str:
    """Return the type of a row's objects, with a tilde where it is inferred."""
    return clean(f"~{row.type}" if row.type and row.type_inferred else row.type or "?")


def size_of(row: Subject) -> str:
    """Return the size of a row's objects, or that it holds several."""
    return format_size(row.object_bytes) if row.object_bytes else "various"
