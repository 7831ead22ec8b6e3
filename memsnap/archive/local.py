"""An archive that reads a store, and settles the findings in it."""

import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import islice
from typing import Self

import numpy as np

from memsnap.analysis.select import EVERYTHING
from memsnap.archive.errors import NotFound
from memsnap.archive.metrics import Metric, find_metric
from memsnap.archive.values import (
    MOST_POINTS,
    MOST_ROWS,
    Column,
    FailureQuery,
    FindingQuery,
    KeptFinding,
    Series,
    SeriesQuery,
    TargetQuery,
)
from memsnap.errors import UsageError
from memsnap.snapshot import Snapshot
from memsnap.storage import failures, findings, history, migrate, snapshots, targets
from memsnap.storage.database import Database
from memsnap.storage.history import StatsHistory
from memsnap.storage.records import (
    FailureRecord,
    Labels,
    SnapshotFilter,
    SnapshotRecord,
    TargetRecord,
)
from memsnap.storage.sightings import FindingRecord, said_by
from memsnap.units import format_count

_DEFAULT_METRICS = ("heap", "rss", "goroutines")


class LocalArchive:
    """Reads a store; see `Archive`."""

    def __init__(self, db: Database) -> None:
        self._db = db

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, *, read_only: bool = True) -> AsyncIterator[Self]:
        """Open a store, for reading or also to settle findings.

        Raises StoreError where it is away, or of another schema.
        """
        async with await Database.open(url, read_only=read_only, create=False) as db:
            await migrate.check(db)
            yield cls(db)

    @property
    def name(self) -> str:
        """The store, without a password."""
        return self._db.name

    async def targets(self, wanted: TargetQuery) -> list[TargetRecord]:
        """Return targets by service and key."""
        # Retired ones too: the last one of the page before may be retired by now.
        paged = wanted.after_id is not None
        known = await targets.targets(self._db, with_retired=wanted.with_retired or paged)
        if paged:
            places = [at for at, each in enumerate(known) if each.id == wanted.after_id]
            if not places:
                raise NotFound(f"there is no target {wanted.after_id} to go on after")
            known = known[places[0] + 1 :]
        meant = (
            each
            for each in known
            if _is_meant(each, wanted.service, wanted.labels)
            and (wanted.with_retired or each.retired_ns is None)
        )
        return list(islice(meant, wanted.limit))

    async def find_target(self, text: str) -> TargetRecord:
        """Return the target with this id, key, service or address; raises NotFound."""
        with _not_found():
            return await targets.find_target(self._db, text)

    async def snapshots(self, wanted: SnapshotFilter) -> list[SnapshotRecord]:
        """Return snapshots without their profiles, by slot."""
        return await snapshots.find(self._db, wanted)

    async def load(self, snapshot_id: int) -> Snapshot:
        """Return a whole snapshot; raises NotFound, FormatError."""
        with _not_found():
            return await snapshots.load(self._db, snapshot_id)

    async def series(self, target_id: int, wanted: SeriesQuery) -> Series:
        """Return how a target went over time."""
        await self.find_target(str(target_id))
        metrics = [find_metric(name) for name in wanted.metrics]
        follows_sites = wanted.match != EVERYTHING
        if metrics and follows_sites:
            raise UsageError(
                "a series is of metrics or of sites, not of both", hint="ask for one of them"
            )
        metrics = metrics or [find_metric(name) for name in _DEFAULT_METRICS]
        since_ns, until_ns = wanted.since_ns, wanted.until_ns
        stats = await history.stats_history(
            self._db,
            target_id,
            list(dict.fromkeys(each.column for each in metrics)),
            since_ns=since_ns,
            until_ns=until_ns,
        )
        if len(stats.slot_ns) > MOST_POINTS:
            raise UsageError(
                f"there are {format_count(len(stats.slot_ns))} captures in this time, more than "
                f"{format_count(MOST_POINTS)}",
                hint="ask for a shorter time",
            )
        if not follows_sites:
            return _of_stats(stats, metrics)
        sites = await history.site_history(
            self._db, target_id, since_ns=since_ns, until_ns=until_ns, match=wanted.match
        )
        return _of_sites(sites)

    async def failures(self, wanted: FailureQuery) -> list[FailureRecord]:
        """Return lines of the audit, the newest slots first."""
        ids: Iterable[int | None] = (wanted.target_id,)
        if wanted.service or wanted.labels:
            known = await targets.targets(self._db, with_retired=True)
            ids = [
                each.id
                for each in known
                if wanted.target_id in {None, each.id}
                and _is_meant(each, wanted.service, wanted.labels)
            ]
        found: list[FailureRecord] = []
        for target_id in ids:
            found += await failures.failures(
                self._db,
                target_id=target_id,
                since_ns=wanted.since_ns,
                until_ns=wanted.until_ns,
                limit=min(wanted.limit, MOST_ROWS),
            )
        # Stable: of one moment, those of one target stay as the store has them.
        return sorted(found, key=lambda each: -each.slot.at_ns)[: wanted.limit]

    async def findings(self, wanted: FindingQuery) -> list[KeptFinding]:
        """Return findings, those seen last first."""
        chosen = findings.FindingFilter(
            target_ids=None if wanted.target_id is None else (wanted.target_id,),
            shown=tuple(wanted.states),
            now_ns=time.time_ns(),
            limit=wanted.limit,
        )
        return [_kept(each) for each in await findings.find(self._db, chosen)]

    async def mute(
        self, finding_id: int, *, until_ns: int | None, reason: str, by: str
    ) -> KeptFinding:
        """Let nobody be told of a finding until a moment, or for ever; raises NotFound."""
        with _not_found():
            who = said_by(by, reason)
            await findings.mute(self._db, finding_id, until_ns=until_ns, by=who)
        return await self._settled(finding_id)

    async def unmute(self, finding_id: int) -> KeptFinding:
        """End the mute of a finding; raises NotFound."""
        with _not_found():
            await findings.unmute(self._db, finding_id)
        return await self._settled(finding_id)

    async def resolve(self, finding_id: int, *, reason: str, by: str) -> KeptFinding:
        """Say that a finding is done with; raises NotFound."""
        with _not_found():
            who = said_by(by, reason)
            await findings.resolve(self._db, finding_id, by=who, now_ns=time.time_ns())
        return await self._settled(finding_id)

    async def _settled(self, finding_id: int) -> KeptFinding:
        chosen = findings.FindingFilter(ids=(finding_id,), limit=1)
        found = await findings.find(self._db, chosen)
        if not found:
            raise NotFound(f"the store {self.name} has no finding {finding_id} any more")
        return _kept(found[0])


def _kept(record: FindingRecord) -> KeptFinding:
    return KeptFinding(state=record.state(time.time_ns()), finding=record)


def _is_meant(target: TargetRecord, service: str, labels: Labels) -> bool:
    return (not service or target.seen.service == service) and set(labels) <= set(
        target.seen.labels
    )


@contextmanager
def _not_found() -> Iterator[None]:
    try:
        yield
    except UsageError as error:
        raise NotFound(error.message, hint=error.hint) from error


def _of_stats(stats: StatsHistory, metrics: list[Metric]) -> Series:
    return Series(
        slot_ns=tuple(stats.slot_ns.tolist()),
        snapshot_id=tuple(stats.snapshot_id.tolist()),
        process_id=tuple(stats.process_id.tolist()),
        columns=tuple(
            Column(
                name=metric.name,
                unit=metric.unit,
                values=tuple(_number(value, metric) for value in stats.values[metric.column]),
            )
            for metric in metrics
        ),
    )


def _number(value: np.float64, metric: Metric) -> int | float | None:
    if np.isnan(value):
        return None
    return float(value) if metric.unit == "ratio" else int(value)


def _of_sites(sites: history.History) -> Series:
    names = ("live_bytes", "live_objects", "alloc_bytes", "alloc_objects")
    return Series(
        slot_ns=tuple(sites.slot_ns.tolist()),
        snapshot_id=tuple(sites.snapshot_id.tolist()),
        process_id=tuple(sites.process_id.tolist()),
        columns=tuple(
            Column(
                name=name,
                unit=name.partition("_")[2],
                values=tuple(getattr(sites, name).tolist()),
            )
            for name in names
        ),
    )
