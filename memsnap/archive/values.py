"""What is asked of an archive and what it answers, beside the store's own records.

Frozen values, which are also the wire format of `/api/v1` (as JSON, by msgspec).  Times are
integer nanoseconds since 1970 in UTC; `until_ns` is exclusive.
"""

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from memsnap.analysis.select import EVERYTHING, Selection
from memsnap.storage.records import Labels
from memsnap.storage.sightings import FindingRecord, State

T = TypeVar("T")

API_VERSION = 1
MOST_ROWS = 1000
"""The most targets, snapshots or failures that are asked for at once."""
MOST_POINTS = 20_000
"""The most captures of one series: two weeks of one a minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcome:
    """What a daemon says at `/api/v1`, by which clients know that it is one."""

    server: str = "memsnap"
    version: str
    api: int = API_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """A bounded list; `next` is the parameter `after` of the next one, None at the end."""

    items: tuple[T, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetQuery:
    """Which targets are meant; `after_id` is the last one of the page before."""

    service: str = ""
    labels: Labels = ()
    with_retired: bool = False
    after_id: int | None = None
    limit: int = MOST_ROWS


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureQuery:
    """Which lines of the audit are meant; the newest slots come first."""

    target_id: int | None = None
    service: str = ""
    labels: Labels = ()
    since_ns: int | None = None
    until_ns: int | None = None
    limit: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingQuery:
    """Which findings are meant, those seen last first; empty is no condition."""

    target_id: int | None = None
    states: tuple[State, ...] = ()
    limit: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFinding:
    """A finding that is kept, and its state as people see it."""

    state: State
    finding: FindingRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesQuery:
    """What to follow over a target's captures: `metrics`, or what the sites of `match` hold.

    Metrics have the names that `metrics.find_metric` knows.
    """

    metrics: tuple[str, ...] = ()
    match: Selection = EVERYTHING
    since_ns: int | None = None
    until_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One number of each capture, None where unknown.

    `unit` is bytes, objects, goroutines, cycles, nanoseconds, samples or ratio.
    """

    name: str
    unit: str
    values: tuple[int | float | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """How a target went: a row per capture, by slot.

    `process_id` changes where the process was restarted; counts of allocations begin anew there.
    """

    slot_ns: tuple[int, ...] = ()
    snapshot_id: tuple[int, ...] = ()
    process_id: tuple[int, ...] = ()
    columns: tuple[Column, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.slot_ns)
