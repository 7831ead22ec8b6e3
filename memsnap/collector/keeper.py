"""Brings captures and failures into the store; while it is away, to disk, and later from there.

What waits on disk goes first: as long as a target has captures there, new ones queue up behind
them, so that the store gets them in order.  Lines of the audit are written many at a time, so that
a schedule that is behind is not held up by saying so; on disk they are at once, for a kill.

A capture that the store refuses goes no further: it is set aside, and the audit says so.  A store
that cannot be used at all, as one of another schema, is like one that is away.
"""

import asyncio
import time
from enum import Enum

from memsnap.collector import logs
from memsnap.collector.metrics import Metrics
from memsnap.errors import FileError, FormatError, MemsnapError
from memsnap.snapshot import Snapshot
from memsnap.storage.database import Database
from memsnap.storage.errors import LeaseLost, Refused, SlotTaken, StoreError
from memsnap.storage.failures import record_failures
from memsnap.storage.records import Cause, FailureRecord, Lease, SeenTarget, Slot
from memsnap.storage.snapshots import save
from memsnap.storage.spool import Dropped, SetAside, Spool, Spooled
from memsnap.storage.targets import numbers
from memsnap.storage.unwritten import MOST_CHARACTERS, Unwritten, UnwrittenLines

_SAVES = 4  # at a time: more are no faster, and leases have to be renewed between them
_AT_ONCE = 200  # lines of the audit in one transaction


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
        self._failures = UnwrittenLines(spool.folder)
        self._lost = 0  # lines of the audit, that the metrics know of
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
                self.fail(seen, slot.at_ns, Cause.LEASE_LOST, error.message)
                return Kept.LOST, None
            except (Refused, FormatError) as error:  # the latter of a damaged dictionary
                logs.warning("a capture is refused", target=seen.key, reason=error.message)
                self.fail(seen, slot.at_ns, Cause.INTERNAL, error.message)
                return Kept.LOST, None
            except StoreError as error:
                self._went_away(error)
            else:
                self._metrics.save_seconds.observe(time.monotonic() - began)
                self._came_back()
                return Kept.STORED, number
        return await self._put_on_disk(seen, slot, snapshot), None

    def fail(self, seen: SeenTarget, slot_ns: int, cause: Cause, message: str) -> None:
        """Put a line into the audit; `drain` writes it."""
        self._failures.append(
            Unwritten(
                seen=seen,
                slot_ns=slot_ns,
                at_ns=time.time_ns(),
                cause=cause,
                message=message[:MOST_CHARACTERS],
                collector=self._owner,
            )
        )
        if self._failures.lost > self._lost:
            self._metrics.audit_lost.inc(self._failures.lost - self._lost)
            if not self._lost:
                logs.warning("the audit of failures is full: its oldest lines are lost")
            self._lost = self._failures.lost

    def close(self) -> None:
        """Let go of files; what waits in them stays."""
        self._failures.close()

    async def drain(self) -> None:
        """Bring what waits into the store, oldest first, as far as the store takes it."""
        try:
            await self._flush_failures()
            if len(self._spool):
                report = await self._spool.drain(self._store_spooled, self._was_set_aside)
                if report.stored:
                    logs.info("stored what waited on disk", captures=report.stored)
        except StoreError as error:
            self._went_away(error)
        else:
            self._came_back()
        finally:
            self._account()

    async def _store_spooled(self, seen: SeenTarget, entry: Spooled, snapshot: Snapshot) -> None:
        """Store a capture from disk; nobody's lease matters for a slot that nobody has stored.

        Raises Refused where that never goes through, whatever the reason: it must not keep what
        is behind it waiting for ever.
        """
        try:
            ids = await numbers(self._db, [seen], now_ns=time.time_ns())
            slot = Slot(target_id=ids[seen.key], at_ns=entry.slot_ns, reason=entry.reason)
            await self._save(slot, snapshot, None)
        except SlotTaken:
            return  # by another collector, or by this one before it was killed
        except StoreError:
            raise
        except MemsnapError as error:
            raise Refused(error.message) from error
        except Exception as error:
            logs.LOGGER.error("storing a capture failed by a bug of memsnap", exc_info=error)
            raise Refused(f"{type(error).__name__}: {error}") from error

    def _was_set_aside(self, lost: SetAside) -> None:
        """Say of a capture on disk that it never will be stored."""
        self._metrics.spool_set_aside.labels(lost.why.value).inc()
        key = lost.seen.key if lost.seen else None
        logs.warning(
            "a capture on disk is set aside", target=key, slot=lost.slot_ns, reason=lost.message
        )
        if lost.seen:
            self.fail(lost.seen, lost.slot_ns, Cause.INTERNAL, lost.message)

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
            self.fail(seen, slot.at_ns, Cause.SPOOL_FULL, error.message)
            return Kept.LOST
        finally:
            self._account()
        for each in dropped:
            self._audit_dropped(each)
        return Kept.LOST if any(_is(each, seen, slot) for each in dropped) else Kept.SPOOLED

    def _audit_dropped(self, dropped: Dropped) -> None:
        self._metrics.spool_dropped.inc()
        if dropped.seen is not None:
            logs.warning("the spool is full: a capture is lost", target=dropped.seen.key)
            words = "the store was away for longer than the spool has room"
            self.fail(dropped.seen, dropped.slot_ns, Cause.SPOOL_FULL, words)

    async def _flush_failures(self) -> None:
        while batch := self._failures.oldest(_AT_ONCE):
            await self._write([line for _, line in batch])
            self._failures.forget(batch[-1][0])

    async def _write(self, lines: list[Unwritten]) -> None:
        """Write lines of the audit; those that are refused are told and left out."""
        try:
            await self._record(lines)
        except Refused as error:
            if len(lines) > 1:
                for line in lines:
                    await self._write([line])
                return
            key = lines[0].seen.key
            logs.warning("a line of the audit is refused", target=key, reason=error.message)

    async def _record(self, lines: list[Unwritten]) -> None:
        targets = list({line.seen.key: line.seen for line in lines}.values())
        ids = await numbers(self._db, targets, now_ns=time.time_ns())
        await record_failures(
            self._db,
            [
                FailureRecord(
                    slot=Slot(target_id=ids[line.seen.key], at_ns=line.slot_ns),
                    at_ns=line.at_ns,
                    cause=line.cause,
                    message=line.message,
                    collector=line.collector,
                )
                for line in lines
            ],
        )

    def _went_away(self, error: StoreError) -> None:
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
        self._metrics.audit_waiting.set(len(self._failures))


def _is(dropped: Dropped, seen: SeenTarget, slot: Slot) -> bool:
    return dropped.slot_ns == slot.at_ns and dropped.seen is not None and dropped.seen == seen
