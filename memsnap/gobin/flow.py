"""The control flow of one function: its instructions, and which may run before each.

Jump tables are read from read-only data; a jump back to the first instruction is the retry after
`morestack` and brings nothing but the parameters, so the entry has no predecessors.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from memsnap.gobin.code import Instruction, Machine, Op
from memsnap.gobin.image import Image
from memsnap.gobin.pclntab import Func

MAX_FUNCTION_BYTES = 1 << 20
_MAX_TABLE_JUMPS = 4096
_ENDS = frozenset((Op.JUMP, Op.RETURN, Op.TRAP, Op.JUMP_ANY))
_NEVER_RETURN = ("throw", "fatal", "block", "goexit", "abort", "fatalthrow", "sigpanic")
_RETURNING_PANICS = ("panicCheck", "panicunsafe")


class CallEffect(Enum):
    """What a call leaves of the registers."""

    NORMAL = 0  # nothing
    BARRIER = 1  # all but a few: `gcWriteBarrier`
    DUFF = 2  # all but its pointers: `duffzero`, `duffcopy`
    NEVER_RETURNS = 3


def call_effect(name: str) -> CallEffect:
    """Return what a call of the function `name` leaves (`runtime/asm_*.s`, `runtime/panic.go`)."""
    package, _, function = name.rpartition(".")
    if package != "runtime":
        return CallEffect.NORMAL
    if function.startswith("gcWriteBarrier"):
        return CallEffect.BARRIER
    if function in ("duffzero", "duffcopy"):
        return CallEffect.DUFF
    if function in _NEVER_RETURN:
        return CallEffect.NEVER_RETURNS
    panics = function.startswith(("panic", "goPanic")) or function == "gopanic"
    if panics and not function.startswith(_RETURNING_PANICS):
        return CallEffect.NEVER_RETURNS
    return CallEffect.NORMAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """One decoded function.

    `jumps_to[i]` are the indices of the jumps to instruction `i`; `falls[i]` says whether `i - 1`
    runs on into it; `depths[i]` is the stack pointer before `i` less that at the entry, or None.
    """

    function: Func
    instructions: list[Instruction]
    index_of: dict[int, int]  # first index of each pc
    jumps_to: dict[int, list[int]]
    falls: list[bool]
    depths: list[int | None]
    effects: dict[int, CallEffect]  # of calls that are not NORMAL, by index

    def call_at(self, ends_at: int) -> int | None:
        """Return the index of the call that returns to `ends_at`, if one does."""
        after = self.index_of.get(ends_at)
        index = len(self.instructions) - 1 if after is None else after - 1
        if index < 0:
            return None
        step = self.instructions[index]
        is_call = step.op in (Op.CALL, Op.CALL_ANY)
        return index if is_call and step.end == ends_at else None


def read_flow(
    image: Image, machine: Machine, function: Func, effect_of: Callable[[int], CallEffect]
) -> Flow | None:
    """Return the flow of `function`, or None if it is too large or not decodable.

    `effect_of` says for the address of a function what calls of it leave.
    """
    size = function.end - function.entry
    if not 0 < size <= MAX_FUNCTION_BYTES:
        return None
    steps = machine.decode(bytes(image.read(function.entry, size)), function.entry)
    if not steps:
        return None
    index_of: dict[int, int] = {}
    for index, step in enumerate(steps):
        index_of.setdefault(step.pc, index)
    effects = _effects(steps, effect_of)
    jumps_to = _jumps(steps, index_of, list(_table_targets(image, function, steps)))
    falls = _falls(steps, effects)
    return Flow(
        function=function,
        instructions=steps,
        index_of=index_of,
        jumps_to=jumps_to,
        falls=falls,
        depths=_depths(steps, falls, index_of, machine.stack),
        effects=effects,
    )


def flow_behind(
    function: Func,
    steps: list[Instruction],
    machine: Machine,
    effect_of: Callable[[int], CallEffect],
) -> Flow:
    """Return the flow of `steps`, a part of `function`, for following it forward.

    It knows no jumps from elsewhere, and its depths begin at 0.
    """
    index_of: dict[int, int] = {}
    for index, step in enumerate(steps):
        index_of.setdefault(step.pc, index)
    effects = _effects(steps, effect_of)
    falls = _falls(steps, effects)
    return Flow(
        function=function,
        instructions=steps,
        index_of=index_of,
        jumps_to={},
        falls=falls,
        depths=_depths(steps, falls, index_of, machine.stack),
        effects=effects,
    )


def _falls(steps: list[Instruction], effects: dict[int, CallEffect]) -> list[bool]:
    never = {index for index, effect in effects.items() if effect is CallEffect.NEVER_RETURNS}
    return [False] + [
        step.op not in _ENDS and index not in never for index, step in enumerate(steps[:-1])
    ]


def _effects(
    steps: list[Instruction], effect_of: Callable[[int], CallEffect]
) -> dict[int, CallEffect]:
    found: dict[int, CallEffect] = {}
    for index, step in enumerate(steps):
        if step.op is Op.CALL:
            effect = effect_of(step.value)
            if effect is not CallEffect.NORMAL:
                found[index] = effect
    return found


def _jumps(
    steps: list[Instruction], index_of: dict[int, int], table_targets: list[int]
) -> dict[int, list[int]]:
    """Return the jumps to each index but the first."""
    jumps_to: dict[int, list[int]] = {}
    for index, step in enumerate(steps):
        if step.op is Op.JUMP or step.op is Op.BRANCH:
            targets = [step.value]
        elif step.op is Op.JUMP_ANY:
            targets = table_targets
        else:
            continue
        for target in targets:
            place = index_of.get(target, 0)
            if place:
                jumps_to.setdefault(place, []).append(index)
    return jumps_to


def _table_targets(image: Image, function: Func, steps: list[Instruction]) -> Iterator[int]:
    """Return all targets in the jump tables that the function may use.

    A table is a run of addresses inside the function in read-only data, its own address loaded
    as a constant (`cmd/compile/internal/ssagen`, `emitJumpTable`).  Neighbouring tables of the
    function are read along: more predecessors than there are make no answer wrong.
    """
    if not any(step.op is Op.JUMP_ANY for step in steps):
        return
    found: set[int] = set()
    for step in steps:
        if step.op is not Op.CONST or not image.is_readonly(step.value):
            continue
        for place in range(_MAX_TABLE_JUMPS):
            if not image.holds(step.value + 8 * place, 8):
                break
            target = image.u64(step.value + 8 * place)
            if not function.entry <= target < function.end:
                break
            found.add(target)
    yield from found


def _depths(
    steps: list[Instruction], falls: list[bool], index_of: dict[int, int], stack: int
) -> list[int | None]:
    """Return the depth of the stack pointer before each instruction.

    Code is laid out so that what jumps to a place mostly comes before it; a place reached only
    from below has the depth of the function's body.
    """
    depths: list[int | None] = []
    arriving: dict[int, int | None] = {0: 0}
    copies: dict[int, int] = {}  # registers that hold an address in the frame, by depth
    body: int | None = None
    depth: int | None = None
    for index, step in enumerate(steps):
        op = step.op
        if not falls[index]:
            depth = arriving.get(index, body)
        elif depth is None:
            depth = arriving.get(index)
        depths.append(depth)
        if op is Op.BRANCH or op is Op.JUMP:
            arriving.setdefault(index_of.get(step.value, -1), depth)
        elif op in _MAY_MOVE and (op is Op.CLOBBER or stack in (step.dst, step.src)):
            if op is Op.LEA and step.src == stack and step.dst != stack and depth is not None:
                copies[step.dst] = depth + step.value
                continue
            depth = _moved(step, stack, depth, copies)
            if depth is not None and (body is None or depth < body):
                body = depth
    return depths


_MAY_MOVE = frozenset((Op.LEA, Op.MOVE, Op.CONST, Op.LOAD, Op.CHOICE, Op.CLOBBER))


def _moved(step: Instruction, stack: int, depth: int | None, copies: dict[int, int]) -> int | None:
    """Return the depth after an instruction that may change the stack pointer."""
    if step.op is Op.CLOBBER:
        return None if step.dst >> stack & 1 else depth
    if step.dst != stack:
        return depth
    if step.op is Op.LEA and step.src == stack:
        return None if depth is None else depth + step.value
    if step.op in (Op.LEA, Op.MOVE) and step.src in copies:
        return copies[step.src] + step.value
    return None
