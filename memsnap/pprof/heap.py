"""The sampling arithmetic of heap profiles: from scaled estimates back to what was counted.

Go's profiler samples an object of `size` bytes with the probability p = 1 - exp(-size / rate) and
writes count / p, cut to an integer (runtime/pprof/protomem.go, scaleHeapSample; google/pprof does
the same to C++'s texts).  Statistics need the counts themselves, and the cut loses nothing: each
count is recovered and proved by scaling it again.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from memsnap.errors import FormatError
from memsnap.pprof.profile import Bools, Int32s, Int64s, Profile

Float64s = npt.NDArray[np.float64]

_FETCH_HINT = "fetch it from /debug/pprof/heap, without ?seconds="
# What other profiles are called, by the name of their first sample type.
_KINDS = {
    "samples": "a CPU profile",
    "cpu": "a CPU profile",
    "goroutine": "a goroutine profile",
    "goroutineleak": "a goroutine leak profile",
    "threadcreate": "a thread creation profile",
    "contentions": "a block or mutex profile",
    "delay": "a block or mutex profile",
}
# In-use values of Go, then of C++ heaps that keep no record of what was freed.
_LIVE = (("inuse_objects", "inuse_space"), ("objects", "space"))
_ALLOC = ("alloc_objects", "alloc_space")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HeapSamples:
    """Heap values by sample, one row for each sample of the profile and in its order.

    `alloc_*` count since the start of the process, `live_*` what was in use; they are the scaled
    integers of the profile.  `*_raw` are the numbers of sampled objects behind them.  Rows whose
    values no count explains, as after another tool merged or rescaled them, have `exact` false
    and the nearest count.  Without allocation columns (`has_alloc` false) those are zero.
    """

    rate: int  # bytes between samples, on average
    object_bytes: Int64s
    alloc_objects: Int64s
    alloc_bytes: Int64s
    live_objects: Int64s
    live_bytes: Int64s
    alloc_raw: Int64s
    live_raw: Int64s
    exact: Bools
    has_alloc: bool

    def __len__(self) -> int:
        return len(self.object_bytes)


def heap_samples(profile: Profile, *, name: str) -> HeapSamples:
    """Return the heap columns of `profile`, found by the names of its sample types.

    Samples of the same stack and size stay apart: sum them afterwards, since each was cut to an
    integer on its own.  Raises FormatError, naming `name`, where the profile is of another kind,
    is a difference of two, or was taken with profiling off.
    """
    columns = {kind.type: place for place, kind in enumerate(profile.sample_types)}
    live = next((pair for pair in _LIVE if all(part in columns for part in pair)), None)
    if live is None:
        raise _not_a_heap(profile, name)
    has_alloc = all(part in columns for part in _ALLOC)
    if profile.period < 1:
        raise FormatError(
            f"{name} holds no samples because profiling is off: MemProfileRate=0",
            hint="let the program keep runtime.MemProfileRate, or start it with"
            " GODEBUG=memprofilerate=524288",
        )
    objects, size = (profile.values[:, columns[part]] for part in live)
    if has_alloc:
        alloc_objects, alloc_size = (profile.values[:, columns[part]] for part in _ALLOC)
    else:
        alloc_objects = alloc_size = np.zeros(len(profile), np.int64)
    if any((column < 0).any() for column in (objects, size, alloc_objects, alloc_size)):
        raise FormatError(
            f"{name} has negative values: it is a delta profile, taken with ?seconds= or already"
            " a difference of two",
            hint=_FETCH_HINT,
        )
    most = np.where(alloc_objects > 0, alloc_objects, objects)
    most_size = np.where(alloc_objects > 0, alloc_size, size)
    object_bytes = _object_bytes(profile, most, most_size)
    alloc_raw, alloc_exact = _raw(alloc_objects, alloc_size, object_bytes, profile.period)
    live_raw, live_exact = _raw(objects, size, object_bytes, profile.period)
    return HeapSamples(
        rate=profile.period,
        object_bytes=object_bytes,
        alloc_objects=alloc_objects,
        alloc_bytes=alloc_size,
        live_objects=objects,
        live_bytes=size,
        alloc_raw=alloc_raw,
        live_raw=live_raw,
        exact=alloc_exact & live_exact,
        has_alloc=has_alloc,
    )


def sampling_probability(object_bytes: npt.NDArray[np.integer], rate: int) -> Float64s:
    """Return how likely Go's profiler samples an object of each size (1.0 at rate 1 or less)."""
    if rate <= 1:
        return np.ones(len(object_bytes))
    return -np.expm1(-object_bytes.astype(np.float64) / rate)


def string_label(profile: Profile, key: str) -> Int32s:
    """Return the text label `key` of every sample as indices into `strings`, -1 for none.

    Of several labels of one key, the last counts.
    """
    texts = np.full(len(profile), -1, np.int32)
    labels = profile.labels
    chosen = np.flatnonzero((labels.string >= 0) & _has_key(profile, key))
    texts[labels.sample[chosen]] = labels.string[chosen]
    return texts


def _has_key(profile: Profile, key: str) -> Bools:
    places = [place for place, text in enumerate(profile.strings) if text == key]
    return np.isin(profile.labels.key, np.array(places, np.int32))


def _object_bytes(profile: Profile, objects: Int64s, size: Int64s) -> Int64s:
    """Return the object size by sample: the label `bytes`, else the mean of the estimates.

    Go up to 1.26 leaves the label out where nothing was allocated; rewritten profiles may lack it.
    """
    mean = size // np.maximum(objects, 1)
    labels = profile.labels
    chosen = np.flatnonzero((labels.string < 0) & (labels.number > 0) & _has_key(profile, "bytes"))
    sizes = np.zeros(len(profile), np.int64)
    sizes[labels.sample[chosen]] = labels.number[chosen]
    return np.where(sizes > 0, sizes, mean)


def _raw(objects: Int64s, size: Int64s, object_bytes: Int64s, rate: int) -> tuple[Int64s, Bools]:
    """Return the counts of sampled objects behind estimates, and where they are proved.

    The bytes tell the count better than the objects do: the cut is one byte of many.
    """
    if rate <= 1:
        return objects.copy(), size == objects * object_bytes
    sampled = (objects > 0) & (object_bytes > 0)
    width = np.where(sampled, object_bytes, 1).astype(np.float64)
    # At a rate beyond all sizes, 1 - exp is 0; then no count is proved.
    with np.errstate(divide="ignore", invalid="ignore"):
        # As scaleHeapSample computes it: expm1 would be more precise and thereby differ.
        scale = 1 / (1 - np.exp(-width / rate))
        raw = np.rint(size / scale / width)
        # The target's exp may differ from ours in its last bits, of which 1 - exp makes more.
        error = 2.0**-50 + 2.0**-51 * scale
        exact = _explains(raw * scale, objects, error) & _explains(raw * width * scale, size, error)
        exact &= raw * error < 0.5
    counts = np.where(sampled, raw, 0).astype(np.int64)
    nothing = (objects == 0) & (size == 0)
    return counts, np.where(sampled, exact, nothing)


def _explains(estimate: Float64s, written: Int64s, error: Float64s) -> Bools:
    """Whether an estimate, computed to a relative `error` and then cut, is what was written."""
    verdict: Bools = np.abs(np.trunc(estimate) - written) <= np.maximum(1.0, estimate * error)
    return verdict


def _not_a_heap(profile: Profile, name: str) -> FormatError:
    types = [kind.type for kind in profile.sample_types]
    kind = next((_KINDS[text] for text in types if text in _KINDS), None)
    what = kind or f"a profile of {', '.join(text or 'unnamed' for text in types[:6])}"
    return FormatError(f"{name} is {what}, not a heap profile", hint=_FETCH_HINT)
