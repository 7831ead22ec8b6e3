"""The targets that are listed in the configuration."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from memsnap.capture.target import parse_target
from memsnap.collector.discovery.candidates import default_service, is_local, with_prefix
from memsnap.collector.discovery.found import Found, Publish, Update
from memsnap.config.settings import CollectorSettings, TargetSettings, visit_settings
from memsnap.storage.records import SeenTarget

SOURCE = "static"


@dataclass(frozen=True, slots=True, kw_only=True)
class Static:
    """Publishes the list once; it changes with the configuration only."""

    targets: Sequence[TargetSettings]
    collector: CollectorSettings
    host: str

    @property
    def source(self) -> str:
        """What names it."""
        return SOURCE

    async def follow(self, publish: Publish) -> None:
        """Publish the list, and wait until cancelled."""
        found = tuple(found_of(one, self.collector, self.host) for one in self.targets)
        publish(Update(source=SOURCE, found=found))
        await asyncio.Event().wait()


def found_of(settings: TargetSettings, collector: CollectorSettings, host: str) -> Found:
    """Return a listed target, as it is known to its store."""
    target = with_prefix(parse_target(settings.address), settings.overrides.prefix)
    near = host if is_local(target) else ""
    address = str(target)
    seen = SeenTarget(
        key=settings.id or (f"{near}/{address}" if near else address),
        address=address,
        service=settings.name or default_service(target),
        source=SOURCE,
        labels=settings.labels,
    )
    return Found(
        seen=seen, target=target, visit=visit_settings(collector, settings.overrides), host=near
    )
