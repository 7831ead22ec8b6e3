"""What `go tool pprof -top -diff_base FIRST LAST` says of a recording: the tool to beat."""

import re
from dataclasses import dataclass

from corpus_store import Recording
from pprof_oracle import Pprof

FALSE_BYTES = 64 << 10
"""Growth above which a row that is not the leak's is a false one."""

_ROW = re.compile(r"^ *(-?\d+)B? +\S+ +\S+ +-?\d+B? +\S+ +(.+?)(?: \((?:partial-)?inline\))?$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """The place of the first row of the leak, from 1, and the number of other rows that grew.

    `rank` is None where no row of the leak grew; `first` is the first row, empty without rows.
    """

    rank: int | None
    false_rows: int
    first: str


def baseline(recording: Recording, pprof: Pprof) -> Baseline:
    """Compare the last capture with the first, as a user would: default limits, own order."""
    first, last = recording.captures[0], recording.captures[-1]
    rows = _rows(pprof.run("-symbolize=none", "-top", "-unit=B", f"-diff_base={first}", last))
    leaks = [recording.leaks and recording.is_true_function(name) for name, _ in rows]
    ranks = [
        at
        for at, (leak, (_, grown)) in enumerate(zip(leaks, rows, strict=True), 1)
        if leak and grown > 0
    ]
    return Baseline(
        rank=ranks[0] if ranks else None,
        false_rows=sum(
            not leak and grown > FALSE_BYTES for leak, (_, grown) in zip(leaks, rows, strict=True)
        ),
        first=rows[0][0] if rows else "",
    )


def _rows(printed: str) -> list[tuple[str, int]]:
    """Return names and flat growth in bytes, as ordered; rows of 0 are only there for callees."""
    _, _, table = printed.partition(" cum%\n")
    found = [_ROW.match(line) for line in table.splitlines()]
    return [(row[2], int(row[1])) for row in found if row and int(row[1])]
