"""Turns captures into findings as they arrive: what leaks in which target, kept in the store.

Nothing of a target is held in memory between two judgements: its window of captures comes from the
store, which makes a restart of memsnap no event.  One target is judged at a time, in a thread, and
what judging takes of a processor is bounded.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from memsnap.analysis.diff import diff
from memsnap.analysis.finding import Severity
from memsnap.analysis.findings import find
from memsnap.collector import logs
from memsnap.collector.feed import Event, Feed, Kind
from memsnap.collector.fingerprints import fingerprints, stable_function
from memsnap.collector.metrics import Metrics
from memsnap.collector.windows import LEAST, may_grow, window
from memsnap.config.settings import JudgingSettings
from memsnap.errors import MemsnapError
from memsnap.report.document import finding_document, json_text
from memsnap.snapshot import Snapshot
from memsnap.storage.database import Database
from memsnap.storage.findings import forget, judged, open_counts, resolve_gone
from memsnap.storage.records import SeenTarget, SnapshotFilter, SnapshotRecord
from memsnap.storage.sightings import Judgement, Sighted
from memsnap.storage.snapshots import find as find_snapshots
from memsnap.storage.snapshots import load_many

_LONGEST_WAIT_S = 1.0  # between looks for a target that may be judged
_LONGEST_REST_S = 60.0  # after one judgement
_SKIPS = 3  # judgements in a row that are left out while nothing grows
_TIDY_EVERY_S = 300.0
_GONE_NS = 900 * 10**9  # after which a retired target's findings are resolved


@dataclass(slots=True)
class _Case:
    """A target with captures that were not judged yet; times are monotonic seconds."""

    seen: SeenTarget
    waiting: bool = True
    judged_s: float = -float("inf")
    skipped: int = 0


@dataclass(slots=True)
class Judge:
    """Judges the targets that this collector visits; `busy` says when that has to wait.

    `changed` is set whenever findings may have begun, gone on or ended.
    """

    db: Database
    metrics: Metrics
    settings: JudgingSettings
    keep_for_s: float
    busy: Callable[[], bool]
    feed: Feed
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    _cases: dict[int, _Case] = field(default_factory=dict)
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def captured(self, target_id: int, seen: SeenTarget) -> None:
        """Note that a capture of a target is in the store."""
        case = self._cases.setdefault(target_id, _Case(seen))
        case.seen, case.waiting = seen, True
        self._arrived.set()

    def keep_only(self, held: Mapping[int, SeenTarget]) -> None:
        """Forget the targets that this collector does not visit any more."""
        for number in self._cases.keys() - held.keys():
            self.metrics.forget_findings(self._cases.pop(number).seen)

    async def work(self) -> None:
        """Judge what arrives until cancelled, each target at most once in its time."""
        while True:
            number = self._next(time.monotonic())
            if number is None or self.busy():
                await self._rest()
                continue
            began = time.monotonic()
            await self._judge_one(number)
            took_s = time.monotonic() - began
            self.metrics.judging_seconds.observe(took_s)
            rest_s = took_s * (1 / self.settings.processor_share - 1)
            await asyncio.sleep(min(rest_s, _LONGEST_REST_S))

    async def tidy(self) -> None:
        """End findings of targets that are gone, forget old ones, until cancelled."""
        while True:
            now_ns = time.time_ns()
            try:
                gone = await resolve_gone(
                    self.db, retired_before_ns=now_ns - _GONE_NS, now_ns=now_ns
                )
                before_ns = now_ns - round(self.keep_for_s * 1e9)
                await forget(self.db, resolved_before_ns=before_ns, now_ns=now_ns)
            except MemsnapError as error:
                logs.warning("findings cannot be tidied", reason=error.message)
            else:
                if gone:
                    self.changed.set()
            await asyncio.sleep(_TIDY_EVERY_S)

    async def count(self, held: Mapping[int, SeenTarget]) -> None:
        """Bring the metrics of findings up to date.

        Raises:
            StoreError: the store cannot be asked.
        """
        counts = await open_counts(self.db, held, now_ns=time.time_ns())
        self.metrics.count_findings(held, counts)

    def _next(self, now_s: float) -> int | None:
        """Return the target that has waited longest since its last judgement, if any may be."""
        if not self.settings.enabled:
            return None
        ready = (
            (case.judged_s, number)
            for number, case in self._cases.items()
            if case.waiting and now_s - case.judged_s >= self.settings.every_s
        )
        return min(ready, default=(0.0, None))[1]

    async def _rest(self) -> None:
        self._arrived.clear()
        try:
            await asyncio.wait_for(self._arrived.wait(), _LONGEST_WAIT_S)
        except TimeoutError:
            return
        await asyncio.sleep(0)

    async def _judge_one(self, number: int) -> None:
        case = self._cases[number]
        case.waiting, case.judged_s = False, time.monotonic()
        try:
            began, ended = await self._judge(number, case)
        except MemsnapError as error:
            logs.warning("findings cannot be told", target=case.seen.key, reason=error.message)
            return
        except Exception as error:  # noqa: BLE001  # no target may end the daemon
            logs.LOGGER.error("judging failed by a bug of memsnap", exc_info=error)
            return
        if began or ended:
            logs.info("findings", target=case.seen.key, new=began, resolved=ended)

    async def _judge(self, number: int, case: _Case) -> tuple[int, int]:
        """Judge one target; return how many findings are new, and how many are resolved."""
        wanted = SnapshotFilter(target_id=number, limit=self.settings.captures)
        captures = window(await find_snapshots(self.db, wanted))
        if len(captures) < LEAST:
            return 0, 0
        if await self._may_be_skipped(number, case, captures):
            self.metrics.judged.labels("skipped").inc()
            return 0, 0
        snapshots = await load_many(self.db, [each.id for each in captures])
        if len(snapshots) < len(captures):
            return 0, 0  # retention was quicker; the next capture comes
        least = Severity[self.settings.min_severity.name]
        sighted = await asyncio.to_thread(sightings, snapshots, least)
        self.metrics.judged.labels("judged").inc()
        if sighted is None:
            return 0, 0
        judgement = Judgement(
            target_id=number,
            process_id=captures[0].process_id,
            snapshot_ids=tuple(each.id for each in captures),
            slots_ns=tuple(each.slot_ns for each in captures),
            sighted=sighted,
        )
        after, now_ns = self.settings.resolve_after, time.time_ns()
        outcome = await judged(self.db, judgement, resolve_after=after, now_ns=now_ns)
        self.changed.set()
        if any(outcome):
            words = f"{outcome[0]} new, {outcome[1]} resolved"
            self.feed.publish(
                Event(kind=Kind.FINDING, at_ns=now_ns, target_id=judgement.target_id, detail=words)
            )
        return outcome

    async def _may_be_skipped(
        self, number: int, case: _Case, captures: Sequence[SnapshotRecord]
    ) -> bool:
        """Whether nothing grows and nothing is open; now and then it is judged all the same."""
        case.skipped += 1
        if case.skipped > _SKIPS or may_grow(captures):
            case.skipped = 0
            return False
        if await open_counts(self.db, [number], now_ns=time.time_ns()):
            case.skipped = 0
            return False
        return True


def sightings(snapshots: Sequence[Snapshot], least: Severity) -> tuple[Sighted, ...] | None:
    """Return the findings over captures of one life that are at least so severe.

    None where the captures turn out not to be of one life, or not to be comparable: then they
    say nothing, also not that something is gone.
    """
    compared = diff(list(snapshots))
    if not (compared.lineage.one_life and compared.lineage.same_rate):
        return None
    found = tuple(finding for finding in find(compared) if finding.severity >= least)
    return tuple(
        Sighted(
            fingerprint=name,
            kind=finding.kind,
            verdict=finding.verdict.value,
            severity=finding.severity.name.lower(),
            confidence=finding.confidence,
            function=stable_function(finding.function),
            document="".join(json_text(finding_document(finding))),
        )
        for name, finding in zip(fingerprints(found), found, strict=True)
    )
