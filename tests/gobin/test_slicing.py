"""The backward slice on small flows, written as effects."""

import pytest

from memsnap.gobin.amd64 import MACHINE
from memsnap.gobin.code import ANY_BASE, NO_BASE, Instruction, Op
from memsnap.gobin.flow import CallEffect, Flow, call_effect
from memsnap.gobin.pclntab import Func
from memsnap.gobin.slicing import UNKNOWN, Slicer, Source, Value, shifted

AX, CX, DX, BX, SP = range(5)
ENTRY = 0x1000
_ENDS = (Op.JUMP, Op.RETURN, Op.TRAP, Op.JUMP_ANY)


def flow(*effects, depths=None, calls=None):
    """Return the flow of effects; a jump's value is the index that it goes to."""
    steps = [
        Instruction(ENTRY + 4 * place, ENTRY + 4 * place + 4, *effect)
        for place, effect in enumerate(effects)
    ]
    jumps_to = {}
    for place, step in enumerate(steps):
        if step.op in (Op.JUMP, Op.BRANCH) and step.value:
            jumps_to.setdefault(step.value, []).append(place)
    return Flow(
        function=_function(len(steps)),
        instructions=steps,
        index_of={step.pc: place for place, step in enumerate(steps)},
        jumps_to=jumps_to,
        falls=[False] + [step.op not in _ENDS for step in steps[:-1]],
        depths=depths or [-64] * len(steps),
        effects=calls or {},
    )


def _function(count):
    numbers = dict.fromkeys(set(Func.__dataclass_fields__) - {"name", "entry", "end"}, 0)
    return Func(name="main.f", entry=ENTRY, end=ENTRY + 4 * count, **numbers)


def register(flow, index, number):
    """Return what a register holds before an instruction."""
    return set(Slicer(flow, MACHINE).register(index, number))


def const(number):
    return Value(Source.CONST, number)


def test_a_constant_is_followed_through_moves_and_the_stack():
    f = flow(
        (Op.CONST, AX, 0, 7),
        (Op.STORE, SP, AX, 16),
        (Op.CALL, 0, 0, 0),
        (Op.LOAD, CX, SP, 16),
        (Op.MOVE, BX, CX, 0),
        (Op.RETURN,),
    )

    assert register(f, 5, BX) == {const(7)}


def test_a_register_never_written_is_a_parameter():
    assert register(flow((Op.NOP,), (Op.RETURN,)), 1, AX) == {Value(Source.PARAMETER, AX)}


def test_a_stack_word_above_the_frame_is_a_parameter():
    f = flow((Op.LOAD, AX, SP, 80), (Op.RETURN,))

    assert register(f, 1, AX) == {Value(Source.STACK_PARAMETER, 16)}


def test_both_ways_of_a_join_count():
    f = flow(
        (Op.CONST, AX, 0, 1),
        (Op.BRANCH, 0, 0, 3),
        (Op.CONST, AX, 0, 2),
        (Op.RETURN,),
    )

    assert register(f, 3, AX) == {const(1), const(2)}


def test_a_loop_comes_to_an_end():
    f = flow((Op.CONST, AX, 0, 1), (Op.NOP,), (Op.BRANCH, 0, 0, 1), (Op.RETURN,))

    assert register(f, 3, AX) == {const(1)}


def test_a_conditional_move_is_both_values():
    f = flow((Op.CONST, AX, 0, 1), (Op.CONST, CX, 0, 2), (Op.CHOICE, AX, CX), (Op.RETURN,))

    assert register(f, 3, AX) == {const(1), const(2)}


def test_code_that_nothing_reaches_brings_no_value():
    f = flow((Op.CONST, AX, 0, 1), (Op.JUMP, 0, 0, 3), (Op.CONST, AX, 0, 9), (Op.RETURN,))
    f.falls[3] = False

    assert register(f, 3, AX) == {const(1)}


def test_the_retry_after_growing_the_stack_is_the_entry():
    f = flow((Op.NOP,), (Op.RETURN,), (Op.CONST, AX, 0, 5), (Op.JUMP, 0, 0, 0))

    assert register(f, 1, AX) == {Value(Source.PARAMETER, AX)}


def test_a_load_through_a_pointer_stays_symbolic():
    f = flow((Op.LOAD, CX, AX, 8), (Op.LOAD, BX, CX, 16), (Op.RETURN,))

    inner = Value(Source.LOADED, Value(Source.PARAMETER, AX), 8)
    assert register(f, 2, BX) == {Value(Source.LOADED, inner, 16)}


def test_a_load_from_the_frame_by_address_reads_the_slot():
    f = flow(
        (Op.CONST, AX, 0, 3),
        (Op.STORE, SP, AX, 24),
        (Op.LEA, DX, SP, 16),
        (Op.LOAD, BX, DX, 8),
        (Op.RETURN,),
    )

    assert register(f, 4, BX) == {const(3)}
    assert register(f, 4, DX) == {Value(Source.FRAME, -48)}


@pytest.mark.parametrize(
    "unmodelled",
    [
        (Op.CLOBBER, 1 << AX),
        (Op.LOAD, AX, ANY_BASE, 0),
    ],
)
def test_what_is_not_modelled_is_unknown(unmodelled):
    assert register(flow((Op.CONST, AX, 0, 1), unmodelled, (Op.RETURN,)), 2, AX) == {UNKNOWN}


def test_a_partial_write_of_a_slot_makes_it_unknown():
    f = flow((Op.STORE_CONST, SP, 5, 16), (Op.STORE_ANY, SP, 16, 8), (Op.LOAD, AX, SP, 16))

    assert set(Slicer(f, MACHINE).slot(1, -48)) == {const(5)}
    assert set(Slicer(f, MACHINE).slot(2, -48)) == {UNKNOWN}


def test_a_call_returns_results_and_a_write_barrier_does_not():
    calls = {1: CallEffect.BARRIER}
    f = flow(
        (Op.CONST, AX, 0, 1), (Op.CALL, 0, 0, 0), (Op.CALL, 0, 0, 0), (Op.RETURN,), calls=calls
    )

    assert register(f, 2, AX) == {const(1)}
    assert register(f, 2, 11) == {UNKNOWN}
    assert register(f, 3, AX) == {Value(Source.RESULT, 2, AX)}


def test_a_load_at_a_fixed_address_names_the_address():
    f = flow((Op.LOAD, AX, NO_BASE, 0x5000), (Op.RETURN,))

    assert register(f, 1, AX) == {Value(Source.LOADED, const(0x5000), 0)}


def test_many_ways_are_given_up():
    count = 40
    branches = [
        effect
        for place in range(count)
        for effect in ((Op.CONST, AX, 0, place), (Op.BRANCH, 0, 0, 2 * count))
    ]
    f = flow(*branches, (Op.RETURN,))

    assert register(f, 2 * count, AX) == {UNKNOWN}


def test_addresses_add_up():
    base = Value(Source.PARAMETER, AX)

    assert shifted(const(8), 4) == const(12)
    assert shifted(shifted(base, 8), 4) == Value(Source.OFFSET, base, 12)
    assert shifted(UNKNOWN, 4) == UNKNOWN


@pytest.mark.parametrize(
    ("name", "effect"),
    [
        ("runtime.gcWriteBarrier2", CallEffect.BARRIER),
        ("runtime.duffcopy", CallEffect.DUFF),
        ("runtime.panicIndex", CallEffect.NEVER_RETURNS),
        ("runtime.gopanic", CallEffect.NEVER_RETURNS),
        ("runtime.throw", CallEffect.NEVER_RETURNS),
        ("runtime.panicCheck1", CallEffect.NORMAL),
        ("runtime.newobject", CallEffect.NORMAL),
        ("main.throw", CallEffect.NORMAL),
    ],
)
def test_calls_of_the_runtime_leave_what_they_leave(name, effect):
    assert call_effect(name) is effect
