"""A sample's stack as frames of machine code: parameters resolved through its own callers.

The value of a parameter is what its register holds at the caller's CALL.  Wrappers that Go leaves
out of tracebacks are put back in between, also those that an interface's method table leads to.
A closure may come from a call that has returned: then the function that made it is read as a
frame beside the stack.  Generic functions get their dictionary this way, reflection its constant
types, closures what they captured.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from memsnap.gobin.code import Op
from memsnap.gobin.flow import Flow
from memsnap.gobin.kinds import Means, may_be_closure
from memsnap.gobin.program import Program
from memsnap.gobin.slicing import UNKNOWN, Slicer, Source, Value, shifted

# Functions that return a reflect.Type (its data word is the descriptor, its first word is not a
# type's) or a descriptor, for the type word that they get first.
_TYPE_OF = ("reflect.TypeOf", "reflect.toType", "reflect.toRType", "internal/abi.TypeOf")
_MAX_NESTING = 40
_MAX_WRAPPERS = 3
_MAX_VALUES = 12
_MAX_STORES = 24
_MAX_MAKER_STEPS = 1200  # instructions of a function that makes closures
_BESIDE = 1 << 16  # levels from here on are frames beside the stack


class Bound(NamedTuple):
    """A value and the frame that it is a value of."""

    value: Value
    level: int


# Function literals, and what the compiler wraps around go and defer statements.
_LITERAL = re.compile(r"\.(?:func|gowrap|deferwrap)\d[^)]*$|-range\d+$")
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

    def __init__(
        self,
        program: Program,
        addresses: tuple[int, ...],
        targets: dict[tuple[int, ...], int | None] | None = None,
    ) -> None:
        self._program = program
        self._addresses = addresses
        self._frames: list[Frame | None] = []
        self._beside: list[tuple[Frame, int]] = []  # with the level of the caller
        self._levels: dict[tuple[int, int, int], int] = {}  # of those, by entry, call and caller
        self._targets = {} if targets is None else targets  # of calls through pointers, by stack
        self._place = 0  # addresses turned into frames
        self._used = 0
        self._budget = 400

    @property
    def used(self) -> int:
        """How many addresses the answers so far depend on; one more than there are at the end."""
        return self._used

    def frame(self, level: int) -> Frame | None:
        """Return frame `level`; None beyond the stack or behind code that cannot be read."""
        if level >= _BESIDE:
            return self._beside[level - _BESIDE][0]
        while len(self._frames) <= level:
            if self._frames and self._frames[-1] is None:
                return None
            self._frames.extend(self._next())
        return self._frames[level]

    def _next(self) -> list[Frame | None]:
        """Return the next physical frame, before it the wrappers that led into the last one."""
        place = self._place
        self._place += 1
        self._used = max(self._used, self._place)
        frame = self._physical(self._addresses[place]) if place < len(self._addresses) else None
        inner = self._frames[-1] if self._frames else None
        if frame is None or inner is None or not (frame.direct or _is_method(inner.flow)):
            return [frame]
        target = self._target(frame, place)
        if target is None:
            return [frame]
        entry, direct = inner.flow.function.entry, frame._replace(direct=True)
        if target == entry:
            return [direct]
        between = self._wrappers(target, entry, _MAX_WRAPPERS)
        return [None] if between is None else [*between, direct]

    def _target(self, frame: Frame, place: int) -> int | None:
        """Return which function the running call of a frame goes to, None if that is not known.

        A method's address is read from the interface's table of them (`runtime.itab`), if the
        callers put a constant one there.
        """
        step = frame.flow.instructions[frame.call]
        if frame.direct:
            return step.value
        stack = self._addresses[place:]
        if stack not in self._targets:
            self._targets[stack] = None
            outer = Chain(self._program, stack, self._targets)
            self._targets[stack] = outer.called()
            self._used = max(self._used, place + outer.used)
        return self._targets[stack]

    def called(self) -> int | None:
        """Return the one function that the innermost frame's call through a pointer goes to."""
        frame = self.frame(0)
        if frame is None:
            return None
        step, slicer = frame.flow.instructions[frame.call], self._slicer(frame.flow)
        if step.dst >= 0:
            values = slicer.register(frame.call, step.dst)
        elif step.src >= 0 and step.src != self._program.machine.stack:
            bases = slicer.register(frame.call, step.src)
            values = frozenset(Value(Source.LOADED, base, step.value) for base in bases)
        else:
            return None
        found = {bound.value for bound in self.resolve_all(values, 0)}
        value = found.pop() if len(found) == 1 else UNKNOWN
        if value.source is not Source.CONST or not isinstance(value.a, int):
            return None
        return value.a if self._program.pclntab.is_entry(value.a) else None

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
        step = frame.flow.instructions[value.a]
        callee = self._program.callee(step)
        if callee in _TYPE_OF and value.b in self._program.machine.arguments[:2]:
            register = self._program.machine.arguments[0]
            values = self._slicer(frame.flow).register(value.a, register)
            return self.resolve_all(values, level, nesting + 1)
        if not callee or self._program.allocates(step) or level >= _BESIDE:
            return frozenset((Bound(value, level),))
        caller = self._put_beside(Frame(frame.flow, value.a, direct=True), self._outer(level))
        return self._returned(caller, value.b, nesting)

    def _returned(self, caller: int, register: int, nesting: int) -> _Bounds:
        """Return what the function returned that frame `caller` called, by reading its code."""
        frame = self.frame(caller)
        step = frame.flow.instructions[frame.call] if frame else None
        inner = self._program.flow_at(step.value) if step else None
        if inner is None or len(inner.instructions) > _MAX_MAKER_STEPS:
            return _NOT_KNOWN
        found: set[Bound] = set()
        for index, step in enumerate(inner.instructions):
            if step.op is Op.RETURN:
                maker = self._put_beside(Frame(inner, index, direct=True), caller)
                values = self._slicer(inner).register(index, register)
                found |= self.resolve_all(values, maker, nesting + 1)
        return frozenset(found) if found else _NOT_KNOWN

    def _put_beside(self, frame: Frame, outer: int) -> int:
        """Return the level of a frame that is not on the stack; `outer` is its caller's."""
        key = frame.flow.function.entry, frame.call, outer
        if key not in self._levels:
            self._levels[key] = _BESIDE + len(self._beside)
            self._beside.append((frame, outer))
        return self._levels[key]

    def _outer(self, level: int) -> int:
        """Return the level of the frame that called frame `level`."""
        return level + 1 if level < _BESIDE else self._beside[level - _BESIDE][1]

    def _parameter(self, value: Value, level: int, nesting: int) -> _Bounds:
        outer = self._outer(level)
        frame = self.frame(outer)
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
        return self.resolve_all(values, outer, nesting + 1)

    def _survives_indirect(self, level: int, register: int) -> bool:
        """Whether a call through a pointer hands on `register` for certain.

        A wrapper may stand in between and change the receiver and, in generic code, what follows
        it; the closure's own register is the exception where the callee is a function literal.
        """
        frame = self.frame(level)
        if frame is None:
            return False
        if register == self._program.machine.context:
            return True
        return not _is_method(frame.flow) and register in self._program.machine.arguments

    def _load(self, base: Bound, offset: int, level: int, nesting: int) -> _Bounds:
        """Return the word at `base` + `offset`, as the code of frame `level` reads it."""
        value = base.value
        if value.source is Source.CONST and isinstance(value.a, int):
            word = self._program.constant_word(value.a + offset)
            if word is None:
                return _NOT_KNOWN
            return frozenset((Bound(Value(Source.CONST, word), base.level),))
        frame = self.frame(base.level)
        if frame is None or (value.source is Source.FRAME and not self._runs_in(level, base.level)):
            return _NOT_KNOWN
        if value.source is Source.FRAME and isinstance(value.a, int):
            values = self._slicer(frame.flow).slot(frame.call, value.a + offset)
            return self.resolve_all(values, base.level, nesting + 1)
        if value.source is Source.RESULT:
            return self._field(base, frame, offset, nesting)
        return _NOT_KNOWN

    def _runs_in(self, level: int, outer: int) -> bool:
        """Whether frame `outer` is one of those that wait for frame `level` to return."""
        while level >= _BESIDE:
            level = self._outer(level)
            if level == outer:
                return True
        return level < outer < _BESIDE

    def _field(self, base: Bound, frame: Frame, offset: int, nesting: int) -> _Bounds:
        """Return the one value that was stored into a field of a freshly allocated object."""
        flow, slicer = frame.flow, self._slicer(frame.flow)
        start = base.value.a
        if not isinstance(start, int) or not self._is_closure(frame, start):
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

    def _is_closure(self, frame: Frame, call: int) -> bool:
        """Whether a call allocates a closure, whose fields do not change like others."""
        step = frame.flow.instructions[call]
        rule = self._program.rule(self._program.callee(step))
        if rule is None or rule.means not in (Means.OBJECT, Means.MALLOC):
            return False
        register = self._program.machine.arguments[rule.argument]
        (value, *others) = self._slicer(frame.flow).register(call, register)
        if others or value.source is not Source.CONST or not isinstance(value.a, int):
            return False
        type_ = self._program.type_at(value.a)
        return type_ is not None and may_be_closure(type_)

    def _slicer(self, flow: Flow) -> Slicer:
        return self._program.slicer(flow)


def _is_method(flow: Flow) -> bool:
    """Whether a function may be one that is called through an interface, or with a dictionary.

    A call through a pointer gets there through a wrapper, which changes what registers hold.
    """
    name = flow.function.name.rpartition("/")[2]
    if "[" in name:
        return True
    return name.count(".") > 1 and not _LITERAL.search(name)


def _union(parts: Iterable[_Bounds]) -> _Bounds:
    found: set[Bound] = set()
    for part in parts:
        found |= part
    return frozenset(found) if len(found) <= _MAX_VALUES else _NOT_KNOWN
