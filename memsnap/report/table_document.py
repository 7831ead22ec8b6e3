"""All rows of a diff as JSON: `memsnap.table/1`, columns without stacks, for large tables."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from memsnap.analysis.columns import distinct_of_all
from memsnap.analysis.diff import Diff
from memsnap.analysis.findings import settled
from memsnap.analysis.rows import Sort, order
from memsnap.analysis.table import By, Table

SCHEMA = "memsnap.table/1"
MOST_TABLE_ROWS = 200_000
"""The most rows of one document: some 40 MB of JSON, a tenth of that compressed."""

_TEXTS = ("type", "function", "file", "package", "alloc")

Numbers = tuple[int | float | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableDocument:
    """Rows as columns of one length, in the order asked for.

    `texts` are indices of `strings`, -1 where a row has none; `numbers` have the names of the
    command line's data frames (`growth_bytes`, `survived_low_bytes`, ...), null where unknown,
    and lack columns that are unknown of all.  Row `r` is row `r` of the same diff's document.
    `total` is the number of rows before `limit` cut them off.
    """

    schema: str = SCHEMA
    by: str
    total: int
    rows: int
    strings: tuple[str, ...]
    texts: dict[str, tuple[int, ...]]
    numbers: dict[str, Numbers]
    verdict: tuple[str, ...]
    significant: tuple[bool, ...]
    type_inferred: tuple[bool, ...]


def table_document(diff: Diff, by: By, sort: Sort, *, limit: int) -> TableDocument:
    """Return the selected rows of a diff, grouped by `by`, `limit` of them at most."""
    diff, _ = settled(diff)
    whole = diff.table(by)
    table = whole.take(order(whole, sort)[:limit])
    used, columns = distinct_of_all([getattr(table.keys, name) for name in _TEXTS])
    none = int(len(used) > 0 and used[0] < 0)  # -1 sorts first, and stays -1
    return TableDocument(
        by=by.value,
        total=len(whole),
        rows=len(table),
        strings=tuple(table.keys.strings[at] for at in used[none:].tolist()),
        texts={
            name: tuple((column - none).tolist())
            for name, column in zip(_TEXTS, columns, strict=True)
        },
        numbers=dict(_numbers(table)),
        verdict=tuple(verdict.value for verdict in table.verdict),
        significant=tuple(table.significant.tolist()),
        type_inferred=tuple(table.keys.inferred.tolist()),
    )


def _numbers(table: Table) -> Iterator[tuple[str, Numbers]]:
    for name, column in table.flat():
        if name not in _TEXTS and column.dtype.kind in "if":
            yield name, _known(column)


def _known(column: npt.NDArray[Any]) -> Numbers:
    """Return numbers as JSON has them: masked ones become None, and so does what is none."""
    numbers: list[int | float | None] = column.tolist()
    if column.dtype.kind == "f" and not np.isfinite(column).all():
        return tuple(each if each is None or np.isfinite(each) else None for each in numbers)
    return tuple(numbers)
