"""`memsnap series`: how a site, a type or a counter of a target went over time."""

import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from memsnap.cli import options, stores
from memsnap.errors import UsageError
from memsnap.units import format_bytes, format_count, format_duration, format_time

if TYPE_CHECKING:
    from memsnap.archive.archive import Archive
    from memsnap.archive.values import Column, Series, SeriesQuery
    from memsnap.storage.records import TargetRecord

_ROWS = 20
_SITE_FILTERS = ("focus", "function", "package", "file")


@click.command()
@click.argument("target")
@click.option("--focus", "--type", "focus", default="", metavar="TYPE",
              help="Follow objects of this Go type: '*http.Request', '[]byte'.")  # fmt: skip
@click.option("--in", "--site", "--function", "function", default="", metavar="FUNC",
              help="Follow what was allocated on stacks through this function.")  # fmt: skip
@click.option("--package", default="", metavar="PATH", help="... through this package.")
@click.option("--file", default="", metavar="PATH", help="... through this file.")
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    metavar="NAME",
    help="Follow heap, rss, goroutines, next-gc, stacks, sys, gc, cgroup, or any column as "
    "go_heap_sys. Default: heap, rss, goroutines.",
)
@click.option("--since", default="24h", show_default=True, metavar="TIME",
              help="From 24h ago, or 2026-11-22T14:03.")  # fmt: skip
@click.option("--until", default="", metavar="TIME", help="Before 1h ago, or a time.")
@click.option("-n", "--limit", type=click.IntRange(0), default=_ROWS, show_default=True,
              help="Captures to print, the last ones; JSON has all.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON (memsnap.series/1).")
@stores.store_options
def series(target: str, **given: Any) -> int:
    """Follow one thing over all captures of a TARGET: a site, a type, or counters.

    What sites hold is what the profile estimates; counters are exact.

    \b
    memsnap series shop --in '(*Cache).Put' --since 24h
    memsnap series shop --type '*http.Request'
    memsnap series shop --metric heap --metric rss --server http://collector:7070
    """
    from memsnap.analysis.select import Selection
    from memsnap.archive.references import target_name
    from memsnap.archive.values import SeriesQuery

    if given["metrics"] and any(given[name] for name in _SITE_FILTERS):
        raise UsageError(
            "--metric follows counters, the other options sites", hint="leave one kind out"
        )
    now_ns = time.time_ns()
    wanted = SeriesQuery(
        metrics=given["metrics"],
        match=Selection(**{name: given[name] for name in _SITE_FILTERS}),
        since_ns=stores.span(given["since"], now_ns),
        until_ns=stores.span(given["until"], now_ns),
    )
    found, values = _ask(given, target_name(target), wanted)
    if given["as_json"]:
        options.show(_json(found, values))
    else:
        options.show("\n".join(_lines(found, values, given)))
    return 0


def _ask(given: dict[str, Any], name: str, wanted: "SeriesQuery") -> "tuple[TargetRecord, Series]":
    async def work(archive: "Archive") -> "tuple[TargetRecord, Series]":
        found = await archive.find_target(name)
        return found, await archive.series(found.id, wanted)

    return stores.ask(given, work)


def _json(target: "TargetRecord", values: "Series") -> Iterator[str]:
    from memsnap.cli.list_rows import target_document
    from memsnap.report.document import json_text

    document = {
        "schema": "memsnap.series/1",
        "target": target_document(target),
        "slot_ns": values.slot_ns,
        "snapshot_id": values.snapshot_id,
        "process_id": values.process_id,
        "columns": [
            {"name": each.name, "unit": each.unit, "values": each.values} for each in values.columns
        ],
    }
    return json_text(document)


def _lines(target: "TargetRecord", values: "Series", given: dict[str, Any]) -> Iterator[str]:
    from memsnap.report.ink import clean

    ink = options.terminal()
    if not len(values):
        yield f"No captures of {clean(target.seen.key)} in this time."
        return
    lives = sum(a != b for a, b in zip(values.process_id, values.process_id[1:], strict=False))
    length = format_duration((values.slot_ns[-1] - values.slot_ns[0]) / 1e9)
    restarts = f", {lives} restart{'s' if lives > 1 else ''}" if lives else ""
    count = len(values)
    note = f"{format_count(count)} capture{'s' if count > 1 else ''} in {length}{restarts}"
    yield ink.heading(clean(target.seen.key), note)
    yield ""
    yield from _sparklines(values)
    if given["limit"]:
        yield ""
        yield from _rows(values, given["limit"])


def _sparklines(values: "Series") -> Iterator[str]:
    from memsnap.cli.sparkline import levels_for, sparkline

    levels = levels_for(sys.stdout.encoding)
    shown = [each for each in values.columns if not _is_total(each)]
    title = max(len(each.name) for each in shown)
    width = max(min(shutil.get_terminal_size((120, 24)).columns - title - 34, 80), 10)
    for each in shown:
        known = [value for value in each.values if value is not None]
        if not known:
            yield f"{each.name:<{title}}  unknown"
            continue
        line = sparkline(values.slot_ns, each.values, width=width, levels=levels)
        ends = f"{_text(min(known), each.unit)} to {_text(max(known), each.unit)}"
        yield f"{each.name:<{title}}  {line}  {ends}"


def _rows(values: "Series", limit: int) -> Iterator[str]:
    """Yield a table of the last captures; totals are shown by how much they have grown."""
    from memsnap.archive.moments import to_datetime
    from memsnap.report.ink import Column, table

    columns = [Column("time", right=False), Column("id")]
    cells: list[list[str]] = [
        [format_time(to_datetime(slot_ns)), str(number)]
        for slot_ns, number in zip(values.slot_ns, values.snapshot_id, strict=True)
    ]
    for each in values.columns:
        columns.append(Column(f"new {each.unit}" if _is_total(each) else each.name))
        texts = _growth(each, values.process_id) if _is_total(each) else _plain(each)
        for row, text in zip(cells, texts, strict=True):
            row.append(text)
    columns.append(Column("", right=False))
    before = (values.process_id[:1] + values.process_id)[: len(values)]
    for row, own, previous in zip(cells, values.process_id, before, strict=True):
        row.append("restarted" if own != previous else "")
    yield from table(options.terminal(), columns, cells[-limit:])


def _is_total(column: "Column") -> bool:
    """Whether a column counts from the start of the process on."""
    return column.name in {"alloc_bytes", "alloc_objects"}


def _plain(column: "Column") -> list[str]:
    return [_text(value, column.unit) for value in column.values]


def _growth(column: "Column", lives: Sequence[int]) -> list[str]:
    texts = [""]
    for at in range(1, len(column.values)):
        new, old = column.values[at], column.values[at - 1]
        same = lives[at] == lives[at - 1]
        grown = new - old if same and new is not None and old is not None else None
        texts.append(_text(grown, column.unit))
    return texts


def _text(value: float | None, unit: str) -> str:
    if value is None:
        return "?"
    match unit:
        case "bytes":
            return format_bytes(value)
        case "nanoseconds":
            return f"{format_count(value)} ns"
        case "ratio":
            return f"{value:.2%}"
        case _:
            return format_count(value)
