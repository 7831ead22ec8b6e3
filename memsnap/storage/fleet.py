"""One turn of a collector's dealings with the others: live, renew, take, ask.

Called every quarter of the lease time, with rows that are good for three quarters of it, so that
a target moves within one lease time from a collector that died to one that lives.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from memsnap.storage import leases
from memsnap.storage.database import Database
from memsnap.storage.records import Lease

TURNS = 4
"""How many turns fit into a lease time: `tend` is to be called every `lease_s / TURNS`."""

_VALID = 1 - 1 / TURNS  # of a lease time, after which a row is free
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
    good_s = lease_s * _VALID
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
