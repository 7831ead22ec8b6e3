"""Which `go` statement started the goroutines that wait at a place, and since when they wait.

The counting profile does not know; the tracebacks of the same visit do (`pprof.origins`), in the
captures that took them.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from memsnap.analysis.names import package_of
from memsnap.analysis.parked import place_of
from memsnap.analysis.rows import Frame
from memsnap.pprof.tracebacks import Traceback

Spot = tuple[str, Frame]
"""The function that goroutines run, and the line where their code waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """The `go` statement of most goroutines of one place, or of most that came on top.

    `share` is how many of them it started, 0 to 1.
    """

    at: Frame
    share: float


def spot_of(frames: Sequence[Frame], module: str) -> Spot:
    """Return the key under which both profiles know goroutines; there is a frame at least.

    Only one of them has the runtime's own frames, and tells instances of a generic function apart
    (runtime/traceback.go, showfuncinfo; runtime/symtab.go, funcNameForPrint).
    """
    outer = (one.function for one in reversed(frames) if package_of(one.function) != "runtime")
    place = place_of(frames, module)[0]
    entry = next(outer, frames[-1].function)
    return _generic(entry), Frame(_generic(place.function), place.file, place.line)


def starts(captures: Sequence[tuple[Traceback, ...] | None], module: str) -> dict[Spot, Start]:
    """Return the start of the goroutines of each place; `captures` are the oldest first.

    Empty where none of them has tracebacks.
    """
    known = [tracebacks for tracebacks in captures if tracebacks is not None]
    if not known:
        return {}
    first, last = _counted(known[0], module), _counted(known[-1], module)
    found = {}
    for spot, counts in last.items():
        risen = counts - first.get(spot, Counter()) if len(known) > 1 else counts
        (at, count), *_ = (risen or counts).most_common(1)
        share = count / (risen or counts).total()
        found[spot] = Start(at=at, share=share)
    return found


def _counted(tracebacks: tuple[Traceback, ...], module: str) -> dict[Spot, "Counter[Frame]"]:
    """Return how many goroutines each `go` statement started, by place."""
    found: dict[Spot, Counter[Frame]] = {}
    for one in tracebacks:
        if one.go is not None and one.frames:
            found.setdefault(_spot(one, module), Counter())[Frame(*one.go)] += one.count
    return found


def minutes_waited(tracebacks: tuple[Traceback, ...] | None, module: str) -> dict[Spot, int]:
    """Return how long the first goroutine of each place has waited, at least."""
    found: dict[Spot, int] = {}
    for one in tracebacks or ():
        if one.frames:
            spot = _spot(one, module)
            found[spot] = max(found.get(spot, 0), one.minutes)
    return found


def _spot(one: Traceback, module: str) -> Spot:
    return spot_of([Frame(*frame) for frame in one.frames], module)


def _generic(function: str) -> str:
    head, bracket, rest = function.partition("[")
    return f"{head}[...]{rest.rpartition(']')[2]}" if bracket and "]" in rest else function
