"""Scenarios can be recorded: by the clock, beside traffic, with a truth to hold against."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import scenario_truth
from corpus_record import HEALTHY, bytes_per_s, operations_per_s
from services import Service

Start = Callable[..., AbstractContextManager[Service]]


def test_every_scenario_says_how_fast_to_run_it():
    for truth in scenario_truth.all_truths():
        assert (truth.op_bytes > 0) if truth.leaks else (truth.per_s is not None), truth.name


def test_only_leaks_have_causes_and_lines_at_fault():
    for truth in scenario_truth.all_truths():
        causes = [*truth.cause_lines, *(name for site in truth.sites for name in site.causes)]
        assert truth.leaks or not causes, truth.name


def test_a_rate_is_in_bytes_or_thousands():
    assert (bytes_per_s("7000"), bytes_per_s("350K")) == (7_000, 350_000)


def test_leaks_go_at_a_rate_in_bytes_and_healthy_services_at_their_own_pace():
    assert operations_per_s(scenario_truth.load("subslice"), "32K", 10) == 32_000 / (16 << 10)
    assert operations_per_s(scenario_truth.load("sawtooth"), HEALTHY, 10) == 71


def test_the_shape_of_a_healthy_service_stretches_with_the_interval():
    assert operations_per_s(scenario_truth.load("burst"), HEALTHY, 60) == 10


@pytest.mark.go
def test_a_scenario_performs_operations_by_the_clock(service: Start):
    with service("subslice", "-per-second", "1000") as scenario:
        while scenario.vars()["truth_ops"] < 100:
            pass
        before, after = scenario.live_bytes(), scenario.live_bytes()
    assert 100 * (16 << 10) <= before <= after


@pytest.mark.go
@pytest.mark.parametrize("over", ["tcp", "unix"])
def test_traffic_holds_some_megabytes_and_replaces_them(over: str, service: Start, tmp_path: Path):
    listen = f"-listen=unix:{tmp_path / 'socket'}" if over == "unix" else "-listen=127.0.0.1:0"
    with service("subslice", listen, "-traffic", "5000", "-swing", "0.5") as scenario:
        first = scenario.vars()["memstats"]
        while (last := scenario.vars()["memstats"])["Mallocs"] < first["Mallocs"] + 100_000:
            pass
        scenario.heap()
        held = scenario.vars()["memstats"]["HeapAlloc"]
        profile = scenario.heap_text()

    assert last["Frees"] > 0
    assert 10 << 20 < held < 30 << 20
    assert "internal/traffic.(*service)" in profile
    assert scenario.address.startswith("unix:" if over == "unix" else "http:")


@pytest.mark.go
def test_traffic_leaves_what_the_scenario_holds_alone(service: Start):
    with service("subslice", "-traffic", "600") as scenario:
        assert scenario.step(3) == 3
        assert scenario.live_bytes() == 3 * (16 << 10)
