"""Captures and diffs for other tools: pprof profiles and folded stacks.

Tables for spreadsheets and data frames are in `frames`.
"""

from collections.abc import Iterator
from dataclasses import replace
from enum import Enum
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from memsnap.analysis.align import Alignment
from memsnap.analysis.diff import Diff
from memsnap.analysis.estimate import Counts
from memsnap.analysis.lineage import elapsed_s
from memsnap.analysis.live import Live
from memsnap.analysis.stacks import stacks
from memsnap.errors import UsageError
from memsnap.pprof.encode import compress, encode
from memsnap.pprof.profile import (
    Functions,
    Int32s,
    Int64s,
    Labels,
    Locations,
    Mapping,
    Profile,
    ValueType,
)
from memsnap.report.ink import clean

_CHUNK = 4096  # rows whose stacks are spelled out at a time
_NO_STACK = "[no stack]"


class Value(Enum):
    """What the number behind a folded stack counts, by the names of pprof's sample types."""

    INUSE_SPACE = "inuse_space"
    INUSE_OBJECTS = "inuse_objects"
    ALLOC_SPACE = "alloc_space"
    ALLOC_OBJECTS = "alloc_objects"


def folded(live: Live, value: Value = Value.INUSE_SPACE) -> Iterator[str]:
    """Return lines `root;...;leaf number` as flame graph tools read them, the largest first.

    Stacks that differ only in the object size have a line each: the tools add them up.  Raises
    UsageError where the profile has no allocations.
    """
    numbers = _column(live, value)
    rows = live.sites.keys.example
    rows = rows[numbers[rows] != 0]
    rows = rows[np.argsort(-numbers[rows], kind="stable")]
    texts = folded_stacks(live.alignment, rows)
    return (f"{text} {number}" for text, number in zip(texts, numbers[rows].tolist(), strict=True))


def folded_stacks(alignment: Alignment, rows: Int64s) -> Iterator[str]:
    """Return `root;...;leaf` for each of `rows`; a name's own `;` becomes `:`."""
    strings = alignment.frames.strings
    plain = {at: _frame_text(strings[at]) for at in set(alignment.frames.function.tolist())}
    names = [plain[at] for at in alignment.frames.function.tolist()]
    for first in range(0, len(rows), _CHUNK):
        start, frame = stacks(alignment, rows[first : first + _CHUNK])
        spots = frame.tolist()
        for low, high in pairwise(start.tolist()):
            texts = [names[at] for at in reversed(spots[low:high])]
            yield ";".join(texts) or _NO_STACK


def _frame_text(name: str) -> str:
    return clean(name).replace(";", ":").strip() or "?"


def counted(counts: Counts, value: Value) -> Int64s | None:
    """Return (rows, captures) of one of pprof's values; None where allocations do not count."""
    return {
        Value.INUSE_SPACE: counts.live_bytes,
        Value.INUSE_OBJECTS: counts.live_objects,
        Value.ALLOC_SPACE: counts.alloc_bytes,
        Value.ALLOC_OBJECTS: counts.alloc_objects,
    }[value]


def _column(live: Live, value: Value) -> Int64s:
    column = counted(live.counts, value)
    if column is None:
        raise UsageError(
            f"{live.snapshot.name} does not count allocations, only what is in use",
            hint="--sample inuse_space or --sample inuse_objects",
        )
    return column[:, 0]


def live_pprof(live: Live) -> bytes:
    """Return the selected samples of a capture as a plain pprof profile, gzip-compressed.

    It is the target's own profile, without what memsnap adds about the capture.
    """
    heap = live.snapshot.heap
    rows = live.sites.keys.example
    if len(rows) < len(live.alignment):
        chosen = np.zeros(len(live.alignment), dtype=np.bool_)
        chosen[rows] = True
        heap = _with_samples(heap, np.flatnonzero(chosen[live.alignment.profiles[0].row]))
    return compress(encode(replace(heap, extension=b"")))


def _with_samples(profile: Profile, samples: Int64s) -> Profile:
    """Return `profile` with the given samples only, in its order."""
    kept = np.zeros(len(profile), dtype=np.bool_)
    kept[samples] = True
    depth = np.diff(profile.stack_start)
    labels = profile.labels
    mask = kept[labels.sample]
    number = np.cumsum(kept) - 1  # of a kept sample, among the kept
    return replace(
        profile,
        values=profile.values[samples],
        stack_start=_starts(depth[samples]),
        stack=profile.stack[np.repeat(kept, depth)],
        labels=Labels(
            sample=number[labels.sample[mask]].astype(np.int32),
            key=labels.key[mask],
            string=labels.string[mask],
            number=labels.number[mask],
            unit=labels.unit[mask],
        ),
    )


def diff_pprof(diff: Diff) -> bytes:
    """Return the diff as a gzip-compressed pprof profile: see `diff_profile`."""
    return compress(encode(diff_profile(diff)))


def diff_profile(diff: Diff) -> Profile:
    """Return the selected rows of a diff as a pprof profile with signed values.

    The values are last capture less first, as of `go tool pprof -diff_base`.  The allocation
    columns are left out where allocations do not subtract (after a restart, out of order).
    Inlined calls become frames of their own; there are no addresses.
    """
    rows = diff.sites.keys.example
    types, values = _signed_values(diff, rows)
    rows, values = rows[values.any(axis=1)], values[values.any(axis=1)]
    start, frame = stacks(diff.alignment, rows)
    strings = {text: at for at, text in enumerate(diff.alignment.frames.strings)}
    labels = _labels(diff.alignment, rows, strings)
    location, used = _renumbered(frame, len(diff.alignment.frames))
    locations, functions = _tables(diff.alignment, used)
    after = diff.after.heap
    elapsed = elapsed_s(diff.before.capture, diff.after.capture) or 0.0
    return Profile(
        sample_types=types,
        values=values,
        stack_start=start,
        stack=location,
        labels=labels,
        locations=locations,
        functions=functions,
        mappings=(_symbolised(after.mappings[0] if after.mappings else Mapping()),),
        strings=tuple(strings),
        default_sample_type="inuse_space",
        period_type=after.period_type,
        period=after.period,
        time_nanos=after.time_nanos,
        duration_nanos=max(round(elapsed * 1e9), 0),
        drop_frames=after.drop_frames,
        keep_frames=after.keep_frames,
        comments=(
            f"memsnap diff: {diff.after.name} less {diff.before.name}; "
            "values are differences, negative where there is less",
        ),
    )


def _signed_values(diff: Diff, rows: Int64s) -> tuple[tuple[ValueType, ...], Int64s]:
    counts = diff.counts
    columns = [
        (ValueType("alloc_objects", "count"), counts.alloc_objects),
        (ValueType("alloc_space", "bytes"), counts.alloc_bytes),
        (ValueType("inuse_objects", "count"), counts.live_objects),
        (ValueType("inuse_space", "bytes"), counts.live_bytes),
    ]
    known = [(kind, column) for kind, column in columns if column is not None]
    signed = [column[rows, -1] - column[rows, 0] for _, column in known]
    return tuple(kind for kind, _ in known), np.stack(signed, axis=1)


def _labels(alignment: Alignment, rows: Int64s, strings: dict[str, int]) -> Labels:
    """Return `bytes`, `type` and `alloc` of each row, as far as known; adds keys to `strings`."""
    size, kind, alloc = alignment.object_bytes[rows], alignment.type[rows], alignment.alloc[rows]
    none, zero = np.full_like(size, -1), np.zeros_like(size)
    # One column for each key; those that say something are taken out row by row.
    present = np.stack([size > 0, kind >= 0, alloc >= 0], axis=1)
    keys = [strings.setdefault(key, len(strings)) for key in ("bytes", "type", "alloc")]
    return Labels(
        sample=np.nonzero(present)[0].astype(np.int32),
        key=np.broadcast_to(keys, present.shape)[present].astype(np.int32),
        string=np.stack([none, kind, alloc], axis=1)[present].astype(np.int32),
        number=np.stack([size, zero, zero], axis=1)[present],
        unit=np.zeros(int(present.sum()), dtype=np.int32),
    )


def _tables(alignment: Alignment, used: Int64s) -> tuple[Locations, Functions]:
    """Return one location for each of the `used` frames, and the functions that they are in."""
    frames, count = alignment.frames, len(used)
    pairs = frames.function[used].astype(np.int64) << 32 | frames.file[used]
    distinct, function = np.unique(pairs, return_inverse=True)
    name = (distinct >> 32).astype(np.int32)
    return (
        Locations(
            mapping=np.zeros(count, dtype=np.int32),
            address=np.zeros(count, dtype=np.uint64),
            is_folded=np.zeros(count, dtype=np.bool_),
            line_start=np.arange(count + 1),
            line_function=function.astype(np.int32),
            line_number=frames.line[used],
            line_column=np.zeros(count, dtype=np.int64),
        ),
        Functions(
            name=name,
            system_name=name,
            file=(distinct & 0xFFFFFFFF).astype(np.int32),
            start_line=np.zeros(len(distinct), dtype=np.int64),
        ),
    )


def _symbolised(mapping: Mapping) -> Mapping:
    """Return `mapping` marked as complete, so that pprof does not go looking for symbols."""
    return replace(
        mapping,
        has_functions=True,
        has_filenames=True,
        has_line_numbers=True,
        has_inline_frames=True,
    )


def _renumbered(column: Int32s, size: int) -> tuple[Int32s, Int64s]:
    """Return `column` as indices of the distinct values in it, and those values, sorted."""
    present = np.zeros(size, dtype=np.bool_)
    present[column] = True
    number = np.cumsum(present) - 1
    return number[column].astype(np.int32), np.flatnonzero(present)


def _starts(lengths: npt.NDArray[np.int64]) -> Int64s:
    return np.concatenate([[0], np.cumsum(lengths)])
