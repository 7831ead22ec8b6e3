"""Decodes arm64 machine code as far as an argument's way to a call needs it.

Every instruction has four bytes; the classes follow the Arm Architecture Reference Manual (A64,
"Top level" encoding table).  Moves, loads, stores and jumps are modelled; other instructions
clobber the registers that they may write, and what no class covers is unknown.
"""

import struct
from collections.abc import Iterator, Sequence

from memsnap.gobin.code import ANY_BASE, NO_BASE, Instruction, Machine, Op

SP = 31
ZR = 32
"""The zero register; its number 31 is the stack pointer's elsewhere."""

_Effect = tuple[Op, int, int, int]
_NOTHING: _Effect = (Op.NOP, 0, 0, 0)
_ALL_ONES = (1 << 64) - 1


def _signed(value: int, bits: int) -> int:
    """Return the low `bits` of `value` as a signed number."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def _register(number: int) -> int:
    """Return a register operand whose number 31 means zero."""
    return ZR if number == 31 else number


def _clobber(*registers: int) -> _Effect:
    mask = 0
    for register in registers:
        if register != ZR:
            mask |= 1 << register
    return (Op.CLOBBER, mask, 0, 0) if mask else _NOTHING


def decode(code: bytes, address: int) -> list[Instruction] | None:
    """Return the effects of the code at `address`, or None if an instruction is unknown."""
    found: list[Instruction] = []
    return found if _decode_into(code, address, found) else None


def decode_some(code: bytes, address: int) -> list[Instruction]:
    """Return the effects of the code at `address` up to what is unknown."""
    found: list[Instruction] = []
    _decode_into(code, address, found)
    return found


def _decode_into(code: bytes, address: int, found: list[Instruction]) -> bool:
    """Decode into `found`; return whether all of the code was decoded."""
    for (word,) in struct.iter_unpack("<I", code[: len(code) & ~3]):
        effects = _effects(word, address)
        if effects is None:
            return False
        found.extend(Instruction(address, address + 4, *effect) for effect in effects)
        if word >> 23 & 0xFF == 0xE5:  # MOVK
            found[-1] = _merged(found, word)
        address += 4
    return True


def _merged(found: list[Instruction], word: int) -> Instruction:
    """Return a MOVK as the constant that it completes, if the one before it started that."""
    last = found[-1]
    register, shift = word & 31, (word >> 21 & 3) * 16
    if len(found) < 2 or found[-2].op is not Op.CONST or found[-2].dst != register:
        return last
    value = found[-2].value & ~(0xFFFF << shift) | (word >> 5 & 0xFFFF) << shift
    return Instruction(last.pc, last.end, Op.CONST, register, 0, value)


def _effects(word: int, pc: int) -> Sequence[_Effect] | None:
    """Return the effects of one instruction by its class, bits 28 to 25."""
    group = word >> 25 & 15
    if group & 0b1110 == 0b1000:
        return (_immediate(word, pc),)
    if group & 0b1110 == 0b1010:
        return (_branch(word, pc),)
    if group & 0b0101 == 0b0100:
        return _memory(word, pc)
    if group & 0b0111 == 0b0101:
        return _arithmetic(word)
    if group & 0b0111 == 0b0111:
        return (_vector(word),)
    return ((Op.TRAP, 0, 0, 0),) if word >> 16 == 0 else None


def _immediate(word: int, pc: int) -> _Effect:
    """Data processing with an immediate: ADR(P), ADD, SUB, logical, MOVZ, MOVN, bit fields."""
    form = word >> 23 & 7
    if form < 2:
        return _address(word, pc)
    if form == 2:
        return _add(word)
    if form == 4:
        return _logical(word)
    if form == 5:
        return _move_wide(word)
    return _clobber(_register(word & 31))


def _address(word: int, pc: int) -> _Effect:
    """ADR and ADRP."""
    offset = _signed((word >> 5 & 0x7FFFF) << 2 | word >> 29 & 3, 21)
    value = (pc & ~0xFFF) + (offset << 12) if word >> 31 else pc + offset
    return (Op.CONST, word & 31, 0, value & _ALL_ONES) if word & 31 != 31 else _NOTHING


def _add(word: int) -> _Effect:
    """ADD and SUB; those that set flags have no stack pointer as their target."""
    target = word & 31
    if word >> 29 & 1:
        return _clobber(_register(target))
    amount = (word >> 10 & 0xFFF) << (12 if word >> 22 & 1 else 0)
    if not word >> 31:
        return _clobber(target)
    return (Op.LEA, target, word >> 5 & 31, -amount if word >> 30 & 1 else amount)


def _logical(word: int) -> _Effect:
    """AND, ORR, EOR and ANDS; ORR of zero makes a constant."""
    target, kind = word & 31, word >> 29 & 3
    if kind == 1 and word >> 5 & 31 == 31:
        mask = _bitmask(word)
        return (Op.CONST, target, 0, mask) if mask is not None else _clobber(target)
    return _clobber(_register(target) if kind == 3 else target)


def _move_wide(word: int) -> _Effect:
    """MOVN and MOVZ; MOVK is completed by its predecessor."""
    target = word & 31
    if word >> 29 & 3 not in (0, 2) or target == 31:
        return _clobber(_register(target))
    value = (word >> 5 & 0xFFFF) << (word >> 21 & 3) * 16
    width = _ALL_ONES if word >> 31 else 0xFFFFFFFF
    return (Op.CONST, target, 0, value & width if word >> 30 & 1 else ~value & width)


def _bitmask(word: int) -> int | None:
    """Return the immediate of a logical instruction (A64 pseudocode, `DecodeBitMasks`)."""
    n, rotate, ones = word >> 22 & 1, word >> 16 & 63, word >> 10 & 63
    length = (n << 6 | ~ones & 63).bit_length() - 1
    if length < 1:
        return None
    size = 1 << length
    count, turn = (ones & (size - 1)) + 1, rotate & (size - 1)
    if count == size:
        return None
    pattern = (1 << count) - 1
    pattern = (pattern >> turn | pattern << (size - turn)) & ((1 << size) - 1)
    while size < 64:
        pattern |= pattern << size
        size *= 2
    return pattern if word >> 31 else pattern & 0xFFFFFFFF


def _branch(word: int, pc: int) -> _Effect:
    """Branches, exceptions and system instructions."""
    if word >> 26 & 31 == 5:
        target = pc + (_signed(word, 26) << 2)
        return (Op.CALL if word >> 31 else Op.JUMP, 0, 0, target)
    kind = word >> 25 & 63
    if word >> 24 == 0x54 or kind == 0b011010:
        return (Op.BRANCH, 0, 0, pc + (_signed(word >> 5, 19) << 2))
    if kind == 0b011011:
        return (Op.BRANCH, 0, 0, pc + (_signed(word >> 5, 14) << 2))
    if word >> 24 == 0xD4:
        return _clobber(0) if word & 0xFFE0001F == 0xD4000001 else (Op.TRAP, 0, 0, 0)
    if word >> 25 == 0x6B:
        jumps = {0: Op.JUMP_ANY, 1: Op.CALL_ANY, 2: Op.RETURN}
        return (jumps.get(word >> 21 & 15, Op.TRAP), word >> 5 & 31, ANY_BASE, 0)
    return _clobber(_register(word & 31)) if word >> 21 & 1 else _NOTHING


def _memory(word: int, pc: int) -> Sequence[_Effect]:
    """Loads and stores."""
    kind = word >> 27 & 7
    if kind == 5:
        return _pair(word)
    if kind == 3:
        return (_literal(word, pc),)
    if kind == 7:
        return _single(word)
    if word >> 26 & 1:  # LD1, ST1 and their like
        base, writeback = word >> 5 & 31, word >> 23 & 1
        store = (Op.STORE_ANY, base, 64, 0) if not word >> 22 & 1 else _NOTHING
        return (store, _clobber(base)) if writeback else (store,)
    return (_clobber(*(_register(word >> shift & 31) for shift in (0, 10, 16))),)


def _literal(word: int, pc: int) -> _Effect:
    if word >> 26 & 1:
        return _NOTHING
    if word >> 30 != 1:
        return _clobber(_register(word & 31))
    return (Op.LOAD, _register(word & 31), NO_BASE, pc + (_signed(word >> 5, 19) << 2))


def _pair(word: int) -> Sequence[_Effect]:
    """LDP and STP; the mode is post-index 1, offset 2, pre-index 3, non-temporal 0."""
    first, base, second = word & 31, word >> 5 & 31, word >> 10 & 31
    is_load, mode, is_vector = word >> 22 & 1, word >> 23 & 3, word >> 26 & 1
    size = (4 << (word >> 30)) if is_vector else 8 if word >> 31 else 4
    offset = _signed(word >> 15, 7) * size
    at = offset if mode in (0, 2) else 0
    if is_vector:
        access = [] if is_load else [(Op.STORE_ANY, base, 2 * size, at)]
    elif size == 8:
        access = _two_words(
            _register(first), _register(second), is_load=bool(is_load), base=base, at=at
        )
    elif is_load:
        access = [_clobber(_register(first), _register(second))]
    else:
        access = [(Op.STORE_ANY, base, 8, at)]
    return _with_writeback(access, base, offset, mode)


def _two_words(first: int, second: int, *, is_load: bool, base: int, at: int) -> list[_Effect]:
    if not is_load:
        return [(Op.STORE, base, first, at), (Op.STORE, base, second, at + 8)]
    loads: list[_Effect] = [(Op.LOAD, first, base, at), (Op.LOAD, second, base, at + 8)]
    return loads[::-1] if first == base else loads


def _with_writeback(access: list[_Effect], base: int, offset: int, mode: int) -> Sequence[_Effect]:
    moved = (Op.LEA, base, base, offset)
    if mode == 3:
        return [moved, *access]
    if mode == 1:
        return [*access, moved]
    return access or [_NOTHING]


def _single(word: int) -> Sequence[_Effect]:
    """LDR, STR and their narrow, signed, indexed, atomic and vector forms."""
    target, base, is_vector = _register(word & 31), word >> 5 & 31, word >> 26 & 1
    size_log, kind = word >> 30, word >> 22 & 3
    if is_vector and kind & 2:
        size_log = 4
    mode, offset = 0, 0
    if word >> 24 & 1:
        offset = (word >> 10 & 0xFFF) << size_log
    elif not word >> 21 & 1:
        mode, offset = word >> 10 & 3, _signed(word >> 12, 9)
    elif word >> 10 & 3 == 2:
        base = ANY_BASE
    else:  # atomics of Armv8.1
        return (_clobber(target),)
    at = offset if mode in (0, 2) else 0
    access = [_access(target, base, at, word)]
    return _with_writeback(access, base, offset, mode)


def _access(target: int, base: int, at: int, word: int) -> _Effect:
    """The load or store itself, of `target` at [base + at]."""
    is_vector, size_log, kind = word >> 26 & 1, word >> 30, word >> 22 & 3
    if is_vector:
        return _NOTHING if kind & 1 else (Op.STORE_ANY, base, 16, at)
    if kind == 0:
        if size_log == 3:
            return (Op.STORE, base, target, at)
        return (Op.STORE_ANY, base, 1 << size_log, at)
    if size_log == 3 and kind == 1 and base != ANY_BASE:
        return (Op.LOAD, target, base, at)
    return _NOTHING if size_log == 3 and kind == 2 else _clobber(target)  # PRFM


def _arithmetic(word: int) -> Sequence[_Effect]:
    """Data processing on registers."""
    target, first, second = (_register(word >> shift & 31) for shift in (0, 5, 16))
    if word & 0xFFE0FFE0 == 0xAA0003E0:
        return (_moved(target, second),)
    if word & 0xFFE00C00 == 0x9A800000 and target != ZR:  # CSEL
        if second == target:
            return ((Op.CHOICE, target, first, 0),)
        return (_moved(target, first), (Op.CHOICE, target, second, 0))
    if word & 0x3FE00000 == 0x3A400000:  # CCMP, CCMN
        return (_NOTHING,)
    if word & 0x1F200000 == 0x0B200000 and not word >> 29 & 1:  # extended: 31 is the stack's
        return (_clobber(word & 31),)
    return (_clobber(target),)


def _moved(target: int, source: int) -> _Effect:
    if target == ZR:
        return _NOTHING
    return (Op.CONST, target, 0, 0) if source == ZR else (Op.MOVE, target, source, 0)


def _vector(word: int) -> _Effect:
    """Floating point and vectors: what moves to a general register clobbers it."""
    to_general = word & 0x5F20FC00 == 0x1E200000 or word & 0x5F200000 == 0x1E000000
    if to_general or word & 0x9FE0D400 == 0x0E001400 or word & 0xBFE0C400 == 0x0E000400:
        return _clobber(_register(word & 31))
    return _NOTHING


def call_before(code: bytes, address: int) -> Instruction | None:
    """Return the direct CALL that `code` ends with; `address` is where it returns to."""
    word = int.from_bytes(code[-4:], "little")
    if len(code) < 4 or word >> 26 != 0x25:
        return None
    target = address - 4 + (_signed(word, 26) << 2)
    return Instruction(address - 4, address, Op.CALL, 0, 0, target)


def address_before(code: bytes, address: int, register: int) -> Sequence[int]:
    """Return the constant address that `register` holds at the end of `code`, if that is plain.

    That is an ADRP and an ADD (or ADR) in the straight code before the end, and no other writes.
    """
    steps = decode(code, address - len(code))
    added = 0
    for step in reversed(steps or ()):
        if step.op not in _STRAIGHT:
            return ()
        if not any(True for written in _written(step) if written == register):
            continue
        if step.op is Op.CONST:
            return (step.value + added,)
        if step.op is not Op.LEA or step.src != register or added:
            return ()
        added = step.value
    return ()


def has_number(code: bytes, address: int, register: int, number: int) -> bool:
    """Whether `code` plainly ends with a number in a register; False where that is not told."""
    return tuple(address_before(code, address, register)) == (number,)


def loads_of(code: bytes, start: int, address: int) -> Iterator[int]:
    """Yield where the code from `start` on may load the word at `address`: ADRP, then LDR."""
    words = memoryview(code)[: len(code) & ~3].cast("I")
    load = 0xF9400000 | (address & 0xFFF) >> 3 << 10
    for index, word in enumerate(words[1:]):
        if word & 0xFFFFFC00 != load or words[index] & 0x9F000000 != 0x90000000:
            continue
        pc = start + 4 * index
        page = _address(words[index], pc)
        if page[-1] == address & ~0xFFF and page[1] == word >> 5 & 31:
            yield pc


def _written(step: Instruction) -> Iterator[int]:
    if step.op is Op.CLOBBER:
        yield from (number for number in range(33) if step.dst >> number & 1)
    elif step.op in (Op.CONST, Op.MOVE, Op.LEA, Op.LOAD, Op.CHOICE):
        yield step.dst


_STRAIGHT = frozenset(Op) - {
    *(Op.JUMP, Op.BRANCH, Op.CALL, Op.CALL_ANY, Op.JUMP_ANY, Op.RETURN, Op.TRAP)
}

MACHINE = Machine(
    name="arm64",
    arguments=tuple(range(16)),
    context=26,
    stack=SP,
    zero=ZR,
    call_pushes=0,
    barrier_registers=1 << 25 | 1 << 27,
    barrier_buffer=25,
    duff_registers=1 << 20 | 1 << 21 | 1 << 26 | 1 << 27,
    decode=decode,
    decode_some=decode_some,
    call_before=call_before,
    address_before=address_before,
    has_number=has_number,
    loads_of=loads_of,
)
