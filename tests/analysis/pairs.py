"""Two captures side by side, as the tests of the diff read them."""

from slow_twin import snapshot

from memsnap.analysis.diff import Diff, diff
from memsnap.analysis.select import Selection
from memsnap.analysis.table import Bounds, By, Table
from memsnap.pprof.profile import Profile

MB = 1 << 20
SITES = {
    "leak": "main.leak leak.go:12 < main.handle main.go:40 < main.main main.go:9",
    "load": "main.load table.go:8 < main.main main.go:5",
    "update": "main.update table.go:20 < main.main main.go:9",
}


def compared(*heaps: Profile, **filters: str) -> Diff:
    """Return the diff of heap profiles of one life."""
    return diff([snapshot(one, f"{at}.snap") for at, one in enumerate(heaps)], Selection(**filters))


def named(table: Table) -> dict[str, int]:
    """Return the number of the row of each function (or package, or type) of a table."""
    keys = table.keys
    column = keys.package if table.by is By.PACKAGE else keys.function
    return {keys.text(column if table.by is not By.TYPE else keys.type, r): r for r in table.rows()}


def changes(found: Diff) -> dict[str, str]:
    """Return what became of each allocating function of package main, by site.

    It grew or shrank where that is significant, else it did what its verdict says.
    """
    table = found.sites
    return {
        name.removeprefix("main."): ("grew" if table.growth.bytes[r] > 0 else "shrank")
        if table.significant[r]
        else table.verdict[r].value
        for name, r in named(table).items()
    }


def limits(bounds: Bounds, row: int) -> tuple[int, int]:
    """Return the limits of one row in bytes."""
    return int(bounds.low_bytes[row]), int(bounds.high_bytes[row])
