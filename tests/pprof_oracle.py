"""Go's own pprof as the oracle: exact flat and cumulative values per function or line.

`-unit=B` makes `-top` print every value as a plain integer, counts included (3 objects read
`3B`), and `-nodecount=0 -nodefraction=0 -edgefraction=0` keeps every row, those of 0 too.
"""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from toolchains import CACHE, Go, ToolchainError, build_environment, locked

_EXACT = ("-symbolize=none", "-unit=B", "-nodecount=0", "-nodefraction=0", "-edgefraction=0")


class Row(NamedTuple):
    """Values of one function or line, in bytes or objects as the sample index says."""

    flat: int
    cum: int


class Line(NamedTuple):
    """A line of source as pprof prints it with `-lines`."""

    function: str
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Pprof:
    """The pprof executable of one toolchain."""

    path: Path

    @classmethod
    def of(cls, go: Go) -> "Pprof":
        """Return the toolchain's pprof; Go >= 1.25 compiles it on first use (about 10 s)."""
        with locked(CACHE / "pprof.lock"):
            go.run("tool", "pprof", "-h")
            return cls(Path(go.run("tool", "-n", "pprof").strip()))

    def run(self, *args: str | Path) -> str:
        """Return what `pprof -symbolize=none ARGS` prints."""
        done = subprocess.run(
            [self.path, *args],
            env=build_environment() | {"PPROF_TMPDIR": str(CACHE), "PPROF_BINARY_PATH": "/none"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if done.returncode:
            raise ToolchainError(f"pprof {args}:\n{done.stderr}")
        return done.stdout

    def top(
        self, profile: Path, *args: str, sample_index: str = "inuse_space", base: Path | None = None
    ) -> dict[str, Row]:
        """Return flat and cum of every function; with `base`, what `-diff_base` makes of both."""
        return _summed(self._top_rows(profile, *args, sample_index=sample_index, base=base))

    def top_lines(
        self, profile: Path, *args: str, sample_index: str = "inuse_space", base: Path | None = None
    ) -> dict[Line, Row]:
        """Return flat and cum of every line of source."""
        rows = self._top_rows(profile, "-lines", *args, sample_index=sample_index, base=base)
        return {_line(name): row for name, row in _summed(rows).items()}

    def _top_rows(
        self, profile: Path, *args: str, sample_index: str, base: Path | None
    ) -> list[tuple[str, Row]]:
        against = [f"-diff_base={base}"] if base else []
        index = f"-sample_index={sample_index}"
        printed = self.run("-top", *_EXACT, index, *args, *against, profile)
        return _parse_top(printed)


def _parse_top(printed: str) -> list[tuple[str, Row]]:
    _, _, table = printed.partition(" cum%\n")
    rows = []
    for text in table.splitlines():
        flat, _, _, cum, _, name = text.split(None, 5)
        row = Row(int(flat.removesuffix("B")), int(cum.removesuffix("B")))
        rows.append((name.removesuffix(" (inline)").removesuffix(" (partial-inline)"), row))
    return rows


def _summed(rows: list[tuple[str, Row]]) -> dict[str, Row]:
    """Add up rows of one name: pprof keeps functions of one name in several files apart."""
    total: dict[str, Row] = {}
    for name, row in rows:
        seen = total.get(name, Row(0, 0))
        total[name] = Row(seen.flat + row.flat, seen.cum + row.cum)
    return total


def _line(name: str) -> Line:
    """Split `main.f /src/main.go:12`; lines that pprof does not know read `main.f` alone."""
    function, _, place = name.partition(" ")
    file, _, number = place.rpartition(":")
    return Line(function, file, int(number) if number.isdigit() else 0)
