"""Goroutines that pile up, in words: what waits where, for what, and since which `go` statement."""

import re

import numpy as np

from memsnap.analysis.catalogue import CATALOGUE, kind_of_pile
from memsnap.analysis.finding import Cause, Finding, Growth, Number, Severity
from memsnap.analysis.goroutines import Waiting
from memsnap.analysis.names import package_of, short_file, short_function
from memsnap.analysis.parked import COMES_AND_GOES
from memsnap.analysis.rows import Frame
from memsnap.analysis.series import Series
from memsnap.analysis.stacks import frame_of
from memsnap.analysis.trend import rises
from memsnap.units import format_bytes, format_count

_STEADY = 0.02  # that their number rises so by chance
_NEARLY_ALL = 0.95  # of the goroutines: a share that needs no words
_STACK = 2048  # bytes of the smallest stack (runtime/stack.go, stackMin)
_WRAPPER = re.compile(r"closure .+\.gowrap\d+")  # a type as `gobin` names that of a closure


def waiting_words(series: Series, goroutines: tuple[Waiting, ...]) -> tuple[str, ...]:
    """Return one sentence per place where goroutines pile up, the largest pile first."""
    piles = sorted(goroutines, key=lambda one: -one.rise)
    return tuple(
        _sentence(one, go_statement(series, one), f" ({format_count(one.rise, signed=True)})")
        for one in piles[:4]
    )


def crowd_words(one: Waiting) -> tuple[str, ...]:
    """Return the sentence on goroutines of one capture."""
    return (_sentence(one, started_at(one), ""),)


def crowd_evidence(one: Waiting) -> tuple[tuple[str, Number], ...]:
    """Return the numbers behind goroutines of one capture."""
    return tuple(_evidence(one, started_at(one)).items())


def started_at(one: Waiting) -> Frame | None:
    """Return the `go` statement that starts these goroutines, as far as they tell themselves.

    The runtime's tracebacks tell it.  Without them, a function literal stands in its own.
    """
    if one.start is not None:
        return one.start.at
    if not one.literal_line:
        return None
    outer = one.entry.function.rpartition(".func")[0]
    return Frame(outer, one.entry.file, one.literal_line)


def go_statement(series: Series, one: Waiting) -> Frame | None:
    """Return the `go` statement that starts these goroutines, None where it is not known.

    Where they do not tell themselves: for `go f(x)` the compiler wraps the call in a closure named
    `g.gowrap1` that is allocated there (cmd/compile/internal/walk, wrapGo): its sampled objects
    tell the line, if all that come to stay are of one place.
    """
    told = started_at(one)
    if told is not None:
        return told
    alignment = series.diff.alignment
    strings = alignment.frames.strings
    package = package_of(one.entry.function)
    wrappers = np.array([at for at, text in enumerate(strings) if _WRAPPER.fullmatch(text)])
    rows = np.flatnonzero(np.isin(alignment.type, wrappers) & (series.born > series.died))
    places = {frame_of(alignment, int(at)) for at in series.frame[rows].tolist() if at >= 0}
    places = {place for place in places if package_of(place.function) == package}
    return places.pop() if len(places) == 1 else None


def _sentence(one: Waiting, statement: Frame | None, more: str) -> str:
    """Return what waits where; `more` is how many came on top, in brackets."""
    stuck = ""
    if one.stuck:
        stuck = f"; nothing can ever wake {format_count(one.stuck)} of them, says the runtime"
    since = f", some for {format_count(one.minutes)} min and more" if one.minutes else ""
    return (
        f"{format_count(one.counts[-1])} goroutines wait in {one.state} at "
        f"{short_function(one.at.function)} {_spot(one.at)}{more}{since}, "
        f"{_started(one, statement)}{stuck}"
    )


def _started(one: Waiting, statement: Frame | None) -> str:
    """Return which `go` statement started them, and what it runs if that is not plain from it."""
    if statement is None:
        return f"started by go {short_function(one.entry.function)}"
    most = ""
    if one.start is not None and one.start.share < _NEARLY_ALL:
        most = f"{one.start.share:.0%} of them "
    runs = f" for {short_function(one.runs.function)} {_spot(one.runs)}" if one.runs else ""
    return (
        f"{most}started by the go statement in {short_function(statement.function)} "
        f"{_spot(statement)}{runs}"
    )


def _spot(frame: Frame) -> str:
    return f"{short_file(frame.file)}:{frame.line}"


def waiting_evidence(
    series: Series, goroutines: tuple[Waiting, ...]
) -> tuple[tuple[str, Number], ...]:
    """Return the numbers behind the largest pile; nothing without goroutines."""
    if not goroutines:
        return ()
    one = foremost(goroutines)
    evidence = _evidence(one, go_statement(series, one))
    return tuple({**evidence, "goroutines_growth": one.rise}.items())


def _evidence(one: Waiting, statement: Frame | None) -> dict[str, Number]:
    evidence: dict[str, Number] = {
        "goroutines": one.counts[-1],
        "goroutines_state": one.state,
        **_place("blocked", one.at),
        **_place("entry", one.entry),
        **(_place("go", statement) if statement else {}),
        **(_place("runs", one.runs) if one.runs else {}),
    }
    if one.start is not None:
        evidence["go_share"] = round(one.start.share, 3)
    if one.minutes is not None:
        evidence["blocked_minutes"] = one.minutes
    if one.stuck is not None:
        evidence["goroutines_stuck"] = one.stuck
    return evidence


def _place(name: str, frame: Frame) -> dict[str, Number]:
    return {
        f"{name}_function": frame.function,
        f"{name}_file": frame.file,
        f"{name}_line": frame.line,
    }


def foremost(goroutines: tuple[Waiting, ...]) -> Waiting:
    """Return the pile to name: one that waits for others, of these the largest."""
    return max(goroutines, key=lambda one: (one.state not in COMES_AND_GOES, one.rise))


def surely_stuck(series: Series, goroutines: tuple[Waiting, ...]) -> bool:
    """Whether a pile that rises steadily is of goroutines that wait for others, not for work.

    Those that the runtime found nothing can wake are stuck whatever they wait for.
    """
    return any(
        len(one.counts) >= 3
        and rises(series.seconds, np.array(one.counts, dtype=np.float64)) <= _STEADY
        and (one.state not in COMES_AND_GOES or (one.stuck or 0) >= one.rise)
        for one in goroutines
    )


def piled_up(series: Series, goroutines: tuple[Waiting, ...]) -> Finding:
    """Return the finding on goroutines that no growing site was found for."""
    one = foremost(goroutines)
    rise = sum(pile.rise for pile in goroutines)
    sure = surely_stuck(series, goroutines)
    seconds = float(series.seconds[-1])
    place = one.at if one.own else one.entry
    kind = kind_of_pile(goroutines)
    least = rise * _STACK
    return Finding(
        id=f"{kind}:{place.function}",
        kind=kind,
        verdict=Cause.LEAK if sure else Cause.UNKNOWN,
        severity=Severity.HIGH if sure else Severity.MEDIUM,
        confidence=0.95 if sure else 0.5,
        title=(
            f"{format_count(rise)} more goroutines wait in {one.state} at "
            f"{short_function(place.function)}: {format_bytes(least)} of stacks at least"
        ),
        detail=waiting_words(series, goroutines),
        advice=CATALOGUE[kind].advice,
        example=CATALOGUE[kind].example,
        function=place.function,
        file=place.file,
        line=place.line,
        growth=Growth(
            bytes=least,
            low_bytes=least,
            high_bytes=None,
            bytes_per_s=round(least / seconds, 1) if series.clocked and seconds else None,
        ),
        evidence=waiting_evidence(series, goroutines),
    )
