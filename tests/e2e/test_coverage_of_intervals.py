"""The 95 % intervals of growth hold the truth: on paper, where it is known, and in real services.

The truth of a real service is another run of it, step by step the same, with every allocation
sampled.
"""

import numpy as np
import pytest
from builders import simulation
from builders.simulation import Bucket

from memsnap.analysis.diff import Diff, diff
from memsnap.analysis.table import By
from memsnap.snapshot import Capture, GcProof, Snapshot

PAIRS = 200
PROMISED = 0.93
PROVEN = GcProof(forced=True, proven=True, reason="simulated")


def compared(buckets: list[Bucket]) -> Diff:
    return diff(
        [
            Snapshot(
                name=f"at {at}",
                heap=simulation.profile(buckets, at),
                capture=Capture(gc=PROVEN),
            )
            for at in (1, 2)
        ]
    )


def truths(buckets: list[Bucket], by: By) -> dict[object, tuple[int, int]]:
    """Return the true growth in objects and bytes by what names a row."""
    total: dict[object, tuple[int, int]] = {}
    for one in buckets:
        name = {
            By.SITE: (one.stack.partition(" < ")[0], one.size),
            By.FUNCTION: one.function,
            By.SIZE: one.size,
        }[by]
        objects, size = total.get(name, (0, 0))
        grown = one.growth()
        total[name] = objects + grown, size + grown * one.size
    return total


def hits(found: Diff, by: By, truth: dict[object, tuple[int, int]]) -> list[bool]:
    """Return for every row of the table whether its limits hold the truth, objects and bytes."""
    table = found.table(by)
    keys, bounds = table.keys, table.growth_bounds
    result = []
    for row in table.rows():
        function, size = keys.text(keys.function, row), int(keys.object_bytes[row])
        place = f"{function} {keys.text(keys.file, row)}:{keys.line[row]}"
        name = {By.SITE: (place, size), By.FUNCTION: function, By.SIZE: size}[by]
        objects, grown = truth[name]
        result.append(bool(bounds.low_objects[row] <= objects <= bounds.high_objects[row]))
        result.append(bool(bounds.low_bytes[row] <= grown <= bounds.high_bytes[row]))
    return result


def test_intervals_hold_the_truth_of_simulated_services() -> None:
    held: dict[By, list[bool]] = {By.SITE: [], By.FUNCTION: [], By.SIZE: []}
    totals = []
    for seed in range(PAIRS):
        buckets = simulation.service(np.random.default_rng(seed))
        found = compared(buckets)
        for by, results in held.items():
            results += hits(found, by, truths(buckets, by))
        grown = sum(one.growth() * one.size for one in buckets)
        bounds = found.totals.growth_bounds
        totals.append(bool(bounds.low_bytes[0] <= grown <= bounds.high_bytes[0]))

    coverage = {by: float(np.mean(results)) for by, results in held.items()}
    assert min(len(results) for results in held.values()) > 3_000
    assert all(share >= PROMISED for share in coverage.values()), coverage
    assert np.mean(totals) >= PROMISED
