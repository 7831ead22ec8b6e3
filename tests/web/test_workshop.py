"""Work is done once, is bounded in number and in the time that callers wait, and is kept."""

import asyncio

import pytest

from memsnap.web.api.workshop import Workshop
from memsnap.web.errors import Busy


class Counted:
    """A build that counts its runs, and waits for `go` where it is told to."""

    def __init__(self, value: bytes = b"value", *, waits: bool = False) -> None:
        self.runs = 0
        self.go = asyncio.Event()
        self._value = value
        if not waits:
            self.go.set()

    async def __call__(self) -> bytes:
        self.runs += 1
        await self.go.wait()
        return self._value


def workshop(*, weight: int = 10, most: int = 2, patience_s: float = 60.0) -> Workshop[bytes]:
    return Workshop(weigh=len, most_weight=weight, most=most, patience_s=patience_s)


async def test_callers_of_the_same_share_the_work():
    shop, build = workshop(), Counted(waits=True)
    callers = [asyncio.create_task(shop.get("key", build)) for _ in range(9)]
    await asyncio.sleep(0)
    build.go.set()

    assert await asyncio.gather(*callers) == [b"value"] * 9
    assert await shop.get("key", build) == b"value"
    assert build.runs == 1


async def test_what_was_used_last_is_kept():
    shop, builds = workshop(weight=10), {key: Counted(b"12345") for key in "abc"}
    for key in "abacb":
        await shop.get(key, builds[key])

    assert {key: build.runs for key, build in builds.items()} == {"a": 1, "b": 2, "c": 1}


async def test_what_is_too_heavy_is_not_kept_and_drives_nothing_out():
    shop, light, heavy = workshop(weight=10), Counted(b"1"), Counted(b"x" * 11)
    for _ in range(2):
        await shop.get("light", light)
        assert await shop.get("heavy", heavy) == b"x" * 11

    assert (light.runs, heavy.runs) == (1, 2)


async def test_too_much_at_once_is_refused():
    shop, build = workshop(most=2), Counted(waits=True)
    under_way = [asyncio.create_task(shop.get(key, build)) for key in "ab"]
    await asyncio.sleep(0)
    with pytest.raises(Busy, match="too much"):
        await shop.get("c", build)
    build.go.set()
    await asyncio.gather(*under_way)
    assert await shop.get("c", build) == b"value"


async def test_a_caller_waits_so_long_and_finds_it_done_later():
    shop, build = workshop(patience_s=0.01), Counted(waits=True)
    with pytest.raises(Busy, match="goes on"):
        await shop.get("key", build)
    build.go.set()
    while True:
        try:
            assert await shop.get("key", build) == b"value"
            break
        except Busy:
            continue
    assert build.runs == 1


async def test_a_failure_is_told_and_not_kept():
    shop, build = workshop(), Counted()

    async def failing() -> bytes:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await shop.get("key", failing)
    assert await shop.get("key", build) == b"value"
