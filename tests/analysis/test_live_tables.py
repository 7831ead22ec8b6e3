"""One capture: what is live where, and the limits of it."""

import sys

import numpy as np
import pytest
from builders.captures import BEFORE, LEAK, READ, SERVE, before, plain, taken
from builders.profiles import DEFAULT_RATE, Row, Sample, build, heap

from memsnap.analysis.live import LiveSort, live
from memsnap.analysis.select import Selection
from memsnap.analysis.table import By
from memsnap.errors import FormatError, UsageError


def test_live_and_allocated_are_the_profiles_own_numbers():
    heap_profile = heap(*BEFORE)

    total = live(plain(heap_profile)).totals

    alloc_objects, alloc_bytes, objects, size = heap_profile.values.sum(axis=0).tolist()
    assert (total.live.objects[0], total.live.bytes[0]) == (objects, size)
    assert (total.allocated.objects[0], total.allocated.bytes[0]) == (alloc_objects, alloc_bytes)
    assert total.samples[0] == 70 + 2 + 50


def test_limits_hold_the_estimate_and_are_wider_for_fewer_samples():
    sites = {row.function: row for row in live(before()).rows()}

    for row in sites.values():
        assert row.live_limits.low_bytes < row.live.bytes < row.live_limits.high_bytes
    few, many = sites["io.ReadAll"], sites["main.(*Cache).Put"]
    assert few.live_limits.high_bytes / few.live.bytes > 2
    assert many.live_limits.high_bytes / many.live.bytes < 1.4


def test_limits_hold_what_was_truly_live_in_all_but_5_percent_of_cases():
    rng = np.random.default_rng(20)
    truth = {64: 40_000, 4096: 3_000, 300_000: 25, 4 << 20: 6}
    hits: dict[str, list[bool]] = {"site": [], "total": []}
    for _ in range(200):
        seen = {
            size: int(rng.binomial(count, -np.expm1(-size / DEFAULT_RATE)))
            for size, count in truth.items()
        }
        rows = [Row(f"main.f{size} x.go:1", size, count, count) for size, count in seen.items()]
        result = live(plain(heap(*rows)))
        for row in result.rows():
            limits, true = row.live_limits, truth[row.object_bytes] * row.object_bytes
            hits["site"].append(limits.low_bytes <= true <= limits.high_bytes)
        total = result.totals.live_bounds
        true = sum(size * count for size, count in truth.items())
        hits["total"].append(bool(total.low_bytes[0] <= true <= total.high_bytes[0]))

    assert all(np.mean(held) >= 0.93 for held in hits.values()), hits


def test_objects_that_are_always_sampled_have_exact_limits():
    result = live(plain(heap(Row(LEAK, size=48, alloc=9, live=7), rate=1)))

    (row,) = result.rows()

    assert (row.live.objects, row.live.bytes) == (7, 7 * 48)
    assert (row.live_limits.low_bytes, row.live_limits.high_bytes) == (7 * 48, 7 * 48)


def test_sites_of_one_function_pool_their_samples():
    halves = taken(Row(LEAK, 48, 50, 35), Row(LEAK.replace(":31", ":32"), 48, 50, 35))
    whole = taken(Row(LEAK, 48, 100, 70))

    (pooled,), (single,) = (list(live(part).rows(By.FUNCTION)) for part in (halves, whole))

    assert pooled.buckets == 2
    assert pooled.live_limits == single.live_limits
    assert pooled.line == 0


def test_cum_counts_a_function_with_all_that_it_calls():
    handle = "main.handle main.go:12"
    result = live(
        taken(
            Row(f"{handle} < main.main main.go:5", 1024, 20, 20),
            Row(f"io.ReadAll io.go:704 < {handle} < {handle} < main.main main.go:5", 1024, 10, 10),
        )
    )

    rows = {row.function: row for row in result.rows(By.FUNCTION, sort=LiveSort.CUM)}

    assert list(rows) == ["main.handle", "io.ReadAll"]
    assert rows["main.handle"].cumulative == result.totals.live.bytes[0]
    assert rows["io.ReadAll"].cumulative == rows["io.ReadAll"].live.bytes


@pytest.mark.parametrize(
    ("sort", "first"),
    [
        (LiveSort.LIVE, "main.(*Cache).Put"),
        (LiveSort.OBJECTS, "main.(*Cache).Put"),
        (LiveSort.ALLOCATED, "io.ReadAll"),
    ],
)
def test_rows_come_in_the_order_asked_for(sort, first):
    assert next(live(before()).rows(sort=sort)).function == first


@pytest.mark.parametrize(
    ("by", "names"),
    [
        (By.PACKAGE, {("main", None), ("io", 4096), ("net/http", 4096)}),
        (By.SIZE, {("", 48), ("", 4096)}),
    ],
)
def test_rows_stand_for_what_the_table_is_by(by, names):
    rows = live(before()).rows(by)

    assert {
        (row.package, None if row.package == "main" else row.object_bytes) for row in rows
    } == names


def test_a_selection_narrows_the_rows_and_not_the_check_of_the_whole_heap():
    everything = live(before())
    result = live(before(), Selection(package="net/http"))

    assert [row.function for row in result.rows()] == ["net/http.(*conn).serve"]
    assert result.check == everything.check
    assert result.check.exact == 61 << 20
    assert result.check.agrees


def test_small_rows_are_left_out_when_asked():
    result = live(before(), Selection(min_bytes=10 << 20))

    assert [row.function for row in result.rows()] == [
        "main.(*Cache).Put",
        "net/http.(*conn).serve",
    ]


def test_a_profile_without_allocations_has_none():
    values = ("objects", "count"), ("space", "bytes")
    profile = build([Sample(stack=READ, values=(3, 300))], types=values, period=1)

    (row,) = live(plain(profile)).rows()

    assert row.allocated is None
    assert row.live.bytes == 300


def test_an_empty_profile_has_no_rows():
    result = live(plain(heap()))

    assert list(result.rows()) == []
    assert result.totals.live.bytes[0] == 0


def test_other_profiles_are_refused():
    cpu = build([], types=[("samples", "count"), ("cpu", "nanoseconds")])

    with pytest.raises(FormatError, match=r"cpu\.pb\.gz is a CPU profile"):
        live(plain(cpu, "cpu.pb.gz"))


def test_flat_columns_spell_names_out_and_mask_what_is_unknown():
    by_function = live(taken(Row(READ, 64, 9, 9), Row(READ, 128, 9, 9))).table(By.FUNCTION)

    columns = dict(by_function.flat())

    assert columns["function"].tolist() == ["io.ReadAll"]
    assert columns["type"].tolist() == [""]
    assert columns["line"].tolist() == [None]
    assert columns["object_bytes"].tolist() == [None]
    assert columns["cumulative_bytes"].tolist() == columns["live_bytes"].tolist()
    assert np.all(columns["live_low_bytes"] < columns["live_high_bytes"])


@pytest.mark.parametrize("library", ["pandas", "pyarrow"])
def test_a_data_frame_library_that_is_missing_is_named(library, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    table = live(before()).sites

    with pytest.raises(UsageError, match=f"{library} is not installed") as caught:
        table.to_pandas() if library == "pandas" else table.to_arrow()

    assert "pip install" in caught.value.hint


def test_a_table_becomes_a_pandas_frame():
    pytest.importorskip("pandas")
    frame = live(before()).table(By.FUNCTION).to_pandas()

    assert set(frame["function"]) == {"main.(*Cache).Put", "io.ReadAll", "net/http.(*conn).serve"}
    assert frame["line"].isna().all()
    assert frame["live_bytes"].sum() == live(before()).totals.live.bytes[0]


def test_a_table_becomes_an_arrow_table():
    pytest.importorskip("pyarrow")
    table = live(before()).sites.to_arrow()

    assert table.column("function").to_pylist()[-1:] <= ["net/http.(*conn).serve"]
    assert sorted(table.column("object_bytes").to_pylist()) == [48, 4096, 4096]
    assert str(table.schema.field("live_bytes").type) == "int64"


def test_serve_is_known_by_its_type():
    result = live(before(), Selection(focus="[]byte"))

    (row,) = result.rows(By.TYPE)

    assert (row.type, row.stack[0].function) == ("[]uint8", SERVE.split(" ")[0])
