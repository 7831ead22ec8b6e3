"""Series of captures of services on paper: sampled profiles beside the exact counters.

The lives of all objects are known (see `simulation`); the profile samples them as Go does, and
MemStats count them exactly, by size class, as Go's runtime does.  A service starts at time 0, and
captures are `step_s` seconds apart.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from builders.profiles import Sample, build
from builders.simulation import FOREVER, Bucket, Lives, Rng, profile

from memsnap.pprof.encode import encode
from memsnap.snapshot import Capture, GcProof, MemStats, Process, SizeClass, Snapshot

START_NS = 1_795_386_000_000_000_000
CLASSES = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384)
NOW_S = 60.0  # the time of the first capture


def capture_times(count: int = 5, step_s: float = 10.0) -> list[float]:
    """Return the times of the captures, in seconds since the start of the service."""
    return [NOW_S + at * step_s for at in range(count)]


def recorded(
    buckets: Sequence[Bucket],
    times: Sequence[float],
    *,
    by_size: bool = True,
    goroutines: Sequence[dict[str, int]] | None = None,
) -> list[Snapshot]:
    """Return a snapshot of the service at each of the times, taken behind a proven GC.

    `goroutines` are stacks and how many goroutines have them, one dictionary for each capture.
    """
    snapshots = []
    for at, time in enumerate(times):
        taken = START_NS + int(time * 1e9)
        stats = _counted(buckets, time, by_size=by_size)
        running = goroutines[at] if goroutines else None
        capture = Capture(
            target="pid:4711",
            service="shop",
            taken_ns=taken,
            gc=GcProof(forced=True, proven=True, reason="cycle", num_gc_after=6 + at),
            mem_stats=replace(stats, num_gc=6 + at),
            process=Process(pid=4711, start_time_ns=START_NS, go_version="go1.27.3"),
            goroutines=sum(running.values()) if running else None,
        )
        snapshots.append(
            Snapshot(
                name=f"{at}.snap",
                heap=profile(buckets, time),
                capture=capture,
                goroutine_profile=goroutine_profile(running) if running else None,
            )
        )
    return snapshots


def goroutine_profile(stacks: dict[str, int]) -> bytes:
    """Return a goroutine profile of these stacks (leaf first) and counts."""
    samples = [Sample(stack=stack, values=(count,)) for stack, count in stacks.items()]
    return encode(build(samples, types=[("goroutine", "count")], period=1))


def _counted(buckets: Sequence[Bucket], time: float, *, by_size: bool) -> MemStats:
    """Return what the runtime counts: every object, sampled or not."""
    mallocs = dict.fromkeys(CLASSES, 0)
    frees = dict.fromkeys(CLASSES, 0)
    live = 0
    for one in buckets:
        born, held = int((one.born <= time).sum()), int(one.live(time).sum())
        live += held * one.size
        if one.size in mallocs:
            mallocs[one.size] += born
            frees[one.size] += born - held
    classes = [SizeClass(size=s, mallocs=mallocs[s], frees=frees[s]) for s in CLASSES]
    return MemStats(source="expvar", heap_alloc=live, by_size=tuple(classes) if by_size else ())


def leaking(rng: Rng, per_s: float, until_s: float = 2000.0) -> Lives:
    """Objects that come at a rate, and stay."""
    born = np.sort(rng.uniform(0, until_s, rng.poisson(per_s * until_s)))
    return born, np.full(len(born), FOREVER)


def replaced(rng: Rng, count: int, per_s: float, until_s: float = 200.0) -> Lives:
    """A full table of `count` entries, of which one at random is replaced at a rate."""
    births = np.sort(rng.uniform(0, until_s, rng.poisson(per_s * until_s)))
    born = np.concatenate([np.zeros(count), births])
    slot = np.concatenate([np.arange(count), rng.integers(0, count, len(births))])
    order = np.lexsort((born, slot))
    died = np.full(len(born), FOREVER)
    same = slot[order][1:] == slot[order][:-1]
    died[order[:-1][same]] = born[order[1:][same]]
    return born, died


def filling(rng: Rng, most: int, half_life_s: float, since_s: float = NOW_S) -> Lives:
    """A cache that fills ever more slowly, up to `most` entries."""
    born = since_s + rng.exponential(half_life_s, most)
    return np.sort(born), np.full(most, FOREVER)


def batches(per_s: float, period_s: float, until_s: float = 200.0) -> Lives:
    """Objects that pile up at a rate, and all go at the end of each period."""
    born = np.arange(0, until_s, 1 / per_s)
    return born, (np.floor(born / period_s) + 1) * period_s


def at_once(count: int, at_s: float) -> Lives:
    """Objects that all come at one moment, and stay."""
    return np.full(count, at_s), np.full(count, FOREVER)
