"""What discoveries find and how they tell it: the values between them and who visits targets."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from memsnap.capture.target import Target
from memsnap.config.settings import VisitSettings
from memsnap.storage.records import SeenTarget


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A target, and how it is to be visited.

    `host` is the machine that alone can reach it (a process, a unix socket, a loopback address);
    empty where any collector can.  `expected` is False for a process that was found only because
    it is a Go program: that it has no pprof is no failure.  `listeners` are where such a process
    listens, for messages.
    """

    seen: SeenTarget
    target: Target = field(repr=False)  # may hold a password
    visit: VisitSettings
    host: str = ""
    expected: bool = True
    listeners: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """All that a discovery knows of its targets now.

    `found` is None as long as it could not find out even once: then none of its targets may be
    taken for gone.  `problems` are sentences about what does not work at the moment; what was
    found before goes on then.
    """

    source: str
    found: tuple[Found, ...] | None
    problems: tuple[str, ...] = ()


Publish = Callable[[Update], None]


class Discovery(Protocol):
    """A way of finding targets."""

    @property
    def source(self) -> str:
        """What names it in the store and in messages."""
        ...

    async def follow(self, publish: Publish) -> None:
        """Publish what is found, at once and after every change, until cancelled.

        What is expected to go wrong is published as a problem and never leaves this function.
        """
        ...


def merge(updates: Iterable[Update]) -> dict[str, Found]:
    """Return what all discoveries found, by key; of what several found, the first one's."""
    merged: dict[str, Found] = {}
    for update in updates:
        for one in update.found or ():
            merged.setdefault(one.seen.key, one)
    return merged
