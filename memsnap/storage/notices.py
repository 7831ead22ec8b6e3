"""The only SQL on notices: what receivers of alerts were told last of each finding.

A notice is written when the receiver has said that it has the message, so that a restart repeats
only what was under way.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import func, select

from memsnap.storage.database import Database, insert_into
from memsnap.storage.sightings import State
from memsnap.storage.tables import findings
from memsnap.storage.tables import notices as table


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What a receiver was told last of a finding: that it is open, or resolved; `at_ns` is when."""

    finding_id: int
    told: State
    at_ns: int


async def notices(db: Database, receiver: str) -> dict[int, Notice]:
    """Return what a receiver was told, by finding."""
    query = select(table).where(table.c.receiver == receiver)
    async with db.connect() as connection:
        return {
            row.finding_id: Notice(finding_id=row.finding_id, told=State(row.told), at_ns=row.at_ns)
            for row in await connection.execute(query)
        }


async def told(
    db: Database, receiver: str, finding_ids: Iterable[int], *, state: State, at_ns: int
) -> None:
    """Note that a receiver was told of findings that they are open, or resolved, in one message.

    Findings that are gone from the store are passed over.
    """
    wanted = sorted(set(finding_ids))
    values = {"told": state.value, "at_ns": at_ns}
    async with db.begin() as connection:
        there = await connection.execute(select(findings.c.id).where(findings.c.id.in_(wanted)))
        for number in sorted(there.scalars()):
            statement = insert_into(connection, table).values(
                finding_id=number, receiver=receiver, **values
            )
            await connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["finding_id", "receiver"], set_=values
                )
            )


async def messages_since(db: Database, receiver: str, since_ns: int) -> int:
    """Return how many messages a receiver has had; those that told of several count once."""
    query = select(func.count(table.c.at_ns.distinct())).where(
        table.c.receiver == receiver, table.c.at_ns >= since_ns
    )
    async with db.connect() as connection:
        return int((await connection.execute(query)).scalar_one())
