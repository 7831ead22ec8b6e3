"""What is due when: pure bookkeeping of slots, with the time handed in.

Every target has a grid of its own, `phase + n * interval` on the wall clock.  The phase comes from
the target's key alone, so that targets spread evenly, and every collector of a fleet, today and
after a restart, names the same slots for the same target.
"""

import hashlib
import heapq
from dataclasses import dataclass, field, replace

_SECOND_NS = 1_000_000_000
_MOST_DOUBLINGS = 16  # beyond it, only the cap of a backoff matters


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often a target is visited.

    After failures in a row, the time between visits doubles from `interval_ns` up to
    `backoff_max_ns`, always in whole intervals, so that visits stay on the grid.
    """

    interval_ns: int
    backoff_max_ns: int

    def intervals_after(self, failures: int) -> int:
        """Return how many intervals lie between the last of `failures` in a row and the next."""
        most = max(self.backoff_max_ns // self.interval_ns, 1)
        return int(min(1 << min(failures - 1, _MOST_DOUBLINGS), most)) if failures else 1


def phase_of(key: str, interval_ns: int) -> int:
    """Return where in its interval a target's slots lie, in ns: stable, and even over keys."""
    digest = hashlib.blake2b(key.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") * interval_ns >> 64


def slot_at(now_ns: int, key: str, interval_ns: int) -> int:
    """Return the last slot at or before `now_ns`."""
    phase = phase_of(key, interval_ns)
    return (now_ns - phase) // interval_ns * interval_ns + phase


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A slot whose time has come, and those before it that nobody came for."""

    key: str
    slot_ns: int
    missed_ns: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    key: str
    pace: Pace
    next_ns: int
    failures: int = 0


@dataclass(slots=True)
class Timetable:
    """The next slot of every target; not for several threads."""

    _entries: dict[str, _Entry] = field(default_factory=dict)
    _queue: list[tuple[int, str]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self._entries)

    def add(
        self,
        key: str,
        pace: Pace,
        *,
        now_ns: int,
        last_slot_ns: int | None = None,
        failures: int = 0,
        lookback_ns: int = 0,
    ) -> None:
        """Plan `key` from its current slot on, or from the next if that one is behind us.

        `last_slot_ns` is the last slot that somebody has taken care of.  Without one the target
        is new, and its current slot is due at once: a first capture should not take an interval.
        Slots after it that nobody came for are told as missed, as far as `lookback_ns` goes back.

        After `failures` in a row, slots were left out on purpose.  The backoff goes on, but the
        first visit is at the next slot: another collector may reach what the last one did not.
        """
        interval, slot = pace.interval_ns, slot_at(now_ns, key, pace.interval_ns)
        if last_slot_ns is not None:
            last = min(slot_at(last_slot_ns, key, interval), slot)
            following = last + pace.intervals_after(failures) * interval
            if following > slot:
                slot += interval
            else:
                earliest = slot_at(now_ns - lookback_ns, key, interval) + interval
                slot = min(slot, max(following, earliest))
        self._plan(_Entry(key=key, pace=pace, next_ns=slot, failures=failures))

    def remove(self, key: str) -> None:
        """Forget `key`; nothing of it becomes due any more."""
        self._entries.pop(key, None)

    def change(self, key: str, pace: Pace, *, now_ns: int) -> None:
        """Go on with another pace, as after a reload of the configuration, if `key` is planned."""
        entry = self._entries.get(key)
        if entry is not None and entry.pace != pace:
            slot = slot_at(now_ns, key, pace.interval_ns) + pace.interval_ns
            self._plan(replace(entry, pace=pace, next_ns=slot))

    def due(self, now_ns: int) -> list[Due]:
        """Return what is due, each target once, and plan what comes next.

        Where more than one slot of a target has passed, as after a pause of this process, the
        last is due and the others were missed.  Only the last 100 are told.
        """
        found = []
        while self._queue and self._queue[0][0] <= now_ns:
            next_ns, key = heapq.heappop(self._queue)
            entry = self._entries.get(key)
            if entry is None or entry.next_ns != next_ns:
                continue  # planned anew since
            interval = entry.pace.interval_ns
            slot = next_ns + (now_ns - next_ns) // interval * interval
            missed = tuple(range(next_ns, slot, interval)[-100:])
            found.append(Due(key=key, slot_ns=slot, missed_ns=missed))
            self._plan(replace(entry, next_ns=slot + interval))
        return found

    def succeeded(self, key: str) -> None:
        """End the backoff of `key`."""
        entry = self._entries.get(key)
        if entry is not None:
            self._entries[key] = replace(entry, failures=0)

    def failed(self, key: str, slot_ns: int) -> int | None:
        """Put the next visit off after a failure at `slot_ns`; return when it is.

        None if the target is not planned any more.
        """
        entry = self._entries.get(key)
        if entry is None:
            return None
        failures = entry.failures + 1
        wait = entry.pace.intervals_after(failures) * entry.pace.interval_ns
        entry = replace(entry, failures=failures, next_ns=max(entry.next_ns, slot_ns + wait))
        self._plan(entry)
        return entry.next_ns

    def clock_set_back(self, now_ns: int) -> None:
        """Plan again what lies further ahead than it ever should, after the clock was set back."""
        for key, entry in list(self._entries.items()):
            interval = entry.pace.interval_ns
            if entry.next_ns > now_ns + entry.pace.intervals_after(entry.failures) * interval:
                slot = slot_at(now_ns, key, interval) + interval
                self._plan(replace(entry, next_ns=slot))

    def next_ns(self) -> int | None:
        """Return when the next slot is due; None if there is no target.  It may be too early."""
        return self._queue[0][0] if self._queue else None

    def _plan(self, entry: _Entry) -> None:
        known = self._entries.get(entry.key)
        self._entries[entry.key] = entry
        if known is None or known.next_ns != entry.next_ns:
            heapq.heappush(self._queue, (entry.next_ns, entry.key))
        if len(self._queue) > 4 * len(self._entries) + 64:  # of outdated plans, mostly
            self._queue = [(each.next_ns, each.key) for each in self._entries.values()]
            heapq.heapify(self._queue)
