"""Whether several captures show one life of one process, in order: what may be subtracted.

Cumulative counts only mean anything within one life.  After a restart no object can have
survived, and two builds share functions but not lines.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import pairwise

from memsnap.snapshot import Capture, Snapshot
from memsnap.units import format_duration


class Relation(Enum):
    """How the captures of a comparison relate."""

    ONE_LIFE = "one life"  # as far as anything shows: the same process, in order
    RESTARTED = "restarted"  # two lives of one build
    OTHER_BUILD = "other build"  # two lives of two builds
    REVERSED = "reversed"  # one life, later capture first
    OTHER_RATE = "other sampling rate"  # counts are of different samplings


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """The relation, and the sentences that say what it rests on or what spoils it.

    Only captures of one sampling rate (`same_rate`) can be compared by their counts.
    """

    relation: Relation
    warnings: tuple[str, ...] = ()
    same_rate: bool = True

    @property
    def one_life(self) -> bool:
        """True where cumulative counts subtract to allocations, and objects can survive."""
        return self.relation is Relation.ONE_LIFE


def trace(snapshots: Sequence[Snapshot]) -> Lineage:
    """Return the lineage of `snapshots` as their circumstances tell it.

    The counts may contradict it later: see `contradicted`.
    """
    relation, warnings = _relation(snapshots)
    rates = sorted({snapshot.heap.period for snapshot in snapshots})
    if len(rates) > 1:
        if relation in (Relation.ONE_LIFE, Relation.REVERSED):
            relation = Relation.OTHER_RATE
        warnings.append(
            f"The captures were sampled at different rates ({', '.join(map(str, rates))} bytes): "
            "only totals can be compared, and no row is called significant."
        )
    return Lineage(
        relation=relation,
        warnings=(*warnings, *_gc_warnings(snapshots)),
        same_rate=len(rates) == 1,
    )


def _relation(snapshots: Sequence[Snapshot]) -> tuple[Relation, list[str]]:
    """Return what builds, processes and clocks tell, and the sentence that says so."""
    builds = {_build(snapshot) for snapshot in snapshots} - {""}
    if len(builds) > 1:
        return Relation.OTHER_BUILD, [
            f"The captures are of {len(builds)} different builds: sites are compared by function, "
            "not by line, and nothing can have survived."
        ]
    pairs = [(before.capture, after.capture) for before, after in pairwise(snapshots)]
    restart = next(filter(None, (_restart(before, after) for before, after in pairs)), "")
    if restart:
        return Relation.RESTARTED, [
            f"The process was restarted between the captures ({restart}): two lives are compared, "
            "and nothing can have survived."
        ]
    if any(_is_later(before, after) for before, after in pairs):
        return Relation.REVERSED, [
            "The captures are not in order of time: growth is what the later file on the command "
            "line has more, and allocations between them are unknown."
        ]
    return Relation.ONE_LIFE, []


def contradicted(lineage: Lineage, falling: int) -> Lineage:
    """Return the lineage once `falling` buckets turned out to have allocated less, later.

    Go never takes back an allocation count and never drops a bucket (runtime/mprof.go), so a
    single falling one proves another life.
    """
    if not falling or not lineage.one_life:
        return lineage
    sites = "1 site has" if falling == 1 else f"{falling:,} sites have"
    return replace(
        lineage,
        relation=Relation.RESTARTED,
        warnings=(
            f"{sites} fewer allocations in a later capture: another process, or a restart, or "
            "captures in the wrong order. Two lives are compared, and nothing can have survived.",
            *lineage.warnings,
        ),
    )


def elapsed_s(first: Capture, last: Capture) -> float | None:
    """Return the seconds between two captures by the target's own clock; None if unknown."""
    if not first.taken_ns or not last.taken_ns:
        return None
    return (last.taken_ns - first.taken_ns) / 1e9


def _build(snapshot: Snapshot) -> str:
    process = snapshot.capture.process
    mapped = next((mapping.build_id for mapping in snapshot.heap.mappings), "")
    return process.build_id or mapped


def _is_later(before: Capture, after: Capture) -> bool:
    return bool(before.taken_ns and after.taken_ns and before.taken_ns > after.taken_ns)


def _restart(before: Capture, after: Capture) -> str:
    """Return what shows that `after` is another life than `before`, or nothing."""
    old, new = before.process, after.process
    if old.start_time_ns and new.start_time_ns:
        # Start times are read at a resolution of 10 ms and a boot time of whole seconds.
        apart = abs(new.start_time_ns - old.start_time_ns) / 1e9
        if apart > 2:
            return f"start times are {format_duration(apart)} apart"
        if old.pid and new.pid and old.pid != new.pid:
            return f"pid {old.pid}, then {new.pid}"
        return ""
    old_gc = before.mem_stats.num_gc if before.mem_stats else None
    new_gc = after.mem_stats.num_gc if after.mem_stats else None
    in_order = not _is_later(before, after)
    if old_gc is not None and new_gc is not None and new_gc < old_gc and in_order:
        return f"GC cycle {old_gc}, then {new_gc}"
    return ""


def _gc_warnings(snapshots: Sequence[Snapshot]) -> list[str]:
    """Return a warning for the captures that may hold garbage, the alike ones in one sentence."""
    reasons: dict[str, list[str]] = {}
    for snapshot in snapshots:
        gc = snapshot.capture.gc
        if gc is None or not gc.proven:
            reason = gc.reason if gc else "a plain profile does not tell"
            reasons.setdefault(reason, []).append(snapshot.name)
    return [
        f"{' and '.join(names)}: not proven to stand behind a finished GC ({reason}), so garbage "
        "may count as live and recent allocations may be missing."
        for reason, names in reasons.items()
    ]
