"""`memsnap findings list|mute|unmute|resolve` on a store."""

import asyncio
import getpass
import json
import time
from pathlib import Path

import pytest
from commands import save_capture

from memsnap.storage.database import Database
from memsnap.storage.findings import judged
from memsnap.storage.records import SnapshotFilter
from memsnap.storage.sightings import Judgement, Sighted
from memsnap.storage.snapshots import find

DAY_NS = 24 * 3600 * 10**9


async def _keep(filled):
    async with await Database.open(filled.url) as db:
        (newest,) = await find(db, SnapshotFilter(target_id=filled.targets["shop"], limit=1))
        said = {"id": "growth:main.put", "title": "main.put leaks: 4.2 MB more"}
        leak = Sighted(
            fingerprint="growth:main.put:[]uint8",
            kind="growth",
            verdict="leak",
            severity="high",
            confidence=0.97,
            function="main.put",
            document=json.dumps(said),
        )
        judgement = Judgement(
            target_id=filled.targets["shop"],
            process_id=newest.process_id,
            snapshot_ids=(newest.id,),
            slots_ns=(newest.slot_ns,),
            sighted=(leak,),
        )
        await judged(db, judgement, resolve_after=3, now_ns=time.time_ns())


@pytest.fixture
def kept(filled):
    """A store in which `shop` leaks: finding 1."""
    asyncio.run(_keep(filled))
    return filled


@pytest.fixture
def listed(memsnap):
    """The findings of the store as JSON."""

    def ask(*args):
        done = memsnap("findings", "list", *args, "--json")
        assert (done.code, done.err) == (0, "")
        document = json.loads(done.out)
        assert (document["schema"], document["more"]) == ("memsnap.list/1", False)
        return document["findings"]

    return ask


def test_findings_are_listed_with_their_ids(kept, memsnap):
    head, row = memsnap("findings", "list").out.splitlines()

    assert " ".join(head.split()) == "id state verdict severity target since last finding"
    assert row.split()[:5] == ["1", "new", "leak", "high", "shop"]
    assert row.endswith("main.put leaks: 4.2 MB more")


def test_findings_of_one_target_are_its_own(kept, listed):
    assert [each["id"] for each in listed("shop")] == [1]
    assert listed("cart") == []


def test_a_muted_finding_says_for_how_long_by_whom_and_why(kept, memsnap, listed):
    done = memsnap("findings", "mute", "1", "--for", "7d", "--reason", "fixed in v1.4")

    assert done.code == 0
    assert done.out.startswith("1 is muted until ")
    assert f" by {getpass.getuser()}: fixed in v1.4: main.put leaks" in done.out
    (one,) = listed("--state", "muted")
    assert abs(one["muted_until_ns"] - time.time_ns() - 7 * DAY_NS) < DAY_NS / 100
    assert one["finding"]["id"] == "growth:main.put"
    assert memsnap("findings", "unmute", "1").out == "1 is new: main.put leaks: 4.2 MB more\n"
    assert listed("--state", "muted") == []


def test_a_mute_without_a_time_has_no_end(kept, memsnap, listed):
    memsnap("findings", "mute", "1", "--by", "anna")

    (one,) = listed()
    assert (one["state"], one["muted_until_ns"], one["muted_by"]) == ("muted", None, "anna")


def test_a_resolved_finding_is_listed_only_when_asked_for(kept, memsnap, listed):
    done = memsnap("findings", "resolve", "1", "--reason", "fixed", "--by", "anna")

    assert done.out == "1 is resolved by anna: fixed: main.put leaks: 4.2 MB more\n"
    assert listed() == []
    assert [each["resolved_by"] for each in listed("--state", "resolved")] == ["anna: fixed"]


def test_a_finding_that_is_not_there_is_told(kept, memsnap):
    done = memsnap("findings", "resolve", "7")

    assert done.code == 2
    assert "has no finding 7" in done.err
    assert "memsnap findings list" in done.err


@pytest.mark.parametrize("args", [["mute"], ["mute", "one"], ["mute", "1", "--for", "soon"]])
def test_what_is_no_id_or_no_time_is_refused(kept, memsnap, args):
    assert memsnap("findings", *args).code == 2


def test_a_store_without_findings_says_so(filled, memsnap):
    assert memsnap("findings", "list").out == "No findings.\n"


def test_files_are_judged_as_ever_whatever_they_are_called(memsnap, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for minute, name in enumerate(("mute", "list")):
        save_capture(Path(name), 10 + 100 * minute, minute=minute)

    done = memsnap("findings", "./mute", "list", "--json")

    assert done.code == 0
    assert json.loads(done.out)["schema"] == "memsnap.findings/1"
