"""What memsnap does, one function each: the same for scripts, notebooks and the command line."""

from collections.abc import Sequence
from pathlib import Path

from memsnap.analysis.diff import Diff
from memsnap.analysis.diff import diff as _diff
from memsnap.analysis.finding import Finding
from memsnap.analysis.select import Selection
from memsnap.pprof.reader import DEFAULT_MAX_BYTES
from memsnap.snapshot import Snapshot
from memsnap.storage import snapfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from memsnap.capture.access import Access


def load(
    source: str | Path, *, access: "Access | None" = None, max_bytes: int = DEFAULT_MAX_BYTES
) -> Snapshot:
    """Return a snapshot from a `.snap` file, any heap profile, or a live target.

    `source` is a path, `pid:4711`, `http://host:6060`, `unix:/run/app.sock`.  `max_bytes` bounds
    the decompressed size of a file; a target is bounded by `access`.

    Raises FileError, FormatError or TargetError, each naming the source.
    """
    if isinstance(source, str) and is_target(source):
        return capture(source, access=access)
    return snapfile.load(source, max_bytes=max_bytes)


def save(snapshot: Snapshot, path: str | Path) -> int:
    """Write a `.snap` file, whole or not at all, and return its size in bytes."""
    return snapfile.save(snapshot, path)


def capture(
    target: str,
    *,
    access: "Access | None" = None,
    gc: bool = True,
    goroutines: bool = True,
) -> Snapshot:
    """Visit a live target once: a heap profile behind a forced GC, and its circumstances.

    `target` is `pid:4711`, `http://host:6060`, `unix:/run/app.sock` or `host:6060`; `access`
    holds credentials, timeouts and limits.  The sites of a process on this machine get their
    types.  Raises TargetError or FormatError.
    """
    from memsnap.capture.access import DEFAULT_ACCESS
    from memsnap.capture.blocking import capture as visit
    from memsnap.capture.executables import TypeSource
    from memsnap.capture.target import parse_target
    from memsnap.storage.typecache import TypeCache

    place, with_access = parse_target(target), access or DEFAULT_ACCESS
    snapshot = visit(place, with_access, gc=gc, goroutines=goroutines)
    with TypeSource(memory=TypeCache()) as types:
        return types.attribute_if_possible(snapshot)


def diff(
    *snapshots: Snapshot | str | Path,
    focus: str = "",
    function: str = "",
    package: str = "",
    file: str = "",
    min_bytes: int = 0,
) -> Diff:
    """Compare two or more snapshots (or what `load` takes), the oldest first.

    `focus` names Go types of objects, `function`, `package` and `file` frames on the stack; rows
    that changed by less than `min_bytes` are left out.

    Raises UsageError for fewer than two, and where a filter matches nothing.
    """
    return _diff(
        _loaded(snapshots),
        Selection(focus=focus, function=function, package=package, file=file, min_bytes=min_bytes),
    )


def findings(snapshots: Sequence[Snapshot | str | Path]) -> tuple[Finding, ...]:
    """Say what grows and why over a series of captures of one process, the oldest first.

    Takes snapshots, or what `load` takes; three or more can tell a leak from a cache, two only
    show growth.  The most important finding comes first, and only one whose `verdict` is
    `Cause.LEAK` claims a leak.

    Raises UsageError for fewer than two.
    """
    from memsnap.analysis.findings import find

    return find(_diff(_loaded(snapshots)))


def _loaded(snapshots: Sequence[Snapshot | str | Path]) -> list[Snapshot]:
    return [item if isinstance(item, Snapshot) else load(item) for item in snapshots]


def is_target(source: str) -> bool:
    """Whether `source` has a target's scheme, decided without loading the network's modules."""
    return source.lower().startswith(("http://", "https://", "unix:", "pid:"))
