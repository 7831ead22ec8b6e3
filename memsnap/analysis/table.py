"""The rows of a diff: one per site, function, line, package, type or size, as columns.

What adds up is added up before it is estimated: samples of one object size pool exactly, and
only then are different sizes put together, each unscaled by its own sampling probability.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from enum import Enum
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from memsnap.analysis import frames
from memsnap.pprof.profile import Bools, Int32s, Int64s

if TYPE_CHECKING:
    from pandas import DataFrame
    from pyarrow import Table as ArrowTable

Floats = npt.NDArray[np.float64]

# How single columns are called in a flat table, where the field's own name lacks the unit.
_FLAT_NAMES = {
    "changed": "changed_samples",
    "cumulative": "cumulative_bytes",
    "history": "history_bytes",
}


class By(Enum):
    """What one row of a table stands for."""

    SITE = "site"  # allocation bucket: whole stack and object size
    FUNCTION = "function"  # the allocating function (flat)
    LINE = "line"  # its file and line
    PACKAGE = "package"
    TYPE = "type"
    SIZE = "size"  # object size


class Cause(Enum):
    """What stands behind the memory of a finding, or of a row; only LEAK claims a leak."""

    LEAK = "leak"  # grows at a steady rate, and what was there stays
    CACHE = "cache"  # fills, ever more slowly: it levels off
    LOAD = "load"  # follows what the service has to do: it comes and goes
    CHURN = "churn"  # allocates much, keeps nothing
    ONE_TIME = "one-time growth"  # one step, flat before and after
    STEADY = "steady"  # holds what it holds
    UNKNOWN = "unknown"  # the captures do not settle it


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Columns:
    """Columns of one length that are cut and reordered together."""

    def take(self, rows: npt.NDArray[Any]) -> Self:
        """Return the given rows (indices or a mask), in that order."""
        return type(self)(
            **{column.name: _take(getattr(self, column.name), rows) for column in fields(self)}
        )

    def flat(self, prefix: str = "") -> Iterator[tuple[str, npt.NDArray[Any]]]:
        """Return plain columns by name: numbers of this level, then those of the levels below.

        `growth` and `growth_bounds` become `growth_bytes`, `growth_low_bytes` and so on, a column
        per capture `history_bytes_0`.  Columns that are unknown (None) are left out, single
        numbers that are unknown are masked, and unknown texts are empty.
        """
        for column in fields(self):
            value = getattr(self, column.name)
            name = prefix + _FLAT_NAMES.get(column.name, column.name)
            if isinstance(value, Columns):
                yield from value.flat(
                    "" if isinstance(value, Keys) else name.removesuffix("_bounds") + "_"
                )
            elif isinstance(value, np.ndarray) and value.ndim == 2:
                yield from ((f"{name}_{at}", part) for at, part in enumerate(value.T))
            elif isinstance(value, np.ndarray):
                yield name, value


def _take(value: Any, rows: npt.NDArray[Any]) -> Any:
    if isinstance(value, Columns):
        return value.take(rows)
    return value[rows] if isinstance(value, np.ndarray) else value


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Amounts(Columns):
    """Objects and bytes, both scaled from the sample to the whole population."""

    objects: Int64s
    bytes: Int64s

    def __sub__(self, other: "Amounts") -> "Amounts":
        return Amounts(objects=self.objects - other.objects, bytes=self.bytes - other.bytes)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bounds(Columns):
    """Lower and upper limits in objects and in bytes."""

    low_objects: Int64s
    high_objects: Int64s
    low_bytes: Int64s
    high_bytes: Int64s

    def rest_of(self, whole: Amounts) -> "Bounds":
        """Return the bounds on what is left of `whole` without what these bound."""
        return Bounds(
            low_objects=whole.objects - self.high_objects,
            high_objects=whole.objects - self.low_objects,
            low_bytes=whole.bytes - self.high_bytes,
            high_bytes=whole.bytes - self.low_bytes,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Keys(Columns):
    """What names the rows: indices of `strings`, -1 where it does not apply or is unknown.

    `object_bytes` is -1 where the row covers several sizes, `line` 0 where it covers several.
    `inferred` marks a type that is not certain.  `example` is the row of the alignment whose
    stack stands for the group, `members` how many buckets it covers.
    """

    strings: tuple[str, ...]
    function: Int32s
    file: Int32s
    line: Int64s
    package: Int32s
    type: Int32s
    inferred: Bools
    alloc: Int32s
    object_bytes: Int64s
    example: Int64s
    members: Int64s

    def text(self, column: Int32s, row: int) -> str:
        """Return the text of one cell, empty where there is none."""
        at = int(column[row])
        return self.strings[at] if at >= 0 else ""

    def flat(self, prefix: str = "") -> Iterator[tuple[str, npt.NDArray[Any]]]:
        """Return plain columns by name, texts spelled out; sizes and lines masked if unknown."""
        texts = np.array([*self.strings, ""], dtype=np.object_)  # -1 is the last: no text
        for name in ("function", "file", "package", "type", "alloc"):
            yield prefix + name, texts[getattr(self, name)]
        for name in ("line", "object_bytes"):
            numbers = getattr(self, name)
            yield prefix + name, np.ma.masked_array(numbers, mask=numbers <= 0)
        yield prefix + "buckets", self.members


class Framed(Columns):
    """A table that data frame libraries take over, with the columns of `flat`."""

    __slots__ = ()

    def to_pandas(self) -> "DataFrame":
        """Return a pandas DataFrame; raises UsageError where pandas is not installed."""
        return frames.to_pandas(dict(self.flat()))

    def to_arrow(self) -> "ArrowTable":
        """Return a pyarrow Table; raises UsageError where pyarrow is not installed."""
        return frames.to_arrow(dict(self.flat()))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Table(Framed):
    """A diff as rows of one kind.

    `before` and `after` are what was live in the first and the last capture; `growth` is their
    difference, with 95 % limits in `growth_bounds`.  `allocated` and `freed` are what happened
    between (None where that cannot be known).  `survived` bounds what was live in the first
    capture and still is in the last, `born` what is live and was not, `died` what is gone; these
    bounds come from counting, not from the sampling error.  `changed` is the number of sampled
    objects that were born or died.  `history` (rows, captures) is the live bytes at each capture.
    `cumulative` is the growth in bytes under the row's function, callees included (rows by
    function only).
    """

    by: By
    keys: Keys
    before: Amounts
    after: Amounts
    growth: Amounts
    growth_bounds: Bounds
    allocated: Amounts | None
    freed: Amounts | None
    survived: Bounds
    born: Bounds
    died: Bounds
    changed: Int64s
    p_value: Floats
    significant: Bools
    verdict: npt.NDArray[np.object_]
    history: Int64s
    cumulative: Int64s | None = None

    def __len__(self) -> int:
        return len(self.keys.function)

    def rows(self) -> Iterator[int]:
        """Return the row numbers, in order."""
        return iter(range(len(self)))
