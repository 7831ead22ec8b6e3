"""One capture as a table for spreadsheets and data frames: CSV, Parquet, Arrow.

One row a site, the largest first, with the columns of `LiveTable.flat` and `stack`: its
functions as `root;...;leaf`.
"""

import csv
import io
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from memsnap.analysis import frames
from memsnap.analysis.live import Live, LiveSort, order
from memsnap.report.export import folded_stacks
from memsnap.report.ink import clean

if TYPE_CHECKING:
    import pyarrow


def to_csv(live: Live) -> str:
    """Return the sites as CSV with a header; what is unknown is empty.

    Control characters in names are replaced: the text may end up on a terminal.
    """
    columns = _columns(live)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*(_cells(column) for column in columns.values()), strict=True))
    return out.getvalue()


def to_parquet(live: Live) -> bytes:
    """Return the sites as a Parquet file; raises UsageError where pyarrow is not installed."""
    table = _arrow(live)
    from pyarrow import BufferOutputStream, parquet

    sink = BufferOutputStream()
    parquet.write_table(table, sink)
    return bytes(sink.getvalue())


def to_arrow(live: Live) -> bytes:
    """Return the sites as an Arrow IPC file (Feather V2).

    Raises UsageError where pyarrow is not installed.
    """
    table = _arrow(live)
    from pyarrow import BufferOutputStream, ipc

    sink = BufferOutputStream()
    with ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def _columns(live: Live) -> dict[str, npt.NDArray[Any]]:
    table = live.sites.take(order(live.sites, LiveSort.LIVE))
    stack = np.empty(len(table), dtype=np.object_)
    stack[:] = list(folded_stacks(live.alignment, table.keys.example))
    return dict(table.flat()) | {"stack": stack}


def _arrow(live: Live) -> "pyarrow.Table":
    """Return the table with what it is about in its metadata."""
    table = frames.to_arrow(_columns(live))
    return table.replace_schema_metadata(
        {
            "memsnap.name": live.snapshot.name,
            "memsnap.target": live.snapshot.capture.target,
            "memsnap.taken_ns": str(live.snapshot.capture.taken_ns),
            "memsnap.sample_rate_bytes": str(live.snapshot.heap.period),
        }
    )


def _cells(column: npt.NDArray[Any]) -> list[Any]:
    if column.dtype == np.object_:
        return [clean(text) for text in column.tolist()]
    return column.tolist()  # a masked number becomes None, which is written as nothing
