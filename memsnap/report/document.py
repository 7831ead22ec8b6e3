"""A diff as JSON: everything that the report says and all that it leaves out.

The form is `memsnap.diff/1`, described by `schemas/diff-1.json`; keys are only ever added to it.
Sizes are integer bytes, times ISO 8601 in UTC, limits those of a 95 % interval.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import msgspec

from memsnap.analysis.diff import Diff
from memsnap.analysis.finding import Finding
from memsnap.analysis.findings import settled
from memsnap.analysis.ledger import ledger
from memsnap.analysis.lineage import elapsed_s
from memsnap.analysis.reconcile import LiveCheck, Reconciliation, reconcile
from memsnap.analysis.rows import Amount, Frame, Limits, Row, Sort, Subject, amount_at, limits_at
from memsnap.analysis.stats import CONFIDENCE, FALSE_DISCOVERY_RATE
from memsnap.analysis.table import By
from memsnap.snapshot import Snapshot

SCHEMA = "memsnap.diff/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Which rows of a document are wanted: `limit` of them from `offset` on."""

    offset: int = 0
    limit: int


def diff_json(diff: Diff, *, by: By, sort: Sort, window: Window | None = None) -> Iterator[str]:
    """Return the document as JSON text, piece by piece: a large one is never held whole.

    A `window` bounds both `sites` and `groups`; the document then says so, with how many there are.
    """
    return json_text(_document(diff, by=by, sort=sort, window=window))


def json_text(document: dict[str, Any]) -> Iterator[str]:
    """Return a document as JSON: one key a line at the top, one row a line below.

    Values that are iterators are written as lists while they run.
    """
    lead = "{\n"
    for key, value in document.items():
        yield f"{lead}  {_json(key)}: "
        lead = ",\n"
        if isinstance(value, (list, Iterator)):
            yield from _list(iter(value))
        else:
            yield _json(value)
    yield "\n}"


def _list(items: Iterator[Any]) -> Iterator[str]:
    lead = "[\n    "
    for item in items:
        yield lead + _json(item)
        lead = ",\n    "
    yield "[]" if lead.startswith("[") else "\n  ]"


def diff_document(
    diff: Diff, *, by: By = By.SITE, sort: Sort = Sort.CONFIDENCE, with_sites: bool = True
) -> dict[str, Any]:
    """Return the document as values that JSON knows.

    `sites` are the selected rows by site, left out where they are not wanted; a grouping other
    than by site adds `groups`.
    """
    document = _document(diff, by=by, sort=sort, window=None)
    if not with_sites:
        del document["sites"]
    return {
        key: list(value) if isinstance(value, Iterator) else value
        for key, value in document.items()
    }


def _document(diff: Diff, *, by: By, sort: Sort, window: Window | None) -> dict[str, Any]:
    """Return the document with its rows as iterators."""
    offset, limit = (window.offset, window.limit) if window else (0, None)
    checks = reconcile(diff)
    diff, found = settled(diff)
    document = {
        "schema": SCHEMA,
        "confidence": CONFIDENCE,
        "false_discovery_rate": FALSE_DISCOVERY_RATE,
        "relation": diff.lineage.relation.value,
        "warnings": list(diff.lineage.warnings),
        "elapsed_s": elapsed_s(diff.before.capture, diff.after.capture),
        "selection": asdict(diff.selection),
        "captures": [capture_document(snapshot) for snapshot in diff.snapshots],
        "totals": _totals(diff),
        "reconciliation": _reconciliation(checks),
        "findings": [finding_document(finding) for finding in found],
        "sites": map(row_document, diff.rows(sort=sort, offset=offset, limit=limit)),
    }
    if by is not By.SITE:
        document["group_by"] = by.value
        document["groups"] = map(row_document, diff.rows(by, sort=sort, offset=offset, limit=limit))
    if window:
        groups = None if by is By.SITE else len(diff.table(by))
        document["window"] = {**asdict(window), "sites": len(diff.sites), "groups": groups}
    return document


def capture_document(snapshot: Snapshot) -> dict[str, Any]:
    """Return one capture's circumstances; null where the target did not tell."""
    capture, process = snapshot.capture, snapshot.capture.process
    stats, memory, gc = capture.mem_stats, capture.memory, capture.gc
    parts = ledger(capture)
    return {
        "name": snapshot.name,
        "time": capture.taken.isoformat() if capture.taken else None,
        "target": capture.target,
        "service": capture.service,
        "pid": process.pid,
        "start_time_ns": process.start_time_ns,
        "executable": process.executable,
        "build_id": process.build_id,
        "go_version": process.go_version,
        "module": process.module,
        "module_version": process.module_version,
        "vcs_revision": process.vcs_revision,
        "gc": asdict(gc) if gc else None,
        "num_gc": stats.num_gc if stats else None,
        "heap_alloc": stats.heap_alloc if stats else None,
        "rss": memory.rss if memory else None,
        "goroutines": capture.goroutines,
        "types": asdict(capture.types) if capture.types else None,
        "sample_rate_bytes": snapshot.heap.period,
        "mem_stats": asdict(stats) if stats else None,
        "memory": asdict(memory) if memory else None,
        "ledger": None
        if parts is None
        else {
            "entries": [asdict(entry) for entry in parts.entries],
            "go_bytes": parts.go_bytes,
            "rss_bytes": parts.rss,
            "non_go_bytes": parts.non_go,
            "garbage_bytes": parts.garbage,
        },
        "notes": list(capture.notes),
    }


def row_document(row: Row) -> dict[str, Any]:
    """Return one row; a site in a group's place has null where several differ."""
    return {
        **subject_document(row),
        "before": _amount(row.before),
        "after": _amount(row.after),
        "growth": {**_amount(row.growth), **_limits(row.growth_limits)},
        "allocated": None if row.allocated is None else _amount(row.allocated),
        "freed": None if row.freed is None else _amount(row.freed),
        "born": _limits(row.born),
        "died": _limits(row.died),
        "survived": _limits(row.survived),
        "cumulative_growth_bytes": row.cumulative,
        "samples": row.samples,
        "p_value": row.p_value,
        "significant": row.significant,
        "verdict": row.verdict.value,
        "history_bytes": list(row.history),
    }


def subject_document(row: Subject) -> dict[str, Any]:
    """Return what names a row of any table; `buckets` is the number of sites in it."""
    return {
        "type": row.type or None,
        "type_full": row.type_full or None,
        "type_inferred": row.type_inferred,
        "alloc": row.alloc or None,
        "function": row.function,
        "file": row.file,
        "line": row.line,
        "package": row.package,
        "object_bytes": row.object_bytes,
        "buckets": row.buckets,
        "stack": [frame_document(frame) for frame in row.stack],
    }


def finding_document(finding: Finding) -> dict[str, Any]:
    """Return one finding; `function`, `file` and `line` are the code to open."""
    growth = finding.growth
    return {
        "id": finding.id,
        "kind": finding.kind,
        "verdict": finding.verdict.value,
        "severity": finding.severity.name.lower(),
        "confidence": finding.confidence,
        "function": finding.function or None,
        "file": finding.file or None,
        "line": finding.line or None,
        "type": finding.type or None,
        "sites": [asdict(site) for site in finding.sites],
        "growth": None if growth is None else asdict(growth),
        "evidence": dict(finding.evidence),
        "title": finding.title,
        "detail": list(finding.detail),
        "at": frame_document(finding.at) if finding.at else None,
        "text": finding.text,
        "advice": finding.advice,
        "example": finding.example or None,
    }


def _totals(diff: Diff) -> dict[str, Any]:
    """Return the sums over all selected sites; they are zero where nothing is selected."""
    table = diff.totals
    return {
        "before": _amount(amount_at(table.before, 0)),
        "after": _amount(amount_at(table.after, 0)),
        "growth": {
            **_amount(amount_at(table.growth, 0)),
            **_limits(limits_at(table.growth_bounds, 0)),
        },
        "allocated": None if table.allocated is None else _amount(amount_at(table.allocated, 0)),
        "freed": None if table.freed is None else _amount(amount_at(table.freed, 0)),
        "born": _limits(limits_at(table.born, 0)),
        "died": _limits(limits_at(table.died, 0)),
        "survived": _limits(limits_at(table.survived, 0)),
        "sites": len(diff.selected),
    }


def _reconciliation(checks: Reconciliation) -> dict[str, Any]:
    return {
        "before": check_document(checks.before),
        "after": check_document(checks.after),
        "size_classes": [{**asdict(check), "agrees": check.agrees} for check in checks.classes],
    }


def check_document(check: LiveCheck) -> dict[str, Any]:
    """Return one capture's live heap: the runtime's exact count beside the profile's estimate."""
    return {
        "heap_alloc_bytes": check.exact,
        "estimate_bytes": check.estimate,
        "low_bytes": check.low,
        "high_bytes": check.high,
        "agrees": check.agrees,
    }


def _amount(amount: Amount) -> dict[str, int]:
    return {"objects": amount.objects, "bytes": amount.bytes}


def _limits(limits: Limits) -> dict[str, int]:
    return {
        "low_objects": limits.low_objects,
        "high_objects": limits.high_objects,
        "low_bytes": limits.low_bytes,
        "high_bytes": limits.high_bytes,
    }


def frame_document(frame: Frame) -> dict[str, str | int]:
    """Return one frame of a stack; `line` is 0 where it is unknown."""
    return {"function": frame.function, "file": frame.file, "line": frame.line}


def _json(value: Any) -> str:
    try:
        return msgspec.json.encode(value).decode()
    except UnicodeEncodeError:
        # A file or a program whose name is no UTF-8; JSON cannot hold it as it is.
        return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace").decode()
