"""What memsnap does, one function each: the same for scripts, notebooks and the command line."""

from collections.abc import Sequence
from pathlib import Path

from memsnap.analysis.diff import Diff
from memsnap.analysis.diff import diff as _diff
from memsnap.analysis.finding import Finding
from memsnap.analysis.select import Selection
from memsnap.archive.references import is_reference
from memsnap.errors import UsageError
from memsnap.pprof.reader import DEFAULT_MAX_BYTES
from memsnap.snapshot import Snapshot
from memsnap.storage import snapfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from memsnap.archive.places import Place
    from memsnap.capture.access import Access


def load(
    source: str | Path,
    *,
    access: "Access | None" = None,
    max_bytes: int = DEFAULT_MAX_BYTES,
    place: "Place | None" = None,
) -> Snapshot:
    """Return a snapshot from a `.snap` file, any heap profile, a live target or a store.

    `source` is a path, `pid:4711`, `http://host:6060`, `unix:/run/app.sock`, or a capture of a
    store: `store:TARGET@-1h`, `store:17`.  `max_bytes` bounds the decompressed size of a file; a
    target is bounded by `access`.  `place` names the store or server, see `stored`.

    Raises FileError, FormatError, TargetError or StoreError, each naming the source.
    """
    if isinstance(source, str) and is_target(source):
        return capture(source, access=access)
    if isinstance(source, str) and is_reference(source):
        found = stored(source, place=place)
        if len(found) > 1:
            raise UsageError(f"{source} are {len(found)} captures", hint="memsnap.api.stored")
        return found[0]
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
    stacks_up_to: int = 2000,
) -> Snapshot:
    """Visit a live target once: a heap profile behind a forced GC, and its circumstances.

    `target` is `pid:4711`, `http://host:6060`, `unix:/run/app.sock` or `host:6060`; `access`
    holds credentials, timeouts and limits.  The sites of a process on this machine get their
    types.  The `go` statements of the goroutines come along where there are at most
    `stacks_up_to`; the process stands still for 5 to 25 us for each.  Raises TargetError or
    FormatError.
    """
    from memsnap.capture.access import DEFAULT_ACCESS
    from memsnap.capture.blocking import capture as visit
    from memsnap.capture.executables import TypeSource
    from memsnap.capture.target import parse_target
    from memsnap.storage.typecache import TypeCache

    place, with_access = parse_target(target), access or DEFAULT_ACCESS
    snapshot = visit(place, with_access, gc=gc, goroutines=goroutines, stacks_up_to=stacks_up_to)
    with TypeSource(memory=TypeCache()) as types:
        return types.attribute_if_possible(snapshot)


def stored(reference: str, *, place: "Place | None" = None) -> list[Snapshot]:
    """Return the captures of a store that a reference means, the oldest first.

    `store:TARGET@-2h..now` are all in between, any other reference is one.  `place` is a
    `StorePlace(url=...)` or a `ServerPlace(url=...)` of `memsnap.archive.places`; without it the
    environment says (MEMSNAP_STORE_URL, MEMSNAP_SERVER), or there is a memsnap.db here.

    Raises UsageError where nothing is meant, StoreError or ServerError where it cannot be had.
    """
    from memsnap.archive.blocking import load_stored
    from memsnap.archive.places import choose

    return load_stored(reference, place or choose())


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
    that changed by less than `min_bytes` are left out.  Rows have the verdicts of the findings that
    name their lines, which are `found`.

    Raises UsageError for fewer than two, and where a filter matches nothing.
    """
    from memsnap.analysis.findings import settled

    compared = _diff(
        _loaded(snapshots),
        Selection(focus=focus, function=function, package=package, file=file, min_bytes=min_bytes),
    )
    return settled(compared)[0]


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
