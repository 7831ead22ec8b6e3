"""Looks for targets every so often, and publishes what has changed."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from memsnap.collector.discovery.candidates import Candidate, admit
from memsnap.collector.discovery.found import Publish, Update
from memsnap.config.settings import CollectorSettings, DiscoverSettings
from memsnap.errors import MemsnapError


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What one look has shown; `problems` are of parts that could not be looked at."""

    candidates: Sequence[Candidate]
    problems: tuple[str, ...] = ()


class Looking(Protocol):
    """A way of looking."""

    async def look(self) -> Sight:
        """Return what is there; raises MemsnapError where that cannot be told."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Polling:
    """A discovery that looks again and again."""

    discover: DiscoverSettings
    collector: CollectorSettings
    host: str
    every_s: float
    looking: Looking

    @property
    def source(self) -> str:
        """What names it."""
        return self.discover.name

    async def follow(self, publish: Publish) -> None:
        """Publish what is seen at once and after every change, until cancelled."""
        sight: Sight | None = None
        last: Update | None = None
        while True:
            try:
                seen = await self.looking.look()
            except MemsnapError as error:
                found, sight = last.found if last else None, None
                now = Update(source=self.source, found=found, problems=(error.message,))
            else:
                now = last if last and seen == sight else await self._update(seen)
                sight = seen
            if now != last:
                publish(now)
                last = now
            await asyncio.sleep(self.every_s)

    async def _update(self, seen: Sight) -> Update:
        admission = await asyncio.to_thread(
            admit, seen.candidates, self.discover, self.collector, self.host
        )
        problems = (*seen.problems, *admission.problems)
        return Update(source=self.source, found=admission.found, problems=problems)
