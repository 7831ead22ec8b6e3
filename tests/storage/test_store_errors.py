"""What PostgreSQL says in the way of a pooler, in sentences that say what to change."""

import asyncpg
import pytest

from memsnap.storage import errors
from memsnap.storage.errors import StoreUnavailable

NAME = "postgresql://shop@db/memsnap"


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (asyncpg.ProtocolViolationError, "unsupported startup parameter: statement_timeout"),
        (asyncpg.DuplicatePreparedStatementError, 'prepared statement "a" already exists'),
    ],
)
def test_a_pooler_in_the_wrong_mode_is_nothing_to_wait_for(kind, said):
    error = errors.of_sqlstate(kind.sqlstate, kind(said), NAME)

    assert not isinstance(error, StoreUnavailable)
    assert said in error.message
    assert "pool_mode = session" in error.hint


def test_a_connection_that_breaks_is_waited_for():
    cause = asyncpg.ConnectionFailureError("server closed the connection")
    assert isinstance(errors.of_sqlstate(cause.sqlstate, cause, NAME), StoreUnavailable)
