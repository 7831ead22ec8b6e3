"""What a goroutine's stack tells by itself: what it waits for, and which line of code waits."""

from collections.abc import Sequence

from memsnap.analysis.names import package_of
from memsnap.analysis.own import is_outside, is_own
from memsnap.analysis.rows import Frame

# By function on the stack, the first hit from the leaf: runtime/runtime2.go waitReason's words.
_STATES = (
    ("runtime.chansend", "chan send"),
    ("runtime.chanrecv", "chan receive"),
    ("runtime.selectgo", "select"),
    ("runtime.block", "select with no cases"),
    ("internal/poll.runtime_pollWait", "IO wait"),
    ("sync.(*WaitGroup).Wait", "WaitGroup.Wait"),
    ("sync.(*Cond).Wait", "Cond.Wait"),
    ("sync.(*RWMutex).RLock", "RWMutex.RLock"),
    ("sync.(*RWMutex).Lock", "RWMutex.Lock"),
    ("sync.(*Mutex).Lock", "Mutex.Lock"),
    ("internal/sync.(*Mutex).Lock", "Mutex.Lock"),
    ("sync.runtime_Semacquire", "semaphore"),
    ("time.Sleep", "sleep"),
)
COMES_AND_GOES = ("IO wait", "running", "sleep")
"""States that goroutines with work to do are in as well: growth there may be load."""

_PLUMBING = ("", "runtime", "internal/poll", "sync", "internal/sync", "time", "syscall")


def state_of(frames: Sequence[Frame]) -> str:
    """Return what a goroutine of these frames (innermost first) waits for; "running" if nothing."""
    for frame in frames:
        for function, state in _STATES:
            if frame.function == function or frame.function.startswith(function):
                return state
    return "running"


def place_of(frames: Sequence[Frame], module: str) -> tuple[Frame, bool]:
    """Return where the code waits, and whether that is own code.

    It is the innermost frame of own code, else of code outside Go's library, else outside the
    plumbing.
    """
    outside = None
    plain = None
    for frame in frames:
        package = package_of(frame.function)
        if is_own(package, module):
            return frame, True
        if outside is None and is_outside(package):
            outside = frame
        if plain is None and package not in _PLUMBING:
            plain = frame
    return outside or plain or frames[-1], False


def outermost_own(frames: Sequence[Frame], module: str) -> Frame | None:
    """Return the own code that a goroutine runs for, None where its stack has none."""
    own = (frame for frame in reversed(frames) if is_own(package_of(frame.function), module))
    return next(own, None)
