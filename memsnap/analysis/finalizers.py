"""Finalizers that wait: the goroutine that runs them stands still, and what has one piles up.

The goroutine profile shows that goroutine only while it runs a finalizer (runtime/traceback.go,
isSystemGoroutine), so that one which waits for a channel or a lock is seen in the act.
"""

from collections.abc import Sequence

from memsnap.analysis.catalogue import CATALOGUE
from memsnap.analysis.finding import Cause, Finding, Number, Severity
from memsnap.analysis.goroutines import Waiting, waiting
from memsnap.analysis.names import short_file, short_function
from memsnap.snapshot import Snapshot
from memsnap.units import format_count

# runtime/mfinal.go: runfinq up to Go 1.24, runFinalizers from 1.25 on; runtime/mcleanup.go.
_RUNNERS = {
    "runtime.runfinq": "finalizer",
    "runtime.runFinalizers": "finalizer",
    "runtime.runCleanups": "cleanup",
}
_KIND = "finalizer-backlog"
_AT_WORK = ("running", "IO wait")  # what a finalizer that does its work may be seen in


def blocked_finalizers(snapshots: Sequence[Snapshot]) -> list[Finding]:
    """Return a finding on each finalizer that waits in the last captures; none without profiles.

    Two captures in a row, or a minute by the runtime's own clock, make it certain.
    """
    found = []
    for one in waiting(snapshots[-2:]):
        runner = _RUNNERS.get(one.entry.function)
        if runner is not None and one.counts[-1] and one.state not in _AT_WORK:
            found.append(_finding(one, runner))
    return found


def _finding(one: Waiting, runner: str) -> Finding:
    captures = sum(count > 0 for count in one.counts)
    minutes = one.minutes or 0
    sure = captures > 1 or minutes > 0
    since = f" for {format_count(minutes)} min and more" if minutes else ""
    entry = CATALOGUE[_KIND]
    evidence: dict[str, Number] = {
        "goroutines_state": one.state,
        "captures": captures,
        "blocked_function": one.at.function,
        "blocked_file": one.at.file,
        "blocked_line": one.at.line,
    }
    if one.minutes is not None:
        evidence["blocked_minutes"] = one.minutes
    where = f"{short_function(one.at.function)} {short_file(one.at.file)}:{one.at.line}"
    seen = "two captures in a row" if captures > 1 else "one capture"
    return Finding(
        id=f"{_KIND}:{one.at.function}",
        kind=_KIND,
        verdict=Cause.UNKNOWN,
        severity=Severity.MEDIUM if sure else Severity.LOW,
        confidence=0.95 if sure else 0.5,
        title=f"A {runner} waits in {one.state} at {where}{since}: the others wait for it",
        detail=(f"seen in {seen}", entry.meaning),
        advice=entry.advice,
        example=entry.example,
        function=one.at.function,
        file=one.at.file,
        line=one.at.line,
        evidence=tuple(evidence.items()),
    )
