"""A sample's stack as frames of machine code: parameters resolved through its own callers.

The value of a parameter is what its register holds at the caller's CALL.  Wrappers that Go leaves
out of tracebacks are put back in between.  Generic functions get their dictionary this way,
reflection its constant types, closures what they captured.
"""

from collections.abc import Iterable
from typing import NamedTuple

from memsnap.gobin.code import Op
from memsnap.gobin.flow import Flow
from memsnap.gobin.program import Program
from memsnap.gobin.slicing import UNKNOWN, Slicer, Source, Value, shifted

# Functions that return a reflect.Type (its data word is the descriptor, its first word is not a
# type's) or a descriptor, for the type word that they get first.
_TYPE_OF = ("reflect.TypeOf", "reflect.toType", "reflect.toRType", "internal/abi.TypeOf")
_MAX_NESTING = 40
_MAX_WRAPPERS = 3
_MAX_VALUES = 12
_MAX_STORES = 24


class Bound(NamedTuple):
    """A value and the frame that it is a value of."""

    value: Value
    level: int


_NOT_KNOWN = frozenset((Bound(UNKNOWN, 0),))
_Bounds = frozenset[Bound]


class Frame(NamedTuple):
    """A function on the stack and the index `call` of the call in it that is running.

    `direct` says whether that call certainly goes to the next inner frame.
    """

    flow: Flow
    call: int
    direct: bool


class Chain:
    """The frames of one stack, innermost first, read as far as the questions need them."""

    def __init__(self, program: Program, addresses: tuple[int, ...]) -> None:
        self._program = program
        self._addresses = addresses
        self._frames: list[Frame | None] = []
        self._used = 0  # addresses turned into frames
        self._budget = 400

    @property
    def used(self) -> int:
        """How many addresses the answers so far depend on; one more than there are at the end."""
        return self._used

    def frame(self, level: int) -> Frame | None:
        """Return frame `level`; None beyond the stack or behind code that cannot be read."""
        while len(self._frames) <= level:
            if self._frames and self._frames[-1] is None:
                return None
            self._frames.extend(self._next())
        return self._frames[level]

    def _next(self) -> list[Frame | None]:
        """Return the next physical frame, before it the wrappers that led into the last one."""
        place = self._used
        self._used += 1
        frame = self._physical(self._addresses[place]) if place < len(self._addresses) else None
        inner = self._frames[-1] if self._frames else None
        if frame is None or inner is None or not frame.direct:
            return [frame]
        target = frame.flow.instructions[frame.call].value
        if target == inner.flow.function.entry:
            return [frame]
        between = self._wrappers(target, inner.flow.function.entry, _MAX_WRAPPERS)
        return [None] if between is None else [*between, frame]

    def _physical(self, address: int) -> Frame | None:
        """Return the frame of a location; None if its code has no call there."""
        flow = self._program.flow_at(address)
        call = flow.call_at(address + 1) if flow else None
        if flow is None or call is None:
            return None
        return Frame(flow, call, direct=flow.instructions[call].op is Op.CALL)

    def _wrappers(self, start: int, goal: int, levels: int) -> list[Frame] | None:
        """Return the frames that lead from the function at `start` to `goal`, innermost first."""
        flow = self._program.flow_at(start)
        if flow is None or levels == 0 or not self._program.pclntab.is_wrapper(flow.function):
            return None
        calls = [
            index
            for index, step in enumerate(flow.instructions)
            if step.op in (Op.CALL, Op.JUMP) and self._leaves(flow, step.value)
        ]
        direct = [index for index in calls if flow.instructions[index].value == goal]
        if len(direct) == 1:
            return [Frame(flow, direct[0], direct=True)]
        for index in calls:
            inner = self._wrappers(flow.instructions[index].value, goal, levels - 1)
            if inner is not None:
                return [*inner, Frame(flow, index, direct=True)]
        return None

    @staticmethod
    def _leaves(flow: Flow, target: int) -> bool:
        return not flow.function.entry <= target < flow.function.end

    def argument(self, level: int, register: int) -> _Bounds:
        """Return what `register` holds at the running call of frame `level`, through callers."""
        frame = self.frame(level)
        if frame is None:
            return _NOT_KNOWN
        return self.resolve_all(self._slicer(frame.flow).register(frame.call, register), level, 0)

    def resolve_all(self, values: frozenset[Value], level: int, nesting: int = 0) -> _Bounds:
        """Return what the values of frame `level` are when parameters are looked up."""
        found: set[Bound] = set()
        for value in values:
            found |= self.resolve(value, level, nesting)
            if len(found) > _MAX_VALUES:
                return _NOT_KNOWN
        return frozenset(found) if found else _NOT_KNOWN

    def resolve(self, value: Value, level: int, nesting: int = 0) -> _Bounds:
        """Return what a value of frame `level` is when parameters and loads are looked up."""
        self._budget -= 1
        if nesting > _MAX_NESTING or self._budget < 0:
            return _NOT_KNOWN
        source = value.source
        if source in (Source.PARAMETER, Source.STACK_PARAMETER):
            return self._parameter(value, level, nesting)
        if source is Source.RESULT:
            return self._result(value, level, nesting)
        if not isinstance(value.a, Value):
            return frozenset((Bound(value, level),))
        bases = self.resolve(value.a, level, nesting + 1)
        if source is Source.OFFSET:
            return frozenset(Bound(shifted(base.value, value.b), base.level) for base in bases)
        return _union(self._load(base, value.b, level, nesting) for base in bases)

    def _result(self, value: Value, level: int, nesting: int) -> _Bounds:
        """Return what a call returned: for `reflect.TypeOf`, its argument's type word."""
        frame = self.frame(level)
        if frame is None or not isinstance(value.a, int):
            return _NOT_KNOWN
        callee = self._program.callee(frame.flow.instructions[value.a])
        if callee not in _TYPE_OF or value.b not in self._program.machine.arguments[:2]:
            return frozenset((Bound(value, level),))
        register = self._program.machine.arguments[0]
        values = self._slicer(frame.flow).register(value.a, register)
        return self.resolve_all(values, level, nesting + 1)

    def _parameter(self, value: Value, level: int, nesting: int) -> _Bounds:
        frame = self.frame(level + 1)
        if frame is None or not isinstance(value.a, int):
            return _NOT_KNOWN
        if value.source is Source.STACK_PARAMETER:
            depth = frame.flow.depths[frame.call]
            if depth is None or not frame.direct:
                return _NOT_KNOWN
            is_call = frame.flow.instructions[frame.call].op is not Op.JUMP
            pushed = self._program.machine.call_pushes if is_call else 0
            values = self._slicer(frame.flow).slot(frame.call, depth + value.a - pushed)
        elif frame.direct or self._survives_indirect(level, value.a):
            values = self._slicer(frame.flow).register(frame.call, value.a)
        else:
            return _NOT_KNOWN
        return self.resolve_all(values, level + 1, nesting + 1)

    def _survives_indirect(self, level: int, register: int) -> bool:
        """Whether a call through a pointer hands on `register` for certain.

        A wrapper may stand in between and change the receiver and, in generic code, what follows
        it; the closure's own register is the exception where the callee is a function literal.
        """
        frame = self.frame(level)
        if frame is None:
            return False
        name = frame.flow.function.name
        if register == self._program.machine.context:
            return True
        return "[" not in name and ")." not in name and register in self._program.machine.arguments

    def _load(self, base: Bound, offset: int, level: int, nesting: int) -> _Bounds:
        """Return the word at `base` + `offset`, as the code of frame `level` reads it."""
        value = base.value
        if value.source is Source.CONST and isinstance(value.a, int):
            word = self._program.constant_word(value.a + offset)
            if word is None:
                return _NOT_KNOWN
            return frozenset((Bound(Value(Source.CONST, word), base.level),))
        frame = self.frame(base.level)
        if frame is None or (base.level <= level and value.source is Source.FRAME):
            return _NOT_KNOWN
        if value.source is Source.FRAME and isinstance(value.a, int):
            values = self._slicer(frame.flow).slot(frame.call, value.a + offset)
            return self.resolve_all(values, base.level, nesting + 1)
        if value.source is Source.RESULT:
            return self._field(base, frame, offset, nesting)
        return _NOT_KNOWN

    def _field(self, base: Bound, frame: Frame, offset: int, nesting: int) -> _Bounds:
        """Return the one value that was stored into a field of a freshly allocated object."""
        flow, slicer = frame.flow, self._slicer(frame.flow)
        start = base.value.a
        if not isinstance(start, int) or not self._program.allocates(flow.instructions[start]):
            return _NOT_KNOWN
        stored: set[Value] = set()
        budget = _MAX_STORES
        for index in range(start + 1, len(flow.instructions)):
            step = flow.instructions[index]
            if step.op not in (Op.STORE, Op.STORE_CONST) or step.value != offset or budget == 0:
                continue
            if step.dst == self._program.machine.stack or step.dst < 0:
                continue
            budget -= 1
            if slicer.register(index, step.dst) != {base.value}:
                continue
            if step.op is Op.STORE_CONST:
                stored.add(Value(Source.CONST, step.src))
            else:
                stored |= slicer.register(index, step.src)
        if not stored or budget == 0:
            return _NOT_KNOWN
        return self.resolve_all(frozenset(stored), base.level, nesting + 1)

    def _slicer(self, flow: Flow) -> Slicer:
        return self._program.slicer(flow)


def _union(parts: Iterable[_Bounds]) -> _Bounds:
    found: set[Bound] = set()
    for part in parts:
        found |= part
    return frozenset(found) if len(found) <= _MAX_VALUES else _NOT_KNOWN
