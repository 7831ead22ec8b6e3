"""Finds the numbers of a profile's sites in the dictionary of its build, and what is new there.

A process that stores knows of each dictionary only digests: 64 bits of each string, function,
location and site, keyed anew in every process, as Python's own hashes of strings are.  Whole
columns are looked up at once; a profile of known sites costs no Python loop.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from memsnap.pprof.profile import (
    Functions,
    Int32s,
    Int64s,
    Labels,
    Locations,
    Profile,
    UInt64s,
)
from memsnap.storage.sites import Sites, gathered, joined, moved

# Of all builds that a process knows; the least recently used are read again from the store.
_CACHE_BYTES = 32 << 20


@dataclass(frozen=True, slots=True, eq=False)
class Digests:
    """Numbers of rows by their digest."""

    ordered: UInt64s
    numbers: Int32s

    def find(self, digests: UInt64s) -> Int32s:
        """Return the number of each digest, -1 for one that is not known."""
        if not len(self.ordered):
            return np.full(len(digests), -1, np.int32)
        at = np.searchsorted(self.ordered, digests)
        at[at == len(self.ordered)] = 0
        return np.where(self.ordered[at] == digests, self.numbers[at], np.int32(-1))

    def extended(self, digests: UInt64s, first: int) -> "Digests":
        """Return these and others, which are numbered from `first` on."""
        ordered = np.concatenate([self.ordered, digests])
        numbers = np.concatenate(
            [self.numbers, np.arange(first, first + len(digests), dtype=np.int32)]
        )
        order = np.argsort(ordered, kind="stable")
        return Digests(ordered[order], numbers[order])


_NONE = Digests(np.zeros(0, np.uint64), np.zeros(0, np.int32))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Known:
    """What a process knows of a build's dictionary up to (not including) the part `parts`.

    `build_id` and `first_seen_ns` are those of the build's row.
    """

    build_id: int
    first_seen_ns: int = 0
    parts: int = 0
    end: tuple[int, int, int, int] = (0, 0, 0, 0)
    strings: Digests = field(default=_NONE)
    functions: Digests = field(default=_NONE)
    locations: Digests = field(default=_NONE)
    sites: Digests = field(default=_NONE)

    @property
    def size(self) -> int:
        """Bytes of memory."""
        return 200 + 12 * sum(self.end)

    def extended(self, part: Sites, *, parts: int) -> "Known":
        """Return what is known once `part`, which follows, is part of the dictionary."""
        strings, functions, locations, sites = part.first
        return Known(
            build_id=self.build_id,
            first_seen_ns=self.first_seen_ns,
            parts=parts,
            end=part.end,
            strings=self.strings.extended(_of_strings(part.strings), strings),
            functions=self.functions.extended(_of_functions(part.functions), functions),
            locations=self.locations.extended(_of_locations(part.locations), locations),
            sites=self.sites.extended(
                _of_sites(part.stack_start, part.stack, part.labels, part.labels.sample - sites),
                sites,
            ),
        )


class KnownBuilds:
    """The dictionaries that this process knows, by the digest of the build; bounded in size."""

    def __init__(self, most_bytes: int = _CACHE_BYTES) -> None:
        self._most_bytes = most_bytes
        self._known: OrderedDict[bytes, Known] = OrderedDict()
        self._bytes = 0

    def get(self, digest: bytes) -> Known | None:
        """Return what is known of a build."""
        known = self._known.get(digest)
        if known is not None:
            self._known.move_to_end(digest)
        return known

    def put(self, digest: bytes, known: Known) -> None:
        """Remember a build; others are forgotten where there is no room, the one itself never."""
        self.forget(digest)
        self._known[digest] = known
        self._bytes += known.size
        while self._bytes > self._most_bytes and len(self._known) > 1:
            self.forget(next(iter(self._known)))

    def forget(self, digest: bytes) -> None:
        """Forget a build, as where its dictionary was deleted."""
        known = self._known.pop(digest, None)
        self._bytes -= known.size if known else 0


@dataclass(frozen=True, slots=True, eq=False)
class Numbered:
    """The sites of a profile's samples, and the part that the dictionary lacks, if any."""

    sites: Int64s
    new: Sites | None


def number(profile: Profile, known: Known) -> Numbered:
    """Return the number of each sample's site; those that are new get the next ones."""
    used = _used(profile)
    string_of, strings = _numbered_strings(profile, used.strings, known)
    functions = _renamed(profile.functions, used.functions, string_of)
    function_of, new_functions = _assigned(
        known.functions, _of_functions(functions), known.end[1], used.functions
    )
    locations = _rebased(profile, used.locations, function_of)
    location_of, new_locations = _assigned(
        known.locations, _of_locations(locations), known.end[2], used.locations
    )
    stack = location_of[profile.stack]
    labels = _relabelled(profile.labels, string_of)
    digests = _of_sites(profile.stack_start, stack, labels, labels.sample)
    everything = np.ones(len(profile), np.bool_)
    sites, new_sites = _assigned(known.sites, digests, known.end[3], everything)
    if not len(new_sites) and known.parts:
        # Sites name all else that is stored, so that nothing else can be new.  A dictionary has
        # one part at least, for its string 0.
        return Numbered(sites.astype(np.int64), None)
    part = Sites(
        first=known.end,
        strings=strings,
        functions=Functions(**_rows(functions, new_functions)),
        locations=_location_rows(locations, new_locations),
        **_site_rows((profile.stack_start, stack, labels), new_sites, known.end[3]),
    )
    return Numbered(sites.astype(np.int64), part)


@dataclass(frozen=True, slots=True)
class _Used:
    """Which rows of a profile's tables its samples lead to."""

    strings: npt.NDArray[np.bool_]
    functions: npt.NDArray[np.bool_]
    locations: npt.NDArray[np.bool_]


def _used(profile: Profile) -> _Used:
    locations = np.zeros(len(profile.locations), np.bool_)
    locations[profile.stack] = True
    lines = np.repeat(locations, np.diff(profile.locations.line_start))
    functions = np.zeros(len(profile.functions), np.bool_)
    functions[profile.locations.line_function[lines]] = True
    strings = np.zeros(len(profile.strings), np.bool_)
    strings[0] = True
    for column in (profile.functions.name, profile.functions.system_name, profile.functions.file):
        strings[column[functions]] = True
    labels = profile.labels
    for column in (labels.key, labels.unit, labels.string[labels.string >= 0]):
        strings[column] = True
    return _Used(strings, functions, locations)


def _assigned(
    table: Digests, digests: UInt64s, first: int, used: npt.NDArray[np.bool_]
) -> tuple[Int32s, npt.NDArray[np.intp]]:
    """Return the number of each row, and which rows are new, in the order of their numbers.

    `digests` are those of the rows that are `used`, the others have the number -1.  Rows that
    are alike share a number.
    """
    numbers = table.find(digests)
    missing = np.flatnonzero(numbers < 0)
    new = missing
    if len(missing):
        order = np.argsort(digests[missing], kind="stable")
        ordered = digests[missing][order]
        begins = np.append(True, ordered[1:] != ordered[:-1])
        leaders = missing[order[begins]]  # the first of those that are alike
        new = np.sort(leaders)
        rank = np.searchsorted(new, leaders)
        numbers[missing[order]] = first + rank[np.cumsum(begins) - 1]
    everywhere = np.full(len(used), -1, np.int32)
    everywhere[used] = numbers
    return everywhere, new


def _numbered_strings(
    profile: Profile, used: npt.NDArray[np.bool_], known: Known
) -> tuple[Int32s, tuple[str, ...]]:
    texts = [profile.strings[at] for at in np.flatnonzero(used).tolist()]
    numbers, new = _assigned(known.strings, _of_strings(texts), known.end[0], used)
    return numbers, tuple(texts[at] for at in new.tolist())


def _renamed(functions: Functions, used: npt.NDArray[np.bool_], string_of: Int32s) -> Functions:
    return Functions(
        name=string_of[functions.name[used]],
        system_name=string_of[functions.system_name[used]],
        file=string_of[functions.file[used]],
        start_line=functions.start_line[used],
    )


def _rebased(profile: Profile, used: npt.NDArray[np.bool_], function_of: Int32s) -> Locations:
    """Return the locations in use, with offsets for addresses and numbers for functions."""
    rows = np.flatnonzero(used)
    locations = profile.locations
    lines, starts = gathered(locations.line_start, rows)
    mapping = locations.mapping[rows]
    return Locations(
        mapping=mapping,
        address=moved(locations.address[rows], mapping, profile.mappings, by=-1),
        is_folded=locations.is_folded[rows],
        line_start=starts,
        line_function=function_of[locations.line_function[lines]],
        line_number=locations.line_number[lines],
        line_column=locations.line_column[lines],
    )


def _relabelled(labels: Labels, string_of: Int32s) -> Labels:
    return Labels(
        sample=labels.sample,
        key=string_of[labels.key],
        string=np.where(labels.string >= 0, string_of[labels.string], np.int32(-1)),
        number=labels.number,
        unit=string_of[labels.unit],
    )


def _rows(part: Any, rows: npt.NDArray[np.intp]) -> dict[str, Any]:
    return {name: getattr(part, name)[rows] for name in part.__slots__}


def _location_rows(locations: Locations, rows: npt.NDArray[np.intp]) -> Locations:
    lines, starts = gathered(locations.line_start, rows)
    return Locations(
        mapping=locations.mapping[rows],
        address=locations.address[rows],
        is_folded=locations.is_folded[rows],
        line_start=starts,
        line_function=locations.line_function[lines],
        line_number=locations.line_number[lines],
        line_column=locations.line_column[lines],
    )


def _site_rows(
    columns: tuple[Int64s, Int32s, Labels], rows: npt.NDArray[np.intp], first: int
) -> dict[str, Any]:
    """Return these rows of the columns of sites, numbered from `first` on."""
    stack_start, stack, labels = columns
    frames, starts = gathered(stack_start, rows)
    site_of = np.full(len(stack_start) - 1, -1, np.int32)
    site_of[rows] = np.arange(first, first + len(rows), dtype=np.int32)
    kept = np.flatnonzero(site_of[labels.sample] >= 0)
    taken = Labels(**_rows(labels, kept))
    return {
        "stack_start": starts,
        "stack": stack[frames],
        "labels": Labels(
            sample=site_of[taken.sample],
            key=taken.key,
            string=taken.string,
            number=taken.number,
            unit=taken.unit,
        ),
    }


# Digests.  The keys are this process's own; the steps are those of splitmix64 (Steele, Lea and
# Flood 2014), which spreads every bit of its input over all of its output.


def _key(name: str) -> np.uint64:
    return np.uint64(hash(("memsnap", name)) % (1 << 64))


_KEYS = {name: _key(name) for name in ("functions", "locations", "lines", "sites", "labels")}
_STEP = np.uint64(0x9E3779B97F4A7C15)
_TURNS = (
    (np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)),
    (np.uint64(27), np.uint64(0x94D049BB133111EB)),
)
_LAST = np.uint64(31)


def _mixed(numbers: UInt64s) -> UInt64s:
    out = numbers + _STEP
    for shift, factor in _TURNS:
        out ^= out >> shift
        out *= factor
    out ^= out >> _LAST
    return out


def _rows_digest(key: str, *columns: npt.NDArray[Any]) -> UInt64s:
    """Return a digest of each row of some columns."""
    digest = np.full(len(columns[0]), _KEYS[key])
    for column in columns:
        digest = _mixed(digest ^ column.astype(np.int64, copy=False).view(np.uint64))
    return digest


def _ragged_digest(key: str, items: UInt64s, starts: Int64s) -> UInt64s:
    """Return a digest of the items of each row, of which the order counts."""
    counts = np.diff(starts)
    position = np.arange(len(items)) - np.repeat(starts[:-1], counts)
    mixed = _mixed(items ^ _mixed(position.view(np.uint64) ^ _KEYS[key]))
    running = np.zeros(len(items) + 1, np.uint64)
    np.cumsum(mixed, out=running[1:])
    sums = running[starts[1:]] - running[starts[:-1]]
    return _mixed(sums ^ _mixed(counts.view(np.uint64)))


def _of_strings(texts: Any) -> UInt64s:
    return np.fromiter(map(hash, texts), np.int64, len(texts)).view(np.uint64)


def _of_functions(functions: Functions) -> UInt64s:
    return _rows_digest(
        "functions",
        functions.name,
        functions.system_name,
        functions.file,
        functions.start_line,
    )


def _of_locations(locations: Locations) -> UInt64s:
    lines = _rows_digest(
        "lines", locations.line_function, locations.line_number, locations.line_column
    )
    own = _rows_digest(
        "locations", locations.mapping, locations.address.view(np.int64), locations.is_folded
    )
    return _mixed(own ^ _ragged_digest("lines", lines, locations.line_start))


def _of_sites(stack_start: Int64s, stack: Int32s, labels: Labels, rows: Int32s) -> UInt64s:
    """Return a digest of each site; `rows` are the sites of the labels, counted from 0."""
    items = _rows_digest("labels", labels.key, labels.string, labels.number, labels.unit)
    starts = np.searchsorted(rows, np.arange(len(stack_start)))
    frames = stack.astype(np.int64).view(np.uint64)
    return _mixed(
        _ragged_digest("sites", frames, stack_start) ^ _ragged_digest("labels", items, starts)
    )


def known_of(build_id: int, parts: list[Sites], *, count: int, first_seen_ns: int = 0) -> Known:
    """Return what is known of a build whose whole dictionary these parts are, `count` by number."""
    known = Known(build_id=build_id, first_seen_ns=first_seen_ns)
    return known.extended(joined(parts), parts=count)
