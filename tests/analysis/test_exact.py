"""The runtime's exact counts as a series, and when they may not be used."""

from dataclasses import replace

import numpy as np
import pytest
from builders.series import capture_times, leaking, recorded
from builders.simulation import bucket

from memsnap.analysis.exact import exact, late
from memsnap.snapshot import GcProof

STACK = "main.keep keep.go:12 < main.main main.go:9"


@pytest.fixture
def snapshots():
    rng = np.random.default_rng(1)
    small = bucket(rng, STACK, 1024, leaking(rng, 20))
    large = bucket(rng, STACK, 65_536, leaking(rng, 1))
    return recorded([small, large], capture_times(4))


def test_every_class_has_its_row_and_large_objects_the_last(snapshots):
    found = exact(snapshots)
    assert found.sizes[-1] == 0
    grown = found.live[:, -1] - found.live[:, 0]
    assert np.flatnonzero(grown).tolist() == [list(found.sizes).index(1024), len(found.sizes) - 1]
    assert found.live.sum(axis=0).tolist() == found.total.tolist()


def test_an_object_belongs_to_the_class_that_holds_it(snapshots):
    found = exact(snapshots)
    sizes = np.array([16, 1000, 1024, 1025, 65_536])
    of = found.sizes[found.class_of(sizes)].tolist()
    assert of == [16, 1024, 1024, 2048, 0]


def test_without_counts_by_size_there_is_one_class(snapshots):
    bare = [
        replace(
            one,
            capture=replace(one.capture, mem_stats=replace(one.capture.mem_stats, by_size=())),
        )
        for one in snapshots
    ]
    found = exact(bare)
    assert found.sizes.tolist() == [0]
    assert found.live[0].tolist() == found.total.tolist()


def test_a_capture_without_proof_of_its_gc_is_not_exact(snapshots):
    unproven = GcProof(forced=True, proven=False, reason="no counters")
    capture = replace(snapshots[1].capture, gc=unproven)
    assert exact([snapshots[0], replace(snapshots[1], capture=capture)]) is None
    assert exact([snapshots[0], replace(snapshots[1], capture=replace(capture, gc=None))]) is None


def test_the_span_of_a_class_is_where_it_moved_most(snapshots):
    assert exact(snapshots).spans()[-1] == (0, 3)


SECONDS = 40.0
RATE = np.array([9e5, 5e5, 3e5, 2e5, 1e5, 8e4, 6e4])  # of what lives for milliseconds


def counted(delays, *others):
    """Return live bytes by class: what was allocated in each delay, and `others` as they are."""
    return np.vstack([np.outer(RATE, delays), *others])


def test_all_classes_together_show_how_late_the_counters_were_read():
    delays = np.array([0.002, 0.003, 0.9, 0.002, 0.2])
    leak = 1e5 * np.arange(5)
    found = late(counted(delays, leak), np.append(RATE, 1e4), SECONDS)
    assert found == pytest.approx([0, 0, 0.9, 0, 0.2], abs=0.005)


def test_what_one_class_has_more_is_its_own():
    burst = [0, 0, 5e6, 0, 0]
    found = late(counted(np.full(5, 0.002), burst), np.append(RATE, 2e6), SECONDS)
    assert found.tolist() == [0] * 5


def test_classes_that_disagree_show_no_delay():
    rng = np.random.default_rng(4)
    live = RATE[:, np.newaxis] * rng.uniform(0, 1, (len(RATE), 5))
    assert late(live, RATE, SECONDS).max() < 0.6


def test_a_service_at_rest_shows_no_delay():
    live = np.full((len(RATE), 5), 3e6)
    assert late(live, np.full(len(RATE), 1e3), SECONDS).tolist() == [0] * 5
