"""Stored captures for scripts and notebooks, which wait for nothing."""

import asyncio

import pytest
from stores import at, seen

from memsnap import api
from memsnap.archive.blocking import run
from memsnap.archive.places import StorePlace
from memsnap.errors import UsageError
from memsnap.storage.targets import register


@pytest.fixture
async def place(store, store_url, saved):
    """A store whose target `a` has three captures."""
    ids = await register(store, [seen("a")], now_ns=1)
    for minute in range(3):
        await saved(ids["a"], at(minute))
    return StorePlace(url=store_url)


def test_a_result_comes_without_an_event_loop():
    assert run(asyncio.sleep(0, "done")) == "done"


async def test_a_reference_is_loaded_also_where_an_event_loop_runs(place):
    assert api.load("store:a@last", place=place).name == "store:3"
    assert [each.name for each in api.stored("store:a@first..last", place=place)] == [
        *("store:1", "store:2", "store:3")
    ]


async def test_one_capture_is_not_several(place):
    with pytest.raises(UsageError, match="are 3 captures"):
        api.load("store:a@first..last", place=place)


def test_the_environment_names_the_store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MEMSNAP_STORE_URL", raising=False)

    with pytest.raises(UsageError, match="no store is named"):
        api.load("store:1")
