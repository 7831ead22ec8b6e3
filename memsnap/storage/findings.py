"""The only SQL on findings and citations."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    RowMapping,
    and_,
    case,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from memsnap.errors import UsageError
from memsnap.storage import targets
from memsnap.storage.database import Database, insert_into
from memsnap.storage.details import text
from memsnap.storage.records import SeenTarget
from memsnap.storage.sightings import (
    FOR_EVER_NS,
    Course,
    FindingRecord,
    Judgement,
    Sighted,
    State,
    begun,
    not_seen,
    seen_again,
)
from memsnap.storage.tables import builds, citations, processes, snapshots
from memsnap.storage.tables import findings as table
from memsnap.storage.tables import targets as targets_table

_CITED = 8  # captures that a finding was first seen in, and that are kept for it
_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingFilter:
    """Which findings are meant; None or empty is no condition.

    `states` are as stored, where muted is none; `shown` are as people see them at `now_ns`.
    `function` is a part of its name.  `since_ns` and `until_ns` (exclusive) mean those that were
    there in this time.  `after` is when a finding was seen last, and its id: those that follow
    it, which makes pages.
    """

    ids: Collection[int] | None = None
    target_ids: Collection[int] | None = None
    states: tuple[State, ...] = ()
    shown: tuple[State, ...] = ()
    now_ns: int = 0
    kinds: tuple[str, ...] = ()
    severities: tuple[str, ...] = ()
    verdict: str = ""
    function: str = ""
    since_ns: int | None = None
    until_ns: int | None = None
    after: tuple[int, int] | None = None
    limit: int = 1000


async def judged(
    db: Database, judgement: Judgement, *, resolve_after: int, now_ns: int
) -> tuple[int, int]:
    """Bring the findings of a target up to what a judgement says, in one transaction.

    Returns how many are new and how many have been resolved.  `resolve_after` captures in a row
    without it resolve a finding.  Raises StoreError where there is no such target.
    """
    began, ended = 0, 0
    async with db.begin() as connection:
        await targets.lock(connection, judgement.target_id)
        build_id = await _build_of(connection, judgement.process_id)
        if build_id is None:
            return 0, 0  # retention was quicker
        own = table.c.target_id == judgement.target_id
        rows = list((await connection.execute(select(table).where(own))).mappings())
        pairs = _paired(rows, judgement.sighted)
        for row, sighted in pairs:
            began += await _see(connection, judgement, row, {**_said(sighted), "build": build_id})
        shown = {row["id"] for row, _ in pairs if row}
        for row in rows:
            if row["id"] not in shown and row["state"] != State.RESOLVED.value:
                missed = await _missed(connection, judgement.process_id, row["last_ns"])
                after = not_seen(
                    _course(row),
                    judgement,
                    missed=missed,
                    resolve_after=resolve_after,
                    now_ns=now_ns,
                )
                ended += after.is_over
                await _write(connection, row, _columns(after))
    return began, ended


async def find(db: Database, wanted: FindingFilter) -> list[FindingRecord]:
    """Return findings, those seen last first."""
    query = _RECORDS.order_by(table.c.last_ns.desc(), table.c.id.desc()).limit(wanted.limit)
    for condition in _conditions(wanted):
        query = query.where(condition)
    async with db.connect() as connection:
        return [_record(row) for row in (await connection.execute(query)).mappings()]


async def open_counts(
    db: Database, target_ids: Collection[int], *, now_ns: int
) -> dict[tuple[int, str, str, str], int]:
    """Return how many unresolved findings there are by target, state, severity and kind."""
    counts: dict[tuple[int, str, str, str], int] = {}
    own, wanted = table.c, sorted(target_ids)
    query = select(own.target_id, own.state, own.severity, own.kind, own.muted_until_ns)
    async with db.connect() as connection:
        for first in range(0, len(wanted), _AT_ONCE):
            piece = own.target_id.in_(wanted[first : first + _AT_ONCE])
            found = await connection.execute(query.where(piece, own.state != State.RESOLVED.value))
            for row in found:
                muted = row.muted_until_ns is not None and now_ns < row.muted_until_ns
                state = State.MUTED.value if muted else row.state
                key = (row.target_id, state, row.severity, row.kind)
                counts[key] = counts.get(key, 0) + 1
    return counts


async def cited(db: Database, finding_id: int) -> list[int]:
    """Return the ids of the captures that a finding rests on, in their order."""
    query = select(citations.c.snapshot_id).where(citations.c.finding_id == finding_id)
    async with db.connect() as connection:
        found = await connection.execute(query.order_by(citations.c.snapshot_id))
        return list(found.scalars())


async def mute(db: Database, finding_id: int, *, until_ns: int | None = None, by: str = "") -> None:
    """Let nobody be told of a finding until a moment, or for ever; it goes on being judged.

    Raises UsageError where there is no such finding.
    """
    until = FOR_EVER_NS if until_ns is None else until_ns
    await _change(db, finding_id, {"muted_until_ns": until, "muted_by": text(by)})


async def unmute(db: Database, finding_id: int) -> None:
    """End the mute of a finding; raises UsageError where there is no such finding."""
    await _change(db, finding_id, {"muted_until_ns": None, "muted_by": ""})


async def resolve(db: Database, finding_id: int, *, by: str, now_ns: int) -> None:
    """Say that a finding is done with: it comes back with another life of its process only.

    Raises UsageError where there is no such finding, or `by` is empty.
    """
    if not by.strip():
        raise UsageError(
            f"finding {finding_id} cannot be resolved by nobody", hint="say who resolves it"
        )
    values = {"state": State.RESOLVED.value, "resolved_ns": now_ns, "resolved_by": text(by)}
    await _change(db, finding_id, values)


async def resolve_gone(db: Database, *, retired_before_ns: int, now_ns: int) -> int:
    """Resolve the findings of targets that were retired before a moment; return how many."""
    gone = select(targets_table.c.id).where(targets_table.c.retired_ns < retired_before_ns)
    condition = (table.c.state != State.RESOLVED.value, table.c.target_id.in_(gone))
    async with db.connect() as connection:
        if (
            await connection.execute(select(table.c.id).where(*condition).limit(1))
        ).first() is None:
            return 0
    async with db.begin() as connection:
        values = {"state": State.RESOLVED.value, "resolved_ns": now_ns}
        return (await connection.execute(update(table).where(*condition).values(values))).rowcount


async def forget(db: Database, *, resolved_before_ns: int, now_ns: int) -> int:
    """Delete findings that were resolved before a moment and are not muted; return how many."""
    old = (
        table.c.resolved_ns < resolved_before_ns,
        table.c.state == State.RESOLVED.value,
        or_(table.c.muted_until_ns.is_(None), table.c.muted_until_ns <= now_ns),
    )
    if not await _any(db, old):
        return 0
    async with db.begin() as connection:
        return (await connection.execute(delete(table).where(*old))).rowcount


async def _any(db: Database, conditions: Iterable[ColumnElement[bool]]) -> bool:
    """Whether there are such findings, asked without keeping writers waiting."""
    async with db.connect() as connection:
        query = select(table.c.id).where(*conditions).limit(1)
        return (await connection.execute(query)).first() is not None


def _paired(
    rows: Sequence[RowMapping], sighted: Iterable[Sighted]
) -> list[tuple[RowMapping | None, Sighted]]:
    """Return what was seen with the row of each that is the same finding, None for new ones.

    The types of objects are not always known, and a kind may change with more evidence: what is
    open at a function is taken for the same before another is begun there.
    """
    sighted = tuple(sighted)
    fingerprints = {one.fingerprint for one in sighted}
    exact = {row["fingerprint"]: row for row in rows}
    loose = [
        row
        for row in rows
        if row["function"]
        and row["state"] != State.RESOLVED.value
        and row["fingerprint"] not in fingerprints
    ]
    pairs: list[tuple[RowMapping | None, Sighted]] = []
    for one in sighted:
        row = exact.get(one.fingerprint)
        if row is None or row["state"] == State.RESOLVED.value:
            near = next((each for each in loose if each["function"] == one.function), None)
            if near is not None:
                loose.remove(near)
                row = near
        pairs.append((row, one))
    return pairs


async def _build_of(connection: AsyncConnection, process_id: int) -> int | None:
    query = select(processes.c.build_id).where(processes.c.id == process_id)
    found: int | None = (await connection.execute(query)).scalar_one_or_none()
    return found


async def _missed(connection: AsyncConnection, process_id: int, since_ns: int) -> int:
    query = select(func.count()).select_from(snapshots)
    own = (snapshots.c.process_id == process_id, snapshots.c.slot_ns > since_ns)
    return int((await connection.execute(query.where(*own))).scalar_one())


async def _see(
    connection: AsyncConnection, judgement: Judgement, row: RowMapping | None, said: dict[str, Any]
) -> bool:
    """Write what was seen of a finding, and its citations; return whether it begins with that."""
    before = _course(row) if row else None
    after = begun(judgement) if before is None else seen_again(before, judgement)
    if after.is_over:
        return False
    fresh = before is None or before.is_over
    build_id = said.pop("build")
    values = {**said, **_columns(after)}
    if fresh:
        values["since_build_id"] = build_id
    if row is None:
        values |= {"target_id": judgement.target_id, "muted_by": ""}
    number = await _write(connection, row, values)
    await _cite(connection, number, judgement.snapshot_ids, fresh=fresh)
    return fresh


async def _write(
    connection: AsyncConnection, row: RowMapping | None, values: dict[str, Any]
) -> int:
    """Write a row, of which the fingerprint stays what it was, and return its id."""
    if row is not None:
        values = {name: value for name, value in values.items() if name != "fingerprint"}
        await connection.execute(update(table).where(table.c.id == row["id"]).values(values))
        number: int = row["id"]
        return number
    added = await connection.execute(insert(table).values(values).returning(table.c.id))
    return int(added.scalar_one())


async def _cite(
    connection: AsyncConnection, number: int, snapshot_ids: Sequence[int], *, fresh: bool
) -> None:
    """Cite the captures of a window: many when the finding begins, then its first and last."""
    own = citations.c.finding_id == number
    if fresh:
        await connection.execute(delete(citations).where(own))
        count = min(_CITED, len(snapshot_ids))
        last = len(snapshot_ids) - 1
        chosen = {snapshot_ids[round(at * last / max(count - 1, 1))] for at in range(count)}
    else:
        await connection.execute(delete(citations).where(own, citations.c.latest))
        chosen = {snapshot_ids[0], snapshot_ids[-1]}
    rows = [
        {"finding_id": number, "snapshot_id": each, "latest": not fresh} for each in sorted(chosen)
    ]
    await connection.execute(insert_into(connection, citations).on_conflict_do_nothing(), rows)


async def _change(db: Database, finding_id: int, values: dict[str, Any]) -> None:
    async with db.begin() as connection:
        done = await connection.execute(
            update(table).where(table.c.id == finding_id).values(values)
        )
    if done.rowcount == 0:
        raise UsageError(
            f"the store {db.name} has no finding {finding_id}",
            hint="memsnap findings list shows those that it has",
        )


def _conditions(wanted: FindingFilter) -> list[ColumnElement[bool]]:
    own = table.c
    conditions: list[ColumnElement[bool]] = []
    if wanted.ids is not None:
        conditions.append(own.id.in_(sorted(wanted.ids)))
    if wanted.target_ids is not None:
        conditions.append(own.target_id.in_(sorted(wanted.target_ids)))
    if wanted.states:
        conditions.append(own.state.in_([state.value for state in wanted.states]))
    if wanted.shown:
        conditions.append(_shown(wanted.now_ns).in_([state.value for state in wanted.shown]))
    if wanted.kinds:
        conditions.append(own.kind.in_(wanted.kinds))
    if wanted.severities:
        conditions.append(own.severity.in_(wanted.severities))
    if wanted.verdict:
        conditions.append(own.verdict == wanted.verdict)
    if wanted.function:
        conditions.append(own.function.contains(wanted.function, autoescape=True))
    return conditions + _times(wanted)


def _times(wanted: FindingFilter) -> list[ColumnElement[bool]]:
    own = table.c
    conditions: list[ColumnElement[bool]] = []
    if wanted.since_ns is not None:
        conditions.append(own.last_ns >= wanted.since_ns)
    if wanted.until_ns is not None:
        conditions.append(own.since_ns < wanted.until_ns)
    if wanted.after is not None:
        last_ns, number = wanted.after
        conditions.append(or_(own.last_ns < last_ns, and_(own.last_ns == last_ns, own.id < number)))
    return conditions


def _shown(now_ns: int) -> ColumnElement[str]:
    """Return the state as people see it, as `FindingRecord.state` says."""
    muted = and_(table.c.muted_until_ns > now_ns, table.c.state != State.RESOLVED.value)
    return case((muted, State.MUTED.value), else_=table.c.state)


_COURSE = (
    *("state", "first_ns", "since_ns", "last_ns", "process_id", "captures", "missed"),
    *("resolved_ns", "resolved_by"),
)
_RECORDS = (
    select(
        table,
        *(targets_table.c.key, targets_table.c.address, targets_table.c.service),
        *(targets_table.c.source, targets_table.c.labels),
        *(builds.c.vcs_revision, builds.c.module_version, builds.c.build_id.label("gnu_build_id")),
    )
    .join(targets_table, targets_table.c.id == table.c.target_id)
    .join(builds, builds.c.id == table.c.since_build_id)
)


def _course(row: RowMapping) -> Course:
    values = {name: row[name] for name in _COURSE}
    return Course(**{**values, "state": State(row["state"])})


def _columns(course: Course) -> dict[str, Any]:
    return {**{name: getattr(course, name) for name in _COURSE}, "state": course.state.value}


def _said(sighted: Sighted) -> dict[str, Any]:
    return {
        "fingerprint": text(sighted.fingerprint),
        "kind": sighted.kind,
        "verdict": sighted.verdict,
        "severity": sighted.severity,
        "confidence": sighted.confidence,
        "function": text(sighted.function),
        "document": text(sighted.document),
    }


def _record(row: RowMapping) -> FindingRecord:
    version = row["module_version"] if row["module_version"] != "(devel)" else ""
    labels = msgspec.json.decode(row["labels"], type=dict[str, str])
    return FindingRecord(
        id=row["id"],
        target_id=row["target_id"],
        seen=SeenTarget(
            key=row["key"],
            address=row["address"],
            service=row["service"],
            source=row["source"],
            labels=tuple(labels.items()),
        ),
        fingerprint=row["fingerprint"],
        kind=row["kind"],
        verdict=row["verdict"],
        severity=row["severity"],
        confidence=row["confidence"],
        function=row["function"],
        course=_course(row),
        since_build=row["vcs_revision"] or version or row["gnu_build_id"],
        muted_until_ns=row["muted_until_ns"],
        muted_by=row["muted_by"],
        document=msgspec.json.decode(row["document"]),
    )
