"""What was resolved is kept between runs, and whatever is wrong with the file, nothing fails."""

import os

import pytest

from memsnap.attribution import Answer, Known
from memsnap.storage import typecache
from memsnap.storage.typecache import TypeCache

KNOWN = Known(
    answers={
        bytes(range(16)): Answer("http.Request", "net/http.Request", "new", ""),
        bytes(range(1, 17)): Answer("[]uint8", "", "make", "inferred"),
        bytes(16): Answer("", "", "", ""),
    },
    places={b"a" * 16, b"b" * 16},
)


@pytest.fixture
def cache(tmp_path):
    return TypeCache(tmp_path / "types")


def only_file(cache):
    (path,) = cache.folder.iterdir()
    return path


def test_what_is_saved_is_loaded_again(cache):
    cache.save("build/1", KNOWN)
    assert cache.load("build/1") == KNOWN


def test_nothing_is_known_of_another_build(cache):
    cache.save("build/1", KNOWN)
    assert cache.load("build/2") == Known()


def test_answers_of_another_release_are_not_trusted(cache, monkeypatch):
    cache.save("build/1", KNOWN)
    monkeypatch.setattr(typecache, "__version__", "9.9.9")
    assert cache.load("build/1") == Known()


@pytest.mark.parametrize("cut", [0, 1, 10, 40, -1])
def test_a_damaged_file_is_as_good_as_none(cache, cut):
    cache.save("build/1", KNOWN)
    path = only_file(cache)
    path.write_bytes(path.read_bytes()[:cut])
    assert cache.load("build/1") == Known()


def test_a_number_that_points_nowhere_is_as_good_as_no_file(cache):
    cache.save("build/1", Known({bytes(16): Answer("int", "", "new", "")}))
    path = only_file(cache)
    path.write_bytes(path.read_bytes()[:-1] + b"\x63")
    assert cache.load("build/1") == Known()


def test_a_folder_that_cannot_be_made_loses_nothing_but_the_cache(tmp_path):
    (tmp_path / "file").write_text("in the way")
    cache = TypeCache(tmp_path / "file/types")
    cache.save("build/1", KNOWN)
    assert cache.load("build/1") == Known()


def test_the_builds_used_least_recently_are_dropped(cache, monkeypatch):
    monkeypatch.setattr(typecache, "_MOST_FILES", 2)
    for at, build in enumerate(["a", "b", "c"]):
        cache.save(build, KNOWN)
        os.utime(cache._path(build), (at, at))
        cache.save(build, KNOWN) if build == "c" else None
    assert cache.load("a") == Known()
    assert cache.load("c") == KNOWN


def test_the_users_own_folder_is_the_cache_folder_of_the_system(monkeypatch, tmp_path):
    monkeypatch.delenv("MEMSNAP_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert TypeCache().folder == tmp_path / "memsnap/types"
