"""Findings over HTTP: listed, muted with the name of who did it, and resolved."""

from dataclasses import replace

import pytest
from apps import READ, TOKENS, WRITE, app_of, bearer
from builders.captures import before
from stores import at

from memsnap.storage.findings import judged
from memsnap.storage.records import SnapshotFilter
from memsnap.storage.sightings import Judgement, Sighted
from memsnap.storage.snapshots import find as find_snapshots

LEAK = Sighted(
    fingerprint="growth:main.put:[]uint8",
    kind="growth",
    verdict="leak",
    severity="high",
    confidence=0.97,
    function="main.put",
    document='{"title": "main.put <script>leaks</script>"}',
)


async def seen_again(store, target, number, *sighted) -> None:
    """Judge one capture: this is what it shows."""
    (record,) = await find_snapshots(store, SnapshotFilter(target_id=target))
    judgement = Judgement(
        target_id=target,
        process_id=record.process_id,
        snapshot_ids=(number,),
        slots_ns=(at(0),),
        sighted=sighted,
    )
    await judged(store, judgement, resolve_after=3, now_ns=at(0))


@pytest.fixture
async def leak(store, saved, target) -> int:
    """The capture of a target in which something leaks."""
    number = await saved(target, at(0), before())
    await seen_again(store, target, number, LEAK)
    return number


@pytest.fixture
async def client(store, tmp_path):
    async with app_of(store, tmp_path, TOKENS) as opened:
        yield opened


async def asked(client, method, path, token=WRITE, **query):
    async with client.request(method, path, params=query, headers=bearer(token)) as answer:
        return answer.status, await answer.json(content_type=None)


async def listed(client, **query):
    status, page = await asked(client, "GET", "/api/v1/findings", READ, **query)
    assert status == 200
    return page["items"]


async def test_a_finding_is_listed_and_described_with_its_captures(client, leak):
    (item,) = await listed(client, state="new", verdict="leak", function="put")
    number = item["finding"]["id"]
    status, one = await asked(client, "GET", f"/api/v1/findings/{number}", READ)

    assert status == 200
    assert one == item | {"snapshots": [leak]}
    assert one["finding"]["document"]["title"] == "main.put <script>leaks</script>"
    assert await listed(client, state="resolved") == []
    assert await listed(client, target=99) == []


async def test_findings_come_in_pages_and_none_twice(client, store, leak, target):
    others = (replace(LEAK, fingerprint=str(n), function=f"main.f{n}") for n in range(4))
    await seen_again(store, target, leak, LEAK, *others)
    sizes, ids, after = [], [], {}
    while after is not None:
        status, page = await asked(client, "GET", "/api/v1/findings", READ, limit=2, **after)
        assert status == 200
        sizes.append(len(page["items"]))
        ids += [item["finding"]["id"] for item in page["items"]]
        after = {"after": page["next"]} if page["next"] else None

    assert sizes == [2, 2, 1]
    assert ids == sorted(set(ids), reverse=True)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"severity": "low"}, ["main.pool"]),
        ({"severity": ["low", "high"]}, ["main.pool", "main.put"]),
        ({"kind": "goroutines"}, ["main.pool"]),
        ({"kind": "goroutines", "severity": "high"}, []),
        ({"verdict": "leak"}, ["main.put"]),
        ({"state": ["new", "resolved"]}, ["main.pool", "main.put"]),
        ({"state": "muted"}, []),
        ({"after": "0-0"}, []),
    ],
)
async def test_findings_are_filtered_by_what_they_are(client, store, leak, target, query, found):
    other = replace(
        LEAK,
        fingerprint="x",
        function="main.pool",
        kind="goroutines",
        severity="low",
        verdict="load",
    )
    await seen_again(store, target, leak, LEAK, other)

    assert sorted(item["finding"]["function"] for item in await listed(client, **query)) == found


@pytest.mark.parametrize(
    "query", [{"severity": "awful"}, {"after": "7"}, {"state": "gone"}, {"limit": "1001"}]
)
async def test_a_filter_that_cannot_be_is_a_problem(client, query):
    status, problem = await asked(client, "GET", "/api/v1/findings", READ, **query)

    assert (status, problem["type"]) == (400, "urn:memsnap:problem:usage")


async def test_it_is_muted_by_somebody_and_unmuted(client, leak):
    number = (await listed(client))[0]["finding"]["id"]
    path = f"/api/v1/findings/{number}"

    assert (await asked(client, "POST", f"{path}/mute", READ))[0] == 403
    status, muted = await asked(client, "POST", f"{path}/mute", until="2126-01-01T00:00:00Z")
    assert (status, muted["state"], muted["finding"]["muted_by"]) == (200, "muted", "writer")
    assert len(await listed(client, state="muted")) == 1
    assert (await asked(client, "POST", f"{path}/unmute"))[1]["state"] == "new"


async def test_it_is_resolved_by_somebody(client, leak):
    number = (await listed(client))[0]["finding"]["id"]
    _, resolved = await asked(client, "POST", f"/api/v1/findings/{number}/resolve")

    assert resolved["state"] == "resolved"
    assert resolved["finding"]["course"]["resolved_by"] == "writer"


@pytest.mark.parametrize("word", ["", "/mute", "/unmute", "/resolve"])
async def test_what_is_not_there_is_not_found(client, word):
    method = "POST" if word else "GET"
    status, problem = await asked(client, method, f"/api/v1/findings/77{word}")

    assert (status, problem["type"]) == (404, "urn:memsnap:problem:not-found")
