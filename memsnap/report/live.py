"""One capture as text and as JSON: its circumstances, its memory, and what is live where.

The JSON forms are `memsnap.show/1` and `memsnap.top/1`; keys are only ever added to them.  Sizes
are integer bytes, limits those of a 95 % interval, and null stands for what is not known.
"""

import shlex
from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import islice
from typing import Any

from memsnap.analysis.alone import find_alone
from memsnap.analysis.finding import Severity
from memsnap.analysis.ledger import ledger
from memsnap.analysis.live import Live, LiveRow, LiveSort
from memsnap.analysis.stats import CONFIDENCE
from memsnap.analysis.table import By
from memsnap.report import words
from memsnap.report.document import (
    capture_document,
    check_document,
    finding_document,
    subject_document,
)
from memsnap.report.findings import finding_lines
from memsnap.report.ink import Column, Ink, clean, table
from memsnap.snapshot import ProcessMemory
from memsnap.units import format_bytes, format_count, format_range

SHOW_SCHEMA = "memsnap.show/1"
TOP_SCHEMA = "memsnap.top/1"

_WIDE = 115  # columns of the terminal from which on there is room for what was allocated


def render_show(live: Live, *, limit: int, is_file: bool, ink: Ink, again: str = "") -> str:
    """Return the description of a capture as text, without a trailing newline.

    `is_file` says whether the snapshot's name is that of a file, which commands can be given.
    `again` are options that suggested commands need, to find captures that are in a store.
    """
    parts = [
        "\n".join(_header(live, ink)),
        "\n".join(_findings(live, ink)),
        "\n".join(_memory(live, ink)),
        "\n".join(_ledger(live, ink)),
        "\n".join(_sites(live, limit, ink)),
        "\n".join(_next(live, ink, again, is_file=is_file)),
    ]
    return "\n\n".join(part for part in parts if part)


def render_top(live: Live, *, by: By, sort: LiveSort, limit: int, ink: Ink) -> str:
    """Return the table alone as text: a line on what it shows, then the rows."""
    total = int(live.totals.live.bytes[0])
    shown = list(live.rows(by, sort=sort, limit=limit))
    count = len(live.table(by))
    note = f"{len(shown)} of {format_count(count)} rows, {format_bytes(total)} in all"
    module = live.snapshot.capture.process.module
    allocated = sort is LiveSort.ALLOCATED or ink.width >= _WIDE
    columns, cells = live_cells(shown, by=by, module=module, total=total, allocated=allocated)
    return "\n".join([ink.heading(f"Live by {by.value}", note), *table(ink, columns, cells)])


def show_document(live: Live, *, limit: int) -> dict[str, Any]:
    """Return `memsnap.show/1`.

    `capture` is as in `memsnap.diff/1`; `heap` holds the runtime's exact count
    (`heap_alloc_bytes`) beside the profile's estimate with its limits; `findings` are what one
    capture shows by itself; `sites` are the largest.
    """
    return {
        "schema": SHOW_SCHEMA,
        "confidence": CONFIDENCE,
        "capture": capture_document(live.snapshot),
        "heap": {
            **check_document(live.check),
            "samples": int(live.totals.samples[0]),
            "site_count": len(live.alignment),
        },
        "findings": [finding_document(finding) for finding in find_alone(live)],
        "sites": [live_row_document(row) for row in live.rows(limit=limit)],
    }


def top_document(
    live: Live, *, by: By = By.SITE, sort: LiveSort = LiveSort.LIVE, limit: int | None = None
) -> dict[str, Any]:
    """Return `memsnap.top/1`.

    `rows` are as selected and sorted, `total` is of all that is selected; `findings` are those of
    the capture that are about what is selected.
    """
    return {
        "schema": TOP_SCHEMA,
        "confidence": CONFIDENCE,
        "name": live.snapshot.name,
        "by": by.value,
        "sort": sort.value,
        "selection": asdict(live.selection),
        "sample_rate_bytes": live.snapshot.heap.period,
        "total": _numbers(live.row(live.totals, 0)) if len(live.selected) else None,
        "findings": [finding_document(finding) for finding in find_alone(live)],
        "rows": [live_row_document(row) for row in live.rows(by, sort=sort, limit=limit)],
    }


def live_row_document(row: LiveRow) -> dict[str, Any]:
    """Return one row.

    `cumulative_live_bytes` is null for rows not by function, `allocated` counts since the start
    of the process.
    """
    return {
        **subject_document(row),
        **_numbers(row),
        "cumulative_live_bytes": row.cumulative,
    }


def _numbers(row: LiveRow) -> dict[str, Any]:
    limits, allocated = row.live_limits, row.allocated
    return {
        "live": {
            "objects": row.live.objects,
            "bytes": row.live.bytes,
            "low_objects": limits.low_objects,
            "high_objects": limits.high_objects,
            "low_bytes": limits.low_bytes,
            "high_bytes": limits.high_bytes,
        },
        "allocated": None
        if allocated is None
        else {"objects": allocated.objects, "bytes": allocated.bytes},
        "samples": row.samples,
    }


def _header(live: Live, ink: Ink) -> Iterator[str]:
    snapshot = live.snapshot
    capture = snapshot.capture
    yield ink.paint(words.describe(capture) or "heap profile", "bold")
    yield words.when(snapshot, None)
    if capture.gc is None:
        reason = "a plain profile does not tell whether it stands behind a finished GC"
        yield ink.paint(ink.wrap(f"! {reason}: garbage may count as live.", indent=0), "yellow")
    elif not capture.gc.proven:
        yield ink.paint(
            ink.wrap(
                f"! GC not proven ({clean(capture.gc.reason)}): garbage may count as live.",
                indent=0,
            ),
            "yellow",
        )
    else:
        yield ink.paint(ink.wrap(f"GC proven: {clean(capture.gc.reason)}", indent=0), "dim")
    for note in capture.notes:
        yield ink.paint(ink.wrap("! " + clean(note), indent=0), "yellow")


def _findings(live: Live, ink: Ink) -> Iterator[str]:
    """Yield what one capture shows by itself; a remark is no more than a line."""
    for number, finding in enumerate(find_alone(live), 1):
        lines = finding_lines(number, finding, ink, full=False)
        yield from islice(lines, 1) if finding.severity is Severity.INFO else lines


def _memory(live: Live, ink: Ink) -> Iterator[str]:
    check, capture = live.check, live.snapshot.capture
    if check.exact is not None:
        forced = capture.gc is not None and capture.gc.forced
        yield _amount(
            ink, "Live heap", check.exact, "exact" if forced else "exact, garbage included"
        )
    samples = format_count(int(live.totals.samples[0]))
    rate = format_bytes(live.snapshot.heap.period)
    limits = format_range(check.low, check.high)
    note = f"{limits} at {100 * CONFIDENCE:.0f} %, from {samples} samples, one every {rate}"
    yield _amount(ink, "In profile", check.estimate, note)
    for label, size, meaning in _process(capture.memory or ProcessMemory()):
        yield _amount(ink, label, size, meaning)
    if check.agrees is False:
        yield ink.paint(ink.wrap("! " + words.disagreement(check), indent=0), "yellow")


def _process(memory: ProcessMemory) -> Iterator[tuple[str, int, str]]:
    if memory.rss is not None:
        yield "RSS", memory.rss, "resident, says the OS"
    if memory.pss is not None:
        yield "PSS", memory.pss, "resident, shared pages counted in part"
    if memory.swap:
        yield "Swap", memory.swap, "swapped out"
    if memory.cgroup_current is not None:
        limit = memory.cgroup_limit
        of = f"of {format_bytes(limit)} allowed" if limit is not None else "without a limit"
        yield "cgroup", memory.cgroup_current, of + ", page cache included"


def _amount(ink: Ink, label: str, size: int, note: str) -> str:
    number = ink.paint(f"{format_bytes(size):>8}", "bold")
    return f"{label:<10}  {number}  {ink.paint(note, 'dim')}"


def _ledger(live: Live, ink: Ink) -> Iterator[str]:
    parts = ledger(live.snapshot.capture)
    if parts is None:
        return
    cells = [[format_bytes(entry.bytes), entry.name, entry.meaning] for entry in parts.entries]
    cells.append([format_bytes(parts.go_bytes), "held by Go", "Sys - HeapReleased"])
    if parts.non_go is not None and parts.non_go >= 0:
        meaning = "RSS less that: the executable, C libraries, mapped files"
        cells.append([format_bytes(parts.non_go), "not Go's", meaning])
    elif parts.non_go is not None:
        meaning = "held by Go less RSS: costs nothing"
        cells.append([format_bytes(-parts.non_go), "never touched", meaning])
    if parts.garbage is not None:
        meaning = "waited for the next cycle, and went with the capture's own GC"
        cells.append([format_bytes(parts.garbage), "garbage", meaning])
    yield ink.heading("Memory of the process")
    columns = [
        Column("size", styles=("bold",)),
        Column("part", right=False),
        Column("meaning", right=False, styles=("dim",)),
    ]
    yield from table(ink, columns, cells)


def _sites(live: Live, limit: int, ink: Ink) -> Iterator[str]:
    shown = list(live.rows(limit=limit))
    if not shown:
        yield ink.heading("The profile holds no samples.")
        return
    yield ink.heading(f"Largest of {format_count(len(live.alignment))} sites")
    module = live.snapshot.capture.process.module
    total = int(live.totals.live.bytes[0])
    columns, cells = live_cells(
        shown, by=By.SITE, module=module, total=total, allocated=ink.width >= _WIDE
    )
    yield from table(ink, columns, cells)


def live_cells(
    shown: list[LiveRow], *, by: By, module: str, total: int, allocated: bool
) -> tuple[list[Column], list[list[str]]]:
    """Return the columns of a capture's table and the cells of its rows.

    `total` is the bytes that shares are of; `allocated` asks for the column of that name.
    Functions have pprof's words: flat, cum.
    """
    typed = by is not By.TYPE and any(row.type for row in shown)
    sized = by in (By.SITE, By.LINE)
    flat = "flat" if by is By.FUNCTION else "live"
    wanted: list[tuple[bool, Column, Callable[[LiveRow], str]]] = [
        (True, Column(flat, styles=("bold",)), lambda row: format_bytes(row.live.bytes)),
        (True, Column("95 % interval"), _limits),
        (True, Column("share"), lambda row: f"{row.live.bytes / max(total, 1):.1%}"),
        (by is By.FUNCTION, Column("cum"), lambda row: format_bytes(row.cumulative or 0)),
        (True, Column("objects"), lambda row: format_count(row.live.objects)),
        (allocated, Column("allocated"), _allocated),
        (sized, Column("size"), words.size_of),
        (typed, Column("type", right=False), words.type_of),
        (True, Column(by.value, right=False), lambda row: clean(words.subject(row, module))),
    ]
    chosen = [(column, text) for is_shown, column, text in wanted if is_shown]
    return [column for column, _ in chosen], [[text(row) for _, text in chosen] for row in shown]


def _limits(row: LiveRow) -> str:
    return format_range(row.live_limits.low_bytes, row.live_limits.high_bytes)


def _allocated(row: LiveRow) -> str:
    return "?" if row.allocated is None else format_bytes(row.allocated.bytes)


def _next(live: Live, ink: Ink, again: str, *, is_file: bool) -> Iterator[str]:
    name = shlex.quote(clean(live.snapshot.name))
    yield ink.heading("Next")
    if not is_file:
        yield f"  memsnap capture {name} -o before.snap"
        yield f"  memsnap diff before.snap {name}"
        return
    yield f"  memsnap top {name} --by function{again}"
    yield f"  memsnap diff {name} LATER.snap{again}"
    if live.snapshot.name.startswith("store:"):
        yield f"  memsnap pull {name}{again}"
    else:
        yield f"  go tool pprof -top {name}"
