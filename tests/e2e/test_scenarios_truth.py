"""The scenarios do what their headers say, as Go's own pprof and runtime see it.

They run with every allocation sampled (`GODEBUG=memprofilerate=1`), so that the profile is no
estimate.  What the runtime and net/http allocate beside them is the tolerance.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest
import scenario_truth
from pprof_oracle import Line, Pprof, Row
from scenario_truth import Site, Truth
from services import Service, running, save_heap
from toolchains import RELEASES, Go

pytestmark = pytest.mark.go

LEAKS = [truth.name for truth in scenario_truth.all_truths() if truth.leaks]
# The rest is allocated by the standard library, on behalf of the scenario.
OWN_LEAKS = [name for name in LEAKS if all(site.leaf for site in scenario_truth.load(name).sites)]
HEALTHY = [truth.name for truth in scenario_truth.all_truths() if not truth.leaks]
PEAKS = [truth.name for truth in scenario_truth.all_truths() if truth.peak]
PROCESSORS = 2
EVERY_ALLOCATION = {"GODEBUG": "memprofilerate=1", "GOMAXPROCS": str(PROCESSORS)}
SLACK_BYTES = 4 << 10
# The runtime allocates a sudog, 112 bytes, on the line where a goroutine blocks.  A GC drops the
# spare ones of the scheduler, but each P keeps up to 128 (runtime/runtime2.go, `sudogbuf`): so
# many come or go unseen by the scenario.
SUDOGS_BYTES = PROCESSORS * 128 * 112

Start = Callable[..., AbstractContextManager[Service]]
Grew = dict[Line, Row]


@dataclass(frozen=True)
class Run:
    """Heap growth of one scenario, by line: after `ops` operations, and at the later peak."""

    truth: Truth
    grew: Grew
    at_peak: Grew | None
    held_bytes: int
    held_objects: int

    def site(self, site: Site) -> Row:
        rows = [r for at, r in self.grew.items() if _is_at(at, self.truth, site)]
        return Row(sum(r.flat for r in rows), sum(r.cum for r in rows))


@pytest.fixture(scope="module")
def run(
    service: Start, pprof: Pprof, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Run]:
    """Run a scenario once for all tests of this module."""
    done: dict[str, Run] = {}

    def measured(name: str) -> Run:
        if name not in done:
            folder = tmp_path_factory.mktemp(name)
            with service(name, env=EVERY_ALLOCATION) as scenario:
                done[name] = _measure(scenario_truth.load(name), scenario, pprof, folder)
        return done[name]

    return measured


def _measure(truth: Truth, scenario: Service, pprof: Pprof, folder: Path) -> Run:
    scenario.heap()  # the first profile allocates the profiler's own tables
    scenario.step(truth.settle)
    before, held_before = save_heap(scenario, folder / "before"), scenario.vars()
    scenario.step(truth.ops)
    after, held_after = save_heap(scenario, folder / "after"), scenario.vars()
    at_peak = None
    if truth.peak:
        scenario.step(truth.peak)
        at_peak = pprof.top_lines(save_heap(scenario, folder / "peak"), base=before)
    return Run(
        truth=truth,
        grew=pprof.top_lines(after, base=before),
        at_peak=at_peak,
        held_bytes=held_after["truth_live_bytes"] - held_before["truth_live_bytes"],
        held_objects=held_after["truth_live_objects"] - held_before["truth_live_objects"],
    )


def _is_at(line: Line, truth: Truth, site: Site) -> bool:
    return line.function == site.function and line.line == site.line and _is_of(line, truth)


def _is_of(line: Line, truth: Truth) -> bool:
    return line.file.endswith(f"/{truth.name}/main.go")


def _own_bytes(grew: Grew, truth: Truth) -> int:
    return sum(row.flat for line, row in grew.items() if _is_of(line, truth))


@pytest.mark.parametrize("name", scenario_truth.names())
def test_each_site_changes_by_what_its_header_says(name: str, run: Callable[[str], Run]) -> None:
    _check_sites(run(name))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("release", sorted(RELEASES))
def test_other_releases_of_go_tell_the_same_truth(
    release: str, go_release: Callable[[str], Go], tmp_path: Path
) -> None:
    go = go_release(release)
    programs = go.build_all(scenario_truth.SCENARIOS, scenario_truth.names())
    for truth in scenario_truth.all_truths():
        folder = tmp_path / truth.name
        folder.mkdir()
        with running(programs[truth.name], "-until-eof", env=EVERY_ALLOCATION) as scenario:
            _check_sites(_measure(truth, scenario, Pprof.of(go), folder))


def _check_sites(measured: Run) -> None:
    for site in measured.truth.sites:
        row = measured.site(site)
        if site.per_op is None or site.size_bytes is None:
            assert (row.flat if site.leaf else row.cum) > 0, site
        else:
            promised = site.per_op * site.size_bytes * measured.truth.ops
            assert row.flat == pytest.approx(promised, abs=SLACK_BYTES), site


@pytest.mark.parametrize("name", OWN_LEAKS)
def test_the_lines_that_grow_most_are_sites_of_the_leak(
    name: str, run: Callable[[str], Run]
) -> None:
    measured = run(name)
    first = max(measured.grew, key=lambda line: measured.grew[line].flat)

    assert any(_is_at(first, measured.truth, site) for site in measured.truth.sites), first


@pytest.mark.parametrize("name", LEAKS)
def test_a_leak_holds_what_its_own_counters_say(name: str, run: Callable[[str], Run]) -> None:
    measured = run(name)
    assert measured.held_objects > 0 or measured.held_bytes > 0
    counted = [site for site in measured.truth.sites if site.per_op is not None]
    if counted:
        grown = sum(measured.site(site).flat for site in counted)
        assert grown == pytest.approx(measured.held_bytes, abs=SLACK_BYTES)


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_service_holds_as_much_after_its_operations_as_before(
    name: str, run: Callable[[str], Run]
) -> None:
    measured = run(name)
    assert measured.held_bytes == measured.held_objects == 0
    assert _own_bytes(measured.grew, measured.truth) == pytest.approx(0, abs=SUDOGS_BYTES)


@pytest.mark.parametrize("name", PEAKS)
def test_a_healthy_service_that_swings_looks_alarming_at_its_peak(
    name: str, run: Callable[[str], Run]
) -> None:
    measured = run(name)
    assert measured.at_peak is not None
    assert _own_bytes(measured.at_peak, measured.truth) > 1 << 20
