"""One turn of a collector's dealings with the others: live, renew, take, ask.

Called every quarter of the lease time, with rows that are good for five eighths of it.  In between,
collectors look sixteen times in a lease time whether something is free, and then take their turn at
once: a target moves from a collector that died to one that lives within eleven sixteenths of the
lease time.  What is left of it is for the capture that is overdue then.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from memsnap.storage import leases
from memsnap.storage.database import Database
from memsnap.storage.records import Lease

TURNS = 4
"""How many turns fit into a lease time: `tend` is to be called every `lease_s / TURNS`."""

LOOKS = 4 * TURNS
"""How many looks: `is_worth_a_turn` is to be asked every `lease_s / LOOKS`."""

VALID = 5 / 8
"""The share of a lease time for which a row is good, so that a turn may fail or come late."""

_IDLE = 1.5 / TURNS  # of a lease time: by then nobody within its share has taken a free target


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """The leases held now, and the ids of targets that came and went with this turn.

    `lost` went to others while this collector was silent for too long, or their targets are
    retired; `handed_over` are for collectors that had fewer.
    """

    leases: tuple[Lease, ...]
    claimed: frozenset[int]
    handed_over: frozenset[int]
    lost: frozenset[int]


async def tend(
    db: Database,
    owner: str,
    held: Iterable[Lease],
    *,
    lease_s: float,
    now_ns: int,
    among: Collection[int] | None = None,
    busy: Collection[int] = (),
) -> Holding:
    """Say that `owner` lives, renew what it holds, take its share of what is free, ask for more.

    `among` are the targets that this collector can visit; None means all.  Those in `busy` are
    being visited and are handed over a turn later.  What nobody takes within its share goes to
    whoever can visit it.  Raises StoreError; the leases held then end at their `expires_ns`.
    """
    held = tuple(held)
    good_s = lease_s * VALID
    await leases.heartbeat(db, owner, now_ns=now_ns)
    kept = await leases.renew(db, owner, held, lease_s=good_s, now_ns=now_ns, busy=busy)
    share = await leases.fair_share(db, lease_s=good_s, now_ns=now_ns)
    want = max(0, share - len(kept.leases))
    claimed = await leases.claim(db, owner, want=want, lease_s=good_s, now_ns=now_ns, among=among)
    claimed += await leases.claim(
        db, owner, want=None, lease_s=good_s, now_ns=now_ns, among=among, idle_s=lease_s * _IDLE
    )
    await leases.ask(db, owner, lease_s=good_s, now_ns=now_ns, among=among)
    ids = frozenset(lease.target_id for lease in kept.leases)
    return Holding(
        leases=(*kept.leases, *claimed),
        claimed=frozenset(lease.target_id for lease in claimed),
        handed_over=kept.handed_over,
        lost=frozenset(lease.target_id for lease in held) - ids - kept.handed_over,
    )


async def is_worth_a_turn(
    db: Database,
    owner: str,
    *,
    lease_s: float,
    now_ns: int,
    among: Collection[int] | None = None,
) -> bool:
    """Whether there is something to take that cannot wait for the next turn; writes nothing."""
    return await leases.is_any_free(db, owner, lease_s=lease_s * VALID, now_ns=now_ns, among=among)
