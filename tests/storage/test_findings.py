"""Findings in the store: new, open, resolved, muted, and what retention keeps for them."""

from dataclasses import replace

import pytest
from builders.captures import before
from stores import at, seen

from memsnap.errors import UsageError
from memsnap.storage.findings import (
    FindingFilter,
    cited,
    find,
    forget,
    judged,
    mute,
    open_counts,
    resolve,
    resolve_gone,
    unmute,
)
from memsnap.storage.notices import Notice, messages_since, notices, told
from memsnap.storage.pruning import prune
from memsnap.storage.records import SnapshotFilter
from memsnap.storage.retention import Policy
from memsnap.storage.sightings import Judgement, Sighted, State
from memsnap.storage.snapshots import find as find_snapshots
from memsnap.storage.snapshots import load_many
from memsnap.storage.targets import register, retire

LEAK = Sighted(
    fingerprint="heap:main.put:[]uint8",
    kind="growth",
    verdict="leak",
    severity="high",
    confidence=0.97,
    function="main.put",
    document='{"title": "main.put leaks"}',
)


class Story:
    """A target whose captures come one a minute, and are judged when the story says so."""

    def __init__(self, store, saved, target):
        self.store, self.saved, self.target = store, saved, target
        self.minute, self.pid = 0, 100

    async def capture(self, count=1):
        for _ in range(count):
            self.minute += 1
            snapshot = before()
            process = replace(
                snapshot.capture.process, pid=self.pid, start_time_ns=at(0) + self.pid * 10**10
            )
            capture = replace(snapshot.capture, process=process)
            await self.saved(self.target, at(self.minute), replace(snapshot, capture=capture))

    async def judge(self, *sighted, resolve_after=3):
        records = await find_snapshots(self.store, SnapshotFilter(target_id=self.target))
        life = [each for each in reversed(records) if each.process_id == records[0].process_id]
        judgement = Judgement(
            target_id=self.target,
            process_id=records[0].process_id,
            snapshot_ids=tuple(each.id for each in life),
            slots_ns=tuple(each.slot_ns for each in life),
            sighted=sighted,
        )
        return await judged(
            self.store, judgement, resolve_after=resolve_after, now_ns=at(self.minute)
        )

    async def only(self):
        (record,) = await find(self.store, FindingFilter())
        return record

    async def state(self):
        return (await self.only()).state(at(self.minute))


@pytest.fixture
def story(store, saved, target):
    return Story(store, saved, target)


async def test_what_is_seen_for_the_first_time_is_new(story):
    await story.capture(3)
    assert await story.judge(LEAK) == (1, 0)

    record = await story.only()
    assert record.state(at(3)) is State.NEW
    assert (record.course.first_ns, record.course.since_ns, record.course.last_ns) == (at(3),) * 3
    assert record.document == {"title": "main.put leaks"}
    assert record.since_build == "v1.2.0"
    assert record.seen == seen("a")


async def test_a_later_capture_that_shows_it_again_opens_it(story):
    await story.capture(3)
    await story.judge(LEAK)
    await story.judge(LEAK)
    assert await story.state() is State.NEW

    await story.capture()
    assert await story.judge(LEAK) == (0, 0)

    course = (await story.only()).course
    assert (course.state, course.since_ns, course.last_ns) == (State.OPEN, at(3), at(4))


async def test_it_is_resolved_after_as_many_captures_without_it_as_are_wanted(story):
    await story.capture(3)
    await story.judge(LEAK)
    await story.capture(2)
    assert await story.judge() == (0, 0)
    assert (await story.only()).course.missed == 2

    await story.capture()
    assert await story.judge() == (0, 1)

    course = (await story.only()).course
    assert (course.state, course.resolved_ns, course.resolved_by) == (State.RESOLVED, at(6), "")


async def test_a_sighting_starts_the_count_of_missed_captures_anew(story):
    await story.capture(3)
    await story.judge(LEAK)
    await story.capture(2)
    await story.judge()
    await story.capture()
    await story.judge(LEAK)
    await story.capture(2)
    await story.judge()
    assert (await story.state(), (await story.only()).course.missed) == (State.OPEN, 2)


async def test_after_a_restart_it_takes_as_many_captures_to_be_gone_as_it_took_to_be_seen(story):
    await story.capture(6)
    await story.judge(LEAK)
    story.pid += 1
    await story.capture(5)
    await story.judge()
    assert await story.state() is State.NEW

    await story.capture()
    await story.judge()
    assert await story.state() is State.RESOLVED


async def test_the_same_finding_in_another_life_of_another_build_is_the_same(story):
    await story.capture(3)
    await story.judge(LEAK)
    first = await story.only()
    story.pid += 1
    await story.capture(3)
    assert await story.judge(LEAK) == (0, 0)

    again = await story.only()
    assert (again.id, again.course.since_ns) == (first.id, at(3))
    assert (again.course.last_ns, again.state(at(9))) == (at(6), State.OPEN)


async def test_what_comes_back_is_new_again_and_keeps_when_it_was_first_seen(story):
    await story.capture(3)
    await story.judge(LEAK)
    await story.capture(3)
    await story.judge()
    await story.capture()
    assert await story.judge(LEAK) == (1, 0)

    course = (await story.only()).course
    assert (course.state, course.first_ns, course.since_ns) == (State.NEW, at(3), at(7))
    assert (course.resolved_ns, course.missed) == (None, 0)


async def test_another_type_at_the_function_of_an_open_finding_is_the_same_finding(story):
    await story.capture(3)
    await story.judge(LEAK)
    await story.capture()
    await story.judge(replace(LEAK, fingerprint="heap:main.put:", kind="append-growth"))

    record = await story.only()
    assert (record.fingerprint, record.kind) == (LEAK.fingerprint, "append-growth")


async def test_two_causes_in_one_function_are_two_findings(story):
    await story.capture(3)
    other = replace(LEAK, fingerprint="heap:main.put:string")
    assert await story.judge(LEAK, other) == (2, 0)
    await story.capture()
    assert await story.judge(other, LEAK) == (0, 0)
    assert len(await find(story.store, FindingFilter(function="main.put"))) == 2


async def test_a_muted_finding_goes_on_being_judged(story):
    await story.capture(3)
    await story.judge(LEAK)
    number = (await story.only()).id
    await mute(story.store, number, until_ns=at(10), by="ann")
    await story.capture()
    await story.judge(LEAK)

    record = await story.only()
    assert (record.state(at(9)), record.muted_by) == (State.MUTED, "ann")
    assert record.state(at(10)) is State.OPEN
    counted = await open_counts(story.store, [story.target], now_ns=at(9))
    assert counted == {(story.target, "muted", "high", "growth"): 1}


async def test_a_mute_without_an_end_lasts_until_it_is_taken_back(story):
    await story.capture(3)
    await story.judge(LEAK)
    number = (await story.only()).id
    await mute(story.store, number)
    assert (await story.only()).state(2**62) is State.MUTED

    await unmute(story.store, number)
    assert await story.state() is State.NEW


async def test_what_somebody_resolved_comes_back_with_another_life_only(story):
    await story.capture(3)
    await story.judge(LEAK)
    await resolve(story.store, (await story.only()).id, by="ann", now_ns=at(3))
    await story.capture()
    assert await story.judge(LEAK) == (0, 0)
    assert await story.state() is State.RESOLVED

    story.pid += 1
    await story.capture(3)
    assert await story.judge(LEAK) == (1, 0)
    assert await story.state() is State.NEW


@pytest.mark.parametrize("change", [unmute, mute])
async def test_a_finding_that_is_not_there_cannot_be_changed(store, change):
    with pytest.raises(UsageError, match="has no finding 7"):
        await change(store, 7)


async def test_nobody_cannot_resolve(story):
    with pytest.raises(UsageError, match="by nobody"):
        await resolve(story.store, 7, by=" ", now_ns=1)


async def test_findings_of_retired_targets_are_resolved_and_forgotten_in_time(story):
    await story.capture(3)
    await story.judge(LEAK, replace(LEAK, fingerprint="another"))
    await retire(story.store, ["a"], now_ns=at(4))
    assert await resolve_gone(story.store, retired_before_ns=at(4), now_ns=at(5)) == 0
    assert await resolve_gone(story.store, retired_before_ns=at(5), now_ns=at(6)) == 2

    first, last = sorted(each.id for each in await find(story.store, FindingFilter()))
    assert await forget(story.store, resolved_before_ns=at(6), now_ns=at(9)) == 0
    # The number of a finding stands in links: SQLite gives the largest again once it is free.
    gone = {first} if story.store.dialect == "sqlite" else {first, last}
    assert await forget(story.store, resolved_before_ns=at(7), now_ns=at(9)) == len(gone)
    left = {each.id for each in await find(story.store, FindingFilter())}
    assert left == {first, last} - gone


async def test_a_mute_for_ever_outlives_the_finding(story):
    await story.capture(3)
    await story.judge(LEAK)
    await mute(story.store, (await story.only()).id)
    await story.capture(3)
    await story.judge()
    assert await forget(story.store, resolved_before_ns=at(99), now_ns=at(99)) == 0


async def test_retention_keeps_the_captures_that_an_open_finding_rests_on(story):
    await story.capture(30)
    await story.judge(LEAK)
    began = await cited(story.store, (await story.only()).id)
    await story.capture(2)
    await story.judge(LEAK)
    now = await cited(story.store, (await story.only()).id)
    assert (began[0], began[-1], len(began)) == (1, 30, 8)
    assert set(now) == {*began, 32}

    policy = Policy(all_for_s=1, hourly_for_s=1, daily_for_s=1, failures_for_s=None, max_bytes=None)
    await prune(story.store, policy, at(60 * 24 * 9))

    left = await load_many(story.store, range(1, 33))
    assert [f"snapshot {number}" for number in now] == [each.name for each in left]


async def test_findings_are_listed_by_what_they_are(story):
    await story.capture(3)
    cache = replace(LEAK, fingerprint="heap:main.cache:", function="main.cache", verdict="cache")
    await story.judge(LEAK, cache)

    async def listed(**wanted):
        found = await find(story.store, FindingFilter(**wanted))
        return sorted(each.function for each in found)

    assert await listed() == ["main.cache", "main.put"]
    assert await listed(verdict="cache") == ["main.cache"]
    assert await listed(states=(State.OPEN,)) == []
    assert await listed(target_ids=[story.target + 1]) == []
    assert await listed(function="in.p") == ["main.put"]
    assert await listed(function="%") == []
    assert len(await listed(limit=1)) == 1


async def test_findings_are_listed_by_how_people_see_them(story):
    await story.capture(3)
    await story.judge(LEAK, replace(LEAK, fingerprint="x", function="main.cache", severity="low"))
    ids = {each.function: each.id for each in await find(story.store, FindingFilter())}
    await mute(story.store, ids["main.cache"], until_ns=at(10))

    async def listed(*shown, minute, **wanted):
        wanted = FindingFilter(shown=shown, now_ns=at(minute), **wanted)
        return sorted(each.function for each in await find(story.store, wanted))

    assert await listed(State.MUTED, minute=9) == ["main.cache"]
    assert await listed(State.NEW, minute=9) == ["main.put"]
    assert await listed(State.NEW, minute=10) == ["main.cache", "main.put"]
    await resolve(story.store, ids["main.cache"], by="me", now_ns=at(4))
    assert await listed(State.MUTED, minute=9) == []
    assert await listed(State.RESOLVED, State.NEW, minute=9) == ["main.cache", "main.put"]
    assert await listed(minute=9, severities=("low", "info")) == ["main.cache"]
    assert await listed(minute=9, kinds=("other",)) == []


async def test_findings_of_a_time_are_those_that_were_there(story):
    await story.capture(3)
    await story.judge(LEAK)  # seen at minute 3 alone

    async def there(since, until):
        wanted = FindingFilter(since_ns=at(since), until_ns=at(until))
        return len(await find(story.store, wanted))

    assert [await there(0, 3), await there(0, 4), await there(3, 4), await there(4, 9)] == [
        *(0, 1, 1, 0)
    ]


async def test_findings_go_on_after_the_last_one_of_a_page(story):
    await story.capture(3)
    await story.judge(*(replace(LEAK, fingerprint=str(n), function=f"f{n}") for n in range(5)))
    ids, after = [], None
    while page := await find(story.store, FindingFilter(after=after, limit=2)):
        ids += [each.id for each in page]
        after = (page[-1].course.last_ns, page[-1].id)

    assert ids == sorted(set(ids), reverse=True)
    assert len(ids) == 5


async def test_a_receiver_is_noted_to_have_been_told(story):
    await story.capture(3)
    other = replace(LEAK, fingerprint="heap:main.cache:", function="main.cache")
    await story.judge(LEAK, other)
    ids = [each.id for each in await find(story.store, FindingFilter())]
    await told(story.store, "chat", [*ids, 99], state=State.OPEN, at_ns=at(4))
    await told(story.store, "chat", ids[:1], state=State.RESOLVED, at_ns=at(5))

    noted = await notices(story.store, "chat")
    assert noted == {
        ids[0]: Notice(finding_id=ids[0], told=State.RESOLVED, at_ns=at(5)),
        ids[1]: Notice(finding_id=ids[1], told=State.OPEN, at_ns=at(4)),
    }
    assert await notices(story.store, "pager") == {}
    assert await messages_since(story.store, "chat", at(4)) == 2
    assert await messages_since(story.store, "chat", at(5)) == 1


async def test_findings_of_two_targets_do_not_meet(story):
    await story.capture(3)
    await story.judge(LEAK)
    other = (await register(story.store, [seen("b")], now_ns=at(0)))["b"]
    twin = Story(story.store, story.saved, other)
    await twin.capture(3)
    assert await twin.judge(LEAK) == (1, 0)
    assert len(await find(story.store, FindingFilter())) == 2
