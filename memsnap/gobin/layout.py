"""How a struct's bytes are used: its fields, the padding between them, and what order would save.

Pure arithmetic on `GoType`s; the compiler lays fields out in the order of the source
(cmd/compile/internal/types/size.go, CalcStructSize).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from memsnap.gobin.types import Field, GoType


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldLayout:
    """A field of `size` bytes at `offset`, followed by `padding_bytes` that nothing uses."""

    name: str
    type_name: str
    full_type_name: str
    offset: int
    size: int
    padding_bytes: int
    embedded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StructLayout:
    """A struct of `size` bytes.

    `padding_bytes` is the sum over its own fields, not over those of structs inside;
    `best_size` is what the same fields would take in the order of falling alignment.
    """

    name: str
    full_name: str
    size: int
    align: int
    ptr_bytes: int
    padding_bytes: int
    best_size: int
    fields: tuple[FieldLayout, ...]


def struct_layout(type_: GoType) -> StructLayout | None:
    """Return the layout of a struct type; None for other kinds, and for a damaged descriptor."""
    fields = type_.fields
    if not fields:
        return None
    ends = [*(member.offset for member in fields[1:]), type_.size]
    rows = tuple(
        FieldLayout(
            name=member.name,
            type_name=member.type.name,
            full_type_name=member.type.full_name,
            offset=member.offset,
            size=member.type.size,
            padding_bytes=end - member.offset - member.type.size,
            embedded=member.embedded,
        )
        for member, end in zip(fields, ends, strict=True)
    )
    return StructLayout(
        name=type_.name,
        full_name=type_.full_name,
        size=type_.size,
        align=type_.align,
        ptr_bytes=type_.ptr_bytes,
        padding_bytes=sum(row.padding_bytes for row in rows),
        best_size=min(type_.size, _size_in_best_order(fields)),
        fields=rows,
    )


def _size_in_best_order(fields: Iterable[Field]) -> int:
    """Return the size with fields sorted by alignment, largest first, empty ones in front.

    An empty field at the end would take a byte, so that its address stays inside the struct.
    """
    end, align = 0, 1
    for member in sorted(fields, key=lambda f: (f.type.size > 0, -f.type.align)):
        align = max(align, member.type.align)
        end = _aligned(end, member.type.align) + member.type.size
    return _aligned(end, align)


def _aligned(offset: int, align: int) -> int:
    return -(-offset // align) * align
