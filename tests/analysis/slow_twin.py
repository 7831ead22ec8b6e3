"""Alignment and sums as anyone would write them who had all day: dicts of tuples."""

import math
from collections import defaultdict
from dataclasses import dataclass, replace

import numpy as np

from memsnap.pprof.profile import Locations, Profile
from memsnap.snapshot import Capture, GcProof, Snapshot

Frame = tuple[str, str, int]  # function, file, line
Key = tuple[tuple[Frame, ...], int, str, str]  # stack, bytes, type, alloc

PROVEN = GcProof(forced=True, proven=True, reason="asked for and seen")


@dataclass
class Sums:
    """Values of one row in one profile, scaled and raw."""

    alloc_objects: int = 0
    alloc_bytes: int = 0
    live_objects: int = 0
    live_bytes: int = 0
    alloc_raw: int = 0
    live_raw: int = 0


def snapshot(heap: Profile, name: str = "a.snap", **capture: object) -> Snapshot:
    """Return a snapshot that stands behind a GC, of a heap profile as Go writes it."""
    return Snapshot(name=name, heap=heap, capture=Capture(gc=PROVEN, **capture))


def rows(profile: Profile, *, typed: bool, lines: bool = True) -> dict[Key, Sums]:
    """Return the sums of every row of a heap profile."""
    table: dict[Key, Sums] = defaultdict(Sums)
    for sample in range(len(profile)):
        labels = labels_of(profile, sample)
        size = int(labels.get("bytes", 0))
        kind = (str(labels.get("type", "")), str(labels.get("alloc", ""))) if typed else ("", "")
        values = profile.values[sample].tolist()
        row = table[(stack_of(profile, sample, lines=lines), size, *kind)]
        row.alloc_objects += values[0]
        row.alloc_bytes += values[1]
        row.live_objects += values[2]
        row.live_bytes += values[3]
        row.alloc_raw += unscaled(values[1], size, profile.period)
        row.live_raw += unscaled(values[3], size, profile.period)
    return dict(table)


def unscaled(estimate: int, size: int, rate: int) -> int:
    """Return the count behind an estimate in bytes."""
    if not size:
        return 0
    return round(estimate * (1 - math.exp(-size / rate)) / size) if rate > 1 else estimate // size


def labels_of(profile: Profile, sample: int) -> dict[str, str | int]:
    labels = profile.labels
    found: dict[str, str | int] = {}
    for at in np.flatnonzero(labels.sample == sample).tolist():
        text = int(labels.string[at])
        value = profile.strings[text] if text >= 0 else int(labels.number[at])
        found[profile.strings[labels.key[at]]] = value
    return found


def stack_of(profile: Profile, sample: int, *, lines: bool = True) -> tuple[Frame, ...]:
    frames: list[Frame] = []
    locations, functions = profile.locations, profile.functions
    for location in profile.stack[
        profile.stack_start[sample] : profile.stack_start[sample + 1]
    ].tolist():
        start, end = locations.line_start[location : location + 2].tolist()
        if start == end:
            mapping = int(locations.mapping[location])
            file = profile.mappings[mapping].file if mapping >= 0 else ""
            frames.append((hex(int(locations.address[location])), file, 0))
        for at in range(start, end):
            function = int(locations.line_function[at])
            name = profile.strings[functions.name[function]]
            file = profile.strings[functions.file[function]]
            number = int(locations.line_number[at]) if lines else 0
            frames.append((name, file, number))
    return tuple(frames)


def without_symbols(profile: Profile, function: str) -> Profile:
    """Return the profile with nothing but an address where a location starts in `function`."""
    locations = profile.locations
    starts, kept = [0], []
    for location in range(len(locations)):
        start, end = locations.line_start[location : location + 2].tolist()
        name = profile.strings[profile.functions.name[locations.line_function[start]]]
        kept += [] if name == function else range(start, end)
        starts.append(len(kept))
    keep = np.array(kept, dtype=np.int64)
    return replace(
        profile,
        locations=Locations(
            mapping=locations.mapping,
            address=locations.address,
            is_folded=locations.is_folded,
            line_start=np.array(starts, dtype=np.int64),
            line_function=locations.line_function[keep],
            line_number=locations.line_number[keep],
            line_column=locations.line_column[keep],
        ),
    )
