"""The program's own code on a stack: the line that its authors would point at.

That is the innermost frame of package main or of the main module; where a stack has none, the
innermost frame outside Go's library; where it has none of those either, the leaf.
"""

import numpy as np

from memsnap.analysis.align import AlignedProfile, Alignment
from memsnap.analysis.names import is_standard, package_of
from memsnap.pprof.profile import Bools, Int32s, Int64s


def own_frames(alignment: Alignment, rows: Int64s, module: str) -> Int32s:
    """Return the frame of own code of each of `rows`, -1 where the stack is empty.

    `module` is the path of the main module, empty where it is unknown.
    """
    own, outside = _kinds(alignment, module)
    chosen = alignment.leaf[rows].copy()
    for flags in (outside, own):
        for at, aligned in enumerate(alignment.profiles):
            here = np.flatnonzero(alignment.source[rows] == at)
            frames = _first(aligned, alignment.sample[rows[here]], flags)
            found = frames >= 0
            chosen[here[found]] = frames[found]
    return chosen


def is_own(package: str, module: str) -> bool:
    """Return whether a package is the program's: main, or inside the main module."""
    return package == "main" or (bool(module) and (package + "/").startswith(module + "/"))


def is_outside(package: str) -> bool:
    """Return whether a package is not of Go's library; the empty one (C, stripped) is of none."""
    return package != "" and not is_standard(package)


def _kinds(alignment: Alignment, module: str) -> tuple[Bools, Bools]:
    """Return per frame whether it is own code, and whether it is outside Go's library."""
    frames = alignment.frames
    own = np.zeros(len(frames.strings), dtype=np.bool_)
    outside = np.zeros(len(frames.strings), dtype=np.bool_)
    for function in set(frames.function.tolist()):
        package = package_of(frames.strings[function])
        own[function] = is_own(package, module)
        outside[function] = is_outside(package)
    return own[frames.function], outside[frames.function]


def _first(aligned: AlignedProfile, samples: Int64s, flags: Bools) -> Int32s:
    """Return the innermost flagged frame of each sample's stack, -1 where there is none."""
    profile = aligned.profile
    spots = np.flatnonzero(flags[aligned.frame])  # places of flagged frames in the locations
    spot = np.searchsorted(spots, aligned.frame_start[:-1])
    frame = np.full(len(profile.locations), -1, dtype=np.int32)
    inside = np.flatnonzero(spot < len(spots))
    inside = inside[spots[spot[inside]] < aligned.frame_start[inside + 1]]
    frame[inside] = aligned.frame[spots[spot[inside]]]
    places = np.flatnonzero((frame >= 0)[profile.stack])  # places of their locations in the stacks
    place = np.searchsorted(places, profile.stack_start[samples])
    first = np.full(len(samples), -1, dtype=np.int32)
    hit = np.flatnonzero(place < len(places))
    hit = hit[places[place[hit]] < profile.stack_start[samples[hit] + 1]]
    first[hit] = frame[profile.stack[places[place[hit]]]]
    return first
