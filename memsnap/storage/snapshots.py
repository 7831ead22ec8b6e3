"""The only SQL on snapshots: save, load, find.

A save is one transaction, made ready outside of it: sites are looked up and blobs compressed in a
thread while others write.
"""

import asyncio
import functools
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import RowMapping, Select, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from memsnap.errors import UsageError
from memsnap.pprof.profile import Mapping as MappedFile
from memsnap.snapshot import Snapshot
from memsnap.storage import builds, columns, details, failures, leases, lives, profiles, targets
from memsnap.storage.blobs import BlobReader, BlobWriter
from memsnap.storage.builds import Build, Moved
from memsnap.storage.database import Database, insert_of
from memsnap.storage.dictionary import Known, Numbered, number
from memsnap.storage.errors import LeaseLost, SlotTaken, StoreUnavailable
from memsnap.storage.lives import Life, Sighting
from memsnap.storage.records import Lease, Slot, SnapshotFilter, SnapshotRecord
from memsnap.storage.sites import Sites, labelled_bytes
from memsnap.storage.tables import builds as builds_table
from memsnap.storage.tables import processes, snapshot_ids, snapshots
from memsnap.storage.tables import targets as targets_table

_TRIES = 8  # of writers who meet at the first capture of one process or build
_PROFILE = 1  # the version of a goroutine profile's blob


async def save(
    db: Database,
    slot: Slot,
    snapshot: Snapshot,
    *,
    lease: Lease | None = None,
    owner: str = "",
    now_ns: int,
) -> int:
    """Store a snapshot as the capture of `slot`, in one transaction, and return its id.

    With a `lease`, only while `owner` holds it.  A failure that was recorded for the slot goes.

    Raises:
        SlotTaken: the slot has a snapshot, which stays.
        LeaseLost: the target is another collector's by now.
        Refused: there is no such target, or a value is none that the store takes.
        StoreUnavailable: the store is away; the same call may go through later.
        StoreError: the store cannot be used: it is damaged, or of another schema.
    """
    capture = details.sane(snapshot.capture)
    identity = builds.identify(capture.process, snapshot.heap, slot.target_id)
    sighting = Sighting(slot=slot, capture=capture, identity=identity)
    for _ in range(_TRIES):
        place = await _find_place(db, sighting)
        prepared = await asyncio.to_thread(_prepare, snapshot, sighting, place)
        try:
            async with db.begin() as connection:
                if lease is not None and not await leases.holds(connection, lease, owner):
                    raise LeaseLost(f"target {slot.target_id} is another collector's by now")
                await targets.lock(connection, slot.target_id)
                job = _Save(snapshot=snapshot, sighting=sighting, place=place, now_ns=now_ns)
                stored, known = await job.write(connection, prepared)
        except Moved:
            db.known_builds.forget(place.digest)
            continue
        db.known_builds.put(place.digest, known)
        return stored
    raise StoreUnavailable(f"the store {db.name} is not available: too many writers at a time")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where a capture belongs, as it was found before the transaction."""

    digest: bytes
    build: Build | None
    life: Life | None
    known: Known


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prepared:
    """What goes into the transaction."""

    numbered: Numbered
    columns: dict[str, Any]
    mappings: bytes


async def _find_place(db: Database, sighting: Sighting) -> _Place:
    async with db.connect() as connection:
        life = await lives.find(connection, sighting)
        if life is not None:
            build: Build | None = life.build
        else:
            build = await builds.find(connection, sighting.identity.digest)
        digest = build.digest if build else sighting.identity.digest
        known = Known(build_id=0)
        if build is not None:
            known = await builds.known(connection, build, db.known_builds.get(digest))
    return _Place(digest=digest, build=build, life=life, known=known)


def _prepare(snapshot: Snapshot, sighting: Sighting, place: _Place) -> _Prepared:
    """Return all that computing can make ready; takes some milliseconds."""
    heap, capture, life = snapshot.heap, sighting.capture, place.life
    numbered = number(heap, place.known)
    mappings = profiles.encode_mappings(heap.mappings)
    same = life is None or life.mappings == mappings
    blobs = {
        "details": details.encode(
            capture,
            details.Header.of(heap),
            process=life.process if life else capture.process,
            mappings=None if same else heap.mappings,
        ),
        "samples": columns.encode(
            numbered.sites,
            heap.values,
            object_bytes=labelled_bytes(heap.strings, heap.labels, len(heap)),
            rate=heap.period,
            roles=columns.roles([kind.type for kind in heap.sample_types]),
        ),
        "goroutine_profile": _packed(snapshot.goroutine_profile),
        "leak_profile": _packed(snapshot.leak_profile),
    }
    values = {
        **details.columns(capture),
        **blobs,
        "stored_bytes": sum(len(blob) for blob in blobs.values() if blob),
        "samples_count": len(heap),
        "sampling_rate": heap.period,
        "target_id": sighting.slot.target_id,
        "slot_ns": sighting.slot.at_ns,
        "reason": details.text(sighting.slot.reason),
    }
    return _Prepared(numbered=numbered, columns=values, mappings=mappings)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Save:
    """The transaction of one save."""

    snapshot: Snapshot
    sighting: Sighting
    place: _Place
    now_ns: int

    async def write(self, connection: AsyncConnection, prepared: _Prepared) -> tuple[int, Known]:
        """Write all rows; return the snapshot's id, and what is known of the dictionary then.

        Raises Moved where the snapshot belongs somewhere else by now, SlotTaken.
        """
        slot = self.sighting.slot
        build, known = self.place.build, self.place.known
        if build is None:
            build = await self._add_build(connection)
            known = Known(build_id=build.id, first_seen_ns=build.first_seen_ns)
        if self.place.life is not None:
            await lives.extend(connection, self.place.life, slot)
            process_id = self.place.life.id
        else:
            process_id = await lives.begin(
                connection, self.sighting, build, mappings=prepared.mappings
            )
        if prepared.numbered.new is not None:
            known, prepared = await self._extend(connection, known, prepared)
        snapshot_id = await self._insert(connection, prepared, process_id)
        await failures.forget(connection, slot)
        return snapshot_id, known

    async def _add_build(self, connection: AsyncConnection) -> Build:
        _, facts = details.process_columns(self.sighting.capture.process)
        return await builds.add(connection, self.place.digest, facts, now_ns=self.now_ns)

    async def _extend(
        self, connection: AsyncConnection, known: Known, prepared: _Prepared
    ) -> tuple[Known, _Prepared]:
        """Add new sites to the dictionary; numbers that others took meanwhile are given anew."""
        build = await builds.lock(connection, known.build_id)
        latest = await builds.known(connection, build, known)
        if latest.parts != known.parts:
            place = replace(self.place, known=latest)
            prepared = await asyncio.to_thread(_prepare, self.snapshot, self.sighting, place)
        if prepared.numbered.new is not None:
            latest = await builds.append(connection, latest, prepared.numbered.new)
        return latest, prepared

    async def _insert(
        self, connection: AsyncConnection, prepared: _Prepared, process_id: int
    ) -> int:
        values = {**prepared.columns, "process_id": process_id, "stored_ns": self.now_ns}
        statement = _insert(connection.dialect.name)
        added = (await connection.execute(statement, values)).scalar_one_or_none()
        if added is None:
            slot = self.sighting.slot
            raise SlotTaken(f"target {slot.target_id} has a snapshot for {slot.at_ns} already")
        number: int = added
        return number


@functools.cache
def _insert(dialect: str) -> Any:
    """Return the INSERT of a snapshot; made once, since that takes as long as to run it."""
    if dialect == "postgresql":
        number: Any = snapshot_ids.next_value()
    else:
        # One writer at a time; the newest snapshot is the last that retention deletes.
        number = select(func.coalesce(func.max(snapshots.c.id), 0) + 1).scalar_subquery()
    statement = insert_of(dialect, snapshots).values(id=number)
    return statement.on_conflict_do_nothing().returning(snapshots.c.id)


async def load(db: Database, snapshot_id: int) -> Snapshot:
    """Return a snapshot as it was saved; its samples may be in another order.

    Raises UsageError where there is none with this id, FormatError where it is damaged.
    """
    found = await load_many(db, [snapshot_id])
    if not found:
        raise UsageError(
            f"the store {db.name} has no snapshot {snapshot_id}",
            hint="memsnap list shows those that it has",
        )
    return found[0]


async def load_many(db: Database, snapshot_ids: Collection[int]) -> list[Snapshot]:
    """Return snapshots by their slots; those that retention has taken meanwhile are left out.

    The dictionary of a build is read once for all of them.  Raises FormatError where one is
    damaged.
    """
    async with db.connect() as connection:
        found = await connection.execute(
            _joined(
                *(*_PLAIN, *lives.PROCESS, snapshots.c.samples, processes.c.mappings),
                *(snapshots.c.goroutine_profile, snapshots.c.leak_profile),
                builds_table.c.id.label("build"),
            )
            .where(snapshots.c.id.in_(snapshot_ids))
            .order_by(snapshots.c.slot_ns, snapshots.c.id)
        )
        rows = found.mappings().all()
        numbers = sorted({row["build"] for row in rows})
        sites = {number: await builds.whole(connection, number) for number in numbers}

    def decoded() -> list[Snapshot]:
        return [_loaded(row, sites[row["build"]]) for row in rows]

    return await asyncio.to_thread(decoded)


def _loaded(row: RowMapping, sites: Sites) -> Snapshot:
    capture, rest = details.decode(row["details"], row, details.process_of(row))
    mappings: tuple[MappedFile, ...] | None = rest.mappings
    heap = profiles.remade(
        sites,
        columns.decode(row["samples"]),
        rate=row["sampling_rate"],
        mappings=profiles.decode_mappings(row["mappings"]) if mappings is None else mappings,
        header=rest.header.fields(),
    )
    return Snapshot(
        name=f"snapshot {row['id']}",
        heap=heap,
        capture=capture,
        goroutine_profile=_unpacked(row["goroutine_profile"]),
        leak_profile=_unpacked(row["leak_profile"]),
    )


async def find(db: Database, wanted: SnapshotFilter) -> list[SnapshotRecord]:
    """Return the snapshots that a filter means, by their slots."""
    query = _joined(*_PLAIN, *lives.PROCESS)
    for condition in _conditions(db, wanted):
        query = query.where(condition)
    by = (snapshots.c.slot_ns, snapshots.c.id)
    query = query.order_by(*((each.desc() for each in by) if wanted.newest_first else by))
    async with db.connect() as connection:
        rows = (await connection.execute(query.limit(wanted.limit))).mappings().all()
    # A third of a millisecond each, which many of them would hold the event loop up for.
    return await asyncio.to_thread(lambda: [_record(row) for row in rows])


async def nearest(db: Database, target_id: int, at_ns: int) -> SnapshotRecord | None:
    """Return the snapshot of a target whose slot is nearest to a moment, None if it has none."""
    slot, query = snapshots.c.slot_ns, _joined(*_PLAIN, *lives.PROCESS)
    query = query.where(snapshots.c.target_id == target_id).limit(1)
    async with db.connect() as connection:
        before = await connection.execute(query.where(slot <= at_ns).order_by(slot.desc()))
        after = await connection.execute(query.where(slot > at_ns).order_by(slot))
        rows = [row for row in (before.mappings().first(), after.mappings().first()) if row]
    if not rows:
        return None
    return _record(min(rows, key=lambda row: abs(row["slot_ns"] - at_ns)))


_BLOBS = {"samples", "goroutine_profile", "leak_profile"}
_PLAIN = tuple(column for column in snapshots.c if column.name not in _BLOBS)


def _joined(*wanted: Any) -> Select[Any]:
    return (
        select(*wanted)
        .join(processes, processes.c.id == snapshots.c.process_id)
        .join(builds_table, builds_table.c.id == processes.c.build_id)
        .select_from(snapshots)
    )


def _conditions(db: Database, wanted: SnapshotFilter) -> list[Any]:
    own, conditions = targets_table.c, []
    if wanted.id is not None:
        conditions.append(snapshots.c.id == wanted.id)
    if wanted.after is not None:
        place, last = tuple_(snapshots.c.slot_ns, snapshots.c.id), tuple_(*wanted.after)
        conditions.append(place < last if wanted.newest_first else place > last)
    if wanted.target_id is not None:
        conditions.append(snapshots.c.target_id == wanted.target_id)
    if wanted.since_ns is not None:
        conditions.append(snapshots.c.slot_ns >= wanted.since_ns)
    if wanted.until_ns is not None:
        conditions.append(snapshots.c.slot_ns < wanted.until_ns)
    named = [own.service == wanted.service] if wanted.service else []
    # Labels are compact JSON: a quote inside of a text has a backslash, so that this is no other's.
    for label in wanted.labels:
        where = (own.labels, targets.label_text(*label))
        at = func.strpos(*where) if db.dialect == "postgresql" else func.instr(*where)
        named.append(at > 0)
    if named:
        conditions.append(snapshots.c.target_id.in_(select(own.id).where(*named)))
    return conditions


def _record(row: RowMapping) -> SnapshotRecord:
    capture, _ = details.decode(row["details"], row, details.process_of(row))
    return SnapshotRecord(
        id=row["id"],
        target_id=row["target_id"],
        process_id=row["process_id"],
        slot_ns=row["slot_ns"],
        stored_ns=row["stored_ns"],
        reason=row["reason"],
        stored_bytes=row["stored_bytes"],
        samples=row["samples_count"],
        capture=capture,
    )


def _packed(profile: bytes | None) -> bytes | None:
    if profile is None:
        return None
    writer = BlobWriter()
    writer.content(profile)
    return writer.pack(_PROFILE)


def _unpacked(blob: bytes | None) -> bytes | None:
    if blob is None:
        return None
    return BlobReader(blob, version=_PROFILE, what="a goroutine profile").content()
