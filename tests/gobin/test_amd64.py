"""The amd64 decoder on single instructions, and against Go's own disassembler."""

import re

import pytest
from site_truth import ANNOTATED

from memsnap.gobin.amd64 import (
    MACHINE,
    address_before,
    call_before,
    decode,
    decode_some,
    has_number,
    loads_of,
)
from memsnap.gobin.code import ANY_BASE, NO_BASE, Instruction, Op
from memsnap.gobin.executable import Executable

AX, CX, DX, BX, SP, BP, SI, DI = range(8)
R8, R15 = 8, 15
START = 0x401000


def effect(code):
    """Return the one effect of one instruction without its place."""
    (step,) = decode(bytes.fromhex(code), START)
    assert (step.pc, step.end) == (START, START + len(bytes.fromhex(code)))
    return step[2:]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("48 8d 05 10 00 00 00", (Op.CONST, AX, 0, START + 7 + 16)),  # LEAQ 16(IP), AX
        ("4c 8d 05 f0 ff ff ff", (Op.CONST, R8, 0, START + 7 - 16)),
        ("48 8d 44 24 18", (Op.LEA, AX, SP, 24)),  # LEAQ 24(SP), AX
        ("48 89 c3", (Op.MOVE, BX, AX, 0)),  # MOVQ AX, BX
        ("48 8b 4c 24 08", (Op.LOAD, CX, SP, 8)),  # MOVQ 8(SP), CX
        ("48 8b 48 10", (Op.LOAD, CX, AX, 16)),  # MOVQ 16(AX), CX
        ("48 8b 0d 01 00 00 00", (Op.LOAD, CX, NO_BASE, START + 8)),  # MOVQ 1(IP), CX
        ("48 89 44 24 20", (Op.STORE, SP, AX, 32)),  # MOVQ AX, 32(SP)
        ("48 c7 44 24 08 07 00 00 00", (Op.STORE_CONST, SP, 7, 8)),  # MOVQ $7, 8(SP)
        ("b8 30 00 00 00", (Op.CONST, AX, 0, 48)),  # MOVL $48, AX
        ("48 c7 c0 ff ff ff ff", (Op.CONST, AX, 0, (1 << 64) - 1)),  # MOVQ $-1, AX
        ("31 c0", (Op.CONST, AX, 0, 0)),  # XORL AX, AX
        ("45 31 ff", (Op.CONST, R15, 0, 0)),
        ("48 83 c4 40", (Op.LEA, SP, SP, 64)),  # ADDQ $64, SP
        ("48 81 ec 00 01 00 00", (Op.LEA, SP, SP, -256)),  # SUBQ $256, SP
        ("48 0f 44 c1", (Op.CHOICE, AX, CX, 0)),  # CMOVQEQ CX, AX
        ("8b 44 24 08", (Op.CLOBBER, 1 << AX, 0, 0)),  # MOVL 8(SP), AX
        ("48 8b 04 c8", (Op.CLOBBER, 1 << AX, 0, 0)),  # MOVQ (AX)(CX*8), AX
        ("48 f7 f9", (Op.CLOBBER, 1 << AX | 1 << DX, 0, 0)),  # IDIVQ CX
        ("44 0f 11 7c 24 10", (Op.STORE_ANY, SP, 16, 16)),  # MOVUPS X15, 16(SP)
        ("c5 fe 7f 44 24 20", (Op.STORE_ANY, SP, 64, 32)),  # VMOVDQU Y0, 32(SP)
        ("62 f1 fe 48 6f 07", (Op.NOP, 0, 0, 0)),  # VMOVDQU64 (DI), Z0
        ("48 3b 41 10", (Op.NOP, 0, 0, 0)),  # CMPQ AX, 16(CX)
        ("e8 0b 00 00 00", (Op.CALL, 0, 0, START + 16)),
        ("ff d1", (Op.CALL_ANY, CX, ANY_BASE, 0)),  # CALL CX
        ("eb fe", (Op.JUMP, 0, 0, START)),
        ("0f 86 00 01 00 00", (Op.BRANCH, 0, 0, START + 6 + 256)),  # JLS
        ("ff e0", (Op.JUMP_ANY, AX, ANY_BASE, 0)),  # JMP AX
        ("c3", (Op.RETURN, 0, 0, 0)),
        ("0f 0b", (Op.TRAP, 0, 0, 0)),  # UD2
    ],
)
def test_an_instruction_has_its_effect(code, expected):
    assert effect(code) == expected
    assert effect(code) == expected  # remembered, the second time


def test_push_and_pop_move_the_stack_pointer_and_the_register():
    steps = decode(bytes.fromhex("55 5d"), START)

    assert [step[2:] for step in steps] == [
        (Op.LEA, SP, SP, -8),
        (Op.STORE, SP, BP, 0),
        (Op.CLOBBER, 1 << BP, 0, 0),
        (Op.LEA, SP, SP, 8),
    ]


@pytest.mark.parametrize("code", ["06", "48", "e8 00 00", "0f 0f", "c4 ff ff ff", "62"])
def test_unknown_and_cut_code_is_refused(code):
    assert decode(bytes.fromhex(code), START) is None


def test_the_call_that_ends_at_an_address_is_found():
    assert call_before(bytes.fromhex("90 e8 f6 ff ff ff"), START) == Instruction(
        START - 5, START, Op.CALL, 0, 0, START - 10
    )
    assert call_before(b"\x90" * 8, START) is None
    assert call_before(b"\xe8", START) is None


@pytest.mark.parametrize(
    ("between", "found"),
    [
        ("", True),
        ("48 89 cb", True),  # MOVQ CX, BX
        ("48 89 c8", False),  # MOVQ CX, AX
        ("eb 00", False),
        ("e8 00 00 00 00", False),
        ("48 8d 0d 00 00 00 00", True),  # LEAQ 0(IP), CX
        ("06", False),
    ],
)
def test_a_constant_counts_if_nothing_disturbs_it(between, found):
    code = bytes.fromhex("90 48 8d 05 00 10 00 00" + between)

    address = START - len(code) + 8 + 0x1000
    assert list(address_before(code, START, AX)) == ([address] if found else [])


def test_loads_of_a_word_at_a_constant_address_are_found():
    # NOPL; MOVQ 0x100(IP), CX; MOVQ 0x100(IP), R9; LEAQ 0x100(IP), AX
    code = bytes.fromhex("90 488b0d00010000 4c8b0d00010000 488d0500010000")

    assert list(loads_of(code, START, START + 8 + 0x100)) == [START + 1]
    assert list(loads_of(code, START, START + 15 + 0x100)) == [START + 8]
    assert list(loads_of(code, START, START + 22 + 0x100)) == []
    assert list(loads_of(code[:6], START, START + 8 + 0x100)) == []


def test_arguments_are_those_of_gos_register_abi():
    assert MACHINE.arguments[:5] == (AX, BX, CX, DI, SI)
    assert MACHINE.context == DX


@pytest.mark.go
def test_instructions_begin_where_gos_disassembler_says(go):
    program = go.build(ANNOTATED)
    listing = go.run("tool", "objdump", "-s", r"^(main|encoding/json|strconv)\.", str(program))
    starts = re.findall(r"^  \S+\t+0x([0-9a-f]+)\t+[0-9a-f]+\t+(\S+)", listing, re.MULTILINE)
    theirs = {int(pc, 16) for pc, name in starts if name not in ("?", "INT")}

    with Executable.open(program) as executable:
        entries = {executable.pclntab.function_at(pc).entry for pc in theirs}
        ours = set()
        for entry in entries:
            function = executable.pclntab.function_at(entry)
            code = bytes(executable.image.read(entry, function.end - entry))
            ours |= {step.pc for step in decode(code, entry)}

    assert len(theirs) > 5000
    assert theirs - ours == set()


def test_what_is_cut_off_is_left_out_of_a_part():
    code = bytes.fromhex("48 89 c3 48 8d 44 24")  # MOVQ AX, BX and most of a LEAQ

    assert [step[2:] for step in decode_some(code, START)] == [(Op.MOVE, BX, AX, 0)]


@pytest.mark.parametrize(
    ("number", "found"), [(48, True), (49, False), (0, False), (1 << 32, False)]
)
def test_a_number_before_a_call_is_seen(number, found):
    code = bytes.fromhex("90 b8 30 00 00 00 48 89 cb")  # MOVL $48, AX; MOVQ CX, BX

    assert has_number(code, START, AX, number) is found
