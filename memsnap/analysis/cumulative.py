"""Cumulative values: what a function and everything it calls account for (pprof's cum)."""

import numpy as np

from memsnap.analysis.align import AlignedProfile, Alignment
from memsnap.pprof.profile import Int32s, Int64s

_CHUNK = 16_384  # samples whose stacks are spelled out at a time


def cumulative(alignment: Alignment, functions: Int32s, values: Int64s) -> Int64s:
    """Return for each of `functions` (string indices) the sum of `values` over rows under it.

    `values` has one entry per row; a row counts once for a function however often the function
    stands on its stack.
    """
    totals = np.zeros(len(alignment.frames.strings), dtype=np.int64)
    # Each row is spelled out from the one profile that stands for it.
    for at, aligned in enumerate(alignment.profiles):
        rows = np.flatnonzero((alignment.source == at) & (values != 0))
        for first in range(0, len(rows), _CHUNK):
            chunk = rows[first : first + _CHUNK]
            owner, function = _functions(alignment, aligned, alignment.sample[chunk])
            np.add.at(totals, function, values[chunk][owner])
    return np.where(functions >= 0, totals[functions], 0)


def _functions(
    alignment: Alignment, aligned: AlignedProfile, samples: Int64s
) -> tuple[Int64s, Int32s]:
    """Return the distinct (sample, function) pairs of `samples`, samples counted from 0."""
    stack_start, stack = aligned.profile.stack_start, aligned.profile.stack
    owner, places = spread(stack_start[samples], stack_start[samples + 1])
    locations = stack[places]
    inner, frames = spread(aligned.frame_start[locations], aligned.frame_start[locations + 1])
    functions = alignment.frames.function[aligned.frame[frames]].astype(np.int64)
    pairs = np.sort(owner[inner] << 32 | functions)
    pairs = pairs[np.concatenate([[True], pairs[1:] != pairs[:-1]])] if len(pairs) else pairs
    return pairs >> 32, (pairs & 0xFFFFFFFF).astype(np.int32)


def spread(start: Int64s, end: Int64s) -> tuple[Int64s, Int64s]:
    """Return every place in the ranges start..end, and the number of the range it is in."""
    length = end - start
    owner = np.repeat(np.arange(len(length)), length)
    offset = np.arange(len(owner)) - np.repeat(np.cumsum(length) - length, length)
    return owner, start[owner] + offset
