"""Tables for spreadsheets and data frames."""

import csv
import io
import sys
from dataclasses import replace

import pytest
from builders.captures import before, plain
from builders.profiles import Row, heap
from hypothesis import given
from hypothesis import strategies as st

from memsnap.analysis.live import live
from memsnap.errors import UsageError
from memsnap.report.frames import to_arrow, to_csv, to_parquet
from memsnap.report.ink import clean

COLUMNS = [
    *("function", "file", "package", "type", "alloc", "line", "object_bytes", "buckets"),
    *("live_objects", "live_bytes", "live_low_objects", "live_high_objects"),
    *("live_low_bytes", "live_high_bytes", "allocated_objects", "allocated_bytes"),
    *("samples", "stack"),
]


def parsed(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_csv_has_a_header_and_one_row_a_site_the_largest_first():
    text = to_csv(live(before()))

    rows = parsed(text)

    assert list(rows[0]) == COLUMNS
    assert [row["function"] for row in rows] == [
        "main.(*Cache).Put",
        "net/http.(*conn).serve",
        "io.ReadAll",
    ]
    assert rows[0]["stack"] == "main.main;main.handle;main.(*Cache).Put"
    assert [int(row["live_bytes"]) for row in rows] == sorted(
        before().heap.values[:, 3].tolist(), reverse=True
    )


def test_what_is_unknown_is_empty_in_csv():
    (row,) = parsed(to_csv(live(plain(heap(Row("main.f x.go:0", 0, 0, 0))))))

    assert (row["type"], row["line"], row["object_bytes"]) == ("", "", "")


@given(name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_csv_gives_every_name_back(name):
    profile = heap(Row("f x.go:1", 64, 9, 9))
    strings = tuple(name if text == "f" else text for text in profile.strings)

    (row,) = parsed(to_csv(live(plain(replace(profile, strings=strings)))))

    assert row["function"] == clean(name)
    assert row["file"] == "x.go"


@pytest.mark.parametrize("write", [to_parquet, to_arrow])
def test_binary_tables_name_the_library_that_is_missing(write, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(UsageError, match="pyarrow is not installed") as caught:
        write(live(before()))

    assert caught.value.hint == "pip install 'memsnap[arrow]', or pip install pyarrow"


@pytest.mark.parametrize("write", [to_parquet, to_arrow])
def test_binary_tables_hold_what_the_csv_holds(write):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import ipc, parquet

    data = pyarrow.BufferReader(write(live(before())))
    table = ipc.open_file(data).read_all() if write is to_arrow else parquet.read_table(data)

    expected = parsed(to_csv(live(before())))
    assert table.column_names == COLUMNS
    for row, texts in zip(table.to_pylist(), expected, strict=True):
        assert {key: "" if value is None else str(value) for key, value in row.items()} == texts
    assert table.schema.metadata[b"memsnap.target"] == b"pid:4711"
