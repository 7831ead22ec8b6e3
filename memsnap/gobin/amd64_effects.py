"""What amd64 instructions do to registers and memory, as far as a data-flow question needs it.

The decoder (`amd64`) hands in the fields of one instruction.  Moves, loads, stores and jumps are
modelled; any other instruction clobbers what it may write (Intel SDM volume 2).
"""

from collections.abc import Callable

from memsnap.gobin.code import ANY_BASE, NO_BASE, Op

AX, CX, DX, BX, SP, BP, SI, DI = range(8)
R8, R9, R10, R11 = range(8, 12)

Effect = tuple[Op, int, int, int]
_NOTHING: Effect = (Op.NOP, 0, 0, 0)


class UnknownCodeError(Exception):
    """An opcode outside the tables."""


class Raw:
    """The fields of one instruction; `rm` is -1 where the operand is memory [base + disp].

    `disp_at` and `imm_at` are the places of displacement and immediate, as (start, end) offsets.
    """

    __slots__ = (
        "base", "disp", "disp_at", "end", "imm", "imm_at", "indexed", "is_relative", "mandatory",
        "opcode", "reg", "rm", "shape_end", "vvvv", "wide",
    )  # fmt: skip

    def __init__(self) -> None:
        self.opcode = self.reg = self.imm = self.disp = self.end = self.mandatory = 0
        self.shape_end = 0  # offset behind the opcode, ModRM and SIB
        self.rm = self.vvvv = -1
        self.base = self.indexed = ANY_BASE
        self.wide = self.is_relative = False
        self.disp_at = self.imm_at = (0, 0)


# The registers that two-byte opcodes write: "r" the reg field, "m" the r/m field, "b" both.
_WRITES_REG = frozenset(
    (
        *(0x02, 0x03, 0x2C, 0x2D, 0x50, 0xAF, 0xB6, 0xB7, 0xB8, 0xBC, 0xBD, 0xBE, 0xBF, 0xC5, 0xD7),
        *range(0x40, 0x50),
        *range(0xC8, 0xD0),
    )
)
_WRITES_RM = frozenset(
    (
        0x00,
        0x20,
        0x21,
        0xA4,
        0xA5,
        0xAB,
        0xAC,
        0xAD,
        0xAE,
        0xB3,
        0xBA,
        0xBB,
        0xC7,
        *range(0x90, 0xA0),
    )
)
_READS_MEMORY = frozenset(
    (
        *(0x00, 0x02, 0x03, 0x0D, 0x10, 0x12, 0x14, 0x15, 0x16, 0x18, 0x19, 0x1A, 0x1B, 0x1C, 0x1D),
        *(0x1E, 0x1F, 0x28, 0x2A, 0x2C, 0x2D, 0x2E, 0x2F, 0xA3, 0xAF, 0xB6, 0xB7, 0xB8, 0xBC),
        *(0xBD, 0xBE, 0xBF, 0xC2, 0xC4, 0xC6),
        *range(0x40, 0x7E),
        *(code for code in range(0xD0, 0x100) if code not in (0xD6, 0xE7)),
    )
)
_FIXED_WRITES = {
    0x01: (AX, CX, DX),
    0x05: (AX, CX, DX, R11),
    0x31: (AX, DX),
    0x32: (AX, DX),
    0x33: (AX, DX),
    0x34: (SP, CX, DX),
    0xA2: (AX, BX, CX, DX),
    0xB0: (AX,),
    0xB1: (AX,),
    0xC7: (AX, DX),
}


def mask_of(*registers: int) -> int:
    """Return the bit mask of registers; -1 stands for none."""
    mask = 0
    for register in registers:
        if register >= 0:
            mask |= 1 << register
    return mask


def _clobber(*registers: int) -> Effect:
    return (Op.CLOBBER, mask_of(*registers), 0, 0)


def _written(raw: Raw, size: int) -> Effect:
    """Return the effect of an unmodelled write of `size` bytes to the r/m operand."""
    if raw.rm >= 0:
        return (Op.CLOBBER, 1 << raw.rm, 0, 0)
    return (Op.STORE_ANY, raw.base, size, raw.disp)


def _operand_bytes(raw: Raw) -> int:
    if not raw.opcode & 1:
        return 1
    return 8 if raw.wide else 2 if raw.mandatory & 1 else 4


def _arithmetic(raw: Raw) -> Effect:
    """Effects of 00-3F: ADD OR ADC SBB AND SUB XOR CMP in their six forms."""
    form, kind = raw.opcode & 7, raw.opcode >> 3
    if kind == 7:
        return _NOTHING
    if form >= 4:
        return _clobber(AX)
    if form & 2:
        if kind in (5, 6) and raw.rm == raw.reg and form == 3:
            return (Op.CONST, raw.reg, 0, 0)
        return _clobber(raw.reg)
    if kind in (5, 6) and raw.rm == raw.reg and form == 1:
        return (Op.CONST, raw.reg, 0, 0)
    return _written(raw, _operand_bytes(raw))


def _arithmetic_immediate(raw: Raw) -> Effect:
    """Effects of 80-83: the same eight operations with an immediate."""
    kind = raw.reg & 7
    if kind == 7:
        return _NOTHING
    if kind in (0, 5) and raw.wide and raw.rm >= 0 and raw.opcode != 0x80:
        return (Op.LEA, raw.rm, raw.rm, raw.imm if kind == 0 else -raw.imm)
    if kind == 4 and raw.rm == SP:
        return (Op.CLOBBER, 1 << SP, 0, 0)
    return _written(raw, _operand_bytes(raw))


def _mov_to_rm(raw: Raw) -> Effect:
    if raw.rm >= 0:
        return (Op.MOVE, raw.rm, raw.reg, 0) if raw.wide else _clobber(raw.rm)
    if raw.wide:
        base = raw.indexed if raw.base == ANY_BASE else raw.base
        return (Op.STORE, base, raw.reg, raw.disp)
    return (Op.STORE_ANY, raw.base, 2 if raw.mandatory & 1 else 4, raw.disp)


def _mov_to_reg(raw: Raw) -> Effect:
    if not raw.wide:
        return _clobber(raw.reg)
    if raw.rm >= 0:
        return (Op.MOVE, raw.reg, raw.rm, 0)
    if raw.base == ANY_BASE:
        return _clobber(raw.reg)
    return (Op.LOAD, raw.reg, raw.base, raw.disp)


def _lea(raw: Raw) -> Effect:
    if raw.base == NO_BASE:
        return (Op.CONST, raw.reg, 0, raw.disp) if raw.wide else _clobber(raw.reg)
    if raw.base == ANY_BASE or not raw.wide:
        return _clobber(raw.reg)
    return (Op.LEA, raw.reg, raw.base, raw.disp)


def _mov_immediate(raw: Raw) -> Effect:
    if raw.rm >= 0:
        if raw.wide or not raw.mandatory & 1:
            value = raw.imm & (0xFFFFFFFFFFFFFFFF if raw.wide else 0xFFFFFFFF)
            return (Op.CONST, raw.rm, 0, value)
        return _clobber(raw.rm)
    if raw.wide:
        return (Op.STORE_CONST, raw.base, raw.imm & 0xFFFFFFFFFFFFFFFF, raw.disp)
    return (Op.STORE_ANY, raw.base, 2 if raw.mandatory & 1 else 4, raw.disp)


def _mov_register_immediate(raw: Raw) -> Effect:
    return (Op.CONST, raw.rm, 0, raw.imm)


def _unary(raw: Raw) -> Effect:
    """Effects of F6 and F7: TEST NOT NEG MUL IMUL DIV IDIV."""
    kind = raw.reg & 7
    if kind < 2:
        return _NOTHING
    return _written(raw, _operand_bytes(raw)) if kind < 4 else _clobber(AX, DX)


def _indirect(raw: Raw) -> Effect:
    """Effects of FE and FF: INC DEC CALL JMP PUSH."""
    kind = raw.reg & 7
    if kind < 2:
        return _written(raw, _operand_bytes(raw))
    if kind == 2:
        return (Op.CALL_ANY, raw.rm, raw.base, raw.disp)
    if kind == 4:
        return (Op.JUMP_ANY, raw.rm, raw.base, raw.disp)
    if kind == 6:
        return (Op.LEA, SP, SP, -8)
    raise UnknownCodeError


def _exchange(raw: Raw) -> Effect:
    return _clobber(raw.reg, raw.rm)  # an XCHG with memory is an atomic: no slot of ours


def _stack_moves(by: int) -> Callable[[Raw], Effect]:
    effect = (Op.LEA, SP, SP, by)
    return lambda raw: effect


def _nothing(raw: Raw) -> Effect:
    return _NOTHING


def _writes(*registers: int) -> Callable[[Raw], Effect]:
    effect = _clobber(*registers)
    return lambda raw: effect


def _always(op: Op) -> Callable[[Raw], Effect]:
    effect = (op, 0, 0, 0)
    return lambda raw: effect


def _jump(op: Op) -> Callable[[Raw], Effect]:
    return lambda raw: (op, 0, 0, raw.end + raw.imm)


def _one_byte_effects() -> tuple[Callable[[Raw], Effect], ...]:
    table: list[Callable[[Raw], Effect]] = [_nothing] * 256
    table[0x00:0x40] = [_arithmetic] * 0x40
    table[0x50:0x58] = [_stack_moves(-8)] * 8
    table[0x58:0x60] = [_stack_moves(8)] * 8
    table[0x68] = table[0x6A] = table[0x9C] = _stack_moves(-8)
    table[0x8F] = table[0x9D] = _stack_moves(8)
    table[0x63] = table[0x69] = table[0x6B] = lambda raw: _clobber(raw.reg)
    table[0x6C:0x70] = [_writes(SI, DI, CX, AX)] * 4
    table[0x70:0x80] = [_jump(Op.BRANCH)] * 16
    table[0x80:0x84] = [_arithmetic_immediate] * 4
    table[0x86] = table[0x87] = _exchange
    table[0x88] = lambda raw: _written(raw, 1)
    table[0x89] = _mov_to_rm
    table[0x8A] = lambda raw: _clobber(raw.reg)
    table[0x8B] = _mov_to_reg
    table[0x8C] = lambda raw: _written(raw, 8)
    table[0x8D] = _lea
    table[0x91:0x98] = [lambda raw: _clobber(AX, raw.rm)] * 7
    table[0x98], table[0x99] = _writes(AX), _writes(DX)
    table[0x9F] = table[0xA0] = table[0xA1] = _writes(AX)
    for opcode in (0xA4, 0xA5, 0xA6, 0xA7, 0xAA, 0xAB, 0xAC, 0xAD, 0xAE, 0xAF):
        table[opcode] = _writes(SI, DI, CX, AX)
    table[0xB0:0xB8] = [lambda raw: _clobber(raw.rm, raw.rm & 3)] * 8
    table[0xB8:0xC0] = [_mov_register_immediate] * 8
    for opcode in (0xC0, 0xC1, 0xD0, 0xD1, 0xD2, 0xD3):
        table[opcode] = lambda raw: _written(raw, _operand_bytes(raw))
    table[0xC2] = table[0xC3] = table[0xCA] = table[0xCB] = table[0xCF] = _always(Op.RETURN)
    table[0xC6], table[0xC7] = lambda raw: _written(raw, 1), _mov_immediate
    table[0xC9] = _writes(SP, BP)
    table[0xCC] = table[0xF4] = _always(Op.TRAP)
    table[0xD7] = table[0xDF] = table[0xE4] = table[0xE5] = _writes(AX)
    table[0xE0:0xE4] = [_jump(Op.BRANCH)] * 4
    table[0xE8] = _jump(Op.CALL)
    table[0xE9] = table[0xEB] = _jump(Op.JUMP)
    table[0xEC] = table[0xED] = _writes(AX)
    table[0xF6] = table[0xF7] = _unary
    table[0xFE] = table[0xFF] = _indirect
    return tuple(table)


_EFFECTS = _one_byte_effects()


def _two_byte_effect(raw: Raw) -> Effect:
    """Effects of 0F xx, which are mostly vector instructions without general registers."""
    opcode = raw.opcode
    group = opcode >> 4
    if group == 8:
        return (Op.BRANCH, 0, 0, raw.end + raw.imm)
    if group == 4 and raw.wide and raw.rm >= 0:
        return (Op.CHOICE, raw.reg, raw.rm, 0)
    if opcode == 0x0B:
        return (Op.TRAP, 0, 0, 0)
    if opcode in (0xC0, 0xC1):
        return _clobber(raw.reg, raw.rm)
    if opcode in _WRITES_REG:
        return _clobber(raw.reg)
    return _fixed_effect(raw)


def _fixed_effect(raw: Raw) -> Effect:
    """Effects of the two-byte opcodes that write fixed registers, r/m or memory."""
    opcode = raw.opcode
    rm = raw.rm if opcode in _WRITES_RM or opcode in (0xB0, 0xB1) else -1
    if opcode == 0x7E and raw.mandatory != 2:
        rm = raw.rm
    mask = mask_of(rm, *_FIXED_WRITES.get(opcode, ()))
    if mask:
        return (Op.CLOBBER, mask, 0, 0)
    if raw.rm >= 0 or opcode in _READS_MEMORY or raw.base == ANY_BASE:
        return _NOTHING
    if opcode == 0x7E and raw.mandatory == 2:
        return _NOTHING
    return (Op.STORE_ANY, raw.base, 16, raw.disp)


_MOVES_TO_GENERAL = frozenset((0x2C, 0x2D, 0x50, 0x78, 0x79, 0x7E, 0xC5, 0xD7, *range(0x90, 0x94)))
_VECTOR_STORES = frozenset((0x11, 0x13, 0x17, 0x29, 0x2B, 0x7E, 0x7F, 0xD6, 0xE7))


def _vector_effect(raw: Raw, table: int) -> Effect:
    """Effects of 0F 38, 0F 3A, VEX and EVEX: nothing, or conservative clobbers."""
    opcode = raw.opcode
    registers: tuple[int, ...] = ()
    if table == 1 and opcode in _MOVES_TO_GENERAL:
        registers = (raw.reg, raw.rm)
    elif (table == 2 and opcode >= 0xF0) or (table == 3 and opcode == 0xF0):
        registers = (raw.reg, raw.rm, raw.vvvv)
    elif table == 3 and 0x60 <= opcode <= 0x63:  # PCMPESTRI, PCMPISTRI
        registers = (CX,)
    elif table == 3 and 0x14 <= opcode <= 0x17:
        return _written(raw, 8)
    if registers:
        return _clobber(*registers)
    stores = table > 1 or opcode in _VECTOR_STORES
    if raw.rm < 0 and raw.base != ANY_BASE and stores:
        return (Op.STORE_ANY, raw.base, 64, raw.disp)
    return _NOTHING


def effect_of(raw: Raw, table: int) -> Effect:
    """Return the effect of an instruction of opcode table 0 to 3 (plus 8 with VEX or EVEX)."""
    if table == 0:
        return _EFFECTS[raw.opcode](raw)
    return _two_byte_effect(raw) if table == 1 else _vector_effect(raw, table & 7)
