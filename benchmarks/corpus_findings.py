"""Findings of a series of captures, by the one function of memsnap that makes them.

Until `memsnap.api.findings` is there, those of `memsnap diff` over the whole series stand in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from memsnap import api
from memsnap.analysis.diff import diff
from memsnap.analysis.findings import Finding, find
from memsnap.analysis.reconcile import reconcile
from memsnap.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class _FromDiff:
    """A finding of `memsnap diff` in the form that the scorer reads."""

    kind: str
    verdict: str
    confidence: float
    function: str
    file: str
    line: int
    sites: tuple[Any, ...] = ()


def findings(snapshots: Sequence[Snapshot]) -> Sequence[Any]:
    """Return what memsnap says of captures of one process, the most important first."""
    if hasattr(api, "findings"):
        return api.findings(snapshots)
    compared = diff(list(snapshots))
    return [_from_diff(finding) for finding in find(compared, reconcile(compared))]


def _from_diff(finding: Finding) -> _FromDiff:
    verdict = str(dict(finding.evidence).get("verdict", "unknown"))
    at = finding.at
    return _FromDiff(
        kind=finding.id,
        verdict={"leak": "leak", "levelling off": "cache"}.get(verdict, "unknown"),
        confidence=1.0,
        function=at.function if at else "",
        file=at.file if at else "",
        line=at.line if at else 0,
    )
