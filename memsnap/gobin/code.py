"""Machine code reduced to what a data-flow question needs: moves, loads, stores and jumps.

A decoder (`amd64`, `arm64`) turns the bytes of one function into `Instruction`s; everything that
it does not model becomes a clobber of the registers that it may write.  The rest of the package
asks its questions of these values and never of machine code.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

NO_BASE = -1
"""Base of a memory operand at a fixed address: the displacement is the address."""
ANY_BASE = -2
"""Base of a memory operand whose address is not modelled: an index register, a segment."""


_INDEXED = -4096


def indexed(base: int, index: int, scale: int) -> int:
    """Return the base of a STORE at base + index << scale: a number below `ANY_BASE`."""
    return _INDEXED + base + (index << 4) + (scale << 8)


def registers_of(base: int) -> tuple[int, ...]:
    """Return the registers that an operand's base is made of."""
    if base >= 0:
        return (base,)
    return ((base - _INDEXED) & 15, (base - _INDEXED) >> 4 & 15) if base < ANY_BASE else ()


def scale_of(base: int) -> int:
    """Return what the index of an `indexed` base is multiplied by."""
    return 1 << (base - _INDEXED >> 8)


class Op(IntEnum):
    """What an instruction does to registers, memory and the flow of control."""

    NOP = 0
    CONST = 1  # register `dst` = `value`
    MOVE = 2  # register `dst` = register `src`
    LEA = 3  # register `dst` = register `src` + `value`
    LOAD = 4  # register `dst` = 8 bytes at [`src` + `value`]
    STORE = 5  # 8 bytes at [`dst` + `value`] = register `src`
    STORE_CONST = 6  # 8 bytes at [`dst` + `value`] = constant `src`
    STORE_ANY = 7  # `src` bytes at [`dst` + `value`] = something
    CHOICE = 8  # register `dst` = itself or register `src`
    CLOBBER = 9  # the registers of the bit mask `dst` = something
    JUMP = 10  # to `value`
    BRANCH = 11  # to `value`, or on
    CALL = 12  # function at `value`; back at `end`
    CALL_ANY = 13  # through register `dst` (-1: memory [`src` + `value`])
    JUMP_ANY = 14  # to an address in a register or in memory
    RETURN = 15
    TRAP = 16


class Instruction(NamedTuple):
    """One effect of the machine instruction at [pc, end); a pair of loads makes two of them."""

    pc: int
    end: int
    op: Op
    dst: int = 0
    src: int = 0
    value: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One architecture: Go's register ABI (`cmd/compile/abi-internal.md`) and its decoder.

    `decode(code, address)` returns the effects in address order, or `None` if the code holds an
    instruction that it does not know; `decode_some` gives those before it.
    `call_before(code, address)` looks at the bytes that end at a return address and returns the
    CALL there, or `None`.  `address_before(code, address, register)` and `has_number(code,
    address, register, number)` look at straight code only.  `loads_of(code, start, address)` yields
    the pcs in the code from `start` on that may load the word at a constant address.
    """

    name: str
    arguments: tuple[int, ...]
    context: int  # holds the closure that is running, at its entry
    stack: int
    zero: int  # a register that always reads 0, or -1
    call_pushes: int  # bytes of the return address that a CALL leaves on the stack
    barrier_registers: int  # mask of what `gcWriteBarrier` calls may change
    barrier_buffer: int  # where they return what to write the pointers to
    duff_registers: int  # mask of what `duffzero` and `duffcopy` may change
    decode: Callable[[bytes, int], list[Instruction] | None]
    decode_some: Callable[[bytes, int], list[Instruction]]
    call_before: Callable[[bytes, int], Instruction | None]
    address_before: Callable[[bytes, int, int], Sequence[int]]
    has_number: Callable[[bytes, int, int, int], bool]
    loads_of: Callable[[bytes, int, int], Iterator[int]]
