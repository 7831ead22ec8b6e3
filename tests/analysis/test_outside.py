"""Memory outside the live heap, and a heap that grows without a site."""

from dataclasses import replace

import numpy as np
import pytest
from builders.captures import AFTER, BEFORE, CAPTURE, MB, taken
from builders.series import capture_times, leaking, recorded, replaced
from builders.simulation import bucket

from memsnap.analysis.catalogue import CATALOGUE
from memsnap.analysis.diff import diff
from memsnap.analysis.finding import Cause, Severity
from memsnap.analysis.findings import find
from memsnap.analysis.outside import outside_the_heap
from memsnap.analysis.unlocated import heap_without_site


def grown(**stats):
    """Return what is said of two captures, the second with other counters."""
    later = replace(CAPTURE, mem_stats=replace(CAPTURE.mem_stats, **stats))
    return outside_the_heap(
        diff([taken(*BEFORE), taken(*AFTER, name="b.snap", later_s=60, capture=later)])
    )


def test_a_quiet_process_has_nothing_outside_worth_a_word():
    assert grown() == []


@pytest.mark.parametrize(
    ("stats", "kind"),
    [
        ({"heap_idle": 48 * MB, "sys": 130 * MB}, "idle-heap"),
        ({"stack_sys": 41 * MB, "sys": 130 * MB}, "stacks"),
        ({"buck_hash_sys": 42 * MB, "sys": 130 * MB}, "profiler"),
        ({"heap_inuse": 104 * MB, "sys": 130 * MB}, "fragmentation"),
    ],
)
def test_the_part_that_grew_is_named(stats, kind):
    (found,) = grown(**stats)
    assert (found.kind, found.severity, found.verdict) == (kind, Severity.LOW, Cause.UNKNOWN)
    assert found.growth.bytes == 40 * MB
    assert found.advice == CATALOGUE[kind].advice


def test_memory_that_is_not_gos_is_told_by_the_operating_system():
    memory = replace(CAPTURE.memory, rss=160 * MB)
    later = replace(CAPTURE, memory=memory)
    (found,) = outside_the_heap(
        diff([taken(*BEFORE), taken(*AFTER, name="b.snap", later_s=60, capture=later)])
    )
    assert found.kind == "non-go-memory"


def test_a_part_larger_than_the_heap_is_a_remark():
    idle = {"heap_idle": 204 * MB, "sys": 290 * MB}
    capture = replace(CAPTURE, mem_stats=replace(CAPTURE.mem_stats, **idle))
    found = outside_the_heap(
        diff([taken(*BEFORE, capture=capture), taken(*AFTER, later_s=60, capture=capture)])
    )
    assert [(one.kind, one.severity) for one in found] == [("idle-heap", Severity.INFO)]


def test_nothing_outside_the_heap_claims_a_leak():
    for stats in ({"heap_idle": 900 * MB, "sys": 990 * MB}, {"stack_sys": 300 * MB}):
        assert all(one.verdict is not Cause.LEAK for one in grown(**stats))


def unseen(per_s, count=5):
    """Return captures whose exact heap grows and whose profile shows nothing of it."""
    rng = np.random.default_rng(1)
    calm = bucket(rng, "main.logIn s.go:7 < main.main main.go:9", 1024, replaced(rng, 5000, 20))
    leak = bucket(rng, "main.keep k.go:1 < main.main main.go:9", 512, leaking(rng, per_s))
    snapshots = recorded([calm, leak], capture_times(count))
    return [replace(one, heap=snapshots[0].heap) for one in snapshots]


def test_a_heap_that_grows_unseen_says_what_it_would_take_to_see():
    (found,) = heap_without_site(diff(unseen(15)))
    assert found.verdict is Cause.UNKNOWN
    assert found.growth.low_bytes <= 15 * 40 * 512 <= found.growth.high_bytes
    assert dict(found.evidence)["expected_samples"] == pytest.approx(0.6, abs=0.2)
    assert "objects of 512 B" in found.text
    assert "memprofilerate=65536" in found.text


def test_a_size_that_grows_unseen_is_said_in_a_heap_too_restless_to_tell():
    snapshots = [
        replace(
            one,
            capture=replace(
                one.capture,
                mem_stats=replace(
                    one.capture.mem_stats, heap_alloc=one.capture.mem_stats.heap_alloc + restless
                ),
            ),
        )
        for one, restless in zip(unseen(15), (0, 3 * MB, MB, 4 * MB, MB), strict=True)
    ]
    (found,) = heap_without_site(diff(snapshots))
    assert found.title.startswith("What consists of objects of 512 B grew by")
    assert found.growth.low_bytes <= 15 * 40 * 512 <= found.growth.high_bytes


def test_a_heap_that_stands_still_is_not_said_to_grow():
    assert heap_without_site(diff(unseen(0.01))) == []


def test_the_unseen_is_said_only_where_nothing_is_seen():
    rng = np.random.default_rng(1)
    leak = bucket(rng, "main.keep k.go:1 < main.main main.go:9", 4096, leaking(rng, 90))
    kinds = [one.kind for one in find(diff(recorded([leak], capture_times())))]
    assert "heap-growth" not in kinds


def test_every_kind_has_words_that_stand_alone():
    for kind, entry in CATALOGUE.items():
        assert entry.meaning.endswith("."), kind
        assert entry.advice.endswith("."), kind
