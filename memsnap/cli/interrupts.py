"""Ctrl-C that waits for a step which must not be cut in two."""

import contextlib
import signal
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Let a first SIGINT wait until the block has ended; then it does what it would have done.

    For a step and its record that must agree: a file and the count of files, lines on the screen
    and the number of lines to take back.
    """
    came: list[tuple[int, Any]] = []
    usual = signal.getsignal(signal.SIGINT)
    if not callable(usual):  # ignored, or not Python's own
        yield
        return

    def wait(*given: Any) -> None:
        came.append(given)
        signal.signal(signal.SIGINT, usual)  # a second one does not wait: the block may hang

    signal.signal(signal.SIGINT, wait)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
        if came:
            usual(*came[0])
