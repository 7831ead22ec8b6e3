"""Which types `encoding/json` may have at hand, by how deep in the document its decoder is.

The decoder calls itself for every object and array (`decode.go` up to Go 1.26: `object`, `array`),
so that the stack says how many fields, keys and elements lie between the value that the program
passed in and the one that is being filled.
"""

from collections.abc import Iterable, Iterator

from memsnap.gobin.chain import Chain
from memsnap.gobin.descriptors import Kind
from memsnap.gobin.types import GoType

_OBJECT, _ARRAY = "encoding/json.(*decodeState).object", "encoding/json.(*decodeState).array"
_WITHIN = ("encoding/json.", "reflect.")
_MAX_FRAMES = 64
_MAX_TYPES = 2000
_MAX_EMBEDDED = 8

Level = dict[int, GoType]
"""Types by address."""


def decoded(chain: Chain, roots: list[GoType]) -> tuple[list[GoType], bool] | None:
    """Return the types that may be at hand, and whether an interface may hold others.

    Maps and slices among them are being filled; pointers may be given something to point to.
    None where the stack is not that of the decoder called by the program itself.
    """
    steps = _steps(chain)
    if not steps:
        return None
    pointers, at = _behind_pointers(roots)
    open_ended = False
    for step in steps[:-1]:
        open_ended |= any(type_.kind is Kind.INTERFACE for type_ in at.values())
        pointers, at = _behind_pointers(part for t in at.values() for part in _parts(t, step))
    inner, beyond = _behind_pointers(part for t in at.values() for part in _parts(t, steps[-1]))
    every = (*at.values(), *beyond.values())
    open_ended |= any(type_.kind is Kind.INTERFACE for type_ in every)
    return list((pointers | at | inner).values()), open_ended or len(every) > _MAX_TYPES


def _steps(chain: Chain) -> list[str]:
    """Return the decoder's functions on the stack, outermost first."""
    found: list[str] = []
    for level in range(_MAX_FRAMES):
        frame = chain.frame(level)
        if frame is None:
            return []
        name = frame.flow.function.name
        if not name.startswith(_WITHIN):
            return found[::-1]
        if name in (_OBJECT, _ARRAY):
            found.append(name)
    return []


def _behind_pointers(types: Iterable[GoType]) -> tuple[Level, Level]:
    """Return the pointers met on the way to what is behind them, and that."""
    pointers: Level = {}
    found: Level = {}
    for type_ in types:
        while type_.kind is Kind.POINTER and type_.elem and type_.address not in pointers:
            pointers[type_.address] = type_
            type_ = type_.elem
        found[type_.address] = type_
    return pointers, found


def _parts(type_: GoType, step: str) -> Iterator[GoType]:
    """Return what the parts of an object or array are decoded into, if that is of this type."""
    if step == _ARRAY:
        if type_.kind in (Kind.SLICE, Kind.ARRAY) and type_.elem:
            yield type_.elem
    elif type_.kind is Kind.MAP and type_.elem:
        yield type_.elem
    elif type_.kind is Kind.STRUCT:
        yield from _fields(type_, 0)


def _fields(struct: GoType, depth: int) -> Iterator[GoType]:
    for field in struct.fields:
        if field.embedded:
            yield field.type
            inner = field.type.elem if field.type.kind is Kind.POINTER else field.type
            if inner and inner.kind is Kind.STRUCT and depth < _MAX_EMBEDDED:
                yield from _fields(inner, depth + 1)
        elif field.name[:1].isupper():
            yield field.type
