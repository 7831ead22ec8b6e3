"""Which bucket of one profile is which bucket of another.

Ids, addresses and the order of samples change from one profile to the next; function, file and
line do not.  A row stands for one allocation bucket in all profiles: the same stack of frames,
the same object size, the same type where all profiles know types.  Buckets that agree in all of
these add up (one line can hold two call sites; tools may write a stack twice).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from memsnap.analysis.columns import distinct_of_all
from memsnap.pprof.heap import HeapSamples, string_label
from memsnap.pprof.profile import Bools, Int32s, Int64s, Profile, UInt64s

_CHUNK = 2048  # samples hashed at a time: their columns stay inside the processor's cache
_RADIX = np.uint64(0x9E3779B97F4A7C15)  # odd, so that multiplying by it loses nothing
_DEPTHS = 1 << 16  # powers of it kept (a power of two); deeper frames start over


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frames:
    """F distinct frames: indices of `strings`, and line numbers (0 unknown)."""

    function: Int32s
    file: Int32s
    line: Int64s
    strings: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.function)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AlignedProfile:
    """One of the profiles, with its locations spelled in the common frames.

    Location `i` is the frames `frame[frame_start[i]:frame_start[i + 1]]`, innermost first.
    `row` gives the common row of every sample.
    """

    profile: Profile
    samples: HeapSamples
    frame_start: Int64s
    frame: Int32s
    row: Int64s


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Alignment:
    """R common rows over the given profiles.

    The stack of row `r` is that of sample `sample[r]` of `profiles[source[r]]`.  `leaf` is the
    innermost frame, -1 where the stack is empty.  `type` and `alloc` index `frames.strings`, -1
    unknown; `inferred` marks rows whose type is not certain.
    """

    frames: Frames
    profiles: tuple[AlignedProfile, ...]
    source: Int32s
    sample: Int64s
    object_bytes: Int64s
    leaf: Int32s
    type: Int32s
    alloc: Int32s
    inferred: Bools

    def __len__(self) -> int:
        return len(self.source)

    def stack(self, row: int) -> Int32s:
        """Return the frames of row `row`, innermost first."""
        aligned = self.profiles[self.source[row]]
        profile, sample = aligned.profile, int(self.sample[row])
        locations = profile.stack[profile.stack_start[sample] : profile.stack_start[sample + 1]]
        starts = aligned.frame_start
        parts = [aligned.frame[starts[at] : starts[at + 1]] for at in locations.tolist()]
        return np.concatenate(parts) if parts else np.empty(0, np.int32)

    def sums(self, at: int, column: Int64s) -> Int64s:
        """Return (R,): the samples' `column` of profile `at`, added up by row."""
        total = np.zeros(len(self), dtype=np.int64)
        np.add.at(total, self.profiles[at].row, column)
        return total


def align(heaps: Sequence[tuple[Profile, HeapSamples]], *, lines: bool = True) -> Alignment:
    """Return the common rows of `heaps`.

    `lines=False` leaves files and line numbers out of the comparison: for two builds of one
    program, in which code has moved (the path of a module's file holds the module's version).
    """
    names = _Names()
    spelled = [_spell(profile, names, lines=lines) for profile, _ in heaps]
    frame_keys, frame_ids = distinct_of_all([keys for _, keys in spelled])
    typed = all((string_label(profile, "type") >= 0).any() for profile, _ in heaps)
    marks = [_marks(profile, names) for profile, _ in heaps]
    keys = [
        _row_keys(profile, samples, (start, frames), mark if typed else None)
        for (profile, samples), (start, _), frames, mark in zip(
            heaps, spelled, frame_ids, marks, strict=True
        )
    ]
    row_keys, rows = distinct_of_all(keys)
    profiles = tuple(
        AlignedProfile(
            profile=profile,
            samples=samples,
            frame_start=start,
            frame=frames.astype(np.int32),
            row=row,
        )
        for (profile, samples), (start, _), frames, row in zip(
            heaps, spelled, frame_ids, rows, strict=True
        )
    )
    table = names.frames(frame_keys)
    return _with_row_columns(profiles, table, marks, len(row_keys))


class _Names:
    """Interns texts, and functions as pairs of name and file, while profiles are read."""

    def __init__(self) -> None:
        self.strings: dict[str, int] = {"": 0}
        self.functions: dict[tuple[int, int], int] = {}
        self._by_name: dict[str, int] = {}

    def string(self, text: str) -> int:
        return self.strings.setdefault(text, len(self.strings))

    def function(self, name: str, file: str) -> int:
        pair = self.string(name), self.string(file)
        return self.functions.setdefault(pair, len(self.functions))

    def function_in_any_file(self, name: str, file: str) -> int:
        """Return the first function of this name; `file` is where it is if there is none yet."""
        if name not in self._by_name:
            self._by_name[name] = self.function(name, file)
        return self._by_name[name]

    def frames(self, keys: Int64s) -> Frames:
        pairs = np.array(list(self.functions), dtype=np.int32).reshape(-1, 2)
        functions = keys >> 32
        return Frames(
            function=pairs[functions, 0],
            file=pairs[functions, 1],
            line=keys & 0xFFFFFFFF,
            strings=tuple(self.strings),
        )


def _spell(profile: Profile, names: _Names, *, lines: bool) -> tuple[Int64s, Int64s]:
    """Return the locations as ragged frame keys: function << 32 | line.

    A location without symbols becomes one frame named by its address, as in pprof.
    """
    functions, locations = profile.functions, profile.locations
    strings = profile.strings
    intern = names.function if lines else names.function_in_any_file
    ids = [
        intern(strings[name], strings[file])
        for name, file in zip(functions.name.tolist(), functions.file.tolist(), strict=True)
    ]
    function_ids = np.array(ids, dtype=np.int64)
    keys = function_ids[locations.line_function] << 32
    if lines:
        keys |= np.clip(locations.line_number, 0, 0xFFFFFFFF)
    counts = np.diff(locations.line_start)
    bare = np.flatnonzero(counts == 0)
    if not len(bare):
        return locations.line_start, keys
    files = [mapping.file for mapping in profile.mappings] + [""]
    named = [
        names.function(f"{int(locations.address[at]):#x}", files[locations.mapping[at]])
        for at in bare.tolist()
    ]
    keys = np.insert(keys, locations.line_start[bare], np.array(named, dtype=np.int64) << 32)
    start = np.concatenate([[0], np.cumsum(np.maximum(counts, 1))])
    return start, keys


def _marks(profile: Profile, names: _Names) -> tuple[Int32s, Int32s]:
    """Return the samples' types and `alloc` labels as indices of the common strings.

    A type goes by its import path where the profile has it: packages may share their last name.
    """
    common = []
    full = string_label(profile, "type_full")
    types = np.where(full >= 0, full, string_label(profile, "type"))
    for own in (types, string_label(profile, "alloc")):
        used = np.flatnonzero(np.bincount(own[own >= 0]))
        ids = np.full(len(profile.strings) + 1, -1, dtype=np.int32)
        ids[used] = [names.string(profile.strings[at]) for at in used.tolist()]
        common.append(ids[own])
    return common[0], common[1]


def _row_keys(
    profile: Profile,
    samples: HeapSamples,
    spelling: tuple[Int64s, Int64s],
    marks: tuple[Int32s, Int32s] | None,
) -> UInt64s:
    """Return one 64-bit key per sample that is equal for equal rows.

    Equal keys of different rows are left to chance: below 1e-8 for 100,000 rows.
    """
    keys = _mix(_stack_hashes(profile, spelling) ^ _mix(samples.object_bytes.astype(np.uint64)))
    if marks is None:
        return keys
    kind = marks[0].astype(np.int64) << 32 | (marks[1].astype(np.int64) & 0xFFFFFFFF)
    return _mix(keys ^ _mix(kind.astype(np.uint64)))


def _stack_hashes(profile: Profile, spelling: tuple[Int64s, Int64s]) -> UInt64s:
    """Return per sample the polynomial hash of its frames, whatever locations they came in."""
    start, frames = spelling
    location_hash, location_length = _location_hashes(start, frames)
    powers = np.full(_DEPTHS, _RADIX)
    powers[0] = 1
    np.multiply.accumulate(powers, out=powers)
    hashes = np.zeros(len(profile), dtype=np.uint64)
    for first in range(0, len(profile), _CHUNK):
        bounds = profile.stack_start[first : first + _CHUNK + 1]
        stack = profile.stack[bounds[0] : bounds[-1]]
        if not len(stack):
            continue
        # Only the last bits of a depth count: that these sums may wrap around does no harm.
        length = location_length.take(stack)
        before = np.cumsum(length, dtype=np.int32) - length
        samples = np.diff(bounds)
        filled = np.flatnonzero(samples)
        start = (bounds - bounds[0])[filled]
        depth = before - np.repeat(before[start], samples[filled])
        terms = location_hash.take(stack) * powers.take(depth & (_DEPTHS - 1))
        hashes[first + filled] = np.add.reduceat(terms, start)
    return hashes


def _location_hashes(start: Int64s, frames: Int64s) -> tuple[UInt64s, Int32s]:
    length = np.diff(start).astype(np.int32)
    mixed = _mix(frames.astype(np.uint64) + np.uint64(1))
    hashes = np.zeros(len(length), dtype=np.uint64)
    power = np.uint64(1)
    for depth in range(int(length.max(initial=0))):
        deep = np.flatnonzero(length > depth)
        hashes[deep] += mixed[start[deep] + depth] * power
        power = np.multiply(power, _RADIX, dtype=np.uint64)
    return hashes, length


def _mix(values: UInt64s) -> UInt64s:
    """Return splitmix64's output function: near inputs, unrelated outputs."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _with_row_columns(
    profiles: tuple[AlignedProfile, ...],
    frames: Frames,
    marks: list[tuple[Int32s, Int32s]],
    rows: int,
) -> Alignment:
    """Fill in what is the same in all profiles from the last one that has the row.

    Types can differ within a row, where another profile knows none; such a row has no type.
    """
    source = np.zeros(rows, dtype=np.int32)
    sample = np.zeros(rows, dtype=np.int64)
    object_bytes = np.zeros(rows, dtype=np.int64)
    leaf = np.full(rows, -1, dtype=np.int32)
    kinds = np.full((2, rows), -1, dtype=np.int32)
    for at, (aligned, mark) in enumerate(zip(profiles, marks, strict=True)):
        row, profile = aligned.row, aligned.profile
        source[row] = at
        sample[row] = np.arange(len(row))
        object_bytes[row] = aligned.samples.object_bytes
        deep = np.flatnonzero(np.diff(profile.stack_start))
        first = aligned.frame_start[profile.stack[profile.stack_start[deep]]]
        leaf[row[deep]] = aligned.frame[first]
        for column, values in zip(kinds, mark, strict=True):
            known = values >= 0
            column[row[known]] = values[known]
    inferred = np.zeros(rows, dtype=np.bool_)
    for aligned, mark in zip(profiles, marks, strict=True):
        inferred[aligned.row[string_label(aligned.profile, "certainty") >= 0]] = True
        for column, values in zip(kinds, mark, strict=True):
            other = (values >= 0) & (values != column[aligned.row])
            column[aligned.row[other]] = -1
    return Alignment(
        frames=frames,
        profiles=profiles,
        source=source,
        sample=sample,
        object_bytes=object_bytes,
        leaf=leaf,
        type=kinds[0],
        alloc=kinds[1],
        inferred=inferred,
    )
