"""Asks a target for its MemStats, by the cheapest way that it offers."""

from memsnap.capture.exchange import Answer, Steps, get
from memsnap.capture.memstats import parse_expvar, parse_metrics, parse_trailer
from memsnap.capture.probe import Located
from memsnap.capture.routes import AS_TEXT, PLAIN, expvar_paths, metrics_paths
from memsnap.capture.target import Query
from memsnap.errors import FormatError, TargetError
from memsnap.pprof.envelope import unwrap
from memsnap.snapshot import MemStats
from memsnap.units import format_count

# The text form is 14 to 63 times as large as the proto and takes seconds for deep stacks; above
# this many samples it would cost the target more than the counters are worth.
TRAILER_MAX_SAMPLES = 10_000

# A target that is slow with its counters keeps them, so that the profile is not held up.
_TIMEOUT_S = 5.0


def counters_of(place: Located) -> Steps[MemStats | None]:
    """Return the counters of a target without taking a heap profile; None if it has none so.

    That is cheap enough to be asked every few seconds: for triggers, and to wait until NumGC has
    moved.  Expvar stops the world for some microseconds, metrics at most as long.

    Raises:
        TargetError: a request failed.
    """
    counters = Counters(place)
    stats = yield from counters.without_profile()
    if stats is None and counters.failure is not None:
        raise counters.failure
    return stats


class Counters:
    """One visit's way to the counters; `notes` gather what stood in the way.

    `failure` is the error of the request that hung or broke, if one did.

    After a request that hangs or breaks none is made any more: a visit must not wait for every
    path in turn.
    """

    def __init__(self, place: Located) -> None:
        self.notes: list[str] = []
        self.failure: TargetError | None = None
        self._place = place

    def cheap(self) -> Steps[MemStats | None]:
        """Return what expvar has, all of MemStats for one short stop of the world."""
        for path in expvar_paths(self._place.endpoint.prefix):
            answer = yield from self._get(path)
            stats = parse_expvar(answer.content_type, self._body(answer)) if answer else None
            if stats:
                return stats
        return None

    def best(self, heap_samples: int) -> Steps[MemStats | None]:
        """Return what expvar has, else the text profile's trailer, else the metrics.

        `heap_samples` is the number of samples of the heap profile, which tells how large its
        text would be.
        """
        stats = yield from self.cheap()
        stats = stats or (yield from self._trailer(heap_samples))
        stats = stats or (yield from self._metrics())
        if stats is None and not self.notes:
            self.notes.append("The target offers no counters (runtime.MemStats).")
        return stats

    def without_profile(self) -> Steps[MemStats | None]:
        """Return what expvar has, else the metrics."""
        stats = yield from self.cheap()
        return stats or (yield from self._metrics())

    def _trailer(self, heap_samples: int) -> Steps[MemStats | None]:
        if heap_samples > TRAILER_MAX_SAMPLES:
            self.notes.append(
                f"The profile has {format_count(heap_samples)} samples: its text form, which ends "
                "in counters, was not asked for, since it would cost the target too much."
            )
            return None
        path = f"{self._place.endpoint.prefix}/heap"
        answer = yield from self._get(path, AS_TEXT, self._place.access.timeout_s)
        return parse_trailer(self._body(answer)) if answer else None

    def _metrics(self) -> Steps[MemStats | None]:
        for path in metrics_paths(self._place.endpoint.prefix):
            answer = yield from self._get(path)
            if answer and (stats := parse_metrics(self._body(answer).decode("utf-8", "replace"))):
                return stats
        return None

    def _get(
        self, path: str, parameters: Query = PLAIN, timeout_s: float = _TIMEOUT_S
    ) -> Steps[Answer | None]:
        if self.failure is not None:
            return None
        place = self._place
        limit = min(timeout_s, place.access.timeout_s)
        try:
            answer = yield from get(place.endpoint, place.access, path, parameters, timeout_s=limit)
        except TargetError as error:
            self.failure = error
            self.notes.append(f"Counters could not be had: {error.message}.")
            return None
        return answer if answer.status == 200 else None

    def _body(self, answer: Answer) -> bytes:
        try:
            return unwrap(answer.body, name=answer.url, max_bytes=self._place.access.max_bytes)
        except FormatError:
            return b""  # then it holds no counters either
