"""Makes a heap profile again: sites of the dictionary, stored samples, mappings of the process."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from memsnap.errors import FormatError
from memsnap.pprof.profile import Functions, Int32s, Int64s, Labels, Locations, Mapping, Profile
from memsnap.storage.blobs import BlobReader, BlobWriter
from memsnap.storage.columns import RawSamples, scales
from memsnap.storage.sites import Sites, gathered, moved, object_bytes

_VERSION = 1
_WHAT = "the mappings of a process"


def remade(
    sites: Sites, raw: RawSamples, *, rate: int, mappings: tuple[Mapping, ...], header: Any
) -> Profile:
    """Return the profile that was stored: the same samples, perhaps in another order.

    `sites` is the whole dictionary, `header` holds the remaining fields of `Profile`.  Raises
    FormatError where samples or mappings lack in the dictionary or in the process.
    """
    if len(raw.sites) and int(raw.sites[-1]) >= len(sites):
        raise FormatError(
            "a snapshot in the store has samples that its dictionary lacks",
            hint="restore the store from a backup",
        )
    frames, stack_start = gathered(sites.stack_start, raw.sites)
    location_of, locations = _kept(sites.stack[frames], len(sites.locations))
    lines, line_start = gathered(sites.locations.line_start, locations)
    function_of, functions = _kept(sites.locations.line_function[lines], len(sites.functions))
    labels, label_start = _labels(sites, raw.sites)
    columns = sites.functions
    named = np.concatenate([
        np.zeros(1, np.int32),
        *(column[functions] for column in (columns.name, columns.system_name, columns.file)),
        *(labels.key, labels.unit, labels.string[labels.string >= 0]),
    ])  # fmt: skip
    string_of, strings = _kept(named, len(sites.strings))
    mapping = sites.locations.mapping[locations]
    sizes = object_bytes(sites)[raw.sites]
    return Profile(
        values=raw.values(sizes, scales(sizes, rate)),
        stack_start=stack_start,
        stack=location_of[sites.stack[frames]],
        labels=Labels(
            sample=np.repeat(np.arange(len(raw.sites), dtype=np.int32), np.diff(label_start)),
            key=string_of[labels.key],
            string=np.where(labels.string >= 0, string_of[labels.string], np.int32(-1)),
            number=labels.number,
            unit=string_of[labels.unit],
        ),
        locations=Locations(
            mapping=mapping,
            address=moved(sites.locations.address[locations], mapping, mappings, by=1),
            is_folded=sites.locations.is_folded[locations],
            line_start=line_start,
            line_function=function_of[sites.locations.line_function[lines]],
            line_number=sites.locations.line_number[lines],
            line_column=sites.locations.line_column[lines],
        ),
        functions=Functions(
            name=string_of[columns.name[functions]],
            system_name=string_of[columns.system_name[functions]],
            file=string_of[columns.file[functions]],
            start_line=columns.start_line[functions],
        ),
        mappings=mappings,
        strings=tuple(sites.strings[at] for at in strings.tolist()),
        period=rate,
        **header,
    )


def encode_mappings(mappings: Sequence[Mapping]) -> bytes:
    """Return the mappings of a process as a blob."""
    writer = BlobWriter()
    writer.content(msgspec.msgpack.encode(mappings))
    return writer.pack(_VERSION)


def decode_mappings(blob: bytes) -> tuple[Mapping, ...]:
    """Return the mappings in a blob; raises FormatError where it is damaged."""
    reader = BlobReader(blob, version=_VERSION, what=_WHAT)
    try:
        return msgspec.msgpack.decode(reader.content(), type=tuple[Mapping, ...])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise FormatError(f"{_WHAT} cannot be read: {error}") from error


def _kept(used: Int32s, count: int) -> tuple[Int32s, npt.NDArray[np.intp]]:
    """Return the new number of each of `count` rows, and which rows are kept, in their order."""
    flags = np.zeros(count, np.bool_)
    flags[used] = True
    numbers = np.cumsum(flags, dtype=np.int32) - np.int32(1)
    return numbers, np.flatnonzero(flags)


def _labels(sites: Sites, rows: Int64s) -> tuple[Labels, Int64s]:
    """Return the labels of these sites, and where those of each begin."""
    starts = np.searchsorted(sites.labels.sample, np.arange(len(sites) + 1))
    places, begins = gathered(starts, rows)
    labels = sites.labels
    return (
        Labels(
            sample=labels.sample[places],
            key=labels.key[places],
            string=labels.string[places],
            number=labels.number[places],
            unit=labels.unit[places],
        ),
        begins,
    )
