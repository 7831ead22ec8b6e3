"""Go's own memory counters, read from whatever a target offers; pure functions over bodies.

Three sources: expvar's JSON (all of runtime.MemStats), the comment lines after a text heap
profile, and Prometheus' `go_memstats_*`.  A server may answer 200 to any path, so each reader
looks for the counters themselves and says None where they are not.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from memsnap.pprof.legacy import mem_stats_trailer
from memsnap.snapshot import MemStats, SizeClass

# Fields of runtime.MemStats (Go 1.27, runtime/mstats.go) by their names in MemStats of ours.
_RUNTIME_FIELDS = {
    "Alloc": "alloc",
    "TotalAlloc": "total_alloc",
    "Sys": "sys",
    "Mallocs": "mallocs",
    "Frees": "frees",
    "HeapAlloc": "heap_alloc",
    "HeapSys": "heap_sys",
    "HeapIdle": "heap_idle",
    "HeapInuse": "heap_inuse",
    "HeapReleased": "heap_released",
    "HeapObjects": "heap_objects",
    "StackInuse": "stack_inuse",
    "StackSys": "stack_sys",
    "MSpanInuse": "mspan_inuse",
    "MSpanSys": "mspan_sys",
    "MCacheInuse": "mcache_inuse",
    "MCacheSys": "mcache_sys",
    "BuckHashSys": "buck_hash_sys",
    "GCSys": "gc_sys",
    "OtherSys": "other_sys",
    "NextGC": "next_gc",
    "LastGC": "last_gc_ns",
    "PauseTotalNs": "pause_total_ns",
    "NumGC": "num_gc",
    "NumForcedGC": "num_forced_gc",
}

_SIZE_CLASS_KEYS = ("Size", "Mallocs", "Frees")
_SIZE_CLASS_FIELDS = ("size", "mallocs", "frees")


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)


# Names of client_golang (prometheus/go_collector.go) and of VictoriaMetrics/metrics
# (go_metrics.go), which agree but for the count of forced cycles.
_METRICS: Mapping[str, tuple[str, Callable[[float], int | float]]] = {
    "go_memstats_alloc_bytes": ("alloc", int),
    "go_memstats_alloc_bytes_total": ("total_alloc", int),
    "go_memstats_sys_bytes": ("sys", int),
    "go_memstats_mallocs_total": ("mallocs", int),
    "go_memstats_frees_total": ("frees", int),
    "go_memstats_heap_alloc_bytes": ("heap_alloc", int),
    "go_memstats_heap_sys_bytes": ("heap_sys", int),
    "go_memstats_heap_idle_bytes": ("heap_idle", int),
    "go_memstats_heap_inuse_bytes": ("heap_inuse", int),
    "go_memstats_heap_released_bytes": ("heap_released", int),
    "go_memstats_heap_objects": ("heap_objects", int),
    "go_memstats_stack_inuse_bytes": ("stack_inuse", int),
    "go_memstats_stack_sys_bytes": ("stack_sys", int),
    "go_memstats_mspan_inuse_bytes": ("mspan_inuse", int),
    "go_memstats_mspan_sys_bytes": ("mspan_sys", int),
    "go_memstats_mcache_inuse_bytes": ("mcache_inuse", int),
    "go_memstats_mcache_sys_bytes": ("mcache_sys", int),
    "go_memstats_buck_hash_sys_bytes": ("buck_hash_sys", int),
    "go_memstats_gc_sys_bytes": ("gc_sys", int),
    "go_memstats_other_sys_bytes": ("other_sys", int),
    "go_memstats_next_gc_bytes": ("next_gc", int),
    "go_memstats_last_gc_time_seconds": ("last_gc_ns", _nanoseconds),
    "go_memstats_gc_cpu_fraction": ("gc_cpu_fraction", float),
    "go_gc_duration_seconds_count": ("num_gc", int),
    "go_gc_duration_seconds_sum": ("pause_total_ns", _nanoseconds),
    "go_gc_forced_count": ("num_forced_gc", int),
}


def parse_expvar(content_type: str, body: bytes) -> MemStats | None:
    """Return the counters of expvar's `memstats`; None if the answer is anything else.

    `BySize` has the size classes only, without the class 0 and the unused end of Go's table.
    """
    if content_type.partition(";")[0].strip().lower() not in {"application/json", "text/json"}:
        return None
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    stats = document.get("memstats") if isinstance(document, dict) else None
    if not isinstance(stats, dict) or not _is_count(stats.get("HeapAlloc")):
        return None
    return MemStats(
        source="expvar",
        **_runtime_fields(stats),
        gc_cpu_fraction=_fraction(stats.get("GCCPUFraction")),
        by_size=_size_classes(stats.get("BySize")),
    )


def parse_trailer(text: bytes) -> MemStats | None:
    """Return the counters behind a text heap profile (`debug=1`); None if there are none."""
    values = mem_stats_trailer(text)
    if not _is_count(values.get("HeapAlloc")):
        return None
    return MemStats(
        source="debug=1",
        **_runtime_fields(values),
        gc_cpu_fraction=_fraction(values.get("GCCPUFraction")),
    )


def parse_metrics(text: str) -> MemStats | None:
    """Return the counters among Prometheus metrics; None if the Go collector's are not there.

    Only samples without labels count: with labels they belong to another process that the
    target scrapes.
    """
    fields: dict[str, Any] = {}
    for line in text.splitlines():
        name, _, rest = line.partition(" ")
        if name in _METRICS and rest:
            number = _parse_float(rest.split()[0])
            field, convert = _METRICS[name]
            if number is not None:
                fields[field] = convert(number)
    if "heap_alloc" not in fields:
        return None
    return MemStats(source="metrics", **fields)


def _runtime_fields(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        field: values[name]
        for name, field in _RUNTIME_FIELDS.items()
        if _is_count(values.get(name))
    }


def _size_classes(rows: object) -> tuple[SizeClass, ...]:
    """Return the rows of `BySize` that are in use; none at all if one of them is malformed."""
    classes = []
    for row in rows if isinstance(rows, list) else []:
        numbers: list[Any] = (
            [row.get(key) for key in _SIZE_CLASS_KEYS] if isinstance(row, dict) else []
        )
        if not numbers or not all(map(_is_count, numbers)):
            return ()
        if numbers[0]:  # class 0 and the unused end of the table have size 0
            classes.append(SizeClass(**dict(zip(_SIZE_CLASS_FIELDS, numbers, strict=True))))
    return tuple(classes)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 64


def _fraction(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _parse_float(text: str) -> float | None:
    """Return a finite number; None for anything else (`NaN` stands for unknown in metrics)."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if abs(number) < float("inf") else None
