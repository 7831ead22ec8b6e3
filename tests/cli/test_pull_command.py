"""`memsnap pull`: stored captures as files."""

import asyncio
import subprocess
from pathlib import Path

import pytest
from program import MEMSNAP

from memsnap import api
from memsnap.storage.database import Database
from memsnap.storage.snapfile import from_bytes, to_bytes
from memsnap.storage.snapshots import load


def test_a_pulled_capture_is_the_stored_one(filled, memsnap, tmp_path):
    done = memsnap("pull", f"store:{filled.shop[3]}", "-o", tmp_path / "a.snap")

    async def stored():
        async with await Database.open(filled.url) as db:
            return await load(db, filled.shop[3])

    assert done.code == 0
    assert done.out.startswith(f"{tmp_path / 'a.snap'}  #{filled.shop[3]} of 2")
    assert (tmp_path / "a.snap").read_bytes() == to_bytes(asyncio.run(stored()))


@pytest.mark.parametrize("text", ["4", "#4", "store:4", "shop@-13m30s", "store:shop@-13m30s"])
def test_a_capture_is_named_by_id_or_moment(filled, memsnap, text):
    done = memsnap("pull", text)

    assert done.code == 0, done.err
    assert Path("shop-4.snap").exists()
    assert api.load("shop-4.snap").capture == api.load("store:4").capture


def test_a_capture_goes_to_standard_output(filled):
    done = subprocess.run([*MEMSNAP, "pull", "4", "-o", "-"], capture_output=True, check=True)

    assert from_bytes(done.stdout, name="-").capture == api.load("store:4").capture


def test_a_range_is_refused(filled, memsnap):
    done = memsnap("pull", "shop@-1h..now")

    assert done.code == 2
    assert "may be several captures" in done.lines[0]
    assert not list(Path().glob("*.snap"))
