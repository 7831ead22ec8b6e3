"""The only SQL on targets."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import RowMapping, case, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from memsnap.analysis.names import nearest
from memsnap.errors import UsageError
from memsnap.storage.database import Database, insert_into
from memsnap.storage.details import text
from memsnap.storage.errors import Refused
from memsnap.storage.records import SeenTarget, TargetRecord
from memsnap.storage.tables import failures, snapshots
from memsnap.storage.tables import targets as table

_AT_ONCE = 1000  # rows of one statement; PostgreSQL takes 32,767 parameters
_SEEN_TO_NS = 60 * 10**9  # how exact `last_seen_ns` is kept: less to write
_SHOWN = 5


async def register(db: Database, seen: Sequence[SeenTarget], *, now_ns: int) -> dict[str, int]:
    """Add what a discovery has found, or bring it up to date, and return the ids by key.

    Targets that were retired are no longer.  Of several with one key the last counts.
    """
    # In one order everywhere, so that collectors who register the same never wait in a circle.
    rows = {text(each.key): _columns(each) for each in sorted(seen, key=lambda each: each.key)}
    ids: dict[str, int] = {}
    async with db.begin() as connection:
        for keys in _pieces(list(rows)):
            await connection.execute(_upsert(connection, [rows[key] for key in keys], now_ns))
            found = await connection.execute(
                select(table.c.key, table.c.id).where(table.c.key.in_(keys))
            )
            ids |= {row.key: row.id for row in found}
    return {each.key: ids[text(each.key)] for each in seen}


async def numbers(db: Database, seen: Sequence[SeenTarget], *, now_ns: int) -> dict[str, int]:
    """Return the ids by key of targets that were found once, and that may be gone by now.

    Those that the store does not know are added as retired: whoever finds them registers them.
    """
    rows = {text(each.key): _columns(each) for each in sorted(seen, key=lambda each: each.key)}
    async with db.connect() as connection:
        ids = await _ids(connection, list(rows))
    if missing := [row for key, row in rows.items() if key not in ids]:
        times = {"first_seen_ns": now_ns, "last_seen_ns": now_ns, "retired_ns": now_ns}
        async with db.begin() as connection:
            for row in missing:
                statement = insert_into(connection, table).values(**row, **times)
                await connection.execute(statement.on_conflict_do_nothing())
            ids |= await _ids(connection, [row["key"] for row in missing])
    return {each.key: ids[text(each.key)] for each in seen}


async def _ids(connection: AsyncConnection, keys: list[str]) -> dict[str, int]:
    ids: dict[str, int] = {}
    for piece in _pieces(keys):
        query = select(table.c.key, table.c.id).where(table.c.key.in_(piece))
        ids |= {row.key: row.id for row in await connection.execute(query)}
    return ids


async def retire(db: Database, keys: Collection[str], *, now_ns: int) -> int:
    """Retire targets that a discovery finds no more, and return how many were not yet."""
    retired = 0
    async with db.begin() as connection:
        for piece in _pieces(sorted(map(text, keys))):
            done = await connection.execute(
                update(table)
                .where(table.c.key.in_(piece), table.c.retired_ns.is_(None))
                .values(retired_ns=now_ns)
            )
            retired += done.rowcount
    return retired


async def retire_missing(db: Database, source: str, keys: Collection[str], *, now_ns: int) -> int:
    """Retire all targets of a discovery but these, and return how many were not yet."""
    own = select(table.c.key).where(table.c.source == text(source), table.c.retired_ns.is_(None))
    async with db.connect() as connection:
        active = set((await connection.execute(own)).scalars())
    return await retire(db, active - set(map(text, keys)), now_ns=now_ns)


async def targets(db: Database, *, with_retired: bool = False) -> list[TargetRecord]:
    """Return targets by service and key."""
    query = _RECORDS.order_by(table.c.service, table.c.key)
    if not with_retired:
        query = query.where(table.c.retired_ns.is_(None))
    async with db.connect() as connection:
        return [_record(row) for row in (await connection.execute(query)).mappings()]


async def find_target(db: Database, wanted: str) -> TargetRecord:
    """Return the target with this id, key, service or address.

    One that is retired only where no other is meant.  Raises UsageError where there is none, with
    the nearest names, and where there are several.
    """
    own, name = table.c, text(wanted)
    query = _RECORDS.where(or_(own.key == name, own.service == name, own.address == name))
    if name.isascii() and name.isdigit() and int(name) < 2**63:
        query = _RECORDS.where(own.id == int(name))
    async with db.connect() as connection:
        rows = (await connection.execute(query.order_by(own.id))).mappings().all()
        query = select(own.service, own.key, own.address).limit(0 if rows else _AT_ONCE)
        known = (await connection.execute(query)).all()
    found = [_record(row) for row in rows]
    exact = [each for each in found if each.seen.key == name] or found
    active = [each for each in exact if each.retired_ns is None] or exact
    if len(active) == 1:
        return active[0]
    if active:
        shown = ", ".join(f"{each.id} ({each.seen.address})" for each in active[:_SHOWN])
        more = ", ..." if len(active) > _SHOWN else ""
        raise UsageError(
            f"{len(active)} targets of the store {db.name} are called {wanted!r}",
            hint=f"give the id of one: {shown}{more}",
        )
    close = nearest(wanted, sorted({each for row in known for each in row}))
    raise UsageError(
        f"the store {db.name} has no target {wanted!r}",
        hint=f"did you mean {', '.join(close)}?" if close else "memsnap list shows its targets",
    )


async def lock(connection: AsyncConnection, target_id: int) -> None:
    """Let no other transaction write of this target until this one ends.

    Raises Refused where there is no such target.
    """
    row = select(table.c.id).where(table.c.id == target_id).with_for_update(key_share=True)
    if (await connection.execute(row)).scalar_one_or_none() is None:
        raise Refused(f"the store has no target {target_id}", hint="register it first")


def label_text(name: str, value: str) -> str:
    """Return how a label stands in the column `labels`."""
    return _json({name: value})[1:-1]


def _upsert(connection: AsyncConnection, rows: list[dict[str, Any]], now_ns: int) -> Any:
    values = [{**row, "first_seen_ns": now_ns, "last_seen_ns": now_ns} for row in rows]
    statement = insert_into(connection, table).values(values)
    new = statement.excluded
    changing = ("address", "service", "source", "labels")
    seen = table.c.last_seen_ns
    return statement.on_conflict_do_update(
        index_elements=["key"],
        set_={
            **{name: new[name] for name in changing},
            "last_seen_ns": case((seen > now_ns, seen), else_=now_ns),
            "retired_ns": None,
        },
        where=or_(
            *(table.c[name] != new[name] for name in changing),
            table.c.retired_ns.is_not(None),
            seen < now_ns - _SEEN_TO_NS,
        ),
    )


def _columns(seen: SeenTarget) -> dict[str, Any]:
    return {
        "key": text(seen.key),
        "address": text(seen.address),
        "service": text(seen.service),
        "source": text(seen.source),
        "labels": _json({text(name): text(value) for name, value in sorted(seen.labels)}),
    }


def _json(labels: dict[str, str]) -> str:
    return msgspec.json.encode(labels).decode()


def _pieces(keys: list[str]) -> Iterator[list[str]]:
    for first in range(0, len(keys), _AT_ONCE):
        yield keys[first : first + _AT_ONCE]


_LAST_SLOT = (
    select(func.max(snapshots.c.slot_ns))
    .where(snapshots.c.target_id == table.c.id)
    .correlate(table)  # also from within the query for failures, two levels up
    .scalar_subquery()
)
_RECORDS = select(
    table,
    _LAST_SLOT.label("last_slot_ns"),
    select(func.count())
    .select_from(snapshots)
    .where(snapshots.c.target_id == table.c.id)
    .scalar_subquery()
    .label("snapshots"),
    select(failures.c.message)
    .where(failures.c.target_id == table.c.id)
    .where(failures.c.slot_ns > func.coalesce(_LAST_SLOT, -(2**63) + 1))
    .order_by(failures.c.slot_ns.desc())
    .limit(1)
    .scalar_subquery()
    .label("last_failure"),
)


def _record(row: RowMapping) -> TargetRecord:
    labels = msgspec.json.decode(row["labels"], type=dict[str, str])
    return TargetRecord(
        id=row["id"],
        seen=SeenTarget(
            key=row["key"],
            address=row["address"],
            service=row["service"],
            source=row["source"],
            labels=tuple(labels.items()),
        ),
        first_seen_ns=row["first_seen_ns"],
        last_seen_ns=row["last_seen_ns"],
        retired_ns=row["retired_ns"],
        snapshots=row["snapshots"],
        last_slot_ns=row["last_slot_ns"],
        last_failure=row["last_failure"] or "",
    )
