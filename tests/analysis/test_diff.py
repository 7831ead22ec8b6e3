"""What a diff says of survivors and growth, held against twins and against known truths."""

from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np
import pytest
import slow_twin
from builders import simulation
from builders.profiles import MAIN, Row, Sample, build, heap, scaled
from builders.simulation import Bucket
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_twin import snapshot

from memsnap.analysis.diff import Diff, diff
from memsnap.analysis.lineage import Relation
from memsnap.analysis.select import Selection
from memsnap.analysis.table import Bounds, By, Table, Verdict
from memsnap.errors import FormatError, UsageError
from memsnap.pprof.profile import Profile
from memsnap.snapshot import MemStats, Process, Snapshot

MB = 1 << 20
SITES = {
    "leak": "main.leak leak.go:12 < main.handle main.go:40 < main.main main.go:9",
    "load": "main.load table.go:8 < main.main main.go:5",
    "update": "main.update table.go:20 < main.main main.go:9",
}


def compared(*heaps: Profile, **filters: str) -> Diff:
    return diff([snapshot(one, f"{at}.snap") for at, one in enumerate(heaps)], Selection(**filters))


def named(table: Table) -> dict[str, int]:
    """Return the number of the row of each function (or package, or type) of a table."""
    keys = table.keys
    column = keys.package if table.by is By.PACKAGE else keys.function
    return {keys.text(column if table.by is not By.TYPE else keys.type, r): r for r in table.rows()}


def verdicts(found: Diff) -> dict[str, Verdict]:
    return {
        name.removeprefix("main."): found.sites.verdict[r] for name, r in named(found.sites).items()
    }


def limits(bounds: Bounds, row: int) -> tuple[int, int]:
    return int(bounds.low_bytes[row]), int(bounds.high_bytes[row])


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
@settings(max_examples=40, deadline=None)
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
@settings(max_examples=40, deadline=None)
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


@settings(max_examples=60, deadline=None)
@given(heaps=captures())
def test_born_less_died_is_growth_whatever_survived(heaps: list[Profile]) -> None:
    table = compared(*heaps).sites

    assert (table.born.low_bytes - table.died.low_bytes == table.growth.bytes).all()
    assert (table.born.high_objects - table.died.high_objects == table.growth.objects).all()
    assert (table.survived.high_bytes <= np.minimum(table.before.bytes, table.after.bytes)).all()
    assert (table.survived.low_bytes <= table.survived.high_bytes).all()


@settings(max_examples=80, deadline=None)
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


@settings(max_examples=60, deadline=None)
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
        assert set(table.verdict) <= {Verdict.STEADY}


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


# --- lineages -----------------------------------------------------------------------------------

BEFORE = heap(Row(SITES["leak"], size=MB, alloc=20, live=20))
AFTER = heap(Row(SITES["leak"], size=MB, alloc=60, live=60))


def pair(before: Snapshot, after: Snapshot) -> Diff:
    return diff([before, after])


def test_nothing_freed_is_never_less_than_nothing() -> None:
    # 9 and 10 samples of 48 bytes are cut to integers each on its own.
    for count in range(1, 60):
        before = heap(Row(SITES["leak"], size=48, alloc=2 * count, live=count))
        after = heap(Row(SITES["leak"], size=48, alloc=2 * count + 1, live=count + 1))
        freed = compared(before, after).sites.freed

        assert freed is not None
        assert 0 <= freed.bytes[0] <= 1
        assert 0 <= freed.objects[0] <= 1


def test_captures_of_one_life_subtract() -> None:
    found = compared(BEFORE, AFTER)

    assert found.lineage.one_life
    assert not found.lineage.warnings
    assert verdicts(found) == {"leak": Verdict.GROWTH}


def test_allocations_that_fall_prove_another_life() -> None:
    found = compared(AFTER, BEFORE)

    assert found.lineage.relation is Relation.RESTARTED
    assert "1 site has fewer allocations" in found.lineage.warnings[0]
    assert found.sites.allocated is None
    assert limits(found.sites.survived, 0) == (0, 0)
    assert limits(found.sites.died, 0) == (int(found.sites.before.bytes[0]),) * 2


def test_a_site_that_is_gone_proves_another_life() -> None:
    other = heap(Row(SITES["load"], size=64, alloc=900, live=900))

    assert compared(BEFORE, other).lineage.relation is Relation.RESTARTED


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            {"process": Process(start_time_ns=10**18)},
            {"process": Process(start_time_ns=10**18 + 10**10)},
        ),
        (
            {"process": Process(start_time_ns=10**18, pid=4)},
            {"process": Process(start_time_ns=10**18, pid=5)},
        ),
        (
            {"mem_stats": MemStats(source="expvar", num_gc=90)},
            {"mem_stats": MemStats(source="expvar", num_gc=3)},
        ),
    ],
)
def test_a_restart_is_told_by_start_time_pid_or_gc_cycles(
    old: dict[str, object], new: dict[str, object]
) -> None:
    found = pair(snapshot(BEFORE, **old), snapshot(AFTER, **new))

    assert found.lineage.relation is Relation.RESTARTED
    assert found.sites.allocated is None
    assert limits(found.sites.survived, 0) == (0, 0)


def test_start_times_within_their_resolution_are_one_life() -> None:
    old, new = (Process(start_time_ns=10**18 + ns, pid=4) for ns in (0, 10**9))

    assert pair(snapshot(BEFORE, process=old), snapshot(AFTER, process=new)).lineage.one_life


def test_two_builds_are_compared_by_function() -> None:
    moved = heap(
        Row(SITES["leak"].replace(".go:", ".go:1"), size=MB, alloc=60, live=60),
        mapping=replace(MAIN, build_id="beef"),
    )
    found = compared(BEFORE, moved)

    assert found.lineage.relation is Relation.OTHER_BUILD
    assert len(found.sites) == 1
    assert found.sites.keys.line.tolist() == [0]
    assert "different builds" in found.lineage.warnings[0]


def test_captures_out_of_order_do_not_subtract_allocations() -> None:
    found = pair(snapshot(BEFORE, taken_ns=2), snapshot(AFTER, taken_ns=1))

    assert found.lineage.relation is Relation.REVERSED
    assert found.sites.allocated is None
    assert limits(found.sites.survived, 0) == (0, int(found.sites.before.bytes[0]))


def other_rate() -> tuple[Profile, Profile]:
    """Return 500 MB in small objects, each sampled at the default rate, then at a finer one."""
    coarse = heap(Row(SITES["leak"], size=64, alloc=1_000, live=1_000))
    fine = heap(
        Row(
            SITES["leak"],
            size=64,
            alloc=128_000,
            live=128_000,
        ),
        rate=4096,
    )
    return coarse, fine


@pytest.mark.parametrize("restarted", [False, True])
def test_captures_of_different_rates_compare_only_their_scaled_totals(restarted: bool) -> None:
    coarse, fine = other_rate()
    starts = (10**18, 2 * 10**18) if restarted else (10**18, 10**18)
    old, new = (Process(start_time_ns=start) for start in starts)
    found = pair(snapshot(coarse, process=old), snapshot(fine, process=new))
    table = found.sites

    assert any("different rates (4096, 524288 bytes)" in text for text in found.lineage.warnings)
    assert found.lineage.relation is (Relation.RESTARTED if restarted else Relation.OTHER_RATE)
    # 500 MB on both sides, the first +-6 %: neither growth nor significance.
    low, high = limits(table.growth_bounds, 0)
    assert low < 0 < high
    assert high - low < 0.2 * table.before.bytes[0]
    assert not table.significant[0]
    assert table.p_value[0] == 1
    assert limits(table.died, 0) == (int(table.before.bytes[0]),) * 2
    assert limits(table.born, 0) == (int(table.after.bytes[0]),) * 2


def test_captures_not_proven_behind_a_gc_are_flagged() -> None:
    unproven = replace(
        snapshot(BEFORE, "old.snap"), capture=replace(snapshot(BEFORE).capture, gc=None)
    )
    found = pair(unproven, snapshot(AFTER))

    assert len(found.lineage.warnings) == 1
    assert found.lineage.warnings[0].startswith("old.snap")


def test_one_capture_is_no_diff() -> None:
    with pytest.raises(UsageError, match="two captures"):
        diff([snapshot(BEFORE)])


def test_a_profile_of_another_kind_is_refused_by_name() -> None:
    cpu = build([], types=(("samples", "count"), ("cpu", "nanoseconds")))
    with pytest.raises(FormatError, match=r"cpu\.prof is a CPU profile"):
        diff([snapshot(cpu, "cpu.prof"), snapshot(AFTER)])


# --- what is significant ------------------------------------------------------------------------


def table_of(loaded: int, updated: int, extra: list[Row]) -> Profile:
    """Return a table of 1 kB rows, some still as loaded, some updated since, and other sites."""
    rows = [Row(SITES["load"], size=1024, alloc=2_000, live=loaded)]
    rows += [Row(SITES["update"], size=1024, alloc=updated, live=updated)] if updated else []
    return heap(*rows, *extra)


def test_rows_replaced_in_place_are_no_growth() -> None:
    found = compared(table_of(2_000, 0, []), table_of(1_900, 104, []))

    assert verdicts(found) == {"load": Verdict.REPLACED, "update": Verdict.REPLACED}
    assert not found.sites.significant.any()


@pytest.mark.parametrize("size", [96, 16 << 10])
@pytest.mark.parametrize("replaced", [40, 1_000])
def test_a_leak_beside_replaced_rows_is_still_growth(size: int, replaced: int) -> None:
    before = table_of(2_000, 0, [Row(SITES["leak"], size=size, alloc=5, live=5)])
    grown = Row(SITES["leak"], size=size, alloc=45, live=45)
    after = table_of(2_000 - replaced, replaced + 3, [grown])
    found = compared(before, after)

    assert verdicts(found)["leak"] is Verdict.GROWTH
    assert verdicts(found)["update"] is verdicts(found)["load"] is Verdict.REPLACED


def test_a_leak_of_the_same_size_as_replaced_rows_is_still_growth() -> None:
    before = table_of(2_000, 0, [Row(SITES["leak"], size=1024, alloc=5, live=5)])
    after = table_of(1_900, 101, [Row(SITES["leak"], size=1024, alloc=105, live=105)])

    assert verdicts(compared(before, after))["leak"] is Verdict.GROWTH


def test_a_leak_is_not_hidden_by_what_happens_to_be_freed_elsewhere() -> None:
    before = heap(
        Row(SITES["load"], size=4096, alloc=200, live=200),
        Row(SITES["leak"], size=96, alloc=5, live=5),
    )
    after = heap(
        Row(SITES["load"], size=4096, alloc=200, live=159),
        Row(SITES["leak"], size=96, alloc=45, live=45),
    )

    assert verdicts(compared(before, after)) == {"load": Verdict.SHRINKING, "leak": Verdict.GROWTH}


def document(site: str, samples: list[int]) -> list[Row]:
    """Return one document's objects, of many sizes."""
    sizes = range(256, 256 + 64 * len(samples), 64)
    return [
        Row(SITES[site], size=size, alloc=12, live=live)
        for size, live in zip(sizes, samples, strict=True)
        if live or site == "load"
    ]


def test_a_document_that_is_read_anew_by_other_code_is_no_growth() -> None:
    # Of each size, either the new objects or the old ones are too few to be significant.
    before = heap(*document("load", [12, 6] * 4))
    after = heap(*document("load", [0] * 8), *document("update", [6, 12] * 4))
    found = compared(before, after)

    assert set(found.sites.verdict) == {Verdict.REPLACED, Verdict.UNCLEAR}
    assert not found.sites.significant.any()


def flat_service(rng: np.random.Generator) -> list[Bucket]:
    """Return rings and caches in steady state, what is constant, and churn."""
    kinds = (simulation.ring, simulation.steady_cache, simulation.constant, short_lived)
    buckets = []
    for number in range(24):
        size = int(rng.choice(simulation.SIZES))
        most = min(3e4, (64 << 20) / size)
        lives = kinds[number % 4](rng, max(1, int(np.exp(rng.uniform(0, np.log(most))))))
        stack = f"main.f{number % 6} f.go:{number} < main.main main.go:9"
        buckets.append(simulation.bucket(rng, stack, size, lives))
    return buckets


def short_lived(rng: np.random.Generator, count: int) -> simulation.Lives:
    """Churn whose live objects are as many at both captures."""
    born = np.sort(rng.uniform(0, 2.2, 4 * count))
    died = born + 0.01
    held = rng.uniform(0.999, 1.0, count), rng.uniform(1.0001, 1.01, count)
    again = held[0] + 1, held[1] + 1
    apart = ~((born <= 1) & (died > 1)) & ~((born <= 2) & (died > 2))
    return (
        np.concatenate([born[apart], held[0], again[0]]),
        np.concatenate([died[apart], held[1], again[1]]),
    )


def test_flat_services_give_significant_rows_in_one_diff_of_a_hundred_at_most() -> None:
    alarms: Counter[By] = Counter()
    for seed in range(200):
        buckets = flat_service(np.random.default_rng(seed))
        assert all(one.growth() == 0 for one in buckets)
        found = compared(*(simulation.profile(buckets, at) for at in (1, 2)))
        alarms.update(
            by for by in (By.SITE, By.FUNCTION, By.SIZE) if found.table(by).significant.any()
        )

    assert max(alarms.values(), default=0) <= 2, alarms


@pytest.mark.parametrize("size", [16, 512, 8192, 128 << 10, MB])
def test_a_leak_of_forty_samples_is_always_found(size: int) -> None:
    for seed in range(60):
        buckets = flat_service(np.random.default_rng(seed))
        heaps = [simulation.profile(buckets, at) for at in (1, 2)]
        with_leak = [
            merged(one, Row(SITES["leak"], size=size, alloc=live, live=live))
            for one, live in zip(heaps, (7, 47), strict=True)
        ]
        found = compared(*with_leak)
        row = named(found.sites)["main.leak"]

        assert found.sites.significant[row]
        assert found.sites.verdict[row] is Verdict.GROWTH
        assert found.table(By.FUNCTION).significant[named(found.table(By.FUNCTION))["main.leak"]]


def merged(profile: Profile, row: Row) -> Profile:
    """Return the profile with one more bucket."""
    samples = [
        Sample(
            stack=" < ".join(
                f"{function} {file}:{line}"
                for function, file, line in slow_twin.stack_of(profile, sample)
            ),
            values=profile.values[sample].tolist(),
            labels=slow_twin.labels_of(profile, sample),
        )
        for sample in range(len(profile))
    ]
    values = (*scaled(row.alloc, row.size, 524288), *scaled(row.live, row.size, 524288))
    return build([*samples, Sample(stack=row.stack, values=values, labels={"bytes": row.size})])


def test_what_is_significant_has_an_interval_off_zero_however_it_is_grouped() -> None:
    for seed in range(60):
        buckets = simulation.service(np.random.default_rng(seed))
        found = compared(*(simulation.profile(buckets, at) for at in (1, 2)))
        for table in (*map(found.table, By), found.totals):
            bounds = table.growth_bounds
            around_zero = (bounds.low_bytes <= 0) & (bounds.high_bytes >= 0)
            assert not (table.significant & around_zero).any()
            assert all(
                verdict is not Verdict.GROWTH for verdict in table.verdict[~table.significant]
            )


def test_what_is_significant_does_not_depend_on_what_is_shown() -> None:
    buckets = flat_service(np.random.default_rng(1))
    heaps = [simulation.profile(buckets, at) for at in (1, 2)]
    pairs = [
        merged(one, Row(SITES["leak"], size=512, alloc=live, live=live))
        for one, live in zip(heaps, (2, 30), strict=True)
    ]
    everything, part = compared(*pairs), compared(*pairs, function="leak")

    assert len(part.sites) == 1
    row = named(everything.sites)["main.leak"]
    assert part.sites.p_value[0] == pytest.approx(everything.sites.p_value[row])
    assert part.sites.significant[0] == everything.sites.significant[row]
    assert limits(part.sites.growth_bounds, 0) == limits(everything.sites.growth_bounds, row)


# --- verdicts over a series ---------------------------------------------------------------------


def series(*live: int, alloc: int = 10_000) -> Verdict:
    """Return the verdict on a site with these samples live at each capture."""
    heaps = [
        heap(Row(SITES["leak"], size=4096, alloc=alloc * at + max(live), live=count))
        for at, count in enumerate(live, 1)
    ]
    return verdicts(compared(*heaps))["leak"]


@pytest.mark.parametrize(
    ("live", "verdict"),
    [
        ((100, 150), Verdict.GROWTH),
        ((100, 150, 200), Verdict.LEAK),
        ((100, 150, 200, 250, 300), Verdict.LEAK),
        ((100, 190, 200), Verdict.LEVELLING),
        ((100, 200, 260, 290, 300, 301, 302), Verdict.LEVELLING),
        ((300, 200, 100), Verdict.SHRINKING),
    ],
)
def test_a_series_tells_a_leak_from_a_cache_that_fills(
    live: tuple[int, ...], verdict: Verdict
) -> None:
    assert series(*live, alloc=max(live)) == verdict


def test_a_site_that_allocates_much_and_keeps_nothing_churns() -> None:
    assert series(100, 104) is Verdict.CHURN


def test_a_site_that_does_nothing_is_steady() -> None:
    one = heap(Row(SITES["load"], size=4096, alloc=50, live=50))

    assert verdicts(compared(one, one)) == {"load": Verdict.STEADY}


def test_a_change_within_the_error_is_unclear() -> None:
    before = heap(Row(SITES["leak"], size=4096, alloc=3, live=3))
    after = heap(Row(SITES["leak"], size=4096, alloc=5, live=5))

    assert verdicts(compared(before, after)) == {"leak": Verdict.UNCLEAR}
