"""Targets: found, brought up to date, retired, named by people."""

import pytest
from stores import at, seen

from memsnap.errors import UsageError
from memsnap.storage.failures import record_failure
from memsnap.storage.records import Cause, FailureRecord, Slot
from memsnap.storage.targets import find_target, register, retire, retire_missing, targets

MINUTE = 60 * 10**9


async def test_registered_targets_have_ids_by_key(store):
    ids = await register(store, [seen("b"), seen("a")], now_ns=5)

    records = await targets(store)
    assert [(each.id, each.seen) for each in records] == [
        (ids["a"], seen("a")),
        (ids["b"], seen("b")),
    ]
    assert [(each.first_seen_ns, each.last_seen_ns) for each in records] == [(5, 5), (5, 5)]


async def test_a_target_seen_again_keeps_its_id_and_takes_its_new_address(store):
    first = await register(store, [seen("a")], now_ns=5)
    moved = seen("a", address="http://10.0.0.2:6060", labels=(("zone", "b"),))

    again = await register(store, [moved], now_ns=5 + 2 * MINUTE)

    (record,) = await targets(store)
    assert again == first
    assert record.seen == moved
    assert (record.first_seen_ns, record.last_seen_ns) == (5, 5 + 2 * MINUTE)


async def test_registering_what_is_known_writes_once_a_minute(store):
    await register(store, [seen("a")], now_ns=MINUTE)
    await register(store, [seen("a")], now_ns=MINUTE + 5)
    (soon,) = await targets(store)
    await register(store, [seen("a")], now_ns=3 * MINUTE)
    (later,) = await targets(store)

    assert (soon.last_seen_ns, later.last_seen_ns) == (MINUTE, 3 * MINUTE)


async def test_thousands_of_targets_are_registered_at_once(store):
    many = [seen(f"{number:05}") for number in range(2500)]

    ids = await register(store, many, now_ns=1)

    assert len(set(ids.values())) == 2500
    assert await register(store, many[::-1], now_ns=2) == ids


async def test_of_two_targets_with_one_key_the_last_counts(store):
    await register(store, [seen("a", service="x"), seen("a", service="y")], now_ns=1)

    assert [each.seen.service for each in await targets(store)] == ["y"]


async def test_a_retired_target_is_listed_only_on_request_until_it_is_found_again(store):
    ids = await register(store, [seen("a"), seen("b")], now_ns=1)

    assert await retire(store, ["a", "nosuch"], now_ns=7) == 1
    assert await retire(store, ["a"], now_ns=8) == 0

    assert [each.seen.key for each in await targets(store)] == ["b"]
    every = await targets(store, with_retired=True)
    assert [(each.seen.key, each.retired_ns) for each in every] == [("a", 7), ("b", None)]
    assert (await register(store, [seen("a")], now_ns=9))["a"] == ids["a"]
    assert [each.seen.key for each in await targets(store)] == ["a", "b"]


async def test_a_discovery_retires_only_its_own(store):
    found = [seen("a", source="file"), seen("b", source="file"), seen("c", source="dns")]
    await register(store, found, now_ns=1)

    assert await retire_missing(store, "file", {"b"}, now_ns=2) == 1
    assert [each.seen.key for each in await targets(store)] == ["b", "c"]


async def test_the_last_failure_is_told_until_a_capture_succeeds(store, saved):
    ids = await register(store, [seen("a")], now_ns=1)

    async def fail(slot_ns: int, message: str) -> None:
        await record_failure(
            store,
            FailureRecord(
                slot=Slot(target_id=ids["a"], at_ns=slot_ns),
                at_ns=slot_ns,
                cause=Cause.TIMEOUT,
                message=message,
                collector="c",
            ),
        )

    await fail(at(1), "first")
    await fail(at(2), "second")
    (failing,) = await targets(store)
    await saved(ids["a"], at(3))
    (healthy,) = await targets(store)

    assert (failing.last_failure, failing.snapshots, failing.last_slot_ns) == ("second", 0, None)
    assert (healthy.last_failure, healthy.snapshots, healthy.last_slot_ns) == ("", 1, at(3))


@pytest.mark.parametrize("name", ["a", "shop", "http://a:6060"])
async def test_a_target_is_found_by_key_service_address_or_id(store, name):
    ids = await register(store, [seen("a", service="shop"), seen("b")], now_ns=1)

    assert (await find_target(store, name)).id == ids["a"]
    assert (await find_target(store, str(ids["a"]))).id == ids["a"]


async def test_of_two_with_one_name_the_one_that_is_not_retired_is_meant(store):
    ids = await register(store, [seen("a", service="s"), seen("b", service="s")], now_ns=1)
    with pytest.raises(UsageError, match="2 targets") as caught:
        await find_target(store, "s")
    assert str(ids["a"]) in caught.value.hint
    assert "http://b:6060" in caught.value.hint

    await retire(store, ["a"], now_ns=2)

    assert (await find_target(store, "s")).id == ids["b"]


async def test_an_unknown_name_leads_to_the_nearest(store):
    await register(store, [seen("a", service="checkout")], now_ns=1)

    with pytest.raises(UsageError, match="chekout") as caught:
        await find_target(store, "chekout")

    assert "checkout" in caught.value.hint


async def test_hostile_texts_are_registered(store):
    name = "a\0'\"\\\ud800%_ü"
    hostile = seen(name, service=name, labels=((name, name),))

    ids = await register(store, [hostile], now_ns=1)

    assert (await find_target(store, name)).id == ids[name]
