"""Slopes with limits, and the course of a series in a word."""

import numpy as np
import pytest

from memsnap.analysis.trend import (
    Shape,
    evenly_rising,
    plateau,
    rises,
    shape,
    slowdown,
    student_quantile,
    student_tail,
    trend,
)

SECONDS = np.arange(5) * 10.0
MB = float(1 << 20)


def course(*values):
    return shape(SECONDS[: len(values)], np.array(values, dtype=float), noise=0.5)


def test_student_is_that_of_the_tables():
    assert student_quantile(0.975, 3) == pytest.approx(3.182, abs=1e-3)
    assert student_quantile(0.975, 18) == pytest.approx(2.101, abs=1e-3)
    assert student_tail(2.353, 3) == pytest.approx(0.05, abs=1e-4)
    assert student_tail(-2.353, 3) == pytest.approx(0.95, abs=1e-4)


def test_a_straight_line_has_its_slope_and_no_doubt():
    line = trend(SECONDS, 100 + 7 * SECONDS)
    assert (line.slope, line.low, line.high, line.p_value) == (7, 7, 7, 0)
    assert line.rise == 280


def test_one_odd_capture_does_not_move_the_slope():
    values = 7 * np.arange(9) * 10.0
    values[4] += 10_000
    assert trend(np.arange(9) * 10.0, values).slope == pytest.approx(7)


def test_limits_of_a_noisy_line_hold_its_slope_as_often_as_they_say():
    rng = np.random.default_rng(1)
    held = [
        line.low <= 3 <= line.high
        for line in (trend(SECONDS, 3 * SECONDS + rng.normal(0, 5, 5)) for _ in range(2000))
    ]
    assert np.mean(held) > 0.93


def test_a_random_walk_rarely_passes_for_a_rise():
    rng = np.random.default_rng(1)
    walks = [rises(SECONDS, np.cumsum(rng.normal(0, 1, 5))) <= 0.01 for _ in range(2000)]
    assert np.mean(walks) < 0.015


def test_a_steady_rise_is_no_walk():
    assert rises(SECONDS, np.array([0, 10, 21, 30, 41.0])) < 0.001
    assert rises(SECONDS, np.array([0, 0, 0, 40, 40.0])) > 0.1
    assert rises(SECONDS, np.array([40, 30, 20, 10, 0.0])) > 0.9


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ((5, 5.1, 5, 4.9, 5), Shape.FLAT),
        ((0, 10, 20, 31, 40), Shape.RISING),
        ((0, 20, 30, 33, 34), Shape.LEVELLING),
        ((0, 0, 40, 40, 40), Shape.STEP),
        ((0, 30, 2, 31, 4), Shape.SWINGING),
        ((0, 40, 10, 20, 30), Shape.SWINGING),
        ((40, 30, 20, 10, 0), Shape.FALLING),
        ((0, 0.4, 0.8, 1.2, 1.6), Shape.RISING),
        ((0, 10, 20), Shape.RISING),
    ],
)
def test_a_course_has_a_word(values, word):
    assert course(*values) is word


def test_a_straight_rise_does_not_slow_down():
    assert slowdown(SECONDS, 3 * SECONDS) == pytest.approx(1)
    assert slowdown(SECONDS, np.array([0, 5, 10, 10, 10.0])) == 0


def test_the_plateau_of_an_exponential_is_found():
    filled = 100 * (1 - np.exp(-SECONDS / 12))
    assert plateau(filled) == pytest.approx(100, rel=1e-6)


def test_a_straight_rise_has_no_plateau():
    assert plateau(3 * SECONDS) is None
    assert plateau(np.array([1.0, 2.0])) is None


@pytest.mark.parametrize(
    ("values", "nearest"),
    [([0, 2, 4], [0, 2, 4]), ([0, 4, 2, 6], [0, 3, 3, 6]), ([3, 2, 1], [2, 2, 2]), ([5], [5])],
)
def test_a_course_that_cannot_fall_is_the_closest_one_that_does_not(values, nearest):
    assert evenly_rising(np.array(values, dtype=np.float64)).tolist() == nearest
