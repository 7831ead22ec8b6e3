"""The spool: captures survive the database's absence, in order, within a bound, and a kill."""

import asyncio
import os
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from builders.captures import after, before

from memsnap.errors import FileError
from memsnap.storage.errors import Refused
from memsnap.storage.records import SeenTarget
from memsnap.storage.snapfile import load, to_bytes
from memsnap.storage.spool import Aside, DrainReport, Dropped, SetAside, Spool

SHOP = SeenTarget(
    key="http://shop:6060", address="http://shop:6060", service="shop", source="static"
)
CART = replace(SHOP, key="pid:cart", service="cart", labels=(("env", "prod"), ("zone", "ö")))
SIZE = len(to_bytes(before()))
SLOT = 1_795_356_187_000_000_000
MINUTE = 60 * 10**9


def put(spool, number=0, *, seen=SHOP, snapshot=None, reason="schedule"):
    """Spool a capture of a slot that many minutes after the first."""
    return spool.put(seen, snapshot or before(), slot_ns=SLOT + number * MINUTE, reason=reason)


async def drained(spool):
    """Drain everything into a list of (target, slot in minutes, reason, snapshot)."""
    found = []

    async def store(seen, entry, snapshot):
        number = (entry.slot_ns - SLOT) // MINUTE
        found.append((seen, number, entry.reason, snapshot))

    return await spool.drain(store, lambda _: None), found


async def set_aside(spool, refused=()):
    """Drain into a store that refuses slots; what was told to be set aside, and what was stored."""
    told, stored = [], []

    async def store(seen, entry, snapshot):
        number = (entry.slot_ns - SLOT) // MINUTE
        if number in refused:
            raise Refused(f"slot {number} is refused")
        stored.append(number)

    report = await spool.drain(store, told.append)
    assert report.set_aside == len(told)
    assert report.stored == len(stored)
    return told, stored


@pytest.fixture
def spool(tmp_path):
    with Spool(tmp_path / "spool", max_bytes=10 * SIZE) as opened:
        yield opened


def files_in(folder):
    """The names of everything in the folder but its lock."""
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


async def test_a_capture_comes_back_as_it_was(spool):
    put(spool, snapshot=after(), seen=CART, reason="trigger:heap/große Menge")
    report, [(seen, number, reason, snapshot)] = await drained(spool)
    assert (seen, number, reason) == (CART, 0, "trigger:heap/große Menge")
    assert to_bytes(snapshot) == to_bytes(after())
    assert report == DrainReport(stored=1, set_aside=0, waiting=0)


async def test_captures_come_back_in_order_of_their_slots(spool):
    for number in (3, 1, 2):
        put(spool, number)
        put(spool, number, seen=CART)
    _, found = await drained(spool)
    assert [number for _, number, _, _ in found] == [1, 1, 2, 2, 3, 3]


async def test_nothing_is_left_behind_after_draining(spool):
    put(spool)
    put(spool, seen=CART)
    await drained(spool)
    assert files_in(spool.folder) == []
    assert (len(spool), spool.size_bytes) == (0, 0)


def test_a_waiting_file_is_a_snap(spool):
    put(spool)
    [entry] = spool.waiting()
    assert to_bytes(load(entry.path)) == to_bytes(before())


async def test_what_waits_survives_a_restart(tmp_path):
    with Spool(tmp_path, max_bytes=10 * SIZE) as first:
        put(first, 1)
        put(first, 2, seen=CART)
        size = first.size_bytes
    with Spool(tmp_path, max_bytes=10 * SIZE) as second:
        assert (len(second), second.size_bytes) == (2, size)
        _, found = await drained(second)
    assert [(seen, number) for seen, number, _, _ in found] == [(SHOP, 1), (CART, 2)]


async def test_a_full_spool_drops_the_oldest_and_tells_which(tmp_path):
    with Spool(tmp_path, max_bytes=3 * SIZE + SIZE // 2) as spool:
        dropped = [put(spool, number) for number in range(5)]
        assert dropped == [
            *[()] * 3,
            (Dropped(seen=SHOP, slot_ns=SLOT, reason="schedule"),),
            (Dropped(seen=SHOP, slot_ns=SLOT + MINUTE, reason="schedule"),),
        ]
        assert spool.dropped == 2
        assert spool.size_bytes <= spool.max_bytes
        _, found = await drained(spool)
    assert [number for _, number, _, _ in found] == [2, 3, 4]


def test_a_capture_larger_than_the_spool_is_dropped_itself(tmp_path):
    with Spool(tmp_path, max_bytes=SIZE // 2) as spool:
        assert put(spool) == (Dropped(seen=SHOP, slot_ns=SLOT, reason="schedule"),)
        assert files_in(tmp_path) == []


async def test_the_same_slot_is_spooled_once(spool):
    put(spool, reason="schedule")
    put(spool, reason="schedule")
    put(spool, snapshot=after(), reason="request")
    assert len(spool) == 1
    _, [(_, _, reason, snapshot)] = await drained(spool)
    assert reason == "request"
    assert to_bytes(snapshot) == to_bytes(after())
    assert spool.size_bytes == 0


async def test_a_store_that_is_away_again_ends_the_draining_and_keeps_the_rest(spool):
    for number in range(3):
        put(spool, number)
    taken = []

    async def store(seen, entry, snapshot):
        if len(taken) == 1:
            raise ConnectionError
        taken.append(entry.slot_ns)

    with pytest.raises(ConnectionError):
        await spool.drain(store, lambda _: None)
    assert len(spool) == 2
    _, found = await drained(spool)
    assert [number for _, number, _, _ in found] == [1, 2]


async def test_captures_spooled_while_draining_are_not_lost(spool):
    put(spool, 5)

    async def store(seen, entry, snapshot):
        put(spool, 6)
        put(spool, 5, snapshot=after(), reason="request")

    report = await spool.drain(store, lambda _: None)
    assert report.waiting == 2
    assert len(files_in(spool.folder)) == 3  # two captures and their target


async def test_unreadable_files_are_set_aside_and_named(spool):
    put(spool, 1)
    put(spool, 2)
    first, _ = spool.waiting()
    first.path.write_bytes(first.path.read_bytes()[:100])
    [lost], stored = await set_aside(spool)
    assert stored == [2]
    assert (lost.seen, lost.slot_ns, lost.why) == (SHOP, first.slot_ns, Aside.UNREADABLE)
    assert first.path.name in lost.message
    assert files_in(spool.folder) == ["unreadable"]
    assert files_in(spool.folder / "unreadable") == [first.path.name]


async def test_only_a_few_unreadable_files_are_kept(tmp_path):
    with Spool(tmp_path, max_bytes=100 * SIZE) as spool:
        for number in range(20):
            put(spool, number)
        for entry in spool.waiting():
            entry.path.write_bytes(b"")
        await drained(spool)
    assert len(files_in(tmp_path / "unreadable")) == 16


async def test_a_capture_whose_target_nobody_knows_any_more_is_set_aside(tmp_path):
    with Spool(tmp_path, max_bytes=10 * SIZE) as spool:
        put(spool)
    [sidecar] = tmp_path.glob("*.target.json")
    sidecar.write_text('{"key": "another"')
    with Spool(tmp_path, max_bytes=10 * SIZE) as spool:
        [lost], stored = await set_aside(spool)
    assert stored == []
    assert lost.seen is None
    assert "does not say which target" in lost.message


async def test_what_the_store_refuses_is_set_aside_and_what_is_behind_it_goes_on(spool):
    for number in range(4):
        put(spool, number)
    told, stored = await set_aside(spool, refused={1})
    assert told == [
        SetAside(
            seen=SHOP,
            slot_ns=SLOT + MINUTE,
            reason="schedule",
            why=Aside.REFUSED,
            message="slot 1 is refused",
        )
    ]
    assert stored == [0, 2, 3]
    assert len(spool) == 0
    [kept] = (spool.folder / "refused").iterdir()
    assert to_bytes(load(kept)) == to_bytes(before())


async def test_what_is_set_aside_takes_no_room_from_captures_that_wait(tmp_path):
    with Spool(tmp_path, max_bytes=4 * SIZE) as spool:
        for number in range(3):
            put(spool, number)
        await set_aside(spool, refused={0, 1, 2})
    with Spool(tmp_path, max_bytes=4 * SIZE) as spool:
        assert [put(spool, number) for number in range(3, 6)] == [(), (), ()]
        held = [*(tmp_path / "refused").iterdir(), *(each.path for each in spool.waiting())]
        assert sum(path.stat().st_size for path in held) <= 4 * SIZE
        assert len(held) == 4


def test_half_files_and_targets_without_captures_are_removed_at_the_start(tmp_path):
    (tmp_path / f".{SLOT}-x.snap.0badcafe.tmp").write_bytes(b"half")
    (tmp_path / f"{'0' * 20}.target.json").write_text("{}")
    (tmp_path / "README").write_text("somebody's own")
    with Spool(tmp_path, max_bytes=SIZE):
        assert files_in(tmp_path) == ["README"]


def test_two_processes_cannot_share_a_spool(tmp_path):
    with (
        Spool(tmp_path, max_bytes=SIZE),
        pytest.raises(FileError, match="in use by another process"),
    ):
        Spool(tmp_path, max_bytes=SIZE)
    Spool(tmp_path, max_bytes=SIZE).close()


def test_a_folder_that_cannot_be_made_is_an_error_with_its_name(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="file/spool"):
        Spool(tmp_path / "file" / "spool", max_bytes=SIZE)


KILLED = """
import sys
from pathlib import Path
from builders.captures import before
from test_spool import SHOP, SLOT, MINUTE
from memsnap.storage.spool import Spool

spool = Spool(Path(sys.argv[1]), max_bytes=1 << 30)
print("ready", flush=True)
for number in range(1_000_000):
    spool.put(SHOP, before(), slot_ns=SLOT + number * MINUTE, reason="schedule")
    print(number, flush=True)
"""


@pytest.mark.parametrize("seed", range(3))
async def test_what_was_spooled_before_a_kill_is_there_and_nothing_half(tmp_path, seed):
    folders = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]
    process = await asyncio.to_thread(
        subprocess.Popen,
        [sys.executable, "-c", KILLED, str(tmp_path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*folders, *sys.path])},
    )
    with process:
        for _ in range(10):
            process.stdout.readline()
        await asyncio.sleep(random.Random(seed).random() / 50)  # anywhere within a write
        process.kill()
        said = [int(line) for line in process.stdout.read().split()]
    with Spool(tmp_path, max_bytes=1 << 30) as spool:
        report, found = await drained(spool)
    assert report.set_aside == 0
    numbers = [number for _, number, _, _ in found]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) >= (said[-1] if said else 8) + 1
    assert {to_bytes(snapshot) for *_, snapshot in found} == {to_bytes(before())}


def test_a_full_disk_drops_the_oldest_before_it_gives_up(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", disk]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk is not allowed here")
    try:
        with Spool(disk, max_bytes=1 << 30) as spool:
            dropped = [lost for number in range(60) for lost in put(spool, number)]
            assert dropped[0].slot_ns == SLOT
            assert len(dropped) + len(spool) == 60
            assert spool.waiting()[-1].slot_ns == SLOT + 59 * MINUTE
            for entry in spool.waiting():
                spool.remove(entry)
            (disk / "others").write_bytes(bytes(disk_free(disk)))
            with pytest.raises(FileError, match="no space left"):
                put(spool)
    finally:
        subprocess.run(["umount", disk], check=True)


def disk_free(folder):
    """Bytes that the disk of a folder has left."""
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize
