"""Ctrl-C in the middle of a step that must be whole."""

import signal

import pytest

from memsnap.cli.interrupts import held_back


@pytest.fixture(autouse=True)
def interruptible():
    """SIGINT as in the foreground: a run in the background starts with it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupted_step(times):
    """Be interrupted in each of `times` parts of one step; return the parts that were done."""
    done = []

    def step():
        with held_back():
            for part in range(times):
                signal.raise_signal(signal.SIGINT)
                done.append(part)

    with pytest.raises(KeyboardInterrupt):
        step()
    return done


def test_the_step_is_finished_first():
    assert interrupted_step(1) == [0]


def test_the_second_does_not_wait():
    assert interrupted_step(2) == [0]


def test_afterwards_everything_is_as_before():
    with held_back():
        pass
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_who_ignores_it_goes_on_ignoring_it():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with held_back():
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
