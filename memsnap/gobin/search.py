"""Finds allocation calls that a stack's leaf hides.

Up to Go 1.25 `mallocgc` called from compiled code records one frame too few, so that the leaf is
the caller of the function that allocates; and the leaf may be the inline mark of a helper, with
no call of its own.
"""

from collections.abc import Iterator

from memsnap.gobin.code import Op
from memsnap.gobin.program import Program

_MAX_CALLS = 32
_MAX_LEVELS = 3
Path = tuple[int, ...]
"""Addresses (return address - 1) to put in the place of the leaf, innermost first."""


def hidden_calls(program: Program, address: int) -> list[Path]:
    """Return the ways to allocation calls that the leaf at `address` may stand for.

    None are returned where there are too many to tell.
    """
    call = program.call_before(address + 1)
    if call is None:
        found = list(_in_inlined(program, address))
    elif call.op is not Op.CALL:
        return []
    elif program.callee(call).startswith("runtime."):
        found = [(*path, address) for path in _below(program, call.value, _MAX_LEVELS)]
    else:
        found = [(*path, address) for path in _in_callee(program, call.value)]
    return found if len(found) <= _MAX_CALLS else []


def _in_callee(program: Program, entry: int) -> Iterator[Path]:
    flow = program.flow_at(entry)
    for step in flow.instructions if flow else ():
        if program.allocates(step) and program.callee(step).startswith("runtime.mallocgc"):
            yield (step.end - 1,)


def _below(program: Program, entry: int, levels: int) -> Iterator[Path]:
    """Yield all allocation calls in a function of the runtime and in those that it calls."""
    flow = program.flow_at(entry)
    count = 0
    for step in flow.instructions if flow else ():
        if step.op is not Op.CALL:
            continue
        if program.allocates(step):
            yield (step.end - 1,)
        elif levels and program.callee(step).startswith("runtime.") and count < _MAX_CALLS:
            count += 1
            for path in _below(program, step.value, levels - 1):
                yield (*path, step.end - 1)


def _in_inlined(program: Program, address: int) -> Iterator[Path]:
    flow = program.flow_at(address)
    for step in flow.instructions if flow else ():
        if program.allocates(step):
            calls = program.pclntab.inlined_calls(step.pc)
            if any(call.parent_pc == address for call in calls):
                yield (step.end - 1,)
