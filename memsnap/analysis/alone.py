"""What one capture shows by itself, without another one to compare it with.

Growth is none of it.  What is stuck for good the runtime may prove; all else is a remark.
"""

import numpy as np

from memsnap.analysis.catalogue import CATALOGUE, kind_of_pile
from memsnap.analysis.finalizers import blocked_finalizers
from memsnap.analysis.finding import Cause, Finding, Severity, ranked
from memsnap.analysis.goroutine_words import crowd_evidence, crowd_words
from memsnap.analysis.goroutines import Waiting, waiting
from memsnap.analysis.ledger import ledger
from memsnap.analysis.live import Live
from memsnap.analysis.names import short_function
from memsnap.analysis.outside import larger_than_the_heap
from memsnap.analysis.own import own_frames
from memsnap.analysis.parked import COMES_AND_GOES
from memsnap.analysis.select import EVERYTHING
from memsnap.analysis.signals import Held, signals
from memsnap.units import format_count

_STUCK = 8  # goroutines that nothing can wake: a few may be a program's way to stand still
_WAITING = 8  # goroutines that wait for minutes to be rid of something
_CROWD = 1000  # goroutines of one place
_MOST = 3  # crowds named, the largest first


def find_alone(live: Live) -> tuple[Finding, ...]:
    """Return the findings of one capture, the most important first; of its selection, if any."""
    found = [one for one in signals(_held(live)) if _is_chosen(live, one)]
    if live.selection == EVERYTHING:
        snapshot = live.snapshot
        known = ledger(snapshot.capture)
        found += [] if known is None else larger_than_the_heap(known)
        found += _crowds(waiting([snapshot]))
        found += blocked_finalizers([snapshot])
    return ranked(found)


def _held(live: Live) -> Held:
    """Return what the capture holds; what was spent is since the start of the process."""
    capture, counts = live.snapshot.capture, live.counts
    everything = np.arange(len(live.alignment))
    started, taken = capture.process.start_time_ns, capture.taken_ns
    seconds = (taken - started) / 1e9 if started and taken > started else 0.0
    total = live.check.estimate if live.check.exact is None else live.check.exact
    spent = counts.alloc_bytes
    return Held(
        alignment=live.alignment,
        frame=own_frames(live.alignment, everything, capture.process.module),
        live_objects=counts.live_objects[:, 0],
        live_bytes=counts.live_bytes[:, 0],
        stays=counts.live_raw[:, 0] > 0,
        most=counts.live_bytes[:, 0],
        spent=spent[:, 0] if spent is not None and seconds else None,
        seconds=seconds,
        total=float(total),
    )


def _is_chosen(live: Live, finding: Finding) -> bool:
    """Whether a finding is about a function that the selection leaves in."""
    if live.selection == EVERYTHING:
        return True
    frames = live.alignment.frames
    own = own_frames(live.alignment, live.selected, live.snapshot.capture.process.module)
    named = {frames.strings[at] for at in frames.function[own[own >= 0]].tolist()}
    return finding.function in named


def _crowds(goroutines: tuple[Waiting, ...]) -> list[Finding]:
    """Return what is to say of goroutines that wait at one place: stuck, long there, or many."""
    largest = sorted(goroutines, key=lambda one: (-(one.stuck or 0), -one.counts[-1]))
    named = [one for one in largest if one.own and _is_crowd(one)]
    return [_crowd(one) for one in named[:_MOST]]


def _is_crowd(one: Waiting) -> bool:
    if (one.stuck or 0) >= _STUCK:
        return True
    if one.state in COMES_AND_GOES:
        return False
    waits = one.state == "chan send" and (one.minutes or 0) > 0 and one.counts[-1] >= _WAITING
    return waits or one.counts[-1] >= _CROWD


def _crowd(one: Waiting) -> Finding:
    stuck = one.stuck or 0
    sure = stuck >= _STUCK
    kind = kind_of_pile((one,))
    count = format_count(stuck if sure else one.counts[-1])
    what = "that nothing can ever wake" if sure else "wait"
    return Finding(
        id=f"{kind}:{one.at.function}",
        kind=kind,
        verdict=Cause.LEAK if sure else Cause.UNKNOWN,
        severity=Severity.MEDIUM if sure else Severity.LOW,
        confidence=0.99 if sure else 0.5,
        title=f"{count} goroutines {what} in {one.state} at {short_function(one.at.function)}",
        detail=(
            *crowd_words(one),
            "the runtime itself found that no goroutine which can run reaches what they wait for"
            if sure
            else "one capture does not tell whether they become more: take three or more",
        ),
        advice=CATALOGUE[kind].advice,
        example=CATALOGUE[kind].example,
        function=one.at.function,
        file=one.at.file,
        line=one.at.line,
        evidence=crowd_evidence(one),
    )
