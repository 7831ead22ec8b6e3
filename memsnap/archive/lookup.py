"""From references to captures: which one is meant, or why none is."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from memsnap.archive.archive import Archive
from memsnap.archive.errors import NotFound
from memsnap.archive.moments import At, End, Moment, to_datetime
from memsnap.archive.references import SCHEME, Between, ById, Nearest, Reference
from memsnap.errors import UsageError
from memsnap.snapshot import Snapshot
from memsnap.storage.records import SnapshotFilter, SnapshotRecord, TargetRecord
from memsnap.units import format_count, format_duration, format_time

MOST_CAPTURES = 200
"""The most captures that a range may mean: each is read whole."""

# How far from the moment that was asked for a capture may be: a few minutes, or a quarter of how
# long ago the moment is, since old captures are kept at wider distances; or two captures' distance
# where captures are further apart than that.
_NEAR_S = 300.0
_NEAR_SHARE = 0.25
_NEAR_GAPS = 2.0
_GAPS_OF = 20  # captures before it, whose median distance counts


async def resolve(
    archive: Archive, reference: Reference, *, now_ns: int
) -> tuple[SnapshotRecord, ...]:
    """Return the captures that a reference means, the oldest first; one but for a range.

    Raises NotFound where there is none, with what there is instead; UsageError where a range has
    too many.
    """
    if isinstance(reference, ById):
        found = await archive.snapshots(SnapshotFilter(id=reference.id, limit=1))
        if not found:
            raise NotFound(
                f"{archive.name} has no snapshot {reference.id}",
                hint="memsnap list --snapshots shows those that it has",
            )
        return tuple(found)
    target = await archive.find_target(reference.target)
    if isinstance(reference, Between):
        return await _between(archive, target, reference)
    return (await _nearest(archive, target, reference, now_ns),)


async def load(archive: Archive, record: SnapshotRecord) -> Snapshot:
    """Return a snapshot whose name is the reference that gives it again."""
    snapshot = await archive.load(record.id)
    return replace(snapshot, name=f"{SCHEME}{record.id}")


async def resolve_all(
    archive: Archive, references: Sequence[Reference], *, now_ns: int
) -> list[tuple[SnapshotRecord, ...]]:
    """Return the captures of each reference.

    Raises UsageError where two mean the same: to compare a capture with itself shows nothing.
    """
    found = [await resolve(archive, each, now_ns=now_ns) for each in references]
    meant: dict[int, str] = {}
    for reference, records in zip(references, found, strict=True):
        for record in records:
            if record.id in meant:
                raise UsageError(
                    f"{meant[record.id]} and {reference.text} are the same capture, "
                    f"{_told(record)}",
                    hint=f"memsnap list {record.target_id} shows the captures of this target",
                )
            meant[record.id] = reference.text
    return found


async def _nearest(
    archive: Archive, target: TargetRecord, wanted: Nearest, now_ns: int
) -> SnapshotRecord:
    if isinstance(wanted.at, End):
        ends = await _first(archive, target, newest=wanted.at is End.LAST)
        return ends or _nothing(archive, target)
    at_ns = wanted.at.ns
    before = await _first(archive, target, newest=True, until_ns=at_ns + 1)
    after = await _first(archive, target, newest=False, since_ns=at_ns + 1)
    found = min(
        (each for each in (before, after) if each),
        key=lambda each: abs(each.slot_ns - at_ns),
        default=None,
    )
    if found is None:
        return _nothing(archive, target)
    distance_s = abs(found.slot_ns - at_ns) / 1e9
    near_s = max(_NEAR_S, _NEAR_SHARE * abs(now_ns - at_ns) / 1e9)
    if distance_s > near_s and distance_s > await _usual_s(archive, target, found):
        raise NotFound(
            f"{target.seen.key} has no capture near {wanted.at.text}; the nearest is "
            f"{_told(found)}, {format_duration(distance_s)} away",
            hint=await _range(archive, target),
        )
    return found


async def _usual_s(archive: Archive, target: TargetRecord, found: SnapshotRecord) -> float:
    """Return the distance that captures around `found` have anyway, in seconds."""
    earlier = await archive.snapshots(
        SnapshotFilter(target_id=target.id, until_ns=found.slot_ns + 1, limit=_GAPS_OF)
    )
    slots = [each.slot_ns for each in earlier]
    gaps = sorted(late - early for late, early in pairwise(slots))
    return _NEAR_GAPS * gaps[len(gaps) // 2] / 1e9 if gaps else 0.0


async def _between(
    archive: Archive, target: TargetRecord, wanted: Between
) -> tuple[SnapshotRecord, ...]:
    since_ns, until_ns = _bound(wanted.since), _bound(wanted.until)
    if since_ns is not None and until_ns is not None and since_ns > until_ns:
        raise UsageError(f"{wanted.text} ends before it begins", hint="write the earlier one first")
    if wanted.since is End.LAST or wanted.until is End.FIRST:
        raise UsageError(f"{wanted.text} is a single capture", hint="write first..last for all")
    found = await archive.snapshots(
        SnapshotFilter(
            target_id=target.id,
            since_ns=since_ns,
            until_ns=None if until_ns is None else until_ns + 1,
            limit=MOST_CAPTURES + 1,
            newest_first=False,
        )
    )
    if not found:
        raise NotFound(
            f"{target.seen.key} has no capture in {wanted.text}",
            hint=await _range(archive, target),
        )
    if len(found) > MOST_CAPTURES:
        raise UsageError(
            f"{wanted.text} are more than {format_count(MOST_CAPTURES)} captures",
            hint="choose a shorter time, or follow one site: memsnap series",
        )
    return tuple(found)


def _bound(moment: Moment) -> int | None:
    return moment.ns if isinstance(moment, At) else None


async def _first(
    archive: Archive,
    target: TargetRecord,
    *,
    newest: bool,
    since_ns: int | None = None,
    until_ns: int | None = None,
) -> SnapshotRecord | None:
    found = await archive.snapshots(
        SnapshotFilter(
            target_id=target.id,
            since_ns=since_ns,
            until_ns=until_ns,
            limit=1,
            newest_first=newest,
        )
    )
    return found[0] if found else None


async def _range(archive: Archive, target: TargetRecord) -> str:
    """Return the hint that says which captures a target has."""
    first = await _first(archive, target, newest=False)
    last = await _first(archive, target, newest=True)
    if first is None or last is None:
        return "memsnap list shows what there is"
    return (
        f"its captures go from {_told(first)} to {_told(last)}; memsnap list {target.id} shows them"
    )


def _nothing(archive: Archive, target: TargetRecord) -> SnapshotRecord:
    reason = f": {target.last_failure}" if target.last_failure else ""
    raise NotFound(
        f"{target.seen.key} has no capture in {archive.name}{reason}",
        hint=f"memsnap list {target.id} --failures shows why",
    )


def _told(record: SnapshotRecord) -> str:
    return f"#{record.id} of {format_time(to_datetime(record.slot_ns))}"
