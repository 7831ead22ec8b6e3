"""Several captures of one target, on a schedule that does not drift."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from memsnap.capture.access import DEFAULT_ACCESS, Access
from memsnap.capture.blocking import locate, visit
from memsnap.capture.failures import ProcessGone
from memsnap.capture.probe import Located
from memsnap.capture.process import start_time
from memsnap.capture.target import PidTarget, Target
from memsnap.capture.visit import Options, Progress
from memsnap.errors import MemsnapError, UsageError
from memsnap.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """The time that a series goes by, in seconds; tests bring their own."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True, slots=True, kw_only=True)
class Listeners:
    """What a series reports on its way.

    `on_capture` gets the number of captures tried, from 1, and the snapshot; `on_failure` the
    number and the error; `progress` the steps of each visit.
    """

    on_capture: Callable[[int, Snapshot], None] | None = None
    on_failure: Callable[[int, MemsnapError], None] | None = None
    progress: Progress | None = None


_REAL_TIME = Clock()
_NO_LISTENERS = Listeners()
_DEFAULTS = Options()


def capture_series(
    target: Target,
    access: Access = DEFAULT_ACCESS,
    *,
    count: int,
    interval_s: float,
    options: Options = _DEFAULTS,
    prefix: str | None = None,
    report: Listeners = _NO_LISTENERS,
    clock: Clock = _REAL_TIME,
) -> Iterator[Snapshot]:
    """Yield up to `count` snapshots, one every `interval_s` seconds, each as soon as it is taken.

    A capture that fails is reported and counts as tried; the series goes on.  It ends where the
    first one fails, since then nothing suggests that the target is right, and where the process
    of a PID is gone.  Between captures, Ctrl-C ends the generator at once.

    Raises:
        UsageError: a count below 1, or an interval that is not above 0.
        TargetError, FormatError: as `capture`, for the first one; or the process ended.
    """
    if count < 1:
        raise UsageError(f"a series of {count} captures is none", hint="give --count 2 or more")
    if not interval_s > 0 or math.isinf(interval_s):
        raise UsageError("the interval of a series must be above 0", hint="give --interval 10s")
    return _captures(
        target,
        access,
        count=count,
        interval_s=interval_s,
        options=options,
        prefix=prefix,
        report=report,
        clock=clock,
    )


def next_due(began: float, now: float, interval_s: float) -> float:
    """Return the first moment of the grid `began + n * interval_s` after `now`.

    A capture that takes longer than the interval skips moments, and later ones keep their places.
    """
    return began + (math.floor((now - began) / interval_s) + 1) * interval_s


def _captures(
    target: Target,
    access: Access,
    *,
    count: int,
    interval_s: float,
    options: Options,
    prefix: str | None,
    report: Listeners,
    clock: Clock,
) -> Iterator[Snapshot]:
    began = clock.now()
    first = locate(target, access, prefix)
    place: Located | None = first
    for number in range(1, count + 1):
        try:
            if place is None:
                place = locate(target, access, prefix)
            snapshot = visit(target, place, options=options, progress=report.progress)
        except MemsnapError as error:
            if number == 1:
                raise
            if report.on_failure:
                report.on_failure(number, error)
            _check_alive(target, first.start_time_ns)
            place = None  # its listener may have moved
        else:
            if report.on_capture:
                report.on_capture(number, snapshot)
            yield snapshot
            options = replace(options, warm_up=False)
        if number < count:
            clock.sleep(max(next_due(began, clock.now(), interval_s) - clock.now(), 0))


def _check_alive(target: Target, started_ns: int | None) -> None:
    if isinstance(target, PidTarget) and start_time(target.pid) != started_ns:
        raise ProcessGone(
            f"{target}: the process ended, and another has its PID",
            hint="look up the PID of the new process",
        )
