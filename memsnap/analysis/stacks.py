"""The stacks of an alignment's rows, spelled out in its common frames."""

import numpy as np

from memsnap.analysis.align import Alignment
from memsnap.analysis.cumulative import spread
from memsnap.analysis.rows import Frame
from memsnap.pprof.profile import Int32s, Int64s

_CHUNK = 16_384  # rows spelled out at a time: bounds the memory beside the result


def frames_of(alignment: Alignment, row: int) -> tuple[Frame, ...]:
    """Return the stack of one row, innermost frame first."""
    frames, strings = alignment.frames, alignment.frames.strings
    return tuple(
        Frame(strings[frames.function[at]], strings[frames.file[at]], int(frames.line[at]))
        for at in alignment.stack(row).tolist()
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
