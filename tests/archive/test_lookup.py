"""Which captures a reference means, and what is said where it means none."""

import pytest
from stores import at, seen

from memsnap.archive import lookup
from memsnap.archive.errors import NotFound
from memsnap.archive.references import parse_reference
from memsnap.errors import UsageError
from memsnap.storage.targets import register


async def resolved(archive, *texts, now_ns=None):
    """Return the ids of the captures that references mean, asked two minutes after the last."""
    now_ns = now_ns or at(20)
    references = [parse_reference(text, now_ns=now_ns) for text in texts]
    found = await lookup.resolve_all(archive, references, now_ns=now_ns)
    return [[record.id for record in records] for records in found]


@pytest.mark.parametrize(
    ("when", "minute"),
    [
        ("last", 18),
        ("first", 0),
        ("now", 18),
        ("-2m", 18),
        ("-7m", 12),
        ("-6m30s", 14),
        ("-7m30s", 12),
        ("-100h", None),
    ],
)
async def test_the_nearest_capture_is_meant(archive, filled, when, minute):
    asked = resolved(archive, f"store:t:{filled.targets['shop']}@{when}")

    if minute is None:
        with pytest.raises(NotFound, match="no capture near -100h; the nearest is #"):
            await asked
    else:
        assert await asked == [[filled.shop[minute]]]


async def test_a_capture_is_loaded_under_the_name_that_gives_it_again(archive, filled):
    (records,) = await lookup.resolve_all(
        archive, [parse_reference(f"store:{filled.shop[2]}", now_ns=0)], now_ns=0
    )

    snapshot = await lookup.load(archive, records[0])

    assert snapshot.name == f"store:{filled.shop[2]}"


async def test_a_snapshot_id_that_is_not_there_is_told(archive, filled):
    with pytest.raises(NotFound, match="has no snapshot 4711"):
        await resolved(archive, "store:4711")


async def test_how_far_is_too_far_depends_on_the_distance_of_captures(store, local, saved):
    ids = await register(store, [seen("hourly"), seen("often")], now_ns=1)
    hourly = [await saved(ids["hourly"], at(60 * hour)) for hour in range(5)]
    for minute in range(5):
        await saved(ids["often"], at(236 + minute))

    # Both were captured 50 minutes ago for the last time: one of them has stopped.
    assert await resolved(local, "store:hourly@now", now_ns=at(290)) == [[hourly[-1]]]
    with pytest.raises(NotFound, match=r"nearest is #10 of .* 50m00s away") as caught:
        await resolved(local, "store:often@now", now_ns=at(290))
    assert "its captures go from #6 of " in caught.value.hint


async def test_of_long_ago_a_coarse_answer_will_do(store, local, saved):
    ids = await register(store, [seen("a")], now_ns=1)
    number = await saved(ids["a"], at(0))

    day = 24 * 60
    assert await resolved(local, "store:a@-10d", now_ns=at(12 * day)) == [[number]]


@pytest.mark.parametrize(
    ("span", "minutes"),
    [
        ("-4m..now", [16, 18]),
        ("-10m..-6m", [10, 12, 14]),
        ("first..-16m", [0, 2, 4]),
        ("-4m..last", [16, 18]),
    ],
)
async def test_a_range_is_all_captures_between_oldest_first(archive, filled, span, minutes):
    target = filled.targets["shop"]

    found = await resolved(archive, f"store:t:{target}@{span}")

    assert found == [[filled.shop[minute] for minute in minutes]]


@pytest.mark.parametrize(
    ("span", "words"),
    [
        ("now..-1h", "ends before it begins"),
        ("last..now", "is a single capture"),
        ("-90h..-80h", "has no capture in"),
    ],
)
async def test_a_range_that_cannot_be_is_refused(archive, filled, span, words):
    with pytest.raises(UsageError, match=words) as caught:
        await resolved(archive, f"store:t:{filled.targets['shop']}@{span}")
    assert caught.value.hint


async def test_a_range_of_too_many_captures_is_refused(archive, filled, monkeypatch):
    monkeypatch.setattr(lookup, "MOST_CAPTURES", 9)

    with pytest.raises(UsageError, match="are more than 9 captures"):
        await resolved(archive, f"store:t:{filled.targets['shop']}@first..last")


@pytest.mark.parametrize("pair", [("now", "-1m"), ("now", "now"), ("last", "-4m..now")])
async def test_a_capture_is_not_compared_with_itself(archive, filled, pair):
    target = filled.targets["shop"]

    with pytest.raises(UsageError, match=f"are the same capture, #{filled.shop[18]} of"):
        await resolved(archive, *(f"store:t:{target}@{when}" for when in pair))


async def test_a_target_without_captures_says_why(archive, filled):
    with pytest.raises(NotFound, match=r"cart has no capture in .*: failure 3") as caught:
        await resolved(archive, "store:cart@now")
    assert "--failures" in caught.value.hint


async def test_a_target_of_an_unclear_name_leads_to_the_candidates(store, archive):
    ids = await register(
        store, [seen("a", service="twin"), seen("b", service="twin")], now_ns=at(0)
    )

    with pytest.raises(NotFound, match=r"2 targets of the store .* are called 'twin'") as caught:
        await resolved(archive, "store:twin")
    assert all(str(number) in caught.value.hint for number in ids.values())
