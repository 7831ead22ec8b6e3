"""Decoding of Go's type descriptors: the bytes of one `abi.Type`, checked, as a frozen value.

Layout: internal/abi/type.go and internal/abi/map.go of Go 1.27 (map_swiss.go of 1.24, map.go of
1.23 where they differ); runtime/type.go of Go 1.18 and 1.19.  Relations between types are
`types`' business.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum

from memsnap.gobin.image import Image
from memsnap.gobin.moduledata import Moduledata

TYPE_BYTES = 48
_TYPE = struct.Struct("<QQIBBBBQQii")
_KIND_MASK = 31
_UNCOMMON, _EXTRA_STAR, _NAMED = 1, 2, 4
_ALIGNMENTS = frozenset((1, 2, 4, 8))
_WORD = 8

_TAGGED, _WITH_PATH, _EMBEDDED = 2, 4, 8
_MAX_NAME_BYTES = 1 << 16


class Kind(IntEnum):
    """The kinds of types (abi.Kind)."""

    BOOL = 1
    INT = 2
    INT8 = 3
    INT16 = 4
    INT32 = 5
    INT64 = 6
    UINT = 7
    UINT8 = 8
    UINT16 = 9
    UINT32 = 10
    UINT64 = 11
    UINTPTR = 12
    FLOAT32 = 13
    FLOAT64 = 14
    COMPLEX64 = 15
    COMPLEX128 = 16
    ARRAY = 17
    CHAN = 18
    FUNC = 19
    INTERFACE = 20
    MAP = 21
    POINTER = 22
    SLICE = 23
    STRING = 24
    STRUCT = 25
    UNSAFE_POINTER = 26


_KINDS = {kind.value: kind for kind in Kind}
_SIZES = {
    **dict.fromkeys((Kind.BOOL, Kind.INT8, Kind.UINT8), 1),
    **dict.fromkeys((Kind.INT16, Kind.UINT16), 2),
    **dict.fromkeys((Kind.INT32, Kind.UINT32, Kind.FLOAT32), 4),
    **dict.fromkeys((Kind.INT, Kind.INT64, Kind.UINT, Kind.UINT64, Kind.UINTPTR), 8),
    **dict.fromkeys((Kind.FLOAT64, Kind.COMPLEX64, Kind.UNSAFE_POINTER), 8),
    **dict.fromkeys((Kind.CHAN, Kind.FUNC, Kind.MAP, Kind.POINTER), 8),
    **dict.fromkeys((Kind.COMPLEX128, Kind.INTERFACE, Kind.STRING), 16),
    Kind.SLICE: 24,
}
# Where an unnamed type's spelling must begin.
_PREFIXES: dict[Kind, tuple[str, ...]] = {
    Kind.ARRAY: ("[",),
    Kind.CHAN: ("chan", "<-chan"),
    Kind.FUNC: ("func(",),
    Kind.INTERFACE: ("interface {", "any"),
    Kind.MAP: ("map[",),
    Kind.POINTER: ("*",),
    Kind.SLICE: ("[]",),
    # Compiler-made: "map.group[...", "map.bucket[...", "noalg.map...", "go.shape.struct {".
    Kind.STRUCT: ("struct {", "map.", "noalg."),
}
# What descriptors of these kinds begin with; all others end behind TYPE_BYTES, but for maps.
HEAD_BYTES = {
    Kind.POINTER: 56,
    Kind.SLICE: 56,
    Kind.FUNC: 56,
    Kind.CHAN: 64,
    Kind.ARRAY: 72,
    Kind.INTERFACE: 80,
    Kind.STRUCT: 80,
}


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What all kinds of types have in common.

    `name` is as `reflect.Type.String` returns it.  `pointer_type` is the address of the
    descriptor of `*T`, 0 where the linker has none at hand.
    """

    address: int
    kind: Kind
    size: int
    ptr_bytes: int
    hash: int
    align: int
    named: bool
    has_uncommon: bool
    name: str
    pointer_type: int


@dataclass(frozen=True, slots=True)
class Name:
    """A name as descriptors hold it, of a type, field or method, with what rides on it.

    `path_offset` is the name offset of the import path it belongs to, 0 for none.
    """

    text: str
    tag: str
    exported: bool
    embedded: bool
    path_offset: int


def read_descriptor(image: Image, md: Moduledata, address: int) -> Descriptor | None:
    """Return the type descriptor at `address`; None where that is none.

    Since the type section holds other data as well, every field is checked for sense.
    """
    if address % _WORD or not md.types <= address <= md.etypes - TYPE_BYTES:
        return None
    size, ptr_bytes, hash_, flags, align, field_align, kind, _, _, name_at, pointer = image.unpack(
        _TYPE, address
    )
    known = _KINDS.get(kind & _KIND_MASK)
    if known is None or size != _SIZES.get(known, size) or size % (align or 1):
        return None
    if ptr_bytes > size or ptr_bytes % _WORD or not {align, field_align} <= _ALIGNMENTS:
        return None
    name = _type_name(image, md, name_at, star=bool(flags & _EXTRA_STAR))
    if not name or (not flags & _NAMED and not name.startswith(_PREFIXES.get(known, ""))):
        return None
    if not image.holds(address, HEAD_BYTES.get(known, TYPE_BYTES)):
        return None
    return Descriptor(
        address,
        known,
        size,
        ptr_bytes,
        hash_,
        align,
        named=bool(flags & _NAMED),
        has_uncommon=bool(flags & _UNCOMMON),
        name=name,
        pointer_type=md.types + pointer if pointer > 0 else 0,
    )


def read_name(image: Image, address: int) -> Name | None:
    """Return the name at `address` (internal/abi/type.go, Name); None where that is none."""
    if not image.holds(address, 2):
        return None
    flags = image.u8(address)
    if flags > 15:
        return None
    text, end = _counted_text(image, address + 1)
    if text is None:
        return None
    tag: str | None = ""
    if flags & _TAGGED:
        tag, end = _counted_text(image, end)
    path_offset = image.u32(end) if flags & _WITH_PATH and image.holds(end, 4) else 0
    return Name(text, tag or "", bool(flags & 1), bool(flags & _EMBEDDED), path_offset)


def _type_name(image: Image, md: Moduledata, offset: int, *, star: bool) -> str:
    name = name_at_offset(image, md, offset)
    if name is None or not name.text.isprintable():
        return ""
    return name.text.removeprefix("*") if star else name.text


def name_at_offset(image: Image, md: Moduledata, offset: int) -> Name | None:
    """Return the name at an offset from the type section (abi.NameOff); None for none."""
    return read_name(image, md.types + offset) if 0 < offset < md.etypes - md.types else None


def _counted_text(image: Image, address: int) -> tuple[str | None, int]:
    """Return the UTF-8 text behind a varint length, and where it ends."""
    length = shift = 0
    for byte in image.read_up_to(address, 3) if image.holds(address) else b"":
        address += 1
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    if length >= _MAX_NAME_BYTES or not image.holds(address, length):
        return None, address
    try:
        return image.read(address, length).decode(), address + length
    except UnicodeDecodeError:
        return None, address
