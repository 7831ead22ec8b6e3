"""Types with what a value costs on the heap, and what another order of a struct's fields saves."""

from collections.abc import Iterator
from dataclasses import dataclass

from memsnap.gobin.executable import Executable
from memsnap.gobin.layout import StructLayout, struct_layout
from memsnap.gobin.sizeclasses import blocks_of
from memsnap.gobin.types import GoType

# Since Go 1.22 an object with pointers has a header if it is larger than this, unless it has a
# span of its own (runtime/mbitmap.go, heapBitsInSpan; runtime/malloc.go, mallocgc).
_HEADER_SINCE = (1, 22)
_HEADER_ABOVE, _HEADER_BYTES = 512, 8
_LARGEST_WITH_HEADER = (32 << 10) - _HEADER_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedType:
    """A type: `name` as Go prints it, `full_name` with import paths, sizes in bytes.

    `package` is the import path of the package that defines it, empty for unnamed types.
    `block_bytes` is what the allocator takes for one value alone on the heap.  For structs,
    `layout` has the fields, `best_size` is the least size that an order of the fields gives, and
    `best_block_bytes` its block; for other types both are as they are.
    """

    name: str
    full_name: str
    package: str
    kind: str
    size: int
    align: int
    ptr_bytes: int
    block_bytes: int
    best_size: int
    best_block_bytes: int
    layout: StructLayout | None

    @property
    def padding_bytes(self) -> int:
        """Bytes between a struct's own fields, and behind the last, that nothing uses."""
        return self.layout.padding_bytes if self.layout else 0


def list_types(executable: Executable) -> Iterator[ListedType]:
    """Yield all types that the linker kept, by address of their descriptors."""
    release = executable.build_info.release or executable.moduledata.since
    header = release >= _HEADER_SINCE
    for type_ in executable.types.all():
        yield listed(type_, header=header)


def listed(type_: GoType, *, header: bool) -> ListedType:
    """Return one type; `header` says whether larger objects with pointers have one."""
    layout = struct_layout(type_)
    best_size = layout.best_size if layout else type_.size
    with_header = header and type_.ptr_bytes > 0
    return ListedType(
        name=type_.name,
        full_name=type_.full_name,
        package=type_.pkg_path,
        kind=type_.kind.name.lower().replace("_", " "),
        size=type_.size,
        align=type_.align,
        ptr_bytes=type_.ptr_bytes,
        block_bytes=block_of(type_.size, header=with_header),
        best_size=best_size,
        best_block_bytes=block_of(best_size, header=with_header),
        layout=layout,
    )


def block_of(size: int, *, header: bool) -> int:
    """Return the bytes of the block for one object; 0 for an empty one, which needs none.

    Several small objects without pointers may share a block of 16 bytes; that is not seen here.
    """
    if not size:
        return 0
    if header and _HEADER_ABOVE < size <= _LARGEST_WITH_HEADER:
        size += _HEADER_BYTES
    return min(blocks_of(size, pointers=False))
