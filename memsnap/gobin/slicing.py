"""Where a register's value comes from: a backward slice through one function, on demand.

The answer is a set of symbolic `Value`s, one for each way in which control can arrive.  Nothing
is guessed: an instruction that is not modelled, too many steps or too many ways make the answer
`UNKNOWN`.  Resolving parameters through callers is left to `chain`.
"""

from enum import IntEnum
from typing import NamedTuple, Union

from memsnap.gobin.code import ANY_BASE, NO_BASE, Instruction, Machine, Op
from memsnap.gobin.flow import CallEffect, Flow

_MAX_STEPS = 6000
_MAX_WAYS = 12
_MAX_NESTING = 10
_SLOT = 1 << 32
"""Locations below 64 are registers; others are stack slots, as this plus their depth."""


class Source(IntEnum):
    """What a value is."""

    UNKNOWN = 0
    CONST = 1  # the number `a`
    PARAMETER = 2  # the register `a` at the entry
    STACK_PARAMETER = 3  # the word at the entry's stack pointer + `a`
    LOADED = 4  # the word at value `a` + `b`
    OFFSET = 5  # value `a` + `b`
    FRAME = 6  # the address of this frame's slot at depth `a`
    RESULT = 7  # the register `b` after the call at index `a`


class Value(NamedTuple):
    """A symbolic value; `a` and `b` as `Source` says."""

    source: Source
    a: Union[int, "Value"] = 0
    b: int = 0


UNKNOWN = Value(Source.UNKNOWN)
_Values = frozenset[Value]
_NOT_KNOWN: _Values = frozenset((UNKNOWN,))


class Slicer:
    """Slices one function; the budget of steps is shared by the questions of one instance."""

    def __init__(self, flow: Flow, machine: Machine) -> None:
        self._flow = flow
        self._machine = machine
        self._steps = 0
        self._known: dict[tuple[int, int], _Values] = {}

    def register(self, index: int, register: int) -> _Values:
        """Return what `register` may hold just before the instruction at `index` runs."""
        self._steps = 0
        return self._before(index, register, 0)

    def slot(self, index: int, depth: int) -> _Values:
        """Return what the stack word at `depth` may hold just before `index` runs."""
        self._steps = 0
        return self._before(index, _SLOT + depth, 0)

    def _before(self, index: int, location: int, nesting: int) -> _Values:
        if location == self._machine.zero:
            return frozenset((Value(Source.CONST, 0),))
        key = (index, location)
        if key in self._known:
            return self._known[key]
        if nesting > _MAX_NESTING:
            return _NOT_KNOWN
        found = self._walk(index, location, nesting)
        if UNKNOWN in found or len(found) > _MAX_WAYS:
            found = _NOT_KNOWN
        if self._steps <= _MAX_STEPS:
            self._known[key] = found
        return found

    def _walk(self, index: int, location: int, nesting: int) -> _Values:
        """Follow one location backwards along all ways."""
        found: set[Value] = set()
        seen: set[tuple[int, int]] = set()
        todo = [(index, location)]
        while todo and len(found) <= _MAX_WAYS and UNKNOWN not in found:
            found |= self._follow(*todo.pop(), todo=todo, seen=seen, nesting=nesting)
        return frozenset(found)

    def _follow(
        self,
        index: int,
        location: int,
        *,
        todo: list[tuple[int, int]],
        seen: set[tuple[int, int]],
        nesting: int,
    ) -> _Values:
        """Follow one way backwards to where the value comes from; others go to `todo`."""
        flow = self._flow
        while index:
            self._steps += 1
            if self._steps > _MAX_STEPS:
                return _NOT_KNOWN
            if index in flow.jumps_to:
                if (index, location) in seen:
                    return frozenset()
                seen.add((index, location))
                todo.extend((source, location) for source in flow.jumps_to[index])
            if not flow.falls[index]:
                return frozenset()
            index -= 1
            moved = self._through(index, location, nesting)
            if flow.instructions[index].op is Op.CHOICE and moved != location:
                todo.append((index, location))
            if not isinstance(moved, int):
                return moved
            location = moved
        return frozenset((_at_entry(location),))

    def _through(self, index: int, location: int, nesting: int) -> int | _Values:
        """Return where the value was before `index` ran, or the values if it came from there."""
        step = self._flow.instructions[index]
        if location >= 64:
            return self._slot_through(index, step, location)
        op = step.op
        if op is Op.CALL or op is Op.CALL_ANY:
            return self._call_through(index, location)
        if op is Op.CLOBBER:
            return _NOT_KNOWN if step.dst >> location & 1 else location
        if step.dst != location or op not in _WRITERS:
            return location
        return self._written(index, step, nesting)

    def _written(self, index: int, step: Instruction, nesting: int) -> int | _Values:
        """Return where the value that an instruction puts into its register comes from."""
        if step.op is Op.CONST:
            return frozenset((Value(Source.CONST, step.value),))
        if step.op is Op.LEA:
            return self._offset(index, step, nesting)
        if step.op is Op.LOAD:
            return self._loaded(index, step, nesting)
        return self._from_register(index, step.src)

    def _from_register(self, index: int, register: int) -> int | _Values:
        if register == self._machine.zero:
            return frozenset((Value(Source.CONST, 0),))
        if register != self._machine.stack:
            return register
        depth = self._flow.depths[index]
        return _NOT_KNOWN if depth is None else frozenset((Value(Source.FRAME, depth),))

    def _offset(self, index: int, step: Instruction, nesting: int) -> _Values:
        if step.src == self._machine.stack:
            depth = self._flow.depths[index]
            if depth is None:
                return _NOT_KNOWN
            return frozenset((Value(Source.FRAME, depth + step.value),))
        bases = self._before(index, step.src, nesting + 1)
        return frozenset(shifted(base, step.value) for base in bases)

    def _loaded(self, index: int, step: Instruction, nesting: int) -> int | _Values:
        if step.src == NO_BASE:
            return frozenset((Value(Source.LOADED, Value(Source.CONST, step.value), 0),))
        if step.src == ANY_BASE:
            return _NOT_KNOWN
        if step.src == self._machine.stack:
            depth = self._flow.depths[index]
            return _NOT_KNOWN if depth is None else _SLOT + depth + step.value
        found: set[Value] = set()
        for base in self._before(index, step.src, nesting + 1):
            if base.source is Source.FRAME and isinstance(base.a, int):
                found |= self._before(index, _SLOT + base.a + step.value, nesting + 1)
            elif base is UNKNOWN or base.source is Source.UNKNOWN:
                return _NOT_KNOWN
            else:
                found.add(Value(Source.LOADED, base, step.value))
        return frozenset(found)

    def _call_through(self, index: int, register: int) -> int | _Values:
        effect = self._flow.effects.get(index, CallEffect.NORMAL)
        if effect is CallEffect.BARRIER:
            changed = self._machine.barrier_registers >> register & 1
        elif effect is CallEffect.DUFF:
            changed = self._machine.duff_registers >> register & 1
        else:
            return frozenset((Value(Source.RESULT, index, register),))
        return _NOT_KNOWN if changed else register

    def _slot_through(self, index: int, step: Instruction, location: int) -> int | _Values:
        if step.op not in _STORES or step.dst != self._machine.stack:
            return location
        depth = self._flow.depths[index]
        if depth is None:
            return _NOT_KNOWN
        start = _SLOT + depth + step.value
        size = step.src if step.op is Op.STORE_ANY else 8
        if location + 8 <= start or start + size <= location:
            return location
        if step.op is Op.STORE_ANY or start != location:
            return _NOT_KNOWN
        if step.op is Op.STORE_CONST:
            return frozenset((Value(Source.CONST, step.src),))
        return self._from_register(index, step.src)


_WRITERS = frozenset((Op.CONST, Op.MOVE, Op.LEA, Op.LOAD, Op.CHOICE))
_STORES = frozenset((Op.STORE, Op.STORE_CONST, Op.STORE_ANY))


def shifted(base: Value, by: int) -> Value:
    """Return the value `base` + `by`, folded where that can be done."""
    if base.source in (Source.CONST, Source.FRAME) and isinstance(base.a, int):
        return Value(base.source, base.a + by)
    if base.source is Source.OFFSET:
        return Value(Source.OFFSET, base.a, base.b + by)
    return base if base.source is Source.UNKNOWN else Value(Source.OFFSET, base, by)


def _at_entry(location: int) -> Value:
    if location < 64:
        return Value(Source.PARAMETER, location)
    depth = location - _SLOT
    return Value(Source.STACK_PARAMETER, depth) if depth > 0 else UNKNOWN
