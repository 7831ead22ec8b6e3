"""Drops the snapshots that retention does not keep, and what nothing refers to without them.

Kept whatever their age are the first and the last capture of every process life and those that
a finding cites that is not resolved.  A size that is exceeded in spite of that drops the oldest
first, these last.  Rows go in short transactions; whole days of PostgreSQL are rewritten or
dropped.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Table,
    TableClause,
    and_,
    case,
    column,
    delete,
    exists,
    or_,
    select,
    table,
    tuple_,
)

from memsnap.storage import locks, partitions, reserve
from memsnap.storage.database import Database
from memsnap.storage.errors import StoreUnavailable
from memsnap.storage.idlists import among, not_newest
from memsnap.storage.partitions import DAY_NS, Part
from memsnap.storage.retention import HOUR_NS, Limits, Longs, Policy, limits, surplus
from memsnap.storage.tables import (
    builds,
    citations,
    dictionaries,
    failures,
    findings,
    processes,
    snapshots,
)
from memsnap.storage.usage import ROW_BYTES, db_size, empty_log, shrink

_PAGE = 20_000  # rows looked at in one query
_FIRST_BATCH = 50  # rows deleted in one transaction, to begin with
_MOST_BATCH = 1_000
_BATCH_S = 0.05  # how long a transaction may keep other writers waiting
_REWRITE_SHARE = 0.1  # of a day's rows: fewer are deleted one by one
_ROOM = 0.95  # of the size allowed, down to which the oldest go
_GRACE_NS = DAY_NS  # for what nothing refers to: it may be about to be referred to
_PROTECTIONS = ("none", "end of a life", "cited")  # what rows are kept for, the least first


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneReport:
    """What a pruning has dropped, in rows, and what it has come to.

    `by_age` follow the policy.  `by_size` had to go before their time because the store was
    larger than allowed; `protected` of them are ends of lives or cited by findings.
    `dropped_until_ns` is the slot of the youngest of them.  `over_budget` says that the store is
    still too large, with nothing left to drop.
    `postponed` names partitions that somebody else was using.
    """

    by_age: int = 0
    by_size: int = 0
    protected: int = 0
    dropped_until_ns: int | None = None
    failures: int = 0
    processes: int = 0
    builds: int = 0
    used_bytes: int = 0
    over_budget: bool = False
    postponed: tuple[str, ...] = ()


async def prune(db: Database, policy: Policy, now_ns: int) -> PruneReport:
    """Drop what `policy` does not keep; writers wait for milliseconds at a time.

    A full disk under SQLite is freed with the help of `reserve`.  Raises StoreUnavailable where
    the store goes away meanwhile; what was dropped until then is dropped, and the next pruning
    goes on.
    """
    if db.dialect == "postgresql":
        return await _prune(db, policy, now_ns)
    try:
        report = await _prune(db, policy, now_ns)
    except StoreUnavailable:
        if not reserve.give_up(db.name):
            raise
        await empty_log(db)
        report = await _prune(db, policy, now_ns)
    if reserve.is_short(db.name):
        await shrink(db, 0)
        await empty_log(db)
    reserve.make(db.name)
    return report


async def _prune(db: Database, policy: Policy, now_ns: int) -> PruneReport:
    report = PruneReport()
    grain = DAY_NS if db.dialect == "postgresql" else HOUR_NS
    moments = limits(policy, now_ns, grain_ns=grain)
    for part in await partitions.parts(db):
        if part.bounds_ns and part.bounds_ns[0] >= moments.hourly_before_ns:
            continue
        try:
            dropped = await _thin(db, part, moments, now_ns)
            report = replace(report, by_age=report.by_age + dropped)
        except StoreUnavailable:
            if part.bounds_ns is None:
                raise
            report = replace(report, postponed=(*report.postponed, part.name))
    if policy.max_bytes is not None:
        # What another is rewriting counts twice meanwhile: two would drop far too much.
        async with locks.alone(db, locks.PRUNING):
            report = await _fit(db, policy.max_bytes, now_ns, report)
    report = await _sweep(db, policy, now_ns, report)
    return replace(report, used_bytes=(await db_size(db)).used_bytes)


async def _thin(db: Database, part: Part, moments: Limits, now_ns: int) -> int:
    """Drop of one table what is too old for it; return the rows."""
    drop: list[Longs] = []
    keep: list[Longs] = []
    after: tuple[int, int] | None = None
    async for rows in _pages(db, part, moments.hourly_before_ns):
        target, slot = _longs(rows, "target_id"), _longs(rows, "slot_ns")
        protected = _longs(rows, "protection") > 0
        gone = surplus(target, slot, protected, limits=moments, after=after)
        ids = _longs(rows, "id")
        drop.append(ids[gone])
        keep.append(ids[~gone])
        after = (int(target[-1]), int(slot[-1]))
    if not drop:
        return 0
    doomed, kept = np.concatenate(drop).tolist(), np.concatenate(keep).tolist()
    seen = len(doomed) + len(kept)
    whole = part.bounds_ns is not None and part.bounds_ns[1] <= moments.hourly_before_ns
    if whole and part.closed(now_ns) and len(doomed) > _REWRITE_SHARE * seen:
        await partitions.rewrite(db, part, kept, rows=seen)
    else:
        await _delete(db, part, doomed)
    return len(doomed)


async def _fit(db: Database, max_bytes: int, now_ns: int, report: PruneReport) -> PruneReport:
    """Drop the oldest until the store is no larger than it may be."""
    size = await db_size(db)
    if size.used_bytes > max_bytes:
        parts = await partitions.parts(db)
        loose = [part.name for part in parts if not part.closed(now_ns)]
        size = await db_size(db, loose=loose)
        if size.used_bytes > max_bytes:
            need = _Need(db, int(max_bytes * _ROOM), loose)
            for protection, _ in enumerate(_PROTECTIONS):
                # Days may be gone by now; what is loose follows them.
                parts = await partitions.parts(db)
                for part in sorted(parts, key=lambda part: part.name in loose):
                    report = await _fit_part(need, part, protection, report)
            size = await db_size(db, loose=loose)
            report = replace(report, over_budget=size.used_bytes > max_bytes)
    if db.dialect == "sqlite" and size.disk_bytes > max_bytes:
        await shrink(db, max_bytes)
    return report


@dataclass(frozen=True, slots=True)
class _Need:
    """How many bytes are still too many."""

    db: Database
    max_bytes: int
    loose: list[str]

    async def bytes(self) -> int:
        size = await db_size(self.db, loose=self.loose)
        return size.used_bytes - self.max_bytes


async def _fit_part(need: _Need, part: Part, protection: int, report: PruneReport) -> PruneReport:
    """Drop the oldest rows with this protection of one table, as many as needed."""
    while (surplus_bytes := await need.bytes()) > 0:
        rows = await _oldest(need.db, part, protection, surplus_bytes)
        if not rows:
            break
        doomed = [row.id for row in rows]
        try:
            left = await _drop_oldest(need, part, doomed)
        except StoreUnavailable:
            if part.bounds_ns is None or part.name in need.loose:
                raise
            return replace(report, postponed=(*report.postponed, part.name))
        until = max(report.dropped_until_ns or 0, rows[-1].slot_ns)
        report = replace(
            report,
            by_size=report.by_size + len(doomed),
            protected=report.protected + (len(doomed) if protection else 0),
            dropped_until_ns=until,
        )
        if not left:
            break
    return report


async def _drop_oldest(need: _Need, part: Part, doomed: list[int]) -> bool:
    """Drop rows of one table; whether there is still that table."""
    if part.name in need.loose:
        await _delete(need.db, part, doomed)
        return True
    async with need.db.connect() as connection:
        ids = list((await connection.execute(select(_rows_of(part).c.id))).scalars())
    kept = list(set(ids).difference(doomed))
    await partitions.rewrite(need.db, part, kept, rows=len(ids))
    return bool(kept)


async def _oldest(db: Database, part: Part, protection: int, size_bytes: int) -> list[Any]:
    """Return the oldest rows of this protection that come to `size_bytes`, at most a page."""
    rows = _rows_of(part)
    async with db.connect() as connection:
        found = await connection.execute(
            select(rows.c.id, rows.c.slot_ns, rows.c.stored_bytes)
            .where(_protection(rows) == protection)
            .order_by(rows.c.slot_ns, rows.c.id)
            .limit(_PAGE)
        )
        oldest = []
        for row in found:
            oldest.append(row)
            size_bytes -= row.stored_bytes + ROW_BYTES
            if size_bytes <= 0:
                break
        return oldest


async def _pages(db: Database, part: Part, before_ns: int) -> AsyncIterator[list[Any]]:
    """Give the rows of one table before a slot, in order of target and slot, page by page."""
    rows = _rows_of(part)
    place = tuple_(rows.c.target_id, rows.c.slot_ns)
    query = (
        select(rows.c.id, rows.c.target_id, rows.c.slot_ns, _protection(rows).label("protection"))
        .where(rows.c.slot_ns < before_ns)
        .order_by(rows.c.target_id, rows.c.slot_ns)
        .limit(_PAGE)
    )
    page: list[Any] = []
    while not page or len(page) == _PAGE:
        start = [place > tuple_(page[-1].target_id, page[-1].slot_ns)] if page else []
        async with db.connect() as connection:
            page = list(await connection.execute(query.where(*start)))
        if not page:
            return
        yield page


def _rows_of(part: Part) -> TableClause:
    names = ("id", "target_id", "process_id", "slot_ns", "stored_bytes")
    return table(part.name, *(column(name, BigInteger) for name in names))


def _protection(rows: TableClause) -> ColumnElement[int]:
    """What a row is kept for: an index of _PROTECTIONS."""
    cited = (
        select(citations.c.snapshot_id)
        .join(findings, findings.c.id == citations.c.finding_id)
        .where(findings.c.state != "resolved")
    )
    end_of_life = exists().where(
        processes.c.id == rows.c.process_id,
        or_(
            processes.c.first_slot_ns == rows.c.slot_ns,
            processes.c.last_slot_ns == rows.c.slot_ns,
        ),
    )
    return case((rows.c.id.in_(cited), 2), (end_of_life, 1), else_=0)


def _longs(rows: list[Any], name: str) -> Longs:
    return np.array([getattr(row, name) for row in rows], dtype=np.int64)


async def _delete(db: Database, part: Part, ids: list[int]) -> None:
    """Delete rows in transactions that are short, however slow the disk is."""
    rows = _rows_of(part)
    batch, start = _FIRST_BATCH, 0
    while start < len(ids):
        async with db.begin() as connection:
            began = time.monotonic()
            doomed = ids[start : start + batch]
            await connection.execute(delete(rows).where(among(connection, rows.c.id, doomed)))
            # Here and now: the largest id is given again, and must not be cited by then.
            cited = among(connection, citations.c.snapshot_id, doomed)
            await connection.execute(delete(citations).where(cited))
        start += batch
        fast = time.monotonic() - began < _BATCH_S
        batch = min(batch * 2, _MOST_BATCH) if fast else max(batch // 2, 1)
        await asyncio.sleep(0)  # others of this process that wait for the writer


async def _sweep(db: Database, policy: Policy, now_ns: int, report: PruneReport) -> PruneReport:
    """Remove what nothing refers to any more, and the audit's oldest lines."""
    if report.by_age or report.by_size:
        async with db.begin() as connection:
            there = exists().where(snapshots.c.id == citations.c.snapshot_id)
            await connection.execute(delete(citations).where(~there))
    old = 0
    if policy.failures_for_s is not None:
        before = now_ns - round(policy.failures_for_s * 1e9)
        old = await _remove(db, failures, failures.c.at_ns < before)
    used = exists().where(snapshots.c.process_id == processes.c.id)
    idle = and_(
        processes.c.last_slot_ns < now_ns - _GRACE_NS, ~used, not_newest(db.dialect, processes)
    )
    ended = await _remove(db, processes, idle)
    of_use = or_(
        exists().where(processes.c.build_id == builds.c.id),
        exists().where(findings.c.since_build_id == builds.c.id),
    )
    unused = and_(
        builds.c.first_seen_ns < now_ns - _GRACE_NS, ~of_use, not_newest(db.dialect, builds)
    )
    gone = await _remove(db, builds, unused)
    return replace(report, failures=old, processes=ended, builds=gone)


async def _remove(db: Database, what: Table, condition: ColumnElement[bool]) -> int:
    """Delete the rows that a condition holds for, in batches; return how many there were.

    Rows that somebody is referring to right now are locked by them and passed over, and what
    they refer to is seen once the lock is ours: hence two statements.
    """
    count = 0
    while True:
        async with db.begin() as connection:
            locked = await connection.execute(
                select(what.c.id)
                .where(condition)
                .limit(_MOST_BATCH)
                .with_for_update(skip_locked=True, of=what)
            )
            ids = list(locked.scalars())
            if not ids:
                return count
            doomed = and_(among(connection, what.c.id, ids), condition)
            if what is builds:
                parts = select(builds.c.id).where(doomed)
                await connection.execute(
                    delete(dictionaries).where(dictionaries.c.build_id.in_(parts))
                )
            removed = (await connection.execute(delete(what).where(doomed))).rowcount
        count += removed
        if len(ids) < _MOST_BATCH or not removed:
            return count
