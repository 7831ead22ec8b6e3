"""Diffs over HTTP: the command line's document, its tables, tree and types, and profiles of it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from apps import DOCUMENT, app_of, got
from builders.captures import CAPTURE, SERVE, after, before, taken
from builders.profiles import Row
from settings_texts import settings
from stores import at, seen

from memsnap.analysis.diff import diff
from memsnap.analysis.rows import Sort
from memsnap.analysis.table import By
from memsnap.collector.daemon import Daemon
from memsnap.pprof.reader import read
from memsnap.report.document import diff_json
from memsnap.storage.spool import Spool
from memsnap.storage.targets import register
from memsnap.web.app import make_app

HOSTILE = (
    "main.<script>alert(1)</script>",
    "main.\"><img src=x onerror='alert(1)'>",
    "main.line\r\nSet-Cookie: a=b",
    "main.\u202egnp.exe\x00\x1b[31m",
    "main.../../../etc/passwd",
    "main.{{7*7}}${7*7}%(a)s",
)


@pytest.fixture
async def pair(store, saved) -> tuple[int, int, int]:
    """A target with two captures: its id, and theirs."""
    (target,) = (await register(store, [seen("shop")], now_ns=at(0))).values()
    return target, await saved(target, at(0), before()), await saved(target, at(1), after())


@pytest.fixture
async def client(store, tmp_path):
    async with app_of(store, tmp_path) as opened:
        yield opened


async def test_the_document_is_the_command_lines(client, pair):
    _, first, last = pair
    document = await got(client, "/api/v1/diff", before=first, after=last, by="type")

    assert document.pop("window") == {"offset": 0, "limit": 100, "sites": 3, "groups": 2}
    compared = diff([before(), after()])
    printed = json.loads("".join(diff_json(compared, by=By.TYPE, sort=Sort.CONFIDENCE)))
    names = [capture.pop("name") for capture in document["captures"]]
    assert names == [f"store:{first}", f"store:{last}"]
    for capture in printed["captures"]:
        del capture["name"]
    assert document == printed


async def test_a_window_shows_the_rows_that_stand_there(client, pair):
    whole = await got(client, "/api/v1/diff", before=pair[1], after=pair[2], sort="growth")
    part = await got(
        client, "/api/v1/diff", before=pair[1], after=pair[2], sort="growth", offset=1, limit=1
    )

    assert part["sites"] == whole["sites"][1:2]
    assert part["window"]["sites"] == 3


async def test_moments_are_snapped_to_captures(client, pair):
    target, first, last = pair
    by_id = await got(client, "/api/v1/diff", before=first, after=last)

    for query in (
        {"before": "first", "after": "last", "target": str(target)},
        {"before": str(at(0) + 1), "after": str(at(1) - 1), "target": "shop"},
        {"before": "shop@first", "after": "shop@last"},
    ):
        assert await got(client, "/api/v1/diff", **query) == by_id
    long_ago = {"before": "2025-11-22T14:00:00Z", "after": "last", "target": "shop"}
    problem = await got(client, "/api/v1/diff", 404, **long_ago)
    assert "no capture near 2025-11-22T14:00:00Z" in problem["detail"]


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ({}, 400, "before is missing"),
        ({"before": "1"}, 400, "after is missing"),
        ({"before": "1", "after": "1"}, 400, "the same capture"),
        ({"before": "1", "after": "99"}, 404, "no snapshot 99"),
        ({"before": "yesterday", "after": "1"}, 400, "no snapshot's id"),
        ({"before": "shop@first..last", "after": "1"}, 400, "before is"),
        ({"before": "first", "after": "last", "target": "nobody"}, 404, "nobody"),
        ({"before": "1", "after": "2", "focus": "nothing.Such"}, 400, "no type matches"),
        ({"before": "1", "after": "2", "by": "color"}, 400, "by is 'color'"),
        ({"before": "1", "after": "2", "limit": "0"}, 400, "limit is 0"),
        ({"before": "1", "after": "2", "offset": "-1"}, 400, "offset is '-1'"),
        ({"before": "1", "after": "2", "in": "x" * 501}, 400, "longer than 500"),
        ({"before": "1", "after": "2", "sorted": "cum"}, 400, "no parameter 'sorted'"),
    ],
)
async def test_what_makes_no_sense_is_a_problem_with_a_sentence(client, pair, query, status, words):
    assert words in (await got(client, "/api/v1/diff", status, **query))["detail"]


async def test_captures_between_sharpen_the_verdicts(client, store, pair, saved):
    target = pair[0]
    rows = [
        Row("main.leak a.go:1", size=48, alloc=100 * turn, live=100 * turn) for turn in range(1, 6)
    ]
    ids = []
    for turn, row in enumerate(rows):
        stats = replace(CAPTURE.mem_stats, heap_alloc=(50 + 50 * turn) << 20)
        capture = replace(CAPTURE, mem_stats=stats)
        snapshot = taken(row, later_s=60 * turn, capture=capture)
        ids.append(await saved(target, at(10 + turn), snapshot))
    document = await got(client, "/api/v1/diff", before=ids[0], after=ids[4], between=2)

    assert [capture["name"] for capture in document["captures"]] == [
        f"store:{ids[at]}" for at in (0, 1, 3, 4)
    ]
    assert document["sites"][0]["verdict"] == "leak"


async def test_the_tables_have_the_rows_of_the_document(client, pair):
    query = {"before": pair[1], "after": pair[2]}
    columns = await got(client, "/api/v1/diff/columns", **query)
    strings = [*columns["strings"], None]

    assert columns["tables"].keys() == {"site", "type", "function", "line", "package"}
    for by, rows in (("site", "sites"), ("type", "groups")):
        document = await got(client, "/api/v1/diff", **query, by=by)
        table = columns["tables"][by]
        assert [strings[at] for at in table["type"]] == [row["type_full"] for row in document[rows]]
        assert table["after_bytes"] == [row["after"]["bytes"] for row in document[rows]]
        assert table["low_bytes"] == [row["growth"]["low_bytes"] for row in document[rows]]


async def test_only_the_tables_that_are_named_are_sent(client, pair):
    query = {"before": pair[1], "after": pair[2]}
    columns = await got(client, "/api/v1/diff/columns", **query, by="type")

    whole = await got(client, "/api/v1/diff/columns", **query)
    assert columns["tables"].keys() == {"type"}
    assert columns["diff"] == whole["diff"]


async def test_columns_of_a_diff_that_is_too_large_are_refused_with_a_way_on(
    client, pair, monkeypatch
):
    monkeypatch.setattr("memsnap.web.api.diffs.MOST_SITES", 2)
    query = {"before": pair[1], "after": pair[2]}

    problem = await got(client, "/api/v1/diff/columns", 400, **query)
    narrowed = await got(client, "/api/v1/diff/columns", **query, focus="[]uint8")

    assert problem["detail"] == "there are 3 sites in this diff, more than 2"
    assert "narrow it" in problem["hint"]
    assert len(narrowed["tables"]["site"]["node"]) == 1


async def test_the_tree_adds_up_to_the_totals(client, pair):
    query = {"before": pair[1], "after": pair[2]}
    totals = (await got(client, "/api/v1/diff", **query))["totals"]
    tree = await got(client, "/api/v1/diff/flame", **query)

    assert tree["names"][tree["name"][0]] == "root"
    assert (tree["before"][0], tree["after"][0]) == (
        totals["before"]["bytes"],
        totals["after"]["bytes"],
    )
    pruned = await got(client, "/api/v1/diff/flame", **query, limit=2)
    assert len(pruned["name"]) == 2
    assert pruned["pruned"] == pruned["nodes"] - 2


async def test_types_complete(client, pair):
    query = {"before": pair[1], "after": pair[2]}
    found = await got(client, "/api/v1/diff/types", **query, q="UINT", focus="[]uint8")

    assert [item["type"] for item in found["items"]] == ["[]uint8"]
    assert (await got(client, "/api/v1/diff/types", **query, q="none"))["items"] == []


async def test_the_profile_is_one_of_differences(client, pair):
    query = {"before": pair[1], "after": pair[2]}
    async with client.get("/api/v1/diff/pprof", params=query) as answer:
        profile = read(await answer.read(), name="diff")
    totals = (await got(client, "/api/v1/diff", **query))["totals"]

    assert profile.values[:, 3].sum() == totals["growth"]["bytes"]
    named = answer.headers["Content-Disposition"]
    assert named == f'attachment; filename="shop-{pair[2]}-less-{pair[1]}.pb.gz"'


async def test_an_answer_that_the_client_has_is_not_sent_again(client, pair):
    query = {"before": pair[1], "after": pair[2]}
    async with client.get("/api/v1/diff", params=query) as answer:
        tag = answer.headers["ETag"]
    async with client.get("/api/v1/diff", params=query, headers={"If-None-Match": tag}) as again:
        assert (again.status, await again.read()) == (304, b"")


async def test_hostile_names_are_text_and_nothing_else(client, store, saved):
    rows = [Row(f"{name} <b>/../x.go:7 < {SERVE}", size=48, alloc=9, live=9) for name in HOSTILE]
    rows += [Row("main.a a.go:1", size=16, alloc=9, live=9, type=HOSTILE[0], kind=HOSTILE[1])]
    key = seen(HOSTILE[2], service=HOSTILE[1], labels=(("a", HOSTILE[0]),))
    (target,) = (await register(store, [key], now_ns=at(0))).values()
    ids = [await saved(target, at(turn), taken(*rows, later_s=turn)) for turn in range(2)]
    query = {"before": ids[0], "after": ids[1]}

    document = await got(client, "/api/v1/diff", **query)
    assert {row["function"] for row in document["sites"]} == {*HOSTILE, "main.a"}
    assert {*HOSTILE} <= {*(await got(client, "/api/v1/diff/flame", **query))["names"]}
    assert {*HOSTILE} <= {*(await got(client, "/api/v1/diff/columns", **query))["strings"]}
    series = f"/api/v1/targets/{target}/series/top"
    held = await got(client, series, since=str(at(0)), until=str(at(9)), by="line", limit=20)
    assert {*HOSTILE} <= {item["name"] for item in held["items"]}
    for path in (
        *("/api/v1/diff", "/api/v1/diff/flame", "/api/v1/diff/columns", "/api/v1/targets"),
        *(series, f"/api/v1/targets/{target}/timeline", "/api/v1/overview"),
    ):
        asked = query if "diff" in path else {}
        async with client.get(path, params=asked) as answer:
            assert answer.content_type == "application/json"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_parameter_comes_back_as_text(client, pair, name):
    query = {"before": pair[1], "after": pair[2], "in": f"^{name}"}
    async with client.get("/api/v1/diff", params=query) as answer:
        assert answer.status == 400
        assert answer.content_type == "application/problem+json"
        assert "Set-Cookie" not in answer.headers


def test_every_route_is_documented_and_every_document_a_route(store, tmp_path):
    """Given without a server: the routes that the application registers."""
    with Spool(Path(tmp_path) / "spool", max_bytes=1) as spool:
        app = make_app(Daemon(settings(), store, spool))
    registered = {
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource.canonical.startswith("/api/")
    }
    documented = {
        (method.upper(), path)
        for path, operations in DOCUMENT["paths"].items()
        for method in operations
    }
    assert registered == documented
