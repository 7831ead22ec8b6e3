"""Maps that were emptied and keep their tables: Go's maps grow, and never shrink.

A profile does not tell how full a map is.  Where a map holds pointers, and only it holds pointers
to objects of that type, the objects tell: they went, and the tables stayed.
"""

import numpy as np

from memsnap.analysis.catalogue import CATALOGUE
from memsnap.analysis.diff import Diff
from memsnap.analysis.finding import Cause, Finding, Number, Place, Severity
from memsnap.analysis.names import short_function, short_type
from memsnap.analysis.own import own_frames
from memsnap.analysis.stacks import frame_of
from memsnap.pprof.profile import Bools, Int64s
from memsnap.units import format_bytes, format_count

_KIND = "emptied-map"
_LARGE_BYTES = 1 << 20  # of tables: less is not worth a finding
_LARGE_SHARE = 0.02  # of the live heap, likewise
_STAYED = 0.5  # of the tables at the peak: more of them are still there
_LEFT = 0.5  # of the entries at the peak: fewer of them are
_SAMPLED = 16  # entries sampled at the peak: their fall by half is no chance


def emptied_maps(diff: Diff) -> list[Finding]:
    """Return a finding on each map that holds far fewer objects than its tables were made for.

    Empty where the captures are not of one life, or have no types.
    """
    if not (diff.lineage.one_life and diff.lineage.same_rate):
        return []
    alignment = diff.alignment
    strings = alignment.frames.strings
    made = np.array([at >= 0 and strings[at] == "map" for at in alignment.alloc.tolist()])
    holders: dict[str, list[int]] = {}
    for at in np.unique(alignment.type[made]).tolist():
        held = _pointed_to(strings[at]) if at >= 0 else ""
        if held:
            holders.setdefault(held, []).append(at)
    types = {strings[at]: at for at in np.unique(alignment.type).tolist() if at >= 0}
    found = []
    for held, maps in holders.items():
        if len(maps) == 1 and held in types:
            tables = made & (alignment.type == maps[0])
            entries = ~made & (alignment.type == types[held])
            found += _emptied(diff, tables, entries, (strings[maps[0]], held))
    return found


def _pointed_to(name: str) -> str:
    """Return the T of `map[K]*T`, empty for other types."""
    depth = 0
    for at, letter in enumerate(name):
        depth += (letter == "[") - (letter == "]")
        if letter == "]" and depth == 0:
            value = name[at + 1 :]
            is_map = name.startswith("map[") and value.startswith("*")
            return value[1:] if is_map else ""
    return ""


def _emptied(diff: Diff, tables: Bools, entries: Bools, names: tuple[str, str]) -> list[Finding]:
    """Return the finding on one map, if it is one; `names` are its type and that of its entries."""
    counts = diff.counts
    sampled = counts.live_raw[entries].sum(axis=0)
    objects = counts.live_objects[entries].sum(axis=0)
    size = counts.live_bytes[tables].sum(axis=0)
    peak = int(sampled.argmax())
    held = int(size[-1])
    least = max(_LARGE_BYTES, _LARGE_SHARE * float(counts.live_bytes[:, -1].sum()))
    emptied = sampled[peak] >= _SAMPLED and sampled[-1] <= _LEFT * sampled[peak]
    if not emptied or held < least or held < _STAYED * float(size[peak]):
        return []
    rows = np.flatnonzero(tables)
    rows = rows[np.argsort(-counts.live_bytes[rows, -1], kind="stable")]
    return [_finding(diff, rows, names, (int(objects[peak]), int(objects[-1]), held))]


def _finding(
    diff: Diff, rows: Int64s, names: tuple[str, str], numbers: tuple[int, int, int]
) -> Finding:
    peak, left, held = numbers
    module = diff.after.capture.process.module
    frame = int(own_frames(diff.alignment, rows[:1], module)[0])
    at = frame_of(diff.alignment, frame) if frame >= 0 else None
    function, file, line = (at.function, at.file, at.line) if at else ("", "", 0)
    map_type, entry_type = (short_type(name) for name in names)
    evidence: dict[str, Number] = {
        "table_bytes": held,
        "entries_peak": peak,
        "entries_left": left,
        "entry_type": entry_type,
    }
    entry = CATALOGUE[_KIND]
    return Finding(
        id=f"{_KIND}:{function}",
        kind=_KIND,
        verdict=Cause.STEADY,
        severity=Severity.LOW,
        confidence=0.8,
        title=(
            f"{short_function(function) or 'code without a stack'} keeps {format_bytes(held)} of "
            f"tables of {map_type} for entries that went"
        ),
        detail=(
            f"live objects of {entry_type} fell from {format_count(peak)} to {format_count(left)} "
            "as sampled, and no other map holds pointers to them",
            entry.meaning,
        ),
        advice=entry.advice,
        example=entry.example,
        function=function,
        file=file,
        line=line,
        type=map_type,
        sites=(Place(function=function, file=file, line=line, type=map_type, bytes=0),),
        evidence=tuple(evidence.items()),
    )
