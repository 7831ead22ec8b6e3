"""What names a finding over restarts and builds: its kind, and its cause without line numbers."""

import re

from memsnap.analysis.finding import Finding

# The compiler numbers closures, goroutine wrappers and bodies of range-over-func in the order in
# which they stand (cmd/compile/internal/ir/func.go, closureName); an edit above them moves all.
_NUMBERED = re.compile(r"\b(func|gowrap|range)\d+(?:\.\d+)*(?!\w)")


def stable_function(function: str) -> str:
    """Return a function's name without the numbers that the compiler gives to closures."""
    return _NUMBERED.sub(r"\1", function)


def fingerprint(finding: Finding) -> str:
    """Return what is the same for this finding in another build: `map-growth:main.put:[]uint8`."""
    return f"{finding.kind}:{stable_function(finding.function)}:{finding.type}"


def fingerprints(found: tuple[Finding, ...]) -> tuple[str, ...]:
    """Return the fingerprint of each, numbered from the second on where several share one."""
    counts: dict[str, int] = {}
    named = []
    for finding in found:
        name = fingerprint(finding)
        counts[name] = counts.get(name, 0) + 1
        named.append(name if counts[name] == 1 else f"{name}#{counts[name]}")
    return tuple(named)
