"""Keeps the store within its bounds, and says how large it is."""

import time

from memsnap.collector import logs
from memsnap.collector.metrics import Metrics
from memsnap.config.settings import RetentionSettings
from memsnap.storage.database import Database
from memsnap.storage.leases import fleet
from memsnap.storage.partitions import ensure
from memsnap.storage.pruning import PruneReport, prune
from memsnap.storage.retention import Policy
from memsnap.storage.usage import db_size
from memsnap.units import format_bytes, format_duration


class Housekeeper:
    """Runs the retention and measures the store."""

    def __init__(self, db: Database, metrics: Metrics, *, owner: str) -> None:
        self._db = db
        self._metrics = metrics
        self._owner = owner
        self.problems: tuple[str, ...] = ()

    async def work(self, settings: RetentionSettings, lease_s: float) -> None:
        """Make room for what comes, and remove what is past keeping.

        Of a fleet, the collector that has lived longest removes.

        Raises:
            StoreError: the store cannot be asked.
        """
        policy, now_ns = policy_of(settings), time.time_ns()
        self._metrics.store_budget_bytes.set(policy.max_bytes or 0)
        await ensure(self._db, now_ns=now_ns)
        alive = [
            each for each in await fleet(self._db, lease_s=lease_s, now_ns=now_ns) if each.live
        ]
        eldest = min(alive, key=lambda each: (each.started_ns, each.name), default=None)
        if eldest is not None and eldest.name != self._owner:
            self.problems = ()
            self._metrics.store_bytes.set((await db_size(self._db)).used_bytes)
            return
        began = time.monotonic()
        report = await prune(self._db, policy, now_ns)
        self._metrics.pruned.labels("age").inc(report.by_age)
        self._metrics.pruned.labels("size").inc(report.by_size)
        self._metrics.store_bytes.set(report.used_bytes)
        self.problems = self._problems(report, policy)
        if report.by_age or report.by_size:
            logs.info(
                "retention",
                dropped_by_age=report.by_age,
                dropped_by_size=report.by_size,
                store=format_bytes(report.used_bytes),
                took=format_duration(time.monotonic() - began),
            )
        for sentence in self.problems:
            logs.warning("retention", problem=sentence)

    def _problems(self, report: PruneReport, policy: Policy) -> tuple[str, ...]:
        if not report.over_budget or policy.max_bytes is None:
            return ()
        return (
            f"the store holds {format_bytes(report.used_bytes)}, more than max-size = "
            f"{format_bytes(policy.max_bytes)}, and nothing is left to drop",
        )


def policy_of(settings: RetentionSettings) -> Policy:
    """Return the settings as the store's policy: there, None is no bound."""
    return Policy(
        all_for_s=settings.all_for_s,
        hourly_for_s=settings.hourly_for_s,
        daily_for_s=settings.daily_for_s,
        failures_for_s=settings.failures_for_s,
        max_bytes=settings.max_bytes or None,
    )
