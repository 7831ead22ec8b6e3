"""Decodes amd64 machine code as Go's compiler and assembler emit it.

Lengths are exact for the whole instruction set that Go uses, with VEX and EVEX prefixes
(Intel SDM volume 2, appendix A; `cmd/internal/obj/x86/asm6.go`).  Effects are modelled for the
moves, loads, stores and jumps that carry an argument to a call; any other instruction clobbers
what it may write.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from memsnap.gobin.amd64_effects import (
    AX,
    BX,
    CX,
    DI,
    DX,
    R8,
    R9,
    R10,
    R11,
    SI,
    SP,
    Effect,
    Raw,
    UnknownCodeError,
    effect_of,
    mask_of,
)
from memsnap.gobin.code import ANY_BASE, NO_BASE, Instruction, Machine, Op, indexed

_MODRM = 1  # flags of an opcode's shape; the low nibble of the rest is the immediate
_IMM8, _IMM16, _IMM32, _IMMV, _MOFFS, _ENTER, _GROUP3, _REL32 = 2, 4, 8, 16, 32, 64, 128, 512
_BAD = 256
_MANDATORY = {0x66: 1, 0xF3: 2, 0xF2: 4}
_PREFIXES = frozenset((0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65, 0x66, 0x67, 0xF0, 0xF2, 0xF3))


def _shape_table(rows: Sequence[tuple[int, int, int]]) -> tuple[int, ...]:
    """Return the shape of all 256 opcodes from rows of (first, last, shape)."""
    table = [0] * 256
    for first, last, shape in rows:
        table[first : last + 1] = [shape] * (last + 1 - first)
    return tuple(table)


_ALU = [
    row
    for first in range(0, 0x40, 8)
    for row in (
        (first, first + 3, _MODRM),
        (first + 4, first + 4, _IMM8),
        (first + 5, first + 5, _IMM32),
        (first + 6, first + 7, _BAD),
    )
]
_ONE_BYTE = _shape_table(
    [
        *_ALU,
        (0x60, 0x62, _BAD),
        (0x63, 0x63, _MODRM),
        (0x68, 0x68, _IMM32),
        (0x69, 0x69, _MODRM | _IMM32),
        (0x6A, 0x6A, _IMM8),
        (0x6B, 0x6B, _MODRM | _IMM8),
        (0x70, 0x7F, _IMM8),
        (0x80, 0x80, _MODRM | _IMM8),
        (0x81, 0x81, _MODRM | _IMM32),
        (0x82, 0x82, _BAD),
        (0x83, 0x83, _MODRM | _IMM8),
        (0x84, 0x8F, _MODRM),
        (0x9A, 0x9A, _BAD),
        (0xA0, 0xA3, _MOFFS),
        (0xA8, 0xA8, _IMM8),
        (0xA9, 0xA9, _IMM32),
        (0xB0, 0xB7, _IMM8),
        (0xB8, 0xBF, _IMMV),
        (0xC0, 0xC1, _MODRM | _IMM8),
        (0xC2, 0xC2, _IMM16),
        (0xC6, 0xC6, _MODRM | _IMM8),
        (0xC7, 0xC7, _MODRM | _IMM32),
        (0xC8, 0xC8, _ENTER),
        (0xCA, 0xCA, _IMM16),
        (0xCD, 0xCD, _IMM8),
        (0xCE, 0xCE, _BAD),
        (0xD0, 0xD3, _MODRM),
        (0xD4, 0xD6, _BAD),
        (0xD8, 0xDF, _MODRM),
        (0xE0, 0xE7, _IMM8),
        (0xE8, 0xE9, _REL32),
        (0xEA, 0xEA, _BAD),
        (0xEB, 0xEB, _IMM8),
        (0xF6, 0xF7, _MODRM | _GROUP3),
        (0xFE, 0xFF, _MODRM),
    ]
)
_TWO_BYTE = _shape_table(
    [
        (0x00, 0xFF, _MODRM),
        (0x04, 0x09, 0),
        (0x0A, 0x0A, _BAD),
        (0x0B, 0x0B, 0),
        (0x0C, 0x0C, _BAD),
        (0x0E, 0x0E, 0),
        (0x0F, 0x0F, _BAD),
        (0x24, 0x27, _BAD),
        (0x30, 0x37, 0),
        (0x39, 0x39, _BAD),
        (0x3B, 0x3F, _BAD),
        (0x70, 0x73, _MODRM | _IMM8),
        (0x77, 0x77, 0),
        (0x80, 0x8F, _REL32),
        (0xA0, 0xA2, 0),
        (0xA4, 0xA4, _MODRM | _IMM8),
        (0xA8, 0xAA, 0),
        (0xAC, 0xAC, _MODRM | _IMM8),
        (0xBA, 0xBA, _MODRM | _IMM8),
        (0xC2, 0xC2, _MODRM | _IMM8),
        (0xC4, 0xC6, _MODRM | _IMM8),
        (0xC8, 0xCF, 0),
    ]
)


def _modrm(code: bytes, at: int, rex: int, raw: Raw) -> int:
    """Read the ModRM byte, SIB and displacement at `at` into `raw`; return what follows them."""
    byte = code[at]
    mod, low = byte >> 6, byte & 7
    raw.reg = (byte >> 3 & 7) | (rex & 4) << 1
    at += 1
    raw.shape_end = at
    if mod == 3:
        raw.rm = low | (rex & 1) << 3
        return at
    raw.base = low | (rex & 1) << 3
    wide_displacement = mod == 2
    if low == 4:
        sib = code[at]
        at += 1
        raw.base = (sib & 7) | (rex & 1) << 3
        if sib & 7 == 5 and mod == 0:
            raw.base, wide_displacement = NO_BASE, True
        if (sib >> 3 & 7) != 4 or rex & 2:
            if raw.base >= 0:
                raw.indexed = indexed(raw.base, (sib >> 3 & 7) | (rex & 2) << 2, sib >> 6)
            raw.base = ANY_BASE
    elif low == 5 and mod == 0:
        raw.base, raw.is_relative, wide_displacement = NO_BASE, True, True
    raw.shape_end = at
    size = 4 if wide_displacement else 1 if mod == 1 else 0
    raw.disp = int.from_bytes(code[at : at + size], "little", signed=True)
    raw.disp_at = (at, at + size)
    return at + size


def _immediate(code: bytes, at: int, shape: int, raw: Raw) -> int:
    """Read the immediate that `shape` asks for into `raw`; return what follows it."""
    small = raw.mandatory & 1 and not raw.wide
    size = 0
    if shape & _IMM8:
        size = 1
    elif shape & _IMM32:
        size = 2 if small else 4
    elif shape & _REL32:
        size = 4
    elif shape & _IMMV:
        size = 8 if raw.wide else 2 if small else 4
        raw.imm = int.from_bytes(code[at : at + size], "little")
        raw.imm_at = (at, at + size)
        return at + size
    elif shape & _GROUP3:
        size = 0 if raw.reg & 6 else 1 if raw.opcode == 0xF6 else 2 if small else 4
    elif shape & _IMM16:
        size = 2
    elif shape & _MOFFS:
        size = 8
    elif shape & _ENTER:
        size = 3
    raw.imm = int.from_bytes(code[at : at + size], "little", signed=True)
    raw.imm_at = (at, at + size)
    return at + size


def _opcode_shape(code: bytes, at: int, raw: Raw) -> tuple[int, int, int]:
    """Read the opcode at `at`: return what follows it, its shape, and its table 0-3."""
    first = code[at]
    if first != 0x0F:
        raw.opcode = first
        shape = _ONE_BYTE[first]
        return at + 1, shape, 0
    second = code[at + 1]
    if second in (0x38, 0x3A):
        raw.opcode = code[at + 2]
        return at + 3, _MODRM | (_IMM8 if second == 0x3A else 0), 2 if second == 0x38 else 3
    raw.opcode = second
    return at + 2, _TWO_BYTE[second], 1


def _vex(code: bytes, at: int, raw: Raw) -> tuple[int, int, int, int]:
    """Read a VEX or EVEX prefix and the opcode after it.

    Returns what follows, the opcode's shape, its table and the bits R X B as a REX prefix has.
    """
    first, second = code[at], code[at + 1]
    if first == 0xC5:
        at, table, rex, last = at + 2, 1, (~second >> 5) & 4, second
    else:
        table = second & (0x1F if first == 0xC4 else 7)
        rex, last = ~second >> 5 & 7, code[at + 2]
        at += 3 if first == 0xC4 else 4
    raw.vvvv = ~last >> 3 & 15
    raw.opcode = code[at]
    if table == 1:
        shape = _TWO_BYTE[raw.opcode]
        if first != 0x62:
            shape = 0 if raw.opcode == 0x77 else _MODRM | (shape & _IMM8)
        else:
            shape = _MODRM | (shape & _IMM8)
    elif table in (2, 3, 5, 6):
        shape = _MODRM | (_IMM8 if table == 3 else 0)
    else:
        raise UnknownCodeError
    return at + 1, shape, table | 8, rex


def _prefixes(code: bytes, at: int, raw: Raw) -> tuple[int, bool]:
    """Skip legacy prefixes; return what follows, and whether one names a segment."""
    is_segment = False
    while code[at] in _PREFIXES:
        is_segment |= code[at] in (0x64, 0x65)
        raw.mandatory |= _MANDATORY.get(code[at], 0)
        at += 1
    return at, is_segment


def _decode_one(code: bytes, at: int, address: int) -> tuple[Raw, Effect, int]:
    """Return the fields, the effect and the end of the instruction at `at`."""
    raw = Raw()
    rex = 0
    at, is_segment = _prefixes(code, at, raw)
    byte = code[at]
    if byte in (0xC4, 0xC5, 0x62):
        at, shape, table, rex = _vex(code, at, raw)
    else:
        if byte & 0xF0 == 0x40:
            rex = byte
            raw.wide = bool(byte & 8)
            at += 1
        at, shape, table = _opcode_shape(code, at, raw)
    if shape == _BAD:
        raise UnknownCodeError
    raw.shape_end = at
    if shape & _MODRM:
        at = _modrm(code, at, rex, raw)
    else:
        raw.rm = raw.reg = (raw.opcode & 7) | (rex & 1) << 3
    at = _immediate(code, at, shape, raw)
    raw.end = address + at
    if raw.is_relative:
        raw.disp += raw.end
    if is_segment:
        raw.base = raw.indexed = ANY_BASE
    return raw, effect_of(raw, table), at


class _Template(NamedTuple):
    """An instruction as far as its first bytes tell: all but a number at [start, end).

    The number is added to `value`, and the end of the instruction too if `is_relative`.
    """

    length: int
    op: Op
    dst: int
    src: int
    value: int
    start: int = 0
    end: int = 0
    is_relative: bool = False


_MAX_TEMPLATES = 1 << 16
# By the first byte, the first three and the first four, whichever is enough.
_BY_ONE: list[_Template | None] = [None] * 256
_BY_THREE: dict[bytes, _Template] = {}
_BY_FOUR: dict[bytes, _Template] = {}
_PUSH_POP = range(0x50, 0x60)
_WITHOUT_VALUE = frozenset((Op.NOP, Op.CLOBBER, Op.MOVE, Op.CHOICE, Op.RETURN, Op.TRAP))
_OF_MEMORY = frozenset((Op.LOAD, Op.STORE, Op.STORE_ANY, Op.LEA, Op.CONST))
_RELATIVE = frozenset((Op.JUMP, Op.BRANCH, Op.CALL))


def decode(code: bytes, address: int) -> list[Instruction] | None:
    """Return the effects of the code at `address`, or None if an opcode is unknown.

    What the first bytes of an instruction mean is remembered: code repeats itself.
    """
    found: list[Instruction] = []
    return found if _decode_into(code, address, found) else None


def decode_some(code: bytes, address: int) -> list[Instruction]:
    """Return the effects of the code at `address` up to what is unknown or cut off."""
    found: list[Instruction] = []
    _decode_into(code, address, found)
    limit = address + len(code)
    while found and found[-1].end > limit:
        found.pop()
    return found


def _decode_into(code: bytes, address: int, found: list[Instruction]) -> bool:
    """Decode into `found`; return whether all of the code was decoded."""
    append, read = found.append, int.from_bytes
    by_one, by_three, by_four = _BY_ONE, _BY_THREE.get, _BY_FOUR.get
    at, size = 0, len(code)
    try:
        while at < size:
            template = by_one[code[at]] or by_three(code[at : at + 3]) or by_four(code[at : at + 4])
            if template is None:
                after = _decode_new(code, at, address, found)
            else:
                length, op, dst, src, value, start, end, is_relative = template
                after = at + length
                if end:
                    value += read(code[at + start : at + end], "little", signed=True)
                    if is_relative:
                        value += address + after
                append(Instruction(address + at, address + after, op, dst, src, value))
            at = after
    except (IndexError, UnknownCodeError):
        return False
    return at == size


def _decode_new(code: bytes, at: int, address: int, found: list[Instruction]) -> int:
    """Decode the instruction at `at` into `found`, remember it, and return its end."""
    raw, effect, after = _decode_one(code, at, address)
    pc, end = address + at, address + after
    opcode = raw.opcode
    if effect[0] is Op.LEA and effect[1] == SP and opcode in _PUSH_POP:
        if opcode >= 0x58:
            found.append(Instruction(pc, end, Op.CLOBBER, 1 << raw.rm))
        found.append(Instruction(pc, end, *effect))
        if opcode < 0x58:
            found.append(Instruction(pc, end, Op.STORE, SP, raw.rm, 0))
        return after
    found.append(Instruction(pc, end, *effect))
    template = _template(raw, effect, at, after)
    if template is not None and after <= len(code):
        _remember(template, code[at : at + 4], raw.shape_end - at)
    return after


def _remember(template: _Template, start: bytes, shape_bytes: int) -> None:
    """Keep a template by as few bytes as determine it: its shape, and all if it has no number."""
    needed = shape_bytes
    if not template.end and template.op not in _WITHOUT_VALUE:
        needed = max(needed, template.length)
    if needed == 1:
        _BY_ONE[start[0]] = template
    elif needed <= 3 and len(_BY_THREE) < _MAX_TEMPLATES:
        _BY_THREE[start[:3]] = template
    elif needed == 4 and len(_BY_FOUR) < _MAX_TEMPLATES:
        _BY_FOUR[start] = template


def _template(raw: Raw, effect: Effect, at: int, after: int) -> _Template | None:
    """Return what the first bytes tell of an instruction, None if that is not enough."""
    op, dst, src, value = effect
    length = after - at
    if op in _RELATIVE:
        return _Template(
            length, op, dst, src, 0, raw.imm_at[0] - at, raw.imm_at[1] - at, is_relative=True
        )
    if op in _WITHOUT_VALUE or (length <= 4 and not raw.is_relative):
        return _Template(length, op, dst, src, value)
    if op in _OF_MEMORY and raw.rm < 0 and raw.imm_at[0] == raw.imm_at[1]:
        start, end = raw.disp_at
        if start == end:
            return _Template(length, op, dst, src, value)
        return _Template(length, op, dst, src, 0, start - at, end - at, raw.is_relative)
    return None


def call_before(code: bytes, address: int) -> Instruction | None:
    """Return the direct CALL that `code` ends with; `address` is where it returns to."""
    if len(code) >= 5 and code[-5] == 0xE8:
        target = address + int.from_bytes(code[-4:], "little", signed=True)
        return Instruction(address - 5, address, Op.CALL, 0, 0, target)
    return None


def address_before(code: bytes, address: int, register: int) -> Sequence[int]:
    """Return the constant address that `register` holds at the end of `code`, if that is plain.

    The last `LEA register, [rip + d]` counts where the instructions after it neither jump, call
    nor write the register; the answer is a list of none or one.
    """
    pattern = bytes((0x48 | (register & 8) >> 1, 0x8D, 0x05 | (register & 7) << 3))
    first = _undisturbed(code, address, register, pattern)
    return (first.value,) if first else ()


def has_number(code: bytes, address: int, register: int, number: int) -> bool:
    """Whether `code` plainly ends with a number in one of the first eight registers.

    Numbers up to 32 bits, as MOVL writes them; False where that cannot be told.
    """
    if not 0 < number < 1 << 32 or register > DI:
        return False
    pattern = bytes((0xB8 | register,)) + number.to_bytes(4, "little")
    first = _undisturbed(code, address, register, pattern)
    return first is not None and (first.op, first.value) == (Op.CONST, number)


def loads_of(code: bytes, start: int, address: int) -> Iterator[int]:
    """Yield where the code from `start` on may load the word at `address`: MOVQ d(IP), register."""
    for found in _LOAD.finditer(code):
        end = found.end() + 4
        if end > len(code):
            return
        if start + end + int.from_bytes(code[end - 4 : end], "little", signed=True) == address:
            yield start + found.start()


_LOAD = re.compile(rb"[\x48\x4c]\x8b[\x05\x0d\x15\x1d\x25\x2d\x35\x3d]")


def _undisturbed(code: bytes, address: int, register: int, start: bytes) -> Instruction | None:
    """Return the last instruction that begins with `start`, if straight code keeps its result."""
    at = code.rfind(start)
    if at < 0:
        return None
    tail = decode(code[at:], address - (len(code) - at))
    if tail is None or any(_disturbs(step, register) for step in tail[1:]):
        return None
    return tail[0]


_STRAIGHT = frozenset((Op.NOP, Op.STORE, Op.STORE_CONST, Op.STORE_ANY))
_WRITES_DST = frozenset((Op.CONST, Op.MOVE, Op.LEA, Op.LOAD, Op.CHOICE))


def _disturbs(step: Instruction, register: int) -> bool:
    if step.op in _STRAIGHT:
        return False
    if step.op in _WRITES_DST:
        return step.dst == register
    return step.op is not Op.CLOBBER or bool(step.dst >> register & 1)


MACHINE = Machine(
    name="amd64",
    arguments=(AX, BX, CX, DI, SI, R8, R9, R10, R11),
    context=DX,
    stack=SP,
    zero=-1,
    call_pushes=8,
    barrier_registers=1 << R11,
    barrier_buffer=R11,
    duff_registers=mask_of(DI, SI),
    decode=decode,
    decode_some=decode_some,
    call_before=call_before,
    address_before=address_before,
    has_number=has_number,
    loads_of=loads_of,
)
