"""Heap profiles as text: Go's `?debug=1` and those of C++ (gperftools, tcmalloc).

Both descend from one format, of which google/pprof's `profile/legacy_profile.go` is the standing
description; values are scaled here as they are there.  Go adds comment lines that name each frame
(runtime/pprof/pprof.go, writeHeapInternal and printStackRecord) and its MemStats.
"""

import io
import math
import re
from collections.abc import Iterable
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from memsnap.errors import FormatError
from memsnap.pprof.memorymap import is_sentinel, read_memory_map
from memsnap.pprof.profile import (
    Functions,
    Int64s,
    Labels,
    Locations,
    Mapping,
    Profile,
    ValueType,
)

PREFIX = b"heap profile:"

_COUNTS = rb"(-?\d{1,20}): *(-?\d{1,20}) *\[ *(\d{1,20}): *(\d{1,20}) *\] *@"
_HEADER = re.compile(
    rb"heap profile: *"
    + _COUNTS
    + rb" *(?:(heap[_a-z0-9]*)/?(\d{0,20})|(?:growth|fragmentation)z?)"
)
_SAMPLE = re.compile(_COUNTS + rb"((?: +0x[0-9a-f]{1,16})*)")
_FRAME = re.compile(rb"#\t+(0x[0-9a-f]{1,16})(?:\t+(.+)\+0x[0-9a-f]+\t+(.*):(\d{1,18}))?")
_PAIR = re.compile(r"# (\w+) = (\d{1,20}) / (\d{1,20})", re.ASCII)
_NUMBER = re.compile(r"# (\w+) = (-?\d{1,20}(\.\d+)?(e[+-]?\d{1,3})?)", re.ASCII)
_TRAILER = b"# runtime.MemStats"
# The last line of the trailer that every release of Go on every system writes.
_TRAILER_END = b"\n# DebugGC = "

_HEAP_TYPES = (ValueType("objects", "count"), ValueType("space", "bytes"))
_ALLOC_TYPES = (
    ValueType("alloc_objects", "count"),
    ValueType("alloc_space", "bytes"),
    ValueType("inuse_objects", "count"),
    ValueType("inuse_space", "bytes"),
)
_LARGEST = (1 << 63) - 1


class _Header(NamedTuple):
    live_objects: int
    period: int  # bytes between samples; 0 or 1 for unsampled counts
    is_scaled: bool  # whether counts are samples that stand for more
    has_alloc: bool


def parse_heap_text(data: bytes, *, name: str) -> Profile:
    """Return the profile that a text, beginning with `heap profile:`, holds.

    Values are scaled by the sampling probability where the header says that they were sampled.
    Stacks are those of Go's comment lines where it has them, one location per function, inlined
    ones included; otherwise the bare addresses, each less one to lie within its call.
    Raises FormatError, naming `name`, for a text that is malformed or cut short.
    """
    header = _parse_header(data, name)
    if not data.endswith(b"\n"):
        raise _cut_short(name)
    reader = _Reader(header, name)
    lines = io.BytesIO(data)
    next(lines)
    mappings: tuple[Mapping, ...] | None = None
    for number, line in enumerate(lines, start=2):
        if is_sentinel(line):
            mappings = read_memory_map(lines)
            break
        reader.read(line.strip(), number)
    _check_whole(data, reader, name, ends_in_map=mappings is not None)
    return reader.profile(mappings or ())


def mem_stats_trailer(text: bytes) -> dict[str, int | float]:
    """Return the MemStats that Go's text heap profile ends in, by their names there.

    The pairs `Stack`, `MSpan` and `MCache` become `StackInuse` and `StackSys` and so on, as in
    runtime.MemStats; the rings of pauses are left out.  `MaxRSS` is in bytes, and absent on
    systems that do not tell.  Empty where there is no trailer.
    """
    stats: dict[str, int | float] = {}
    start = text.rfind(_TRAILER)
    for line in text[start:].splitlines() if start >= 0 else []:
        shown = line.decode("ascii", "replace").strip()
        if match := _PAIR.fullmatch(shown):
            stats[f"{match[1]}Inuse"], stats[f"{match[1]}Sys"] = int(match[2]), int(match[3])
        elif match := _NUMBER.fullmatch(shown):
            stats[match[1]] = float(match[2]) if match[3] or match[4] else int(match[2])
    return stats


def _parse_header(data: bytes, name: str) -> _Header:
    line = data[: data.find(b"\n") + 1 or len(data)][:1000]
    match = _HEADER.fullmatch(line.strip())
    if match is None:
        raise FormatError(
            f"{name} begins like a text heap profile but its first line is malformed",
            hint="fetch it again, best without ?debug=1",
        )
    objects, size, all_objects, all_size = match.group(1, 2, 3, 4)
    # A profile of equal columns has only one pair (google/pprof, parseHeapHeader).
    has_alloc = all_objects not in (objects, b"0") or all_size not in (size, b"0")
    kind, rate = match.group(5), int(match[6] or 0)
    if rate > _LARGEST:
        raise FormatError(f"{name} claims an impossible sampling rate of {rate}")
    if kind is None:
        return _Header(int(objects), period=1, is_scaled=False, has_alloc=False)
    if kind in (b"heap_v2", b"heapz_v2"):
        return _Header(int(objects), period=rate, is_scaled=True, has_alloc=has_alloc)
    if kind == b"heapprofile":
        return _Header(int(objects), period=1, is_scaled=False, has_alloc=has_alloc)
    if kind == b"heap":
        # Early C++ profilers, and Go after them, print twice the rate.
        return _Header(int(objects), period=rate // 2, is_scaled=True, has_alloc=has_alloc)
    raise FormatError(
        f"{name} is a text heap profile of the unknown kind '{kind.decode()[:40]}'",
        hint="memsnap reads heap, heap_v2, heapz_v2, heapprofile, growth and fragmentation",
    )


class _Reader:
    """The samples read so far, and the tables of what they share."""

    def __init__(self, header: _Header, name: str) -> None:
        self.header = header
        self.name = name
        self.live_objects = 0
        self.has_frames = False
        self.values: list[tuple[int, ...]] = []
        self.sizes: list[int] = []
        self.stacks: list[list[int]] = []
        self.addresses: list[bytes] = []  # of the last sample, until its frames are known
        self.strings: dict[str, int] = {"": 0, "bytes": 1}
        self.functions: dict[tuple[int, int], int] = {}
        self.locations: dict[bytes, int] = {}
        self.columns: list[tuple[int, int, int]] = []  # address, function or -1, line

    def read(self, line: bytes, number: int) -> None:
        """Take one line; `number` is for messages."""
        if line.startswith(b"#") and line.lstrip(b"#\t").startswith(b"0x"):
            self._frame(line, number)
        elif line and not line.startswith(b"#"):
            self._finish_stack()
            self._sample(line, number)

    def _sample(self, line: bytes, number: int) -> None:
        match = _SAMPLE.fullmatch(line)
        if match is None:
            raise self._malformed(number, "it is not a sample")
        live_objects, live_size, all_objects, all_size = map(int, match.group(1, 2, 3, 4))
        pairs = [(live_objects, live_size)]
        if self.header.has_alloc:
            pairs.insert(0, (all_objects, all_size))
        values: tuple[int, ...] = ()
        object_bytes = 0
        for count, size in pairs:
            self._check_range(count, size, number)
            if count:
                object_bytes = size // count
            values += self._scaled(count, size, number)
        self.live_objects += live_objects
        self.values.append(values)
        self.sizes.append(object_bytes)
        self.stacks.append([])
        self.addresses = match[5].split()

    def _scaled(self, count: int, size: int, number: int) -> tuple[int, int]:
        """Return the estimates behind a count of samples (google/pprof, scaleHeapSample)."""
        if count == 0 and size:
            raise self._malformed(number, f"{size} bytes in no objects")
        rate = self.header.period
        if not self.header.is_scaled or count == 0:
            return count, size
        if size == 0:
            return 0, 0
        if (count < 0) != (size < 0):
            raise self._malformed(number, "counts and bytes have opposite signs")
        if rate <= 1:
            return count, size
        missed = math.exp(-(float(size) / float(count)) / float(rate))
        if missed == 1:
            raise self._malformed(number, "its objects are too small to have been sampled")
        scale = 1 / (1 - missed)
        scaled = int(float(count) * scale), int(float(size) * scale)
        self._check_range(*scaled, number)
        return scaled

    def _check_range(self, count: int, size: int, number: int) -> None:
        if max(abs(count), abs(size)) > _LARGEST:
            raise self._malformed(number, "its numbers are too large")

    def _frame(self, line: bytes, number: int) -> None:
        place = self.locations.get(line)
        if place is None:
            place = self._new_location(line, number)
        if not self.stacks:
            raise self._malformed(number, "a frame before the first sample")
        self.has_frames = True
        self.addresses = []
        self.stacks[-1].append(place)

    def _new_location(self, line: bytes, number: int) -> int:
        match = _FRAME.fullmatch(line)
        if match is None:
            raise self._malformed(number, "it is not a frame")
        address, function, file, line_number = match.groups()
        index = -1
        if function is not None:
            key = self._string(function), self._string(file)
            index = self.functions.setdefault(key, len(self.functions))
        return self._add(line, int(address, 16), index, int(line_number or 0))

    def _string(self, text: bytes) -> int:
        return self.strings.setdefault(text.decode("utf-8", "replace"), len(self.strings))

    def _finish_stack(self) -> None:
        """Fall back to the bare addresses of the last sample if no frames followed it."""
        for text in self.addresses:
            place = self.locations.get(text)
            if place is None:
                # Addresses are those after a call.
                place = self._add(text, (int(text, 16) - 1) & (1 << 64) - 1, -1, 0)
            self.stacks[-1].append(place)
        self.addresses = []

    def _add(self, key: bytes, address: int, function: int, line: int) -> int:
        self.locations[key] = len(self.columns)
        self.columns.append((address, function, line))
        return len(self.columns) - 1

    def _malformed(self, number: int, reason: str) -> FormatError:
        return FormatError(
            f"{self.name} is not a readable text heap profile: line {number}: {reason}",
            hint="fetch it again; it may have been cut short on the way",
        )

    def profile(self, mappings: tuple[Mapping, ...]) -> Profile:
        """Return all that was read."""
        self._finish_stack()
        samples = len(self.values)
        types = _ALLOC_TYPES if self.header.has_alloc else _HEAP_TYPES
        functions = np.array(list(self.functions), np.int32).reshape(-1, 2)
        return Profile(
            sample_types=types,
            values=np.array(self.values, np.int64).reshape(samples, len(types)),
            stack_start=_starts(len(stack) for stack in self.stacks),
            stack=np.array([place for stack in self.stacks for place in stack], np.int32),
            labels=Labels(
                sample=np.arange(samples, dtype=np.int32),
                key=np.full(samples, 1, np.int32),
                string=np.full(samples, -1, np.int32),
                number=np.array(self.sizes, np.int64),
                unit=np.full(samples, 1, np.int32),
            ),
            locations=self._location_columns(mappings),
            functions=Functions(
                name=functions[:, 0].copy(),
                system_name=functions[:, 0].copy(),
                file=functions[:, 1].copy(),
                start_line=np.zeros(len(functions), np.int64),
            ),
            mappings=mappings,
            strings=tuple(self.strings),
            period_type=ValueType("space", "bytes"),
            period=self.header.period,
        )

    def _location_columns(self, mappings: tuple[Mapping, ...]) -> Locations:
        count = len(self.columns)
        address = np.array([address for address, _, _ in self.columns], np.uint64)
        function = np.array([function for _, function, _ in self.columns], np.int32)
        line = np.array([line for _, _, line in self.columns], np.int64)
        mapping = np.full(count, -1, np.int32)
        # The first mapping that holds an address counts, so it is written last.
        for place, part in reversed(list(enumerate(mappings))):
            inside = (address >= np.uint64(part.start)) & (address < np.uint64(part.limit))
            mapping[inside] = place
        named = function >= 0
        return Locations(
            mapping=mapping,
            address=address,
            is_folded=np.zeros(count, np.bool_),
            line_start=_starts(named.astype(int).tolist()),
            line_function=function[named],
            line_number=line[named],
            line_column=np.zeros(int(named.sum()), np.int64),
        )


def _check_whole(data: bytes, reader: _Reader, name: str, *, ends_in_map: bool) -> None:
    """Refuse a text that ends at a line but before its end.

    Go's ends in MemStats, C++'s in a memory map; where neither is, the totals must add up.
    """
    start = data.rfind(_TRAILER)
    if start >= 0 or reader.has_frames:
        if start < 0 or data.find(_TRAILER_END, start) < 0:
            raise _cut_short(name)
    elif not ends_in_map and reader.live_objects != reader.header.live_objects:
        raise _cut_short(name)


def _cut_short(name: str) -> FormatError:
    return FormatError(
        f"{name} is a text heap profile that ends before its end",
        hint="fetch it again; the transfer was probably cut short",
    )


def _starts(lengths: Iterable[int]) -> Int64s:
    return np.array([0, *accumulate(lengths)], np.int64)
