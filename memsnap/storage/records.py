"""What goes into the store and comes out of it, beside snapshots: frozen values.

Times are integer nanoseconds since 1970 in UTC, as in the tables.
"""

from dataclasses import dataclass
from enum import Enum

from memsnap.snapshot import Capture

Labels = tuple[tuple[str, str], ...]  # sorted by name, each name once


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenTarget:
    """A target as a discovery has found it.

    `key` names it over restarts, changes of its PID and of its discovery's order; `address` is
    what is visited now, without secrets.
    """

    key: str
    address: str
    service: str
    source: str
    labels: Labels = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetRecord:
    """A target of the store; `retired_ns` is None while some discovery finds it.

    `snapshots` counts its captures in the store, `last_slot_ns` is the slot of the last one and
    `last_failure` the message of a capture that failed after it; empty if none did.
    """

    id: int
    seen: SeenTarget
    first_seen_ns: int
    last_seen_ns: int
    retired_ns: int | None
    snapshots: int
    last_slot_ns: int | None
    last_failure: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotRecord:
    """A snapshot of the store without its profiles; `capture` is whole but for `types`."""

    id: int
    target_id: int
    process_id: int
    slot_ns: int
    stored_ns: int
    reason: str
    stored_bytes: int
    samples: int
    capture: Capture


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """The moment in a target's schedule that a capture is for; nothing else is stored for it."""

    target_id: int
    at_ns: int
    reason: str = "schedule"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right of one collector to visit a target until `expires_ns` by the database's clock.

    `epoch` is the fencing number: it rises whenever the owner changes.
    """

    target_id: int
    epoch: int
    expires_ns: int


class Cause(Enum):
    """Why a capture that was due is not in the store."""

    UNREACHABLE = "unreachable"  # refused, no route, no such host, reset
    TIMEOUT = "timeout"
    REFUSED = "refused"  # an HTTP status other than 200
    NOT_A_HEAP_PROFILE = "not-a-heap-profile"
    TOO_LARGE = "too-large"
    GONE = "gone"  # the process ended
    CONFIGURATION = "configuration"  # a secret or certificate that cannot be read, a bad prefix
    OVERRUN = "overrun"  # the visit before it was not done yet
    LEASE_LOST = "lease-lost"
    SPOOL_FULL = "spool-full"  # the database was away for too long
    SHUTDOWN = "shutdown"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureRecord:
    """One line of the audit: a capture that was due and is not in the store."""

    slot: Slot
    at_ns: int
    cause: Cause
    message: str
    collector: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotFilter:
    """Which snapshots are meant; None or empty is no condition.

    `since_ns` and `until_ns` (exclusive) bound the slot.  `after` is the slot and the id of a
    snapshot: those that follow it in the order asked for, which makes pages.
    """

    id: int | None = None
    target_id: int | None = None
    service: str = ""
    labels: Labels = ()
    since_ns: int | None = None
    until_ns: int | None = None
    after: tuple[int, int] | None = None
    limit: int = 100
    newest_first: bool = True
