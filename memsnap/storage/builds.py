"""The only SQL on builds and their dictionaries."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import RowMapping, delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from memsnap.pprof.profile import Profile
from memsnap.snapshot import Process
from memsnap.storage import sites
from memsnap.storage.database import insert_into
from memsnap.storage.dictionary import Known, known_of
from memsnap.storage.sites import Sites
from memsnap.storage.tables import builds, dictionaries

_DIGEST_BYTES = 16
_MERGED = 2  # parts of up to so many times the size of what comes behind them are merged with it


class Moved(Exception):
    """Another writer was quicker: what was read before the transaction no longer holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """A build of the store; `parts` counts those that its dictionary ever had."""

    id: int
    digest: bytes
    first_seen_ns: int
    parts: int


@dataclass(frozen=True, slots=True)
class Identity:
    """What names a build; it is `strong` if it is the linker's own id."""

    digest: bytes
    strong: bool


def identify(process: Process, heap: Profile, target_id: int) -> Identity:
    """Return what names the build of a process; where nothing does, it is the target's own."""
    mapped = heap.mappings[0].build_id if heap.mappings else ""
    facts: tuple[object, ...]
    strong = True
    if gnu := process.build_id or mapped:
        facts = ("gnu", gnu)
    elif process.go_build_id:
        facts = ("go", process.go_build_id)
    else:
        known = (process.module, process.module_version, process.vcs_revision)
        facts = ("target", target_id, process.executable, process.go_version, *known)
        strong = False
    raw = msgspec.json.encode(facts)
    return Identity(hashlib.blake2b(raw, digest_size=_DIGEST_BYTES).digest(), strong)


# For queries that name a build: with it comes whether what a process knows of it still holds.
PARTS = (
    select(func.coalesce(func.max(dictionaries.c.part) + 1, 0))
    .where(dictionaries.c.build_id == builds.c.id)
    .scalar_subquery()
    .label("parts")
)


def build_of(row: RowMapping) -> Build:
    """Return the build in a row with `builds.id` as `build`, and `PARTS`."""
    return Build(
        id=row["build"],
        digest=bytes(row["digest"]),
        first_seen_ns=row["build_seen_ns"],
        parts=row["parts"],
    )


BUILD = (
    builds.c.id.label("build"),
    builds.c.digest,
    builds.c.first_seen_ns.label("build_seen_ns"),
    PARTS,
)
"""The columns that `build_of` reads."""


async def find(connection: AsyncConnection, digest: bytes) -> Build | None:
    """Return the build with this digest."""
    found = await connection.execute(select(*BUILD).where(builds.c.digest == digest))
    row = found.mappings().first()
    return build_of(row) if row else None


async def add(
    connection: AsyncConnection, digest: bytes, columns: Mapping[str, Any], *, now_ns: int
) -> Build:
    """Add a build; raises Moved where another writer has just done so."""
    values = {**columns, "digest": digest, "first_seen_ns": now_ns}
    statement = insert_into(connection, builds).values(values).on_conflict_do_nothing()
    added = (await connection.execute(statement.returning(builds.c.id))).scalar_one_or_none()
    if added is None:
        raise Moved
    return Build(id=added, digest=digest, first_seen_ns=now_ns, parts=0)


async def lock(connection: AsyncConnection, build_id: int) -> Build:
    """Keep a build, and its dictionary, as they are until the transaction ends, and return it.

    Raises Moved where retention has just deleted it.
    """
    own = builds.c.id == build_id
    row = select(builds.c.id).where(own).with_for_update(key_share=True)
    if (await connection.execute(row)).scalar_one_or_none() is None:
        raise Moved
    # A statement of its own, which sees what others wrote before they let the lock go.
    found = await connection.execute(select(*BUILD).where(own))
    return build_of(found.mappings().one())


async def known(connection: AsyncConnection, build: Build, before: Known | None) -> Known:
    """Return what the dictionary of a build holds, starting from what was known of it `before`.

    Raises FormatError where it is damaged.
    """
    if before is not None and _is_of(before, build):
        if before.parts == build.parts:
            return before
        parts = await _parts(connection, build.id, since=before.parts)
        if parts and parts[0].first == before.end:
            return _extended(before, parts, count=build.parts)
    parts = await _parts(connection, build.id)
    if not parts:
        return Known(build_id=build.id, first_seen_ns=build.first_seen_ns)
    return known_of(build.id, parts, count=build.parts, first_seen_ns=build.first_seen_ns)


async def whole(connection: AsyncConnection, build_id: int) -> Sites:
    """Return the dictionary of a build; raises FormatError where it is damaged or not there."""
    return sites.joined(await _parts(connection, build_id))


async def append(connection: AsyncConnection, known: Known, part: Sites) -> Known:
    """Add a part to a dictionary that is locked, and of which all else is `known`.

    Small parts before it are merged with it, so that their number grows with the logarithm of
    the size: what began as many appends reads like a few.
    """
    own = dictionaries.c.build_id == known.build_id
    last = await connection.execute(
        select(dictionaries.c.part, func.length(dictionaries.c.body))
        .where(own)
        .order_by(dictionaries.c.part.desc())
    )
    total = len(body := sites.encode(part))
    merged = []
    for number, length in last:
        if length > _MERGED * total:
            break
        merged.append(number)
        total += length
    stored = part
    if merged:
        before = await _parts(connection, known.build_id, since=merged[-1])
        stored = sites.merged([*before, part])
        body = sites.encode(stored)
        await connection.execute(delete(dictionaries).where(own, dictionaries.c.part >= merged[-1]))
    await connection.execute(
        insert(dictionaries).values(
            build_id=known.build_id,
            part=known.parts,
            first_site=stored.first[3],
            sites=len(stored),
            body=body,
        )
    )
    return known.extended(part, parts=known.parts + 1)


async def _parts(connection: AsyncConnection, build_id: int, *, since: int = 0) -> list[Sites]:
    found = await connection.execute(
        select(dictionaries.c.body)
        .where(dictionaries.c.build_id == build_id, dictionaries.c.part >= since)
        .order_by(dictionaries.c.part)
    )
    return [sites.decode(body) for body in found.scalars()]


def _is_of(known: Known, build: Build) -> bool:
    """Whether `known` is of this very row: retention may delete one, and its number come again."""
    return (known.build_id, known.first_seen_ns) == (build.id, build.first_seen_ns) and (
        known.parts <= build.parts
    )


def _extended(known: Known, parts: list[Sites], *, count: int) -> Known:
    for part in parts:
        known = known.extended(part, parts=count)
    return known
