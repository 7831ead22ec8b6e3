"""Targets over time, over HTTP: the overview of all, what held a heap, and what happened."""

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from apps import app_of, got
from builders.captures import AFTER, CAPTURE, taken
from stores import at, seen

from memsnap.storage.findings import judged
from memsnap.storage.records import SnapshotFilter
from memsnap.storage.sightings import Judgement, Sighted
from memsnap.storage.snapshots import find as find_snapshots
from memsnap.storage.targets import register, retire

NOW_NS = time.time_ns() // 10**9 * 10**9
MINUTE_NS = 60 * 10**9
LEAK = Sighted(
    fingerprint="growth:main.put:[]uint8",
    kind="growth",
    verdict="leak",
    severity="high",
    confidence=0.97,
    function="main.put",
    document='{"title": "main.put <script>leaks</script>"}',
)


def before(minutes: int) -> str:
    """Return a moment before the last capture."""
    seconds = NOW_NS // 10**9 - 60 * minutes
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


@pytest.fixture
async def client(store, tmp_path):
    async with app_of(store, tmp_path) as opened:
        yield opened


@pytest.fixture
async def shop(store, saved):
    """A target with captures of an hour, ten minutes apart, and a restart in the middle."""
    (target,) = (await register(store, [seen("shop")], now_ns=at(0))).values()
    for number in range(7):
        process = replace(CAPTURE.process, pid=4711 + number // 4)
        capture = replace(CAPTURE, process=process)
        slot_ns = NOW_NS - (60 - 10 * number) * MINUTE_NS
        await saved(target, slot_ns, taken(*AFTER, later_s=600 * number, capture=capture))
    return target


# --- the overview ------------------------------------------------------------------------------


async def test_the_overview_follows_every_target_up_to_its_last_capture(client, shop):
    found = await got(client, "/api/v1/overview")

    (course,) = found["items"]
    assert course["target_id"] == shop
    assert course["slot_ns"][-1] == NOW_NS
    assert course["heap_alloc"] == [CAPTURE.mem_stats.heap_alloc] * 7
    assert found["since_ns"] <= course["slot_ns"][0]
    assert found["next"] is None


async def test_an_overview_of_less_time_begins_later(client, shop):
    found = await got(client, "/api/v1/overview", since=before(25))

    assert len(found["items"][0]["slot_ns"]) == 3


async def test_an_overview_of_a_time_to_come_shows_the_last_captures(client, shop):
    found = await got(client, "/api/v1/overview", since="2126-01-01T00:00:00Z")

    assert found["items"][0]["slot_ns"] == [NOW_NS]


async def test_the_overview_comes_in_pages(client, store, shop, saved):
    ids = await register(store, [seen(name) for name in "abc"], now_ns=at(0))
    for number in ids.values():
        await saved(number, NOW_NS)
    pages, after = [], {}
    while after is not None:
        page = await got(client, "/api/v1/overview", limit=3, **after)
        pages.append([each["target_id"] for each in page["items"]])
        after = {"after": page["next"]} if page["next"] else None

    assert pages == [[shop, *sorted(ids.values())[:2]], [max(ids.values())]]


async def test_an_overview_is_not_sent_again_while_no_capture_comes(client, shop):
    async with client.get("/api/v1/overview") as first:
        tag = first.headers["ETag"]
    async with client.get("/api/v1/overview", headers={"If-None-Match": tag}) as again:
        assert (again.status, await again.read()) == (304, b"")


async def test_an_overview_has_every_capture_that_was_there_when_it_was_asked_for(
    client, store, shop, saved
):
    async def asked():
        found = await got(client, "/api/v1/overview")
        return {each["target_id"]: each["slot_ns"][-1] for each in found["items"]}

    ids = await register(store, [seen(name) for name in "abc"], now_ns=at(0))
    for number in ids.values():
        await saved(number, NOW_NS)
        together = await asyncio.gather(asked(), asked(), asked())
        assert [found.get(number) for found in together] == [NOW_NS] * 3


async def test_an_overview_is_made_anew_after_a_while_without_captures(
    client, store, shop, monkeypatch
):
    monkeypatch.setattr("memsnap.web.api.times._GOOD_FOR_S", 0.0)
    assert (await got(client, "/api/v1/overview"))["items"]
    await retire(store, ["shop"], now_ns=NOW_NS)

    assert (await got(client, "/api/v1/overview"))["items"] == []


# --- what held the heap ------------------------------------------------------------------------


async def test_the_largest_holders_and_the_rest_are_what_is_live(client, shop):
    path = f"/api/v1/targets/{shop}/series/top"
    by_type = await got(client, path)
    by_line = await got(client, path, by="line", limit=1)

    (item,) = by_type["items"]
    assert (by_type["by"], by_type["typed"], by_type["captures"]) == ("type", True, 7)
    assert (item["name"], item["file"], item["line"]) == ("[]uint8", "", 0)
    assert item["peak_bytes"] == max(item["values"])
    assert (by_line["items"][0]["name"], by_line["unknown"]) == ("main.(*Cache).Put", None)
    for at_capture in range(7):
        total = item["values"][at_capture] + by_type["unknown"][at_capture]
        assert total == by_line["items"][0]["values"][at_capture] + by_line["rest"][at_capture]


async def test_a_series_of_holders_is_of_the_time_and_the_filters_asked_for(client, shop):
    path = f"/api/v1/targets/{shop}/series/top"
    found = await got(
        client, path, since=before(35), until=before(5), **{"in": "Put"}, by="function"
    )

    assert [each["name"] for each in found["items"]] == ["main.(*Cache).Put"]
    assert len(found["slot_ns"]) == 3
    problem = await got(client, path, 400, focus="nothing.Such")
    assert problem["detail"] == "nothing that was captured matches --focus 'nothing.Such'"
    await got(client, path, 400, by="site")
    await got(client, path, 400, limit=21)
    await got(client, "/api/v1/targets/99/series/top", 404)


# --- what happened -----------------------------------------------------------------------------


async def test_a_timeline_has_lives_and_findings_the_oldest_first(client, store, shop):
    records = await find_snapshots(store, SnapshotFilter(target_id=shop))
    judgement = Judgement(
        target_id=shop,
        process_id=records[0].process_id,
        snapshot_ids=(records[0].id,),
        slots_ns=(records[0].slot_ns,),
        sighted=(LEAK, replace(LEAK, fingerprint="b", function="main.b")),
    )
    await judged(store, judgement, resolve_after=3, now_ns=NOW_NS)

    found = await got(client, f"/api/v1/targets/{shop}/timeline")

    assert [each["pid"] for each in found["lives"]] == [4711, 4712]
    assert {each["build"] for each in found["lives"]} == {"v1.2.0"}
    assert found["lives"][1]["last_slot_ns"] == NOW_NS
    band = found["findings"][0]
    assert (band["title"], band["state"]) == ("main.put <script>leaks</script>", "new")
    assert (band["since_ns"], band["resolved_ns"]) == (NOW_NS, None)
    assert found["more"] is False


async def test_a_timeline_is_bounded_and_says_so(client, shop):
    path = f"/api/v1/targets/{shop}/timeline"
    found = await got(client, path, limit=1)

    assert [each["pid"] for each in found["lives"]] == [4712]
    assert found["more"] is True
    assert (await got(client, path, since=before(120), until=before(61)))["lives"] == []
    await got(client, "/api/v1/targets/99/timeline", 404)
