"""`memsnap watch`: captures on an interval, and verdicts that sharpen as evidence arrives."""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from memsnap.cli import interrupts, live, options

if TYPE_CHECKING:
    from memsnap.analysis.diff import Diff
    from memsnap.analysis.finding import Finding
    from memsnap.errors import MemsnapError
    from memsnap.snapshot import Snapshot

_HELD = 120  # captures in memory; a longer series is thinned out, its first and last ones stay
_ENDLESS = sys.maxsize


@click.command()
@live.target_options
@click.option(
    "--interval",
    type=options.duration,
    default="5s",
    show_default=True,
    help="Time from one capture to the next; each forces a GC.",
)
@click.option("--count", type=click.IntRange(2), help="End after this many captures.")
@click.option(
    "--until-leak", is_flag=True, help="End as soon as a leak is found, with exit code 3."
)
@click.option("--json", "as_json", is_flag=True, help="Print the final report as JSON.")
@options.access_options  # fmt: skip
def watch(**given: Any) -> int:
    """Watch a live process until its leak has a name.

    A terminal is redrawn at each capture; a pipe gets a line each.  Ctrl-C ends with the report.

    \b
    memsnap watch -p 4711
    memsnap watch http://localhost:6060 --interval 30s --keep captures
    memsnap watch -p 4711 --until-leak --count 60
    """
    from memsnap.analysis.finding import Cause
    from memsnap.errors import MemsnapError

    live.make_folder(given["keep"])
    last: tuple[Diff, tuple[Finding, ...]] | None = None
    view = _View(given["interval"])
    leaks = False
    try:
        for diff, found in _states(given, view):
            last = diff, found
            view.show(diff, found)
            leaks = any(finding.verdict is Cause.LEAK for finding in found)
            if leaks and given["until_leak"]:
                break
    except KeyboardInterrupt:
        if last is None:
            raise
    if last is None:
        raise MemsnapError(
            "fewer than two captures came through: there is nothing to report",
            hint="see the messages above, or raise --count",
        )
    view.end()
    _report(*last, given)
    return 3 if leaks and given["until_leak"] else 0


def _states(given: dict[str, Any], view: "_View") -> "Iterator[tuple[Diff, tuple[Finding, ...]]]":
    """Yield what is known after each capture from the second on."""
    from memsnap.analysis.diff import diff
    from memsnap.analysis.findings import find
    from memsnap.capture.series import Listeners, capture_series

    series = capture_series(
        live.target_of(given, "watch"),
        options.make_access(given),
        count=given["count"] or _ENDLESS,
        interval_s=given["interval"],
        prefix=given["prefix"],
        report=Listeners(on_failure=view.failed),
    )
    held: list[Snapshot] = []
    with live.types(given) as types:
        for number, taken in enumerate(series, 1):
            snapshot = types.attribute_if_possible(taken)
            held = thinned([*held, live.keep(snapshot, given["keep"], f"{number:05}")])
            if len(held) == 1:
                view.first(snapshot)
                continue
            compared = diff(held)
            yield compared, find(compared)


def thinned(held: "list[Snapshot]") -> "list[Snapshot]":
    """Return at most `_HELD` captures: of too many, every other one goes, the last one stays."""
    if len(held) <= _HELD:
        return held
    return [*held[:-1:2], held[-1]]


class _View:
    """The screen, where there is a terminal; lines on standard error, where there is none."""

    def __init__(self, interval_s: float) -> None:
        self.interval_s = interval_s
        self.drawn = 0
        self.terminal = sys.stdout.isatty()

    def first(self, snapshot: "Snapshot") -> None:
        from memsnap.report.words import describe

        options.say(f"watching {describe(snapshot.capture) or snapshot.name}; one capture so far")

    def show(self, diff: "Diff", found: "tuple[Finding, ...]") -> None:
        from memsnap.report.watching import line, screen

        if not self.terminal:
            options.say(line(diff, found))
            return
        lines = screen(diff, found, interval_s=self.interval_s, ink=options.terminal())
        with interrupts.held_back():
            self.end()
            click.echo("\n".join(lines))
            self.drawn = len(lines)

    def end(self) -> None:
        """Take back what was drawn, so that the next screen, or the report, stands in its place."""
        if self.drawn:
            click.echo(f"\x1b[{self.drawn}A\x1b[J", nl=False)
        self.drawn = 0

    def failed(self, number: int, error: "MemsnapError") -> None:
        self.drawn = 0
        options.say(f"memsnap: capture {number} failed: {error.message}")


def _report(diff: "Diff", found: "tuple[Finding, ...]", given: dict[str, Any]) -> None:
    if given["as_json"]:
        from memsnap.report.document import json_text
        from memsnap.report.findings import findings_document

        options.show(json_text(findings_document(diff, found)))
        return
    from memsnap.report.findings import render_findings

    options.show(render_findings(diff, found, ink=options.terminal()))
    if given["keep"] is not None:
        options.say(f"the captures are in {given['keep']}")
