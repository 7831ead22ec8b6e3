"""The lines and documents of `memsnap list`."""

from collections.abc import Iterable, Sequence
from typing import Any

from memsnap.archive.moments import to_datetime
from memsnap.archive.values import KeptFinding
from memsnap.cli import options
from memsnap.report.ink import Column, clean, table
from memsnap.storage.records import FailureRecord, Labels, SnapshotRecord, TargetRecord
from memsnap.storage.sightings import FOR_EVER_NS, State
from memsnap.units import format_bytes, format_count, format_duration, format_time


def target_lines(rows: Sequence[TargetRecord], now_ns: int) -> Iterable[str]:
    """Return a table of targets."""
    columns = [
        Column("id"),
        *(Column(title, right=False) for title in ("service", "target", "labels")),
        *(Column("captures"), Column("last", right=False), Column("state", right=False)),
    ]
    cells = [
        [
            str(each.id),
            clean(each.seen.service),
            clean(each.seen.key),
            _labels(each.seen.labels),
            format_count(each.snapshots),
            _age(each.last_slot_ns, now_ns),
            "retired" if each.retired_ns is not None else clean(each.last_failure),
        ]
        for each in rows
    ]
    return table(options.terminal(), columns, cells)


def snapshot_lines(
    rows: Sequence[SnapshotRecord], keys: dict[int, str], *, one: bool
) -> Iterable[str]:
    """Return a table, without the target where it is `one`."""
    columns = [
        *(Column("id"), Column("time", right=False), Column("heap"), Column("RSS")),
        *(Column("goroutines"), Column("build", right=False), Column("reason", right=False)),
    ]
    cells = [_snapshot_cells(each) for each in rows]
    if not one:
        columns.append(Column("target", right=False))
        for row, each in zip(cells, rows, strict=True):
            row.append(clean(keys.get(each.target_id, "")))
    return table(options.terminal(), columns, cells)


def _snapshot_cells(record: SnapshotRecord) -> list[str]:
    capture = record.capture
    stats, memory = capture.mem_stats, capture.memory
    return [
        str(record.id),
        _time(record.slot_ns),
        _bytes(stats.heap_alloc if stats else None),
        _bytes(memory.rss if memory else None),
        "?" if capture.goroutines is None else format_count(capture.goroutines),
        _build(record),
        clean(record.reason),
    ]


def failure_lines(
    rows: Sequence[FailureRecord], keys: dict[int, str], *, one: bool
) -> Iterable[str]:
    """Return a table, without the target where it is `one`."""
    titles = ("time", "cause", *(() if one else ("target",)), "reason")
    columns = [Column(title, right=False) for title in titles]
    cells = [
        [
            _time(each.slot.at_ns),
            each.cause.value,
            *([] if one else [clean(keys.get(each.slot.target_id, ""))]),
            clean(each.message),
        ]
        for each in rows
    ]
    return table(options.terminal(), columns, cells)


def finding_lines(rows: Sequence[KeptFinding], now_ns: int) -> Iterable[str]:
    """Return a table of findings; the sentence of each comes last."""
    titles = ("state", "verdict", "severity", "target", "since", "last", "finding")
    columns = [Column("id"), *(Column(title, right=False) for title in titles)]
    cells = [
        [
            str(each.finding.id),
            _state(each),
            each.finding.verdict,
            each.finding.severity,
            clean(each.finding.seen.key),
            _age(each.finding.course.since_ns, now_ns),
            _age(each.finding.course.last_ns, now_ns),
            _said(each),
        ]
        for each in rows
    ]
    return table(options.terminal(), columns, cells)


def settled_line(kept: KeptFinding) -> str:
    """Return what a finding is now, after somebody has settled it."""
    by = kept.finding.course.resolved_by if kept.state is State.RESOLVED else kept.finding.muted_by
    who = f" by {clean(by)}" if by and kept.state in (State.RESOLVED, State.MUTED) else ""
    return f"{kept.finding.id} is {_state(kept)}{who}: {_said(kept)}"


def _state(kept: KeptFinding) -> str:
    """Return the state, with the end of a mute that ends."""
    until_ns = kept.finding.muted_until_ns
    if kept.state is not State.MUTED or until_ns is None or until_ns == FOR_EVER_NS:
        return kept.state.value
    return f"muted until {_time(until_ns)}"


def _said(kept: KeptFinding) -> str:
    title = kept.finding.document.get("title")
    return clean(title if isinstance(title, str) and title else kept.finding.fingerprint)


def kept_document(kept: KeptFinding) -> dict[str, Any]:
    """Return a finding and its course as JSON; `finding` is what was last said of it."""
    record, course = kept.finding, kept.finding.course
    return {
        "id": record.id,
        "state": kept.state.value,
        "target_id": record.target_id,
        "target": record.seen.key,
        "service": record.seen.service,
        "first_ns": course.first_ns,
        "since_ns": course.since_ns,
        "last_ns": course.last_ns,
        "captures": course.captures,
        "since_build": record.since_build,
        "muted_until_ns": None if record.muted_until_ns == FOR_EVER_NS else record.muted_until_ns,
        "muted_by": record.muted_by,
        "resolved_ns": course.resolved_ns,
        "resolved_by": course.resolved_by,
        "finding": record.document,
    }


def snapshot_document(record: SnapshotRecord, keys: dict[int, str]) -> dict[str, Any]:
    """Return it as JSON; `keys` are those of the targets."""
    capture = record.capture
    stats, memory, process = capture.mem_stats, capture.memory, capture.process
    return {
        "id": record.id,
        "target_id": record.target_id,
        "target": keys.get(record.target_id, ""),
        "process_id": record.process_id,
        "slot_ns": record.slot_ns,
        "taken_ns": capture.taken_ns,
        "stored_ns": record.stored_ns,
        "reason": record.reason,
        "stored_bytes": record.stored_bytes,
        "samples": record.samples,
        "heap_bytes": stats.heap_alloc if stats else None,
        "rss_bytes": memory.rss if memory else None,
        "goroutines": capture.goroutines,
        "gc_proven": capture.gc.proven if capture.gc else None,
        "pid": process.pid,
        "go_version": process.go_version,
        "build_id": process.build_id,
        "module_version": process.module_version,
        "vcs_revision": process.vcs_revision,
    }


def failure_document(record: FailureRecord, keys: dict[int, str]) -> dict[str, Any]:
    """Return it as JSON; `keys` are those of the targets."""
    return {
        "target_id": record.slot.target_id,
        "target": keys.get(record.slot.target_id, ""),
        "slot_ns": record.slot.at_ns,
        "at_ns": record.at_ns,
        "cause": record.cause.value,
        "message": record.message,
        "collector": record.collector,
    }


def _time(ns: int) -> str:
    return format_time(to_datetime(ns))


def _age(ns: int | None, now_ns: int) -> str:
    if ns is None:
        return "never"
    return f"{format_duration(max(now_ns - ns, 0) / 1e9)} ago"


def _bytes(size: int | None) -> str:
    return "?" if size is None else format_bytes(size)


def _labels(labels: Labels) -> str:
    """Return labels as they are written: `env=prod, zone=a`."""
    return clean(", ".join(f"{name}={value}" for name, value in labels))


def _build(record: SnapshotRecord) -> str:
    """Return the shortest name of a build: its version, its revision or its id."""
    process = record.capture.process
    return clean(process.module_version or process.vcs_revision[:12] or process.build_id[:12])


def target_document(target: TargetRecord) -> dict[str, Any]:
    """Return a target as JSON."""
    seen = target.seen
    return {
        "id": target.id,
        "key": seen.key,
        "service": seen.service,
        "address": seen.address,
        "source": seen.source,
        "labels": dict(seen.labels),
        "captures": target.snapshots,
        "last_slot_ns": target.last_slot_ns,
        "last_failure": target.last_failure,
        "first_seen_ns": target.first_seen_ns,
        "last_seen_ns": target.last_seen_ns,
        "retired_ns": target.retired_ns,
    }
