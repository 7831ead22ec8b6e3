"""`memsnap list`: what was captured, and what was not."""

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from memsnap.cli import options, stores
from memsnap.errors import UsageError
from memsnap.units import format_bytes, format_count, format_duration, format_time

if TYPE_CHECKING:
    from memsnap.archive.archive import Archive
    from memsnap.storage.records import FailureRecord, Labels, SnapshotRecord, TargetRecord

_ROWS = 50
_MOST = 10_000


@click.command("list")
@click.argument("target", required=False)
@click.option("--snapshots", "of_snapshots", is_flag=True, help="List captures of all targets.")
@click.option("--failures", "of_failures", is_flag=True, help="List captures that failed, and why.")
@click.option("--since", default="", metavar="TIME", help="From 24h ago, or 2026-11-22T14:03.")
@click.option("--until", default="", metavar="TIME", help="Before 1h ago, or 2026-11-22T14:03.")
@click.option("--service", default="", metavar="NAME", help="Only targets of this service.")
@click.option("--label", "labels", multiple=True, metavar="NAME=VALUE",
              help="Only targets with this label; may be repeated.")  # fmt: skip
@click.option("--retired", is_flag=True, help="Also targets that no discovery finds any more.")
@click.option("-n", "--limit", type=click.IntRange(1, _MOST), default=_ROWS, show_default=True,
              help="Rows to print.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON (memsnap.list/1).")
@stores.store_options
def list(target: str | None, **given: Any) -> int:
    """List the targets of a store, or the captures of one TARGET.

    TARGET is a key, a service, an address, or t:3 by its id.

    \b
    memsnap list --label env=prod
    memsnap list shop --since 24h
    memsnap list --failures --since 1h --server http://collector:7070
    """
    if given["of_snapshots"] and given["of_failures"]:
        raise UsageError("--snapshots and --failures exclude each other")
    now_ns = time.time_ns()
    if given["of_failures"]:
        return _failures(target, given, now_ns)
    if target is not None or given["of_snapshots"]:
        return _snapshots(target, given, now_ns)
    if given["since"] or given["until"]:
        raise UsageError(
            "--since and --until choose captures, not targets", hint="add --snapshots or --failures"
        )
    return _targets(given, now_ns)


def _targets(given: dict[str, Any], now_ns: int) -> int:
    from memsnap.archive.values import TargetQuery

    wanted = TargetQuery(
        service=given["service"],
        labels=stores.parse_labels(given["labels"]),
        with_retired=given["retired"],
        limit=given["limit"] + 1,
    )
    found = stores.ask(given, lambda archive: archive.targets(wanted))
    rows = found[: given["limit"]]
    if given["as_json"]:
        return _print_json("targets", (stores.target_document(each) for each in rows), given, found)
    lines = _target_lines(rows, now_ns) if rows else ["No targets."]
    return _print(lines, given, found)


def _snapshots(name: str | None, given: dict[str, Any], now_ns: int) -> int:
    from memsnap.storage.records import SnapshotFilter

    async def work(archive: "Archive") -> "tuple[Sequence[TargetRecord], list[SnapshotRecord]]":
        targets = await _meant(archive, name)
        wanted = SnapshotFilter(
            target_id=targets[0].id if name is not None else None,
            service=given["service"],
            labels=stores.parse_labels(given["labels"]),
            since_ns=stores.span(given["since"], now_ns),
            until_ns=stores.span(given["until"], now_ns),
            limit=given["limit"] + 1,
        )
        return targets, await archive.snapshots(wanted)

    targets, found = stores.ask(given, work)
    keys = {each.id: each.seen.key for each in targets}
    rows = found[: given["limit"]]
    if given["as_json"]:
        documents = (_snapshot_document(each, keys) for each in rows)
        return _print_json("snapshots", documents, given, found)
    lines = _snapshot_lines(rows, keys, one=name is not None) if rows else ["No captures."]
    return _print(lines, given, found)


def _failures(name: str | None, given: dict[str, Any], now_ns: int) -> int:
    from memsnap.archive.values import MOST_ROWS, FailureQuery

    if given["limit"] >= MOST_ROWS:
        raise UsageError(
            f"--failures lists at most {MOST_ROWS - 1} lines", hint="choose a time with --since"
        )

    async def work(archive: "Archive") -> "tuple[Sequence[TargetRecord], list[FailureRecord]]":
        targets = await _meant(archive, name)
        wanted = FailureQuery(
            target_id=targets[0].id if name is not None else None,
            service=given["service"],
            labels=stores.parse_labels(given["labels"]),
            since_ns=stores.span(given["since"], now_ns),
            until_ns=stores.span(given["until"], now_ns),
            limit=given["limit"] + 1,
        )
        return targets, await archive.failures(wanted)

    targets, found = stores.ask(given, work)
    keys = {each.id: each.seen.key for each in targets}
    rows = found[: given["limit"]]
    if given["as_json"]:
        documents = (_failure_document(each, keys) for each in rows)
        return _print_json("failures", documents, given, found)
    lines = _failure_lines(rows, keys, one=name is not None) if rows else ["No failures."]
    return _print(lines, given, found)


async def _meant(archive: "Archive", name: str | None) -> "Sequence[TargetRecord]":
    """Return the one target of this name, or all of them, to call captures by their keys."""
    from memsnap.archive.references import target_name
    from memsnap.archive.values import TargetQuery

    if name is not None:
        return [await archive.find_target(target_name(name))]
    return await archive.targets(TargetQuery(with_retired=True, limit=1_000_000))


def _target_lines(rows: "Sequence[TargetRecord]", now_ns: int) -> Iterable[str]:
    from memsnap.report.ink import Column, clean, table

    columns = [
        Column("id"),
        *(Column(title, right=False) for title in ("service", "target", "labels")),
        *(Column("captures"), Column("last", right=False), Column("failing since", right=False)),
    ]
    cells = [
        [
            str(each.id),
            clean(each.seen.service),
            clean(each.seen.key),
            stores.labels_text(each.seen.labels),
            format_count(each.snapshots),
            _age(each.last_slot_ns, now_ns),
            "retired" if each.retired_ns is not None else clean(each.last_failure),
        ]
        for each in rows
    ]
    columns[-1] = Column("state", right=False)
    return table(options.terminal(), columns, cells)


def _snapshot_lines(
    rows: "Sequence[SnapshotRecord]", keys: dict[int, str], *, one: bool
) -> Iterable[str]:
    from memsnap.report.ink import Column, clean, table

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


def _snapshot_cells(record: "SnapshotRecord") -> "List":
    from memsnap.report.ink import clean

    capture = record.capture
    stats, memory = capture.mem_stats, capture.memory
    return [
        str(record.id),
        _time(record.slot_ns),
        _bytes(stats.heap_alloc if stats else None),
        _bytes(memory.rss if memory else None),
        "?" if capture.goroutines is None else format_count(capture.goroutines),
        stores.build_text(record),
        clean(record.reason),
    ]


def _failure_lines(
    rows: "Sequence[FailureRecord]", keys: dict[int, str], *, one: bool
) -> Iterable[str]:
    from memsnap.report.ink import Column, clean, table

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


def _snapshot_document(record: "SnapshotRecord", keys: dict[int, str]) -> dict[str, Any]:
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


def _failure_document(record: "FailureRecord", keys: dict[int, str]) -> dict[str, Any]:
    return {
        "target_id": record.slot.target_id,
        "target": keys.get(record.slot.target_id, ""),
        "slot_ns": record.slot.at_ns,
        "at_ns": record.at_ns,
        "cause": record.cause.value,
        "message": record.message,
        "collector": record.collector,
    }


def _print_json(
    what: str, documents: Iterator[dict[str, Any]], given: dict[str, Any], found: Sequence[Any]
) -> int:
    from memsnap.report.document import json_text

    more = len(found) > given["limit"]
    options.show(json_text({"schema": "memsnap.list/1", "more": more, what: documents}))
    return 0


def _print(lines: Iterable[str], given: dict[str, Any], found: Sequence[Any]) -> int:
    more = [f"  and more; -n {_MOST} lists up to that"] if len(found) > given["limit"] else []
    options.show("\n".join((*lines, *more)))
    return 0


def _time(ns: int) -> str:
    from memsnap.archive.moments import to_datetime

    return format_time(to_datetime(ns))


def _age(ns: int | None, now_ns: int) -> str:
    if ns is None:
        return "never"
    return f"{format_duration(max(now_ns - ns, 0) / 1e9)} ago"


def _bytes(size: int | None) -> str:
    return "?" if size is None else format_bytes(size)
