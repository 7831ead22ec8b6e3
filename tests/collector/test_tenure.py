"""Targets and leases, while discovery and the heartbeat ask for them at the same time."""

import asyncio

from memsnap.collector.discovery.found import Found, Update, merge
from memsnap.collector.discovery.loading import target_settings
from memsnap.collector.discovery.static import Static
from memsnap.collector.metrics import Metrics
from memsnap.collector.tenure import Tenure
from memsnap.storage.database import Database


async def found(count: int) -> dict[str, Found]:
    settings = target_settings([f"http://service-{number}:6060" for number in range(count)], {})
    update: asyncio.Future[Update] = asyncio.get_running_loop().create_future()
    static = Static(targets=settings.targets, collector=settings.collector, host="here")
    following = asyncio.create_task(static.follow(update.set_result))
    listed = merge([await update])
    following.cancel()
    return listed


async def test_two_turns_at_the_same_time_lose_no_lease(store: Database) -> None:
    tenure = Tenure(store, Metrics(), owner="one")
    await tenure.know(await found(20))
    turns = await asyncio.gather(*(tenure.tend(60.0) for _ in range(3)))

    assert all(post.lease for post in tenure.posts.values())
    assert sum(len(new) for new, _ in turns) == 20
    assert all(not left for _, left in turns)


async def test_a_target_that_goes_during_a_turn_is_not_taken_on(store: Database) -> None:
    tenure = Tenure(store, Metrics(), owner="one")
    await tenure.know(await found(20))
    (new, _), gone = await asyncio.gather(tenure.tend(60.0), tenure.know(await found(5)))

    assert len(gone) == 15
    assert {post.key for post in tenure.posts.values() if post.lease} <= {post.key for post in new}
    assert len(tenure.posts) == 5
