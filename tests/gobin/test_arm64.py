"""The arm64 decoder on single instructions."""

import random
import struct

import pytest

from memsnap.gobin.arm64 import SP, ZR, address_before, call_before, decode, loads_of
from memsnap.gobin.code import ANY_BASE, NO_BASE, Instruction, Op

START = 0x410000


def effects(*words):
    """Return the effects of instructions without their places."""
    steps = decode(struct.pack(f"<{len(words)}I", *words), START)
    return None if steps is None else [step[2:] for step in steps]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        (0xB0000000, [(Op.CONST, 0, 0, START + 0x1000)]),  # ADRP 1, R0
        (0x91048000, [(Op.LEA, 0, 0, 0x120)]),  # ADD $0x120, R0, R0
        (0xD10083FF, [(Op.LEA, SP, SP, -32)]),  # SUB $32, RSP, RSP
        (0xAA0103E0, [(Op.MOVE, 0, 1, 0)]),  # MOVD R1, R0
        (0xAA1F03E0, [(Op.CONST, 0, 0, 0)]),  # MOVD ZR, R0
        (0xD2800600, [(Op.CONST, 0, 0, 48)]),  # MOVD $48, R0
        (0x92800000, [(Op.CONST, 0, 0, (1 << 64) - 1)]),  # MOVD $-1, R0
        (0xB27D03E1, [(Op.CONST, 1, 0, 8)]),  # ORR $8, ZR, R1
        (0xF94013E0, [(Op.LOAD, 0, SP, 32)]),  # MOVD 32(RSP), R0
        (0xF90013E0, [(Op.STORE, SP, 0, 32)]),  # MOVD R0, 32(RSP)
        (0xF900001F, [(Op.STORE, 0, ZR, 0)]),  # MOVD ZR, (R0)
        (0xA94107E0, [(Op.LOAD, 0, SP, 16), (Op.LOAD, 1, SP, 24)]),  # LDP 16(RSP), (R0, R1)
        (0xA90107E0, [(Op.STORE, SP, 0, 16), (Op.STORE, SP, 1, 24)]),  # STP
        (0xF81E0FFE, [(Op.LEA, SP, SP, -32), (Op.STORE, SP, 30, 0)]),  # MOVD.W R30, -32(RSP)
        (0xF84207FE, [(Op.LOAD, 30, SP, 0), (Op.LEA, SP, SP, 32)]),  # MOVD.P 32(RSP), R30
        (0x58000040, [(Op.LOAD, 0, NO_BASE, START + 8)]),  # LDR literal
        (0xF8626820, [(Op.CLOBBER, 1, 0, 0)]),  # MOVD (R1)(R2), R0
        (0x39400020, [(Op.CLOBBER, 1, 0, 0)]),  # MOVBU (R1), R0
        (0x3D8007E0, [(Op.STORE_ANY, SP, 16, 16)]),  # FMOVQ F0, 16(RSP)
        (0x9A811000, [(Op.MOVE, 0, 0, 0), (Op.CHOICE, 0, 1, 0)]),  # CSEL NE, R0, R1, R0
        (0xEB01001F, [(Op.NOP, 0, 0, 0)]),  # CMP R1, R0
        (0x94000004, [(Op.CALL, 0, 0, START + 16)]),
        (0xD63F0040, [(Op.CALL_ANY, 2, ANY_BASE, 0)]),  # CALL (R2)
        (0x17FFFFFF, [(Op.JUMP, 0, 0, START - 4)]),
        (0x54000048, [(Op.BRANCH, 0, 0, START + 8)]),  # BHI
        (0xB4000040, [(Op.BRANCH, 0, 0, START + 8)]),  # CBZ
        (0x36000040, [(Op.BRANCH, 0, 0, START + 8)]),  # TBZ
        (0xD61F0040, [(Op.JUMP_ANY, 2, ANY_BASE, 0)]),
        (0xD65F03C0, [(Op.RETURN, 30, ANY_BASE, 0)]),
        (0xD4200000, [(Op.TRAP, 0, 0, 0)]),  # BRK
        (0x00000000, [(Op.TRAP, 0, 0, 0)]),
    ],
)
def test_an_instruction_has_its_effects(word, expected):
    assert effects(word) == expected


def test_a_constant_in_pieces_is_put_together():
    assert effects(0xD2824680, 0xF2A468A0)[-1] == (Op.CONST, 0, 0, 0x23451234)


def test_a_piece_without_its_beginning_is_something():
    assert effects(0xF2A468A0) == [(Op.CLOBBER, 1, 0, 0)]


def test_unknown_code_is_refused():
    assert effects(0x04000001) is None


def test_any_word_is_decoded_or_refused():
    chance = random.Random(5)
    for _ in range(20_000):
        found = effects(chance.getrandbits(32))
        assert found is None or 1 <= len(found) <= 3


def test_the_call_that_ends_at_an_address_is_found():
    code = struct.pack("<2I", 0xD503201F, 0x97FFFFFF)

    assert call_before(code, START) == Instruction(START - 4, START, Op.CALL, 0, 0, START - 8)
    assert call_before(code[:4], START) is None
    assert call_before(b"", START) is None


@pytest.mark.parametrize(
    ("between", "found"),
    [
        ([], True),
        ([0xAA0103E2], True),  # MOVD R1, R2
        ([0xAA0103E0], False),  # MOVD R1, R0
        ([0x94000004], False),
        ([0x54000048], False),
    ],
)
def test_a_constant_counts_if_nothing_disturbs_it(between, found):
    code = struct.pack(f"<{2 + len(between)}I", 0xB0000000, 0x91048000, *between)

    page = (START - len(code) & ~0xFFF) + 0x1000
    assert list(address_before(code, START, 0)) == ([page + 0x120] if found else [])


def test_loads_of_a_word_at_a_constant_address_are_found():
    # ADRP 0x1000, R0; MOVD 0x120(R0), R2; MOVD 0x120(R1), R2
    code = struct.pack("<4I", 0xD503201F, 0xB0000000, 0xF9409002, 0xF9409022)
    page = (START & ~0xFFF) + 0x1000

    assert list(loads_of(code, START, page + 0x120)) == [START + 4]
    assert list(loads_of(code, START, page + 0x128)) == []
    assert list(loads_of(code, START, page + 0x1120)) == []
    assert list(loads_of(code[:11], START, page + 0x120)) == []
