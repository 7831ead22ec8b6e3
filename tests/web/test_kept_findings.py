"""Findings read and settled from outside the daemon: in its store, and over its API."""

import time

import pytest
from apps import READ, TOKENS, WRITE, app_of
from builders.captures import before
from stores import at

from memsnap.archive.errors import NotFound, ServerError
from memsnap.archive.local import LocalArchive
from memsnap.archive.remote import RemoteArchive
from memsnap.archive.values import FindingQuery
from memsnap.storage.findings import judged
from memsnap.storage.records import SnapshotFilter
from memsnap.storage.sightings import FOR_EVER_NS, Judgement, Sighted, State
from memsnap.storage.snapshots import find as find_snapshots

LEAK, CACHE = (
    Sighted(
        fingerprint=f"{kind}:main.{kind}:",
        kind=kind,
        verdict=verdict,
        severity="high",
        confidence=0.97,
        function=f"main.{kind}",
        document=f'{{"title": "main.{kind} says {verdict}"}}',
    )
    for kind, verdict in (("growth", "leak"), ("cache", "cache"))
)


@pytest.fixture
async def kept(store, saved, target):
    """The ids of two findings of a target by their kind."""
    number = await saved(target, at(0), before())
    (record,) = await find_snapshots(store, SnapshotFilter(target_id=target))
    judgement = Judgement(
        target_id=target,
        process_id=record.process_id,
        snapshot_ids=(number,),
        slots_ns=(at(0),),
        sighted=(LEAK, CACHE),
    )
    await judged(store, judgement, resolve_after=3, now_ns=at(0))
    found = await LocalArchive(store).findings(FindingQuery())
    return {each.finding.kind: each.finding.id for each in found}


@pytest.fixture
async def url(store, tmp_path):
    """The address of a daemon with that store."""
    async with app_of(store, tmp_path, TOKENS) as client:
        yield str(client.make_url("/"))


@pytest.fixture(params=["store", "server"])
async def archive(request, store, url):
    """The place of the findings, either way; a server knows us as `writer`."""
    if request.param == "store":
        yield LocalArchive(store)
        return
    async with RemoteArchive.open(url, token=WRITE, max_bytes=1 << 20) as remote:
        yield remote


async def test_findings_are_listed_by_target_and_state(archive, kept, target):
    def kinds(found):
        return {each.finding.kind for each in found}

    assert kinds(await archive.findings(FindingQuery())) == {"growth", "cache"}
    await archive.mute(kept["cache"], until_ns=None, reason="", by="writer")
    muted = await archive.findings(FindingQuery(states=(State.MUTED,)))
    assert kinds(muted) == {"cache"}
    assert kinds(await archive.findings(FindingQuery(states=(State.NEW, State.OPEN)))) == {"growth"}
    assert kinds(await archive.findings(FindingQuery(target_id=target, limit=1))) < {*kept}
    assert await archive.findings(FindingQuery(target_id=target + 1)) == []


async def test_a_mute_has_an_end_a_name_and_a_reason(archive, kept):
    until_ns = time.time_ns() + 60 * 10**9
    muted = await archive.mute(
        kept["growth"], until_ns=until_ns, reason=" known: #17 ", by="writer"
    )
    assert (muted.state, muted.finding.muted_until_ns) == (State.MUTED, until_ns)
    assert muted.finding.muted_by == "writer: known: #17"
    back = await archive.unmute(kept["growth"])
    assert (back.state, back.finding.muted_until_ns, back.finding.muted_by) == (State.NEW, None, "")


async def test_a_mute_without_a_time_lasts(archive, kept):
    muted = await archive.mute(kept["growth"], until_ns=None, reason="", by="writer")
    assert (muted.finding.muted_until_ns, muted.finding.muted_by) == (FOR_EVER_NS, "writer")


async def test_what_is_resolved_says_by_whom_and_why(archive, kept):
    done = await archive.resolve(kept["growth"], reason="fixed in v1.4", by="writer")
    assert (done.state, done.finding.course.resolved_by) == (
        State.RESOLVED,
        "writer: fixed in v1.4",
    )


async def test_what_is_not_there_cannot_be_settled(archive, kept):
    with pytest.raises(NotFound, match="no finding 77"):
        await archive.mute(77, until_ns=None, reason="", by="writer")
    with pytest.raises(NotFound, match="no finding 77"):
        await archive.unmute(77)
    with pytest.raises(NotFound, match="no finding 77"):
        await archive.resolve(77, reason="", by="writer")


async def test_who_may_only_read_settles_nothing(url, kept):
    async with RemoteArchive.open(url, token=READ, max_bytes=1 << 20) as remote:
        assert len(await remote.findings(FindingQuery())) == 2
        with pytest.raises(ServerError, match="HTTP 403") as caught:
            await remote.resolve(kept["growth"], reason="", by="reader")
    assert "that may write" in caught.value.hint
