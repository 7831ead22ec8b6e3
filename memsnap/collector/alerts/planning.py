"""What a receiver has to be told, given what it was told before: pure rules.

A finding is told once when it is open, which takes two judgements that agree, and once when it is
resolved.  A muted one is not told, and a receiver that knows of it hears that it is over.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from memsnap.config.settings import AlertSettings, Severity
from memsnap.storage.notices import Notice
from memsnap.storage.sightings import FindingRecord, State

SEVERITIES = tuple(one.value for one in Severity)  # the least first


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message: findings that are all open, or all resolved; several are only summed up.

    `kept_back` is whether that is so because the receiver had as many messages as it wants.
    """

    state: State
    findings: tuple[FindingRecord, ...]
    kept_back: bool = False


def matches(alert: AlertSettings, finding: FindingRecord) -> bool:
    """Whether a receiver wants to know of a finding at all."""
    if SEVERITIES.index(finding.severity) < SEVERITIES.index(alert.min_severity.value):
        return False
    if finding.confidence < alert.min_confidence:
        return False
    known = labels_of(finding)
    return all(pattern.fullmatch(known.get(name, "")) for name, pattern in alert.labels)


def labels_of(finding: FindingRecord) -> dict[str, str]:
    """Return what a finding can be chosen by: the target's labels, and what it is itself."""
    return {
        **dict(finding.seen.labels),
        "service": finding.seen.service,
        "target": finding.seen.key,
        "kind": finding.kind,
        "verdict": finding.verdict,
    }


def due(
    alert: AlertSettings,
    findings: Sequence[FindingRecord],
    told: Mapping[int, Notice],
    now_ns: int,
) -> list[tuple[State, FindingRecord]]:
    """Return what a receiver has to be told now of each finding, the most severe first."""
    wanted = []
    for finding in findings:
        state, notice = finding.state(now_ns), told.get(finding.id)
        if notice is not None and notice.told is State.OPEN:
            if state in (State.RESOLVED, State.MUTED):
                wanted.append((State.RESOLVED, finding))
        elif state is State.OPEN and matches(alert, finding) and _is_cool(alert, notice, now_ns):
            wanted.append((State.OPEN, finding))
    wanted.sort(key=lambda pair: (-SEVERITIES.index(pair[1].severity), -pair[1].confidence))
    return wanted


def messages(wanted: Sequence[tuple[State, FindingRecord]], *, allowed: int) -> list[Message]:
    """Return the messages that say what is wanted, at most so many; the last may sum up the rest.

    Findings that are resolved are told before those that are open, so that room is not lost.
    """
    single = [Message(state=state, findings=(finding,)) for state, finding in wanted]
    if len(single) <= allowed:
        return single
    if allowed < 1:
        return []
    rest = wanted[allowed - 1 :]
    sums = [
        Message(
            state=state, findings=tuple(one for each, one in rest if each is state), kept_back=True
        )
        for state in (State.OPEN, State.RESOLVED)
        if any(each is state for each, _ in rest)
    ]
    return [*single[: allowed - 1], *sums[:1]]


def _is_cool(alert: AlertSettings, notice: Notice | None, now_ns: int) -> bool:
    return notice is None or now_ns - notice.at_ns >= alert.cool_down_s * 1e9
