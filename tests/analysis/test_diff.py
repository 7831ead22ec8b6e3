"""What a diff says of survivors and growth, held against twins and against known truths."""

from collections import Counter, defaultdict

import numpy as np
import pytest
import slow_twin
from builders import simulation
from builders.profiles import Row, Sample, build, heap, scaled
from hypothesis import given, settings
from hypothesis import strategies as st
from pairs import MB, SITES, compared, limits
from slow_twin import snapshot

from memsnap.analysis.diff import Diff, diff
from memsnap.analysis.table import By, Cause, Table
from memsnap.errors import FormatError, UsageError
from memsnap.pprof.profile import Profile

# --- sums ---------------------------------------------------------------------------------------

FRAMES = [
    f"{name} {name[-1]}.go:{line}" for name in ("main.a", "lib/x.b", "main.c") for line in (3, 4)
]


@st.composite
def captures(draw: st.DrawFn, *, count: int = 2) -> list[Profile]:
    """Return heap profiles of one life: no count of allocations ever falls."""
    heaps: list[dict[tuple[str, int, str], tuple[int, int]]] = [{} for _ in range(count)]
    for _ in range(draw(st.integers(0, 7))):
        stack = " < ".join(draw(st.lists(st.sampled_from(FRAMES), max_size=4)))
        bucket = stack, draw(st.sampled_from([16, 4096, MB])), draw(st.sampled_from(["T", "U"]))
        alloc = live = 0
        for table in heaps:
            born = draw(st.integers(0, 30))
            alloc, live = alloc + born, draw(st.integers(0, live + born))
            table[bucket] = alloc, live
    order = draw(st.randoms())
    profiles = []
    for table in heaps:
        samples = [
            Sample(
                stack=stack,
                values=(*scaled(alloc, size, 524288), *scaled(live, size, 524288)),
                labels={"bytes": size, "type": kind},
            )
            for (stack, size, kind), (alloc, live) in table.items()
        ]
        order.shuffle(samples)
        profiles.append(build(samples))
    return profiles


def grouped(heaps: list[Profile], by: By) -> dict[object, Counter[str]]:
    """Return the sums of all four values of the first and last heap, by what names a row."""
    table: dict[object, Counter[str]] = defaultdict(Counter)
    for when, profile in (("before", heaps[0]), ("after", heaps[-1])):
        for (stack, size, kind, _), sums in slow_twin.rows(profile, typed=True).items():
            leaf = stack[0] if stack else ("", "", 0)
            name = {
                By.SITE: (stack, size, kind),
                By.FUNCTION: leaf[0],
                By.LINE: leaf,
                By.PACKAGE: leaf[0].rpartition(".")[0],
                By.TYPE: kind,
                By.SIZE: size,
            }[by]
            table[name].update(
                {
                    f"{when} live objects": sums.live_objects,
                    f"{when} live bytes": sums.live_bytes,
                    f"{when} alloc objects": sums.alloc_objects,
                    f"{when} alloc bytes": sums.alloc_bytes,
                }
            )
    return table


def name_of(found: Diff, table: Table, row: int) -> object:
    keys = table.keys
    function = keys.text(keys.function, row)
    if table.by is By.SITE:
        stack = tuple((f.function, f.file, f.line) for f in found.row(table, row).stack)
        return stack, int(keys.object_bytes[row]), keys.text(keys.type, row)
    return {
        By.FUNCTION: function,
        By.LINE: (function, keys.text(keys.file, row), int(keys.line[row])),
        By.PACKAGE: keys.text(keys.package, row),
        By.TYPE: keys.text(keys.type, row),
        By.SIZE: int(keys.object_bytes[row]),
    }[table.by]


@pytest.mark.parametrize("by", list(By))
@settings(max_examples=40)
@given(heaps=captures())
def test_every_table_adds_up_as_the_slow_twin_does(by: By, heaps: list[Profile]) -> None:
    found = compared(*heaps)
    table, twin = found.table(by), grouped(heaps, by)

    assert len(table) == len(twin)
    for row in table.rows():
        sums = twin[name_of(found, table, row)]
        assert table.before.objects[row] == sums["before live objects"]
        assert table.before.bytes[row] == sums["before live bytes"]
        assert table.after.objects[row] == sums["after live objects"]
        assert table.after.bytes[row] == sums["after live bytes"]
        assert table.growth.bytes[row] == sums["after live bytes"] - sums["before live bytes"]
        assert table.allocated is not None
        allocated = sums["after alloc bytes"] - sums["before alloc bytes"]
        assert table.allocated.bytes[row] == allocated
        assert table.history[row].tolist() == [sums["before live bytes"], sums["after live bytes"]]


@pytest.mark.parametrize("by", list(By))
@settings(max_examples=40)
@given(heaps=captures(count=3))
def test_what_adds_up_by_site_adds_up_by_anything(by: By, heaps: list[Profile]) -> None:
    found = compared(*heaps)
    sites, table = found.sites, found.table(by)

    for part in ("before", "after", "growth", "allocated", "freed"):
        for unit in ("objects", "bytes"):
            column = getattr(getattr(table, part), unit)
            assert column.sum() == getattr(getattr(sites, part), unit).sum()
    for part in ("survived", "born", "died"):
        for limit in ("low_objects", "high_objects", "low_bytes", "high_bytes"):
            column = getattr(getattr(table, part), limit)
            assert column.sum() == getattr(getattr(sites, part), limit).sum(), (part, limit)
            assert (column >= 0).all(), (part, limit)
    assert table.changed.sum() == sites.changed.sum()


@settings(max_examples=60)
@given(heaps=captures())
def test_born_less_died_is_growth_whatever_survived(heaps: list[Profile]) -> None:
    table = compared(*heaps).sites

    assert (table.born.low_bytes - table.died.low_bytes == table.growth.bytes).all()
    assert (table.born.high_objects - table.died.high_objects == table.growth.objects).all()
    assert (table.survived.high_bytes <= np.minimum(table.before.bytes, table.after.bytes)).all()
    assert (table.survived.low_bytes <= table.survived.high_bytes).all()


@settings(max_examples=80)
@given(heaps=captures())
def test_cumulative_growth_counts_each_stack_once_per_function(heaps: list[Profile]) -> None:
    twin: Counter[str] = Counter()
    for sign, profile in ((-1, heaps[0]), (1, heaps[1])):
        for (stack, *_), sums in slow_twin.rows(profile, typed=True).items():
            for function in {frame[0] for frame in stack}:
                twin[function] += sign * sums.live_bytes
    table = compared(*heaps).table(By.FUNCTION)

    assert table.cumulative is not None
    for row in table.rows():
        function = table.keys.text(table.keys.function, row)
        assert table.cumulative[row] == (twin[function] if function else 0)


# --- the same capture twice ---------------------------------------------------------------------


@settings(max_examples=60)
@given(heaps=captures())
def test_a_capture_against_itself_shows_that_everything_survived(heaps: list[Profile]) -> None:
    one = heaps[1]
    for by in By:
        table = compared(one, one).table(by)

        assert not table.growth.bytes.any()
        assert not table.changed.any()
        assert not table.significant.any()
        assert (table.survived.low_bytes == table.before.bytes).all()
        assert (table.survived.high_objects == table.before.objects).all()
        assert not table.died.high_bytes.any()
        assert not table.born.high_bytes.any()
        assert set(table.verdict) <= {Cause.STEADY}


def test_heaps_without_samples_compare_to_empty_tables() -> None:
    found = compared(heap(), heap())

    assert [len(found.table(by)) for by in By] == [0] * len(By)
    assert found.totals.growth.bytes.tolist() == [0]


def test_a_selection_without_rows_gives_empty_tables() -> None:
    one = heap(
        Row(SITES["leak"], size=16, alloc=4, live=4, type="T"),
        Row(SITES["load"], size=16, alloc=4, live=4, type="U"),
    )
    found = compared(one, one, focus="T", function="load")

    assert [len(found.table(by)) for by in By] == [0] * len(By)


# --- survivors ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [simulation.steady_cache, *simulation.KINDS])
def test_with_every_object_seen_the_bounds_hold_the_survivors(kind: object) -> None:
    for seed in range(30):
        rng = np.random.default_rng(seed)
        lives = kind(rng, int(rng.integers(1, 400)))  # type: ignore[operator]
        one = simulation.bucket(rng, SITES["leak"], 48, lives, rate=1)
        heaps = [simulation.profile([one], at, rate=1) for at in (1, 1.5, 2)]
        truth = int(one.survivors().sum())
        for table in (compared(heaps[0], heaps[2]).sites, compared(*heaps).sites):
            if len(table):
                assert table.survived.low_objects[0] <= truth <= table.survived.high_objects[0]
                assert limits(table.growth_bounds, 0) == (48 * one.growth(), 48 * one.growth())


def test_at_the_default_rate_the_raw_bounds_hold_the_raw_survivors() -> None:
    for seed in range(60):
        buckets = simulation.service(np.random.default_rng(seed), sites=12)
        found = compared(*(simulation.profile(buckets, at) for at in (1, 2)))
        merged: Counter[tuple[str, int]] = Counter()
        for one in buckets:
            key = one.stack.split()[1], one.size
            merged[key] += int((one.survivors() & one.sampled).sum())
        keys, counts = found.sites.keys, found.counts
        for row in found.sites.rows():
            place = f"{keys.text(keys.file, row)}:{keys.line[row]}"
            raw = merged[place, int(keys.object_bytes[row])]
            assert counts.survived_low[row] <= raw <= counts.survived_high[row]


def test_a_capture_in_between_tightens_what_can_have_survived() -> None:
    full = heap(Row(SITES["load"], size=MB, alloc=10, live=10))
    low = heap(Row(SITES["load"], size=MB, alloc=14, live=3))
    again = heap(Row(SITES["load"], size=MB, alloc=21, live=10))

    assert compared(full, again).counts.survived_high.tolist() == [10]
    assert compared(full, low, again).counts.survived_high.tolist() == [3]


def test_large_objects_that_all_survive_keep_the_bytes_that_the_profile_gives_them() -> None:
    # One sampled object of 700 kB stands for 1.4 of them: 700 kB alone would contradict `before`.
    before = heap(Row(SITES["load"], size=700 << 10, alloc=1, live=1))
    after = heap(Row(SITES["load"], size=700 << 10, alloc=2, live=2))
    table = compared(before, after).sites

    assert limits(table.survived, 0) == (int(table.before.bytes[0]),) * 2
    assert limits(table.died, 0) == (0, 0)


def test_without_cumulative_counts_survivors_are_only_bounded_from_above() -> None:
    types = (("objects", "count"), ("space", "bytes"))
    samples = [
        build([Sample(stack=SITES["load"], values=(n, 100 * n))], types=types, period=1)
        for n in (5, 8)
    ]
    table = compared(*samples).sites

    assert (table.allocated, table.freed) == (None, None)
    assert (table.survived.low_objects[0], table.survived.high_objects[0]) == (0, 5)


def test_nothing_freed_is_never_less_than_nothing() -> None:
    # 9 and 10 samples of 48 bytes are cut to integers each on its own.
    for count in range(1, 60):
        before = heap(Row(SITES["leak"], size=48, alloc=2 * count, live=count))
        after = heap(Row(SITES["leak"], size=48, alloc=2 * count + 1, live=count + 1))
        freed = compared(before, after).sites.freed

        assert freed is not None
        assert 0 <= freed.bytes[0] <= 1
        assert 0 <= freed.objects[0] <= 1


# --- refusals ---


def test_one_capture_is_no_diff() -> None:
    with pytest.raises(UsageError, match="two captures"):
        diff([snapshot(heap())])


def test_a_profile_of_another_kind_is_refused_by_name() -> None:
    cpu = build([], types=(("samples", "count"), ("cpu", "nanoseconds")))
    with pytest.raises(FormatError, match=r"cpu\.prof is a CPU profile"):
        diff([snapshot(cpu, "cpu.prof"), snapshot(heap())])
