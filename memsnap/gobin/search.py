"""Finds allocation calls that a stack's leaf hides.

Up to Go 1.25 `mallocgc` called from compiled code records one frame too few, so that the leaf is
the caller of the function that allocates; and the leaf may be the inline mark of a helper, with
no call of its own.
"""

from collections.abc import Iterator

from memsnap.gobin.code import Op
from memsnap.gobin.program import Program

_MAX_CALLS = 32


def hidden_calls(program: Program, address: int) -> Iterator[int]:
    """Yield the addresses (return address - 1) of allocation calls that `address` may stand for."""
    call = program.call_before(address + 1)
    if call is not None and call.op is Op.CALL:
        yield from _in_callee(program, call.value)
    elif call is None:
        yield from _in_inlined(program, address)


def _in_callee(program: Program, entry: int) -> Iterator[int]:
    flow = program.flow_at(entry)
    if flow is None or flow.function.name.startswith("runtime."):
        return
    count = 0
    for step in flow.instructions:
        if program.allocates(step) and program.callee(step).startswith("runtime.mallocgc"):
            count += 1
            if count > _MAX_CALLS:
                return
            yield step.end - 1


def _in_inlined(program: Program, address: int) -> Iterator[int]:
    flow = program.flow_at(address)
    if flow is None:
        return
    count = 0
    for step in flow.instructions:
        if not program.allocates(step):
            continue
        parents = [call.parent_pc for call in program.pclntab.inlined_calls(step.pc)]
        if address in parents:
            count += 1
            if count > _MAX_CALLS:
                return
            yield step.end - 1
