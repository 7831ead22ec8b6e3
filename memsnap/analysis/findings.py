"""What captures mean, in plain words: typed, ranked statements with their evidence.

Two captures can show growth; what causes it takes a series of three or more.
"""

from dataclasses import replace

import numpy as np

from memsnap.analysis.causes import judge_groups
from memsnap.analysis.describe import describe
from memsnap.analysis.diff import Diff
from memsnap.analysis.emptied import emptied_maps
from memsnap.analysis.families import Family, families
from memsnap.analysis.finalizers import blocked_finalizers
from memsnap.analysis.finding import Cause, Finding, ranked
from memsnap.analysis.growth import growing_lines
from memsnap.analysis.outside import outside_the_heap
from memsnap.analysis.select import EVERYTHING
from memsnap.analysis.series import Series, series
from memsnap.analysis.signals import held_over, signals
from memsnap.analysis.unlocated import heap_without_site

_SERIES = 3  # captures from which on a cause can be told


def find(diff: Diff) -> tuple[Finding, ...]:
    """Return the findings of `diff`, the most important first; of its selection, if it has one."""
    if diff.found is not None:
        return diff.found
    whole = diff.selection == EVERYTHING
    one = diff.lineage.one_life and diff.lineage.same_rate
    found = _of_series(diff) if one and len(diff.snapshots) >= _SERIES else growing_lines(diff)
    if whole:
        if not any(_tells_of_growth(finding) for finding in found):
            found.extend(heap_without_site(diff))
        found.extend(outside_the_heap(diff))
        found.extend(blocked_finalizers(diff.snapshots))
        named = {finding.function for finding in found if finding.growth}
        found.extend(one for one in emptied_maps(diff) if one.function not in named)
    return ranked(found)


def settled(diff: Diff) -> tuple[Diff, tuple[Finding, ...]]:
    """Return `diff` with the verdicts that its findings give to its rows, and the findings."""
    if diff.found is None:
        diff = replace(diff, found=find(diff))
    return diff, diff.found or ()


def _tells_of_growth(finding: Finding) -> bool:
    swings = finding.verdict in (Cause.CHURN, Cause.LOAD, Cause.STEADY)
    return not swings and finding.growth is not None and finding.growth.bytes > 0


def _of_series(diff: Diff) -> list[Finding]:
    """Return the findings of a series; causes are told over all sites, whatever is selected."""
    everything = np.arange(len(diff.alignment))
    taken = series(replace(diff, selection=EVERYTHING, selected=everything))
    chosen = set(taken.group[diff.selected].tolist())
    found = families(taken, judge_groups(taken))
    described = [describe(taken, one) for one in found if _is_chosen(one, chosen, diff)]
    return described + (_remarks(taken, described) if diff.selection == EVERYTHING else [])


def _remarks(taken: Series, described: list[Finding]) -> list[Finding]:
    """Return the signals on functions that no finding is about already."""
    named = {finding.function for finding in described}
    return [finding for finding in signals(held_over(taken)) if finding.function not in named]


def _is_chosen(family: Family, chosen: set[int], diff: Diff) -> bool:
    """Whether a family is among what the selection asks for: any of its groups."""
    if diff.selection == EVERYTHING:
        return True
    return any(one.group in chosen for one in family.members)
