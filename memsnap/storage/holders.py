"""What held the live heap over time: the largest types, functions, lines or packages.

Reads captures evenly spread over a time, and not more of them than can be added up in a moment.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import select

from memsnap.analysis.names import package_of
from memsnap.analysis.select import Selection
from memsnap.analysis.table import By
from memsnap.errors import UsageError
from memsnap.pprof.profile import Int64s
from memsnap.storage import builds, columns, matching
from memsnap.storage.database import Database
from memsnap.storage.idlists import among
from memsnap.storage.sites import Sites, object_bytes
from memsnap.storage.tables import processes, snapshots

GROUPINGS = (By.TYPE, By.FUNCTION, By.LINE, By.PACKAGE)
MOST_CAPTURES = 400
MOST_IN_SPAN = 200_000
_MOST_SAMPLES = 4_000_000  # of all captures that are read, some 100 MB while they are added up
_LIVE_BYTES = columns.ROLES.index("inuse_space")


class Holder(NamedTuple):
    """What may hold objects; `file` and `line` are empty and 0 unless it is a line."""

    name: str
    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Holders:
    """Live bytes by capture, as Go estimates them; columns have a row per capture, by slot.

    `live[i]` is what `holders[i]` held, the one with the largest peak first; `rest` is what all
    others held, and `unknown` what is of no known holder.  `found` counts the captures in the
    time asked for; `named` is whether any holder is known at all.
    """

    found: int
    slot_ns: Int64s
    snapshot_id: Int64s
    process_id: Int64s
    holders: tuple[Holder, ...]
    live: Int64s  # (holders, captures)
    rest: Int64s
    unknown: Int64s
    named: bool


async def holders(
    db: Database,
    target_id: int,
    *,
    by: By,
    limit: int,
    since_ns: int,
    until_ns: int,
    match: Selection,
) -> Holders:
    """Return the `limit` largest holders of what `match` means, over a target's captures.

    `by` is one of `GROUPINGS`; a function, a line and a package are those of the innermost frame.
    `until_ns` is exclusive.  Raises UsageError where nothing in any build matches, or for too
    many captures, and FormatError where a row is damaged.
    """
    row = snapshots.c
    span = (row.target_id == target_id, row.slot_ns >= since_ns, row.slot_ns < until_ns)
    async with db.connect() as connection:
        query = select(row.slot_ns).where(*span).order_by(row.slot_ns).limit(MOST_IN_SPAN + 1)
        slots = list((await connection.execute(query)).scalars())
        if len(slots) > MOST_IN_SPAN:
            raise UsageError(
                f"there are more than {MOST_IN_SPAN:,} captures in this time",
                hint="ask for a shorter time",
            )
        size = select(row.samples_count).where(*span).order_by(row.slot_ns.desc()).limit(1)
        samples = (await connection.execute(size)).scalar() or 1
        most = max(2, min(MOST_CAPTURES, _MOST_SAMPLES // max(samples, 1)))
        query = (
            select(row.slot_ns, row.id, row.process_id, processes.c.build_id, row.sampling_rate)
            .add_columns(row.samples)
            .join(processes, processes.c.id == row.process_id)
            .where(row.target_id == target_id)
            .where(among(connection, row.slot_ns, evenly(slots, most)))
            .order_by(row.slot_ns)
        )
        rows = (await connection.execute(query)).all()
        wanted = {each.build_id for each in rows}
        dictionaries = {build: await builds.whole(connection, build) for build in wanted}
    return await asyncio.to_thread(
        _added_up, rows, dictionaries, by=by, match=match, limit=limit, found=len(slots)
    )


def evenly(slots: Sequence[int], most: int) -> list[int]:
    """Return up to `most` (2 or more) of these, evenly by their number, with the ends."""
    last = len(slots) - 1
    if last < most:
        return list(slots)
    return [slots[round(at * last / (most - 1))] for at in range(most)]


def _added_up(
    rows: Sequence[Any],
    dictionaries: dict[int, Sites],
    *,
    by: By,
    match: Selection,
    limit: int,
    found: int,
) -> Holders:
    chosen = _chosen(dictionaries, match)
    numbers: dict[Holder, int] = {}
    of_site = {build: _of_sites(sites, by, numbers) for build, sites in dictionaries.items()}
    sizes = {build: object_bytes(sites) for build, sites in dictionaries.items()}
    rates = {(row.build_id, row.sampling_rate) for row in rows}
    scales = {(build, rate): columns.scales(sizes[build], rate) for build, rate in rates}
    live = np.zeros((len(rows), len(numbers) + 1), np.int64)  # those of none are the last
    for at, row in enumerate(rows):
        raw = columns.decode(row.samples)
        raw = raw.taken(np.flatnonzero(chosen[row.build_id][raw.sites]))
        scale = scales[row.build_id, row.sampling_rate][raw.sites]
        values = raw.values(sizes[row.build_id][raw.sites], scale)
        for column in np.flatnonzero(raw.roles == _LIVE_BYTES).tolist():
            np.add.at(live[at], of_site[row.build_id][raw.sites], values[:, column])
    known = live[:, :-1]
    peak = known.max(axis=0, initial=0)
    largest = np.argsort(-peak, kind="stable")[:limit]
    largest = largest[peak[largest] > 0]
    names = list(numbers)
    return Holders(
        found=found,
        slot_ns=np.array([row.slot_ns for row in rows], np.int64),
        snapshot_id=np.array([row.id for row in rows], np.int64),
        process_id=np.array([row.process_id for row in rows], np.int64),
        holders=tuple(names[at] for at in largest.tolist()),
        live=known[:, largest].T,
        rest=known.sum(axis=1) - known[:, largest].sum(axis=1),
        unknown=live[:, -1],
        named=bool(numbers),
    )


def _chosen(dictionaries: dict[int, Sites], match: Selection) -> dict[int, Any]:
    """Return which sites of each build are meant; raises UsageError where none of any is."""
    matched = {build: matching.match(sites, match) for build, sites in dictionaries.items()}
    missed = [each.missed for each in matched.values() if each.missed]
    if matched and len(missed) == len(matched):
        raise matching.nothing_matches(
            *missed[0], {name for each in matched.values() for name in each.known}
        )
    return {build: each.chosen for build, each in matched.items()}


def _of_sites(sites: Sites, by: By, numbers: dict[Holder, int]) -> Int64s:
    """Return the number of each site's holder, -1 where none is known; `numbers` grows by new."""
    if by is By.TYPE:
        of_type, names = matching.types(sites)
        known = [numbers.setdefault(Holder(name), len(numbers)) for name in names]
        return np.array([*known, -1], np.int64)[of_type]
    locations, functions = sites.locations, sites.functions
    lines = len(locations.line_function)
    # Of each site the innermost line; behind them all is one that stands for an empty stack.
    of_location = np.append(locations.line_start[:-1], lines)
    of_location[:-1][np.diff(locations.line_start) == 0] = lines
    stacks = np.append(sites.stack, len(locations))
    place = np.where(np.diff(sites.stack_start) > 0, sites.stack_start[:-1], len(sites.stack))
    innermost = of_location[stacks[place]]
    used, inverse = np.unique(innermost, return_inverse=True)
    known = []
    for line in used.tolist():
        if line == lines:
            known.append(-1)
            continue
        function = int(locations.line_function[line])
        name = sites.strings[functions.name[function]]
        holder = Holder(package_of(name) if by is By.PACKAGE else name)
        if by is By.LINE:
            file = sites.strings[functions.file[function]]
            holder = Holder(name, file, int(locations.line_number[line]))
        known.append(numbers.setdefault(holder, len(numbers)) if holder.name else -1)
    return np.array(known, np.int64)[inverse.reshape(-1)]
