"""What becomes of a new block says its type where the allocation call does not.

`convT64` and its like return the data word of an interface: the word stored or passed beside it
is the type or the itab.  `makemap_small` returns a map's header: the first map call that gets
it, the field or element that it goes into, or other uses of the variable, have the type.  Generic
code allocates by shape: the type of the place that keeps the pointer tells the instance.  A
closure's first word is its code.
"""

from collections.abc import Iterator

from memsnap.gobin.chain import Chain
from memsnap.gobin.code import Instruction, Op
from memsnap.gobin.descriptors import Kind
from memsnap.gobin.flow import Flow
from memsnap.gobin.globalmaps import global_map_type, global_word
from memsnap.gobin.places import stored_type
from memsnap.gobin.program import Program
from memsnap.gobin.shapes import stands_for
from memsnap.gobin.slicing import Source, Value
from memsnap.gobin.types import GoType
from memsnap.gobin.uses import CallersUse, Use, constant_before, uses, uses_in_callers

_NEAR = 10
_CLOSURE_STEPS = 48
_FITTING_KINDS = {16: Kind.STRING, 24: Kind.SLICE}


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
    frame = chain.frame(0)
    if frame is None:
        return []
    for use in uses(program, frame.flow, frame.call + 1):
        types = _beside(program, chain, CallersUse(0, frame.flow, use))
        found = {type_.address: type_ for type_ in types if _fits(type_, size)}
        if found:
            return list(found.values())
    return []


def _near_type(program: Program, flow: Flow, size: int) -> GoType | None:
    for use in uses(program, flow, 0):
        address = constant_before(program, flow, use)
        type_ = _concrete(program, address) if address else None
        if type_ is not None and _fits(type_, size):
            return type_
    return None


def _fits(type_: GoType, size: int) -> bool:
    if type_.size != size:
        return False
    wanted = _FITTING_KINDS.get(size)
    return type_.kind is wanted if wanted else type_.ptr_bytes == 0


def small_map_type(program: Program, chain: Chain) -> GoType | None:
    """Return the type of the map whose header is allocated at the leaf, None if nothing says."""
    variables: list[tuple[Flow, int]] = []
    for place in uses_in_callers(program, chain):
        type_ = None if place.use.stored else _map_argument(program, chain, place)
        types = [type_] if type_ else _becomes(program, chain, place)
        found = {type_ for type_ in types if type_.kind is Kind.MAP}
        if found:
            return found.pop() if len(found) == 1 else None
        if place.use.stored:
            address = global_word(program, place.flow, place.use.at)
            if address is not None:
                variables.append((place.flow, address))
    types_of = (global_map_type(program, flow, address) for flow, address in variables)
    return next(filter(None, types_of), None)


def shaped_type(program: Program, chain: Chain, shape: GoType) -> GoType | None:
    """Return which type of the layout `shape` is allocated at the leaf, by what points to it.

    The pointer is stored, or put into an interface, as a pointer to (a slice of) that type.
    """
    for place in uses_in_callers(program, chain):
        found = {
            type_.elem
            for type_ in _becomes(program, chain, place)
            if type_.kind in (Kind.POINTER, Kind.SLICE)
            and type_.elem
            and stands_for(type_.elem, shape)
        }
        if found:
            return found.pop() if len(found) == 1 else None
    return None


def _becomes(program: Program, chain: Chain, place: CallersUse) -> Iterator[GoType]:
    """Yield the types of the word or interface that the tracked pointer becomes."""
    if place.use.stored:
        type_ = stored_type(program, chain, place.use.at, place.level)
        if type_ is not None:
            yield type_
    yield from _beside(program, chain, place)


def handed_map_type(program: Program, chain: Chain) -> GoType | None:
    """Return the type as which functions use the map that is allocated at the leaf and handed on.

    Their parameter may have another name for the same map.
    """
    frame = chain.frame(0)
    found: set[GoType] = set()
    for use in uses(program, frame.flow, frame.call + 1) if frame else ():
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
    for use in uses(program, flow, 0, parameter):
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


def _map_argument(program: Program, chain: Chain, place: CallersUse) -> GoType | None:
    """Return the type that a map call of the runtime gets along with the map."""
    step, arguments = place.flow.instructions[place.use.at], program.machine.arguments
    if place.use.register != arguments[1] or not program.callee(step).startswith("runtime.map"):
        return None
    addresses = _constants(program, chain, place, (place.use.at, arguments[0]))
    return program.type_at(addresses[0]) if len(addresses) == 1 else None


def _beside(program: Program, chain: Chain, place: CallersUse) -> Iterator[GoType]:
    """Yield the concrete types of the interface whose data word the tracked pointer becomes."""
    near = constant_before(program, place.flow, place.use)
    type_ = _concrete(program, near) if near else None
    if type_ is not None:
        yield type_
        return
    for where in _type_words(program, place.flow, place.use):
        for address in _constants(program, chain, place, where):
            type_ = _concrete(program, address)
            if type_ is not None:
                yield type_


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


def _constants(
    program: Program, chain: Chain, place: CallersUse, where: tuple[int, int]
) -> list[int]:
    """Return the addresses that `where`, an index and a register, holds; none if not all are."""
    values = program.slicer(place.flow).register(*where)
    if all(value.source is not Source.CONST for value in values):
        values = frozenset(bound.value for bound in chain.resolve_all(values, place.level))
    found = []
    for value in values:
        if value.source is not Source.CONST or not isinstance(value.a, int):
            return []
        found.append(value.a)
    return sorted(set(found))
