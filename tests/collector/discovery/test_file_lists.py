"""file_sd: JSON and YAML, seen when they change; a broken file keeps what it had."""

import json

import pytest
from following import discovery_of, first, following, keys


def search(folder, *patterns, more=""):
    files = json.dumps([str(folder / pattern) for pattern in patterns])
    return discovery_of(f"[[discover]]\nkind='file'\nevery='20ms'\nfiles={files}\n{more}")


def write(path, text):
    """Replace a file at once, as its writers should."""
    new = path.with_name(path.name + ".new")
    new.write_text(text)
    new.rename(path)


def listed(*targets, **labels):
    return json.dumps([{"targets": targets, "labels": labels}])


async def test_json_and_yaml_lists_are_read(tmp_path):
    (tmp_path / "a.json").write_text(listed("a:1", "b:1", job="shop", env="prod"))
    (tmp_path / "b.yaml").write_text("- targets: ['https://c:1/x/debug/pprof']\n")
    update = await first(search(tmp_path, "*.json", "b.yaml"))
    assert update.problems == ()
    assert keys(update) == [
        "http://a:1/debug/pprof",
        "http://b:1/debug/pprof",
        "https://c:1/x/debug/pprof",
    ]
    assert [one.seen.service for one in update.found] == ["shop", "shop", "c:1"]
    assert update.found[0].seen.labels == (("env", "prod"), ("job", "shop"))


async def test_a_change_of_a_file_is_seen_and_no_change_is_not_told(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(listed("a:1"))
    async with following(search(tmp_path, "a.json")) as next_update:
        assert keys(await next_update()) == ["http://a:1/debug/pprof"]
        write(path, listed("a:1"))  # the same again
        write(path, listed("b:1", "a:1"))
        assert keys(await next_update()) == ["http://a:1/debug/pprof", "http://b:1/debug/pprof"]


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("[{", "is not JSON: "),
        ("{}", 'is no list of targets: it has to be [{"targets": [...]}]'),
        ('["a:1"]', ": group 1 is no table with targets"),
        ('[{"targets": "a:1"}]', ": the targets of group 1 are no list of texts"),
        ('[{"targets": [], "labels": {"a": 1}}]', ": the labels of group 1 are no table of texts"),
        ("[" * 100_000, "is not JSON: "),
    ],
)
async def test_a_broken_file_keeps_what_it_had_and_says_so(tmp_path, broken, said):
    path = tmp_path / "a.json"
    path.write_text(listed("a:1"))
    (tmp_path / "b.json").write_text(listed("b:1"))
    async with following(search(tmp_path, "*.json")) as next_update:
        good = await next_update()
        write(path, broken)
        update = await next_update()
        assert update.found == good.found
        assert len(update.problems) == 1
        assert said in update.problems[0]
        write(path, listed("c:1"))
        update = await next_update()
        assert keys(update) == ["http://b:1/debug/pprof", "http://c:1/debug/pprof"]
        assert update.problems == ()


async def test_broken_yaml_is_named(tmp_path):
    (tmp_path / "a.yml").write_text("- targets: [a:1\n- x")
    update = await first(search(tmp_path, "a.yml"))
    assert update.found is None
    assert update.problems[0].startswith(f"{tmp_path}/a.yml is not YAML: ")


async def test_a_file_that_never_was_leaves_open_what_is_there(tmp_path):
    async with following(search(tmp_path, "a.json")) as next_update:
        update = await next_update()
        assert update.found is None
        assert update.problems == (f"{tmp_path}/a.json does not exist",)
        (tmp_path / "a.json").write_text(listed())
        update = await next_update()
        assert (update.found, update.problems) == ((), ())


async def test_a_file_that_is_removed_lists_nothing_any_more(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(listed("a:1"))
    async with following(search(tmp_path, "a.json")) as next_update:
        await next_update()
        path.unlink()
        update = await next_update()
        assert update.found == ()
        assert update.problems == (f"{tmp_path}/a.json does not exist",)


async def test_an_address_that_is_none_stops_no_other(tmp_path):
    (tmp_path / "a.json").write_text(listed("no target", "a:1"))
    update = await first(search(tmp_path, "a.json", more="relabel={service='x'}"))
    assert keys(update) == ["http://a:1/debug/pprof"]
    assert len(update.problems) == 1
