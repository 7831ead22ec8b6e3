"""The error bars, checked against sums that are slow and exact, and against the truth.

The slow twins add up binomial terms as fractions or 60-digit decimals; nothing here shares a
formula with the code under test.
"""

import math
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memsnap.analysis import stats

RATE = 512 * 1024
probabilities = st.sampled_from([1, 3, 30, 200, 333, 500, 900, 990, 999]).map(
    lambda per_mille: Fraction(per_mille, 1000)
)


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def floats(*values: float) -> np.ndarray:
    return np.array([float(value) for value in values])


def at_most(most: int, count: int, probability: Fraction) -> Fraction:
    """Return P(X <= most) for X ~ Binomial(count, probability)."""
    p, q = probability, 1 - probability
    return sum(
        (math.comb(count, k) * p**k * q ** (count - k) for k in range(min(most, count) + 1)),
        Fraction(0),
    )


def beta_tail(successes: int, trials: int, probability: float) -> float:
    """Return P(X >= successes), term by term in decimals, from the largest term on."""
    with localcontext() as context:
        context.prec = 60
        p = Decimal(probability)
        term = Decimal(math.comb(trials, successes)) * p**successes
        term *= (1 - p) ** (trials - successes)
        total, k = Decimal(0), successes
        while k <= trials and term > total * Decimal(10) ** -40:
            total += term
            term *= p / (1 - p) * (trials - k) / (k + 1)
            k += 1
        return float(total)


def sampled(rng: np.random.Generator, truth: np.ndarray, p: np.ndarray) -> np.ndarray:
    return rng.binomial(truth, p).astype(np.int64)


# --- count_interval ---------------------------------------------------------------------------


@settings(max_examples=150)
@given(sampled=st.integers(0, 39), probability=probabilities)
def test_a_count_outside_the_exact_limits_is_refuted_and_one_inside_is_not(
    sampled: int, probability: Fraction
) -> None:
    tail = Fraction(25, 1000)
    low, high = (
        float(limit[0]) for limit in stats.count_interval(ints(sampled), floats(probability))
    )

    beyond, inside = math.floor(high + 1e-6) + 1, math.ceil(low - 1e-6)
    # n is refuted from above when so few samples are too unlikely, from below when so many are.
    assert _log_at_most(sampled, beyond, probability) < math.log(tail)
    # Rare samples (p up to 0.02) share the limits of the rarest, wide by 1 % at most.
    slack = 1 if probability > Fraction(2, 100) else Fraction(101, 100)
    if math.floor(high / slack) > sampled:
        assert _log_at_most(sampled, math.floor(high / slack - 1e-6), probability) >= math.log(tail)
    if slack == 1 and inside > sampled:
        assert 1 - math.exp(_log_at_most(sampled - 1, inside - 1, probability)) < tail
        assert 1 - math.exp(_log_at_most(sampled - 1, inside, probability)) >= tail * (1 - 1e-6)


def _log_at_most(most: int, count: int, probability: Fraction) -> float:
    """Return log P(X <= most), exact terms for small counts and decimals for large ones."""
    with localcontext() as context:
        context.prec = 60
        p = Decimal(probability.numerator) / Decimal(probability.denominator)
        term, total = (1 - p) ** count, Decimal(0)
        for k in range(min(most, count) + 1):
            total += term
            term *= p / (1 - p) * (count - k) / (k + 1)
        return float(total.ln())


def test_limits_for_rare_samples_are_those_of_the_poisson_distribution() -> None:
    # Garwood's table: 95 % limits of a Poisson mean for 0, 1, 2, 5 and 10 events.
    low, high = stats.count_interval(ints(0, 1, 2, 5, 10), np.full(5, 1e-5))

    assert low * 1e-5 == pytest.approx([0, 0.0253, 0.2422, 1.6235, 4.7954], abs=2e-4)
    assert high * 1e-5 == pytest.approx([3.6889, 5.5716, 7.2247, 11.6683, 18.3904], abs=2e-4)


def test_an_object_that_is_certain_to_be_sampled_has_no_error() -> None:
    counts = ints(0, 1, 39, 40, 10**9)
    low, high = stats.count_interval(counts, np.ones(5))

    assert low.tolist() == high.tolist() == counts.tolist()


@pytest.mark.parametrize("count", [0, 1, 12, 39, 40, 5_000])
def test_limits_close_in_on_the_count_as_sampling_nears_certainty(count: int) -> None:
    sure = floats(0.9, 0.99, 0.9999, 1 - 1e-9, 1 - 1e-11, 1 - 1e-13)
    low, high = stats.count_interval(np.full(6, count), sure)

    assert (low >= count).all()
    assert (np.diff(high) <= 1e-9 * count).all()
    assert high[-2] - count < 1


@settings(max_examples=200)
@given(
    counts=st.lists(st.integers(0, 10**7), min_size=2, max_size=2),
    probability=st.floats(1e-6, 1.0),
)
def test_more_samples_mean_higher_limits(counts: list[int], probability: float) -> None:
    fewer, more = sorted(counts)
    low, high = stats.count_interval(ints(fewer, more), np.full(2, probability))

    # At 40 the exact limits hand over to the score's, which differ by a per cent.
    slack = 1.02 if fewer < 40 <= more else 1 + 1e-9
    assert low[0] <= low[1] * slack
    assert high[0] <= high[1] * slack


@settings(max_examples=200)
@given(count=st.integers(0, 10**7), pair=st.lists(st.floats(1e-6, 1.0), min_size=2, max_size=2))
def test_the_estimate_lies_within_its_own_limits(count: int, pair: list[float]) -> None:
    p = np.array(pair)
    low, high = stats.count_interval(np.full(2, count), p)

    assert (low <= count / p * (1 + 1e-9)).all()
    assert (high >= count / p * (1 - 1e-9)).all()


def test_limits_of_large_counts_agree_with_the_normal_approximation() -> None:
    count, p = 10**12, 0.01
    low, high = stats.count_interval(ints(count), floats(p))
    spread = 1.96 * math.sqrt(count * (1 - p)) / p

    assert high[0] - count / p == pytest.approx(spread, rel=1e-2)
    assert count / p - low[0] == pytest.approx(spread, rel=1e-2)


def test_the_interval_does_not_jump_where_the_formulas_meet() -> None:
    p = floats(1e-4, 0.02, 0.020001, 0.3, 0.9)
    low_39, high_39 = stats.count_interval(np.full(5, 39), p)
    low_40, high_40 = stats.count_interval(np.full(5, 40), p)

    # One sample more moves the limits by 3 %, give or take the distance of the two formulas.
    assert high_40 / high_39 == pytest.approx(1.03, abs=0.02)
    assert low_40 / low_39 == pytest.approx(1.03, abs=0.02)


SIZES = [16, 48, 512, 8 << 10, 64 << 10, 256 << 10, 512 << 10, 1 << 20, 4 << 20]


@pytest.mark.parametrize("size", SIZES)
def test_the_limits_hold_the_true_count_in_95_of_100_samplings(size: int) -> None:
    rng = np.random.default_rng(size)
    p = -math.expm1(-size / RATE)
    for population in (1, 2, 5, 30, 1_000, 30_000, 1_000_000):
        truth = np.full(20_000, population)
        low, high = stats.count_interval(
            sampled(rng, truth, np.full(20_000, p)), np.full(20_000, p)
        )

        covered = np.mean((low <= truth) & (truth <= high))
        assert covered > 0.947, population  # 0.95 less three standard errors


# --- difference_interval ----------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
def test_the_limits_hold_the_true_growth_in_93_of_100_samplings(size: int) -> None:
    rng = np.random.default_rng(size)
    p = np.full(20_000, -math.expm1(-size / RATE))
    for born, died in product((0, 1, 10, 300, 10_000, 1_000_000), repeat=2):
        low, high = stats.difference_interval(
            sampled(rng, np.full(20_000, born), p), sampled(rng, np.full(20_000, died), p), p
        )
        covered = np.mean((np.floor(low) <= born - died) & (born - died <= np.ceil(high)))
        assert covered > 0.93, (born, died)


@given(born=st.integers(0, 10**6), died=st.integers(0, 10**6), probability=st.floats(1e-6, 1.0))
def test_swapping_born_and_died_mirrors_the_interval(
    born: int, died: int, probability: float
) -> None:
    p = floats(probability)
    low, high = stats.difference_interval(ints(born), ints(died), p)
    mirrored_low, mirrored_high = stats.difference_interval(ints(died), ints(born), p)

    assert (-mirrored_high[0], -mirrored_low[0]) == pytest.approx((low[0], high[0]), rel=1e-12)


def test_with_every_object_seen_the_difference_is_exact() -> None:
    low, high = stats.difference_interval(ints(70, 0, 5), ints(20, 3, 5), np.ones(3))

    assert low.tolist() == high.tolist() == [50, -3, 0]


def test_weighted_sums_add_errors_in_squares_by_group() -> None:
    centre, low, high = stats.weighted_sum_interval(
        floats(10, 20, 1), floats(7, 16, 1), floats(16, 28, 2), group=ints(0, 0, 2), groups=3
    )

    assert centre.tolist() == [30, 0, 1]
    assert low.tolist() == [25, 0, 1]
    assert high.tolist() == [40, 0, 2]


# --- p-values ---------------------------------------------------------------------------------


def change_p(born: int, died: int, weight: float = 1.0) -> float:
    (p_value,) = stats.change_p_values(
        ints(born), ints(died), weight=floats(weight), group=ints(0), groups=1
    )
    return float(p_value)


@settings(max_examples=200)
@given(born=st.integers(0, 300), died=st.integers(0, 300), weight=st.floats(1e-3, 1e9))
def test_one_size_gives_the_exact_sign_test(born: int, died: int, weight: float) -> None:
    changed = born + died
    tail = sum(math.comb(changed, k) for k in range(max(born, died), changed + 1))
    exact = min(Fraction(2 * tail, 2**changed), Fraction(1)) if born != died else 1

    assert change_p(born, died, weight) == pytest.approx(float(exact), rel=1e-8)


@pytest.mark.parametrize(("born", "died"), [(50_900, 49_100), (52_000, 48_000), (6_000, 4_000)])
def test_large_counts_keep_their_tail_probability(born: int, died: int) -> None:
    exact = 2 * beta_tail(born, born + died, 0.5)

    assert change_p(born, died) == pytest.approx(exact, rel=1e-7)


def test_nothing_changed_is_no_evidence() -> None:
    assert change_p(0, 0) == change_p(7, 7) == change_p(1, 0) == 1.0


@given(born=st.integers(0, 10**6), died=st.integers(0, 10**6))
def test_growth_and_shrinkage_weigh_the_same(born: int, died: int) -> None:
    assert change_p(born, died) == change_p(died, born)


@given(born=st.integers(1, 1_000), died=st.integers(0, 999))
def test_one_more_newborn_is_more_evidence(born: int, died: int) -> None:
    if born > died:
        assert change_p(born + 1, died) < change_p(born, died) * (1 + 1e-9)


sizes_and_counts = st.lists(
    st.tuples(st.sampled_from([1, 2, 3, 7, 40]), st.integers(0, 4)), min_size=2, max_size=3
)


@settings(max_examples=150)
@given(cells=sizes_and_counts, data=st.data())
def test_several_sizes_together_never_claim_much_more_than_the_exact_sign_test(
    cells: list[tuple[int, int]], data: st.DataObject
) -> None:
    weights = [size for size, count in cells for _ in range(count)]
    signs = [data.draw(st.sampled_from([-1, 1])) for _ in weights]
    excess = abs(sum(w * s for w, s in zip(weights, signs, strict=True)))
    outcomes = product((-1, 1), repeat=len(weights))
    extreme = sum(
        abs(sum(w * s for w, s in zip(weights, one, strict=True))) >= excess for one in outcomes
    )
    exact = extreme / 2 ** len(weights)
    born = [0] * len(cells)
    at = 0
    for place, (_, count) in enumerate(cells):
        born[place] = sum(sign > 0 for sign in signs[at : at + count])
        at += count

    (p_value,) = stats.change_p_values(
        np.array(born),
        np.array([count for _, count in cells]) - np.array(born),
        weight=floats(*(size for size, _ in cells)),
        group=np.zeros(len(cells), dtype=np.int64),
        groups=1,
    )

    assert p_value >= 0.6 * exact


@settings(max_examples=200)
@given(born=st.integers(0, 60), died=st.integers(0, 60), probability=probabilities)
def test_missed_objects_are_the_binomial_tail(born: int, died: int, probability: Fraction) -> None:
    (p_value,) = stats.missed_p_values(ints(born), ints(died), floats(probability))
    more, less = max(born, died), min(born, died)
    exact = min(2 * at_most(less, more, probability), Fraction(1))

    if more == less or probability <= Fraction(2, 100):
        assert p_value == 1.0
    else:
        assert p_value == pytest.approx(float(exact), rel=1e-8)


def test_with_every_object_seen_one_object_more_is_certain() -> None:
    p_values = stats.missed_p_values(ints(1, 5, 5), ints(0, 4, 5), np.ones(3))

    assert p_values.tolist() == [0.0, 0.0, 1.0]


@pytest.mark.parametrize("size", SIZES)
def test_without_growth_a_hundredth_of_p_values_at_most_is_below_a_hundredth(size: int) -> None:
    rng = np.random.default_rng(size)
    p = np.full(40_000, -math.expm1(-size / RATE))
    alone = np.arange(40_000)
    for population in (1, 3, 10, 30, 100, 3_000, 100_000, 1_000_000):
        truth = np.full(40_000, population)
        born, died = sampled(rng, truth, p), sampled(rng, truth, p)
        changes = stats.change_p_values(
            born, died, weight=np.ones(40_000), group=alone, groups=40_000
        )
        smaller = np.minimum(changes, stats.missed_p_values(born, died, p))

        assert np.mean(smaller <= 0.01) < 0.0115, population  # three standard errors
        assert np.mean(smaller <= 0.001) < 0.0015, population


@settings(max_examples=300)
@given(born=st.integers(0, 200), died=st.integers(0, 200), probability=probabilities)
def test_what_is_significant_at_one_in_a_hundred_has_an_interval_off_zero(
    born: int, died: int, probability: Fraction
) -> None:
    p = floats(probability)
    sure = min(change_p(born, died), float(stats.missed_p_values(ints(born), ints(died), p)[0]))
    low, high = stats.difference_interval(ints(born), ints(died), p)

    if sure <= 0.01:
        assert low[0] > 0 or high[0] < 0


# --- discoveries ------------------------------------------------------------------------------


def test_the_step_up_procedure_rejects_all_below_the_last_that_passes() -> None:
    # Benjamini and Hochberg 1995, section 3: at 5 %, four of fifteen.
    published = floats(
        *(0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344),
        *(0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0000),
    )
    rejected = stats.discoveries(published, rate=0.05)

    assert rejected.tolist() == [True] * 4 + [False] * 11


@given(st.lists(st.floats(0, 1), max_size=30), st.sampled_from([0.01, 0.05, 0.2]))
def test_discoveries_match_the_definition(p_values: list[float], rate: float) -> None:
    ranked = sorted(p_values)
    passing = [p for rank, p in enumerate(ranked, 1) if p <= rate * rank / len(ranked)]
    bound = max(passing, default=-1.0)

    found = stats.discoveries(np.array(p_values, dtype=np.float64), rate=rate)

    assert found.tolist() == [p <= bound for p in p_values]


@given(born=st.integers(0, 60), died=st.integers(0, 60), probability=probabilities)
@settings(max_examples=200)
def test_what_cannot_be_discovered_never_has_a_small_p_value(
    born: int, died: int, probability: Fraction
) -> None:
    p = floats(probability)
    smallest = min(change_p(born, died), float(stats.missed_p_values(ints(born), ints(died), p)[0]))
    if not stats.can_be_discovered(ints(born), ints(died), p)[0]:
        assert smallest > stats.FALSE_DISCOVERY_RATE


# --- incomplete_beta --------------------------------------------------------------------------


@settings(max_examples=300)
@given(trials=st.integers(1, 3_000), data=st.data(), per_mille=st.integers(1, 999))
def test_the_incomplete_beta_function_is_the_binomial_tail(
    trials: int, data: st.DataObject, per_mille: int
) -> None:
    successes = data.draw(st.integers(1, trials))
    x = per_mille / 1000

    (value,) = stats.incomplete_beta(floats(successes), floats(trials - successes + 1), floats(x))

    assert value == pytest.approx(_whole_tail(successes, trials, x), rel=1e-9, abs=1e-300)


def _whole_tail(successes: int, trials: int, x: float) -> float:
    """Return P(X >= successes), from the side on which few terms matter."""
    if successes > trials * x:
        return beta_tail(successes, trials, x)
    with localcontext() as context:
        context.prec = 60
        p = Decimal(x)
        term = Decimal(math.comb(trials, successes - 1)) * p ** (successes - 1)
        term *= (1 - p) ** (trials - successes + 1)
        total, k = Decimal(0), successes - 1
        while k >= 0 and term > total * Decimal(10) ** -40:
            total += term
            term *= (1 - p) / p * k / (trials - k + 1)
            k -= 1
        return float(1 - total)


@given(a=st.floats(0.5, 1e4), b=st.floats(0.5, 1e4), x=st.floats(0, 1, exclude_max=True))
def test_both_sides_of_the_incomplete_beta_function_add_up_to_one(
    a: float, b: float, x: float
) -> None:
    y = 1 - x
    there, back = stats.incomplete_beta(floats(a, b), floats(b, a), floats(x, y))

    assert there + back == pytest.approx(1, abs=1e-7 if 1 - y != x else 1e-9)


def test_the_incomplete_beta_function_ends_at_zero_and_one() -> None:
    ends = stats.incomplete_beta(floats(3, 3, 1), floats(2, 2, 1), floats(0, 1, 0.25))

    assert ends.tolist() == [0.0, 1.0, 0.25]


def test_empty_columns_are_fine_everywhere() -> None:
    no_counts, no_floats = ints(), floats()

    assert [len(part) for part in stats.count_interval(no_counts, no_floats)] == [0, 0]
    assert [len(part) for part in stats.difference_interval(no_counts, no_counts, no_floats)] == [
        0,
        0,
    ]
    assert len(stats.missed_p_values(no_counts, no_counts, no_floats)) == 0
    assert len(stats.discoveries(no_floats)) == 0
    assert len(stats.incomplete_beta(no_floats, no_floats, no_floats)) == 0
    assert (
        stats.change_p_values(no_counts, no_counts, weight=no_floats, group=no_counts, groups=2)
        == 1.0
    ).all()
