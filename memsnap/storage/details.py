"""What is stored of a capture beside its samples: plain columns, and one small blob for the rest.

Runtime counters and the process's memory are columns, to be queried with SQL.  Whatever a target
sends, it can be stored: a number beyond 64 bits becomes unknown, text that is no Unicode loses
what no database takes.
"""

import math
from dataclasses import fields, replace
from typing import Any

import msgspec
import numpy as np
from sqlalchemy import RowMapping

from memsnap.errors import FormatError
from memsnap.pprof import profile as pprof
from memsnap.snapshot import Capture, MemStats, Process, ProcessMemory, SizeClass
from memsnap.storage.blobs import BlobReader, BlobWriter
from memsnap.storage.tables import MEM_STATS, PROCESS_MEMORY

VERSION = 1
_WHAT = "a snapshot's details"
_MOST = 2**63 - 1
_SUBSTITUTE = "\N{REPLACEMENT CHARACTER}"


class Header(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """What a profile says of itself."""

    sample_types: tuple[tuple[str, str], ...]
    period_type: tuple[str, str] | None
    default_sample_type: str = ""
    time_nanos: int = 0
    duration_nanos: int = 0
    drop_frames: str = ""
    keep_frames: str = ""
    doc_url: str = ""
    comments: tuple[str, ...] = ()

    @classmethod
    def of(cls, profile: pprof.Profile) -> "Header":
        """Return the header of a profile."""
        period = profile.period_type
        return cls(
            sample_types=tuple((kind.type, kind.unit) for kind in profile.sample_types),
            period_type=(period.type, period.unit) if period else None,
            default_sample_type=profile.default_sample_type,
            time_nanos=profile.time_nanos,
            duration_nanos=profile.duration_nanos,
            drop_frames=profile.drop_frames,
            keep_frames=profile.keep_frames,
            doc_url=profile.doc_url,
            comments=profile.comments,
        )

    def fields(self) -> dict[str, Any]:
        """Return the fields of `Profile` that this header holds."""
        return {
            **msgspec.structs.asdict(self),
            "sample_types": tuple(pprof.ValueType(*pair) for pair in self.sample_types),
            "period_type": pprof.ValueType(*self.period_type) if self.period_type else None,
        }


class Details(msgspec.Struct, frozen=True, omit_defaults=True):
    """The blob: a capture without what columns and other tables hold.

    `process` and `mappings` are given where they differ from those of the process's row.
    """

    capture: Capture
    header: Header
    has_memory: bool = False
    process: Process | None = None
    mappings: tuple[pprof.Mapping, ...] | None = None


def sane(capture: Capture) -> Capture:
    """Return a capture that any database takes; what cannot be kept is unknown."""
    found: dict[str, Any] = _sane(msgspec.to_builtins(capture))
    found["taken_ns"] = found["taken_ns"] or 0
    stats = found["mem_stats"]
    if stats and any(None in each.values() for each in stats["by_size"]):
        stats["by_size"] = ()
    if found["types"] and None in found["types"].values():
        found["types"] = None
    return msgspec.convert(found, Capture)


def text(value: str) -> str:
    """Return a text that is valid Unicode and without NUL, which PostgreSQL does not take."""
    if value.isascii() and "\0" not in value:
        return value
    return value.encode("utf-8", "replace").decode("utf-8").replace("\0", _SUBSTITUTE)


def columns(capture: Capture) -> dict[str, Any]:
    """Return the plain columns of `snapshots` for a capture that is `sane`."""
    stats, memory = capture.mem_stats, capture.memory
    return {
        "taken_ns": capture.taken_ns,
        "goroutines": capture.goroutines,
        "gc_forced": capture.gc.forced if capture.gc else None,
        "gc_proven": capture.gc.proven if capture.gc else None,
        "stats_source": stats.source if stats else None,
        "go_gc_cpu_fraction": stats.gc_cpu_fraction if stats else None,
        **{f"go_{name}": getattr(stats, name) if stats else None for name in MEM_STATS},
        **{f"os_{name}": getattr(memory, name) if memory else None for name in PROCESS_MEMORY},
    }


def encode(
    capture: Capture,
    header: Header,
    *,
    process: Process,
    mappings: tuple[pprof.Mapping, ...] | None,
) -> bytes:
    """Return the blob for a `sane` capture in the process life that the store knows as `process`.

    `mappings` are those of the profile, None where they are the ones of the process's row.
    """
    sizes = capture.mem_stats.by_size if capture.mem_stats else ()
    details = Details(
        capture=replace(
            capture,
            taken_ns=0,
            goroutines=None,
            mem_stats=None,
            memory=None,
            process=Process(),
        ),
        header=header,
        has_memory=capture.memory is not None,
        process=capture.process if capture.process != process else None,
        mappings=mappings,
    )
    writer = BlobWriter()
    writer.content(msgspec.msgpack.encode(_given(msgspec.to_builtins(details))))
    writer.numbers(np.array([each.size for each in sizes], np.int64))
    writer.numbers(np.array([each.mallocs - each.frees for each in sizes], np.int64))
    writer.numbers(np.array([each.frees for each in sizes], np.int64))
    return writer.pack(VERSION)


def decode(blob: bytes, row: RowMapping, process: Process) -> tuple[Capture, Details]:
    """Return the capture behind a blob and the columns of its `row`, and the rest.

    `process` is that of the process's row.  Raises FormatError where the blob is damaged.
    """
    reader = BlobReader(blob, version=VERSION, what=_WHAT)
    try:
        details = msgspec.msgpack.decode(reader.content(), type=Details)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise FormatError(f"{_WHAT} cannot be read: {error}") from error
    size, live, freed = (reader.numbers() for _ in range(3))
    by_size = zip(size.tolist(), (live + freed).tolist(), freed.tolist(), strict=True)
    stats = memory = None
    if row["stats_source"] is not None:
        stats = MemStats(
            source=row["stats_source"],
            **{name: row[f"go_{name}"] for name in MEM_STATS},
            gc_cpu_fraction=row["go_gc_cpu_fraction"],
            by_size=tuple(SizeClass(size=s, mallocs=m, frees=f) for s, m, f in by_size),
        )
    if details.has_memory:
        memory = ProcessMemory(**{name: row[f"os_{name}"] for name in PROCESS_MEMORY})
    capture = replace(
        details.capture,
        taken_ns=row["taken_ns"],
        goroutines=row["goroutines"],
        mem_stats=stats,
        memory=memory,
        process=details.process or process,
    )
    return capture, details


def _sane(value: Any) -> Any:
    """Return JSON-like data whose texts and numbers can be stored, None for numbers that cannot."""
    match value:
        case bool() | None:
            return value
        case str():
            return text(value)
        case int():
            return value if -_MOST <= value <= _MOST else None
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {key: _sane(item) for key, item in value.items()}
        case _:
            return [_sane(item) for item in value]


_EMPTY: tuple[Any, ...] = (None, "", (), [], {})


def _given(value: Any) -> Any:
    """Leave out of JSON-like data what its reader takes for unknown anyway."""
    if not isinstance(value, dict):
        return value
    given = {key: _given(item) for key, item in value.items()}
    return {key: item for key, item in given.items() if item not in _EMPTY or item is False}


def process_columns(process: Process) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the columns of `processes`, then those of `builds`, that hold a `sane` process."""
    own = {
        "pid": process.pid,
        "start_time_ns": process.start_time_ns,
        "command": msgspec.json.encode(process.command).decode(),
    }
    build = {
        field.name: getattr(process, field.name)
        for field in fields(Process)
        if field.name not in own
    }
    return own, build


def process_of(row: RowMapping) -> Process:
    """Return the process that a row with the columns of `processes` and `builds` holds."""
    values = {field.name: row[field.name] for field in fields(Process) if field.name in row}
    # In `processes`, `build_id` is the number of the build.
    values["build_id"] = row["gnu_build_id"]
    values["command"] = tuple(msgspec.json.decode(row["command"], type=list[str]))
    return Process(**values)
