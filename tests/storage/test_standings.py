"""How far targets have got, as a collector hears that takes them on."""

from stores import at, seen

from memsnap.storage.failures import record_failures
from memsnap.storage.records import Cause, FailureRecord, Slot
from memsnap.storage.standings import Standing, standings
from memsnap.storage.targets import register


async def fail(store, target, *failed):
    """Record failures: pairs of a minute and a cause."""
    await record_failures(
        store,
        [
            FailureRecord(
                slot=Slot(target_id=target, at_ns=at(minute)),
                at_ns=at(minute),
                cause=cause,
                message="",
                collector="one",
            )
            for minute, cause in failed
        ],
    )


async def test_a_target_that_nobody_has_visited_has_no_standing(store, target):
    assert await standings(store, [target], now_ns=at(9)) == {}


async def test_the_last_slot_is_that_of_a_capture_or_of_the_audit(store, target, saved):
    other = (await register(store, [seen("b")], now_ns=at(0)))["b"]
    await saved(target, at(2))
    await fail(store, target, (1, Cause.TIMEOUT))
    await saved(other, at(2))
    await fail(store, other, (3, Cause.OVERRUN))

    assert await standings(store, [target, other], now_ns=at(9)) == {
        target: Standing(last_slot_ns=at(2)),
        other: Standing(last_slot_ns=at(3)),
    }


async def test_visits_that_failed_since_the_last_capture_are_counted(store, target, saved):
    await saved(target, at(3))
    visits = ((1, Cause.TIMEOUT), (4, Cause.TIMEOUT), (5, Cause.UNREACHABLE))
    none = ((6, Cause.OVERRUN), (7, Cause.SHUTDOWN))
    await fail(store, target, *visits, *none)

    found = await standings(store, [target], now_ns=at(9))

    assert found == {target: Standing(last_slot_ns=at(7), failures=2)}


async def test_failures_of_another_day_are_no_backoff(store, target):
    await fail(store, target, (1, Cause.TIMEOUT))

    found = await standings(store, [target], now_ns=at(2 * 24 * 60))

    assert found == {target: Standing(last_slot_ns=at(1))}
