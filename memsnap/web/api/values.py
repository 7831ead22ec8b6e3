"""What the server answers beside an archive's own values: frozen, and as JSON the wire format."""

from dataclasses import dataclass

from memsnap.config.settings import Scope
from memsnap.storage.overview import Course
from memsnap.storage.records import SnapshotRecord
from memsnap.storage.sightings import FindingRecord, State


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionState:
    """Who asks; `needed`: without a token there is nothing, `scope` None: and none was sent."""

    needed: bool
    scope: Scope | None
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """A capture that was asked for; `snapshot` is None while it waits for the store."""

    snapshot: SnapshotRecord | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeGrowth:
    """A type of objects in a pair of captures: live bytes in the first, and in the last."""

    type: str
    before_bytes: int
    after_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingView:
    """A finding and its state as people see it; `snapshots` are the captures that it rests on.

    Those are there for a single finding alone.
    """

    state: State
    finding: FindingRecord
    snapshots: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """How targets went from `since_ns` to `until_ns`, those without captures left out.

    `since_ns` is not before the first capture of any.  `next` is the parameter `after` of the
    next page, None at the end.
    """

    since_ns: int
    until_ns: int
    items: tuple[Course, ...]
    next: str | None = None
