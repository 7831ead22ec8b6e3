"""Memory that grew outside the live heap, where no heap profile shows it."""

from memsnap.analysis.diff import Diff
from memsnap.analysis.finding import Cause, Finding, Growth, Severity
from memsnap.analysis.ledger import ledger
from memsnap.units import format_bytes

_OUTSIDE_BYTES = 16 << 20  # growth outside the live heap from which on it is a finding


def outside_the_heap(diff: Diff) -> list[Finding]:
    """Return the finding that memory grew that is not the live heap."""
    old, new = ledger(diff.before.capture), ledger(diff.after.capture)
    if old is None or new is None or not diff.lineage.one_life:
        return []
    grown = {
        entry.name: entry.bytes - previous.bytes
        for previous, entry in zip(old.entries[1:], new.entries[1:], strict=True)
    }
    if old.non_go is not None and new.non_go is not None:
        grown["memory outside of Go"] = max(new.non_go, 0) - max(old.non_go, 0)
    name, growth = max(grown.items(), key=lambda item: item[1])
    heap = new.entries[0].bytes - old.entries[0].bytes
    if growth < max(_OUTSIDE_BYTES, heap):
        return []
    return [
        Finding(
            id=f"outside-live-heap:{name}",
            kind="outside-live-heap",
            verdict=Cause.UNKNOWN,
            severity=Severity.LOW,
            confidence=0.5,
            title=f"{name[:1].upper()}{name[1:]} grew by {format_bytes(growth)}, "
            "which no heap profile shows",
            detail=(f"the live heap changed by {format_bytes(heap, signed=True)}",),
            advice=_OUTSIDE_ADVICE.get(name, "The memory ledger above has the parts."),
            growth=Growth(bytes=growth, low_bytes=growth, high_bytes=growth),
            evidence=(("part", name),),
        )
    ]


_OUTSIDE_ADVICE = {
    "idle heap": "Go keeps it for reuse and returns it over minutes; GOMEMLIMIT bounds it.",
    "stacks": "Stacks grow with goroutines: compare the goroutine counts.",
    "memory outside of Go": "Look at cgo, mapped files and the page cache of the container.",
    "profiler": "Many different stacks allocate: GODEBUG=profstackdepth bounds their length.",
    "fragmentation": "Objects of a few sizes keep spans alive that are mostly free.",
}
