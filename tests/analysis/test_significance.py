"""Flat services raise no alarm, leaks always do, and each row gets the verdict that fits it."""

from collections import Counter

import numpy as np
import pytest
import slow_twin
from builders import simulation
from builders.profiles import Row, Sample, build, heap, scaled
from builders.simulation import Bucket
from pairs import MB, SITES, changes, compared, limits, named

from memsnap.analysis.diff import Diff
from memsnap.analysis.table import By, Cause
from memsnap.pprof.profile import Profile


def table_of(loaded: int, updated: int, extra: list[Row]) -> Profile:
    """Return a table of 1 kB rows, some still as loaded, some updated since, and other sites."""
    rows = [Row(SITES["load"], size=1024, alloc=2_000, live=loaded)]
    rows += [Row(SITES["update"], size=1024, alloc=updated, live=updated)] if updated else []
    return heap(*rows, *extra)


def test_rows_replaced_in_place_are_no_growth() -> None:
    found = compared(table_of(2_000, 0, []), table_of(1_900, 104, []))

    assert changes(found) == {"load": "steady", "update": "steady"}
    assert not found.sites.significant.any()


@pytest.mark.parametrize("size", [96, 16 << 10])
@pytest.mark.parametrize("replaced", [40, 1_000])
def test_a_leak_beside_replaced_rows_is_still_growth(size: int, replaced: int) -> None:
    before = table_of(2_000, 0, [Row(SITES["leak"], size=size, alloc=5, live=5)])
    grown = Row(SITES["leak"], size=size, alloc=45, live=45)
    after = table_of(2_000 - replaced, replaced + 3, [grown])
    found = compared(before, after)

    assert changes(found)["leak"] == "grew"
    assert changes(found)["update"] == changes(found)["load"] == "steady"


def test_a_leak_of_the_same_size_as_replaced_rows_is_still_growth() -> None:
    before = table_of(2_000, 0, [Row(SITES["leak"], size=1024, alloc=5, live=5)])
    after = table_of(1_900, 101, [Row(SITES["leak"], size=1024, alloc=105, live=105)])

    assert changes(compared(before, after))["leak"] == "grew"


def test_a_leak_is_not_hidden_by_what_happens_to_be_freed_elsewhere() -> None:
    before = heap(
        Row(SITES["load"], size=4096, alloc=200, live=200),
        Row(SITES["leak"], size=96, alloc=5, live=5),
    )
    after = heap(
        Row(SITES["load"], size=4096, alloc=200, live=159),
        Row(SITES["leak"], size=96, alloc=45, live=45),
    )

    assert changes(compared(before, after)) == {"load": "shrank", "leak": "grew"}


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

    assert set(found.sites.verdict) == {Cause.STEADY, Cause.UNKNOWN}
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
    for seed in range(25):
        buckets = flat_service(np.random.default_rng(seed))
        heaps = [simulation.profile(buckets, at) for at in (1, 2)]
        with_leak = [
            merged(one, Row(SITES["leak"], size=size, alloc=live, live=live))
            for one, live in zip(heaps, (7, 47), strict=True)
        ]
        found = compared(*with_leak)
        row = named(found.sites)["main.leak"]

        assert found.sites.significant[row]
        assert found.sites.growth.bytes[row] > 0
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
    for seed in range(40):
        buckets = simulation.service(np.random.default_rng(seed))
        found = compared(*(simulation.profile(buckets, at) for at in (1, 2)))
        for table in (*map(found.table, By), found.totals):
            bounds = table.growth_bounds
            around_zero = (bounds.low_bytes <= 0) & (bounds.high_bytes >= 0)
            assert not (table.significant & around_zero).any()


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


def series(*live: int, alloc: int = 10_000) -> Diff:
    """Return the diff of a site with these samples live at each capture."""
    heaps = [
        heap(Row(SITES["leak"], size=4096, alloc=alloc * at + max(live), live=count))
        for at, count in enumerate(live, 1)
    ]
    return compared(*heaps)


@pytest.mark.parametrize(
    ("live", "verdict"),
    [
        ((100, 150), Cause.UNKNOWN),
        ((100, 150, 200), Cause.UNKNOWN),
        ((100, 150, 200, 250, 300), Cause.UNKNOWN),
        ((100, 190, 200), Cause.CACHE),
        ((100, 200, 260, 290, 300, 301, 302), Cause.CACHE),
        ((300, 200, 100), Cause.UNKNOWN),
    ],
)
def test_a_row_tells_by_itself_that_it_levels_off_and_never_that_it_leaks(
    live: tuple[int, ...], verdict: Cause
) -> None:
    assert series(*live, alloc=max(live)).sites.verdict.tolist() == [verdict]


def test_a_site_that_allocates_much_and_keeps_nothing_churns() -> None:
    assert changes(series(100, 104)) == {"leak": "churn"}


def test_a_site_that_does_nothing_is_steady() -> None:
    one = heap(Row(SITES["load"], size=4096, alloc=50, live=50))

    assert changes(compared(one, one)) == {"load": "steady"}


def test_a_change_within_the_error_is_unknown() -> None:
    before = heap(Row(SITES["leak"], size=4096, alloc=3, live=3))
    after = heap(Row(SITES["leak"], size=4096, alloc=5, live=5))

    assert changes(compared(before, after)) == {"leak": "unknown"}
