"""Go's types as an executable has them: by address, with what they are made of.

Reads a descriptor when asked for it and keeps it; relations between types are followed lazily,
so that a type costs no more than what is looked at.  `descriptors` and `parts` decode the bytes,
`names` spells, `layout` lays out.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from memsnap.gobin import names
from memsnap.gobin.descriptors import TYPE_BYTES, Descriptor, Kind, read_descriptor
from memsnap.gobin.image import Image
from memsnap.gobin.moduledata import Moduledata
from memsnap.gobin.parts import FieldPart, TypeParts

_WORD = 8
_ALIGN_AT, _MAX_ALIGN = 21, 8  # two bytes: align and fieldAlign
_INDIRECT_KEY, _INDIRECT_ELEM = 4, 8
_INDIRECT_KEY_123, _INDIRECT_ELEM_123 = 1, 2

# A full name that would go deeper or longer stays short: only damaged files have such types.
_MAX_DEPTH = 48
_MAX_NAME = 1 << 14


@dataclass(frozen=True, slots=True)
class Field:
    """A struct field; `offset` in bytes from the start of the struct."""

    name: str
    type: "GoType"
    offset: int
    tag: str
    embedded: bool


@dataclass(frozen=True, slots=True)
class InterfaceMethod:
    """A method of an interface type; `type` is its func type, None where the linker dropped it.

    `package` is the import path of the package that an unexported name belongs to.
    """

    name: str
    package: str
    type: "GoType | None"

    @property
    def qualified_name(self) -> str:
        """The name, behind its package if it is not exported."""
        return f"{self.package}.{self.name}" if self.package else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class MapParts:
    """What the blocks of a map are made of.

    Since Go 1.24 (`swiss`) a `group` holds 8 slots; before, and with GOEXPERIMENT=noswissmap, it
    is a bucket of 8.  Indirect keys and elements are pointers there to blocks of their own.
    """

    swiss: bool
    group: "GoType"
    indirect_key: bool
    indirect_elem: bool


@dataclass(frozen=True, slots=True, eq=False)
class GoType:
    """A type.  An executable's `Types` has one object per descriptor: compare by identity.

    References to other types are None where this kind of type has no such part, or where the
    other descriptor is damaged.
    """

    descriptor: Descriptor
    _types: "Types" = field(repr=False)

    def __str__(self) -> str:
        return self.name

    @property
    def address(self) -> int:
        """Where its descriptor is, as a link-time address."""
        return self.descriptor.address

    @property
    def kind(self) -> Kind:
        """Its kind."""
        return self.descriptor.kind

    @property
    def size(self) -> int:
        """Bytes of a value."""
        return self.descriptor.size

    @property
    def ptr_bytes(self) -> int:
        """Bytes of a value up to its last pointer; 0 for pointer-free types."""
        return self.descriptor.ptr_bytes

    @property
    def align(self) -> int:
        """Bytes that its address is a multiple of."""
        return self.descriptor.align

    @property
    def named(self) -> bool:
        """Whether it is a defined or predeclared type."""
        return self.descriptor.named

    @property
    def name(self) -> str:
        """As `reflect.Type.String` prints it, with package names: `*http.Request`."""
        return self.descriptor.name

    @property
    def full_name(self) -> str:
        """With import paths instead of package names: `*net/http.Request`."""
        return self._types.full_name(self)

    @property
    def pkg_path(self) -> str:
        """The import path of the package that defines it; empty for other types."""
        return self._types.parts.pkg_path(self.descriptor)

    @property
    def elem(self) -> "GoType | None":
        """What an array, channel, map, pointer or slice holds or points to."""
        return self._types.at(self._types.parts.elem(self.descriptor))

    @property
    def key(self) -> "GoType | None":
        """A map's key type."""
        return self._types.at(self._types.parts.key(self.descriptor))

    @property
    def len(self) -> int:
        """An array's length; 0 for other types."""
        return self._types.parts.length(self.descriptor)

    @property
    def chan_dir(self) -> int:
        """A channel's direction: 1 receive, 2 send, 3 both; 0 for other types."""
        return self._types.parts.direction(self.descriptor)

    @property
    def fields(self) -> tuple[Field, ...]:
        """A struct's fields in order; empty for other types, and where one is damaged."""
        return self._types.fields(self)

    @property
    def interface_methods(self) -> tuple[InterfaceMethod, ...]:
        """An interface's methods, sorted by name; empty for other types."""
        methods = self._types.parts.methods(self.descriptor)
        at = self._types.at
        return tuple(
            InterfaceMethod(m.name.text, "" if m.name.exported else m.package, at(m.type))
            for m in methods
        )

    @property
    def parameters(self) -> "tuple[GoType | None, ...]":
        """A function type's parameters; the last of a variadic one is a slice."""
        return tuple(map(self._types.at, self._types.parts.signature(self.descriptor).parameters))

    @property
    def results(self) -> "tuple[GoType | None, ...]":
        """A function type's results."""
        return tuple(map(self._types.at, self._types.parts.signature(self.descriptor).results))

    @property
    def variadic(self) -> bool:
        """Whether a function type takes `...T` last."""
        return self._types.parts.signature(self.descriptor).variadic

    @property
    def map_parts(self) -> MapParts | None:
        """What a map type's blocks are made of."""
        return self._types.map_parts(self)

    @property
    def pointer_type(self) -> "GoType | None":
        """`*T`, where the linker left a way from T to it."""
        return self._types.at(self.descriptor.pointer_type)


class Types:
    """The type descriptors of an executable, by link-time address.

    What is no type, or damaged, is None or empty: nothing here raises for that.
    """

    def __init__(self, image: Image, moduledata: Moduledata) -> None:
        self._image = image
        self._md = moduledata
        self.parts = TypeParts(image, moduledata)
        """Reads what hangs on descriptors."""
        self._known: dict[int, GoType] = {}
        self._full_names: dict[int, str] = {}
        self._fields: dict[int, tuple[Field, ...]] = {}

    def at(self, address: int) -> GoType | None:
        """Return the type whose descriptor is at `address`; None where that is none."""
        found = self._known.get(address)
        if found is None:
            descriptor = read_descriptor(self._image, self._md, address)
            if descriptor is None:
                return None
            found = self._known[address] = GoType(descriptor, self)
        return found

    def all(self) -> Iterator[GoType]:
        """Yield all types, by address."""
        return self.between(self._md.types, self._md.etypes)

    def between(self, start: int, end: int) -> Iterator[GoType]:
        """Yield the types whose descriptors begin in `start:end`, by address.

        Descriptors follow each other, with other data in between, so the walk looks for the next
        one word by word.
        """
        end = min(end, self._md.etypes - TYPE_BYTES + 1)
        address = -(-max(start, self._md.types) // _WORD) * _WORD
        while address < end:
            step = _WORD
            if self._may_be_type(address):
                found = self.at(address)
                if found:
                    yield found
                    step = self.parts.descriptor_bytes(found.descriptor)
            address += step

    def _may_be_type(self, address: int) -> bool:
        """Whether two bytes there, which tell most of what is no type, are those of one."""
        at = address - self._md.types + _ALIGN_AT
        return 0 < self._bytes[at] <= _MAX_ALIGN and 0 < self._bytes[at + 1] <= _MAX_ALIGN

    @cached_property
    def _bytes(self) -> memoryview:
        return self._image.view(self._md.types, self._md.etypes - self._md.types)

    def fields(self, type_: GoType) -> tuple[Field, ...]:
        """Return a struct's fields; empty for other types, and where one is damaged."""
        found = self._fields.get(type_.address)
        if found is None:
            found = self._fields[type_.address] = self._read_fields(type_)
        return found

    def _read_fields(self, type_: GoType) -> tuple[Field, ...]:
        rows = self.parts.fields(type_.descriptor)
        found = []
        for row in rows:
            member = self.at(row.type)
            if member is None:
                return ()
            found.append((row, member))
        for shift in (0, 1):
            fields = tuple(_field(row, member, shift) for row, member in found)
            if _fit(fields, type_.size):
                return fields
        return ()

    def map_parts(self, type_: GoType) -> MapParts | None:
        """Return what a map type's blocks are made of; None for other types."""
        part = self.parts.map(type_.descriptor)
        group = self.at(part.group) if part else None
        if part is None or group is None:
            return None
        return MapParts(
            swiss=part.swiss,
            group=group,
            indirect_key=bool(part.flags & (_INDIRECT_KEY if part.swiss else _INDIRECT_KEY_123)),
            indirect_elem=bool(part.flags & (_INDIRECT_ELEM if part.swiss else _INDIRECT_ELEM_123)),
        )

    def full_name(self, type_: GoType) -> str:
        """Return the type's name with import paths for package names."""
        return self._full_name(type_, _MAX_DEPTH)

    def _full_name(self, type_: GoType, depth: int) -> str:
        """Return the full name, or the short one of what is damaged, too deep or too long."""
        known = self._full_names.get(type_.address)
        if known is None:
            if type_.named:
                known = names.qualified(type_.name, type_.pkg_path)
            else:
                known = self._composed(type_, depth) or type_.name
            self._full_names[type_.address] = known
        return known

    def _composed(self, type_: GoType, depth: int) -> str:
        """Return an unnamed type's spelling from the full names of its parts; "" if it fails."""
        references = self._references(type_)
        if not depth or references is None:
            return ""
        parts, length = [], 0
        for reference in references:
            parts.append(self._full_name(reference, depth - 1))
            length += len(parts[-1])
            if length > _MAX_NAME:
                return ""
        return _SPELL[type_.kind](type_, parts) if type_.kind in _SPELL else ""

    def _references(self, type_: GoType) -> list[GoType] | None:
        """Return the types that a type's spelling consists of; None if one is missing."""
        found: list[GoType | None]
        if type_.kind is Kind.MAP:
            found = [type_.key, type_.elem]
        elif type_.kind is Kind.FUNC:
            found = [*type_.parameters, *type_.results]
        elif type_.kind is Kind.INTERFACE:
            found = [method.type for method in type_.interface_methods]
        elif type_.kind is Kind.STRUCT:
            found = [member.type for member in type_.fields]
        else:
            found = [type_.elem]
        complete = [reference for reference in found if reference]
        return complete if len(complete) == len(found) else None


def _field(row: FieldPart, type_: GoType, shift: int) -> Field:
    """Return a field; Go 1.18 keeps twice the offset, plus 1 if embedded (runtime/type.go)."""
    embedded = bool(row.offset & 1) if shift else row.name.embedded
    name = "F" if row.name.text == ".F" else row.name.text  # closures up to Go 1.20
    return Field(name, type_, row.offset >> shift, row.name.tag, embedded)


def _fit(fields: tuple[Field, ...], size: int) -> bool:
    """Whether fields lie in order, aligned, without overlap, and inside `size` bytes."""
    end = 0
    for member in fields:
        if member.offset < end or member.offset % member.type.align:
            return False
        end = member.offset + member.type.size
    return end <= size


def _function(type_: GoType, parts: list[str]) -> str:
    takes = len(type_.parameters)
    return names.function(parts[:takes], parts[takes:], variadic=type_.variadic)


def _interface(type_: GoType, parts: list[str]) -> str:
    methods = zip(type_.interface_methods, parts, strict=True)
    return names.interface([names.Method(m.qualified_name, part) for m, part in methods])


def _struct(type_: GoType, parts: list[str]) -> str:
    if not type_.name.startswith("struct {"):  # map.group[...], map.bucket[...]: the linker's own
        return ""
    fields = zip(type_.fields, parts, strict=True)
    return names.struct([names.Member(f.name, part, f.tag, f.embedded) for f, part in fields])


_SPELL: dict[Kind, Callable[[GoType, list[str]], str]] = {
    Kind.POINTER: lambda _, parts: f"*{parts[0]}",
    Kind.SLICE: lambda _, parts: f"[]{parts[0]}",
    Kind.ARRAY: lambda type_, parts: f"[{type_.len}]{parts[0]}",
    Kind.CHAN: lambda type_, parts: names.channel(parts[0], type_.chan_dir),
    Kind.MAP: lambda _, parts: f"map[{parts[0]}]{parts[1]}",
    Kind.FUNC: _function,
    Kind.INTERFACE: _interface,
    Kind.STRUCT: _struct,
}
