"""Goroutines that pile up, in words: what waits where, for what, and since which `go` statement."""

from memsnap.analysis.catalogue import ADVICE
from memsnap.analysis.finding import Cause, Finding, Growth, Number, Severity
from memsnap.analysis.goroutines import Waiting
from memsnap.analysis.names import short_file, short_function
from memsnap.analysis.rows import Frame
from memsnap.analysis.series import Series
from memsnap.units import format_bytes, format_count

_STACK = 2048  # bytes of the smallest stack (runtime/stack.go, stackMin)
_COMES_AND_GOES = ("IO wait", "running", "sleep")
"""States that goroutines with work to do are in as well: growth there may be load."""


def waiting_words(goroutines: tuple[Waiting, ...]) -> tuple[str, ...]:
    """Return one sentence per place where goroutines pile up, the largest pile first."""
    piles = sorted(goroutines, key=lambda one: -one.rise)
    return tuple(_sentence(one) for one in piles[:4])


def _sentence(one: Waiting) -> str:
    started = f"go {short_function(one.entry.function)}"
    if one.go_line:
        started = f"the go statement at {_spot(Frame('', one.entry.file, one.go_line))}"
    stuck = ""
    if one.stuck:
        stuck = f"; nothing can ever wake {format_count(one.stuck)} of them, says the runtime"
    return (
        f"{format_count(one.counts[-1])} goroutines wait in {one.state} at "
        f"{short_function(one.at.function)} {_spot(one.at)} "
        f"({format_count(one.rise, signed=True)}), started by {started}{stuck}"
    )


def _spot(frame: Frame) -> str:
    return f"{short_file(frame.file)}:{frame.line}"


def waiting_evidence(goroutines: tuple[Waiting, ...]) -> tuple[tuple[str, Number], ...]:
    """Return the numbers behind the largest pile; nothing without goroutines."""
    if not goroutines:
        return ()
    one = max(goroutines, key=lambda pile: pile.rise)
    evidence: dict[str, Number] = {
        "goroutines": one.counts[-1],
        "goroutines_growth": one.rise,
        "goroutines_state": one.state,
        "blocked_function": one.at.function,
        "blocked_file": one.at.file,
        "blocked_line": one.at.line,
        "entry_function": one.entry.function,
        "entry_file": one.entry.file,
        "entry_line": one.entry.line,
    }
    if one.go_line:
        evidence["go_line"] = one.go_line
    if one.stuck is not None:
        evidence["goroutines_stuck"] = one.stuck
    return tuple(evidence.items())


def surely_stuck(goroutines: tuple[Waiting, ...]) -> bool:
    """Whether a pile is of goroutines that wait for others, not for work, or that cannot wake."""
    return any(
        len(one.counts) >= 3
        and (one.state not in _COMES_AND_GOES or (one.stuck or 0) >= one.rise)
        for one in goroutines
    )


def piled_up(series: Series, goroutines: tuple[Waiting, ...]) -> Finding:
    """Return the finding on goroutines that no growing site was found for."""
    one = max(goroutines, key=lambda pile: pile.rise)
    rise = sum(pile.rise for pile in goroutines)
    sure = surely_stuck(goroutines)
    seconds = float(series.seconds[-1])
    place = one.at
    least = rise * _STACK
    return Finding(
        id=f"goroutine-leak:{place.function}",
        kind="goroutine-leak",
        verdict=Cause.LEAK if sure else Cause.UNKNOWN,
        severity=Severity.HIGH if sure else Severity.MEDIUM,
        confidence=0.95 if sure else 0.5,
        title=(
            f"{format_count(rise)} more goroutines wait in {one.state} at "
            f"{short_function(place.function)}: {format_bytes(least)} of stacks at least"
        ),
        detail=waiting_words(goroutines),
        advice=ADVICE["goroutine-leak"].advice,
        example=ADVICE["goroutine-leak"].example,
        function=place.function,
        file=place.file,
        line=place.line,
        growth=Growth(
            bytes=least,
            low_bytes=least,
            high_bytes=None,
            bytes_per_s=round(least / seconds, 1) if series.clocked and seconds else None,
        ),
        evidence=waiting_evidence(goroutines),
    )
