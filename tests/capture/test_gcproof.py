"""When counters prove that the profile is as of a GC of this very visit."""

import pytest

from memsnap.capture.gcproof import prove_gc
from memsnap.snapshot import GcProof, MemStats

SECOND = 1_000_000_000
PROFILE_NS = 1_795_385_850 * SECOND


def stats(**fields):
    return MemStats(source="expvar", **fields)


def prove(before, after, *, forced=True, request_s=0.1):
    return prove_gc(
        forced=forced,
        before=before,
        after=after,
        profile_time_ns=PROFILE_NS,
        request_s=request_s,
    )


def test_a_forced_cycle_between_two_readings_is_proof():
    before = stats(num_gc=41, num_forced_gc=2)
    after = stats(num_gc=42, num_forced_gc=3, last_gc_ns=PROFILE_NS - 5)
    assert prove(before, after) == GcProof(
        forced=True,
        proven=True,
        reason="NumGC 41 -> 42, NumForcedGC 2 -> 3 around the heap request",
        num_gc_before=41,
        num_gc_after=42,
        last_gc_ns=PROFILE_NS - 5,
    )


def test_a_natural_cycle_is_no_proof_where_forced_ones_are_counted():
    proof = prove(stats(num_gc=41, num_forced_gc=2), stats(num_gc=43, num_forced_gc=2))
    assert not proof.proven
    assert "ran no GC for it" in proof.reason


@pytest.mark.parametrize(("last", "proven"), [(42, True), (41, False)])
def test_without_a_count_of_forced_cycles_any_cycle_counts(last, proven):
    assert prove(stats(num_gc=41), stats(num_gc=last)).proven is proven


def test_a_falling_count_is_a_restart():
    proof = prove(stats(num_gc=41), stats(num_gc=1))
    assert not proof.proven
    assert "restarted" in proof.reason


@pytest.mark.parametrize(
    ("age_ns", "proven", "words"),
    [
        (3_000_000, True, "LastGC is 3.0 ms before the profile"),
        (-1_000_000, True, "LastGC is 0.0 ms before the profile"),
        (100_500_000, True, "within the request"),
        (2 * SECOND, False, "2.0 s before the profile: none ran for it"),
        (-SECOND, False, "another GC finished after the profile"),
    ],
)
def test_a_late_reading_alone_proves_by_the_time_of_the_last_gc(age_ns, proven, words):
    proof = prove(None, stats(num_gc=9, last_gc_ns=PROFILE_NS - age_ns))
    assert proof.proven is proven
    assert words in proof.reason


@pytest.mark.parametrize("last_gc_ns", [None, 0])
def test_an_unknown_last_gc_proves_nothing(last_gc_ns):
    assert not prove(None, stats(last_gc_ns=last_gc_ns)).proven


def test_no_counters_prove_nothing():
    proof = prove(None, None)
    assert proof == GcProof(forced=True, proven=False, reason=proof.reason)
    assert "no counters" in proof.reason


def test_without_a_forced_gc_nothing_is_claimed():
    proof = prove(stats(num_gc=1), stats(num_gc=2), forced=False)
    assert not proof.forced
    assert not proof.proven
    assert "no GC was asked for" in proof.reason
