"""Goroutines over a series of captures: how many wait where, for what, and whether they pile up.

The goroutine profile (runtime/pprof, `goroutine`) counts equal stacks.  A stack starts with the
runtime's parking frames, which tell what the goroutine waits for, and ends with the function that
its `go` statement runs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from memsnap.analysis.parked import outermost_own, place_of, state_of
from memsnap.analysis.rows import Frame
from memsnap.analysis.starts import Start, minutes_waited, spot_of, starts
from memsnap.analysis.table import Floats
from memsnap.analysis.trend import rises
from memsnap.errors import FormatError
from memsnap.pprof.origins import tracebacks_of
from memsnap.pprof.profile import Profile
from memsnap.pprof.reader import read
from memsnap.pprof.tracebacks import Traceback
from memsnap.snapshot import Snapshot

_PILE = 8  # goroutines more, from which on they pile up
_STEADILY = 0.05  # probability that their number rises so by chance


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Goroutines of one entry function that wait at one place, at each of N captures.

    `entry` is what the `go` statement runs; `runs` the own code that it runs where it is not own
    code itself (errgroup), else None.  `literal_line` is the line of the entry's function literal,
    0 where it is none; `start` the `go` statement, as the runtime tells it, None where no capture
    took tracebacks, and `minutes` how long the first of them waits, at least (None: the last one
    took none).  `at` is the innermost frame of own code, or of any code that is not the
    runtime's.  `stuck` is how many of them nothing can wake, as the runtime itself found in the
    last capture (profile `goroutineleak`); None where it has no such profile.
    """

    entry: Frame
    runs: Frame | None
    literal_line: int
    start: Start | None
    minutes: int | None
    at: Frame
    own: bool
    state: str
    counts: tuple[int, ...]
    stuck: int | None
    functions: frozenset[str]

    @property
    def rise(self) -> int:
        """Goroutines that came on top between the first capture and the last."""
        return self.counts[-1] - self.counts[0]


@dataclass(frozen=True, slots=True)
class _Stack:
    frames: tuple[Frame, ...]
    entry_start: int
    count: int


def waiting(snapshots: Sequence[Snapshot]) -> tuple[Waiting, ...]:
    """Return the goroutines by entry, place and state.

    Empty where a capture lacks the profile, or has one that cannot be read: what the heap tells
    stands without it.
    """
    profiles = [_profile(snapshot.goroutine_profile, snapshot.name) for snapshot in snapshots]
    known = [profile for profile in profiles if profile is not None]
    if len(known) < len(profiles) or not known:
        return ()
    module = snapshots[-1].capture.process.module
    counts: dict[tuple[str, str, Frame], Floats] = {}
    example: dict[tuple[str, str, Frame], _Stack] = {}
    for at, profile in enumerate(known):
        for stack in _stacks(profile):
            key = _key(stack, module)
            counts.setdefault(key, np.zeros(len(snapshots)))[at] += stack.count
            example[key] = stack
    tracebacks = [_tracebacks(one, of.name) for one, of in zip(known, snapshots, strict=True)]
    began, waited = starts(tracebacks, module), minutes_waited(tracebacks[-1], module)
    stuck = _stuck(snapshots[-1], module)
    found = []
    for key, column in counts.items():
        spot = spot_of(example[key].frames, module)
        one = _waiting(key[1], example[key], column, module=module, start=began.get(spot))
        found.append(
            replace(
                one,
                minutes=waited.get(spot),
                stuck=None if stuck is None else stuck.get(key, 0),
            )
        )
    return tuple(found)


def piles_up(seconds: Floats, one: Waiting) -> bool:
    """Whether the number of goroutines rises all the time, and more than by chance."""
    counts = np.array(one.counts, dtype=np.float64)
    if len(counts) < 2 or one.rise < _PILE or (np.diff(counts) < 0).any():
        return False
    return len(counts) < 3 or rises(seconds, counts) <= _STEADILY


def holds(name: str, pile: Waiting) -> bool:
    """Whether the goroutines run, or were started by, the function `name`."""
    return any(
        function == name or _literal_in(function, name) or _literal_in(name, function)
        for function in pile.functions
    )


def _literal_in(function: str, name: str) -> bool:
    """Whether `function` is a function literal written inside `name`: `f.func1`, `f.gowrap1`."""
    inner = function.removeprefix(name)
    return inner != function and inner.startswith((".func", ".gowrap", "."))


def _profile(body: bytes | None, name: str) -> Profile | None:
    if body is None:
        return None
    try:
        profile = read(body, name=f"the goroutines of {name}")
    except FormatError:
        return None
    return profile if profile.sample_types else None


def _tracebacks(profile: Profile, name: str) -> tuple[Traceback, ...] | None:
    try:
        return tracebacks_of(profile, name=f"the goroutines of {name}")
    except FormatError:
        return None


def _stuck(snapshot: Snapshot, module: str) -> dict[tuple[str, str, Frame], int] | None:
    profile = _profile(snapshot.leak_profile, snapshot.name)
    if profile is None:
        return None
    found: dict[tuple[str, str, Frame], int] = {}
    for stack in _stacks(profile):
        key = _key(stack, module)
        found[key] = found.get(key, 0) + stack.count
    return found


def _key(stack: _Stack, module: str) -> tuple[str, str, Frame]:
    return stack.frames[-1].function, state_of(stack.frames), place_of(stack.frames, module)[0]


def _waiting(
    state: str, stack: _Stack, counts: Floats, *, module: str, start: Start | None
) -> Waiting:
    entry = stack.frames[-1]
    literal = ".func" in entry.function
    at, own = place_of(stack.frames, module)
    runs = outermost_own(stack.frames, module)
    return Waiting(
        entry=Frame(entry.function, entry.file, stack.entry_start or entry.line),
        runs=None if runs == entry else runs,
        literal_line=stack.entry_start if literal else 0,
        start=start,
        minutes=None,
        at=at,
        own=own,
        state=state,
        counts=tuple(counts.astype(int).tolist()),
        stuck=None,
        functions=frozenset(
            (*(frame.function for frame in stack.frames), *((start.at.function,) if start else ()))
        ),
    )


def _stacks(profile: Profile) -> Iterator[_Stack]:
    """Yield the stacks with a frame at all; a goroutine that is about to start has none."""
    locations, functions, strings = profile.locations, profile.functions, profile.strings
    for at in range(len(profile)):
        spots = profile.stack[profile.stack_start[at] : profile.stack_start[at + 1]]
        frames, start = [], 0
        for spot in spots.tolist():
            for line in range(locations.line_start[spot], locations.line_start[spot + 1]):
                function = int(locations.line_function[line])
                name = strings[int(functions.name[function])]
                file = strings[int(functions.file[function])]
                frames.append(Frame(name, file, int(locations.line_number[line])))
                start = int(functions.start_line[function])
        if frames:
            yield _Stack(tuple(frames), start, int(profile.values[at, 0]))
