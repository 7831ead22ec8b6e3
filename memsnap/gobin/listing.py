"""Every allocation site that an executable's code has, without any profile.

A site is a direct call of an allocation function, outside the runtime.  It is asked for its type
with no callers behind it, so that what only a sample's stack can tell stays open here.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from memsnap.gobin.executable import Executable
from memsnap.gobin.pclntab import Frame, Func
from memsnap.gobin.program import Program
from memsnap.gobin.site import Site
from memsnap.gobin.sites import Resolver

Progress = Callable[[int, int], None]
"""Told from time to time how many functions are done, of how many."""

_RUNTIME = ("runtime.", "runtime/internal/", "internal/runtime/")
_PROGRESS_EVERY = 64  # functions
_SITES_OF_A_RESOLVER = 1 << 15  # it keeps every answer, half a kB each, and none is asked for twice
# Rules know these for the type that they name; maps since Go 1.24 allocate in none of them
# (internal/runtime/maps: Delete, Clear, Iter.Init).
_NO_ALLOCATION_SINCE = 24
_NO_ALLOCATION = ("mapdelete", "mapclear", "mapIterStart", "mapiterinit")


class AllocationCall(NamedTuple):
    """A CALL at [pc, end) in `function`; `callee` is the allocation function's full name."""

    function: Func
    pc: int
    end: int
    callee: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedSite:
    """An allocation site with its answer.

    `function`, `file` and `line` are what a heap profile shows first: the innermost inlined call
    that is not the runtime's; `code_of` is the function whose code holds the CALL, at the
    link-time address `address`.  `line` is 0 and `file` "?" where they are not recorded.
    """

    function: str
    code_of: str
    file: str
    line: int
    address: int
    callee: str
    site: Site


def list_sites(executable: Executable, *, progress: Progress | None = None) -> Iterator[ListedSite]:
    """Yield the allocation sites outside the runtime, by address.

    Raises FormatError where the function table turns out to be damaged.
    """
    resolver, resolved = Resolver(executable), 0
    for call in allocation_calls(Program(executable), progress=progress):
        if is_runtime(call.function.name):
            continue
        resolved += 1
        if not resolved % _SITES_OF_A_RESOLVER:
            resolver = Resolver(executable)
        frame = _shown(executable.pclntab.inline_frames(call.end - 1), call.function)
        yield ListedSite(
            function=frame.name,
            code_of=call.function.name,
            file=frame.file,
            line=frame.line,
            address=call.pc,
            callee=call.callee,
            site=resolver.site((call.end - 1,), 0),
        )


def allocation_calls(
    program: Program, *, progress: Progress | None = None
) -> Iterator[AllocationCall]:
    """Yield the direct calls of functions that may allocate, by address, the runtime's too.

    The bytes are searched for calls with exactly such a target, which takes a hundredth of the
    time of decoding; that other bytes look like one is a matter of chance, 1 : 10^7 per binary.
    """
    pclntab = program.pclntab
    targets = {
        function.entry: function.name
        for function in pclntab.functions()
        if _allocates(program, function.name)
    }
    if not targets:
        return
    calls = _CALLS[program.machine.name]
    total = len(pclntab)
    for done, function in enumerate(pclntab.functions()):
        if progress and not done % _PROGRESS_EVERY:
            progress(done, total)
        size = function.end - function.entry
        code = program.image.read(function.entry, size) if size > 0 else b""
        for pc, end, target in calls(code, function.entry):
            callee = targets.get(target)
            if callee is not None:
                yield AllocationCall(function, pc, end, callee)
    if progress:
        progress(total, total)


def is_runtime(function: str) -> bool:
    """Whether a function belongs to Go's runtime, whose frames heap profiles leave out."""
    return function.startswith(_RUNTIME)


def _allocates(program: Program, name: str) -> bool:
    if program.rule(name) is None:
        return False
    swiss = program.minor >= _NO_ALLOCATION_SINCE
    return not (swiss and name.rpartition(".")[2].startswith(_NO_ALLOCATION))


def _shown(frames: list[Frame], function: Func) -> Frame:
    """Return the frame that a heap profile shows first."""
    own = (frame for frame in frames if not is_runtime(frame.name))
    return next(own, frames[0] if frames else Frame(function.name, "?", 0))


def _amd64_calls(code: bytes, start: int) -> Iterator[tuple[int, int, int]]:
    """Yield address, end and target of what may be a CALL rel32 (E8)."""
    at = code.find(0xE8)
    while 0 <= at <= len(code) - 5:
        end = start + at + 5
        yield end - 5, end, end + int.from_bytes(code[at + 1 : at + 5], "little", signed=True)
        at = code.find(0xE8, at + 1)


def _arm64_calls(code: bytes, start: int) -> Iterator[tuple[int, int, int]]:
    """Yield address, end and target of every BL (100101, then a signed count of words)."""
    for at, word in enumerate(memoryview(code[: len(code) // 4 * 4]).cast("I")):
        if word >> 26 == 0b100101:
            words = (word & 0x3FFFFFF) - (word >> 25 & 1) * 0x4000000
            pc = start + 4 * at
            yield pc, pc + 4, pc + 4 * words


_CALLS = {"amd64": _amd64_calls, "arm64": _arm64_calls}
