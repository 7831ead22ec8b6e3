"""Measure `memsnap diff A B` beside `pprof -top -diff_base A B`, whole processes, in one run.

Usage: python benchmarks/diff.py [--runs N] [--stacks N ...] [--memsnap COMMAND]

The two take turns, so that whatever else the machine does meets both.  This process stays small
and imports no numpy: Linux counts the memory of the process that forked a child into the child's
peak (fs/exec.c, exec_mmap).
"""

import argparse
import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from statistics import median

from pairs import Pair, Shape, build_pprof, find_go, make_pair

EVERY_OBJECT = [Shape(stacks=stacks, rate=1, objects=3) for stacks in (2_000, 20_000, 100_000)]
# Sampling makes the statistics work for their result: at rate 1 every count is certain.
SAMPLED = [Shape(stacks=120_000, rate=2048, objects=40)]
_TOTAL = re.compile(r"Showing nodes accounting for (-?\d+)B?,")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one process took: wall and CPU seconds (user and system), peak resident bytes."""

    wall_s: float
    cpu_s: float
    peak_bytes: int


def main() -> None:
    """Print the table, and exit with 1 where the two tools print different totals."""
    arguments = _arguments()
    # Installed packages have their bytecode; a checkout under test should keep its own too.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    go = find_go()
    pprof = [str(build_pprof(go)), "-top", "-symbolize=none"]
    memsnap = shlex.split(arguments.memsnap)
    shapes = [shape for shape in EVERY_OBJECT + SAMPLED if shape.stacks in arguments.stacks]
    pairs = [make_pair(go, shape) for shape in shapes]
    print(f"{_machine()}; pprof of {go.version}; {_installation(memsnap)}")
    print(f"Medians of {arguments.runs} runs each, taken in turns.\n")
    print(_row("pair", "tool", "wall", "CPU", "peak memory", "growth in bytes"))
    print(_row(*["---"] * 6))
    agreed = [_compare(pair, memsnap, pprof, arguments.runs) for pair in pairs]
    _print_help_cost(memsnap, pairs[0], arguments.runs)
    sys.exit(0 if all(agreed) else 1)


def _arguments() -> argparse.Namespace:
    beside = Path(sys.executable).with_name("memsnap")
    known = [shape.stacks for shape in EVERY_OBJECT + SAMPLED]
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=7, help="runs of each tool (7)")
    parser.add_argument("--stacks", type=int, nargs="+", choices=known, default=known)
    parser.add_argument(
        "--memsnap",
        default=str(beside) if beside.exists() else shutil.which("memsnap") or "memsnap",
        help="the command to measure (the memsnap beside this Python, else the one on PATH)",
    )
    return parser.parse_args()


def _compare(pair: Pair, memsnap: list[str], pprof: list[str], runs: int) -> bool:
    """Print both tools' rows for `pair`, and return whether their totals agree."""
    files = [str(pair.before), str(pair.after)]
    ours, theirs = [*memsnap, "diff", *files], [*pprof, "-diff_base", *files]
    totals = _memsnap_total(ours), _pprof_total(theirs)
    costs = [(_measure(ours), _measure(theirs)) for _ in range(runs)]
    fast, slow = (_median(side) for side in zip(*costs, strict=True))
    sampled = f", rate {pair.shape.rate}" if pair.shape.rate > 1 else ""
    print(
        _cost_row(f"{pair.stacks:,} stacks, {pair.mean_depth} deep{sampled}", "memsnap diff", fast)
        + f" {totals[0]:,} |"
    )
    print(_cost_row("", "pprof -top -diff_base", slow) + f" {totals[1]:,} |")
    print(
        _row(
            "",
            "pprof / memsnap",
            f"{slow.wall_s / fast.wall_s:.1f}",
            f"{slow.cpu_s / fast.cpu_s:.1f}",
            f"{slow.peak_bytes / fast.peak_bytes:.1f}",
            "equal" if totals[0] == totals[1] else "DIFFERENT",
        ),
        flush=True,
    )
    return totals[0] == totals[1]


def _memsnap_total(command: list[str]) -> int:
    # No row passes the filter, which keeps the document small; totals are of all rows.
    document = json.loads(_output([*command, "--json", "--min-bytes=1TB"]))
    return int(document["totals"]["growth"]["bytes"])


def _pprof_total(command: list[str]) -> int:
    """Return the sum of all nodes, none dropped, in bytes.

    pprof's options must come before its files.
    """
    everything = ["-unit=B", "-nodecount=0", "-nodefraction=0", "-edgefraction=0"]
    match = _TOTAL.search(_output([*command[:-2], command[-2], *everything, command[-1]]))
    if not match:
        sys.exit(f"{command[0]} printed no total")
    return int(match[1])


def _print_help_cost(memsnap: list[str], pair: Pair, runs: int) -> None:
    """Print what `memsnap --help` takes beside the diff of the first pair."""
    small = [*memsnap, "diff", str(pair.before), str(pair.after)]
    costs = [(_measure([*memsnap, "--help"]), _measure(small)) for _ in range(2 * runs)]
    help_, diff = (_median(side) for side in zip(*costs, strict=True))
    print(
        f"\nmemsnap --help: {help_.wall_s:.3f} s, {_mb(help_.peak_bytes)}, "
        f"{help_.wall_s / diff.wall_s:.0%} of the diff of {pair.stacks:,} stacks "
        f"({diff.wall_s:.3f} s)."
    )


def _measure(command: list[str]) -> Cost:
    """Run `command` to its end; its output goes nowhere."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    errors = process.stderr.read() if process.stderr else b""
    _, status, usage = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{shlex.join(command)} failed:\n{errors.decode(errors='replace')}")
    if process.stderr:
        process.stderr.close()
    peak_bytes = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Cost(wall_s=wall_s, cpu_s=usage.ru_utime + usage.ru_stime, peak_bytes=peak_bytes)


def _output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{shlex.join(command)} failed:\n{done.stderr}")
    return done.stdout


def _median(costs: Sequence[Cost]) -> Cost:
    return Cost(
        wall_s=median(cost.wall_s for cost in costs),
        cpu_s=median(cost.cpu_s for cost in costs),
        peak_bytes=round(median(cost.peak_bytes for cost in costs)),
    )


def _cost_row(pair: str, tool: str, cost: Cost) -> str:
    return _row(pair, tool, f"{cost.wall_s:.2f} s", f"{cost.cpu_s:.2f} s", _mb(cost.peak_bytes))


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def _mb(size_bytes: int) -> str:
    return f"{size_bytes / (1 << 20):.0f} MB"


def _machine() -> str:
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs"


def _installation(memsnap: list[str]) -> str:
    """Return the version measured, and whether it is an editable installation."""
    if Path(memsnap[0]).parent != Path(sys.executable).parent:
        return memsnap[0]
    distribution = metadata.distribution("memsnap")
    source = json.loads(distribution.read_text("direct_url.json") or "{}")
    editable = source.get("dir_info", {}).get("editable", False)
    kind = " (editable installation)" if editable else ""
    return f"memsnap {distribution.version}{kind}, Python {platform.python_version()}"


if __name__ == "__main__":
    main()
