"""What the discoveries say at the moment, all of them together."""

import asyncio
from collections.abc import Iterable, Mapping

from memsnap.collector import logs
from memsnap.collector.discovery.catalogue import discoveries
from memsnap.collector.discovery.found import Found, Update, merge
from memsnap.collector.metrics import Metrics
from memsnap.config.settings import Settings


class Sightings:
    """Runs the discoveries; `changed` is set whenever one of them says something new."""

    def __init__(self, metrics: Metrics, environment: Mapping[str, str]) -> None:
        self.changed = asyncio.Event()
        self._metrics = metrics
        self._environment = environment
        self._updates: dict[str, Update] = {}
        self._sources: frozenset[str] = frozenset()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, settings: Settings, group: asyncio.TaskGroup) -> None:
        """Run the discoveries of `settings` in `group`, in place of those that run."""
        self.stop()
        self._updates.clear()
        sources = discoveries(settings, environment=self._environment)
        self._sources = frozenset(source.source for source in sources)
        self._tasks = [
            group.create_task(source.follow(self._publish), name=f"discovery {source.source}")
            for source in sources
        ]

    def stop(self) -> None:
        """End the discoveries."""
        for task in self._tasks:
            task.cancel()

    def found(self, known: Iterable[Found]) -> dict[str, Found] | None:
        """Return what there is, by key; None until every discovery has spoken.

        Of a discovery that cannot tell yet, such as one whose server is away, stays what is known.
        """
        if not self._sources <= self._updates.keys():
            return None
        unsure = {update.source for update in self._updates.values() if update.found is None}
        kept = {each.seen.key: each for each in known if each.seen.source in unsure}
        return {**kept, **merge(self._updates.values())}

    def _publish(self, update: Update) -> None:
        for problem in update.problems:
            logs.warning("discovery", source=update.source, problem=problem)
            self._metrics.discovery_failures.labels(update.source).inc()
        self._metrics.targets.labels(update.source).set(len(update.found or ()))
        self._updates[update.source] = update
        self.changed.set()
