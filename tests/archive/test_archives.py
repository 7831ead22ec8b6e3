"""One suite for both kinds of archive, on both kinds of store."""

import pytest
from stores import at

from memsnap.analysis.select import Selection
from memsnap.archive import local as local_module
from memsnap.archive.errors import NotFound
from memsnap.archive.values import Column, FailureQuery, SeriesQuery, TargetQuery
from memsnap.errors import UsageError
from memsnap.storage.records import SnapshotFilter
from memsnap.storage.snapfile import from_bytes, to_bytes

PROD = (("env", "prod"),)


@pytest.mark.parametrize(
    ("wanted", "keys"),
    [
        (TargetQuery(), ["cart", "shop"]),
        (TargetQuery(with_retired=True), ["cart", "old", "shop"]),
        (TargetQuery(service="shop", with_retired=True), ["old", "shop"]),
        (TargetQuery(labels=PROD), ["cart", "shop"]),
        (TargetQuery(labels=(("env", "prod"), ("zone", "a"))), ["shop"]),
        (TargetQuery(labels=(("env", "pro"),)), []),
        (TargetQuery(limit=1), ["cart"]),
    ],
    ids=str,
)
async def test_targets_are_those_of_the_filter(archive, filled, wanted, keys):
    found = await archive.targets(wanted)

    assert [each.seen.key for each in found] == keys


async def test_targets_go_on_after_one_that_is_retired_by_now(archive, filled):
    found = await archive.targets(TargetQuery(after_id=filled.targets["old"]))

    assert [each.seen.key for each in found] == ["shop"]


@pytest.mark.parametrize("name", ["cart", "http://cart:6060"])
async def test_a_target_is_found_by_key_service_and_address(archive, filled, name):
    found = await archive.find_target(name)

    assert found.id == filled.targets["cart"]
    assert found.last_failure == "failure 3"
    assert await archive.find_target(str(found.id)) == found


async def test_a_target_that_is_not_there_leads_to_the_nearest_names(archive, filled):
    with pytest.raises(NotFound, match="no target 'chart'") as caught:
        await archive.find_target("chart")
    assert "cart" in caught.value.hint


@pytest.mark.parametrize(
    ("wanted", "minutes"),
    [
        ({"limit": 3}, [18, 16, 14]),
        ({"limit": 3, "newest_first": False}, [0, 2, 4]),
        ({"since_ns": at(4), "until_ns": at(8)}, [6, 4]),
        ({"labels": (("zone", "a"),), "since_ns": at(16)}, [18, 16]),
        ({"since_ns": at(30)}, []),
    ],
    ids=str,
)
async def test_snapshots_are_those_of_the_filter(archive, filled, wanted, minutes):
    found = await archive.snapshots(SnapshotFilter(target_id=filled.targets["shop"], **wanted))

    assert [each.id for each in found] == [filled.shop[minute] for minute in minutes]


async def test_a_snapshot_is_found_by_its_id(archive, filled):
    (found,) = await archive.snapshots(SnapshotFilter(id=filled.shop[4]))

    assert (found.id, found.slot_ns) == (filled.shop[4], at(4))
    assert found.capture.mem_stats.heap_alloc == 54 << 20


@pytest.mark.parametrize("newest_first", [True, False])
async def test_pages_of_snapshots_leave_none_out_and_show_none_twice(archive, filled, newest_first):
    whole = await archive.snapshots(SnapshotFilter(newest_first=newest_first))
    pages, after = [], None
    while page := await archive.snapshots(
        SnapshotFilter(newest_first=newest_first, after=after, limit=3)
    ):
        pages += page
        after = (page[-1].slot_ns, page[-1].id)

    # Two targets have a snapshot of minute 0: the slot alone would not tell them apart.
    assert len(whole) == 11
    assert pages == whole


async def test_a_loaded_snapshot_is_the_one_that_was_saved(archive, local, filled):
    found = await archive.load(filled.shop[6])

    assert found.name == f"snapshot {filled.shop[6]}"
    expected = to_bytes(await local.load(filled.shop[6]))
    assert to_bytes(found) == to_bytes(from_bytes(expected, name=found.name))


async def test_a_snapshot_that_is_not_there_is_told(archive, filled):
    with pytest.raises(NotFound, match="no snapshot 999"):
        await archive.load(999)


async def test_a_series_has_the_metrics_that_were_asked_for(archive, filled):
    wanted = SeriesQuery(metrics=("heap", "gc-cpu", "go_sys"), since_ns=at(16))

    found = await archive.series(filled.targets["shop"], wanted)

    assert found.slot_ns == (at(16), at(18))
    assert found.snapshot_id == (filled.shop[16], filled.shop[18])
    assert found.columns == (
        Column(name="heap", unit="bytes", values=(66 << 20, 68 << 20)),
        Column(name="gc-cpu", unit="ratio", values=(0.25, 0.25)),
        Column(name="go_sys", unit="bytes", values=(None, None)),
    )


@pytest.mark.parametrize(
    "match",
    [Selection(function="(*Cache).Put"), Selection(file="cache.go"), Selection(focus="[]byte")],
    ids=str,
)
async def test_a_series_of_sites_is_what_the_snapshots_hold(archive, local, filled, match):
    wanted = SeriesQuery(match=match, since_ns=at(0), until_ns=at(6))

    found = await archive.series(filled.targets["shop"], wanted)

    row = 2 if match.focus else 0
    heaps = [captured_values(await local.load(filled.shop[minute])) for minute in (0, 2, 4)]
    names = ("alloc_objects", "alloc_bytes", "live_objects", "live_bytes")
    columns = {each.name: each for each in found.columns}
    for at_column, name in enumerate(names):
        assert columns[name].unit == name.partition("_")[2]
        assert list(columns[name].values) == [heap[row][at_column] for heap in heaps]


def captured_values(snapshot) -> list[list[int]]:
    """Return the values of the three sites in the order of `captured`."""
    order = ("Cache", "ReadAll", "serve")
    heap, by_name = snapshot.heap, {}
    for sample in range(len(heap)):
        place = heap.stack[heap.stack_start[sample]]
        function = heap.locations.line_function[heap.locations.line_start[place]]
        name = heap.strings[heap.functions.name[function]]
        by_name[next(part for part in order if part in name)] = heap.values[sample].tolist()
    return [by_name[name] for name in order]


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (SeriesQuery(metrics=("haep",)), "no metric 'haep'"),
        (SeriesQuery(match=Selection(function="nowhere")), "nothing that was captured matches"),
        (
            SeriesQuery(metrics=("heap",), match=Selection(function="Put")),
            "of metrics or of sites",
        ),
    ],
    ids=["metric", "site", "both"],
)
async def test_a_series_that_cannot_be_is_refused_with_a_hint(archive, filled, wanted, words):
    with pytest.raises(UsageError, match=words) as caught:
        await archive.series(filled.targets["shop"], wanted)
    assert caught.value.hint


async def test_a_series_of_no_target_is_told(archive, filled):
    with pytest.raises(NotFound, match="no target '999'"):
        await archive.series(999, SeriesQuery(since_ns=at(0)))


async def test_a_series_of_too_many_captures_is_refused(archive, filled, monkeypatch):
    monkeypatch.setattr(local_module, "MOST_POINTS", 9)

    with pytest.raises(UsageError, match="there are 10 captures in this time, more than 9"):
        await archive.series(filled.targets["shop"], SeriesQuery(since_ns=at(0)))


@pytest.mark.parametrize(
    ("wanted", "messages"),
    [
        ({}, ["failure 3", "failure 2", "failure 1"]),
        ({"limit": 2}, ["failure 3", "failure 2"]),
        ({"since_ns": at(2), "until_ns": at(3)}, ["failure 2"]),
        ({"labels": PROD}, ["failure 3", "failure 2", "failure 1"]),
        ({"service": "shop"}, []),
        ({"labels": (("zone", "a"),)}, []),
    ],
    ids=str,
)
async def test_failures_are_those_of_the_filter(archive, filled, wanted, messages):
    found = await archive.failures(FailureQuery(**wanted))

    assert [each.message for each in found] == messages


async def test_failures_of_another_target_are_left_out(archive, filled):
    wanted = FailureQuery(target_id=filled.targets["shop"])

    assert await archive.failures(wanted) == []


QUESTIONS = {
    "targets": lambda each, ids: each.targets(TargetQuery(with_retired=True)),
    "find target": lambda each, ids: each.find_target("old"),
    "no target": lambda each, ids: each.find_target("chop"),
    "snapshots": lambda each, ids: each.snapshots(SnapshotFilter()),
    "no snapshot": lambda each, ids: each.load(10**18),
    "series": lambda each, ids: each.series(ids.targets["shop"], SeriesQuery(since_ns=0)),
    "no site": lambda each, ids: each.series(
        ids.targets["shop"], SeriesQuery(since_ns=0, match=Selection(focus="main.Entry"))
    ),
    "failures": lambda each, ids: each.failures(FailureQuery()),
}


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
async def test_both_archives_say_the_same(local, remote, filled, question):
    answers = []
    for each in (local, remote):
        try:
            answers.append(await question(each, filled))
        except UsageError as error:
            answers.append((type(error), error.message, error.hint))

    assert answers[0] == answers[1]
