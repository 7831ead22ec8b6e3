"""Services that exist on paper: every object's birth and death is known, and so is the truth.

Go's profiler is simulated object by object: each allocation of size s is sampled with probability
1 - exp(-s / rate), on its own, and a sampled object is counted until it dies (runtime/malloc.go,
profilealloc; runtime/mprof.go).  A service starts at time 0; captures are at times 1, 2, ...
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from builders.profiles import Row, heap

from memsnap.pprof.profile import Profile

RATE = 512 * 1024
FOREVER = np.inf
Rng = np.random.Generator
Lives = tuple[np.ndarray, np.ndarray]
"""Times of birth and of death of every object of one size at one site."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Bucket:
    """All objects of one size that one stack allocates; `sampled` flags those the profiler sees."""

    stack: str
    size: int
    born: np.ndarray
    died: np.ndarray
    sampled: np.ndarray

    @property
    def function(self) -> str:
        """The allocating function."""
        return self.stack.partition(" ")[0]

    def live(self, at: float) -> np.ndarray:
        """Return which objects are live at a time."""
        return (self.born <= at) & (self.died > at)

    def row(self, at: float) -> Row:
        """Return what the profiler has counted by then."""
        allocated = int(np.sum(self.sampled & (self.born <= at)))
        return Row(self.stack, self.size, allocated, int(np.sum(self.sampled & self.live(at))))

    def growth(self, last: float = 2) -> int:
        """Return the true growth in objects since time 1."""
        return int(self.live(last).sum()) - int(self.live(1).sum())

    def survivors(self, last: float = 2) -> np.ndarray:
        """Return which objects are live at time 1 and still at `last`."""
        return self.live(1) & self.live(last)


def bucket(rng: Rng, stack: str, size: int, lives: Lives, *, rate: int = RATE) -> Bucket:
    """Return the bucket of these lives, sampled by chance."""
    born, died = lives
    probability = 1.0 if rate <= 1 else -math.expm1(-size / rate)
    sampled = rng.random(len(born)) < probability
    return Bucket(stack=stack, size=size, born=born, died=died, sampled=sampled)


def profile(buckets: Sequence[Bucket], at: float, *, rate: int = RATE) -> Profile:
    """Return the heap profile at a time; like Go's, it has only buckets with a sample."""
    rows = [one.row(at) for one in buckets]
    return heap(*(row for row in rows if row.alloc), rate=rate)


def leak(rng: Rng, count: int) -> Lives:
    """Nothing ever dies."""
    return rng.uniform(0, 2, count), np.full(count, FOREVER)


def constant(rng: Rng, count: int) -> Lives:
    """Allocated at the start, and kept."""
    return rng.uniform(0, 0.5, count), np.full(count, FOREVER)


def ring(rng: Rng, count: int, *, turns: float = 2.0) -> Lives:
    """A full ring of `count` slots, each replaced `turns` times between two captures."""
    replaced = math.ceil(count * turns * 2)
    born = np.concatenate([np.zeros(count), np.sort(rng.uniform(0.01, 3, replaced))])
    return born, np.concatenate([born[count:], np.full(count, FOREVER)])


def cache(rng: Rng, count: int) -> Lives:
    """Fills fast, then slower, and forgets some."""
    born = 3 * rng.beta(1, 4, count)
    return born, born + rng.exponential(6, count)


def steady_cache(rng: Rng, count: int) -> Lives:
    """A full cache that replaces an entry at random now and then; its size never changes."""
    born = np.concatenate([np.zeros(count), rng.uniform(0.01, 2.9, count)])
    slot = np.concatenate([np.arange(count), rng.integers(0, count, count)])
    order = np.lexsort((born, slot))
    replaced = slot[order][1:] == slot[order][:-1]
    died = np.full(2 * count, FOREVER)
    died[order[:-1][replaced]] = born[order[1:][replaced]]
    return born, died


def churn(rng: Rng, count: int) -> Lives:
    """Dies young."""
    born = rng.uniform(0, 3, 4 * count)
    return born, born + rng.exponential(0.05, 4 * count)


def queue(rng: Rng, count: int) -> Lives:
    """Follows a load that changes from one capture to the next."""
    born = np.concatenate(
        [at + rng.uniform(0, 1, rng.poisson(count * rng.uniform(0, 2))) for at in range(3)]
    )
    return born, born + rng.exponential(0.3, len(born))


def append_growth(rng: Rng, count: int) -> Iterator[tuple[int, Lives]]:
    """Yield the arrays of a slice that only grows, by size: each dies as the next one is born."""
    length, size = math.log2(count + 2), 64
    steps = np.sort(rng.uniform(0, 2, math.ceil(length)))
    for step, at in enumerate(steps):
        end = steps[step + 1] if step + 1 < len(steps) else FOREVER
        yield size << step, (np.array([at]), np.array([end]))


KINDS: tuple[Callable[[Rng, int], Lives], ...] = (leak, constant, ring, cache, churn, queue)
SIZES = (16, 24, 48, 96, 256, 1024, 4096, 8192, 32 << 10, 128 << 10, 512 << 10, 1 << 20, 4 << 20)


def service(rng: Rng, sites: int = 30, *, rate: int = RATE) -> list[Bucket]:
    """Return a service of many sites, from one object to 100,000 each, in ten functions."""
    buckets = []
    for number in range(sites):
        size = int(rng.choice(SIZES))
        most = min(1e5, (256 << 20) / size)
        count = max(1, int(np.exp(rng.uniform(0, np.log(most)))))
        stack = f"main.f{number % 10} f.go:{number} < main.main main.go:9"
        if number % 7 == 6:
            for length, lives in append_growth(rng, count):
                buckets.append(bucket(rng, stack, length, lives, rate=rate))
            continue
        kind = KINDS[int(rng.integers(len(KINDS)))]
        buckets.append(bucket(rng, stack, size, kind(rng, count), rate=rate))
    return buckets
