"""Which rows of an alignment stand together when a table is made by function, line, type..."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
import numpy.typing as npt

from memsnap.analysis.align import Alignment
from memsnap.analysis.columns import distinct
from memsnap.analysis.names import package_of
from memsnap.analysis.table import Amounts, Bounds, By, Keys
from memsnap.pprof.profile import Bools, Int32s, Int64s


def group(alignment: Alignment, by: By, rows: Int64s) -> tuple[Int64s, int]:
    """Return for each of `rows` the number of its group, and how many groups there are.

    Groups are those of the leaf frame: the function that allocates, as in pprof's flat columns.
    """
    if by is By.SITE:
        return np.arange(len(rows)), len(rows)
    frames = alignment.frames
    columns: dict[By, Callable[[], npt.NDArray[Any]]] = {
        By.FUNCTION: lambda: _at_leaf(alignment, frames.function),
        By.LINE: lambda: alignment.leaf,
        By.PACKAGE: lambda: _at_leaf(alignment, _packages(alignment)[0]),
        By.TYPE: lambda: alignment.type,
        By.SIZE: lambda: alignment.object_bytes,
    }
    column = columns[by]()
    values, ids = distinct(column[rows])
    return ids, len(values)


def keys(alignment: Alignment, by: By, rows: Int64s, ids: Int64s, *, growth: Int64s) -> Keys:
    """Return what names the groups `ids` of `rows`.

    `growth` (one number per row) decides whose stack stands for a group: the largest's.
    """
    groups = int(ids.max(initial=-1)) + 1
    order = np.argsort(np.abs(growth), kind="stable")
    example = np.zeros(groups, dtype=np.int64)
    example[ids[order]] = rows[order]  # the last write wins: the largest growth
    packages, strings = _packages(alignment)
    frames, leaf = alignment.frames, alignment.leaf[example]

    def of_leaf(column: npt.NDArray[Any], *kinds: By) -> Int32s:
        if by not in kinds or not len(column):
            return np.full(groups, -1, dtype=np.int32)
        return np.where(leaf >= 0, column[leaf], -1).astype(np.int32)

    def common(column: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return each group's value where all of its rows agree, else -1."""
        shared = column[example]
        shared[ids[column[rows] != shared[ids]]] = -1
        return shared

    def any_of(flags: Bools) -> Bools:
        return np.bincount(ids, weights=flags, minlength=groups) > 0

    types = common(alignment.type)
    return Keys(
        strings=strings,
        function=of_leaf(frames.function, By.SITE, By.LINE, By.FUNCTION),
        file=of_leaf(frames.file, By.SITE, By.LINE, By.FUNCTION),
        line=np.maximum(of_leaf(frames.line, By.SITE, By.LINE), 0).astype(np.int64),
        package=of_leaf(packages, By.SITE, By.LINE, By.FUNCTION, By.PACKAGE),
        type=types,
        # What one row is sure of corroborates the others of that type.
        inferred=(types >= 0) & ~any_of(~alignment.inferred[rows]),
        alloc=common(alignment.alloc),
        object_bytes=common(alignment.object_bytes),
        example=example,
        members=np.bincount(ids, minlength=groups),
    )


class Sums:
    """Adds columns of rows up by group: `ids` has one group number per row."""

    def __init__(self, ids: Int64s, groups: int) -> None:
        self.ids, self.groups = ids, groups

    def total(self, column: Int64s) -> Int64s:
        """Return the sums of one column, exact whatever their size."""
        added = np.zeros(self.groups, dtype=np.int64)
        np.add.at(added, self.ids, column)
        return added

    def columns(self, table: Int64s) -> Int64s:
        """Return the sums of each column of (rows, captures)."""
        return np.stack([self.total(column) for column in table.T], axis=1)

    def amounts(self, objects: Int64s, size: Int64s) -> Amounts:
        """Return the sums of objects and of bytes."""
        return Amounts(objects=self.total(objects), bytes=self.total(size))

    def bounds(self, each: Bounds) -> Bounds:
        """Return the sums of bounds that hold for certain, row by row."""
        return Bounds(**{side.name: self.total(getattr(each, side.name)) for side in fields(each)})

    def between(self, objects: Int64s | None, size: Int64s | None) -> Amounts | None:
        """Return the sums of last - first of (rows, captures); None where unknown."""
        if objects is None or size is None:
            return None
        return self.amounts(objects[:, -1] - objects[:, 0], size[:, -1] - size[:, 0])


def _at_leaf(alignment: Alignment, column: Int32s) -> Int32s:
    """Return `column` (one entry per frame) at every row's leaf frame, -1 without one."""
    if not len(column):
        return np.full(len(alignment), -1, dtype=np.int32)
    return np.where(alignment.leaf >= 0, column[alignment.leaf], -1).astype(np.int32)


def _packages(alignment: Alignment) -> tuple[Int32s, tuple[str, ...]]:
    """Return every frame's package as an index, and the strings with the packages added."""
    strings = dict.fromkeys(alignment.frames.strings)
    numbers = {text: at for at, text in enumerate(strings)}
    functions = alignment.frames.function
    used = np.flatnonzero(np.bincount(functions))
    package = np.zeros(len(alignment.frames.strings), dtype=np.int32)
    for function in used.tolist():
        path = package_of(alignment.frames.strings[function])
        package[function] = numbers.setdefault(path, len(numbers))
    return package[functions], tuple(numbers)
