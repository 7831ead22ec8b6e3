"""Which targets are this collector's own: their ids and leases, kept in step with the store."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable, Mapping

from memsnap.collector import logs
from memsnap.collector.discovery.found import Found
from memsnap.collector.metrics import Metrics
from memsnap.collector.posts import Post
from memsnap.storage.database import Database
from memsnap.storage.errors import StoreError
from memsnap.storage.fleet import LOOKS, TURNS, is_worth_a_turn, tend
from memsnap.storage.leases import fleet
from memsnap.storage.records import SeenTarget
from memsnap.storage.standings import Standing, standings
from memsnap.storage.targets import register, retire

_REFRESH_S = 300.0  # between two times that the store hears that a target is still there


class Tenure:
    """The targets that discovery has found, by key, and the leases on them."""

    def __init__(self, db: Database, metrics: Metrics, *, owner: str) -> None:
        self.posts: dict[str, Post] = {}
        self.collectors = 1
        self._db = db
        self._metrics = metrics
        self._owner = owner
        self._told: dict[str, tuple[SeenTarget, int]] = {}
        self._turn = asyncio.Lock()  # two at a time would each take the other's leases for lost

    async def know(self, found: Mapping[str, Found]) -> list[Post]:
        """Make what discovery has found the targets; return the posts that are no more.

        Raises:
            StoreError: the store cannot hear of it; nothing has changed then.
        """
        async with self._turn:
            return await self._know(found)

    async def tend(self, lease_s: float) -> tuple[dict[Post, Standing | None], list[Post]]:
        """Renew, claim and hand over leases.

        Returns the posts that are new to this collector, each with how far it has got, and those
        that it has to leave.

        Raises:
            StoreError: the store cannot be asked; the leases are as before.
        """
        async with self._turn:
            return await self._tend(lease_s)

    async def turns(self, lease_s: Callable[[], float]) -> AsyncIterator[None]:
        """Give the moments for `tend`: as often as leases need it, and when some are to be had.

        Looks come at even times, whatever a turn takes.
        """
        next_s = time.monotonic()
        for look in itertools.count(1):
            next_s = max(next_s + lease_s() / LOOKS, time.monotonic())
            await asyncio.sleep(next_s - time.monotonic())
            if look % (LOOKS // TURNS) == 0 or await self._is_worth_a_turn(lease_s()):
                yield

    async def _is_worth_a_turn(self, lease_s: float) -> bool:
        """Whether another collector has left something that this one can visit."""
        ids = [post.target_id for post in self.posts.values() if post.lease is None]
        try:
            return bool(ids) and await is_worth_a_turn(
                self._db, self._owner, lease_s=lease_s, now_ns=time.time_ns(), among=ids
            )
        except StoreError:
            return False  # the next turn says so

    async def _know(self, found: Mapping[str, Found]) -> list[Post]:
        now_ns = time.time_ns()
        stale = now_ns - round(_REFRESH_S * 1e9)
        seen = {
            key: self.posts[key].named(each) if key in self.posts else each.seen
            for key, each in found.items()
        }
        news = [each for key, each in seen.items() if not self._is_told(each, stale)]
        gone = [post for key, post in self.posts.items() if key not in found]
        numbers = await register(self._db, news, now_ns=now_ns) if news else {}
        if gone:
            await retire(self._db, [post.key for post in gone], now_ns=now_ns)
        for post in gone:
            del self.posts[post.key]
            self._told.pop(post.key, None)
            self._metrics.forget(post.seen)
        for each in news:
            self._told[each.key] = (each, now_ns)
        for key, target in found.items():
            if key not in self.posts:
                self.posts[key] = Post(found=target, target_id=numbers[key])
            else:
                self.posts[key].moved(target)
                self.posts[key].target_id = numbers.get(key, self.posts[key].target_id)
        return gone

    def _is_told(self, seen: SeenTarget, stale_ns: int) -> bool:
        """Whether the store has heard of a target as it is, and not too long ago."""
        told, when_ns = self._told.get(seen.key, (None, 0))
        return told == seen and when_ns >= stale_ns

    async def _tend(self, lease_s: float) -> tuple[dict[Post, Standing | None], list[Post]]:
        by_id = {post.target_id: post for post in self.posts.values()}
        holding = await tend(
            self._db,
            self._owner,
            [post.lease for post in by_id.values() if post.lease],
            lease_s=lease_s,
            now_ns=time.time_ns(),
            among=by_id.keys(),
            busy=[post.target_id for post in by_id.values() if post.busy],
        )
        held = {lease.target_id: lease for lease in holding.leases}
        new = [post for number, post in by_id.items() if number in held and post.lease is None]
        left = [post for number, post in by_id.items() if number not in held and post.lease]
        now_ns, ids = time.time_ns(), [post.target_id for post in new]
        reached = await standings(self._db, ids, now_ns=now_ns) if new else {}
        fleet_now = await fleet(self._db, lease_s=lease_s, now_ns=now_ns)
        # From here to the caller's timetable nobody else has a turn.
        for number, post in by_id.items():
            post.lease = held.get(number)
        self._report(len(held), len(holding.lost), sum(each.live for each in fleet_now))
        return {post: reached.get(post.target_id) for post in new}, left

    def _report(self, held: int, lost: int, collectors: int) -> None:
        self._metrics.leases.set(held)
        self._metrics.leases_lost.inc(lost)
        self._metrics.collectors.set(collectors)
        if lost:
            logs.warning("leases went to other collectors", targets=lost)
        if collectors != self.collectors:
            logs.info("collectors on this store", collectors=collectors)
        self.collectors = collectors
