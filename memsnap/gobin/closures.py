"""The name of a closure by the code just behind its allocation.

The compiler stores the address of the function into the new block's first word at once
(cmd/compile/internal/walk/closure.go, walkClosure), so that mostly a few instructions tell.
"""

from collections.abc import Sequence

from memsnap.gobin.code import Instruction, Op
from memsnap.gobin.program import Program

_WINDOW_BYTES = 48
_COPIES = frozenset((Op.MOVE, Op.LEA, Op.CHOICE))
_STORES = frozenset((Op.STORE, Op.STORE_CONST, Op.STORE_ANY))


def closure_behind(program: Program, address: int) -> str:
    """Return which function's closure the call that returns to `address` makes room for.

    Empty where straight code does not tell.
    """
    steps = program.steps_behind(address, _WINDOW_BYTES)
    entry = _first_word(steps, program.machine.arguments[0])
    function = program.pclntab.function_at(entry)
    return function.name if function and function.entry == entry else ""


def _first_word(steps: Sequence[Instruction], block: int) -> int:
    """Return the constant that is stored to where register `block` points; 0 if none is."""
    constants: dict[int, int] = {}
    for step in steps:
        op, to_block = step.op, step.dst == block
        if op is Op.STORE and to_block and step.value == 0:
            return constants.get(step.src, 0)
        if op is Op.CONST and not to_block:
            constants[step.dst] = step.value
        elif ((op in _COPIES and step.src != block) or op is Op.LOAD) and not to_block:
            constants.pop(step.dst, None)
        elif op is not Op.NOP and (op not in _STORES or to_block):
            return 0
    return 0
