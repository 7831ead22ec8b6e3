"""One visit to one target: the requests in their order, and the Snapshot made of the answers.

The order carries the proof: counters, then the heap behind a forced GC, then the counters again
at once.  What disturbs comes last: the goroutines, and the leak profile, which runs a GC itself.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from memsnap.capture.access import Access
from memsnap.capture.counters import Counters
from memsnap.capture.endpoint import endpoint_of
from memsnap.capture.exchange import Answer, Steps, get, get_ok
from memsnap.capture.gcproof import prove_gc
from memsnap.capture.identity import Identity, identify
from memsnap.capture.observer import shows_earlier_profile
from memsnap.capture.probe import Located, probe
from memsnap.capture.routes import AS_LISTING, PLAIN, WITH_GC
from memsnap.capture.target import HttpTarget, PidTarget, Target, parse_prefix
from memsnap.errors import FormatError, TargetError
from memsnap.pprof.envelope import unwrap
from memsnap.pprof.heap import heap_samples
from memsnap.pprof.origins import with_tracebacks
from memsnap.pprof.profile import Profile
from memsnap.pprof.reader import read
from memsnap.pprof.tracebacks import parse_tracebacks
from memsnap.snapshot import Capture, MemStats, Snapshot
from memsnap.version import __version__

Progress = Callable[[str], None]
STACKS_UP_TO = 2000
"""Goroutines up to which each one's stack is asked for: the process stops for 10 to 50 ms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a visit takes besides the heap profile.

    `gc`: force a cycle first (`gc=1`).  `warm_up`: throw a first heap profile away; None means
    only if it shows that it would be the process's first (see `observer`).  `stacks_up_to`: ask
    for each goroutine's own stack and `go` statement too, which stops the process for 5 to 25 us
    a goroutine, where there are at most so many; 0 never asks.
    """

    gc: bool = True
    warm_up: bool | None = None
    goroutines: bool = True
    stacks_up_to: int = STACKS_UP_TO


def locate_steps(target: Target, access: Access, prefix: str | None = None) -> Steps[Located]:
    """Return where to visit `target`; only a PID takes requests to find that out.

    Raises:
        TargetError: as `probe`.
    """
    if isinstance(target, PidTarget):
        return (yield from probe(target.pid, access, prefix))
    if prefix is not None:
        target = replace(target, prefix=parse_prefix(prefix))
    if isinstance(target, HttpTarget):
        access = access.with_user(target.user, target.password)
    return Located(endpoint=endpoint_of(target), access=access)


def visit_steps(
    target: Target,
    place: Located,
    *,
    options: Options | None = None,
    progress: Progress | None = None,
) -> Steps[Snapshot]:
    """Return the snapshot of one visit to a located target.

    Raises:
        TargetError: the target cannot be reached, does not answer as pprof, or its process ended
            or was replaced.
        FormatError: it answers with something that is no heap profile.
    """
    options, progress = options or Options(), progress or _no_progress
    began = time.monotonic()
    counters = Counters(place)
    heap = yield from _take_heap(place, counters, options, progress)
    progress("counters")
    stats = yield from counters.best(len(heap.profile))
    identity = yield from identify(target, place, heap.profile)
    goroutines = leaks = _Extra()
    if options.goroutines:
        progress("goroutines")
        goroutines = yield from _take_goroutines(place, options)
        progress("goroutine leaks")
        leaks = yield from _take_leaks(place, identity)
    facts = identity.facts
    described = Capture(
        target=str(target),
        service=identity.service,
        taken_ns=heap.profile.time_nanos,
        elapsed_s=time.monotonic() - began,
        memsnap_version=__version__,
        gc=prove_gc(
            forced=options.gc,
            before=heap.stats_before,
            after=stats,
            profile_time_ns=heap.profile.time_nanos,
            request_s=heap.answer.elapsed_s,
        ),
        mem_stats=stats,
        memory=facts.memory if facts else None,
        process=identity.process,
        goroutines=goroutines.total,
        notes=(
            *place.notes,
            *_redirect_notes(heap.answer),
            *dict.fromkeys(counters.notes),
            *(facts.notes if facts else ()),
            *goroutines.notes,
            *leaks.notes,
        ),
    )
    return Snapshot(
        name=str(target),
        heap=heap.profile,
        capture=described,
        goroutine_profile=goroutines.body,
        leak_profile=leaks.body,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heap:
    profile: Profile
    answer: Answer
    stats_before: MemStats | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Extra:
    """A profile beside the heap: uncompressed bytes, the sum of its first value, notes."""

    body: bytes | None = None
    total: int | None = None
    notes: tuple[str, ...] = ()


def _no_progress(_: str) -> None:
    return None


def _take_heap(
    place: Located, counters: Counters, options: Options, progress: Progress
) -> Steps[_Heap]:
    """Return the heap profile, the second one where the first was the process's first ever."""
    progress("heap")
    heap = yield from _fetch_heap(place, counters, gc=options.gc)
    wanted = options.warm_up
    if wanted is None:
        wanted = not shows_earlier_profile(heap.profile)
    if wanted:
        progress("heap, after a warm-up")
        heap = yield from _fetch_heap(place, counters, gc=options.gc)
    return heap


def _fetch_heap(place: Located, counters: Counters, *, gc: bool) -> Steps[_Heap]:
    before = (yield from counters.cheap()) if gc else None
    path = f"{place.endpoint.prefix}/heap"
    answer = yield from get_ok(place.endpoint, place.access, path, WITH_GC if gc else PLAIN)
    profile = read(answer.body, name=answer.url, max_bytes=place.access.max_bytes)
    heap_samples(profile, name=answer.url)  # refuses what is no heap profile
    return _Heap(profile=profile, answer=answer, stats_before=before)


def _take_goroutines(place: Located, options: Options) -> Steps[_Extra]:
    try:
        path = f"{place.endpoint.prefix}/goroutine"
        answer = yield from get_ok(place.endpoint, place.access, path)
        counted = _read_extra(place, answer)
    except (TargetError, FormatError) as error:
        return _Extra(notes=(f"The goroutines could not be had: {error.message}.",))
    if counted.body is None or (counted.total or 0) > options.stacks_up_to:
        return counted
    try:
        listing = yield from get_ok(place.endpoint, place.access, path, AS_LISTING)
        body = unwrap(listing.body, name=listing.url, max_bytes=place.access.max_bytes)
        stacks = parse_tracebacks(body, name=listing.url)
    except (TargetError, FormatError) as error:
        why = f"The goroutines' go statements could not be had: {error.message}."
        return replace(counted, notes=(why,))
    return replace(counted, body=with_tracebacks(counted.body, stacks))


def _take_leaks(place: Located, identity: Identity) -> Steps[_Extra]:
    """Return the goroutines that nothing can wake: Go has the profile from 1.27 on.

    Go 1.26 has it as an experiment; every other release answers 404.
    """
    if identity.older_than(1, 26):
        return _Extra()
    path = f"{place.endpoint.prefix}/goroutineleak"
    try:
        answer = yield from get(place.endpoint, place.access, path)
        return _read_extra(place, answer) if answer.status == 200 else _Extra()
    except (TargetError, FormatError) as error:
        return _Extra(notes=(f"The goroutine leak profile could not be had: {error.message}.",))


def _read_extra(place: Located, answer: Answer) -> _Extra:
    limit = place.access.max_bytes
    body = unwrap(answer.body, name=answer.url, max_bytes=limit)
    profile = read(body, name=answer.url, max_bytes=limit)
    return _Extra(body=body, total=int(profile.values[:, 0].sum()))


def _redirect_notes(answer: Answer) -> tuple[str, ...]:
    if not answer.redirects:
        return ()
    return (f"The target redirected: {' -> '.join((*answer.redirects, answer.url))}.",)
