"""Where Go's pc-line table lies and how its header divides it.

The header's magic is what gives a stripped Go executable away.  The table itself is read by
`pclntab`, once `moduledata` has confirmed the header.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from memsnap.errors import FormatError
from memsnap.gobin.elf import Segment
from memsnap.gobin.image import Image

# internal/abi/symtab.go of Go 1.27, PCLnTabMagic.
GO_120, GO_118, _GO_116, _GO_12 = 0xFFFFFFF1, 0xFFFFFFF0, 0xFFFFFFFA, 0xFFFFFFFB
_TOO_OLD = {_GO_116: "1.16 or 1.17", _GO_12: "1.15 or older"}
QUANTUM = {"amd64": 1, "arm64": 4}
"""The unit of code addresses in the pc-value tables (the header's minLC)."""

_POINTER_BYTES = 8
_LAYOUT = struct.Struct("<IBBBBQQQQQQQQ")
_FTAB_ROW_BYTES = 8
_MAX_CANDIDATES = 16


@dataclass(frozen=True, slots=True)
class PcHeader:
    """runtime.pcHeader (runtime/symtab.go); all but the counts are addresses.

    `text_start` is the address of the first function up to Go 1.25, and unused since 1.26.
    """

    address: int
    magic: int
    functions: int
    files: int
    text_start: int
    names: int
    compile_units: int
    file_names: int
    pc_tables: int
    table: int


def find_headers(image: Image) -> Iterator[PcHeader]:
    """Yield what may be the header, likeliest first; `moduledata` tells which one is.

    Raises FormatError where a header is there but of a Go release too old to read.
    """
    seen = set()
    found = False
    for count, address in enumerate(_places(image)):
        if count >= _MAX_CANDIDATES:
            return
        if address in seen:
            continue
        seen.add(address)
        header = parse_header(image, address)
        if header:
            found = True
            yield header
    if not found and (old := _old_release(image)):
        raise FormatError(
            f"{image.name} was built with Go {old}; memsnap reads Go 1.18 and later",
            hint="build it with a newer Go release",
        )


def parse_header(image: Image, address: int) -> PcHeader | None:
    """Return the header at `address`; None where that is none for this machine."""
    if not image.holds(address, _LAYOUT.size):
        return None
    magic, pad_1, pad_2, quantum, pointer, functions, files, _, *offsets = image.unpack(
        _LAYOUT, address
    )
    if magic not in (GO_120, GO_118) or pad_1 or pad_2:
        return None
    if quantum != QUANTUM[image.machine] or pointer != _POINTER_BYTES or not functions:
        return None
    if offsets != sorted(offsets) or offsets[0] < _LAYOUT.size:
        return None
    rows_bytes = (functions + 1) * _FTAB_ROW_BYTES - 4
    if not image.holds(address, offsets[-1] + rows_bytes):
        return None
    text_start = image.u64(address + 24)
    return PcHeader(
        address, magic, functions, files, text_start, *(address + offset for offset in offsets)
    )


def table_sections(image: Image) -> tuple[int, ...]:
    """Return the addresses of the sections that have the table's name."""
    return tuple(
        section.address
        for section in image.sections.values()
        if section.name.endswith(".gopclntab")
    )


def _find(image: Image, magic: int, segment: Segment) -> Iterator[int]:
    pattern = struct.pack("<IBBBB", magic, 0, 0, QUANTUM[image.machine], _POINTER_BYTES)
    return image.find(pattern, segment.address, segment.end, align=_POINTER_BYTES)


def _places(image: Image) -> Iterator[int]:
    """Yield addresses of sections with the table's name, then all places with its magic."""
    yield from table_sections(image)
    for magic in (GO_120, GO_118):
        for segment in image.segments:
            yield from _find(image, magic, segment)


def _old_release(image: Image) -> str:
    for magic, release in _TOO_OLD.items():
        for segment in image.segments:
            for _ in _find(image, magic, segment):
                return release
    return ""
