"""The samples of a snapshot as columns: sites of its build's dictionary, and raw counts.

What Go's profile holds are estimates, the counts of sampled objects times a factor of the object
size, cut to integers.  The counts are stored, a few bits instead of four numbers, and where they
do not lead back to the very integers of the profile, those are stored as they are.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Context, Decimal

import numpy as np
import numpy.typing as npt

from memsnap.pprof.profile import Int64s
from memsnap.storage.blobs import BlobReader, BlobWriter

VERSION = 1
_WHAT = "a snapshot's samples"
_EXACT = float(1 << 53)  # up to here floats hold every integer
_DIGITS = Context(prec=40)
_LIVE = ("inuse_objects", "inuse_space")
ROLES = ("alloc_objects", "alloc_space", *_LIVE)
_OTHER_NAMES = {"objects": "inuse_objects", "space": "inuse_space"}  # of C++ heaps

Float64s = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RawSamples:
    """Samples as they are stored, ordered by site; a site may have several.

    `roles` says what each of the V values of the profile is: the place of its name in `ROLES`,
    -1 for another.  `counts` has a row for each pair of values (objects and bytes), in their
    order: the numbers of sampled objects.  Samples at the places `odd` have none, but
    `odd_values` as they stood in the profile, one row each.
    """

    roles: Int64s  # (V,)
    sites: Int64s  # (S,)
    counts: Int64s  # (V // 2, S)
    odd: Int64s  # (D,) places, ascending
    odd_values: Int64s  # (D, V)

    def values(self, object_bytes: Int64s, scale: Float64s) -> Int64s:
        """Return the values of the profile, one row per sample.

        `object_bytes` has the size of each sample's objects, `scale` what `scales` says of it.
        """
        values = np.zeros((len(self.sites), self.odd_values.shape[1]), np.int64)
        with np.errstate(invalid="ignore", over="ignore"):
            for pair, counts in enumerate(self.counts):
                objects, size = _scaled(counts, object_bytes, scale)
                values[:, 2 * pair] = objects.astype(np.int64)
                values[:, 2 * pair + 1] = size.astype(np.int64)
        values[self.odd] = self.odd_values
        return values

    def taken(self, places: npt.NDArray[np.intp]) -> "RawSamples":
        """Return the samples at these places, in this order; `places` ascend."""
        at = np.searchsorted(places, self.odd)
        at[at == len(places)] = 0
        kept = places[at] == self.odd if len(places) else np.zeros(len(self.odd), np.bool_)
        return RawSamples(
            roles=self.roles,
            sites=self.sites[places],
            counts=self.counts[:, places],
            odd=at[kept],
            odd_values=self.odd_values[kept],
        )


def roles(names: Sequence[str]) -> Int64s:
    """Return the roles of values by the names of their sample types."""
    if not set(_LIVE) & set(names):
        names = [_OTHER_NAMES.get(name, name) for name in names]
    return np.array([ROLES.index(name) if name in ROLES else -1 for name in names], np.int64)


def joined(parts: Sequence[RawSamples]) -> RawSamples:
    """Return samples of several profiles, of the same roles, one after the other."""
    starts = np.cumsum([0, *(len(part.sites) for part in parts[:-1])])
    return RawSamples(
        roles=parts[0].roles,
        sites=np.concatenate([part.sites for part in parts]),
        counts=np.concatenate([part.counts for part in parts], axis=1),
        odd=np.concatenate([part.odd + at for part, at in zip(parts, starts, strict=True)]),
        odd_values=np.concatenate([part.odd_values for part in parts]),
    )


def encode(
    sites: Int64s, values: Int64s, *, object_bytes: Int64s, rate: int, roles: Int64s
) -> bytes:
    """Return samples as a blob; they come out of it ordered by site.

    `sites` and `object_bytes` have a number per sample, `values` a row, `roles` a number per
    value; `rate` is the period.
    """
    order = np.argsort(sites, kind="stable")
    sites = sites[order]
    counts, odd, odd_values = _raw(values[order], object_bytes[order], rate)
    writer = BlobWriter()
    writer.numbers(roles)
    writer.numbers(np.diff(sites, prepend=0))
    # Of Go's profile what is live, then what is freed: much is never freed, or all of it.
    for row in range(len(counts) - 1, -1, -1):
        later = counts[row + 1] if row + 1 < len(counts) else 0
        writer.numbers(counts[row] - later)
    writer.numbers(np.diff(odd, prepend=0))
    writer.numbers(odd_values.T.ravel())
    return writer.pack(VERSION)


def decode(blob: bytes) -> RawSamples:
    """Return the samples in a blob; raises FormatError where it is damaged."""
    reader = BlobReader(blob, version=VERSION, what=_WHAT)
    roles = reader.numbers()
    columns = len(roles)
    sites = np.cumsum(reader.numbers())
    counts = np.zeros((columns // 2, len(sites)), np.int64)
    for row in range(len(counts) - 1, -1, -1):
        counts[row] = reader.numbers()
        if row + 1 < len(counts):
            counts[row] += counts[row + 1]
    odd = np.cumsum(reader.numbers())
    odd_values = reader.numbers().reshape(columns, len(odd)).T
    return RawSamples(roles=roles, sites=sites, counts=counts, odd=odd, odd_values=odd_values)


def scales(object_bytes: Int64s, rate: int) -> Float64s:
    """Return how many objects a sampled one of each size stands for.

    runtime/pprof/protomem.go, scaleHeapSample (Go 1.27): 1 / (1 - exp(-size / rate)), 1 at a rate
    of 1 or less.  The exponential is rounded correctly, so that every machine, whatever its
    libraries do, leads a count back to the same number.
    """
    if rate <= 1 or not len(object_bytes):
        return np.ones(len(object_bytes))
    ordered = np.sort(object_bytes)
    distinct = ordered[np.append(True, ordered[1:] != ordered[:-1])]
    factors = np.array([_scale(size, rate) for size in distinct.tolist()])
    return factors[np.searchsorted(distinct, object_bytes)]


@functools.lru_cache(maxsize=8192)
def _scale(size: int, rate: int) -> float:
    if size <= 0:
        return 1.0
    power = float(_DIGITS.exp(Decimal(-float(size) / float(rate))))
    return 1 / (1 - power) if power < 1 else math.inf


def _scaled(counts: Int64s, object_bytes: Int64s, scale: Float64s) -> tuple[Float64s, Float64s]:
    """Return objects and bytes as Go estimates them, cut to integers."""
    objects = counts.astype(np.float64)
    return np.trunc(objects * scale), np.trunc(objects * object_bytes * scale)


def _raw(
    values: Int64s, object_bytes: Int64s, rate: int
) -> tuple[Int64s, npt.NDArray[np.intp], Int64s]:
    """Return the counts behind `values`, the places where they are not proved, the values there."""
    pairs = values.shape[1] // 2
    counts = np.zeros((pairs, len(values)), np.int64)
    proved = np.full(len(values), values.shape[1] % 2 == 0)
    scale = scales(object_bytes, rate)
    width = np.maximum(object_bytes, 1).astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        for pair in range(pairs):
            objects, size = values[:, 2 * pair], values[:, 2 * pair + 1]
            # The bytes tell the count better than the objects do: the cut is one byte of many.
            guess = np.rint(size / scale / width)
            sane = np.isfinite(scale) & (guess >= 0) & (guess * width * scale < _EXACT)
            counts[pair] = np.where(sane, guess, 0)
            objects_again, size_again = _scaled(counts[pair], object_bytes, scale)
            proved &= sane & (objects_again == objects) & (size_again == size)
    odd = np.flatnonzero(~proved)
    counts[:, odd] = 0
    return counts, odd, values[odd]
