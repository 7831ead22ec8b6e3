"""Captures of real Go services come back from the store as Go's own pprof sees them."""

import http.client
from pathlib import Path

import pytest
import services
from sqlalchemy import select
from stores import at, seen
from test_dictionary import by_sample, header

from memsnap import api
from memsnap.snapshot import Snapshot
from memsnap.storage import snapfile
from memsnap.storage.snapshots import load
from memsnap.storage.tables import dictionaries, processes
from memsnap.storage.targets import register

pytestmark = pytest.mark.go

DENSE = {"GODEBUG": "memprofilerate=1024"}
INDICES = ("inuse_space", "inuse_objects", "alloc_space", "alloc_objects")


def _said(pprof, file: Path) -> dict[str, object]:
    """Return what pprof prints of a file; traces sorted, since samples have no order."""
    printed = {
        (view, index): pprof.run(f"-{view}", "-symbolize=none", f"-sample_index={index}", file)
        for view in ("top", "tags")
        for index in INDICES
    }
    head, *traces = pprof.run("-traces", "-symbolize=none", file).split("-----------+")
    mappings = pprof.run("-raw", "-symbolize=none", file).partition("Mappings")[2]
    return {**printed, "traces": (head, sorted(traces)), "mappings": mappings}


def _captured(service: services.Service) -> Snapshot:
    return api.capture(f"pid:{service.pid}")


def _sites(snapshot: Snapshot) -> set[tuple]:
    """Return the distinct stacks with their labels; addresses as offsets in the mapped file."""
    mappings = snapshot.heap.mappings

    def place(mapping: int, address: int, *rest: object) -> tuple:
        return (mapping, address - mappings[mapping].start + mappings[mapping].offset, *rest)

    return {
        (tuple(place(*location) for location in stack), labels)
        for _, stack, labels in by_sample(snapshot.heap)
    }


async def test_pprof_sees_no_difference(store, target, saved, service, pprof, tmp_path):
    with service("warm_cache", env=DENSE) as running:
        running.step(200)
        first = _captured(running)
        running.step(200)
        second = _captured(running)

    numbers = [await saved(target, at(0), first), await saved(target, at(1), second)]

    for number, original in zip(numbers, (first, second), strict=True):
        again = await load(store, number)
        assert again.capture == original.capture
        assert header(again.heap) == header(original.heap)
        assert by_sample(again.heap) == by_sample(original.heap)
        assert again.goroutine_profile == original.goroutine_profile
        snapfile.save(original, tmp_path / "shop.snap")
        before = _said(pprof, tmp_path / "shop.snap")
        snapfile.save(again, tmp_path / "shop.snap")
        assert _said(pprof, tmp_path / "shop.snap") == before


async def test_two_processes_of_a_moved_executable_share_their_sites(store, saved, go, scenarios):
    del scenarios  # built before, so that this build finds its packages
    folder = Path(__file__).parents[1] / "scenarios" / "ring"
    program = go.build(folder, flags=["-buildmode=pie"])
    ids = await register(store, [seen("a"), seen("b")], now_ns=1)
    snapshots = []
    for _ in ids:
        with services.running(program, "-until-eof", env=DENSE) as running:
            running.step(50)
            snapshots.append(_captured(running))
    starts = {each.heap.mappings[0].start for each in snapshots}

    first, second = [
        await saved(each, at(0), snapshot)
        for each, snapshot in zip(ids.values(), snapshots, strict=True)
    ]

    async with store.connect() as connection:
        parts = (await connection.execute(select(dictionaries.c.sites))).scalars().all()
    assert len(starts) == 2
    one, two = map(_sites, snapshots)
    assert sum(parts) == len(one | two)
    assert len(one & two) > len(one) / 4
    for number, original in zip((first, second), snapshots, strict=True):
        assert by_sample((await load(store, number)).heap) == by_sample(original.heap)


async def test_a_restart_begins_another_life(store, target, saved, service):

    for minute in (0, 2):
        with service("ring", env=DENSE) as running:
            for later in (0, 1):
                await saved(target, at(minute + later), _captured(running))
    async with store.connect() as connection:
        lives = (
            await connection.execute(
                select(processes.c.first_slot_ns, processes.c.last_slot_ns).order_by(processes.c.id)
            )
        ).all()

    assert lives == [(at(0), at(1)), (at(2), at(3))]


async def test_a_text_profile_of_a_remote_service_comes_back(store, target, saved, service):
    with service("ring", env=DENSE) as running:
        running.step(50)
        host = running.address.removeprefix("http://")
        connection = http.client.HTTPConnection(host)
        connection.request("GET", "/debug/pprof/heap?debug=1")
        text = connection.getresponse().read()
        connection.close()
    original = snapfile.from_bytes(text, name="heap")

    again = await load(store, await saved(target, at(0), original))

    assert by_sample(again.heap) == by_sample(original.heap)
    assert header(again.heap) == header(original.heap)
