"""What judging says of a target, and what a finding becomes by it: pure values and rules.

A finding is new when it is first seen, open when a later capture shows it again, and resolved when
enough captures in a row did not show it, or when somebody says so.
"""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from memsnap.storage.records import SeenTarget

FOR_EVER_NS = 2**63 - 1
"""The end of a mute that does not end."""


class State(Enum):
    """Where a finding is in its course; it is stored as one of the first three."""

    NEW = "new"
    OPEN = "open"
    RESOLVED = "resolved"
    MUTED = "muted"  # open, and nobody is to be told


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighted:
    """A finding in one judging; `document` is its JSON, as in reports."""

    fingerprint: str
    kind: str
    verdict: str
    severity: str
    confidence: float
    function: str
    document: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """All that a window of captures of one process life has shown.

    `snapshot_ids` and `slots_ns` are those of its captures, the oldest first.
    """

    target_id: int
    process_id: int
    snapshot_ids: tuple[int, ...]
    slots_ns: tuple[int, ...]
    sighted: tuple[Sighted, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What the store knows of the course of a finding, without what it says; times in ns."""

    state: State
    first_ns: int
    since_ns: int
    last_ns: int
    process_id: int
    captures: int
    missed: int = 0
    resolved_ns: int | None = None
    resolved_by: str = ""

    @property
    def is_over(self) -> bool:
        """Whether it is resolved."""
        return self.state is State.RESOLVED


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingRecord:
    """A finding of the store; `document` is what was said of it when it was last seen.

    `since_build` names the build that showed it first since it was last resolved: its revision,
    version or build id, empty where it has none.
    """

    id: int
    target_id: int
    seen: SeenTarget
    fingerprint: str
    kind: str
    verdict: str
    severity: str
    confidence: float
    function: str
    course: Course
    since_build: str
    muted_until_ns: int | None
    muted_by: str
    document: dict[str, Any]

    def state(self, now_ns: int) -> State:
        """Return its state as people see it: muted hides that it is new or open."""
        muted = self.muted_until_ns is not None and now_ns < self.muted_until_ns
        return State.MUTED if muted and not self.course.is_over else self.course.state


def said_by(who: str, reason: str) -> str:
    """Return who settled a finding, with the reason where one was given."""
    return f"{who}: {reason.strip()}" if reason.strip() else who


def begun(judgement: Judgement) -> Course:
    """Return the course of a finding that is seen for the first time."""
    last_ns = judgement.slots_ns[-1]
    return Course(
        state=State.NEW,
        first_ns=last_ns,
        since_ns=last_ns,
        last_ns=last_ns,
        process_id=judgement.process_id,
        captures=len(judgement.slots_ns),
    )


def seen_again(course: Course, judgement: Judgement) -> Course:
    """Return the course of a finding that a judgement shows again.

    What somebody has resolved comes back with another life of the process only: what this one
    holds stays held, whatever was done about it.
    """
    same_life = course.process_id == judgement.process_id
    if course.is_over:
        if course.resolved_by and same_life:
            return course
        return replace(begun(judgement), first_ns=course.first_ns)
    last_ns = judgement.slots_ns[-1]
    later = last_ns > course.last_ns
    return replace(
        course,
        state=State.OPEN if later else course.state,
        last_ns=max(last_ns, course.last_ns),
        process_id=judgement.process_id,
        captures=course.captures if same_life else len(judgement.slots_ns),
        missed=0 if later else course.missed,
    )


def not_seen(
    course: Course, judgement: Judgement, *, missed: int, resolve_after: int, now_ns: int
) -> Course:
    """Return the course of a finding that a judgement does not show.

    `missed` captures of this life came since it was last seen.  After a restart it takes as many
    to be sure that it is gone as it took to see it.
    """
    if course.is_over:
        return course
    same_life = course.process_id == judgement.process_id
    needed = resolve_after if same_life else max(resolve_after, course.captures)
    if missed >= needed:
        return replace(course, state=State.RESOLVED, missed=missed, resolved_ns=now_ns)
    return replace(course, missed=missed)
