"""What happened to a target over time: lives of its process, and the builds that these ran."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from memsnap.storage.database import Database
from memsnap.storage.tables import builds, processes

_SHOWN = 12  # hex digits of a revision or an id


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessLife:
    """One life of a process, from its first capture in the store to the last.

    `build` is the words for its build: version and revision, or the id; empty where nothing
    names it.  `build_id` is its number in the store, the same for the same build.
    """

    process_id: int
    build_id: int
    build: str
    go_version: str
    pid: int | None
    start_time_ns: int | None
    first_slot_ns: int
    last_slot_ns: int


async def lives(
    db: Database, target_id: int, *, since_ns: int, until_ns: int, limit: int
) -> list[ProcessLife]:
    """Return the lives of a target that have captures around this time, the newest first."""
    own, build = processes.c, builds.c
    query = (
        select(own.id, own.build_id, own.pid, own.start_time_ns)
        .add_columns(own.first_slot_ns, own.last_slot_ns, build.go_version)
        .add_columns(build.module_version, build.vcs_revision)
        .add_columns(build.build_id.label("gnu_build_id"), build.go_build_id)
        .join(builds, build.id == own.build_id)
        .where(own.target_id == target_id)
        .where(own.last_slot_ns >= since_ns, own.first_slot_ns < until_ns)
        .order_by(own.first_slot_ns.desc(), own.id.desc())
        .limit(limit)
    )
    async with db.connect() as connection:
        return [_life(row) for row in (await connection.execute(query)).all()]


def build_words(*, version: str, revision: str, build_id: str) -> str:
    """Return how people call a build: `v1.4.2 (1a2b3c4d5e6f)`, or what there is of that."""
    version = "" if version == "(devel)" else version
    short = revision[:_SHOWN]
    if version and short and short not in version:
        return f"{version} ({short})"
    if version or short:
        return version or short
    return f"build {build_id[:_SHOWN]}" if build_id else ""


def _life(row: Any) -> ProcessLife:
    return ProcessLife(
        process_id=row.id,
        build_id=row.build_id,
        build=build_words(
            version=row.module_version,
            revision=row.vcs_revision,
            build_id=row.gnu_build_id or row.go_build_id,
        ),
        go_version=row.go_version,
        pid=row.pid,
        start_time_ns=row.start_time_ns,
        first_slot_ns=row.first_slot_ns,
        last_slot_ns=row.last_slot_ns,
    )
