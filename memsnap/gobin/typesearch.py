"""Finds types by how their spelling begins, without reading all of them.

The linker sorts the types that reflection has to find again, which are those without a name, by
their spelling: up to Go 1.26 in a table of offsets (cmd/link/internal/ld/typelink.go), since 1.27
the descriptors themselves lie in that order (cmd/link/internal/ld/data.go, dodataSect).  For
every defined type T, `*T` is among them (cmd/compile/internal/reflectdata, dcommontype).
"""

from collections.abc import Callable, Iterator

from memsnap.gobin.executable import Executable
from memsnap.gobin.types import GoType

_LINK_BYTES = 4
_Find = Callable[[int], tuple[GoType, int] | None]
"""Returns the first type at a place or behind it, and the place behind that; None at the end."""


def unnamed_types(executable: Executable, prefix: str) -> Iterator[GoType]:
    """Yield the unnamed types whose name begins with `prefix`, sorted by name.

    Fewer, or none, where the order is damaged.
    """
    find, low, high = _places(executable)
    wanted, end = prefix.encode(), high
    while low < high:
        middle = (low + high) // 2
        found = find(middle)
        if found is None or found[0].name.encode() >= wanted:
            high = middle
        else:
            low = max(found[1], middle + 1)
    while low < end and (found := find(low)) is not None:
        type_, low = found
        if not type_.name.startswith(prefix):
            return
        yield type_


def _places(executable: Executable) -> tuple[_Find, int, int]:
    """Return how to read the sorted types, and where they begin and end."""
    md = executable.moduledata
    if md.typelinks is not None:
        address, count = md.typelinks
        return _by_link(executable, address, count), 0, count
    if md.sorted_types is not None:
        address, size = md.sorted_types
        return _by_address(executable, address + size), address, address + size
    return lambda _: None, 0, 0


def _by_link(executable: Executable, address: int, count: int) -> _Find:
    """Return the reader of the table of offsets; places are its rows."""
    image, types, start = executable.image, executable.types, executable.moduledata.types

    def find(row: int) -> tuple[GoType, int] | None:
        for at in range(row, count):
            type_ = types.at(start + image.u32(address + _LINK_BYTES * at))
            if type_ is not None:
                return type_, at + 1
        return None

    return find


def _by_address(executable: Executable, end: int) -> _Find:
    """Return the reader of sorted descriptors; places are addresses, in whichever type they lie."""
    types = executable.types

    def find(address: int) -> tuple[GoType, int] | None:
        type_ = next(types.between(address, end), None)
        if type_ is None:
            return None
        return type_, type_.address + types.parts.descriptor_bytes(type_.descriptor)

    return find
