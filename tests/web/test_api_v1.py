"""The HTTP API as a client meets it: documents, tags, bounds, and problems."""

import asyncio
import gzip
import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import databases
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from builders.captures import CAPTURE, before
from stores import at, seen

from memsnap import __version__
from memsnap.archive.local import LocalArchive
from memsnap.pprof.reader import read
from memsnap.storage.database import Database
from memsnap.storage.migrate import upgrade
from memsnap.storage.snapfile import from_bytes
from memsnap.storage.targets import register
from memsnap.web.api.routes import add_api

PROBLEM = "application/problem+json"


def serving(db: Database) -> TestClient:
    app = web.Application()
    add_api(app, LocalArchive(db))
    return TestClient(TestServer(app), auto_decompress=False)


@pytest.fixture
async def client(store: Database) -> AsyncIterator[TestClient]:
    """A client of a server with `store`; it leaves bodies compressed."""
    async with serving(store) as opened:
        yield opened


@pytest.fixture
async def shop(store, saved) -> tuple[int, list[int]]:
    """A target with three captures: its id, and theirs."""
    labels = (("env", "prod"),)
    ids = await register(store, [seen("shop", service="shop", labels=labels)], now_ns=at(0))
    return ids["shop"], [await saved(ids["shop"], at(minute)) for minute in range(3)]


async def got(client: TestClient, path: str, **headers: str) -> tuple[int, dict]:
    """Return status and document."""
    sent = {"Accept-Encoding": "identity", **headers}
    async with client.get(path, headers=sent) as answer:
        return answer.status, json.loads(await answer.read())


async def test_the_api_says_what_it_is(client):
    status, document = await got(client, "/api/v1")

    assert (status, document) == (200, {"server": "memsnap", "version": __version__, "api": 1})


async def test_targets_are_listed_and_described(client, shop):
    target, _ = shop

    _, listed = await got(client, "/api/v1/targets")
    _, described = await got(client, f"/api/v1/targets/{target}")

    assert listed == {"items": [described], "next": None}
    assert described["seen"]["key"] == "shop"
    assert described["seen"]["labels"] == [["env", "prod"]]
    assert described["snapshots"] == 3


async def test_pages_lead_to_the_next_one(client, shop):
    target, numbers = shop
    path, listed = f"/api/v1/snapshots?target={target}&limit=2", []
    after = ""
    for _ in range(2):
        _, page = await got(client, path + after)
        listed += [each["id"] for each in page["items"]]
        after = f"&after={page['next']}"

    assert listed == numbers[::-1]
    assert page["next"] is None


async def test_targets_come_in_pages_too(client, store):
    await register(store, [seen(f"t{n}", service="s") for n in range(5)], now_ns=1)
    keys, after = [], ""
    while after is not None:
        _, page = await got(client, f"/api/v1/targets?limit=2{after}")
        keys += [each["seen"]["key"] for each in page["items"]]
        after = f"&after={page['next']}" if page["next"] else None

    assert keys == [f"t{n}" for n in range(5)]


async def test_a_snapshot_is_described(client, shop):
    _, numbers = shop

    status, document = await got(client, f"/api/v1/snapshots/{numbers[1]}")

    assert status == 200
    assert document["slot_ns"] == at(1)
    assert document["capture"]["mem_stats"]["heap_alloc"] == CAPTURE.mem_stats.heap_alloc


async def test_a_snap_is_the_whole_capture_and_pprof_is_the_profile_alone(client, shop):
    _, numbers = shop
    bodies = {}
    for form in ("snap", "pprof"):
        async with client.get(f"/api/v1/snapshots/{numbers[0]}/{form}") as answer:
            assert answer.status == 200
            assert "Content-Encoding" not in answer.headers
            bodies[form] = await answer.read()

    snapshot = from_bytes(bodies["snap"], name="a")
    profile = read(bodies["pprof"], name="b")
    assert snapshot.capture == before().capture
    assert profile.extension == b""
    assert profile.values.tolist() == snapshot.heap.values.tolist()


@pytest.mark.parametrize("service", ['x"\r\nX-Evil: 1', "../../etc/passwd", "日本", ""])
async def test_a_hostile_service_name_stays_out_of_headers(client, store, saved, service):
    ids = await register(store, [seen("a")], now_ns=1)
    named = replace(before(), capture=replace(CAPTURE, service=service))
    number = await saved(ids["a"], at(0), named)

    async with client.get(f"/api/v1/snapshots/{number}/snap") as answer:
        disposition = answer.headers["Content-Disposition"]
        assert "X-Evil" not in answer.headers

    _, _, name = disposition.partition('filename="')
    assert name.endswith(f'-{number}.snap"')
    assert set(name[:-1]) <= set(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_.-0123456789"
    )


async def test_a_series_has_units_and_knows_what_is_unknown(client, shop):
    target, numbers = shop

    _, document = await got(
        client, f"/api/v1/targets/{target}/series?metric=heap&metric=go_gc_sys&since={at(1)}"
    )

    heap = CAPTURE.mem_stats.heap_alloc
    assert document["snapshot_id"] == numbers[1:]
    assert document["columns"] == [
        {"name": "heap", "unit": "bytes", "values": [heap, heap]},
        {"name": "go_gc_sys", "unit": "bytes", "values": [None, None]},
    ]


async def test_a_series_is_of_the_last_day_unless_told_otherwise(client, shop, saved):
    now_ns = time.time_ns()
    await saved(shop[0], now_ns - 25 * 3600 * 10**9)
    recent = await saved(shop[0], now_ns - 3600 * 10**9)

    _, document = await got(client, f"/api/v1/targets/{shop[0]}/series?metric=rss")

    assert document["snapshot_id"][-1] == recent
    assert document["slot_ns"][0] >= now_ns - 24 * 3600 * 10**9


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/targets",
        "/api/v1/snapshots",
        "/api/v1/snapshots/{id}/snap",
        "/api/v1/snapshots/{id}/pprof",
    ],
)
async def test_what_the_client_has_is_not_sent_again(client, shop, path):
    path = path.format(id=shop[1][0])
    async with client.get(path) as first:
        tag = first.headers["ETag"]
    async with client.get(path, headers={"If-None-Match": tag}) as again:
        assert again.status == 304
        assert again.headers["ETag"] == tag
        assert await again.read() == b""
    async with client.get(path, headers={"If-None-Match": 'W/"other"'}) as other:
        assert other.status == 200


async def test_a_tag_changes_with_what_it_stands_for(client, shop, saved):
    async with client.get("/api/v1/snapshots") as first:
        tag = first.headers["ETag"]
    await saved(shop[0], at(9))
    async with client.get("/api/v1/snapshots", headers={"If-None-Match": tag}) as again:
        assert again.status == 200


async def test_json_is_compressed_for_those_who_take_it(client, shop):
    async with client.get("/api/v1/snapshots", headers={"Accept-Encoding": "gzip"}) as packed:
        assert packed.headers["Content-Encoding"] == "gzip"
        assert packed.headers["Vary"] == "Accept-Encoding"
        body = await packed.read()
    _, plain = await got(client, "/api/v1/snapshots")

    assert json.loads(gzip.decompress(body)) == plain


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/api/v1/snapshots?limti=3", "there is no parameter 'limti' here"),
        ("/api/v1/snapshots?limit=0", "limit is 0"),
        ("/api/v1/snapshots?limit=1001", "limit is 1001"),
        ("/api/v1/snapshots?limit=x", "limit is 'x', and no number"),
        ("/api/v1/snapshots?limit=1&limit=2", "the parameter limit is there twice"),
        ("/api/v1/snapshots?target=99999999999999999999", "is '99999999999999999999', and no"),
        ("/api/v1/snapshots?since=yesterday", "since is 'yesterday', and no time"),
        ("/api/v1/snapshots?since=2026-11-22T14:03:07+01:00", "since is '2026-11-22T14:03:07 01"),
        ("/api/v1/snapshots?label=env", "label is 'env'"),
        ("/api/v1/snapshots?label=a=1&label=a=2", "the label a has two values"),
        ("/api/v1/snapshots?order=random", "order is 'random'"),
        ("/api/v1/snapshots?after=5", "after is '5'"),
        ("/api/v1/snapshots?service=%00", "service holds a NUL"),
        ("/api/v1/targets?retired=maybe", "retired is 'maybe'"),
        ("/api/v1/failures?nmae=x", "there is no parameter 'nmae'"),
        ("/api/v1?x=1", "there is no parameter 'x'"),
    ],
)
async def test_a_parameter_that_cannot_be_is_a_problem_with_a_hint(client, path, words):
    async with client.get(path) as answer:
        document = json.loads(await answer.read())
        assert (answer.status, answer.content_type) == (400, PROBLEM)

    assert document["type"] == "urn:memsnap:problem:usage"
    assert (document["title"], document["status"]) == ("Bad Request", 400)
    assert words in document["detail"]
    assert document["hint"]


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/targets/999",
        "/api/v1/targets/9999999999999999999",
        "/api/v1/targets/999/series",
        "/api/v1/targets/999/failures",
        "/api/v1/targets?name=nobody",
        "/api/v1/targets?after=999",
        "/api/v1/snapshots/999",
        "/api/v1/snapshots/9999999999999999999",
        "/api/v1/snapshots/999/snap",
        "/api/v1/snapshots/999/pprof",
    ],
)
async def test_what_is_not_there_is_a_problem(client, path):
    async with client.get(path) as answer:
        document = json.loads(await answer.read())
        assert (answer.status, answer.content_type) == (404, PROBLEM)

    assert document["type"] == "urn:memsnap:problem:not-found"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/nothing", 404),
        ("GET", "/api/v2/targets", 404),
        ("GET", "/api/v1/targets/x", 404),
        ("GET", "/api/v1/snapshots/\N{FULLWIDTH DIGIT ONE}", 404),
        ("POST", "/api/v1/targets", 405),
        ("DELETE", "/api/v1/snapshots/1", 405),
    ],
)
async def test_other_paths_and_methods_are_problems_too(client, method, path, status):
    async with client.request(method, path) as answer:
        document = json.loads(await answer.read())
        assert (answer.status, answer.content_type) == (status, PROBLEM)
        assert ("Allow" in answer.headers) is (status == 405)

    assert document["status"] == status


@pytest.mark.postgres
async def test_a_store_that_is_away_is_a_problem_that_passes() -> None:
    with databases.postgres() as server:
        url = databases.create(server.url())
        await upgrade(url)
        async with await Database.open(url) as db, serving(db) as client:
            server.stop()
            async with client.get("/api/v1/targets") as answer:
                document = json.loads(await answer.read())
                assert (answer.status, answer.content_type) == (503, PROBLEM)
                assert answer.headers["Retry-After"]
            server.start()
            async with client.get("/api/v1/targets") as answer:
                assert answer.status == 200

    assert document["type"] == "urn:memsnap:problem:store-unavailable"
    assert "is not available" in document["detail"]


async def test_a_bug_is_a_problem_without_its_inside(store, caplog) -> None:
    app = web.Application()
    archive = LocalArchive(store)
    add_api(app, archive)
    del archive._db
    async with TestClient(TestServer(app)) as client:
        status, document = await got(client, "/api/v1/targets")

    assert status == 500
    assert document["type"] == "urn:memsnap:problem:internal"
    assert "_db" not in json.dumps(document)
    assert "a request failed by a bug of memsnap" in caplog.text


async def test_many_downloads_at_once_all_come_through(client, shop):
    async def one(number: int) -> int:
        async with client.get(f"/api/v1/snapshots/{number}/snap") as answer:
            await answer.read()
            return answer.status

    statuses = await asyncio.gather(*(one(number) for number in shop[1] * 10))

    assert statuses == [200] * 30
