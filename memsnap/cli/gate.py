"""`memsnap gate`: run a load between captures, and fail where the heap grew beyond a budget."""

import subprocess
import time
from typing import TYPE_CHECKING, Any

import click

from memsnap.cli import live, options
from memsnap.errors import MemsnapError

if TYPE_CHECKING:
    from memsnap.snapshot import Snapshot

EXCEEDED = 3
"""The exit code where the growth is surely above the budget."""

_ASIDE = 2  # captures on each side of the load
_APART_S = 1.0  # time between the captures of one side


@click.command()
@live.target_options
@click.option(
    "--max-growth",
    type=options.size,
    required=True,
    metavar="SIZE",
    help="Growth of the live heap that is allowed.",
)
@click.option(
    "--during", required=True, metavar="'COMMAND'", help="The load: run by sh between the captures."
)
@click.option(
    "--warm-up",
    is_flag=True,
    help="Run the command once before the first capture: caches fill only once.",
)
@click.option(
    "--settle",
    type=options.duration,
    default="1s",
    show_default=True,
    help="Time for the service to come to rest after the command.",
)
@click.option("-o", "--output", metavar="FILE", default="-", help="Where to write the report.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON instead of Markdown.")
@options.access_options  # fmt: skip
def gate(**given: Any) -> int:
    """Fail a CI job whose load makes the heap grow: exit code 3 and a Markdown report.

    The live heap is taken twice before and twice after the command, each time behind a forced
    and proven GC.  The gate fails where even the lower bound of the growth is above the budget.

    \b
    memsnap gate --max-growth 5MB --during './load.sh' http://localhost:6060
    memsnap gate --max-growth 1MB --during 'hey -n 10000 http://:8080/' -p 4711 --warm-up
    """
    from memsnap.analysis.budget import spent as growth_of
    from memsnap.analysis.diff import diff
    from memsnap.analysis.findings import find
    from memsnap.analysis.verification import verify

    live.target_of(given, "gate")
    live.make_folder(given["keep"])
    command = given["during"]
    if given["warm_up"]:
        _run(command)
    before = _side(given, "before", warm_up=None)
    took_s = _run(command)
    time.sleep(given["settle"])
    after = _side(given, "after", warm_up=False)
    spent = growth_of(before, after, given["max_growth"])
    compared = diff([before[-1], after[-1]])
    found = tuple(one for one in find(compared) if one.growth) if spent.exceeded else ()
    if given["as_json"]:
        from memsnap.report.document import json_text
        from memsnap.report.gate import gate_document

        document = gate_document(spent, compared, found, command=command, took_s=took_s)
        text = "".join(json_text(document))
    else:
        from memsnap.report.gate import render_gate

        text = render_gate(
            spent, compared, found,
            checked=verify(compared.snapshots), command=command, took_s=took_s,
        )  # fmt: skip
    if given["output"] == "-":
        options.show(text)
    else:
        options.write_out(given["output"], (text + "\n").encode("utf-8", "replace"))
    return EXCEEDED if spent.exceeded else 0


def _side(given: dict[str, Any], name: str, *, warm_up: bool | None) -> "list[Snapshot]":
    """Return the captures of one side of the load; all of them must come through."""
    from memsnap.capture.series import Listeners, capture_series
    from memsnap.capture.visit import Options

    def fail(_: int, error: MemsnapError) -> None:
        raise error

    series = capture_series(
        live.target_of(given, "gate"),
        options.make_access(given),
        count=_ASIDE,
        interval_s=_APART_S,
        options=Options(warm_up=warm_up),
        prefix=given["prefix"],
        report=Listeners(on_failure=fail),
    )
    with live.types(given) as types:
        return [
            live.keep(types.attribute_if_possible(taken), given["keep"], f"{name}-{number}")
            for number, taken in enumerate(series, 1)
        ]


def _run(command: str) -> float:
    """Run the load, its output on standard error, and return the seconds that it took."""
    options.say(f"memsnap: running {command}")
    began = time.monotonic()
    # The command is the user's own, as in `make` or `time`.
    done = subprocess.run(["/bin/sh", "-c", command], stdout=2, check=False)  # noqa: S603
    if done.returncode:
        raise MemsnapError(
            f"the load ended with status {done.returncode}: {command}",
            hint="the gate judges nothing unless the load succeeds",
        )
    return time.monotonic() - began
