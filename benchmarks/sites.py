"""Measure what it takes to type the allocation sites of large executables.

Usage: python benchmarks/sites.py [EXECUTABLE ...] [--sites N] [--runs N]

The sites are calls of allocation functions all over the executable (Go's own `go` command, unless
told), chosen at random but the same each time.  Every row is the median of processes that do just
that: resolve the sites; type a heap profile of them, as every capture does that has its
executable; do so with what an earlier process remembered.
"""

import argparse
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from pairs import find_go

if TYPE_CHECKING:
    from memsnap.gobin.executable import Executable
    from memsnap.gobin.listing import AllocationCall
    from memsnap.pprof.profile import Profile

_SEED = 3
_TIMES = ("imports", "open", "resolve", "all", "CPU")
_SIZES = ("before", "peak", "added")


def main() -> None:
    """Print the table."""
    arguments = _arguments()
    if arguments.measure:
        how, *given = arguments.measure
        print(json.dumps(_MEASURES[how](*given)))
        return
    print(f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs, ", end="")
    print(f"Python {platform.python_version()}; medians of {arguments.runs} runs.")
    for executable in arguments.executables or [find_go().root / "bin" / "go"]:
        with tempfile.TemporaryDirectory(prefix="memsnap-types-") as temporary:
            _measure(executable, Path(temporary), arguments)


def _measure(executable: Path, folder: Path, arguments: argparse.Namespace) -> None:
    """Print what one executable takes."""
    print("\n" + _prepare(executable, folder, arguments.sites) + "\n")
    print("| | " + " | ".join([*_TIMES, "typed", *_SIZES]) + " |")
    print("|---|" + "--:|" * (len(_TIMES) + 1 + len(_SIZES)))
    profile, addresses = str(folder / "sites.pb.gz"), str(folder / "sites.json")
    rows = {
        "sites": lambda number: _run("resolve", executable, addresses),
        "profile, cold": lambda number: _run(
            "attribute", executable, profile, str(folder / f"cache{number}")
        ),
        "profile, from the cache": lambda number: _run(
            "attribute", executable, profile, str(folder / "cache0")
        ),
    }
    for label, run in rows.items():
        print(_row(label, [run(number) for number in range(arguments.runs)]), flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("executables", nargs="*", type=Path, help="Go executables (Go's own)")
    parser.add_argument("--sites", type=int, default=2_000, help="sites to type (2,000)")
    parser.add_argument("--runs", type=int, default=5, help="processes of each kind (5)")
    parser.add_argument("--measure", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    for executable in arguments.executables:
        if not executable.is_file():
            parser.error(f"{executable} is no file")
    return arguments


def _prepare(executable: Path, folder: Path, count: int) -> str:
    """Write the sites as a list and as a profile; return one line about the executable."""
    from memsnap.gobin.executable import Executable
    from memsnap.gobin.listing import allocation_calls, is_runtime
    from memsnap.gobin.program import Program
    from memsnap.pprof.encode import compress, encode

    with Executable.open(executable) as opened:
        calls = [
            call for call in allocation_calls(Program(opened)) if not is_runtime(call.function.name)
        ]
        chosen = random.Random(_SEED).sample(calls, min(count, len(calls)))
        chosen.sort(key=lambda call: call.pc)
        (folder / "sites.json").write_text(json.dumps([call.end - 1 for call in chosen]))
        (folder / "sites.pb.gz").write_bytes(compress(encode(_profile(opened, chosen))))
        return (
            f"{executable}: {executable.stat().st_size / 1e6:.0f} MB, "
            f"{opened.build_info.go_version}, {len(chosen):,} of {len(calls):,} allocation sites."
        )


def _profile(executable: "Executable", calls: "list[AllocationCall]") -> "Profile":
    """Return a heap profile of one sample per call, as Go would write it but for callers."""
    import numpy as np

    from memsnap.pprof.profile import Functions, Labels, Locations, Mapping, Profile, ValueType

    texts: dict[str, int] = {"": 0}
    functions: dict[tuple[str, str], int] = {}
    lines, starts = [], [0]
    for call in calls:
        for frame in executable.pclntab.inline_frames(call.end - 1):
            key = (frame.name, frame.file)
            lines.append((functions.setdefault(key, len(functions)), frame.line))
        starts.append(len(lines))
    names = [[texts.setdefault(text, len(texts)) for text in key] for key in functions]
    columns = np.array(names, np.int32).reshape(-1, 2)
    code = next(segment for segment in executable.image.segments if segment.executable)
    count = len(calls)
    none = np.zeros(0, np.int32)
    return Profile(
        sample_types=tuple(
            ValueType(kind, unit)
            for kind, unit in (
                ("alloc_objects", "count"),
                ("alloc_space", "bytes"),
                ("inuse_objects", "count"),
                ("inuse_space", "bytes"),
            )
        ),
        values=np.zeros((count, 4), np.int64),
        stack_start=np.arange(count + 1, dtype=np.int64),
        stack=np.arange(count, dtype=np.int32),
        labels=Labels(sample=none, key=none, string=none, number=none.astype(np.int64), unit=none),
        locations=Locations(
            mapping=np.zeros(count, np.int32),
            address=np.array([call.end - 1 for call in calls], np.uint64),
            is_folded=np.zeros(count, np.bool_),
            line_start=np.array(starts, np.int64),
            line_function=np.array([function for function, _ in lines], np.int32),
            line_number=np.array([line for _, line in lines], np.int64),
            line_column=np.zeros(len(lines), np.int64),
        ),
        functions=Functions(
            name=columns[:, 0],
            system_name=columns[:, 0],
            file=columns[:, 1],
            start_line=np.zeros(len(columns), np.int64),
        ),
        mappings=(
            Mapping(
                start=code.address,
                limit=code.address + code.file_size,
                offset=code.offset,
                file=executable.name,
                has_functions=True,
            ),
        ),
        strings=tuple(texts),
        period_type=ValueType("space", "bytes"),
        period=1,
    )


def _run(how: str, executable: Path, *given: str) -> dict[str, float]:
    command = [sys.executable, __file__, "--measure", how, str(executable), *given]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def _row(label: str, runs: list[dict[str, float]]) -> str:
    middle = {key: median(run[key] for run in runs) for key in runs[0]}
    times = [f"{middle[key] * 1000:.0f} ms" if key in middle else "" for key in _TIMES]
    memory = [f"{middle[key] / 1e6:.0f} MB" for key in _SIZES]
    return "| " + " | ".join([label, *times, f"{middle['typed']:.1%}", *memory]) + " |"


def _resolved(executable: str, sites: str) -> dict[str, float]:
    """Return what opening and resolving take, and the share that has a type."""
    start = time.perf_counter()
    from memsnap.gobin.executable import Executable
    from memsnap.gobin.sites import resolve_all

    stacks = [((address,), 0) for address in json.loads(Path(sites).read_text())]
    began = _Began(start)
    with Executable.open(executable) as opened:
        ready = time.perf_counter()
        answers = resolve_all(opened, stacks)
        done = time.perf_counter()
    taken = began.until_now() | {"open": ready - began.at, "resolve": done - ready}
    typed = sum(answer.certainty.trustworthy for answer in answers)
    return taken | {"typed": typed / len(answers)}


def _attributed(executable: str, profile: str, cache: str) -> dict[str, float]:
    """Return what typing a profile takes, and the share of samples with a type."""
    start = time.perf_counter()
    from memsnap.attribution import TYPE
    from memsnap.capture.executables import TypeSource
    from memsnap.pprof.heap import string_label
    from memsnap.pprof.reader import read
    from memsnap.snapshot import Capture, Snapshot
    from memsnap.storage.typecache import TypeCache

    heap = read(Path(profile).read_bytes(), name=profile)
    snapshot = Snapshot(name=profile, heap=heap, capture=Capture())
    began = _Began(start)
    with TypeSource(file=executable, memory=TypeCache(Path(cache))) as source:
        typed = source.attribute(snapshot)
    taken = began.until_now()
    return taken | {"typed": float((string_label(typed.heap, TYPE) >= 0).mean())}


class _Began:
    """Time and memory when everything is imported, and what was taken since."""

    def __init__(self, start: float) -> None:
        self._imports = time.perf_counter() - start
        self._before = _status("VmRSS")
        self._cpu = time.process_time()
        self.at = time.perf_counter()

    def until_now(self) -> dict[str, float]:
        """Return seconds and bytes; the peak is this program's own, unlike that of getrusage."""
        peak = _status("VmHWM")
        return {
            "imports": self._imports,
            "all": time.perf_counter() - self.at,
            "CPU": time.process_time() - self._cpu,
            "before": self._before,
            "peak": peak,
            "added": peak - self._before,
        }


def _status(field: str) -> int:
    """Return bytes that Linux has in /proc/self/status; 0 on other systems."""
    status = Path("/proc/self/status")
    for line in status.read_text().splitlines() if status.exists() else ():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    return 0


_MEASURES: dict[str, Callable[..., dict[str, float]]] = {
    "resolve": _resolved,
    "attribute": _attributed,
}


if __name__ == "__main__":
    main()
