"""Turns of visits, and what the metrics say of those that wait for one."""

import asyncio

import pytest

from memsnap.collector.metrics import Metrics
from memsnap.collector.turns import Turns


def told(metrics: Metrics) -> tuple[float | None, float | None]:
    """What is waiting and running, as the metrics have it."""
    names = ("memsnap_captures_waiting", "memsnap_captures_running")
    waiting, running = (metrics.registry.get_sample_value(name) for name in names)
    return waiting, running


async def test_a_visit_that_is_given_up_while_it_waits_waits_no_more() -> None:
    metrics = Metrics()
    turns = Turns(1, metrics)

    async def wait() -> None:
        async with turns.capture():
            pytest.fail("there is no turn to have")

    async with turns.capture():
        assert turns.all_taken
        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0)
        assert told(metrics) == (1, 1)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert told(metrics) == (0, 1)

    assert told(metrics) == (0, 0)
    assert not turns.all_taken


async def test_a_visit_under_way_keeps_its_turn_over_a_change_of_their_number() -> None:
    metrics = Metrics()
    turns = Turns(1, metrics)
    async with turns.capture():
        turns.change(2)
        async with turns.capture(), turns.look():
            assert turns.all_taken
    assert not turns.all_taken
    assert told(metrics) == (0, 0)
