"""Rows of the store put in by hand: what retention looks at, without profiles."""

import random

from sqlalchemy import insert, select

from memsnap.storage.tables import (
    builds,
    citations,
    dictionaries,
    findings,
    processes,
    snapshots,
    targets,
)

S = 10**9
HOUR = 3600 * S
DAY = 24 * HOUR
NOW = 20_600 * DAY + 13 * HOUR  # an afternoon


async def put(db, table, *values):
    """Insert rows."""
    async with db.begin() as connection:
        await connection.execute(insert(table), list(values))


async def add_target(db, number=1):
    """A target and its build, both with this number."""
    await put(
        db,
        targets,
        {
            "id": number,
            "key": f"t{number}",
            "address": "",
            "service": "shop",
            "source": "static",
            "labels": "{}",
            "first_seen_ns": 0,
            "last_seen_ns": 0,
        },
    )
    texts = ("go_version", "build_id", "go_build_id", "executable", "module", "module_version")
    await put(
        db,
        builds,
        {
            "id": number,
            "digest": str(number).encode(),
            "vcs_revision": "",
            "first_seen_ns": 0,
            **dict.fromkeys(texts, ""),
        },
    )
    part = {"build_id": number, "part": 0, "first_site": 0, "sites": 1, "body": b"site"}
    await put(db, dictionaries, part)


async def add_life(db, number, slots, *, target=1, size=100):
    """A process life with snapshots at these slots; their ids are of the life: 1000, 1001, ..."""
    life = {
        "id": number,
        "target_id": target,
        "build_id": target,
        "command": "[]",
        "mappings": b"",
        "first_slot_ns": min(slots),
        "last_slot_ns": max(slots),
    }
    await put(db, processes, life)
    await put(
        db,
        snapshots,
        *(
            {
                "id": number * 1_000_000 + index,
                "slot_ns": slot,
                "target_id": target,
                "process_id": number,
                "taken_ns": slot,
                "stored_ns": slot,
                "reason": "schedule",
                "stored_bytes": size,
                "samples_count": 1,
                "sampling_rate": 524288,
                "details": b"",
                "samples": random.Random(index).randbytes(size),  # as if compressed
            }
            for index, slot in enumerate(slots)
        ),
    )


async def cite(db, number, snapshot_id, *, state="open", target=1):
    """A finding of this state that cites a snapshot."""
    finding = {
        "id": number,
        "target_id": target,
        "fingerprint": str(number),
        "kind": "leak",
        "verdict": "leak",
        "state": state,
        "severity": "high",
        "confidence": 0.9,
        "function": "",
        "first_ns": 0,
        "since_ns": 0,
        "last_ns": 0,
        "since_build_id": target,
        "process_id": 0,
        "captures": 3,
        "missed": 0,
        "resolved_by": "",
        "muted_by": "",
        "document": "{}",
    }
    await put(db, findings, finding)
    await put(db, citations, {"finding_id": number, "snapshot_id": snapshot_id, "latest": False})


async def slots_of(db, target=1):
    """The slots of a target that are in the store, in order."""
    async with db.connect() as connection:
        found = await connection.execute(
            select(snapshots.c.slot_ns)
            .where(snapshots.c.target_id == target)
            .order_by(snapshots.c.slot_ns)
        )
        return list(found.scalars())


async def column_of(db, column):
    """The values of a column, sorted."""
    async with db.connect() as connection:
        return sorted((await connection.execute(select(column))).scalars())
