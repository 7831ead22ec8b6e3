"""Is the heap profile as of a GC that ran during the visit?  Judged from counters alone.

Go shows a heap profile as of the last finished cycle.  `heap?gc=1` runs runtime.GC() first, but
a proxy or an own handler may drop the parameter, so the runtime's counters are asked.
"""

from memsnap.snapshot import GcProof, MemStats

# The runtime stamps LastGC at the end of marking and the profile a moment later, both with the
# target's own clock; this much is left for a clock that is being slewed.
_SLACK_NS = 1_000_000


def prove_gc(
    *,
    forced: bool,
    before: MemStats | None,
    after: MemStats | None,
    profile_time_ns: int,
    request_s: float,
) -> GcProof:
    """Return the proof from the counters `before` and `after` a heap request of `request_s`.

    With both, NumForcedGC must have risen (NumGC where the source has no such counter).  With
    the late one alone, LastGC must lie inside the request: between `profile_time_ns` less its
    duration, and `profile_time_ns`.
    """
    if not forced:
        proven, reason = False, "no GC was asked for: the profile is as of the last finished cycle"
    elif after is None:
        proven, reason = False, "a GC was asked for, but the target has no counters to confirm it"
    elif before is not None and before.num_gc is not None and after.num_gc is not None:
        proven, reason = _judge_counters(before, after)
    else:
        proven, reason = _judge_last_gc(after, profile_time_ns, request_s)
    return GcProof(
        forced=forced,
        proven=proven,
        reason=reason,
        num_gc_before=before.num_gc if before else None,
        num_gc_after=after.num_gc if after else None,
        last_gc_ns=after.last_gc_ns if after else None,
        heap_alloc_before=before.heap_alloc if before else None,
    )


def _judge_counters(before: MemStats, after: MemStats) -> tuple[bool, str]:
    first, last = before.num_gc or 0, after.num_gc or 0
    cycles = f"NumGC {first} -> {last}"
    if last < first:
        return False, f"{cycles} around the heap request: the service restarted meanwhile"
    if before.num_forced_gc is not None and after.num_forced_gc is not None:
        asked = f"NumForcedGC {before.num_forced_gc} -> {after.num_forced_gc}"
        if after.num_forced_gc > before.num_forced_gc:
            return True, f"{cycles}, {asked} around the heap request"
        return False, f"{asked} around the heap request: the target ran no GC for it"
    if last > first:
        return True, f"{cycles} around the heap request"
    return False, f"{cycles} around the heap request: the target ran no GC for it"


def _judge_last_gc(after: MemStats, profile_time_ns: int, request_s: float) -> tuple[bool, str]:
    if not after.last_gc_ns or not profile_time_ns:
        return False, "a GC was asked for, but LastGC or the time of the profile is unknown"
    age_ns = profile_time_ns - after.last_gc_ns
    if age_ns < -_SLACK_NS:
        return False, "another GC finished after the profile, so LastGC cannot speak for it"
    if age_ns > request_s * 1e9 + _SLACK_NS:
        return False, f"the last GC was {age_ns / 1e9:.1f} s before the profile: none ran for it"
    return True, f"LastGC is {max(age_ns, 0) / 1e6:.1f} ms before the profile, within the request"
