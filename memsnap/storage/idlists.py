"""Conditions on ids: on long lists of them, in one parameter each, and on the newest."""

import json
from collections.abc import Iterable

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    FromClause,
    any_,
    func,
    literal,
    select,
    true,
)
from sqlalchemy.ext.asyncio import AsyncConnection


def among(
    connection: AsyncConnection, column: ColumnElement[int], ids: Iterable[int]
) -> ColumnElement[bool]:
    """Return the condition that `column` is one of `ids`, however many these are."""
    if connection.dialect.name == "postgresql":
        return column == any_(literal(list(ids), ARRAY(BigInteger)))
    values = func.json_each(json.dumps(list(ids))).table_valued("value")
    return column.in_(select(values.c.value))


def not_newest(dialect: str, rows: FromClause) -> ColumnElement[bool]:
    """Return the condition on a row that may be deleted without its id coming again.

    SQLite gives a row the largest id that there is and one more, so that the row with the largest
    stays until there is another.  Else what is kept of an id elsewhere, as a link in an alert or
    the life that last showed a finding, could come to mean something else.
    """
    if dialect == "postgresql":
        return true()
    newest = rows.alias("newest")
    return rows.c.id < select(func.max(newest.c.id)).scalar_subquery()
