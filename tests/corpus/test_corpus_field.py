"""Services that nothing was tuned on first: written as others write them, on crowded sizes.

Their leaks are spread over several sizes that other sites allocate in as well, 30 MB a second.  At
35 kB/s some three samples of a leak are to be expected in 40 s, often none: then nothing is named.
"""

from pathlib import Path

import pytest
import scenario_truth

FIELD = Path(__file__).parents[1] / "field"
LEAKS, HEALTHY = 21, 11


def of(scored, rate):
    return [one for one in scored if one.recording.rate == rate]


def test_every_service_is_there(scored_field):
    kept = {rate: len(of(scored_field["running"], rate)) for rate in ("350K", "35K", "healthy")}
    assert kept == {"350K": LEAKS, "35K": LEAKS, "healthy": HEALTHY}
    assert set(scenario_truth.names(FIELD)) == {
        one.recording.scenario for one in scored_field["running"]
    }


def test_fast_leaks_are_found_and_half_of_the_slow_ones(scored_field):
    found = {
        rate: sum(one.leak_first for one in of(scored_field["running"], rate))
        for rate in ("350K", "35K")
    }
    assert found["350K"] >= LEAKS * 13 / 14
    assert found["35K"] >= 10


@pytest.mark.parametrize("when", ["running", "start"])
def test_no_leak_is_made_up(scored_field, when):
    made_up = [(one.recording, one.false_leaks) for one in scored_field[when] if one.false_leaks]
    assert made_up == []


@pytest.mark.parametrize("when", ["running", "start"])
def test_healthy_services_get_their_right_names(scored_field, when):
    wrong = [one.recording for one in of(scored_field[when], "healthy") if not one.right]
    assert wrong == []


def test_one_leak_is_rarely_two_findings(scored_field):
    several = [
        one.recording.scenario
        for one in scored_field["running"]
        if sum(said.verdict == "leak" for said in one.said) > 1
    ]
    assert len(several) <= 1


def test_leaks_are_found_from_the_start_of_a_process(scored_field):
    leaks = of(scored_field["start"], "350K")
    assert sum(one.leak_first for one in leaks) >= len(leaks) - 1


def test_the_limits_of_a_growth_hold_the_true_one(scored_field):
    held = [one.held for one in scored_field["running"] if one.held is not None]
    assert sum(held) >= 0.9 * len(held)
