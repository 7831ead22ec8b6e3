"""Distinct values of columns, by sorting.

numpy's own `unique` hashes integers since 2.3, which takes 100 times as long on millions of
distinct values, and imports numpy.ma, which takes longer than most diffs.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from memsnap.pprof.profile import Int64s

Column = npt.NDArray[Any]


def distinct(column: Column) -> tuple[Column, Int64s]:
    """Return the sorted distinct values of `column`, and the column as indices of them."""
    values, (ids,) = distinct_of_all([column])
    return values, ids


def distinct_of_all(columns: Sequence[Column]) -> tuple[Column, list[Int64s]]:
    """Return the sorted distinct values of all columns, and each column as indices of them."""
    everything = np.concatenate(columns)
    order = np.argsort(everything, kind="stable")
    ordered = everything[order]
    is_new = np.ones(len(ordered), dtype=np.bool_)
    is_new[1:] = ordered[1:] != ordered[:-1]
    index = np.empty(len(ordered), dtype=np.int64)
    index[order] = np.cumsum(is_new) - 1
    ends = np.cumsum([len(column) for column in columns])[:-1]
    return ordered[is_new], np.split(index, ends)
