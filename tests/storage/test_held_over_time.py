"""What held the live heap over time, out of the store."""

from dataclasses import replace

import numpy as np
import pytest
from builders.captures import CAPTURE, taken
from builders.profiles import Row
from stores import at

from memsnap.analysis.select import EVERYTHING, Selection
from memsnap.analysis.table import By
from memsnap.errors import UsageError
from memsnap.storage.holders import Holder, evenly, holders

# Objects far larger than the sampling rate, of which each one is in the sample.
BIG = 1 << 20
PUT = "shop.put cart.go:7 < main.main main.go:5"


def row(stack, live, **kind):
    return Row(stack, size=8 * BIG, alloc=live, live=live, **kind)


async def asked(store, target, **changed):
    wanted = {"by": By.TYPE, "limit": 6, "since_ns": at(0), "until_ns": at(60), "match": EVERYTHING}
    return await holders(store, target, **{**wanted, **changed})


def live(found):
    """Return what each holder held by capture, in objects of 8 MB."""
    return {
        holder: (values // (8 * BIG)).tolist()
        for holder, values in zip(found.holders, found.live, strict=True)
    }


@pytest.fixture
async def shop(saved, target):
    """A target with three captures: carts come, bytes stay, orders are there once."""
    for minute, (carts, orders) in enumerate([(1, 0), (3, 9), (5, 0)]):
        rows = [
            row(PUT, carts, type="shop.Cart"),
            row("io.ReadAll io.go:704 < main.main main.go:6", 2, type="[]uint8"),
            row("shop.order order.go:3 < main.main main.go:8", orders, type="shop.Order"),
            row("malloc malloc.c:0", 1),
        ]
        await saved(target, at(minute), taken(*rows, later_s=60 * minute))
    return target


async def test_the_types_with_the_largest_peaks_come_first_and_the_rest_is_added_up(store, shop):
    found = await asked(store, shop, limit=2)

    assert live(found) == {Holder("shop.Order"): [0, 9, 0], Holder("shop.Cart"): [1, 3, 5]}
    assert (found.rest // (8 * BIG)).tolist() == [2, 2, 2]
    assert (found.unknown // (8 * BIG)).tolist() == [1, 1, 1]
    assert found.slot_ns.tolist() == [at(0), at(1), at(2)]
    assert (found.found, found.named) == (3, True)


@pytest.mark.parametrize(
    ("by", "cart"),
    [
        (By.FUNCTION, Holder("shop.put")),
        (By.LINE, Holder("shop.put", "cart.go", 7)),
    ],
)
async def test_what_allocated_is_the_innermost_frame(store, shop, by, cart):
    found = await asked(store, shop, by=by)

    assert live(found)[cart] == [1, 3, 5]
    assert not found.rest.any()
    assert not found.unknown.any()


async def test_packages_add_up_their_functions(store, shop):
    found = live(await asked(store, shop, by=By.PACKAGE))

    assert found[Holder("shop")] == [1, 12, 5]
    assert found[Holder("io")] == [2, 2, 2]


async def test_builds_without_types_have_no_holders_and_all_is_unknown(store, saved, target):
    await saved(target, at(0), taken(row(PUT, 3)))

    found = await asked(store, target)

    assert (found.holders, found.named) == ((), False)
    assert (found.unknown // (8 * BIG)).tolist() == [3]
    assert found.rest.tolist() == [0]


async def test_a_holder_is_the_same_in_every_build(store, shop, saved):
    process = replace(CAPTURE.process, build_id="beef", pid=5)
    rows = [row(PUT.replace("7", "9"), 8, type="shop.Cart")]
    await saved(shop, at(3), taken(*rows, capture=replace(CAPTURE, process=process)))

    found = await asked(store, shop)

    assert live(found)[Holder("shop.Cart")] == [1, 3, 5, 8]
    assert len(set(found.process_id.tolist())) == 2


async def test_a_selection_is_what_is_looked_at(store, shop):
    found = await asked(store, shop, match=Selection(file="cart.go"))

    assert live(found) == {Holder("shop.Cart"): [1, 3, 5]}
    with pytest.raises(UsageError, match="nothing that was captured matches"):
        await asked(store, shop, match=Selection(focus="shop.Crat"))


async def test_a_time_without_captures_is_empty(store, shop):
    found = await asked(store, shop, since_ns=at(30))

    assert (found.found, len(found.slot_ns), found.holders) == (0, 0, ())
    assert found.live.shape == (0, 0)


async def test_large_captures_are_thinned_to_what_can_be_added_up(store, shop, monkeypatch):
    monkeypatch.setattr("memsnap.storage.holders._MOST_SAMPLES", 8)
    found = await asked(store, shop)

    assert found.found == 3
    assert found.slot_ns.tolist() == [at(0), at(2)]


async def test_too_many_captures_are_refused(store, shop, monkeypatch):
    monkeypatch.setattr("memsnap.storage.holders.MOST_IN_SPAN", 2)
    with pytest.raises(UsageError, match="more than 2 captures"):
        await asked(store, shop)


def test_captures_are_thinned_evenly_and_the_ends_stay():
    assert evenly([], 2) == []
    assert evenly([1, 2, 3], 3) == [1, 2, 3]
    thinned = evenly(range(1440), 400)
    assert (thinned[0], thinned[-1], len(set(thinned))) == (0, 1439, 400)
    assert set(np.diff(thinned).tolist()) == {3, 4}
