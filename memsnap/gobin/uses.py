"""Follows a new block forward through a function: where its pointer is stored, passed, returned.

The pointer is tracked through registers and stack words along every way that control may take,
with the numbers that other registers hold there.  What that says of the block's type is left to
`forward`.
"""

from collections.abc import Iterator
from typing import NamedTuple

from memsnap.gobin.chain import Chain
from memsnap.gobin.code import ANY_BASE, Instruction, Op, registers_of
from memsnap.gobin.flow import CallEffect, Flow
from memsnap.gobin.program import Program

_MAX_STEPS = 260
_MAX_PATHS = 64
_MAX_RETURNS = 4
_STORES = frozenset((Op.STORE, Op.STORE_CONST, Op.STORE_ANY))
_WRITERS = frozenset((Op.CONST, Op.MOVE, Op.LEA, Op.LOAD, Op.CHOICE))
# Functions of the runtime that take a map, or an interface, in registers.
_TAKERS = ("runtime.map", "runtime.gopanic")


class Use(NamedTuple):
    """The tracked pointer at the instruction `at` of a function.

    It is in `register` there, which is stored (if `stored`) or handed to a call or returned.
    `constants` are numbers that other registers hold on the way that was followed, and words of
    memory by `_stored_at`; the latest stored to any place that is not modelled is `_ELSEWHERE`.
    """

    at: int
    register: int
    stored: bool
    constants: dict[int, int]


class CallersUse(NamedTuple):
    """A use in the function of frame `level`: the leaf's, or a caller that got the pointer back."""

    level: int
    flow: Flow
    use: Use


class _Path(NamedTuple):
    at: int
    registers: frozenset[int]
    slots: frozenset[int]  # depths of stack words that hold the pointer
    constants: dict[int, int]


_NOWHERE = 1 << 40


def uses(program: Program, flow: Flow, start: int, register: int = -1) -> Iterator[Use]:
    """Yield where the pointer in `register` at index `start` is stored, passed or returned.

    Unless told otherwise, that is the result of the call before `start`.
    """
    held = register if register >= 0 else program.machine.arguments[0]
    paths = [_Path(start, frozenset((held,)), frozenset(), {})]
    seen: set[int] = set()
    for _ in range(_MAX_PATHS):
        if not paths:
            return
        path = paths.pop(0)  # breadth first: what is done soon after comes before later code
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


def uses_in_callers(program: Program, chain: Chain) -> Iterator[CallersUse]:
    """Yield the uses of what the leaf's call returned, going on in the callers that return it."""
    todo = [(0, program.machine.arguments[0])]
    for level, register in todo:
        frame = chain.frame(level)
        if frame is None:
            continue
        if frame.flow.instructions[frame.call].op is Op.JUMP:
            # A wrapper that ends in a jump returns what it jumps to.
            todo.append((level + 1, register))
            continue
        for use in uses(program, frame.flow, frame.call + 1, register):
            yield CallersUse(level, frame.flow, use)
            returned = frame.flow.instructions[use.at].op is Op.RETURN
            if returned and level < _MAX_RETURNS and (level + 1, use.register) not in todo:
                todo.append((level + 1, use.register))


def _advanced(program: Program, flow: Flow, path: _Path) -> _Path:
    """Return the path behind the instruction that it is at; nowhere if that ends it."""
    step, following = flow.instructions[path.at], path.at + 1
    registers, slots = _after(program, flow, path)
    _note_constant(program, flow, path)
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
_ELSEWHERE = -1


def constant_before(program: Program, flow: Flow, use: Use) -> int | None:
    """Return the number in the word in front of the pointer: in memory, or the register before.

    The two words of an interface are stored one after the other.  Where the first went to an
    address that is not modelled (arm64, up to Go 1.24), the last number stored so is it.
    """
    if use.stored:
        step = flow.instructions[use.at]
        found = use.constants.get(_stored_at(step.dst, step.value - 8))
        return use.constants.get(_ELSEWHERE) if found is None else found
    place = program.machine.arguments.index(use.register)
    return use.constants.get(program.machine.arguments[place - 1]) if place else None


def _stored_at(base: int, offset: int) -> int:
    """Return the key of a word of memory among the constants; registers are below 64."""
    return (base + _BASES << 40) + (1 << 39) + offset


def _note_constant(program: Program, flow: Flow, path: _Path) -> None:
    """Update the numbers that registers and memory hold, for an instruction on the way."""
    step, constants = flow.instructions[path.at], path.constants
    op = step.op
    if op is Op.CALL or op is Op.CALL_ANY:
        if flow.effects.get(path.at, CallEffect.NORMAL) is CallEffect.NORMAL:
            constants.clear()
    elif op is Op.CLOBBER:
        for register in range(33):
            if step.dst >> register & 1:
                _forget(constants, register)
    elif op in _STORES:
        _note_stored(program, step, constants)
    elif op in _WRITERS:
        value = _written_constant(step, constants)
        _forget(constants, step.dst)
        if value is not None:
            constants[step.dst] = value


def _note_stored(program: Program, step: Instruction, constants: dict[int, int]) -> None:
    place = _stored_at(step.dst, step.value) if step.dst != ANY_BASE else _ELSEWHERE
    constants.pop(place, None)
    if step.op is Op.STORE and step.src in constants:
        constants[place] = constants[step.src]
    if step.dst not in (ANY_BASE, program.machine.stack) and not _is_barrier(program, step):
        constants.pop(_ELSEWHERE, None)


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
    return program.machine.barrier_buffer in registers_of(step.dst)
