"""Which part of a map a block is, by its size.

Swiss maps (Go 1.24, `internal/runtime/maps/map.go`, `table.go`): header `Map`, `table`,
directory of table pointers, groups.  Before (`runtime/map.go`): `hmap`, buckets, `mapextra`.
"""

from memsnap.gobin.sizeclasses import fits, fits_many
from memsnap.gobin.types import GoType, MapParts

HEADER_BYTES = 48
_TABLE_BYTES = 32
_EXTRA_BYTES = (24, 48)  # mapextra alone; with its two overflow slices' headers
_INDIRECT_OVER = 128
_MAX_POWER = 40


def part_of(map_type: GoType, block: int) -> str | None:
    """Return the part of a map that a block of `block` bytes is; None if it can be none of it.

    An empty answer means that several parts have this size.
    """
    parts = map_type.map_parts
    found = {part for part, does in _candidates(map_type, parts, block) if does}
    if not found:
        return None
    return found.pop() if len(found) == 1 else ""


def _candidates(map_type: GoType, parts: MapParts | None, block: int) -> list[tuple[str, bool]]:
    found = [("header", block == HEADER_BYTES)]
    if parts is None:
        return found
    group, pointers = parts.group.size, parts.group.ptr_bytes > 0
    if parts.swiss:
        found += [
            ("table", block == _TABLE_BYTES),
            ("groups", any(fits(block, group << n, pointers=pointers) for n in range(_MAX_POWER))),
        ]
        if not found[-1][1]:
            found.append(("directory", block >= 8 and not block & (block - 1)))
    else:
        found += [
            ("buckets", fits_many(block, group, pointers=pointers)),
            ("extra", block in _EXTRA_BYTES),
            # Pointer-free buckets are kept alive by a slice of pointers (`hmap.extra.overflow`).
            ("overflow", not pointers and fits_many(block, 8, pointers=True)),
        ]
    for name, member, indirect in (
        ("key", map_type.key, parts.indirect_key),
        ("element", map_type.elem, parts.indirect_elem),
    ):
        if member and indirect and member.size > _INDIRECT_OVER:
            found.append((name, fits(block, member.size, pointers=member.ptr_bytes > 0)))
    return found
