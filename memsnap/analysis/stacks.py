"""The stacks of an alignment's rows, spelled out in its common frames."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from memsnap.analysis.align import Alignment
from memsnap.analysis.cumulative import spread
from memsnap.analysis.rows import Frame
from memsnap.pprof.profile import Int32s, Int64s

_CHUNK = 1024  # rows spelled out at a time: bounds the memory beside the result


def spell(alignment: Alignment, rows: Int64s) -> Iterator[tuple[Frame, ...]]:
    """Yield the stacks of `rows` in their order, innermost frame first; equal frames are one."""
    known: dict[int, Frame] = {}
    for first in range(0, len(rows), _CHUNK):
        start, frames = stacks(alignment, rows[first : first + _CHUNK])
        for number in set(frames.tolist()):
            if number not in known:
                known[number] = frame_of(alignment, number)
        spelled = [known[number] for number in frames.tolist()]
        ends = start.tolist()
        yield from (tuple(spelled[low:high]) for low, high in pairwise(ends))


def frame_of(alignment: Alignment, number: int) -> Frame:
    """Return one frame of the alignment by its number."""
    frames, strings = alignment.frames, alignment.frames.strings
    return Frame(
        strings[frames.function[number]], strings[frames.file[number]], int(frames.line[number])
    )


def stacks(alignment: Alignment, rows: Int64s) -> tuple[Int64s, Int32s]:
    """Return the stacks of `rows` as a ragged column of frames, innermost first.

    Row `rows[i]` has the frames `frame[start[i]:start[i + 1]]`; returned are start and frame.
    """
    length, parts = [np.zeros(1, dtype=np.int64)], [np.zeros(0, dtype=np.int32)]
    for first in range(0, len(rows), _CHUNK):
        depth, frame = _chunk(alignment, rows[first : first + _CHUNK])
        length.append(depth)
        parts.append(frame)
    return np.cumsum(np.concatenate(length)), np.concatenate(parts)


def _chunk(alignment: Alignment, rows: Int64s) -> tuple[Int64s, Int32s]:
    """Return depths and frames of `rows`, each spelled out from the profile it stands in."""
    owners, frames = [], []
    for at, aligned in enumerate(alignment.profiles):
        here = np.flatnonzero(alignment.source[rows] == at)
        samples = alignment.sample[rows[here]]
        starts = aligned.profile.stack_start
        owner, places = spread(starts[samples], starts[samples + 1])
        locations = aligned.profile.stack[places]
        inner, spots = spread(aligned.frame_start[locations], aligned.frame_start[locations + 1])
        owners.append(here[owner[inner]])
        frames.append(aligned.frame[spots])
    owner = np.concatenate(owners)
    order = np.argsort(owner, kind="stable")
    return np.bincount(owner, minlength=len(rows)), np.concatenate(frames)[order]
