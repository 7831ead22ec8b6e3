"""Brings captures and failures into the store; while it is away, to disk, and later from there.

What waits on disk goes first: as long as a target has captures there, new ones queue up behind
them, so that the store gets them in order.  Lines of the audit are written many at a time, so that
a schedule that is behind is not held up by saying so.
"""

import asyncio
import time
from collections import deque
from enum import Enum

from memsnap.collector import logs
from memsnap.collector.metrics import Metrics
from memsnap.errors import FileError
from memsnap.snapshot import Snapshot
from memsnap.storage.database import Database
from memsnap.storage.errors import LeaseLost, SlotTaken, StoreError, StoreUnavailable
from memsnap.storage.failures import record_failures
from memsnap.storage.records import Cause, FailureRecord, Lease, SeenTarget, Slot
from memsnap.storage.snapshots import save
from memsnap.storage.spool import Dropped, Spool, Spooled
from memsnap.storage.targets import register

_SAVES = 4  # at a time: more are no faster, and leases have to be renewed between them
_AT_ONCE = 200  # lines of the audit in one transaction
_MOST_FAILURES = 20_000  # lines of the audit that wait in memory for the store


class Kept(Enum):
    """What became of a capture."""

    STORED = "stored"
    SPOOLED = "spooled"
    TAKEN = "taken"  # another collector was faster
    LOST = "lost"  # the lease has moved, or the spool has no room


class Keeper:
    """The way into the store; one per daemon."""

    def __init__(self, db: Database, spool: Spool, metrics: Metrics, *, owner: str) -> None:
        self._db = db
        self._spool = spool
        self._metrics = metrics
        self._owner = owner
        self._failures: deque[FailureRecord] = deque()
        self._numbers: dict[str, int] = {}
        self._saves = asyncio.Semaphore(_SAVES)
        self._up = True
        self._account()
        metrics.store_up.set(1)

    @property
    def up(self) -> bool:
        """Whether the store answered when it was last asked."""
        return self._up

    @property
    def waiting(self) -> int:
        """Captures and lines of the audit that wait for the store."""
        return len(self._spool) + len(self._failures)

    async def keep(
        self, seen: SeenTarget, slot: Slot, snapshot: Snapshot, lease: Lease | None
    ) -> tuple[Kept, int | None]:
        """Store a capture, or put it on disk; return what became of it, and its id if stored."""
        if self._up and not self._spool.holds(seen.key):
            began = time.monotonic()
            try:
                number = await self._save(slot, snapshot, lease)
            except SlotTaken:
                return Kept.TAKEN, None
            except LeaseLost as error:
                self.fail(slot, Cause.LEASE_LOST, error.message)
                return Kept.LOST, None
            except StoreUnavailable as error:
                self._went_away(error)
            except StoreError as error:
                logs.warning("a capture is refused", target=seen.key, reason=error.message)
                self.fail(slot, Cause.INTERNAL, error.message)
                return Kept.LOST, None
            else:
                self._metrics.save_seconds.observe(time.monotonic() - began)
                self._came_back()
                return Kept.STORED, number
        return await self._put_on_disk(seen, slot, snapshot), None

    def fail(self, slot: Slot, cause: Cause, message: str) -> None:
        """Put a line into the audit; `drain` writes it."""
        failure = FailureRecord(
            slot=slot,
            at_ns=time.time_ns(),
            cause=cause,
            message=message,
            collector=self._owner,
        )
        self._failures.append(failure)
        if len(self._failures) > _MOST_FAILURES:
            lost = self._failures.popleft()
            logs.warning("a line of the audit is lost", slot=lost.slot.at_ns, cause=lost.cause)

    async def drain(self) -> None:
        """Bring what waits into the store, oldest first, as far as the store takes it."""
        try:
            await self._flush_failures()
            if len(self._spool):
                report = await self._spool.drain(self._store_spooled)
                if report.stored:
                    logs.info("stored what waited on disk", captures=report.stored)
                for sentence in report.unreadable:
                    logs.warning("a capture on disk is set aside", reason=sentence)
        except StoreUnavailable as error:
            self._went_away(error)
        else:
            self._came_back()
        finally:
            self._account()

    async def _store_spooled(self, seen: SeenTarget, entry: Spooled, snapshot: Snapshot) -> None:
        """Store a capture from disk; nobody's lease matters for a slot that nobody has stored."""
        numbers = await register(self._db, [seen], now_ns=time.time_ns())
        slot = Slot(target_id=numbers[seen.key], at_ns=entry.slot_ns, reason=entry.reason)
        try:
            await self._save(slot, snapshot, None)
        except SlotTaken:
            return  # by another collector, or by this one before it was killed

    async def _save(self, slot: Slot, snapshot: Snapshot, lease: Lease | None) -> int:
        async with self._saves:
            now_ns = time.time_ns()
            return await save(
                self._db, slot, snapshot, lease=lease, owner=self._owner, now_ns=now_ns
            )

    async def _put_on_disk(self, seen: SeenTarget, slot: Slot, snapshot: Snapshot) -> Kept:
        try:
            dropped = await asyncio.to_thread(
                self._spool.put, seen, snapshot, slot_ns=slot.at_ns, reason=slot.reason
            )
        except FileError as error:
            self.fail(slot, Cause.SPOOL_FULL, error.message)
            return Kept.LOST
        finally:
            self._account()
        for each in dropped:
            self._audit_dropped(each)
        return Kept.LOST if any(_is(each, seen, slot) for each in dropped) else Kept.SPOOLED

    def _audit_dropped(self, dropped: Dropped) -> None:
        self._metrics.spool_dropped.inc()
        if dropped.seen is None:
            return
        number = self._numbers.get(dropped.seen.key)
        logs.warning("the spool is full: a capture is lost", target=dropped.seen.key)
        if number is not None:
            slot = Slot(target_id=number, at_ns=dropped.slot_ns, reason=dropped.reason)
            words = "the store was away for longer than the spool has room"
            self.fail(slot, Cause.SPOOL_FULL, words)

    def know(self, numbers: dict[str, int]) -> None:
        """Take over the targets' ids by key, for the audit of what the spool drops."""
        self._numbers = numbers

    async def _flush_failures(self) -> None:
        while self._failures:
            batch = [self._failures.popleft() for _ in range(min(len(self._failures), _AT_ONCE))]
            try:
                await self._write(batch)
            finally:
                # What a store that went away, or the end of this task, has left over waits on.
                self._failures.extendleft(reversed(batch))

    async def _write(self, batch: list[FailureRecord]) -> None:
        """Write lines of the audit and take them out of `batch`, those that are refused as well."""
        try:
            await record_failures(self._db, batch)
            batch.clear()
        except StoreUnavailable:
            raise
        except StoreError:  # one of them has no target any more
            while batch:
                try:
                    await record_failures(self._db, batch[:1])
                except StoreUnavailable:
                    raise
                except StoreError as error:
                    logs.warning("a line of the audit is refused", reason=error.message)
                del batch[0]

    def _went_away(self, error: StoreUnavailable) -> None:
        if self._up:
            logs.warning("the store is away; captures go to disk", reason=error.message)
        self._up = False
        self._metrics.store_up.set(0)

    def _came_back(self) -> None:
        if not self._up:
            logs.info("the store is back")
        self._up = True
        self._metrics.store_up.set(1)

    def _account(self) -> None:
        self._metrics.spooled.set(len(self._spool))
        self._metrics.spool_bytes.set(self._spool.size_bytes)


def _is(dropped: Dropped, seen: SeenTarget, slot: Slot) -> bool:
    return dropped.slot_ns == slot.at_ns and dropped.seen is not None and dropped.seen == seen
