"""Go's listing of goroutines (`goroutine?debug=2`): who waits where, begun by which `go` statement.

The counting profile has stacks only.  The listing adds, for every goroutine, the `go` statement
that started it and for how many minutes it has waited: runtime/traceback.go, goroutineheader and
printcreatedby, the same from Go 1.21 to 1.27.  The arguments that it prints are thrown away.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from memsnap.errors import FormatError

# runtime/pprof/pprof.go, writeGoroutineStacks: what is longer is cut there.
_CUT_BYTES = 64 << 20
_HEAD = re.compile(rb"goroutine \d+ (?:gp=.* )?\[([^\]]*)\](?: \{.*\})?:$")
_PLACE = re.compile(r"\t(.+):(\d+)(?: \+0x[0-9a-f]+)?(?: fp=.*)?$")
_MINUTES = re.compile(r"(\d+) minutes$")
# What goroutineheader adds to the reason of a wait, of no use to tell equal goroutines.
_REMARKS = (" (scan)", " (leaked)", " (durable)")
_CREATED = "created by "


class Spot(NamedTuple):
    """A line of code in a function; `line` is 1-based."""

    function: str
    file: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Traceback:
    """Goroutines with the same stack, state and `go` statement.

    `state` is the runtime's own word (runtime2.go, waitReason): "chan send", "select".
    `frames` are the innermost first, without the runtime's own.  `go` is the `go` statement and
    the function that it stands in; None for the main goroutine.  `minutes` is how long the one of
    them waits that was first seen waiting by a garbage collection; 0 below a minute.
    """

    state: str
    frames: tuple[Spot, ...]
    go: Spot | None
    count: int
    minutes: int


def parse_tracebacks(data: bytes, *, name: str) -> tuple[Traceback, ...]:
    """Return the goroutines of a listing, those that are alike counted together.

    Raises FormatError, naming `name`, for what is no such listing, and for one that Go cut short.
    """
    if len(data) >= _CUT_BYTES:
        raise FormatError(
            f"{name} is cut short: Go lists no more than 64 MB of goroutine stacks",
            hint="ask for the stacks of fewer goroutines: --stacks-up-to",
        )
    found: dict[tuple[str, tuple[Spot, ...], Spot | None], tuple[int, int]] = {}
    for block in data.split(b"\n\n"):
        if not block.strip():
            continue
        state, minutes, lines = _opened(block, name)
        frames, go = _frames(lines)
        count, longest = found.get((state, frames, go), (0, 0))
        found[state, frames, go] = (count + 1, max(longest, minutes))
    return tuple(
        Traceback(state=state, frames=frames, go=go, count=count, minutes=minutes)
        for (state, frames, go), (count, minutes) in found.items()
    )


def _opened(block: bytes, name: str) -> tuple[str, int, list[str]]:
    """Return the state, the minutes and the lines below the head of one goroutine."""
    head, *lines = block.strip(b"\n").split(b"\n")
    matched = _HEAD.match(head)
    if matched is None:
        raise FormatError(
            f"{name} is no listing of goroutines",
            hint="it should be what Go's net/http/pprof answers to goroutine?debug=2",
        )
    state, *more = matched[1].decode("utf-8", "replace").split(", ")
    for remark in _REMARKS:
        state = state.removesuffix(remark)
    waited = [int(found[1]) for found in map(_MINUTES.match, more) if found]
    return state, max(waited, default=0), [line.decode("utf-8", "replace") for line in lines]


def _frames(lines: list[str]) -> tuple[tuple[Spot, ...], Spot | None]:
    """Return the frames and the `go` statement; frames without a place (cgo's) are left out."""
    frames, go = [], None
    for spot in _spots(lines):
        if spot.function.startswith(_CREATED):
            creator, _, _ = spot.function.removeprefix(_CREATED).partition(" in goroutine ")
            go = Spot(creator, spot.file, spot.line)
        else:
            frames.append(Spot(spot.function.rpartition("(")[0], spot.file, spot.line))
    return tuple(frames), go


def _spots(lines: list[str]) -> Iterator[Spot]:
    """Yield each line about a function with the place in the line below it."""
    function = ""
    for line in lines:
        place = _PLACE.match(line) if function else None
        if place is not None:
            yield Spot(function, place[1], int(place[2]))
        function = "" if line.startswith(("\t", "...")) else line
