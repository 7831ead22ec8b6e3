"""The daemon: targets found, leased, visited on their slots, and kept; until it is told to stop.

One task per duty, all watched: a duty that dies by something unexpected ends the daemon, for a
supervisor to start it anew.  What is expected (a target that fails, a store that is away) ends
nothing.
"""

import asyncio
import contextlib
import os
import secrets
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from memsnap.capture.aio import Fetcher
from memsnap.collector import logs
from memsnap.collector.alerts.delivery import Courier
from memsnap.collector.causes import cause_of
from memsnap.collector.discovery.found import Found
from memsnap.collector.feed import Event, Feed, Kind
from memsnap.collector.housekeeping import Housekeeper
from memsnap.collector.judging import Judge
from memsnap.collector.keeper import Keeper, Kept
from memsnap.collector.metrics import Metrics
from memsnap.collector.notify import Supervisor
from memsnap.collector.outcomes import Outcome, Unvisited
from memsnap.collector.posts import Post
from memsnap.collector.sightings import Sightings
from memsnap.collector.status import Status
from memsnap.collector.tenure import Tenure
from memsnap.collector.timetable import Due, Timetable
from memsnap.collector.triggers import Gauges, gauges_of
from memsnap.collector.turns import Turns
from memsnap.collector.visits import Visitor
from memsnap.config.settings import GcPolicy, Settings
from memsnap.errors import MemsnapError
from memsnap.snapshot import Snapshot
from memsnap.storage.database import Database
from memsnap.storage.errors import StoreError
from memsnap.storage.fleet import VALID
from memsnap.storage.leases import leave
from memsnap.storage.records import Cause, Slot
from memsnap.storage.spool import Spool
from memsnap.units import format_duration

_DRAIN_EVERY_S = 1.0
_COUNT_EVERY_S = 5.0
_LONGEST_ROSTER_S = 60.0  # between looks at what is found, changed or not: the store hears of it
_LONGEST_SLEEP_S = 1.0  # of the pacemaker: how late it notices that the clock was set
_STUCK_S = 30.0  # without a look at the clock; a save to a slow disk is no reason
_CLOCK_SET_BACK_NS = 1_000_000_000
_HANDOVER_LEASES = 2  # lease times that a target may be without a collector, were one lost
_FOLLOWUP_SHARE = 0.5  # of an interval, after which a trigger's second capture is taken


def owner_name(settings: Settings) -> str:
    """Return a name of this life of this process, for leases and the audit."""
    name = settings.collector.name or socket.gethostname()
    return f"{name}-{secrets.token_hex(3)}"


class Daemon:
    """The collector; `run` it, `stop` or `reload` it from signal handlers."""

    def __init__(
        self,
        settings: Settings,
        db: Database,
        spool: Spool,
        *,
        environment: Mapping[str, str] = os.environ,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        """Prepare the work; `clock` gives ns since 1970, for the schedule."""
        self.settings = settings
        self.db = db
        self.metrics = Metrics()
        self.feed = Feed()
        self.owner = owner_name(settings)
        self._now_ns = clock
        self._keeper = Keeper(db, spool, self.metrics, owner=self.owner)
        self._tenure = Tenure(db, self.metrics, owner=self.owner)
        self._housekeeper = Housekeeper(db, self.metrics, owner=self.owner)
        self._judge = Judge(
            db,
            self.metrics,
            settings.judging,
            keep_for_s=settings.retention.daily_for_s,
            busy=self._is_behind,
            feed=self.feed,
        )
        self._courier = Courier(db, self.metrics, environment, owner=self.owner, settings=settings)
        self._fetcher = Fetcher(per_host=settings.collector.per_host)
        self._visitor = Visitor(settings.collector, self._fetcher, environment)
        self._sightings = Sightings(self.metrics, environment)
        self._turns = Turns(settings.collector.concurrency, self.metrics)
        self._table = Timetable()
        self._visits: dict[asyncio.Task[Outcome], tuple[Post, Slot]] = {}
        self._planned = asyncio.Event()  # a target is due earlier than was thought
        self._stopping = asyncio.Event()
        self._supervisor = Supervisor.of(environment)
        self._beat = time.monotonic()
        self._ready = False

    # --- from outside -----------------------------------------------------------------------

    @property
    def stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stopping.is_set()

    def stop(self) -> None:
        """Finish what runs, within the grace period, and end `run`."""
        if not self.stopping:
            logs.info("stopping", running=len(self._visits))
            self._supervisor.stopping()
        self._stopping.set()

    def reload(self, settings: Settings) -> None:
        """Go on with other settings; running visits end as they began."""
        self._supervisor.reloading(time.monotonic_ns() // 1000)
        before, self.settings = self.settings, settings
        self._visitor.change(settings.collector)
        self._judge.settings = settings.judging
        self._judge.keep_for_s = settings.retention.daily_for_s
        self._courier.change(settings)
        if settings.collector.concurrency != before.collector.concurrency:
            self._turns.change(settings.collector.concurrency)
        self._sightings.start(settings, self._group)
        self.metrics.reloads.labels("ok").inc()
        logs.info("configuration read anew", targets=len(self._tenure.posts))
        self._supervisor.ready(str(self.status()))

    async def capture_now(self, target_id: int) -> Outcome:
        """Capture one of this daemon's targets beside its schedule, and return what became of it.

        The visit goes on where the caller does not wait for it.  Raises Unvisited where the target
        is not this daemon's to visit now.
        """
        post = next((p for p in self._tenure.posts.values() if p.target_id == target_id), None)
        if post is None or post.lease is None or post.busy or self.stopping:
            raise Unvisited.of(post, target_id, stopping=self.stopping)
        slot = Slot(target_id=target_id, at_ns=self._now_ns(), reason="asked for")
        return await asyncio.shield(self._start(post, slot))

    def status(self) -> Status:
        """Return how things are."""
        posts = self._tenure.posts.values()
        problems = []
        if not self._keeper.up:
            problems.append(f"the store is away, {self._keeper.waiting} captures wait on disk")
        late_s = time.monotonic() - self._beat
        stuck = late_s > _STUCK_S
        if stuck:
            problems.append(f"the schedule hangs since {format_duration(late_s)}")
        problems += self._housekeeper.problems
        return Status(
            owner=self.owner,
            targets=len(posts),
            held=sum(post.lease is not None for post in posts),
            running=len(self._visits),
            failing=sum(post.failing for post in posts if post.lease),
            store_up=self._keeper.up,
            waiting=self._keeper.waiting,
            ready=self._ready,
            stuck=stuck,
            problems=tuple(problems),
        )

    async def run(self) -> None:
        """Work until `stop` is called."""
        async with self._fetcher, asyncio.TaskGroup() as group:
            self._group = group
            duties = [
                group.create_task(duty(), name=name)
                for name, duty in (
                    ("roster", self._follow_roster),
                    ("leases", self._tend),
                    ("schedule", self._keep_pace),
                    ("spool", self._drain),
                    ("triggers", self._watch),
                    ("retention", self._keep_house),
                    ("judging", self._judge.work),
                    ("findings", self._count_findings),
                    ("tidying", self._judge.tidy),
                    ("alerts", self._tell_people),
                    ("watchdog", self._tell_supervisor),
                )
            ]
            self._sightings.start(self.settings, group)
            await self._stopping.wait()
            self._sightings.stop()
            for duty in duties:
                duty.cancel()
            await self._finish_visits()
        await self._leave()

    # --- discovery and leases ---------------------------------------------------------------

    async def _follow_roster(self) -> None:
        """Make what is found the targets, once every discovery has spoken for the first time."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._sightings.changed.wait(), _LONGEST_ROSTER_S)
            self._sightings.changed.clear()
            found = self._sightings.found(p.found for p in self._tenure.posts.values())
            if found is not None:
                await self._know(found)

    async def _know(self, found: Mapping[str, Found]) -> None:
        try:
            gone = await self._tenure.know(found)
        except StoreError as error:
            logs.warning("targets cannot be registered", reason=error.message)
            await asyncio.sleep(_DRAIN_EVERY_S)
            self._sightings.changed.set()
            return
        for post in gone:
            self._table.remove(post.key)
            logs.info("target retired", target=post.key)
        for post in self._tenure.posts.values():
            if post.lease:
                self._table.change(
                    post.key, post.pace(self.settings.collector), now_ns=self._now_ns()
                )
        await self._tend_once()
        self._ready = True

    async def _tend(self) -> None:
        async for _ in self._tenure.turns(lambda: self.settings.collector.lease_s):
            await self._tend_once()

    async def _tend_once(self) -> None:
        if not self._tenure.posts:
            return
        try:
            new, left = await self._tenure.tend(self.settings.collector.lease_s)
        except StoreError as error:
            logs.warning("leases cannot be renewed", reason=error.message)
            return
        for post in left:
            self._table.remove(post.key)
        for post, standing in new.items():
            logs.info("target taken on", target=post.key)
            self._table.add(
                post.key,
                post.pace(self.settings.collector),
                now_ns=self._now_ns(),
                last_slot_ns=standing.last_slot_ns if standing else None,
                failures=standing.failures if standing else 0,
                lookback_ns=round(_HANDOVER_LEASES * self.settings.collector.lease_s * 1e9),
            )
        if new:
            self._planned.set()

    # --- the schedule -----------------------------------------------------------------------

    async def _keep_pace(self) -> None:
        last_ns = self._now_ns()
        while True:
            now_ns = self._now_ns()
            if now_ns < last_ns - _CLOCK_SET_BACK_NS:
                logs.warning("the clock was set back", by=format_duration((last_ns - now_ns) / 1e9))
                self._table.clock_set_back(now_ns)
            last_ns = now_ns
            if time.monotonic() - self._beat > self.settings.collector.lease_s * VALID:
                # This process was stopped: others may visit its targets by now.
                await self._tend_once()
            self._beat = time.monotonic()
            for due in self._table.due(now_ns):
                self._start_due(due)
            for post in self._tenure.posts.values():
                for reason in post.take_followups(now_ns):
                    self._start(post, Slot(target_id=post.target_id, at_ns=now_ns, reason=reason))
            next_ns = self._table.next_ns()
            wait_s = _LONGEST_SLEEP_S if next_ns is None else (next_ns - self._now_ns()) / 1e9
            self._planned.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(
                    self._planned.wait(), min(max(wait_s, 0.001), _LONGEST_SLEEP_S)
                )

    def _start_due(self, due: Due) -> None:
        post = self._tenure.posts.get(due.key)
        if post is None or post.lease is None:
            return
        for missed_ns in due.missed_ns:
            self._overran(post, missed_ns, "no collector came for it in time")
        if post.busy:
            self._overran(post, due.slot_ns, "the visit before was not done yet")
        else:
            self._start(post, Slot(target_id=post.target_id, at_ns=due.slot_ns))

    def _overran(self, post: Post, slot_ns: int, reason: str) -> None:
        self.metrics.scheduled.inc()
        logs.debug("capture left out", target=post.key, reason=reason)
        self.metrics.failure(post.seen, Cause.OVERRUN)
        self._keeper.fail(post.seen, slot_ns, Cause.OVERRUN, reason)

    def _start(self, post: Post, slot: Slot) -> asyncio.Task[Outcome]:
        self.metrics.scheduled.inc()
        post.busy = True
        visit = self._group.create_task(self._visit(post, slot), name=f"visit {post.key}")
        self._visits[visit] = (post, slot)
        visit.add_done_callback(self._visit_done)
        return visit

    def _visit_done(self, visit: asyncio.Task[Outcome]) -> None:
        post, _ = self._visits.pop(visit)
        post.busy = False

    # --- a visit ----------------------------------------------------------------------------

    async def _visit(self, post: Post, slot: Slot) -> Outcome:
        began = time.monotonic()
        lease = post.lease
        try:
            if post.found.visit.gc is GcPolicy.AFTER_NATURAL and post.visits:
                await self._visitor.natural_gc(post)
            # A turn lasts until the capture is kept: a slow store holds visits up, not memory.
            async with self._turns.capture():
                snapshot = await self._visitor.capture(post)
                self._captured(post, slot, snapshot)
                kept, number = await self._keeper.keep(post.seen, slot, snapshot, lease)
        except asyncio.CancelledError:
            words = "memsnap was stopped during the capture"
            self._keeper.fail(post.seen, slot.at_ns, Cause.SHUTDOWN, words)
            raise
        except Exception as error:  # noqa: BLE001  # no target may end the daemon
            return self._failed(post, slot, error)
        self._table.succeeded(post.key)
        if kept is Kept.STORED:
            self._judge.captured(post.target_id, post.seen)
        if kept in {Kept.STORED, Kept.SPOOLED}:
            self._succeeded(post, slot, time.monotonic() - began)
        logs.debug(kept.value, target=post.key, capture=number, slot=slot.at_ns, reason=slot.reason)
        if number is not None:
            self.feed.publish(
                Event(
                    kind=Kind.CAPTURE,
                    at_ns=slot.at_ns,
                    target_id=slot.target_id,
                    snapshot_id=number,
                    detail=slot.reason,
                )
            )
        return Outcome(kept=kept, snapshot_id=number)

    def _captured(self, post: Post, slot: Slot, snapshot: Snapshot) -> None:
        """Remember what a capture shows."""
        described = snapshot.capture
        gauges = gauges_of(described.mem_stats, described.memory, described.goroutines)
        if slot.reason == "schedule" and post.visits:
            self._pull_triggers(post, gauges)
        before = post.seen
        post.captured(snapshot)
        if post.seen != before:
            self.metrics.forget(before)
            self._sightings.changed.set()  # the store hears of the name

    def _succeeded(self, post: Post, slot: Slot, elapsed_s: float) -> None:
        seen = post.seen
        self.metrics.succeeded(seen, time.time(), elapsed_s)
        gauges = dict(post.watch.base)
        for gauge, value in gauges.items():
            if gauge.value == "heap":
                self.metrics.heap_bytes.labels(seen.key, seen.service).set(value)

    def _failed(self, post: Post, slot: Slot, error: Exception) -> Outcome:
        cause, words = cause_of(error)
        if cause is Cause.INTERNAL:
            logs.LOGGER.error("a visit failed by a bug of memsnap", exc_info=error)
        following = None
        if slot.reason == "schedule":
            following = self._table.failed(post.key, slot.at_ns)
        first, post.failing = not post.failing, True
        self.metrics.failure(post.seen, cause)
        if post.found.expected or post.visits:
            tell = logs.warning if first else logs.debug
            wait_s = (following - self._now_ns()) / 1e9 if following else None
            again = format_duration(max(wait_s, 0)) if wait_s is not None else None
            tell("capture failed", target=post.key, cause=cause.value, reason=words, again_in=again)
            self._keeper.fail(post.seen, slot.at_ns, cause, words)
            self.feed.publish(
                Event(kind=Kind.FAILURE, at_ns=slot.at_ns, target_id=slot.target_id, detail=words)
            )
        return Outcome(failure=words)

    # --- beside the schedule ----------------------------------------------------------------

    async def _watch(self) -> None:
        """Look at the gauges that triggers watch, between captures."""
        while True:
            await asyncio.sleep(self.settings.collector.watch_every_s)
            if not self.settings.triggers:
                continue
            posts = [p for p in self._tenure.posts.values() if p.lease and not p.failing]
            for post in posts:
                if not post.busy and post.visits:
                    await self._look(post)

    async def _look(self, post: Post) -> None:
        try:
            async with self._turns.look():
                gauges = await self._visitor.gauges(post)
        except MemsnapError as error:
            logs.debug("gauges cannot be had", target=post.key, reason=error.message)
            return
        self._pull_triggers(post, gauges)

    def _pull_triggers(self, post: Post, gauges: Gauges) -> None:
        """Plan a pair of captures where a rule fires: one now, one later."""
        now_ns = self._now_ns()
        post.watch, firing = post.watch.look(self.settings.triggers, gauges, now_ns)
        for rule in firing:
            self.metrics.triggered.labels(rule.name).inc()
            logs.info("trigger fired", target=post.key, trigger=rule.name)
            later_ns = now_ns + round(post.found.visit.interval_s * _FOLLOWUP_SHARE * 1e9)
            reason = f"trigger:{rule.name}"
            post.followups += [(now_ns, reason), (later_ns, reason)]
        if firing:
            self._planned.set()

    async def _drain(self) -> None:
        while True:
            await asyncio.sleep(_DRAIN_EVERY_S)
            if self._keeper.waiting:
                await self._guarded(self._keeper.drain, "the store cannot take what waits")

    async def _keep_house(self) -> None:
        while True:
            await self._guarded(self._house, "retention failed")
            await asyncio.sleep(self.settings.retention.every_s)

    async def _house(self) -> None:
        await self._housekeeper.work(self.settings.retention, self.settings.collector.lease_s)

    def _is_behind(self) -> bool:
        """Whether captures come first: some wait for their turn, or for the store."""
        return self._turns.all_taken or not self._keeper.up

    async def _count_findings(self) -> None:
        while True:
            held = {p.target_id: p.found.seen for p in self._tenure.posts.values() if p.lease}
            self._judge.keep_only(held)
            await self._guarded(partial(self._judge.count, held), "findings cannot be counted")
            await asyncio.sleep(_COUNT_EVERY_S)

    async def _tell_people(self) -> None:
        await self._courier.work(self._judge.changed)

    async def _guarded(self, work: Callable[[], Awaitable[None]], words: str) -> None:
        try:
            await work()
        except MemsnapError as error:
            logs.warning(words, reason=error.message)

    async def _tell_supervisor(self) -> None:
        self._supervisor.ready(str(self.status()))
        every_s = (self._supervisor.watchdog_s or 60.0) / 3
        while True:
            await asyncio.sleep(every_s)
            if time.monotonic() - self._beat < every_s:
                self._supervisor.alive(str(self.status()))

    # --- the end ----------------------------------------------------------------------------

    async def _finish_visits(self) -> None:
        if self._visits:
            _, late = await asyncio.wait(
                list(self._visits), timeout=self.settings.collector.grace_s
            )
            for visit in late:
                visit.cancel()
            if late:
                logs.warning("captures abandoned", captures=len(late))
                await asyncio.wait(late)

    async def _leave(self) -> None:
        self._visitor.close()
        if self._keeper.waiting:
            await self._keeper.drain()
        try:
            await leave(self.db, self.owner, now_ns=self._now_ns())
        except StoreError as error:
            logs.warning("leases could not be given back", reason=error.message)
        self._keeper.close()
        logs.info("stopped", waiting=self._keeper.waiting or None)
