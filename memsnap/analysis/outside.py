"""Memory outside the live heap, where no heap profile shows it: what grew, and what is large.

None of it is a leak of Go objects; the ledger's parts say what to turn.
"""

from memsnap.analysis.catalogue import CATALOGUE
from memsnap.analysis.diff import Diff
from memsnap.analysis.finding import Cause, Finding, Growth, Severity
from memsnap.analysis.ledger import Ledger, ledger
from memsnap.units import format_bytes

_GROWN_BYTES = 16 << 20  # growth outside the live heap from which on it is a finding
_LARGE_BYTES = 64 << 20  # size from which on a part is one, if it also
_LARGE_SHARE = 1.0  # exceeds the live heap by this factor
_KINDS = {
    "fragmentation": "fragmentation",
    "idle heap": "idle-heap",
    "stacks": "stacks",
    "profiler": "profiler",
    "runtime": "runtime",
    "memory outside of Go": "non-go-memory",
    "garbage": "garbage",
}


def outside_the_heap(diff: Diff) -> list[Finding]:
    """Return a finding on the part that grew most, and one on each that exceeds the live heap."""
    old, new = ledger(diff.before.capture), ledger(diff.after.capture)
    if old is None or new is None or not diff.lineage.one_life:
        return []
    before, after = _parts(old), _parts(new)
    grown = {name: after[name] - before[name] for name in after if name in before}
    heap = new.entries[0].bytes - old.entries[0].bytes
    least = max(_GROWN_BYTES, heap)
    grown.pop("garbage", None)
    name = max(grown, key=lambda part: grown[part])
    found = [_grown(name, grown[name], heap)] if grown[name] >= least else []
    named = {finding.kind for finding in found}
    return found + [finding for finding in larger_than_the_heap(new) if finding.kind not in named]


def larger_than_the_heap(known: Ledger) -> list[Finding]:
    """Return a finding on each part of one capture that exceeds the live heap and 64 MB."""
    live = known.entries[0].bytes
    large = max(_LARGE_BYTES, int(_LARGE_SHARE * live))
    sizes = {part: size for part, size in _parts(known).items() if part != "runtime"}
    return [_large(part, size, live) for part, size in sizes.items() if size > large]


def _parts(known: Ledger) -> dict[str, int]:
    """Return the bytes of each part but the live heap."""
    parts = {entry.name: entry.bytes for entry in known.entries[1:]}
    if known.non_go is not None:
        parts["memory outside of Go"] = max(known.non_go, 0)
    if known.garbage is not None:
        parts["garbage"] = known.garbage
    return parts


def _grown(name: str, growth: int, heap: int) -> Finding:
    kind = _KINDS[name]
    return Finding(
        id=f"{kind}:",
        kind=kind,
        verdict=Cause.UNKNOWN,
        severity=Severity.LOW,
        confidence=0.5,
        title=f"{name[:1].upper()}{name[1:]} grew by {format_bytes(growth)}, "
        "which no heap profile shows",
        detail=(f"the live heap changed by {format_bytes(heap, signed=True)}",),
        advice=CATALOGUE[kind].advice,
        example=CATALOGUE[kind].example,
        growth=Growth(bytes=growth, low_bytes=growth, high_bytes=growth),
        evidence=(("part", name),),
    )


def _large(name: str, size: int, live: int) -> Finding:
    kind = _KINDS[name]
    return Finding(
        id=f"{kind}:",
        kind=kind,
        verdict=Cause.STEADY,
        severity=Severity.INFO,
        confidence=0.9,
        title=f"{name[:1].upper()}{name[1:]}: {format_bytes(size)}, more than the live heap",
        detail=(f"the live heap is {format_bytes(live)}", CATALOGUE[kind].meaning),
        advice=CATALOGUE[kind].advice,
        example=CATALOGUE[kind].example,
        evidence=(("part", name), ("part_bytes", size), ("live_heap_bytes", live)),
    )
