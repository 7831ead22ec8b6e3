"""What retention keeps: all for a while, then the first of every hour, then of every day."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stored_rows import DAY, HOUR, NOW, S

from memsnap.storage.retention import Limits, Policy, limits, surplus

MINUTE = 60 * S
POLICY = Policy(all_for_s=6 * 3600, hourly_for_s=2 * 86400, daily_for_s=10 * 86400)


def kept(rows, policy=POLICY, now=NOW):
    """The (target, slot) of those rows (target, slot, protected) that stay."""
    rows = sorted(rows)
    gone = _surplus(rows, limits(policy, now))
    return [row[:2] for row, drop in zip(rows, gone, strict=True) if not drop]


def _surplus(rows, moments, after=None):
    target, slot, protected = (list(column) for column in zip(*rows, strict=True))
    return surplus(
        np.array(target, dtype=np.int64),
        np.array(slot, dtype=np.int64),
        np.array(protected, dtype=bool),
        limits=moments,
        after=after,
    ).tolist()


def slow_surplus(rows, moments):
    """The same, one row at a time, by looking at all others."""
    answers = []
    for target, slot, protected in rows:
        if slot < moments.none_before_ns:
            drop = True
        elif slot < moments.daily_before_ns:
            drop = any(t == target and s < slot and s // DAY == slot // DAY for t, s, _ in rows)
        elif slot < moments.hourly_before_ns:
            drop = any(t == target and s < slot and s // HOUR == slot // HOUR for t, s, _ in rows)
        else:
            drop = False
        answers.append(drop and not protected)
    return answers


def test_young_captures_all_stay():
    rows = [(1, NOW - number * MINUTE, False) for number in range(300)]
    assert len(kept(rows)) == 300


def test_after_that_the_first_of_every_hour_stays():
    start = NOW - 20 * HOUR
    rows = [(1, start + number * 20 * MINUTE, False) for number in range(9)]
    assert kept(rows) == [(1, start + number * HOUR) for number in range(3)]


def test_after_that_the_first_of_every_day_stays():
    start = (NOW // DAY - 5) * DAY + HOUR
    rows = [(1, start + number * 6 * HOUR, False) for number in range(8)]
    assert kept(rows) == [(1, start), (1, start + DAY)]


def test_in_the_end_none_stays():
    assert kept([(1, NOW - 11 * DAY, False)]) == []


def test_without_end_means_without_end():
    rows = [(1, slot, False) for slot in (0, 1, DAY, NOW - DAY)]
    forever = Policy(all_for_s=None, hourly_for_s=None, daily_for_s=None)
    assert len(kept(rows, forever)) == 4
    last_stage = Policy(all_for_s=3600, hourly_for_s=7200, daily_for_s=None)
    assert kept(rows, last_stage) == [(1, 0), (1, DAY), (1, NOW - DAY)]


def test_protected_captures_stay_at_any_age():
    rows = [(1, NOW - 99 * DAY, True), (1, NOW - 99 * DAY + 1, False)]
    assert kept(rows) == [(1, NOW - 99 * DAY)]


def test_every_target_has_its_own_hours():
    slot = NOW - 20 * HOUR
    rows = [(1, slot, False), (2, slot + 1, False), (2, slot + 2, False)]
    assert kept(rows) == [(1, slot), (2, slot + 1)]


def test_an_hour_or_day_at_a_limit_is_not_split():
    moments = limits(POLICY, NOW + 17 * MINUTE)
    assert moments.hourly_before_ns % HOUR == 0
    assert moments.daily_before_ns % HOUR == 0
    assert limits(POLICY, NOW, grain_ns=DAY).daily_before_ns % DAY == 0


def test_ages_in_the_wrong_order_never_drop_more_than_the_longest_says():
    odd = Policy(all_for_s=5 * 86400, hourly_for_s=3600, daily_for_s=60)
    rows = [(1, NOW - 4 * DAY + number, False) for number in range(3)]
    assert len(kept(rows, odd)) == 3


ROWS = st.lists(
    st.tuples(
        st.integers(1, 3),
        st.integers(NOW // MINUTE - 14 * 24 * 60, NOW // MINUTE).map(lambda at: at * MINUTE),
        st.booleans(),
    ),
    min_size=1,
    max_size=60,
    unique_by=lambda row: row[:2],
).map(sorted)


@given(rows=ROWS)
def test_it_decides_as_looking_at_all_pairs_does(rows):
    moments = limits(POLICY, NOW)
    assert _surplus(rows, moments) == slow_surplus(rows, moments)


@given(rows=ROWS)
def test_thinning_what_was_thinned_changes_nothing(rows):
    first = [(*row, False) for row in kept([(t, s, False) for t, s, _ in rows])]
    if first:
        assert kept(first) == [row[:2] for row in first]


@given(rows=ROWS, cut=st.integers(0, 60))
def test_pages_are_decided_as_the_whole_is(rows, cut):
    moments = limits(POLICY, NOW)
    one, two = rows[:cut], rows[cut:]
    answers = _surplus(one, moments) if one else []
    if two:
        answers += _surplus(two, moments, after=one[-1][:2] if one else None)
    assert answers == _surplus(rows, moments)


@given(rows=ROWS, step_h=st.integers(1, 400))
def test_thinning_early_and_again_later_keeps_what_thinning_once_keeps(rows, step_h):
    """However often it runs, the same remain: an hour's first is among those of its day."""
    rows = [(target, slot, False) for target, slot, _ in rows]
    early = kept(rows)
    later = NOW + step_h * HOUR
    twice = kept([(*row, False) for row in early], now=later) if early else []
    days = {(target, slot // DAY) for target, slot in kept(rows, now=later)}
    assert {(target, slot // DAY) for target, slot in twice} == days


@pytest.mark.parametrize("count", [1, 2])
def test_limits_are_in_order(count):
    moments = limits(Policy(all_for_s=count, hourly_for_s=count, daily_for_s=count), NOW)
    assert moments == Limits(
        hourly_before_ns=NOW - HOUR, daily_before_ns=NOW - HOUR, none_before_ns=NOW - HOUR
    )
