"""Which captures a diff is of: ids, moments of a target, or TARGET@MOMENT, snapped to captures."""

import re
import time

from memsnap.archive.archive import Archive
from memsnap.archive.lookup import resolve_all
from memsnap.archive.moments import At, End
from memsnap.archive.references import ById, Nearest, Reference, parse_reference
from memsnap.errors import UsageError
from memsnap.storage.records import SnapshotFilter, SnapshotRecord
from memsnap.web.api.forms import read_moment
from memsnap.web.api.parameters import Values

_MOST_BETWEEN = 1000  # captures among which those in between are chosen


async def captures_of(archive: Archive, values: Values) -> tuple[SnapshotRecord, ...]:
    """Return the captures that `before`, `after`, `target` and `between` mean, in their order.

    Raises UsageError where they mean none, or both the same; NotFound where there is none.
    """
    now_ns = time.time_ns()
    references = [_reference(name, values, now_ns=now_ns) for name in ("before", "after")]
    (before,), (after,) = await resolve_all(archive, references, now_ns=now_ns)
    if not values["between"]:
        return before, after
    return before, *await _between(archive, before, after, values["between"]), after


async def _between(
    archive: Archive, before: SnapshotRecord, after: SnapshotRecord, count: int
) -> list[SnapshotRecord]:
    """Return up to `count` captures between two of one target, evenly chosen, the oldest first."""
    if before.target_id != after.target_id or before.slot_ns >= after.slot_ns:
        return []
    found = await archive.snapshots(
        SnapshotFilter(
            target_id=before.target_id,
            since_ns=before.slot_ns + 1,
            until_ns=after.slot_ns,
            limit=_MOST_BETWEEN,
            newest_first=False,
        )
    )
    if len(found) <= count:
        return found
    return [found[(2 * at + 1) * len(found) // (2 * count)] for at in range(count)]


def _reference(name: str, values: Values, *, now_ns: int) -> Reference:
    text, target = values[name].strip(), values["target"]
    if re.fullmatch(r"[0-9]{1,15}", text):
        return ById(text=text, id=int(text))
    if not target:
        if "@" not in text:
            raise UsageError(
                f"{name} is {text!r}, and no snapshot's id",
                hint=f"a moment is one of a target: target=3, or {name}=TARGET@-1h",
            )
        found = parse_reference(f"store:{text}", now_ns=now_ns)
        if not isinstance(found, Nearest):
            raise UsageError(f"{name} is {text!r}", hint=f"{name} is one capture, not a range")
        return found
    if text.lower() in {End.FIRST.value, End.LAST.value}:
        return Nearest(text=f"{target}@{text}", target=target, at=End(text.lower()))
    moment = At(ns=read_moment(name, text), text=text)
    return Nearest(text=f"{target}@{text}", target=target, at=moment)
