"""How a command is run and what it is run on: heap profiles and captures of one small service."""

import os
from dataclasses import dataclass
from pathlib import Path

from builders.profiles import Row, heap

from memsnap.pprof.encode import compress, encode
from memsnap.pprof.profile import Profile
from memsnap.snapshot import Capture, GcProof, MemStats, Process, ProcessMemory, Snapshot
from memsnap.storage import snapfile

START_NS = 1_795_386_000_000_000_000
SERVE = "net/http.(*conn).serve server.go:2009"


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """The lines on standard error."""
        return self.err.splitlines()


def plain_environment() -> dict[str, str]:
    """Return the environment without what changes the look of the output."""
    left_out = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "MEMSNAP_CONFIG", "TERM")
    return {name: value for name, value in os.environ.items() if name not in left_out}


def profile(leaked: int = 10) -> bytes:
    """The bytes of a heap profile in which main.readBody holds `leaked` bodies of 32 kB."""
    return compress(encode(_heap(leaked, minute=0)))


def _heap(leaked: int, minute: int) -> Profile:
    return heap(
        Row(f"main.readBody shop.go:40 < {SERVE}", size=32768, alloc=leaked, live=leaked),
        Row("main.load shop.go:12 < main.main shop.go:5", size=1024, alloc=9, live=9),
        time_nanos=START_NS + minute * 60_000_000_000,
    )


def save_capture(path: Path, leaked: int, *, minute: int = 0, pid: int = 4711) -> Path:
    """Write a `.snap` of a service that has leaked `leaked` bodies."""
    built = _heap(leaked, minute)
    live = (1 << 20) + leaked * (540 << 10)
    described = Capture(
        target=f"pid:{pid}",
        service="shop",
        taken_ns=built.time_nanos,
        gc=GcProof(forced=True, proven=True, reason="cycle", num_gc_after=6 + minute),
        mem_stats=MemStats(source="debug=1", heap_alloc=live, num_gc=6 + minute),
        memory=ProcessMemory(rss=2 * live),
        process=Process(pid=pid, start_time_ns=START_NS, go_version="go1.27.3"),
    )
    snapfile.save(Snapshot(name=str(path), heap=built, capture=described), path)
    return path
