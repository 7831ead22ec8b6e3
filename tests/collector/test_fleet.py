"""Collectors that share the targets of one PostgreSQL, some of them killed and stopped."""

import contextlib
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from daemons import Running, config, serving, until
from stored import Stored

pytestmark = pytest.mark.postgres

_BUSY_S = 10.0  # that a busy machine may need beside what short intervals and leases leave it


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """Daemons over the same targets; times in seconds."""

    daemons: Sequence[Running]
    url: str
    interval_s: float
    lease_s: float

    def held(self) -> list[int]:
        return [int(each.metric("memsnap_leases_held")) for each in self.living()]

    def shared(self, targets: int) -> bool:
        """Whether every collector that lives has about its share, and each target has one."""
        held = self.held()
        return sum(held) == targets and min(held) >= 0.8 * targets / len(held)

    def living(self) -> list[Running]:
        return [each for each in self.daemons if each.process.poll() is None]

    def stored(self) -> Stored:
        return Stored.of(self.url)

    def let_pass(self, slots: int) -> None:
        """Return when every target has got as many new captures."""
        before = self.counts()

        def passed() -> bool:
            now = self.counts()
            return all(now[key] >= count + slots for key, count in before.items())

        self.until(passed, slots * (self.interval_s + self.lease_s) + 60)

    def until(self, holds: Callable[[], bool], timeout_s: float = 60.0) -> None:
        """Return once `holds`, asked so seldom that the collectors have the machine."""
        until(holds, timeout_s, every_s=self.lease_s / 20)

    def counts(self) -> dict[int, int]:
        found = self.stored()
        counts = {row["id"]: 0 for row in found.targets}
        for row in found.snapshots:
            counts[row["target_id"]] += 1
        return counts

    def stop_past_its_lease(self, daemon: Running, *, others: int) -> None:
        """Stop a collector in the middle of captures, until the others have its targets."""
        until(lambda: daemon.metric("memsnap_captures_running") >= 1)
        daemon.send(signal.SIGSTOP)
        rest = [each for each in self.living() if each is not daemon]
        self.until(lambda: sum(int(each.metric("memsnap_leases_held")) for each in rest) == others)
        time.sleep(self.interval_s)  # until what it was about to store is long out of date
        daemon.send(signal.SIGCONT)


@pytest.fixture
def fleet(replayed: str, tmp_path: Path, postgres_empty: str) -> Iterator[Callable[..., Fleet]]:
    """A function that starts collectors over `targets` replayed ones."""
    with contextlib.ExitStack() as stack:

        def start(
            collectors: int, *, targets: Sequence[str], interval_s: float, lease_s: float
        ) -> Fleet:
            text = config(
                [f"{replayed}/t/{name}" for name in targets],
                interval=f"{interval_s}s",
                lease=f"{lease_s}s",
                extra="per-host = 64\nconcurrency = 32",
                store=postgres_empty,
            )
            daemons = [
                _daemon(stack, tmp_path / f"collector-{number}", text)
                for number in range(collectors)
            ]
            return Fleet(
                daemons=daemons, url=postgres_empty, interval_s=interval_s, lease_s=lease_s
            )

        yield start


def _daemon(stack: ExitStack, folder: Path, text: str) -> Running:
    return stack.enter_context(serving(folder, text, "--migrate"))


def check(fleet: Fleet, targets: int, *, since_ns: int, busy_s: float = _BUSY_S) -> Stored:
    """Check what a fleet promises, once it has come up at `since_ns`; it has ended by now."""
    found = fleet.stored()
    assert len(found.targets) == targets
    assert found.twice() == []
    assert found.missing(interval_s=fleet.interval_s) == []
    pause_s = found.longest_pause_s(since_ns=since_ns)
    delay_s = found.longest_delay_s(since_ns=since_ns)
    print(
        f"{len(found.snapshots)} captures; longest pause of a target {pause_s:.1f} s, longest "
        f"delay of a capture {delay_s:.1f} s"
    )
    assert pause_s <= fleet.interval_s + fleet.lease_s + busy_s
    return found


def test_a_collector_that_is_stopped_and_one_that_is_killed_lose_no_target(
    fleet: Callable[..., Fleet],
) -> None:
    names = [f"slow-{number}" for number in range(24)]
    pair = fleet(2, targets=names, interval_s=2, lease_s=4)
    first, second = pair.daemons
    pair.until(lambda: pair.shared(24))
    pair.let_pass(1)
    up_ns = time.time_ns()

    for _ in range(5):  # the capture that it was about may have ended before the signal came
        pair.stop_past_its_lease(first, others=24)
        pair.until(lambda: pair.shared(24))
        if first.said("lost"):
            break

    second.stop(signal.SIGKILL)
    pair.until(lambda: first.metric("memsnap_leases_held") == 24)
    pair.let_pass(2)
    assert first.stop() == 0

    found = check(pair, 24, since_ns=up_ns)
    assert "lease-lost" in {row["cause"] for row in found.failures}


@pytest.mark.slow
def test_a_collector_that_joins_gets_its_share_and_leaves_it_when_it_ends(
    fleet: Callable[..., Fleet],
) -> None:
    pair = fleet(2, targets=[str(number) for number in range(20)], interval_s=3, lease_s=6)
    first, second = pair.daemons
    pair.until(lambda: pair.shared(20))
    up_ns = time.time_ns()

    assert second.stop() == 0
    pair.until(lambda: first.metric("memsnap_leases_held") == 20)
    pair.let_pass(1)
    assert first.stop() == 0

    check(pair, 20, since_ns=up_ns)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_three_collectors_carry_three_hundred_targets_through_a_kill_and_a_stop(
    fleet: Callable[..., Fleet],
) -> None:
    names = [f"slow-{number}" for number in range(300)]
    three = fleet(3, targets=names, interval_s=20, lease_s=10)
    first, second, third = three.daemons
    three.until(lambda: three.shared(300), 120)
    three.let_pass(1)
    up_ns = time.time_ns()

    first.stop(signal.SIGKILL)
    three.until(lambda: three.shared(300), 120)
    three.let_pass(1)

    three.stop_past_its_lease(second, others=300)
    three.until(lambda: bool(second.said("lost")))
    three.until(lambda: three.shared(300), 120)
    three.let_pass(2)
    assert second.stop() == third.stop() == 0

    check(three, 300, since_ns=up_ns, busy_s=0)
