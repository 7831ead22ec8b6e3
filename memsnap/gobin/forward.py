"""What becomes of a new block says its type where the allocation call does not.

`convT64` and its like return the data word of an interface: the word stored or passed beside it
is the type or the itab.  `makemap_small` returns a map's header: the first map call that gets
it, or the struct field that it goes into, has the type.  A closure's first word is its code.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from memsnap.gobin.chain import Chain
from memsnap.gobin.code import ANY_BASE, Instruction, Op, registers_of
from memsnap.gobin.descriptors import Kind
from memsnap.gobin.flow import CallEffect, Flow
from memsnap.gobin.places import stored_type
from memsnap.gobin.program import Program
from memsnap.gobin.slicing import Source, Value
from memsnap.gobin.types import GoType

_MAX_STEPS = 260
_MAX_PATHS = 24
_NEAR = 10
_CLOSURE_STEPS = 48
_FITTING_KINDS = {16: Kind.STRING, 24: Kind.SLICE}
# Functions of the runtime that take a map, or an interface, in registers.
_TAKERS = ("runtime.map", "runtime.gopanic")
_STORES = frozenset((Op.STORE, Op.STORE_CONST, Op.STORE_ANY))
_WRITERS = frozenset((Op.CONST, Op.MOVE, Op.LEA, Op.LOAD, Op.CHOICE))


class Use(NamedTuple):
    """The tracked pointer at the instruction `at`.

    It is in `register` there, which is stored (if `stored`) or handed to a call or returned.
    `constants` are numbers that other registers hold on the way that was followed, and words of
    memory by `_stored_at`.
    """

    at: int
    register: int
    stored: bool
    constants: dict[int, int]


def closure_of(program: Program, chain: Chain) -> str:
    """Return the name of the function whose closure is allocated at the leaf, else nothing."""
    frame = chain.frame(0)
    if frame is None:
        return ""
    flow, slicer = frame.flow, program.slicer(frame.flow)
    result = Value(Source.RESULT, frame.call, program.machine.arguments[0])
    steps = flow.instructions
    for index in range(frame.call + 1, min(len(steps), frame.call + _CLOSURE_STEPS)):
        step = steps[index]
        if step.op is not Op.STORE or step.value != 0 or step.dst == program.machine.stack:
            continue
        if slicer.register(index, step.dst) != {result}:
            continue
        names = {_function_name(program, value) for value in slicer.register(index, step.src)}
        return names.pop() if len(names) == 1 else ""
    return ""


def _function_name(program: Program, value: Value) -> str:
    if value.source is not Source.CONST or not isinstance(value.a, int):
        return ""
    function = program.pclntab.function_at(value.a)
    return function.name if function and function.entry == value.a else ""


def box_types(program: Program, chain: Chain, call: Instruction, size: int) -> list[GoType]:
    """Return the types of `size` bytes that the data word allocated by `call` is given.

    The call is the leaf's.  Mostly the code just behind it tells; else the whole function does.
    """
    flow = program.flow_behind(call)
    type_ = _near_type(program, flow, size) if flow else None
    if type_ is not None:
        return [type_]
    return _interface_types(program, chain, lambda type_: _fits(type_, size))


def _near_type(program: Program, flow: Flow, size: int) -> GoType | None:
    for use in _uses(program, flow, 0):
        address = use.constants.get(_word_before(program, flow, use))
        type_ = _concrete(program, address) if address else None
        if type_ is not None and _fits(type_, size):
            return type_
    return None


def _word_before(program: Program, flow: Flow, use: Use) -> int:
    """Return the key in a use's constants of the word in front of the pointer, else -1."""
    if use.stored:
        step = flow.instructions[use.at]
        return _stored_at(step.dst, step.value - 8)
    place = program.machine.arguments.index(use.register)
    return program.machine.arguments[place - 1] if place else -1


def _fits(type_: GoType, size: int) -> bool:
    if type_.size != size:
        return False
    wanted = _FITTING_KINDS.get(size)
    return type_.kind is wanted if wanted else type_.ptr_bytes == 0


def small_map_type(program: Program, chain: Chain) -> GoType | None:
    """Return the type of the map whose header is allocated at the leaf, None if nothing says."""
    frame = chain.frame(0)
    if frame is None:
        return None
    found: set[GoType] = set()
    for use in _uses(program, frame.flow, frame.call + 1):
        if use.stored:
            type_ = stored_type(program, chain, use.at)
        else:
            type_ = _map_argument(program, chain, frame.flow, use)
        if type_ is not None and type_.kind is Kind.MAP:
            found.add(type_)
            break
    if not found:
        found = set(_interface_types(program, chain, lambda type_: type_.kind is Kind.MAP))
    return found.pop() if len(found) == 1 else None


def handed_map_type(program: Program, chain: Chain) -> GoType | None:
    """Return the type as which functions use the map that is allocated at the leaf and handed on.

    Their parameter may have another name for the same map.
    """
    frame = chain.frame(0)
    found: set[GoType] = set()
    for use in _uses(program, frame.flow, frame.call + 1) if frame else ():
        step = frame.flow.instructions[use.at] if frame else None
        if use.stored or step is None or step.op is not Op.CALL:
            continue
        inner = program.flow_at(step.value)
        if inner is not None and inner.function.entry == step.value:
            found |= _used_as(program, inner, use.register)
    return found.pop() if len(found) == 1 else None


def _used_as(program: Program, flow: Flow, parameter: int) -> set[GoType]:
    """Return the map types that the runtime gets along with a parameter of a function."""
    found = set()
    types, maps = program.machine.arguments[:2]
    for use in _uses(program, flow, 0, parameter):
        callee = program.callee(flow.instructions[use.at])
        if use.stored or use.register != maps or not callee.startswith("runtime.map"):
            continue
        for value in program.slicer(flow).register(use.at, types):
            if value.source is not Source.CONST or not isinstance(value.a, int):
                continue
            type_ = program.type_at(value.a)
            if type_ is not None and type_.kind is Kind.MAP:
                found.add(type_)
    return found


def _map_argument(program: Program, chain: Chain, flow: Flow, use: Use) -> GoType | None:
    """Return the type that a map call of the runtime gets along with the map."""
    step = flow.instructions[use.at]
    arguments = program.machine.arguments
    if use.register != arguments[1] or not program.callee(step).startswith("runtime.map"):
        return None
    return _one_type(program, chain, use.at, arguments[0])


def _interface_types(
    program: Program, chain: Chain, fits: Callable[[GoType], bool]
) -> list[GoType]:
    frame = chain.frame(0)
    if frame is None:
        return []
    found: dict[int, GoType] = {}
    for use in _uses(program, frame.flow, frame.call + 1):
        for index, register in _type_words(program, frame.flow, use):
            known = use.constants.get(register) if index == use.at else None
            addresses = _constants(program, chain, index, register) if known is None else [known]
            for address in addresses:
                type_ = _concrete(program, address)
                if type_ is not None and fits(type_):
                    found[type_.address] = type_
            if found:
                return list(found.values())
    return []


def _type_words(program: Program, flow: Flow, use: Use) -> Iterator[tuple[int, int]]:
    """Yield where (index, register) the first word of an interface may be for this use."""
    if not use.stored:
        arguments = program.machine.arguments
        place = arguments.index(use.register)
        if place:
            yield use.at, arguments[place - 1]
        return
    data = flow.instructions[use.at]
    if data.dst < 0:
        return
    near = range(max(0, use.at - _NEAR), min(len(flow.instructions), use.at + _NEAR + 1))
    for index in near:
        step = flow.instructions[index]
        if step.op is Op.STORE and step.dst == data.dst and step.value == data.value - 8:
            yield index, step.src


def _concrete(program: Program, address: int) -> GoType | None:
    """Return the type at an address, or the concrete type of the itab there (`runtime.itab`)."""
    type_ = program.type_at(address)
    if type_ is not None:
        return type_
    if not program.image.holds(address, 24) or address % 8:
        return None
    interface = program.type_at(program.image.u64(address))
    if interface is None or interface.kind is not Kind.INTERFACE:
        return None
    return program.type_at(program.image.u64(address + 8))


def _one_type(program: Program, chain: Chain, index: int, register: int) -> GoType | None:
    addresses = _constants(program, chain, index, register)
    return program.type_at(addresses[0]) if len(addresses) == 1 else None


def _constants(program: Program, chain: Chain, index: int, register: int) -> list[int]:
    """Return the addresses that a register of the leaf's function holds; none if not all are."""
    frame = chain.frame(0)
    if frame is None:
        return []
    values = program.slicer(frame.flow).register(index, register)
    if all(value.source is not Source.CONST for value in values):
        values = frozenset(bound.value for bound in chain.resolve_all(values, 0))
    found = []
    for value in values:
        if value.source is not Source.CONST or not isinstance(value.a, int):
            return []
        found.append(value.a)
    return sorted(set(found))


class _Path(NamedTuple):
    at: int
    registers: frozenset[int]
    slots: frozenset[int]  # depths of stack words that hold the pointer
    constants: dict[int, int]


_NOWHERE = 1 << 40


def _uses(program: Program, flow: Flow, start: int, register: int = -1) -> Iterator[Use]:
    """Yield where the pointer in `register` at index `start` is stored, passed or returned.

    Unless told otherwise, that is the result of the call before `start`.
    """
    held = register if register >= 0 else program.machine.arguments[0]
    paths = [_Path(start, frozenset((held,)), frozenset(), {})]
    seen: set[int] = set()
    for _ in range(_MAX_PATHS):
        if not paths:
            return
        path = paths.pop()
        for _ in range(_MAX_STEPS):
            done = path.at >= len(flow.instructions) or path.at in seen
            if done or not (path.registers or path.slots):
                break
            seen.add(path.at)
            yield from _used(program, flow.instructions[path.at], path)
            after = _advanced(program, flow, path)
            if flow.instructions[path.at].op is Op.BRANCH:
                target = flow.index_of.get(flow.instructions[path.at].value, _NOWHERE)
                paths.append(after._replace(at=target, constants=dict(after.constants)))
            path = after


def _advanced(program: Program, flow: Flow, path: _Path) -> _Path:
    """Return the path behind the instruction that it is at; nowhere if that ends it."""
    step, following = flow.instructions[path.at], path.at + 1
    registers, slots = _after(program, flow, path)
    _note_constant(flow, path.at, path.constants)
    if step.op is Op.JUMP:
        following = flow.index_of.get(step.value, _NOWHERE)
    elif following >= len(flow.falls) or not flow.falls[following]:
        following = _NOWHERE
    return _Path(following, registers, slots, path.constants)


def _used(program: Program, step: Instruction, path: _Path) -> Iterator[Use]:
    if step.op is Op.STORE and step.src in path.registers:
        # A write barrier's buffer has no neighbours of meaning; an unknown place none known.
        if _is_barrier(program, step) or step.dst == ANY_BASE:
            return
        yield Use(path.at, step.src, stored=True, constants=path.constants)
    elif step.op in (Op.CALL, Op.CALL_ANY, Op.RETURN, Op.JUMP_ANY):
        callee = program.callee(step)
        if callee.startswith("runtime.") and not callee.startswith(_TAKERS):
            return
        for register in program.machine.arguments:
            if register in path.registers:
                yield Use(path.at, register, stored=False, constants=path.constants)


_BASES = 1 << 13


def _stored_at(base: int, offset: int) -> int:
    """Return the key of a word of memory among the constants; registers are below 64."""
    return (base + _BASES << 40) + (1 << 39) + offset


def _note_constant(flow: Flow, index: int, constants: dict[int, int]) -> None:
    """Update the numbers that registers and memory hold, for an instruction on the way."""
    step = flow.instructions[index]
    op = step.op
    if op is Op.CALL or op is Op.CALL_ANY:
        if flow.effects.get(index, CallEffect.NORMAL) is CallEffect.NORMAL:
            constants.clear()
    elif op is Op.CLOBBER:
        for register in range(33):
            if step.dst >> register & 1:
                _forget(constants, register)
    elif op in _STORES and step.dst != ANY_BASE:
        constants.pop(_stored_at(step.dst, step.value), None)
        if op is Op.STORE and step.src in constants:
            constants[_stored_at(step.dst, step.value)] = constants[step.src]
    elif op in _WRITERS:
        value = _written_constant(step, constants)
        _forget(constants, step.dst)
        if value is not None:
            constants[step.dst] = value


def _written_constant(step: Instruction, constants: dict[int, int]) -> int | None:
    if step.op is Op.CONST:
        return step.value
    if step.op in (Op.MOVE, Op.LEA) and step.src in constants:
        return constants[step.src] + step.value
    return None


def _forget(constants: dict[int, int], register: int) -> None:
    """Drop what a register held, and the words of memory that it pointed to."""
    constants.pop(register, None)
    for key in [key for key in constants if key >= 64]:
        if register in registers_of((key >> 40) - _BASES):
            del constants[key]


def _after(program: Program, flow: Flow, path: _Path) -> tuple[frozenset[int], frozenset[int]]:
    """Return which registers and stack words hold the pointer after an instruction."""
    index, registers, slots, _ = path
    step, stack, depth = flow.instructions[index], program.machine.stack, flow.depths[index]
    op = step.op
    if op is Op.CALL or op is Op.CALL_ANY:
        effect = flow.effects.get(index, CallEffect.NORMAL)
        return (frozenset() if effect is CallEffect.NORMAL else registers), slots
    if op is Op.CLOBBER:
        return frozenset(r for r in registers if not step.dst >> r & 1), slots
    if op in _WRITERS:
        holds = op in (Op.MOVE, Op.CHOICE) and step.src in registers
        if op is Op.LOAD and step.src == stack and depth is not None:
            holds = depth + step.value in slots
        return (registers | {step.dst} if holds else registers - {step.dst}), slots
    if op in (Op.STORE, Op.STORE_CONST, Op.STORE_ANY) and step.dst == stack and depth is not None:
        at = depth + step.value
        holds = op is Op.STORE and step.src in registers
        return registers, slots | {at} if holds else slots - {at}
    if op is Op.STORE and not _is_barrier(program, step):
        # It has arrived in memory: what is left in the register is no argument of a later call.
        return registers - {step.src}, slots
    return registers, slots


def _is_barrier(program: Program, step: Instruction) -> bool:
    """Whether a store goes to the buffer that `gcWriteBarrier` returned."""
    mask = program.machine.barrier_registers
    return any(mask >> register & 1 for register in registers_of(step.dst))
