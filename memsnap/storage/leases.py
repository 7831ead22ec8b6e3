"""Who visits which target: any number of collectors share the targets of one store.

A lease is a row per target with an owner, an end and a number, the epoch, that rises with every
change of owner: what an older epoch brings is refused (`holds`, inside the transaction of a
save).  A collector with fewer targets than another asks for some of its (`ask`), and their owner
lets go of these when it renews.  So targets move only where somebody takes them: nothing is
given up that no other collector can reach.  `fleet.tend` puts the steps together.

Times are those of the database: PostgreSQL's own clock, on SQLite the `now_ns` of the caller.
`owner` is the name of one life of one process, such as `host-7f3a9c`, and `lease_s` how long a
row is good without being renewed.
"""

import heapq
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Update,
    cast,
    delete,
    exists,
    extract,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from memsnap.storage.database import Database, insert_into
from memsnap.storage.idlists import among as one_of
from memsnap.storage.records import Lease
from memsnap.storage.tables import collectors, leases, targets

_BATCH = 2_000  # rows that one transaction locks
_FORGOTTEN_NS = 86_400 * 10**9  # collectors that were silent for longer leave the list
_ASKING = 0x6D656D73_6C656173  # key of the advisory lock under which collectors ask, one by one


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """What is left after a renewal: the leases still held, and what was given to who asked."""

    leases: tuple[Lease, ...]
    handed_over: frozenset[int]  # ids of targets


@dataclass(frozen=True, slots=True, kw_only=True)
class Collector:
    """A collector as the store sees it; `live` while its heartbeat is younger than a lease."""

    name: str
    started_ns: int
    heartbeat_ns: int
    live: bool
    leases: int


async def heartbeat(db: Database, name: str, *, now_ns: int) -> None:
    """Say that collector `name` lives; the first time makes it known to the others."""
    async with db.begin() as connection:
        now = await _clock(connection, now_ns)
        row = insert_into(connection, collectors).values(
            name=name, started_ns=now, heartbeat_ns=now
        )
        await connection.execute(
            row.on_conflict_do_update(index_elements=["name"], set_={"heartbeat_ns": now})
        )
        silent = select(collectors.c.name).where(collectors.c.heartbeat_ns < now - _FORGOTTEN_NS)
        await connection.execute(
            delete(collectors).where(
                collectors.c.name.in_(silent.with_for_update(skip_locked=True))
            )
        )


async def claim(
    db: Database,
    owner: str,
    *,
    want: int | None,
    lease_s: float,
    now_ns: int,
    among: Collection[int] | None = None,
    idle_s: float = 0.0,
) -> list[Lease]:
    """Take up to `want` free targets (None: all) out of `among` (None: any), longest free first.

    A target is free if nobody ever had it, its owner let go of it or its lease has run out, and
    reserved for half a lease time if its owner let go of it for another collector.  With
    `idle_s`, only those that were free for that long, and those reserved for `owner`.
    """
    taken: list[Lease] = []
    while want is None or len(taken) < want:
        most = _BATCH if want is None else min(_BATCH, want - len(taken))
        async with db.begin() as connection:
            now = await _clock(connection, now_ns)
            if not taken:
                await _add_missing(connection, now)
            free = _free(owner, now, lease_ns=_ns(lease_s), idle_ns=_ns(idle_s))
            if among is not None:
                free.append(one_of(connection, leases.c.target_id, among))
            rows = await connection.execute(
                select(leases.c.target_id)
                .join(targets, targets.c.id == leases.c.target_id)
                .where(targets.c.retired_ns.is_(None), *free)
                .order_by(leases.c.expires_ns, leases.c.target_id)
                .limit(most)
                .with_for_update(of=leases, skip_locked=True)
            )
            batch = await _take(connection, owner, list(rows.scalars()), now + _ns(lease_s))
        taken += batch
        if len(batch) < most:
            break
    return taken


async def is_any_free(
    db: Database,
    owner: str,
    *,
    lease_s: float,
    now_ns: int,
    among: Collection[int] | None = None,
) -> bool:
    """Whether `claim` would find a target, if its share allowed; locks and writes nothing."""
    async with db.connect() as connection:
        now = await _clock(connection, now_ns)
        free = _free(owner, now, lease_ns=_ns(lease_s), idle_ns=0)
        if among is not None:
            free.append(one_of(connection, leases.c.target_id, among))
        found = await connection.execute(
            select(leases.c.target_id)
            .join(targets, targets.c.id == leases.c.target_id)
            .where(targets.c.retired_ns.is_(None), *free)
            .limit(1)
        )
        return found.first() is not None


async def renew(
    db: Database,
    owner: str,
    held: Iterable[Lease],
    *,
    lease_s: float,
    now_ns: int,
    busy: Collection[int] = (),
) -> Renewal:
    """Prolong what `owner` still holds of `held`, and let go of what live collectors asked for.

    Targets in `busy` are being visited and are handed over another time.  Leases that another
    collector has taken, and those of retired targets, are not in the answer.  Rows of `owner`
    that are not in `held` (a claim whose answer got lost) run out by themselves.
    """
    numbers = {lease.target_id: lease.epoch for lease in held}
    async with db.begin() as connection:
        now = await _clock(connection, now_ns)
        live = await _live(connection, now, _ns(lease_s))
        rows = await connection.execute(
            select(leases.c.target_id, leases.c.epoch, leases.c.wanted_by, targets.c.retired_ns)
            .join(targets, targets.c.id == leases.c.target_id)
            .where(leases.c.owner == owner)
            .order_by(leases.c.target_id)
            .with_for_update(of=leases)
        )
        mine = [row for row in rows if numbers.get(row.target_id) == row.epoch]
        retired = [row.target_id for row in mine if row.retired_ns is not None]
        active = [row for row in mine if row.retired_ns is None]
        asked = {row.target_id for row in active if row.wanted_by in live}
        handed_over = asked.difference(busy)
        kept = [row for row in active if row.target_id not in handed_over]
        end = now + _ns(lease_s)
        await _set(connection, [row.target_id for row in kept], update(leases), expires_ns=end)
        unasked = [row.target_id for row in kept if row.wanted_by and row.target_id not in asked]
        await _set(connection, unasked, update(leases), wanted_by=None)
        gone = [*handed_over, *retired]
        await _set(connection, gone, update(leases), owner=None, expires_ns=now)
    return Renewal(
        leases=tuple(
            Lease(target_id=row.target_id, epoch=row.epoch, expires_ns=end) for row in kept
        ),
        handed_over=frozenset(handed_over),
    )


async def ask(
    db: Database,
    owner: str,
    *,
    lease_s: float,
    now_ns: int,
    among: Collection[int] | None = None,
) -> int:
    """Ask the live collectors with the most targets for some, until they have as many as `owner`.

    What is asked for counts as the asker's already, so that it settles.  Returns how many
    targets were asked for.  Their owners let go of them when they renew; `claim` takes them.
    """
    async with db.begin() as connection:
        if connection.dialect.name == "postgresql":
            await connection.execute(select(func.pg_advisory_xact_lock(_ASKING)))
        now = await _clock(connection, now_ns)
        holder = func.coalesce(leases.c.wanted_by, leases.c.owner)
        held = (leases.c.owner.is_not(None), leases.c.expires_ns > now)
        rows = await connection.execute(select(holder, func.count()).where(*held).group_by(holder))
        counts = {str(name): int(count) for name, count in rows}
        live = await _live(connection, now, _ns(lease_s))
        own = counts.get(owner, 0)
        others = {name: counts[name] for name in live if name != owner and name in counts}
        shares = _leveled(own, others)
        if not shares:
            return 0
        theirs = [*held, leases.c.owner != owner, holder.in_(list(shares))]
        if among is not None:
            theirs.append(one_of(connection, leases.c.target_id, among))
        rows = await connection.execute(
            select(leases.c.target_id, holder)
            .where(*theirs)
            .order_by(leases.c.target_id)
            .with_for_update(skip_locked=True)
        )
        chosen = []
        for target_id, name in rows:
            if shares[name]:
                shares[name] -= 1
                chosen.append(target_id)
        await _set(connection, chosen, update(leases), wanted_by=owner)
    return len(chosen)


async def release(db: Database, owner: str, held: Iterable[Lease], *, now_ns: int) -> None:
    """Let go of leases; those that `owner` does not hold any more are left alone."""
    numbers = {lease.target_id: lease.epoch for lease in held}
    async with db.begin() as connection:
        now = await _clock(connection, now_ns)
        rows = await connection.execute(
            select(leases.c.target_id, leases.c.epoch)
            .where(leases.c.owner == owner)
            .order_by(leases.c.target_id)
            .with_for_update()
        )
        mine = [row.target_id for row in rows if numbers.get(row.target_id) == row.epoch]
        await _set(connection, mine, update(leases), owner=None, expires_ns=now)


async def leave(db: Database, name: str, *, now_ns: int) -> None:
    """End collector `name` in order: its targets are free at once, and it counts no more."""
    async with db.begin() as connection:
        now = await _clock(connection, now_ns)
        rows = await connection.execute(
            select(leases.c.target_id)
            .where(leases.c.owner == name)
            .order_by(leases.c.target_id)
            .with_for_update()
        )
        await _set(connection, list(rows.scalars()), update(leases), owner=None, expires_ns=now)
        await connection.execute(delete(collectors).where(collectors.c.name == name))


async def fair_share(db: Database, *, lease_s: float, now_ns: int) -> int:
    """Return how many targets are one live collector's share, rounded up."""
    async with db.connect() as connection:
        now = await _clock(connection, now_ns)
        live = len(await _live(connection, now, _ns(lease_s)))
        active = await connection.scalar(
            select(func.count()).select_from(targets).where(targets.c.retired_ns.is_(None))
        )
    return -(-int(active or 0) // max(live, 1))


async def fleet(db: Database, *, lease_s: float, now_ns: int) -> list[Collector]:
    """Return the collectors of the store by name, the dead of the last day included."""
    count = (
        select(leases.c.owner, func.count().label("leases"))
        .where(leases.c.owner.is_not(None))
        .group_by(leases.c.owner)
        .subquery()
    )
    async with db.connect() as connection:
        now = await _clock(connection, now_ns)
        rows = await connection.execute(
            select(collectors, func.coalesce(count.c.leases, 0).label("leases"))
            .outerjoin(count, count.c.owner == collectors.c.name)
            .order_by(collectors.c.name)
        )
        return [
            Collector(
                name=row.name,
                started_ns=row.started_ns,
                heartbeat_ns=row.heartbeat_ns,
                live=row.heartbeat_ns > now - _ns(lease_s),
                leases=row.leases,
            )
            for row in rows
        ]


async def holds(connection: AsyncConnection, lease: Lease, owner: str) -> bool:
    """Whether `owner` still has this very lease; it cannot move before the transaction ends.

    A lease that ran out and that nobody took is still held: there is nobody to be in the way of.
    """
    row = await connection.scalar(
        select(leases.c.target_id)
        .where(
            leases.c.target_id == lease.target_id,
            leases.c.epoch == lease.epoch,
            leases.c.owner == owner,
        )
        .with_for_update(read=True)
    )
    return row is not None


def _free(owner: str, now: int, *, lease_ns: int, idle_ns: int) -> list[ColumnElement[bool]]:
    # A heartbeat from the future: the clock was set back, and its sender has not been seen since.
    ahead = exists().where(
        collectors.c.name == leases.c.owner, collectors.c.heartbeat_ns > now + lease_ns
    )
    wanted_by = leases.c.wanted_by
    conditions: list[ColumnElement[bool]] = [
        or_(leases.c.owner.is_(None), leases.c.expires_ns <= now, ahead),
        or_(wanted_by.is_(None), wanted_by == owner, leases.c.expires_ns <= now - lease_ns // 2),
    ]
    if idle_ns:
        conditions.append(or_(wanted_by == owner, leases.c.expires_ns <= now - idle_ns))
    return conditions


async def _add_missing(connection: AsyncConnection, now: int) -> None:
    """Give every active target its row, free."""
    known = exists().where(leases.c.target_id == targets.c.id)
    new = select(targets.c.id, literal(0), literal(now, BigInteger)).where(
        targets.c.retired_ns.is_(None), ~known
    )
    rows = insert_into(connection, leases).from_select(["target_id", "epoch", "expires_ns"], new)
    # Without a condition SQLite would take ON CONFLICT for a join's.
    await connection.execute(rows.on_conflict_do_nothing())


async def _take(
    connection: AsyncConnection, owner: str, ids: list[int], expires_ns: int
) -> list[Lease]:
    """Make `owner` the owner of rows that this transaction has locked."""
    if not ids:
        return []
    rows = await connection.execute(
        update(leases)
        .where(one_of(connection, leases.c.target_id, ids))
        .values(owner=owner, epoch=leases.c.epoch + 1, expires_ns=expires_ns, wanted_by=None)
        .returning(leases.c.target_id, leases.c.epoch)
    )
    return [
        Lease(target_id=target_id, epoch=epoch, expires_ns=expires_ns) for target_id, epoch in rows
    ]


async def _set(
    connection: AsyncConnection, ids: list[int], statement: Update, **values: object
) -> None:
    if ids:
        await connection.execute(
            statement.where(one_of(connection, leases.c.target_id, ids)).values(**values)
        )


def _leveled(own: int, others: dict[str, int]) -> Counter[str]:
    """Return how many to take from each so that nobody has two more than the taker."""
    heap = [(-count, name) for name, count in others.items()]
    heapq.heapify(heap)
    taken: Counter[str] = Counter()
    while heap and -heap[0][0] >= own + 2:
        count, name = heap[0]
        heapq.heapreplace(heap, (count + 1, name))
        taken[name] += 1
        own += 1
    return taken


async def _live(connection: AsyncConnection, now: int, lease_ns: int) -> set[str]:
    rows = await connection.execute(
        select(collectors.c.name).where(collectors.c.heartbeat_ns > now - lease_ns)
    )
    return set(rows.scalars())


async def _clock(connection: AsyncConnection, now_ns: int) -> int:
    """Return the time by the clock that all users of this store share, ns since 1970."""
    if connection.dialect.name != "postgresql":
        return now_ns
    seconds = extract("epoch", func.clock_timestamp())
    return int((await connection.execute(select(cast(seconds * 10**9, BigInteger)))).scalar_one())


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
