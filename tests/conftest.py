"""Fixtures that every layer's tests may use: Go, the scenarios, and pprof as the oracle."""

import asyncio
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pprof_oracle
import pytest
import scenario_truth
import services
import toolchains
from hypothesis import HealthCheck, settings

# A busy machine is no failure.
settings.register_profile("memsnap", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("memsnap")

pytest_plugins = ["store_fixtures"]


def pytest_configure() -> None:
    """A plugin that asks for the event loop (looptime) must not make one that nobody closes."""
    asyncio.set_event_loop(None)


@pytest.fixture(scope="session")
def go() -> toolchains.Go:
    """The Go toolchain of this run."""
    return toolchains.current()


@pytest.fixture(scope="session")
def go_release() -> Callable[[str], toolchains.Go]:
    """A function that returns an older toolchain, `go_release("1.21")`; for `slow` tests only."""
    return toolchains.release


@pytest.fixture(scope="session")
def scenarios(go: toolchains.Go) -> dict[str, Path]:
    """The executables of all scenarios, by name."""
    return go.build_all(scenario_truth.SCENARIOS, scenario_truth.names())


@pytest.fixture(scope="session")
def service(
    scenarios: dict[str, Path],
) -> Callable[..., AbstractContextManager[services.Service]]:
    """A function that runs a scenario: `with service("subslice", "-auto", "50ms") as s: ...`.

    Its first argument is a scenario's name or any program's path; `env` adds to the environment.
    """

    def start(
        name: str | Path, *args: str, env: dict[str, str] | None = None
    ) -> AbstractContextManager[services.Service]:
        if name in scenarios:
            return services.running(scenarios[str(name)], "-until-eof", *args, env=env)
        return services.running(Path(name), *args, env=env)

    return start


@pytest.fixture(scope="session")
def pprof(go: toolchains.Go) -> pprof_oracle.Pprof:
    """Go's own pprof."""
    return pprof_oracle.Pprof.of(go)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Answers of an earlier state of the code must not pass for this one's."""
    os.environ["MEMSNAP_CACHE_DIR"] = str(tmp_path_factory.mktemp("cache"))
