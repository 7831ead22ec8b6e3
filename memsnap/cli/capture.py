"""`memsnap capture`: visit a live process, once or on a schedule, and write `.snap` files."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from memsnap.cli import interrupts, options
from memsnap.errors import MemsnapError, UsageError
from memsnap.units import format_bytes, format_duration

if TYPE_CHECKING:
    from memsnap.capture.target import Target
    from memsnap.snapshot import Snapshot


@click.command()
@click.argument("target", required=False)
@click.option("-p", "--pid", type=click.IntRange(1), help="Process to visit on this machine.")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="Where to write; '-' is standard output. Default: SERVICE-PID-TIME.snap.",
)
@click.option(
    "--count", type=click.IntRange(1), default=1, show_default=True, help="Captures to take."
)
@click.option(
    "--interval",
    type=options.duration,
    default="10s",
    show_default=True,
    help="Time from one capture to the next.",
)
@click.option(
    "--diff",
    "then_diff",
    is_flag=True,
    help="Diff the captures at the end (takes two unless --count says more).",
)
@click.option(
    "--gc/--no-gc",
    default=True,
    show_default=True,
    help="Force a GC first, so that nothing dead is counted.",
)
@click.option(
    "--warm-up/--no-warm-up",
    default=None,
    help="Throw a first capture away. Default: if the process was never profiled.",
)
@click.option(
    "--goroutines/--no-goroutines",
    default=True,
    show_default=True,
    help="Take the goroutine profiles of the same visit.",
)
@click.option(
    "--stacks-up-to",
    type=click.IntRange(0),
    default=2000,
    show_default=True,
    metavar="N",
    help="Ask for the go statement of each goroutine if there are at most N; the process stands "
    "still for 5 to 25 us a goroutine. 0 never asks.",
)
@click.option(
    "--types/--no-types",
    default=True,
    show_default=True,
    help="Add the Go type of every site, where the executable can be read.",
)
@click.option("--exe", default="", metavar="FILE", help="The executable, if it is not the PID's.")
@click.option("--exe-dir", default="", metavar="DIR", help="Folder of builds to find it in.")
@click.option("--prefix", metavar="PATH", help="Where pprof is, if not under /debug/pprof.")
@click.option("--json", "as_json", is_flag=True, help="Print what was captured as JSON.")
@options.access_options  # fmt: skip
def capture(**given: Any) -> int:
    """Take a heap snapshot of a live Go process.

    TARGET is http://host:6060, https://..., unix:/run/app.sock or host:6060; with -p, memsnap
    looks for the pprof endpoint of a process on this machine by itself.

    \b
    memsnap capture -p 4711 -o before.snap
    memsnap capture http://localhost:6060 --count 5 --interval 30s
    memsnap capture -p 4711 --diff --interval 1m
    """
    target = _target(given)
    count = max(given["count"], 2) if given["then_diff"] else given["count"]
    if given["output"] == "-" and count > 1:
        raise UsageError("standard output takes one capture only", hint="give -o FILE, or none")
    written, failures = _take(target, count, given)
    if given["then_diff"]:
        from memsnap.analysis.diff import diff
        from memsnap.cli.diff import render

        shape = {"by": "site", "sort": "confidence", "limit": 10, "as_markdown": False}
        result = diff(written)
        options.show(render(result, shape | {"as_json": given["as_json"]}))
    return 1 if failures else 0


def _target(given: dict[str, Any]) -> "Target":
    from memsnap.capture.target import PidTarget, parse_target

    if (given["pid"] is None) == (given["target"] is None):
        raise UsageError("give either a target or -p PID", hint="memsnap capture -p 4711")
    if given["pid"] is not None:
        return PidTarget(pid=given["pid"])
    return parse_target(given["target"])


def _take(target: "Target", count: int, given: dict[str, Any]) -> "tuple[list[Snapshot], int]":
    """Capture `count` times and write each file at once.

    Returns the snapshots, named by their files, and the number of captures that failed.
    """
    from dataclasses import replace

    from memsnap.capture.executables import TypeSource
    from memsnap.capture.series import Listeners, capture_series
    from memsnap.capture.visit import Options
    from memsnap.storage.typecache import TypeCache

    failures = 0

    def failed(number: int, error: MemsnapError) -> None:
        nonlocal failures
        failures += 1
        options.say(f"memsnap: capture {number} of {count} failed: {error.message}")

    series = capture_series(
        target,
        options.make_access(given),
        count=count,
        interval_s=given["interval"],
        options=Options(
            **{name: given[name] for name in ("gc", "warm_up", "goroutines", "stacks_up_to")}
        ),
        prefix=given["prefix"],
        report=Listeners(on_failure=failed),
    )
    written: list[Snapshot] = []
    said: set[str] = set()
    sources = TypeSource(file=given["exe"], folder=given["exe_dir"], memory=TypeCache())
    try:
        with sources:
            for snapshot in _with_progress(series, count, given["interval"]):
                number = len(written) + 1
                if given["types"]:
                    snapshot = sources.attribute_if_possible(snapshot)
                path = _path(snapshot, number, count, given)
                with interrupts.held_back():
                    size_bytes = _write(snapshot, path)
                    written.append(replace(snapshot, name=path))
                _report(written[-1], size_bytes, given, said)
    except KeyboardInterrupt:
        if not written:
            raise
        options.say(f"memsnap: interrupted after {len(written)} of {count} captures")
        if not given["then_diff"] or len(written) < 2:
            raise click.exceptions.Exit(130) from None
    if given["then_diff"] and len(written) < 2:
        raise MemsnapError(f"only {len(written)} of {count} captures came through: nothing to diff")
    return written, failures


def _with_progress(series: Any, count: int, interval_s: float) -> Any:
    """Show a bar on a terminal while a series runs."""
    if count == 1:
        return series
    total = format_duration(interval_s * (count - 1))
    return _bar(series, count, f"{count} captures in {total}")


def _bar(series: Any, count: int, label: str) -> Any:
    import sys

    if not sys.stderr.isatty():
        options.say(label)
        yield from series
        return
    with click.progressbar(length=count, label=label, file=sys.stderr) as bar:
        for snapshot in series:
            yield snapshot
            bar.update(1)


def _write(snapshot: "Snapshot", path: str) -> int:
    from memsnap.storage.snapfile import to_bytes

    data = to_bytes(snapshot)
    options.write_out(path, data)
    return len(data)


def _report(snapshot: "Snapshot", size_bytes: int, given: dict[str, Any], said: set[str]) -> None:
    """Say what was captured; a note that `said` has, as each of a series may bring, not again."""
    if snapshot.name == "-" or given["then_diff"]:
        return
    if given["as_json"]:
        import json

        from memsnap.report.document import capture_document

        document = capture_document(snapshot)
        options.show(json.dumps(document | {"size_bytes": size_bytes}, ensure_ascii=False))
        return
    from memsnap.report.words import describe

    capture = snapshot.capture
    stats = capture.mem_stats
    live = f", {format_bytes(stats.heap_alloc)} live" if stats and stats.heap_alloc else ""
    took = f", took {format_duration(capture.elapsed_s)}" if capture.elapsed_s else ""
    options.show(f"{snapshot.name}  {describe(capture)}{live}  ({format_bytes(size_bytes)}{took})")
    notes = capture.notes
    if capture.gc and not capture.gc.proven:
        notes = (f"GC not proven: {capture.gc.reason}", *notes)
    for note in notes:
        if note not in said:
            options.say(f"  {note}")
    said.update(notes)


def _path(snapshot: "Snapshot", number: int, count: int, given: dict[str, Any]) -> str:
    """Return where to write: as told, numbered in a series, or named by service, pid and time."""
    if given["output"] == "-":
        return "-"
    if given["output"]:
        path = Path(given["output"])
        if count == 1:
            return str(path)
        suffix = path.suffix or ".snap"
        return str(path.with_name(f"{path.name.removesuffix(path.suffix)}-{number:03d}{suffix}"))
    capture = snapshot.capture
    taken = capture.taken or datetime.now(tz=UTC)
    pid = capture.process.pid
    parts = [capture.service or "heap", str(pid) if pid else "", taken.strftime("%Y%m%dT%H%M%S")]
    name = "-".join(re.sub(r"[^\w.]+", "_", part) for part in parts if part)
    path = Path(f"{name}.snap")
    return str(path if not path.exists() else Path(f"{name}.{taken.microsecond:06d}.snap"))
