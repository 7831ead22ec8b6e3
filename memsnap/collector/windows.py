"""Which captures of a target are judged together, and whether that is worth it: pure rules."""

from collections.abc import Sequence
from statistics import fmean

from memsnap.storage.records import SnapshotRecord

LEAST = 3  # captures that can tell a leak from a cache
_MOST_SAMPLES = 300_000  # of a window; 30,000 were measured to take 15 MB while they are judged


def window(records: Sequence[SnapshotRecord]) -> tuple[SnapshotRecord, ...]:
    """Return the captures to judge, the oldest first, of the newest ones, the newest first.

    They are of the last life of the process.  Where they hold very many samples, every other
    one goes until it is fewer; the first and the last stay.
    """
    if not records:
        return ()
    life = [each for each in reversed(records) if each.process_id == records[0].process_id]
    while len(life) > LEAST and sum(each.samples for each in life) > _MOST_SAMPLES:
        life = [life[0], *life[2:-1:2], life[-1]]
    return tuple(life)


def may_grow(captures: Sequence[SnapshotRecord]) -> bool:
    """Whether something a finding could be about has grown, as far as cheap numbers tell.

    Where it has, the later half of a window holds more than the earlier one on average: of live
    heap, goroutines or resident memory.  What is not known is taken to grow.
    """
    stats = [each.capture.mem_stats for each in captures]
    memory = [each.capture.memory for each in captures]
    heap = _rises([each.heap_alloc if each else None for each in stats])
    goroutines = _rises([each.capture.goroutines for each in captures])
    resident = _rises([each.rss if each else None for each in memory])
    return heap is not False or bool(goroutines) or bool(resident)


def _rises(values: Sequence[int | None]) -> bool | None:
    known = [value for value in values if value is not None]
    if len(known) < LEAST:
        return None
    half = len(known) // 2
    return fmean(known[-half:]) > fmean(known[:half])
