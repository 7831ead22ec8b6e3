"""Single rows of a table as plain values: what reports print and scripts loop over."""

from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np

from memsnap.analysis.names import package_of, short_type
from memsnap.analysis.own import is_outside, is_own
from memsnap.analysis.table import Amounts, Bounds, By, Cause, Keys, Table
from memsnap.pprof.profile import Int64s


class Sort(Enum):
    """The order of rows, largest first."""

    CONFIDENCE = "confidence"  # sure growth by its lower bound, growth, shrinkage, no change
    GROWTH = "growth"
    AFTER = "after"  # live in the last capture
    SURVIVED = "survived"
    ALLOCATED = "allocated"
    OBJECTS = "objects"  # growth in objects
    CUM = "cum"  # growth with callees; rows by function


@dataclass(frozen=True, slots=True)
class Amount:
    """Objects and bytes."""

    objects: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Limits:
    """Lower and upper limits; equal ones are one number."""

    low_objects: int
    high_objects: int
    low_bytes: int
    high_bytes: int


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of a stack; `line` is 0 where it is unknown."""

    function: str
    file: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a row is about.  Texts are empty, and numbers None, where they do not apply.

    `type_full` has import paths.  `stack` is innermost first: the row's own for a row by site,
    that of the largest bucket for a group of several.
    """

    by: By
    type: str
    type_full: str
    type_inferred: bool
    alloc: str
    function: str
    file: str
    line: int
    package: str
    object_bytes: int | None
    buckets: int
    stack: tuple[Frame, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row(Subject):
    """One row of a diff; `growth_limits` are those of the 95 % interval."""

    before: Amount
    after: Amount
    growth: Amount
    growth_limits: Limits
    allocated: Amount | None
    freed: Amount | None
    survived: Limits
    born: Limits
    died: Limits
    samples: int
    p_value: float
    significant: bool
    verdict: Cause
    history: tuple[int, ...]
    cumulative: int | None

    @property
    def changed(self) -> bool:
        """Whether the row grew or shrank at all, sampling error or not."""
        return self.growth.bytes != 0


def order(table: Table, sort: Sort) -> Int64s:
    """Return the row numbers in the order of `sort`."""
    growth = table.growth.bytes
    if sort is Sort.CONFIDENCE:
        sure = table.significant & (growth > 0)
        rank = np.select([sure, growth > 0, growth < 0], [0, 1, 2], default=3)
        key = np.where(sure, table.growth_bounds.low_bytes, np.abs(growth))
        return np.lexsort((-table.after.bytes, -key, ~table.significant, rank))
    column = {
        Sort.GROWTH: growth,
        Sort.AFTER: table.after.bytes,
        Sort.SURVIVED: table.survived.high_bytes,
        Sort.ALLOCATED: growth if table.allocated is None else table.allocated.bytes,
        Sort.OBJECTS: table.growth.objects,
        Sort.CUM: growth if table.cumulative is None else table.cumulative,
    }[sort]
    return np.lexsort((-table.after.bytes, -column))


def row(table: Table, number: int, stack: tuple[Frame, ...]) -> Row:
    """Return one row of `table`; `stack` is that of its example, innermost first."""
    return Row(
        **subject_at(table.by, table.keys, number, stack),
        before=amount_at(table.before, number),
        after=amount_at(table.after, number),
        growth=amount_at(table.growth, number),
        growth_limits=limits_at(table.growth_bounds, number),
        allocated=None if table.allocated is None else amount_at(table.allocated, number),
        freed=None if table.freed is None else amount_at(table.freed, number),
        survived=limits_at(table.survived, number),
        born=limits_at(table.born, number),
        died=limits_at(table.died, number),
        samples=int(table.changed[number]),
        p_value=float(table.p_value[number]),
        significant=bool(table.significant[number]),
        verdict=table.verdict[number],
        history=tuple(table.history[number].tolist()),
        cumulative=None if table.cumulative is None else int(table.cumulative[number]),
    )


def subject_at(by: By, keys: Keys, number: int, stack: tuple[Frame, ...]) -> dict[str, Any]:
    """Return the fields of a Subject for row `number` of the table that `keys` name."""
    size, type_name = int(keys.object_bytes[number]), keys.text(keys.type, number)
    return {
        "by": by,
        "type": short_type(type_name),
        "type_full": type_name,
        "type_inferred": bool(keys.inferred[number]),
        "alloc": keys.text(keys.alloc, number),
        "function": keys.text(keys.function, number),
        "file": keys.text(keys.file, number),
        "line": int(keys.line[number]),
        "package": keys.text(keys.package, number),
        "object_bytes": size if size > 0 else None,
        "buckets": int(keys.members[number]),
        "stack": stack,
    }


def own_frame(stack: tuple[Frame, ...], module: str) -> Frame | None:
    """Return the frame of the program's own code, as `own.own_frames` does for whole columns.

    None where the whole stack belongs to Go's library.
    """
    outside = None
    for frame in stack:
        package = package_of(frame.function)
        if is_own(package, module):
            return frame
        if outside is None and is_outside(package):
            outside = frame
    return outside


def amount_at(amounts: Amounts, number: int) -> Amount:
    """Return one row of a column of amounts."""
    return Amount(int(amounts.objects[number]), int(amounts.bytes[number]))


def limits_at(bounds: Bounds, number: int) -> Limits:
    """Return one row of a column of bounds."""
    return Limits(
        int(bounds.low_objects[number]),
        int(bounds.high_objects[number]),
        int(bounds.low_bytes[number]),
        int(bounds.high_bytes[number]),
    )
