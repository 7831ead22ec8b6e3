"""What lies at a place in memory, from the types of what the code went through to get there.

A fresh object has the type that its allocation call got; a field that is loaded from it has the
field's type, and so on.  Parameters are followed to the caller.  Nothing else is known.
"""

from collections.abc import Iterable
from typing import NamedTuple

from memsnap.gobin.chain import Chain, Frame
from memsnap.gobin.code import Instruction, registers_of, scale_of
from memsnap.gobin.descriptors import Kind
from memsnap.gobin.kinds import Means
from memsnap.gobin.program import Program
from memsnap.gobin.slicing import Source, Value
from memsnap.gobin.types import GoType

_MAX_NESTING = 8
_MAX_MEMBERS = 32
_MAP_ELEMENTS = "runtime.mapassign"  # of these, the result is where the element lies
_TYPED = (Means.OBJECT, Means.ELEMENT, Means.MALLOC)


class _Place(NamedTuple):
    """An address `offset` bytes into an object of a type, or into an array of such objects."""

    type: GoType
    is_array: bool
    offset: int = 0


def stored_type(program: Program, chain: Chain, index: int, level: int = 0) -> GoType | None:
    """Return the type of the word that the store at `index` of frame `level`'s function writes to.

    One store is of one static type: where control came in several ways (`append` stores into the
    old array or a new one), those ways that are known have to agree.  None if none is.
    """
    frame = chain.frame(level)
    step = frame.flow.instructions[index] if frame else None
    registers = registers_of(step.dst) if step else ()
    if frame is None or step is None or not registers or registers[0] == program.machine.stack:
        return None
    places = _Places(program, chain)
    values = program.slicer(frame.flow).register(index, registers[0])
    found = {_stored_in(place, step) for place in places.all_of(values, level)} - {None}
    return found.pop() if len(found) == 1 else None


def _stored_in(place: _Place | None, step: Instruction) -> GoType | None:
    """Return the type of the word at a store's address, where its base is `place`."""
    if place is not None and step.dst < 0:
        # The index may be anything: all elements have to be alike at such distances.
        size = place.type.size
        if not place.is_array or not size or scale_of(step.dst) % size:
            return None
    return _word_at(place, step.value) if place else None


class _Places:
    """Where the values of a stack's frames point to."""

    def __init__(self, program: Program, chain: Chain) -> None:
        self._program = program
        self._chain = chain
        self._nesting = 0

    def all_of(self, values: Iterable[Value], level: int) -> set[_Place | None]:
        """Return where the values of frame `level` point to; None stands for an unknown place."""
        if self._nesting > _MAX_NESTING:
            return {None}
        self._nesting += 1
        found = {self._of(value, level) for value in values}
        self._nesting -= 1
        return found

    def _of(self, value: Value, level: int) -> _Place | None:
        if value.source is Source.RESULT:
            return self._fresh(value, level)
        if value.source is Source.PARAMETER:
            return self._handed(value, level)
        bases = self.all_of((value.a,), level) if isinstance(value.a, Value) else {None}
        base = bases.pop()
        if base is not None and value.source is Source.OFFSET:
            return base._replace(offset=base.offset + value.b)
        if base is not None and value.source is Source.LOADED:
            return _pointed(_word_at(base, value.b))
        return None

    def _fresh(self, value: Value, level: int) -> _Place | None:
        """Return what a call that allocates or adds to a map returned a pointer to."""
        frame, registers = self._chain.frame(level), self._program.machine.arguments
        if frame is None or not isinstance(value.a, int) or value.b != registers[0]:
            return None
        callee = self._program.callee(frame.flow.instructions[value.a])
        rule = self._program.rule(callee)
        if rule is None or not (rule.means in _TYPED or callee.startswith(_MAP_ELEMENTS)):
            return None
        addresses = self._constants(frame, value.a, registers[rule.argument], level)
        type_ = self._program.type_at(addresses.pop()) if len(addresses) == 1 else None
        if type_ is None:
            return None
        if rule.means is Means.CONTAINER:
            return _Place(type_.elem, is_array=False) if type_.elem else None
        if rule.means is Means.MALLOC:
            sizes = self._constants(frame, value.a, registers[0], level)
            return _Place(type_, is_array=False) if sizes == {type_.size} else None
        return _Place(type_, is_array=rule.means is Means.ELEMENT)

    def _constants(self, frame: Frame, index: int, register: int, level: int) -> set[int]:
        """Return the numbers that a register may hold in a frame; none if not all are."""
        values = self._program.slicer(frame.flow).register(index, register)
        found = set()
        for bound in self._chain.resolve_all(values, level):
            if bound.value.source is not Source.CONST or not isinstance(bound.value.a, int):
                return set()
            found.add(bound.value.a)
        return found

    def _handed(self, value: Value, level: int) -> _Place | None:
        """Return where a parameter points to, as the caller on the stack knows it."""
        frame = self._chain.frame(level + 1)
        if frame is None or not frame.direct or not isinstance(value.a, int):
            return None
        values = self._program.slicer(frame.flow).register(frame.call, value.a)
        found = self.all_of(values, level + 1)
        return found.pop() if len(found) == 1 else None


def _pointed(type_: GoType | None) -> _Place | None:
    """Return where a value of a type points to."""
    if type_ is None or type_.elem is None or type_.kind not in (Kind.POINTER, Kind.SLICE):
        return None
    return _Place(type_.elem, is_array=type_.kind is Kind.SLICE)


def _word_at(place: _Place, offset: int) -> GoType | None:
    """Return the type of the innermost member that begins `offset` bytes from a place."""
    type_, offset = place.type, place.offset + offset
    if place.is_array and type_.size:
        offset %= type_.size
    for _ in range(_MAX_MEMBERS):
        elem = type_.elem
        if type_.kind is Kind.ARRAY and elem is not None and elem.size:
            if not 0 <= offset < type_.size:
                return None
            type_, offset = elem, offset % elem.size
        elif type_.kind is Kind.STRUCT:
            inner = next(
                (f for f in type_.fields if f.offset <= offset < f.offset + f.type.size), None
            )
            if inner is None:
                return None
            type_, offset = inner.type, offset - inner.offset
        else:
            break
    return type_ if offset == 0 else None
