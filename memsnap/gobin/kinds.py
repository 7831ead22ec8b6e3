"""Go's allocation functions: what each makes, and which argument says of which type.

Names and signatures from `cmd/compile/internal/typecheck/_builtin/runtime.go`, `runtime/malloc.go`,
`slice.go`, `iface.go`, `chan.go`, `map*.go` and `string.go` of Go 1.18 to 1.27.
"""

from dataclasses import dataclass
from enum import Enum

from memsnap.gobin.descriptors import Kind
from memsnap.gobin.types import GoType


class AllocKind(Enum):
    """What was allocated, in the words of the report."""

    NEW = "new"
    SLICE = "make slice"
    APPEND = "append"
    CHAN = "make chan"
    MAP = "map"
    STRING = "string"
    BYTES = "bytes"
    BOX = "interface box"
    CLOSURE = "closure"
    VARIABLES = "variables"
    REFLECT = "reflection"
    RUNTIME = "runtime"
    UNKNOWN = "unknown"


class Means(Enum):
    """How the call of an allocation function tells the type."""

    OBJECT = 0  # argument `argument` is the type of the object
    ELEMENT = 1  # it is the type of the elements
    CONTAINER = 2  # it is the type of the map or channel
    MALLOC = 3  # argument 0 is the size, `argument` the type of object or element, may be nil
    FIXED = 4  # always `fixed`
    BOX = 5  # the result becomes the data word of an interface
    SMALL_MAP = 6  # the result is the header of a map with no type
    MOVED = 7  # a slice without pointers, of elements unknown


@dataclass(frozen=True, slots=True)
class Rule:
    """One allocation function."""

    kind: AllocKind
    means: Means
    argument: int = 0
    fixed: str = ""


_NEW = Rule(AllocKind.NEW, Means.OBJECT)
_SLICE = Rule(AllocKind.SLICE, Means.ELEMENT)
_APPEND = Rule(AllocKind.APPEND, Means.ELEMENT, 4)
_APPEND_119 = Rule(AllocKind.APPEND, Means.ELEMENT, 0)
_CHAN = Rule(AllocKind.CHAN, Means.CONTAINER)
_MAP = Rule(AllocKind.MAP, Means.CONTAINER)
_MALLOC = Rule(AllocKind.NEW, Means.MALLOC, 1)
_STRING = Rule(AllocKind.STRING, Means.FIXED, fixed="string")
_BYTES = Rule(AllocKind.BYTES, Means.FIXED, fixed="[]byte")
_RUNES = Rule(AllocKind.BYTES, Means.FIXED, fixed="[]rune")
_BOX = Rule(AllocKind.BOX, Means.BOX)

_RULES = {
    "newobject": _NEW,
    "newarray": _SLICE,
    "mallocgc": _MALLOC,
    "makeslice": _SLICE,
    "makeslice64": _SLICE,
    "makeslicecopy": _SLICE,
    "moveSlice": _SLICE,
    "moveSliceNoCap": _SLICE,
    "moveSliceNoScan": Rule(AllocKind.SLICE, Means.MOVED),
    "moveSliceNoCapNoScan": Rule(AllocKind.SLICE, Means.MOVED),
    "growslice": _APPEND,
    "growsliceNoAlias": _APPEND,
    "growsliceBuf": _APPEND,
    "growsliceBufNoAlias": _APPEND,
    "makechan": _CHAN,
    "makechan64": _CHAN,
    "makemap": _MAP,
    "makemap64": _MAP,
    "makemap_small": Rule(AllocKind.MAP, Means.SMALL_MAP),
    "mapclear": _MAP,
    "mapiterinit": _MAP,
    "mapIterStart": _MAP,
    "mapclone": _MAP,
    "mapclone2": _MAP,
    "convT": Rule(AllocKind.BOX, Means.OBJECT),
    "convTnoptr": Rule(AllocKind.BOX, Means.OBJECT),
    "convT16": _BOX,
    "convT32": _BOX,
    "convT64": _BOX,
    "convTstring": _BOX,
    "convTslice": _BOX,
    "slicebytetostring": _STRING,
    "slicerunetostring": _STRING,
    "intstring": _STRING,
    "rawstring": _STRING,
    "rawstringtmp": _STRING,
    "gostring": _STRING,
    "stringtoslicebyte": _BYTES,
    "stringtoslicerune": _RUNES,
    "rawbyteslice": _BYTES,
    "rawruneslice": _RUNES,
    "itabAdd": Rule(AllocKind.RUNTIME, Means.FIXED, fixed="runtime.itabTableType"),
}
_PREFIXES = {
    "mapassign": _MAP,
    "mapdelete": _MAP,
    "concatstring": _STRING,
    "concatbyte": _BYTES,
    "mallocgcSmall": _MALLOC,
    "mallocgcTiny": _MALLOC,
    "mallocgcLarge": _MALLOC,
}
# Since Go 1.24 the compiler or the linker may leave only these of a map's making.
_MAPS_PACKAGE = {
    "internal/runtime/maps.NewMap": _MAP,
    "internal/runtime/maps.NewEmptyMap": _RULES["makemap_small"],
}
# Functions outside the runtime package whose name says what they allocate without a type.
FIXED_LEAVES = {
    "internal/bytealg.MakeNoZero": _BYTES,
    "strings.Clone": _STRING,
    "internal/stringslite.Clone": _STRING,
}
BOX_SIZES = {"convT16": 2, "convT32": 4, "convT64": 8, "convTstring": 16, "convTslice": 24}
"""Bytes of the value that each of these functions of the runtime puts into a box."""


def rule_of(name: str, *, minor: int = 99) -> Rule | None:
    """Return the rule of the allocation function `name`, None if it is not one.

    `minor` is the Go release, 21 for Go 1.21: `growslice` took its type first up to Go 1.19.
    """
    package, _, function = name.rpartition(".")
    if package != "runtime":
        return _MAPS_PACKAGE.get(name)
    rule = _RULES.get(function)
    if rule is None:
        for prefix, candidate in _PREFIXES.items():
            if function.startswith(prefix):
                return candidate
    if rule is _APPEND and minor < 20:
        return _APPEND_119
    return rule


def may_be_closure(type_: GoType) -> bool:
    """Whether a type is what the compiler makes for closures: a struct that begins `F uintptr`."""
    return (
        type_.kind is Kind.STRUCT
        and not type_.named
        and type_.name.startswith(("struct { F uintptr", "struct { F "))
    )
