"""How large a block Go's allocator gives for a size: the `bytes` label of a heap sample.

`runtime/sizeclasses.go`, the same from Go 1.18 to 1.27 (1.16 added the 24-byte class);
`runtime/malloc.go` for tiny objects and, since Go 1.22, the malloc header of objects with pointers.
"""

import bisect

_PAGE = 8192
_LARGEST = 32768
_TINY = 16
_HEADER = 8
_HEADER_FROM = 512
# fmt: off
CLASSES = (
    8, 16, 24, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240, 256, 288, 320, 352,
    384, 416, 448, 480, 512, 576, 640, 704, 768, 896, 1024, 1152, 1280, 1408, 1536, 1792, 2048,
    2304, 2688, 3072, 3200, 3456, 4096, 4864, 5376, 6144, 6528, 6784, 6912, 8192, 9472, 9728,
    10240, 10880, 12288, 13568, 14336, 16384, 18432, 19072, 20480, 21760, 24576, 27264, 28672,
    32768,
)
# fmt: on


def _class_of(size: int) -> int:
    if size <= _LARGEST:
        return CLASSES[bisect.bisect_left(CLASSES, size)]
    return -(-size // _PAGE) * _PAGE


def blocks_of(size: int, *, pointers: bool) -> frozenset[int]:
    """Return the bytes of the block that an object of `size` bytes may have got.

    Several where releases differ: with or without malloc header, tiny or not, and large objects
    as they are or in whole pages.
    """
    found = {_class_of(max(size, 1))}
    if not pointers and size < _TINY:
        found.add(_TINY)
    if pointers and size > _HEADER_FROM - _HEADER:
        found.add(_class_of(size + _HEADER))
    if size > _LARGEST - _HEADER:
        found |= {size, size + _HEADER}
    return frozenset(found)


def fits(block: int, size: int, *, pointers: bool) -> bool:
    """Whether a block of `block` bytes may hold exactly one object of `size` bytes."""
    return block in blocks_of(size, pointers=pointers)


def fits_many(block: int, size: int, *, pointers: bool) -> bool:
    """Whether a block of `block` bytes may hold a whole number of elements of `size` bytes."""
    if size == 0:
        return False
    counts = {block // size, (block - _HEADER) // size}
    if any(n > 0 and fits(block, n * size, pointers=pointers) for n in counts):
        return True
    # The capacity asked for may be less than what the class could hold.
    floor = _floor_of(block)
    return block // size > floor // size


def _floor_of(block: int) -> int:
    """Return the largest size that the next smaller block still holds."""
    if block > _LARGEST:
        return block - _PAGE
    place = bisect.bisect_left(CLASSES, block)
    return CLASSES[place - 1] if place else 0
