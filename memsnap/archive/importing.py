"""Puts captures that were taken elsewhere into a store; twice is as good as once."""

from dataclasses import dataclass, field

from memsnap.errors import UsageError
from memsnap.pprof.heap import heap_samples
from memsnap.snapshot import Snapshot
from memsnap.storage import history, snapshots, targets
from memsnap.storage.database import Database
from memsnap.storage.errors import SlotTaken
from memsnap.storage.records import Labels, SeenTarget, Slot

SOURCE = "import"
"""What stands in the place of the discovery that found a target."""

_SAME_NS = 2048  # times come out of the store as 64-bit floats, 256 ns apart in this century
_AROUND_NS = 3600 * 10**9  # of when it was taken: the slot that a capture was due in


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which target imported captures belong to; without a key each service is one of its own."""

    key: str = ""
    labels: Labels = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A capture in the store; `added` is false where it was there before."""

    snapshot_id: int
    target: str
    added: bool


@dataclass(slots=True)
class Importer:
    """Imports one capture after the other; knows the targets that it has seen."""

    db: Database
    wanted: Wanted
    now_ns: int
    _ids: dict[str, int] = field(default_factory=dict)

    async def add(self, snapshot: Snapshot) -> Imported:
        """Store a capture at the moment that it was taken.

        Raises:
            FormatError: it is no heap profile.
            UsageError: it does not say when it was taken, or another one has its place.
            StoreError: the store cannot take it.
        """
        heap_samples(snapshot.heap, name=snapshot.name)
        taken_ns = snapshot.capture.taken_ns
        if taken_ns <= 0:
            raise UsageError(
                f"{snapshot.name} does not say when it was taken",
                hint="fetch it without debug=1, or take it with memsnap capture",
            )
        key, target_id = await self._target(snapshot)
        there = await self._find(target_id, taken_ns, len(snapshot.heap))
        if there is not None:
            return Imported(snapshot_id=there, target=key, added=False)
        slot = Slot(target_id=target_id, at_ns=taken_ns, reason=SOURCE)
        try:
            number = await snapshots.save(self.db, slot, snapshot, now_ns=self.now_ns)
        except SlotTaken as error:
            raise UsageError(
                f"{snapshot.name} is not imported: {key} has another capture of this very moment",
                hint="give each process a target of its own with --target KEY",
            ) from error
        return Imported(snapshot_id=number, target=key, added=True)

    async def _target(self, snapshot: Snapshot) -> tuple[str, int]:
        """Return key and id of the capture's target, which is added where there is none."""
        capture = snapshot.capture
        service = capture.service or capture.process.module.rpartition("/")[2] or "unknown"
        key = self.wanted.key or f"{SOURCE}:{service}"
        if key not in self._ids:
            known = await targets.targets(self.db, with_retired=True)
            found = next((each for each in known if each.seen.key == key), None)
            if found is not None and found.seen.source != SOURCE:
                if self.wanted.labels:
                    raise UsageError(
                        f"the labels of {key} are those that its discovery gives it",
                        hint="leave --label out, or choose another --target",
                    )
                self._ids[key] = found.id
            elif found is not None and not self.wanted.labels:
                self._ids[key] = found.id
            else:
                seen = SeenTarget(
                    key=key,
                    address=capture.target or snapshot.name,
                    service=found.seen.service if found else service,
                    source=SOURCE,
                    labels=self.wanted.labels,
                )
                self._ids |= await targets.register(self.db, [seen], now_ns=self.now_ns)
        return key, self._ids[key]

    async def _find(self, target_id: int, taken_ns: int, samples: int) -> int | None:
        """Return the id of this capture if it is in the store, be it in a slot of a schedule."""
        near = await history.stats_history(
            self.db,
            target_id,
            ("taken_ns", "samples_count"),
            since_ns=max(taken_ns - _AROUND_NS, 0),
            until_ns=taken_ns + _AROUND_NS,
        )
        times, counts = near.values["taken_ns"], near.values["samples_count"]
        same = (abs(times - taken_ns) < _SAME_NS) & (counts == samples)
        found = near.snapshot_id[same]
        return int(found[0]) if len(found) else None
