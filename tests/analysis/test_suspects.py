"""What speaks for and against a site, beside its samples in the window."""

import numpy as np
from builders.series import capture_times, leaking, recorded, replaced
from builders.simulation import FOREVER, bucket

from memsnap import api
from memsnap.analysis.diff import diff
from memsnap.analysis.finding import Cause
from memsnap.analysis.series import series

MAIN = "main.main main.go:9"
LEAK = f"main.keep keep.go:12 < {MAIN}"
PAGE = f"main.page page.go:30 < {MAIN}"
SIZES = (256, 512, 1024, 2048, 4096, 8192)


def confidence(snapshots):
    """Return how likely each function is the one that grew."""
    found = series(diff(snapshots))
    return {found.name(group): found.confidence[group] for group in range(len(found.function))}


def test_a_cache_of_many_sizes_is_not_blamed_for_the_growth_of_one():
    """The cache shows two births in the size that grew; who leaks happens to show none."""
    blamed = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        cache = [
            bucket(rng, PAGE, size, replaced(rng, (4 << 20) // size, (200 << 10) / size))
            for size in SIZES
        ]
        leak = bucket(rng, LEAK, 1024, leaking(rng, 30))
        found = api.findings(recorded([*cache, leak], capture_times()))
        blamed += [one.function for one in found if one.verdict is Cause.LEAK]
    assert "main.page" not in blamed
    assert blamed.count("main.keep") >= 6


def test_a_site_that_leaks_in_all_of_its_sizes_is_blamed():
    rng = np.random.default_rng(2)
    leak = [bucket(rng, LEAK, size, leaking(rng, (60 << 10) / size)) for size in SIZES]
    found = [one for one in api.findings(recorded(leak, capture_times())) if one.function]
    assert [(one.function, one.verdict) for one in found] == [("main.keep", Cause.LEAK)]


def mean_confidence(make):
    """Return how likely each function is held to be who grew, on average over ten services."""
    found = [
        confidence(recorded(make(np.random.default_rng(seed)), capture_times()))
        for seed in range(10)
    ]
    return {name: np.mean([one[name] for one in found]) for name in found[0]}


def test_who_has_always_let_go_is_the_less_likely():
    def make(rng):
        keeps = bucket(rng, LEAK, 4096, leaking(rng, 9))
        return [keeps, bucket(rng, PAGE, 4096, replaced(rng, 1500, per_s=60))]

    sure = mean_confidence(make)
    assert sure["main.keep"] > 2 * sure["main.page"]


def test_a_table_that_was_loaded_before_is_not_what_grows():
    def make(rng):
        loaded = (np.zeros(20_000), np.full(20_000, FOREVER))
        return [bucket(rng, PAGE, 1024, loaded), bucket(rng, LEAK, 1024, leaking(rng, 60))]

    sure = mean_confidence(make)
    assert sure["main.keep"] > 0.8
    assert sure["main.page"] < 0.2
