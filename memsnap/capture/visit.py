"""One visit to one target: the requests in their order, and the Snapshot made of the answers.

The order carries the proof: counters, then the heap behind a forced GC, then the counters again
at once.  What disturbs comes last: the goroutines, and the leak profile, which runs a GC itself.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from memsnap import __version__
from memsnap.capture.access import DEFAULT_ACCESS, Access
from memsnap.capture.endpoint import endpoint_of
from memsnap.capture.fetch import Answer, fetch, fetch_ok
from memsnap.capture.gcproof import prove_gc
from memsnap.capture.identity import Identity, identify
from memsnap.capture.memstats import parse_expvar, parse_metrics, parse_trailer
from memsnap.capture.observer import shows_earlier_profile
from memsnap.capture.probe import Located, probe
from memsnap.capture.routes import AS_TEXT, PLAIN, WITH_GC, expvar_paths, metrics_paths
from memsnap.capture.target import HttpTarget, PidTarget, Query, Target, parse_prefix
from memsnap.errors import FormatError, TargetError
from memsnap.pprof.envelope import unwrap
from memsnap.pprof.heap import heap_samples
from memsnap.pprof.profile import Profile
from memsnap.pprof.reader import read
from memsnap.snapshot import Capture, GcProof, MemStats, Snapshot
from memsnap.units import format_count

# The text form is 14 to 63 times as large as the proto and takes seconds for deep stacks; above
# this many samples it would cost the target more than the counters are worth.
_TRAILER_MAX_SAMPLES = 10_000

# Counters are asked for beside the profile; a target that is slow with them keeps its profile.
_STATS_TIMEOUT_S = 5.0

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a visit takes besides the heap profile.

    `gc`: force a cycle first (`gc=1`).  `warm_up`: throw a first heap profile away; None means
    only if it shows that it would be the process's first (see `observer`).
    """

    gc: bool = True
    warm_up: bool | None = None
    goroutines: bool = True


def capture(
    target: Target,
    access: Access = DEFAULT_ACCESS,
    *,
    gc: bool = True,
    warm_up: bool | None = None,
    goroutines: bool = True,
    prefix: str | None = None,
    progress: Progress | None = None,
) -> Snapshot:
    """Visit `target` once and return what it answered.

    `gc`, `warm_up` and `goroutines` are those of `Options`.  `prefix` overrides where pprof is
    (for a PID: where it is looked for first).  `progress` is called with a word or two at each
    step.

    Raises:
        TargetError: the target cannot be found or reached, or does not answer as pprof.
        FormatError: it answers with something that is no heap profile.
    """
    options = Options(gc=gc, warm_up=warm_up, goroutines=goroutines)
    place = locate(target, access, prefix)
    return visit(target, place, options=options, progress=progress)


def locate(target: Target, access: Access, prefix: str | None = None) -> Located:
    """Return where to visit `target`; only a PID takes requests to find that out.

    Raises:
        TargetError: as `probe`.
    """
    if isinstance(target, PidTarget):
        return probe(target.pid, access, prefix)
    if prefix is not None:
        target = replace(target, prefix=parse_prefix(prefix))
    if isinstance(target, HttpTarget):
        access = access.with_user(target.user, target.password)
    return Located(endpoint=endpoint_of(target), access=access)


def visit(
    target: Target,
    place: Located,
    *,
    options: Options | None = None,
    progress: Progress | None = None,
) -> Snapshot:
    """Return the snapshot of one visit to a located target.

    Raises:
        TargetError, FormatError: as `capture`; also if the process ended or was replaced.
    """
    return _Visit(target, place, options or Options(), progress or (lambda _: None)).run()


@dataclass(frozen=True, slots=True)
class _HeapAnswer:
    heap: Profile
    answer: Answer
    stats_before: MemStats | None


@dataclass(slots=True)
class _Visit:
    """The state of one visit: the notes that gather on the way."""

    target: Target
    place: Located
    options: Options
    progress: Progress
    notes: list[str] = field(default_factory=list)
    counters_hang: bool = False

    def run(self) -> Snapshot:
        began = time.monotonic()
        self.notes += self.place.notes
        taken = self._take_heap()
        self.progress("counters")
        stats, proof = self._prove(taken)
        identity = self._identify(taken)
        goroutines, count = self._goroutines()
        leaks = self._goroutine_leaks(identity)
        facts = identity.facts
        return Snapshot(
            name=str(self.target),
            heap=taken.heap,
            goroutine_profile=goroutines,
            leak_profile=leaks,
            capture=Capture(
                target=str(self.target),
                service=identity.service,
                taken_ns=taken.heap.time_nanos,
                elapsed_s=time.monotonic() - began,
                memsnap_version=__version__,
                gc=proof,
                mem_stats=stats,
                memory=facts.memory if facts else None,
                process=identity.process,
                goroutines=count,
                notes=tuple(self.notes),
            ),
        )

    def _take_heap(self) -> _HeapAnswer:
        taken = self._fetch_heap("heap")
        wanted = self.options.warm_up
        if wanted is None:
            wanted = not shows_earlier_profile(taken.heap)
        if wanted:
            taken = self._fetch_heap("heap again, after a warm-up")
        if taken.answer.redirects:
            hops = " -> ".join((*taken.answer.redirects, taken.answer.url))
            self.notes.append(f"The target redirected: {hops}.")
        return taken

    def _fetch_heap(self, step: str) -> _HeapAnswer:
        before = self._expvar() if self.options.gc else None
        self.progress(step)
        place = self.place
        parameters = WITH_GC if self.options.gc else PLAIN
        answer = fetch_ok(place.endpoint, place.access, f"{place.endpoint.prefix}/heap", parameters)
        heap = read(answer.body, name=answer.url, max_bytes=place.access.max_bytes)
        heap_samples(heap, name=answer.url)  # refuses what is no heap profile
        return _HeapAnswer(heap, answer, before)

    def _prove(self, taken: _HeapAnswer) -> tuple[MemStats | None, GcProof]:
        stats = self._expvar() or self._trailer(taken.heap) or self._metrics()
        if stats is None:
            self.notes.append("The target offers no counters (runtime.MemStats).")
        proof = prove_gc(
            forced=self.options.gc,
            before=taken.stats_before,
            after=stats,
            profile_time_ns=taken.heap.time_nanos,
            request_s=taken.answer.elapsed_s,
        )
        return stats, proof

    def _expvar(self) -> MemStats | None:
        for path in expvar_paths(self.place.endpoint.prefix):
            answer = self._ask(path)
            stats = parse_expvar(answer.content_type, self._open(answer)) if answer else None
            if stats:
                return stats
        return None

    def _trailer(self, heap: Profile) -> MemStats | None:
        if len(heap) > _TRAILER_MAX_SAMPLES:
            self.notes.append(
                f"The profile has {format_count(len(heap))} samples: its text form was not asked "
                "for counters, since it would cost the target too much."
            )
            return None
        path = f"{self.place.endpoint.prefix}/heap"
        answer = self._ask(path, AS_TEXT, self.place.access.timeout_s)
        return parse_trailer(self._open(answer).decode("utf-8", "replace")) if answer else None

    def _metrics(self) -> MemStats | None:
        for path in metrics_paths(self.place.endpoint.prefix):
            answer = self._ask(path)
            text = self._open(answer).decode("utf-8", "replace") if answer else ""
            if stats := parse_metrics(text):
                return stats
        return None

    def _goroutines(self) -> tuple[bytes | None, int | None]:
        if not self.options.goroutines:
            return None, None
        self.progress("goroutines")
        path = f"{self.place.endpoint.prefix}/goroutine"
        try:
            answer = fetch_ok(self.place.endpoint, self.place.access, path)
            body, profile = self._read_profile(answer)
        except (TargetError, FormatError) as error:
            self.notes.append(f"The goroutines could not be had: {error.message}.")
            return None, None
        return body, int(profile.values[:, 0].sum())

    def _goroutine_leaks(self, identity: Identity) -> bytes | None:
        """Return the profile that the runtime has from Go 1.27 on; 404 is what others answer."""
        if not self.options.goroutines or identity.older_than(1, 26):
            return None
        self.progress("goroutine leaks")
        path = f"{self.place.endpoint.prefix}/goroutineleak"
        try:
            answer = fetch(self.place.endpoint, self.place.access, path)
            return self._read_profile(answer)[0] if answer.status == 200 else None
        except (TargetError, FormatError) as error:
            self.notes.append(f"The goroutine leak profile could not be had: {error.message}.")
            return None

    def _read_profile(self, answer: Answer) -> tuple[bytes, Profile]:
        limit = self.place.access.max_bytes
        body = unwrap(answer.body, name=answer.url, max_bytes=limit)
        return body, read(body, name=answer.url, max_bytes=limit)

    def _identify(self, taken: _HeapAnswer) -> Identity:
        identity = identify(self.target, self.place, taken.heap)
        if identity.facts:
            self.notes += identity.facts.notes
        return identity

    def _ask(
        self, path: str, parameters: Query = PLAIN, timeout_s: float = _STATS_TIMEOUT_S
    ) -> Answer | None:
        """Return the answer of an optional endpoint; None if it is not there.

        One that hangs is not tried again: a visit must not wait for every path in turn.
        """
        if self.counters_hang:
            return None
        limit = min(timeout_s, self.place.access.timeout_s)
        try:
            answer = fetch(
                self.place.endpoint, self.place.access, path, parameters, timeout_s=limit
            )
        except TargetError as error:
            self.counters_hang = True
            self.notes.append(f"Counters could not be had: {error.message}.")
            return None
        return answer if answer.status == 200 else None

    def _open(self, answer: Answer) -> bytes:
        limit = self.place.access.max_bytes
        try:
            return unwrap(answer.body, name=answer.url, max_bytes=limit)
        except FormatError:
            return b""  # then it holds no counters either
