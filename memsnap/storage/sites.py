"""What the numbers in a snapshot's columns stand for: the sites of a build, and their parts.

A site is a stack with its labels.  Sites refer to locations, those to functions, all of them to
strings, by numbers that count from 0 in each build and never change.  Addresses are offsets in
the mapped file, so that they are the same in every process of the build.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from memsnap.errors import FormatError
from memsnap.pprof.profile import (
    Functions,
    Int32s,
    Int64s,
    Labels,
    Locations,
    Mapping,
    UInt64s,
)
from memsnap.storage.blobs import BlobReader, BlobWriter

VERSION = 1
_WHAT = "a dictionary of a build"
_OBJECT_BYTES = "bytes"  # the label in which Go tells the size of a site's objects

Places = npt.NDArray[np.integer]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sites:
    """A dictionary, or a part of one; columns are those of `Profile`, a site for each sample.

    Rows of a part begin at the numbers in `first` (strings, functions, locations, sites) and
    refer to others by their numbers in the whole.  `labels.sample` is the number of a site.
    The addresses of `locations` are offsets in the mapped file.
    """

    first: tuple[int, int, int, int]
    strings: tuple[str, ...]
    functions: Functions
    locations: Locations
    stack_start: Int64s
    stack: Int32s
    labels: Labels

    def __len__(self) -> int:
        return len(self.stack_start) - 1

    @property
    def end(self) -> tuple[int, int, int, int]:
        """The numbers at which the next part begins."""
        strings, functions, locations, sites = self.first
        return (
            strings + len(self.strings),
            functions + len(self.functions),
            locations + len(self.locations),
            sites + len(self),
        )


def object_bytes(sites: Sites) -> Int64s:
    """Return the size of each site's objects as its label says, 0 where it has none."""
    return labelled_bytes(sites.strings, sites.labels, len(sites))


def labelled_bytes(strings: Sequence[str], labels: Labels, count: int) -> Int64s:
    """Return the numeric label `bytes` of `count` samples, 0 for none; the last one counts."""
    keys = np.array([at for at, text in enumerate(strings) if text == _OBJECT_BYTES], np.int32)
    chosen = np.flatnonzero((labels.string < 0) & (labels.number > 0) & np.isin(labels.key, keys))
    sizes = np.zeros(count, np.int64)
    sizes[labels.sample[chosen]] = labels.number[chosen]
    return sizes


def moved(addresses: UInt64s, mapping: Int32s, mappings: Sequence[Mapping], *, by: int) -> UInt64s:
    """Return addresses as offsets in their mapped files (`by` -1), or offsets as addresses (1).

    Those in no mapping stay.  Raises FormatError where a mapping is missing.
    """
    if len(mapping) and int(mapping.max()) >= len(mappings):
        raise FormatError(f"{_WHAT} refers to a mapping that the process does not have")
    shifts = [(each.start - each.offset) % (1 << 64) for each in mappings]
    shift = np.array([*shifts, 0], np.uint64)[mapping]
    return addresses - shift if by < 0 else addresses + shift


def joined(parts: Sequence[Sites]) -> Sites:
    """Return all parts of a dictionary as one; raises FormatError where one is missing."""
    ends = [(0, 0, 0, 0), *(part.end for part in parts)]
    if not parts or any(part.first != end for part, end in zip(parts, ends, strict=False)):
        raise FormatError(
            f"{_WHAT} lacks a part", hint="restore the store from a backup that has it"
        )
    return merged(parts)


def merged(parts: Sequence[Sites]) -> Sites:
    """Return parts that follow one another as one part."""

    def columns(table: str, names: Sequence[str]) -> dict[str, Any]:
        return {
            name: np.concatenate([getattr(getattr(part, table), name) for part in parts])
            for name in names
        }

    return Sites(
        first=parts[0].first,
        strings=tuple(text for part in parts for text in part.strings),
        functions=Functions(**columns("functions", _FUNCTION)),
        locations=Locations(
            **columns("locations", _LOCATION),
            line_start=_starts([np.diff(part.locations.line_start) for part in parts]),
        ),
        stack_start=_starts([np.diff(part.stack_start) for part in parts]),
        stack=np.concatenate([part.stack for part in parts]),
        labels=Labels(**columns("labels", _LABEL)),
    )


def encode(sites: Sites) -> bytes:
    """Return a part as a blob."""
    writer = BlobWriter()
    writer.numbers(np.array(sites.first))
    # Of characters: the text is decoded once and then cut.
    writer.numbers(np.array([len(text) for text in sites.strings], np.int64))
    writer.content("".join(sites.strings).encode("utf-8", "surrogatepass"))
    for name in _FUNCTION:
        writer.numbers(getattr(sites.functions, name))
    locations = sites.locations
    writer.numbers(np.diff(locations.address.view(np.int64), prepend=0))
    for column in (
        *(locations.mapping, locations.is_folded, np.diff(locations.line_start)),
        *(locations.line_function, locations.line_number, locations.line_column),
        *(np.diff(sites.stack_start), sites.stack),
        sites.labels.sample - sites.first[3],
        *(getattr(sites.labels, name) for name in _LABEL[1:]),
    ):
        writer.numbers(column)
    return writer.pack(VERSION)


def decode(blob: bytes) -> Sites:
    """Return the part in a blob; raises FormatError where it is damaged."""
    reader = BlobReader(blob, version=VERSION, what=_WHAT)
    strings_from, functions_from, locations_from, sites_from = reader.numbers().tolist()
    ends = np.cumsum(reader.numbers()).tolist()
    text = reader.content().decode("utf-8", "surrogatepass")
    strings = tuple(text[start:end] for start, end in zip([0, *ends], ends, strict=False))
    functions = Functions(
        name=_int32(reader),
        system_name=_int32(reader),
        file=_int32(reader),
        start_line=reader.numbers(),
    )
    locations = Locations(
        address=np.cumsum(reader.numbers()).view(np.uint64),
        mapping=_int32(reader),
        is_folded=reader.numbers().astype(np.bool_),
        line_start=_starts([reader.numbers()]),
        line_function=_int32(reader),
        line_number=reader.numbers(),
        line_column=reader.numbers(),
    )
    stack_start, stack = _starts([reader.numbers()]), _int32(reader)
    labels = Labels(
        sample=(reader.numbers() + sites_from).astype(np.int32),
        key=_int32(reader),
        string=_int32(reader),
        number=reader.numbers(),
        unit=_int32(reader),
    )
    return Sites(
        first=(strings_from, functions_from, locations_from, sites_from),
        strings=strings,
        functions=functions,
        locations=locations,
        stack_start=stack_start,
        stack=stack,
        labels=labels,
    )


def gathered(starts: Int64s, rows: Places) -> tuple[Int64s, Int64s]:
    """Return the places of the items of ragged `rows`, and where each row's items start in them."""
    counts = np.diff(starts)[rows]
    own = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(counts, out=own[1:])
    places = np.repeat(starts[:-1][rows] - own[:-1], counts) + np.arange(own[-1])
    return places, own


_FUNCTION = ("name", "system_name", "file", "start_line")
_LOCATION = (*("mapping", "address", "is_folded", "line_function", "line_number", "line_column"),)
_LABEL = ("sample", "key", "string", "number", "unit")


def _int32(reader: BlobReader) -> Int32s:
    return reader.numbers().astype(np.int32)


def _starts(counts: Sequence[Int64s]) -> Int64s:
    return np.cumsum(np.concatenate([np.zeros(1, np.int64), *counts]))
