"""The list of the configuration is published once; `merge` lets the first source win."""

from following import discovery_of, first, keys

from memsnap.collector.discovery.found import Update, merge

TEXT = """
[[target]]
address = "shop:6060"
name = "shop"
labels = { zone = "eu" }
[[target]]
address = "unix:/run/app.sock"
prefix = "/x"
interval = "5s"
[[target]]
address = "pid:7"
id = "fixed"
"""


async def test_listed_targets_are_found_as_they_are_listed():
    update = await first(discovery_of(TEXT))
    assert keys(update) == ["http://shop:6060/debug/pprof", "here/unix:/run/app.sock:/x", "fixed"]
    assert [one.seen.service for one in update.found] == ["shop", "app", "pid:7"]
    assert update.found[0].seen.labels == (("zone", "eu"),)
    assert [one.visit.interval_s for one in update.found] == [60.0, 5.0, 60.0]
    assert [one.host for one in update.found] == ["", "here", "here"]
    assert {one.seen.source for one in update.found} == {update.source} == {"static"}


async def test_of_what_several_find_the_first_one_holds():
    static = await first(discovery_of(TEXT))
    other = Update(source="other", found=static.found[::-1])
    merged = merge([Update(source="new", found=None), other, static])
    assert list(merged.values()) == list(other.found)
