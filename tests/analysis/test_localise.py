"""Who grew: Bayes' rule against its integral done the slow way, and what it makes of classes."""

import math
from dataclasses import replace

import numpy as np
import pytest

from memsnap.analysis.localise import Cells, divide, log_ratio


def slow_ratio(born, died, expected, shape, weight):
    """Integrate over the turnover on a fine grid."""
    turnover = np.exp(np.linspace(math.log(1e-9), math.log(2000), 20_000))
    step = np.gradient(turnover)

    def evidence(growth):
        log = (
            (shape - 1 + died) * np.log(turnover)
            - (2 + weight) * turnover
            + born * np.log(turnover + growth)
            - growth
        )
        return float((np.exp(log - log.max()) * step).sum()), float(log.max())

    grown, flat = evidence(expected), evidence(0.0)
    return math.log(grown[0] / flat[0]) + grown[1] - flat[1]


@pytest.mark.parametrize(
    ("born", "died", "expected"), [(1, 0, 0.5), (3, 0, 2.7), (3, 3, 2.7), (27, 2, 25.0), (8, 9, 3)]
)
@pytest.mark.parametrize(("shape", "weight"), [(0.5, 0.0), (0.5, 1.4), (6.5, 3.0)])
def test_the_ratio_is_that_of_the_integral(born, died, expected, shape, weight):
    fast = log_ratio(born, died, expected, shape=shape, weight=weight)
    assert fast == pytest.approx(slow_ratio(born, died, expected, shape, weight), abs=1e-3)


def test_nothing_born_speaks_as_loudly_as_was_expected():
    assert log_ratio(0, 7, 2.5, shape=0.5, weight=0) == -2.5


def test_many_samples_speak_as_a_few_more_do():
    few = log_ratio(155, 140, 20.0, shape=0.5, weight=0)
    many = log_ratio(156, 145, 20.0, shape=0.5, weight=0)
    assert abs(few - many) < 0.6


def cells(*rows):
    """Return cells from (group, class, born, died)."""
    table = np.array(rows, dtype=np.int64)
    count = len(table)
    return Cells(
        group=table[:, 0],
        cls=table[:, 1],
        born=table[:, 2],
        died=table[:, 3],
        density=np.full(count, 1 / (512 << 10)),
        shape=np.full(count, 0.5),
        weight=np.zeros(count),
        hint=np.zeros(count),
    )


def shares(given, groups, *grown_mb):
    growth = np.array(grown_mb) * float(1 << 20)
    return divide(given, groups, growth, rate=512 << 10, steady=growth > 0)


def test_the_shares_of_a_class_add_up_to_one():
    found = shares(cells((0, 0, 3, 0), (1, 0, 9, 8)), 5, 1.5, 0.0)
    assert (found.share.sum(axis=0) + found.unseen).tolist() == pytest.approx([1, 0])


def test_who_has_survivors_is_likelier_than_who_replaces():
    share = shares(cells((0, 0, 3, 0), (1, 0, 3, 3), (2, 0, 0, 0)), 3, 1.5).share[:, 0]
    assert share[0] > 0.7
    assert share[0] > share[1] > share[2]


def test_a_single_class_is_never_surer_than_its_samples():
    one = shares(cells((0, 0, 1, 0), (1, 0, 1, 0)), 2, 1.5).share[:, 0]
    assert one[0] == pytest.approx(one[1])


def test_what_one_class_says_is_heard_in_the_others():
    keys_and_values = cells((0, 0, 9, 0), (0, 1, 1, 0), (1, 1, 1, 0))
    alone = shares(cells((0, 1, 1, 0), (1, 1, 1, 0)), 2, 0.0, 1.0).share[0, 1]
    together = shares(keys_and_values, 2, 4.0, 1.0).share[0, 1]
    assert together > 0.9 > alone


def test_without_a_sample_nobody_is_named():
    found = shares(cells((0, 0, 0, 2), (1, 0, 0, 0)), 2, 0.25)
    assert found.share[:, 0].max() < 0.5


def test_what_falls_is_laid_to_who_lost():
    found = divide(
        cells((0, 0, 0, 9), (1, 0, 9, 0)),
        2,
        np.array([-4.5 * (1 << 20)]),
        rate=512 << 10,
        steady=np.zeros(1, dtype=np.bool_),
    )
    assert found.share[0, 0] > 0.95


def test_two_beyond_doubt_share_a_class_by_their_samples():
    found = shares(cells((0, 0, 30, 0), (1, 0, 15, 0), (2, 0, 9, 9)), 3, 22.5)
    assert found.share[:, 0].tolist() == pytest.approx([2 / 3, 1 / 3, 0])
    assert found.sure[:2, 0].min() > 0.9


def test_who_took_over_from_another_has_no_share():
    """The first grew by what the class did; the second by what the third lost."""
    found = shares(cells((0, 0, 10, 0), (1, 0, 40, 0), (2, 0, 0, 40)), 3, 5.0)
    assert found.share[0, 0] > 0.9


def test_what_swings_says_nothing_about_what_grows():
    given = cells((0, 0, 2, 0), (1, 1, 30, 0))
    growth = np.array([1.0, 15.0]) * (1 << 20)
    steady = np.array([True, False])
    found = divide(given, 3, growth, rate=512 << 10, steady=steady)
    alone = shares(cells((0, 0, 2, 0)), 3, 1.0)
    assert found.share[:, 0].tolist() == pytest.approx(alone.share[:, 0].tolist())


def test_large_objects_pass_unseen_no_more_often_than_small_ones():
    given = replace(cells((0, 0, 0, 0), (1, 0, 0, 0)), density=np.array([1e-7, 2e-6]))
    share = shares(given, 2, 2.0).share[:, 0]
    assert share[0] == pytest.approx(share[1])
