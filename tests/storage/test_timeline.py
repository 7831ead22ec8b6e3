"""Lives of a target's process out of the store, and how people call a build."""

from dataclasses import replace

import pytest
from builders.captures import CAPTURE, before
from stores import at

from memsnap.storage.timeline import build_words, lives


@pytest.fixture
async def released(saved, target):
    """A target that was restarted, and then released anew."""
    ids = ("c0ffee", "c0ffee", "decade")
    for number, build_id in enumerate(ids):
        version = f"v1.{int(build_id == 'decade')}.0"
        process = replace(
            CAPTURE.process, pid=100 + number, build_id=build_id, module_version=version
        )
        capture = replace(CAPTURE, process=process)
        for minute in (10 * number, 10 * number + 5):
            await saved(target, at(minute), replace(before(), capture=capture))
    return target


async def test_each_life_has_its_build_and_its_captures(store, released):
    found = await lives(store, released, since_ns=at(0), until_ns=at(60), limit=9)

    assert [each.pid for each in found] == [102, 101, 100]
    assert [each.build for each in found] == ["v1.1.0", "v1.0.0", "v1.0.0"]
    assert found[1].build_id == found[2].build_id != found[0].build_id
    assert [(each.first_slot_ns, each.last_slot_ns) for each in found] == [
        (at(20), at(25)),
        (at(10), at(15)),
        (at(0), at(5)),
    ]


async def test_lives_around_the_time_count_and_the_newest_stay(store, released):
    async def pids(since, until, limit=9):
        found = await lives(store, released, since_ns=at(since), until_ns=at(until), limit=limit)
        return [each.pid for each in found]

    assert await pids(15, 20) == [101]
    assert await pids(4, 21) == [102, 101, 100]
    assert await pids(6, 9) == []
    assert await pids(0, 60, limit=1) == [102]


@pytest.mark.parametrize(
    ("version", "revision", "build_id", "words"),
    [
        ("v1.4.2", "0123456789abcdef0123", "c0ffee", "v1.4.2 (0123456789ab)"),
        ("v0.0.0-20260102-0123456789ab", "0123456789abcdef", "", "v0.0.0-20260102-0123456789ab"),
        ("(devel)", "0123456789abcdef", "", "0123456789ab"),
        ("v1.4.2", "", "c0ffee", "v1.4.2"),
        ("(devel)", "", "c0ffee0123456789", "build c0ffee012345"),
        ("", "", "", ""),
    ],
)
def test_a_build_is_called_by_what_people_know_of_it(version, revision, build_id, words):
    assert build_words(version=version, revision=revision, build_id=build_id) == words
