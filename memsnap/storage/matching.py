"""Which sites of a dictionary a user means: by type, and by frames on their stacks."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from memsnap.analysis import names
from memsnap.analysis.select import Selection
from memsnap.attribution import TYPE
from memsnap.errors import UsageError
from memsnap.pprof.profile import Bools, Int32s, Int64s
from memsnap.storage.sites import Sites


@dataclass(frozen=True, slots=True, eq=False)
class Matched:
    """The sites that a selection means; `missed` is the filter that nothing in them matches.

    `known` are the names that there would have been for it.
    """

    chosen: Bools
    missed: tuple[str, str] | None = None
    known: frozenset[str] = frozenset()


def match(sites: Sites, selection: Selection) -> Matched:
    """Return which sites pass the filters of a selection, but `min_bytes`.

    As in a diff: `focus` names types, the others any frame on the stack.  A filter that matches
    nothing is no error yet: another build may have what it names.
    """
    chosen = np.ones(len(sites), np.bool_)
    columns: tuple[tuple[str, str, Callable[[str], names.Filter], Callable[[str], str]], ...] = (
        ("--in", selection.function, names.function_filter, str),
        ("--package", selection.package, names.package_filter, names.package_of),
        ("--file", selection.file, names.file_filter, str),
    )
    if selection.focus:
        of_type, found = types(sites)
        wanted = names.type_filter(selection.focus)
        hits = np.array([wanted(text) for text in found], np.bool_)
        if not hits.any():
            return _nothing(sites, ("--focus", selection.focus), found)
        chosen &= np.append(hits, False)[of_type]
    for option, pattern, make, spell in columns:
        if not pattern:
            continue
        wanted = make(pattern)
        column = sites.functions.file if option == "--file" else sites.functions.name
        spelled = [spell(text) for text in sites.strings]
        used = sorted({spelled[at] for at in set(column.tolist())} - {""})
        if wanted.wanted and not any(map(wanted.wants, used)):
            return _nothing(sites, (option, pattern), used)
        if wanted.wanted:
            chosen &= _with_frame(sites, _hits(column, spelled, wanted.wants))
        chosen &= ~_with_frame(sites, _hits(column, spelled, wanted.bars))
    return Matched(chosen)


def nothing_matches(option: str, pattern: str, known: Iterable[str]) -> UsageError:
    """Return the error for a filter that matches nothing in any build."""
    close = names.nearest(pattern, sorted(known))
    return UsageError(
        f"nothing that was captured matches {option} {pattern!r}",
        hint=f"did you mean {', '.join(close)}?" if close else "memsnap top lists what there is",
    )


def _nothing(sites: Sites, missed: tuple[str, str], known: Iterable[str]) -> Matched:
    return Matched(np.zeros(len(sites), np.bool_), missed, frozenset(known))


def types(sites: Sites) -> tuple[Int64s, list[str]]:
    """Return the type of each site as a place in the list of all types, -1 for none."""
    labels = sites.labels
    keys = [at for at, text in enumerate(sites.strings) if text == TYPE]
    chosen = np.flatnonzero((labels.string >= 0) & np.isin(labels.key, np.array(keys, np.int32)))
    used = sorted(set(labels.string[chosen].tolist()))
    of_site = np.full(len(sites), -1, np.int64)
    rows = labels.sample[chosen] - sites.first[3]
    of_site[rows] = np.searchsorted(np.array(used, np.int32), labels.string[chosen])
    return of_site, [sites.strings[at] for at in used]


def _hits(column: Int32s, spelled: list[str], passes: Callable[[str], bool]) -> Bools:
    """Return which functions a filter means, of which `column` is the text that counts."""
    verdicts = {at: passes(spelled[at]) for at in set(column.tolist())}
    return np.array([verdicts[at] for at in column.tolist()], np.bool_)


def _with_frame(sites: Sites, functions: Bools) -> Bools:
    """Return the sites with any of these functions on their stacks."""
    locations = sites.locations
    hit = _any(functions[locations.line_function], locations.line_start)
    return _any(hit[sites.stack], sites.stack_start)


def _any(flags: Bools, starts: Int64s) -> Bools:
    before = np.concatenate([np.zeros(1, np.int64), np.cumsum(flags)])
    some: Bools = before[starts[1:]] > before[starts[:-1]]
    return some
