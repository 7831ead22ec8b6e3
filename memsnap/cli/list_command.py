"""`memsnap list`: what was captured, and what was not."""

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

import click

from memsnap.cli import options, stores
from memsnap.errors import UsageError

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
def list_command(target: str | None, **given: Any) -> int:
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
    from memsnap.cli import list_rows

    wanted = TargetQuery(
        service=given["service"],
        labels=stores.parse_labels(given["labels"]),
        with_retired=given["retired"],
        limit=given["limit"] + 1,
    )
    found = stores.ask(given, lambda archive: archive.targets(wanted))
    rows = found[: given["limit"]]
    if given["as_json"]:
        return _print_json(
            "targets", (list_rows.target_document(each) for each in rows), given, found
        )
    lines = list_rows.target_lines(rows, now_ns) if rows else ["No targets."]
    return _print(lines, given, found)


def _snapshots(name: str | None, given: dict[str, Any], now_ns: int) -> int:
    from memsnap.cli import list_rows
    from memsnap.storage.records import SnapshotFilter

    async def work(archive: "Archive") -> "tuple[Sequence[TargetRecord], list[SnapshotRecord]]":
        targets = await _meant(archive, name)
        wanted = SnapshotFilter(**_conditions(targets, name, given, now_ns))
        return targets, await archive.snapshots(wanted)

    targets, found = stores.ask(given, work)
    keys = {each.id: each.seen.key for each in targets}
    rows = found[: given["limit"]]
    if given["as_json"]:
        documents = (list_rows.snapshot_document(each, keys) for each in rows)
        return _print_json("snapshots", documents, given, found)
    lines = list_rows.snapshot_lines(rows, keys, one=name is not None) if rows else ["No captures."]
    return _print(lines, given, found)


def _failures(name: str | None, given: dict[str, Any], now_ns: int) -> int:
    from memsnap.archive.values import MOST_ROWS, FailureQuery
    from memsnap.cli import list_rows

    if given["limit"] >= MOST_ROWS:
        raise UsageError(
            f"--failures lists at most {MOST_ROWS - 1} lines", hint="choose a time with --since"
        )

    async def work(archive: "Archive") -> "tuple[Sequence[TargetRecord], list[FailureRecord]]":
        targets = await _meant(archive, name)
        wanted = FailureQuery(**_conditions(targets, name, given, now_ns))
        return targets, await archive.failures(wanted)

    targets, found = stores.ask(given, work)
    keys = {each.id: each.seen.key for each in targets}
    rows = found[: given["limit"]]
    if given["as_json"]:
        documents = (list_rows.failure_document(each, keys) for each in rows)
        return _print_json("failures", documents, given, found)
    lines = list_rows.failure_lines(rows, keys, one=name is not None) if rows else ["No failures."]
    return _print(lines, given, found)


class _Conditions(TypedDict):
    """What is asked of snapshots and of failures alike; one row more tells that there are more."""

    target_id: int | None
    service: str
    labels: "Labels"
    since_ns: int | None
    until_ns: int | None
    limit: int


def _conditions(
    targets: "Sequence[TargetRecord]", name: str | None, given: dict[str, Any], now_ns: int
) -> _Conditions:
    return _Conditions(
        target_id=targets[0].id if name is not None else None,
        service=given["service"],
        labels=stores.parse_labels(given["labels"]),
        since_ns=stores.span(given["since"], now_ns),
        until_ns=stores.span(given["until"], now_ns),
        limit=given["limit"] + 1,
    )


async def _meant(archive: "Archive", name: str | None) -> "Sequence[TargetRecord]":
    """Return the one target of this name, or all of them, to call captures by their keys."""
    from memsnap.archive.references import target_name
    from memsnap.archive.values import TargetQuery

    if name is not None:
        return [await archive.find_target(target_name(name))]
    return await archive.targets(TargetQuery(with_retired=True, limit=1_000_000))


def _print_json(
    what: str, documents: Iterator[dict[str, Any]], given: dict[str, Any], found: Sequence[Any]
) -> int:
    from memsnap.report.document import json_text

    more = len(found) > given["limit"]
    options.show(json_text({"schema": "memsnap.list/1", "more": more, what: documents}))
    return 0


def _print(lines: Iterable[str], given: dict[str, Any], found: Sequence[Any]) -> int:
    more = [f"  and more: -n {_MOST} lists them"] if len(found) > given["limit"] else []
    options.show("\n".join((*lines, *more)))
    return 0
