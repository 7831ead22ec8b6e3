"""Whether the live heap grew by more than a budget over a load, as captures around it tell.

The heap behind a GC is exact, but a service at rest still moves a little: several captures on
each side say how much, and the bounds on the growth take the least favourable pair.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from memsnap.errors import UsageError
from memsnap.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """Growth of the live heap over the load, in bytes, with bounds, and the budget for it."""

    bytes: int
    low_bytes: int
    high_bytes: int
    budget_bytes: int

    @property
    def exceeded(self) -> bool:
        """Whether even the lower bound is above the budget."""
        return self.low_bytes > self.budget_bytes


def spent(before: Sequence[Snapshot], after: Sequence[Snapshot], budget_bytes: int) -> Spent:
    """Return the growth between two groups of captures.

    Raises UsageError where a capture lacks the proof of its GC or the counters: a check that
    cannot be made must not pass.
    """
    old, new = [_live(one) for one in before], [_live(one) for one in after]
    return Spent(
        bytes=min(new) - min(old),
        low_bytes=min(new) - max(old),
        high_bytes=max(new) - min(old),
        budget_bytes=budget_bytes,
    )


def _live(snapshot: Snapshot) -> int:
    stats, gc = snapshot.capture.mem_stats, snapshot.capture.gc
    if stats is None or stats.heap_alloc is None:
        raise UsageError(
            f"{snapshot.name} does not tell the size of its live heap, so growth cannot be judged",
            hint="import expvar in the service: memsnap reads MemStats from /debug/vars",
        )
    if gc is None or not gc.proven:
        reason = gc.reason if gc else "it is no capture of memsnap"
        raise UsageError(
            f"{snapshot.name} is not proven to stand behind a finished GC ({reason}), so growth "
            "cannot be judged",
            hint="let memsnap force a GC: the target must answer /debug/pprof/heap?gc=1",
        )
    return stats.heap_alloc
