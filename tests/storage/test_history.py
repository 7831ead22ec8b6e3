"""How a site went over many captures, against the captures themselves."""

from dataclasses import replace

import numpy as np
import pytest
from builders.captures import CAPTURE, LEAK, READ, SERVE, plain, taken
from builders.profiles import Row, Sample, build
from stores import at, seen

from memsnap.analysis.select import Selection
from memsnap.errors import UsageError
from memsnap.snapshot import MemStats
from memsnap.storage.history import site_history, stats_history
from memsnap.storage.targets import register


def _captured(leaked: int, *, build_id: str = "c0ffee"):
    process = replace(CAPTURE.process, build_id=build_id)
    capture = replace(CAPTURE, process=process, mem_stats=MemStats(source="x", sys=leaked))
    rows = (
        Row(LEAK, size=48, alloc=leaked + 5, live=leaked),
        Row(LEAK, size=64, alloc=leaked, live=leaked, type="main.entry"),
        Row(READ, size=4096, alloc=400, live=2),
        Row(SERVE, size=4096, alloc=100, live=50, type="[]uint8", kind="make"),
    )
    return taken(*rows, capture=capture)


def _sums(snapshot, *samples: int) -> list[int]:
    return snapshot.heap.values[list(samples)].sum(axis=0).tolist()


@pytest.mark.parametrize(
    ("match", "samples"),
    [
        (Selection(function="main.(*Cache).Put"), (0, 1)),
        (Selection(function="main.handle"), (0, 1, 2)),
        (Selection(function="!main.handle"), (3,)),
        (Selection(package="net/http"), (3,)),
        (Selection(file="cache.go"), (0, 1)),
        (Selection(focus="[]byte"), (3,)),
        (Selection(focus="main.entry", function="handle"), (1,)),
        (Selection(focus="[]byte", function="handle"), ()),
        (Selection(), (0, 1, 2, 3)),
    ],
    ids=str,
)
async def test_a_history_is_the_sum_of_the_matching_samples(store, target, saved, match, samples):
    captures = [_captured(leaked) for leaked in (10, 30, 70)]
    numbers = [await saved(target, at(minute), each) for minute, each in enumerate(captures)]

    history = await site_history(store, target, match=match)

    columns = [history.alloc_objects, history.alloc_bytes, history.live_objects, history.live_bytes]
    assert np.array(columns).T.tolist() == [_sums(each, *samples) for each in captures]
    assert history.slot_ns.tolist() == [at(minute) for minute in range(3)]
    assert history.snapshot_id.tolist() == numbers


async def test_a_history_goes_over_builds_and_lives(store, target, saved):
    captures = [_captured(10), _captured(20, build_id="d00d"), _captured(30, build_id="d00d")]
    for minute, each in enumerate(captures):
        await saved(target, at(minute), each)

    history = await site_history(store, target, match=Selection(function="Put"))

    assert history.live_bytes.tolist() == [_sums(each, 0, 1)[3] for each in captures]
    assert [life == history.process_id[1] for life in history.process_id] == [False, True, True]


async def test_a_history_has_only_the_captures_of_its_time_and_target(store, saved):
    ids = await register(store, [seen("a"), seen("b")], now_ns=1)
    for minute in range(6):
        await saved(ids["ab"[minute % 2]], at(minute), _captured(10))

    history = await site_history(store, ids["a"], since_ns=at(1), until_ns=at(4), match=Selection())

    assert history.slot_ns.tolist() == [at(2)]


async def test_what_only_one_build_has_is_nothing_in_the_others(store, target, saved):
    await saved(target, at(0), _captured(10))
    new = taken(Row("main.fresh new.go:1", size=48, alloc=5, live=5), capture=CAPTURE)
    await saved(target, at(1), new)

    history = await site_history(store, target, match=Selection(function="main.fresh"))

    assert history.live_objects.tolist() == [0, _sums(new, 0)[2]]


async def test_a_profile_with_other_values_is_read_by_their_names(store, target, saved):
    samples = [Sample(stack="f f.go:1", values=(96, 2, 9))]
    types = (("inuse_space", "bytes"), ("inuse_objects", "count"), ("x", "count"))
    await saved(target, at(0), plain(build(samples, types=types)))

    history = await site_history(store, target, match=Selection())

    assert (history.live_bytes.tolist(), history.live_objects.tolist()) == ([96], [2])
    assert history.alloc_bytes.tolist() == [0]


@pytest.mark.parametrize(
    ("match", "hint"),
    [
        (Selection(function="main.handel"), "main.handle"),
        (Selection(focus="main.entri"), "main.entry"),
        (Selection(package="net/htp"), "net/http"),
        (Selection(file="cash.go"), "cache.go"),
    ],
)
async def test_what_matches_nothing_leads_to_the_nearest_name(store, target, saved, match, hint):
    await saved(target, at(0), _captured(10))

    with pytest.raises(UsageError, match="nothing that was captured matches") as caught:
        await site_history(store, target, match=match)

    assert hint in caught.value.hint


async def test_a_target_without_captures_has_an_empty_history(store, target):
    assert len(await site_history(store, target, match=Selection(function="x"))) == 0


async def test_counters_are_read_as_columns(store, target, saved):
    for minute, leaked in enumerate((10, 20)):
        await saved(target, at(minute), _captured(leaked))
    await saved(target, at(2), plain(_captured(1).heap))

    history = await stats_history(store, target, ["go_sys", "os_rss"], since_ns=at(1))

    assert history.slot_ns.tolist() == [at(1), at(2)]
    assert history.values["go_sys"].tolist()[:1] == [20.0]
    assert np.isnan(history.values["go_sys"]).tolist() == [False, True]
    assert history.values["os_rss"].tolist()[0] == CAPTURE.memory.rss


async def test_an_unknown_column_is_refused(store, target):
    with pytest.raises(UsageError, match="go_nosuch"):
        await stats_history(store, target, ["go_sys", "go_nosuch"])
