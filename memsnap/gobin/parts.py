"""What hangs on a type descriptor: fields, methods, signatures, import path, map blocks.

Functions of an image, its moduledata and one `Descriptor`; other types appear as the addresses of
their descriptors.  Layouts: internal/abi/type.go and map.go of Go 1.27, map_swiss.go and
map_noswiss.go of 1.24, runtime/type.go of 1.18.
"""

import struct
from typing import NamedTuple

from memsnap.gobin.descriptors import (
    HEAD_BYTES,
    TYPE_BYTES,
    Descriptor,
    Kind,
    Name,
    name_at_offset,
    read_descriptor,
    read_name,
)
from memsnap.gobin.image import Image
from memsnap.gobin.moduledata import Moduledata

_WORD = 8
_UNCOMMON = struct.Struct("<iHHII")  # import path, methods, exported methods, their offset
_METHOD_BYTES, _FIELD_BYTES, _INTERFACE_METHOD_BYTES = 16, 24, 8
_SIGNATURE = struct.Struct("<HH")
_VARIADIC = 1 << 15
_MAX_MEMBERS = 1 << 16

_ELEM_AT = {Kind.ARRAY: 48, Kind.CHAN: 48, Kind.POINTER: 48, Kind.SLICE: 48, Kind.MAP: 56}
_KEY_AT, _GROUP_AT = 48, 64
_LENGTH_AT, _DIRECTION_AT = 64, 56
_MEMBERS_AT, _MEMBER_COUNT_AT = 56, 64

# The bytes of a map's descriptor and where its flags are.  Go 1.27 split SlotSize and ElemOff
# into offsets and strides of keys and elements; 1.24 brought groups instead of buckets.
_MAP_127, _MAP_124, _MAP_BUCKETS = (136, 128), (112, 104), (88, 84)
_BUCKET_NAME = "map.bucket["


class FieldPart(NamedTuple):
    """A struct field: what it is called, its type's address, its byte offset as stored."""

    name: Name
    type: int
    offset: int


class MethodPart(NamedTuple):
    """An interface method: what it is called and its func type's address, 0 for none.

    `package` is the import path that an unexported name belongs to, empty where unknown.
    """

    name: Name
    type: int
    package: str


class SignaturePart(NamedTuple):
    """A function type's parameters and results, as addresses."""

    parameters: tuple[int, ...]
    results: tuple[int, ...]
    variadic: bool


class MapPart(NamedTuple):
    """What a map's descriptor says of its blocks; `group` is an address."""

    group: int
    swiss: bool
    flags: int
    descriptor_bytes: int


class TypeParts:
    """Reads the parts of an executable's types.  Damaged parts are empty or 0, never an error."""

    def __init__(self, image: Image, moduledata: Moduledata) -> None:
        self._image = image
        self._md = moduledata

    def elem(self, type_: Descriptor) -> int:
        """Return the address of the element type; 0 where the kind has none."""
        at = _ELEM_AT.get(type_.kind)
        return self._word(type_.address + at) if at else 0

    def key(self, type_: Descriptor) -> int:
        """Return the address of a map's key type; 0 for other types."""
        return self._word(type_.address + _KEY_AT) if type_.kind is Kind.MAP else 0

    def length(self, type_: Descriptor) -> int:
        """Return an array's length; 0 for other types."""
        return self._word(type_.address + _LENGTH_AT) if type_.kind is Kind.ARRAY else 0

    def direction(self, type_: Descriptor) -> int:
        """Return a channel's direction, bit 0 receive, bit 1 send; 0 for other types."""
        return self._word(type_.address + _DIRECTION_AT) if type_.kind is Kind.CHAN else 0

    def pkg_path(self, type_: Descriptor) -> str:
        """Return the import path of the package that defines the type; empty if none does."""
        if not type_.named or not type_.has_uncommon:
            return ""
        at = type_.address + self._head_bytes(type_)
        if not self._image.holds(at, _UNCOMMON.size):
            return ""
        name = self._name(self._image.unpack(_UNCOMMON, at)[0])
        return name.text if name else ""

    def fields(self, type_: Descriptor) -> tuple[FieldPart, ...]:
        """Return a struct's fields in order; empty for other types, and where one is damaged."""
        if type_.kind is not Kind.STRUCT:
            return ()
        found = []
        for at in self._members(type_, _FIELD_BYTES):
            name = read_name(self._image, self._word(at))
            if name is None:
                return ()
            found.append(FieldPart(name, self._word(at + 8), self._word(at + 16)))
        return tuple(found)

    def methods(self, type_: Descriptor) -> tuple[MethodPart, ...]:
        """Return an interface's methods; empty for other types, and where one is damaged."""
        if type_.kind is not Kind.INTERFACE:
            return ()
        found = []
        package = read_name(self._image, self._word(type_.address + TYPE_BYTES))
        for at in self._members(type_, _INTERFACE_METHOD_BYTES):
            name = self._name(self._image.u32(at))
            if name is None:
                return ()
            signature = self._image.u32(at + 4)
            path = self._name(name.path_offset) or package
            found.append(
                MethodPart(
                    name,
                    self._md.types + signature if signature else 0,
                    path.text if path else "",
                )
            )
        return tuple(found)

    def signature(self, type_: Descriptor) -> SignaturePart:
        """Return parameters and results of a function type; none for other types."""
        if type_.kind is not Kind.FUNC:
            return SignaturePart((), (), variadic=False)
        takes, gives = self._image.unpack(_SIGNATURE, type_.address + TYPE_BYTES)
        variadic, gives = bool(gives & _VARIADIC), gives & ~_VARIADIC
        start = type_.address + HEAD_BYTES[Kind.FUNC]
        start += _UNCOMMON.size if type_.has_uncommon else 0
        if not self._image.holds(start, _WORD * (takes + gives)):
            return SignaturePart((), (), variadic=False)
        words = tuple(self._word(start + _WORD * index) for index in range(takes + gives))
        return SignaturePart(words[:takes], words[takes:], variadic)

    def map(self, type_: Descriptor) -> MapPart | None:
        """Return what a map type says of its blocks; None for other types."""
        if type_.kind is not Kind.MAP:
            return None
        group = self._word(type_.address + _GROUP_AT)
        swiss = self._md.since >= (1, 26) or not self._is_bucket(group)
        layout = _MAP_127 if self._md.since >= (1, 27) else _MAP_124 if swiss else _MAP_BUCKETS
        size, flags_at = layout
        if not self._image.holds(type_.address, size):
            return None
        return MapPart(group, swiss, self._image.u32(type_.address + flags_at), size)

    def descriptor_bytes(self, type_: Descriptor) -> int:
        """Return how far a descriptor reaches with all that follows it, a multiple of 8."""
        size, methods = self._head_bytes(type_), 0
        if type_.has_uncommon:
            at = type_.address + size
            if self._image.holds(at, _UNCOMMON.size):
                methods = self._image.unpack(_UNCOMMON, at)[1]
            size += _UNCOMMON.size
        if type_.kind is Kind.FUNC:
            signature = self.signature(type_)
            size += _WORD * (len(signature.parameters) + len(signature.results))
        elif type_.kind is Kind.STRUCT:
            size += _FIELD_BYTES * len(self._members(type_, _FIELD_BYTES))
        elif type_.kind is Kind.INTERFACE:
            size += _INTERFACE_METHOD_BYTES * len(self._members(type_, _INTERFACE_METHOD_BYTES))
        return size + methods * _METHOD_BYTES

    def _members(self, type_: Descriptor, size: int) -> range:
        """Return the addresses of a struct's fields or an interface's methods."""
        start = self._word(type_.address + _MEMBERS_AT)
        count = self._word(type_.address + _MEMBER_COUNT_AT)
        if count > _MAX_MEMBERS or not self._image.holds(start, count * size):
            return range(0)
        return range(start, start + count * size, size)

    def _head_bytes(self, type_: Descriptor) -> int:
        found = self.map(type_)
        return found.descriptor_bytes if found else HEAD_BYTES.get(type_.kind, TYPE_BYTES)

    def _is_bucket(self, address: int) -> bool:
        """Whether a map's group type is a bucket of the maps before Go 1.24."""
        found = read_descriptor(self._image, self._md, address)
        return found is not None and _BUCKET_NAME in found.name

    def _name(self, offset: int) -> Name | None:
        return name_at_offset(self._image, self._md, offset)

    def _word(self, address: int) -> int:
        return self._image.u64(address) if self._image.holds(address, _WORD) else 0
