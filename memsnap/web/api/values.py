"""What the server answers beside an archive's own values: frozen, and as JSON the wire format."""

from dataclasses import dataclass

from memsnap.config.settings import Scope
from memsnap.storage.overview import Course
from memsnap.storage.records import SnapshotRecord
from memsnap.storage.sightings import FindingRecord, State
from memsnap.storage.timeline import ProcessLife


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


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOverTime:
    """Live bytes of one holder by capture; `file` and `line` are empty and 0 unless by line."""

    name: str
    file: str
    line: int
    peak_bytes: int
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TopSeries:
    """What held the live heap, in bytes as Go estimates them: a row per capture, by slot.

    Of `captures` captures in this time those in `snapshot_id` were read.  `rest` is what all that
    is not among `items` held.  `unknown`, by type alone, is what objects of unknown type took:
    it is neither in `items` nor in `rest`.  `typed`: any type is known at all.
    """

    by: str
    typed: bool
    captures: int
    slot_ns: tuple[int, ...]
    snapshot_id: tuple[int, ...]
    process_id: tuple[int, ...]
    items: tuple[HeldOverTime, ...]
    rest: tuple[int, ...]
    unknown: tuple[int, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingBand:
    """When a finding was there: from `since_ns` to `resolved_ns`, or when it was last seen."""

    id: int
    state: State
    severity: str
    kind: str
    verdict: str
    title: str
    function: str
    first_ns: int
    since_ns: int
    last_ns: int
    resolved_ns: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """What happened to a target: lives that have captures in this time, and findings.

    Both are the oldest first.  `more`: there were too many, and the oldest ones are left out.
    """

    since_ns: int
    until_ns: int
    lives: tuple[ProcessLife, ...]
    findings: tuple[FindingBand, ...]
    more: bool
