"""How scenarios are driven: what other tests build on."""

import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from services import Service, ServiceError, running

pytestmark = pytest.mark.go

Start = Callable[..., AbstractContextManager[Service]]


def test_a_step_performs_exactly_so_many_operations(service: Start) -> None:
    with service("subslice") as scenario:
        assert scenario.step(3) == 3
        assert scenario.step(2) == 5
        assert scenario.live_bytes() == 5 * (16 << 10)


def test_a_scenario_can_step_by_itself(service: Start) -> None:
    with service("subslice", "-auto", "1ms", "-batch", "7") as scenario:
        while not (ops := scenario.vars()["truth_ops"]):
            pass
        assert ops % 7 == 0 or scenario.vars()["truth_ops"] > ops


def test_a_scenario_can_listen_on_a_unix_socket(service: Start, tmp_path: Path) -> None:
    socket = tmp_path / "scenario.sock"
    with service("subslice", f"-listen=unix:{socket}") as scenario:
        assert scenario.address == f"unix:{socket}"
        assert scenario.step(1) == 1


def test_noise_changes_what_is_allocated_but_not_what_the_scenario_holds(service: Start) -> None:
    with service("subslice") as quiet, service("subslice", "-noise") as noisy:
        for scenario in (quiet, noisy):
            scenario.step(1_000)
            scenario.heap()
        assert quiet.live_bytes() == noisy.live_bytes()
        live = [scenario.vars()["memstats"]["HeapAlloc"] for scenario in (quiet, noisy)]
        assert live[1] - live[0] > 4 << 20


def test_a_step_that_is_no_number_is_refused(service: Start) -> None:
    with service("subslice") as scenario, pytest.raises(ServiceError, match="400"):
        scenario.request("POST", "/step?n=many")


def test_a_scenario_is_gone_after_the_block(service: Start) -> None:
    with service("subslice") as scenario:
        pid = scenario.pid
    assert not Path(f"/proc/{pid}").exists()


def test_a_scenario_ends_with_the_process_that_started_it(scenarios: dict[str, Path]) -> None:
    process = subprocess.run(
        [scenarios["subslice"], "-until-eof"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert process.returncode == 0


def test_a_program_that_does_not_start_says_why(scenarios: dict[str, Path]) -> None:
    with (
        pytest.raises(ServiceError, match="flag provided but not defined: -nonsense"),
        running(scenarios["subslice"], "-nonsense"),
    ):
        pytest.fail("it started")
