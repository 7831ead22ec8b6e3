"""The type of a map in a global variable, from what the code around does with the variable.

No table says which type a variable has.  But a map is only ever used through functions of the
runtime, which get its type along with it; so one map operation on the word at the variable's
address tells, wherever it is.  The functions near the one that makes the map are looked through:
those of its package lie together.
"""

from collections.abc import Iterator

from memsnap.gobin.code import NO_BASE, Op
from memsnap.gobin.descriptors import Kind
from memsnap.gobin.flow import Flow
from memsnap.gobin.program import Program
from memsnap.gobin.slicing import Source, Value
from memsnap.gobin.types import GoType

_NEAR_BYTES = 1 << 17  # on either side
_MAX_FUNCTIONS = 8


def global_word(program: Program, flow: Flow, index: int) -> int | None:
    """Return the address of the global word that the store at `index` writes to, else None."""
    step = flow.instructions[index]
    if step.dst == NO_BASE:
        address = step.value
    else:
        found = program.slicer(flow).register(index, step.dst) if step.dst >= 0 else frozenset()
        if len(found) != 1:
            return None
        (value,) = found
        if value.source is not Source.CONST or not isinstance(value.a, int):
            return None
        address = value.a + step.value
    return None if program.image.is_readonly(address) else address


def global_map_type(program: Program, flow: Flow, address: int) -> GoType | None:
    """Return the type of the map variable at `address`, which the function `flow` sets.

    None where no map operation on it is found, or where they do not agree.
    """
    if address not in program.map_variables:
        program.map_variables[address] = _searched(program, flow, address)
    return program.map_variables[address]


def _searched(program: Program, flow: Flow, address: int) -> GoType | None:
    for user in _users(program, flow, address):
        found = set(_operations(program, user, address))
        if found:
            return found.pop() if len(found) == 1 else None
    return None


def _users(program: Program, flow: Flow, address: int) -> Iterator[Flow]:
    """Yield the function `flow` and those near it that load the word at `address`."""
    yield flow
    image, around = program.image, flow.function.entry
    segment = image.segment_at(around)
    if segment is None:
        return
    start = max(segment.address, around - _NEAR_BYTES)
    code = image.read_up_to(start, 2 * _NEAR_BYTES)
    entries = {flow.function.entry}
    for pc in program.machine.loads_of(code, start, address):
        function = program.pclntab.function_at(pc)
        if function is None or function.entry in entries:
            continue
        entries.add(function.entry)
        if len(entries) > _MAX_FUNCTIONS:
            return
        user = program.flow_at(pc)
        if user is not None:
            yield user


def _operations(program: Program, flow: Flow, address: int) -> Iterator[GoType]:
    """Yield the map types that functions of the runtime get along with the word at `address`."""
    slicer, (types, maps) = program.slicer(flow), program.machine.arguments[:2]
    for index, step in enumerate(flow.instructions):
        if step.op is not Op.CALL or not program.callee(step).startswith("runtime.map"):
            continue
        if {_loaded_from(value) for value in slicer.register(index, maps)} != {address}:
            continue
        for value in slicer.register(index, types):
            if value.source is Source.CONST and isinstance(value.a, int):
                type_ = program.type_at(value.a)
                if type_ is not None and type_.kind is Kind.MAP:
                    yield type_


def _loaded_from(value: Value) -> int | None:
    """Return the constant address that a value was loaded from."""
    if value.source is not Source.LOADED or not isinstance(value.a, Value):
        return None
    base = value.a
    return base.a + value.b if base.source is Source.CONST and isinstance(base.a, int) else None
