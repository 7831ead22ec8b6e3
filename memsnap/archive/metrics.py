"""The numbers that every capture has beside its samples: their names, columns and units."""

from dataclasses import dataclass, fields

from memsnap.analysis.names import nearest
from memsnap.errors import UsageError
from memsnap.snapshot import MemStats, ProcessMemory

_OTHER_UNITS = {
    "mallocs": "objects",
    "frees": "objects",
    "heap_objects": "objects",
    "num_gc": "cycles",
    "num_forced_gc": "cycles",
    "last_gc_ns": "nanoseconds",
    "pause_total_ns": "nanoseconds",
    "gc_cpu_fraction": "ratio",
}
_NO_NUMBERS = {"source", "by_size"}
_SHORT = {
    "heap": "go_heap_alloc",
    "objects": "go_heap_objects",
    "next-gc": "go_next_gc",
    "sys": "go_sys",
    "stacks": "go_stack_inuse",
    "released": "go_heap_released",
    "allocated": "go_total_alloc",
    "gc": "go_num_gc",
    "gc-cpu": "go_gc_cpu_fraction",
    "rss": "os_rss",
    "cgroup": "os_cgroup_current",
    "samples": "samples_count",
}


@dataclass(frozen=True, slots=True)
class Metric:
    """A number of a capture: the name that it was asked by, its column in the store, its unit."""

    name: str
    column: str
    unit: str


def find_metric(name: str) -> Metric:
    """Return the metric of this name: a short one, or a column such as `go_heap_sys`.

    Raises UsageError, with the nearest names.
    """
    word = name.strip().lower()
    column = _SHORT.get(word, word)
    if column not in _UNITS:
        close = nearest(word, [*_SHORT, *_UNITS])
        raise UsageError(
            f"there is no metric {name!r}",
            hint=f"did you mean {', '.join(close)}?" if close else f"one of {', '.join(_NAMES)}",
        )
    return Metric(word, column, _UNITS[column])


def _units() -> dict[str, str]:
    units = {"goroutines": "goroutines", "samples_count": "samples", "stored_bytes": "bytes"}
    for prefix, kind in (("go_", MemStats), ("os_", ProcessMemory)):
        for each in fields(kind):
            if each.name not in _NO_NUMBERS:
                units[prefix + each.name] = _OTHER_UNITS.get(each.name, "bytes")
    return units


_UNITS = _units()
_NAMES = (*_SHORT, "goroutines")
