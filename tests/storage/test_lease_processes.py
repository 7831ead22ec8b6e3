"""Collectors as processes of their own on PostgreSQL: killed, stopped for too long, joining."""

import asyncio
import signal
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack, contextmanager
from pathlib import Path

import lease_worker
import pytest
from sqlalchemy import text
from test_leases import ON_POSTGRES, add_targets


@contextmanager
def worker(url, name, lease_s):
    """Run a collector in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, str(Path(lease_worker.__file__)), url, name, str(lease_s)]
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(timeout=10)


async def until(store, question, answer):
    """Wait until a query's first value is as expected."""
    found = None
    for _ in range(1200):
        async with store.connect() as connection:
            found = (await connection.execute(text(question))).scalar()
        if found == answer:
            return
        await asyncio.sleep(0.05)
    pytest.fail(f"{question} gives {found}, not {answer}")


@ON_POSTGRES
async def test_processes_that_die_stop_and_join_never_visit_a_target_as_two_owners(
    store, store_url
):
    """Given three collectors, when one is killed and one stopped past its lease: fenced."""
    await add_targets(store, 15)
    async with store.begin() as connection:
        for statement in lease_worker.TABLES:
            await connection.execute(text(statement))
    live = "expires_ns > extract(epoch from clock_timestamp()) * 1000000000"
    of = f"SELECT count(*) FROM leases WHERE {live} AND owner = "
    sizes = (
        "SELECT array_to_string(array_agg(n ORDER BY n), ' ') FROM "
        f"(SELECT count(*) n FROM leases WHERE {live} GROUP BY owner) s"
    )
    with ExitStack() as stack:
        a, b, _ = (stack.enter_context(worker(store_url, name, 4)) for name in "abc")
        await until(store, sizes, "5 5 5")
        a.kill()
        b.send_signal(signal.SIGSTOP)
        await until(store, of + "'c'", 15)
        b.send_signal(signal.SIGCONT)
        await until(store, "SELECT count(*) > 0 FROM refused WHERE owner = 'b'", True)
        stack.enter_context(worker(store_url, "d", 4))
        await until(store, sizes, "5 5 5")
    async with store.connect() as connection:
        query = text("SELECT target_id, epoch, owner FROM visits ORDER BY id")
        visits = (await connection.execute(query)).all()
    owner_of: dict[tuple[int, int], str] = {}
    newest: Counter[int] = Counter()
    for target_id, epoch, owner in visits:
        assert owner_of.setdefault((target_id, epoch), owner) == owner
        assert epoch >= newest[target_id]
        newest[target_id] = epoch
    assert set(newest) == set(range(1, 16))
