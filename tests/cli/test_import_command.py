"""`memsnap import`: files into a store."""

import json

import pytest
from builders.profiles import Row, heap
from commands import START_NS, save_capture

from memsnap.pprof.encode import compress, encode


@pytest.fixture
def files(tmp_path):
    """Two captures of one service, a minute apart."""
    return [save_capture(tmp_path / f"{n}.snap", 10 + n, minute=n) for n in range(2)]


def listed(memsnap, *arguments) -> list[dict]:
    return json.loads(memsnap("list", *arguments, "--json").out)["snapshots"]


def test_captures_are_stored_at_the_moment_that_they_were_taken(filled, memsnap, files):
    done = memsnap("import", *files)

    assert done.code == 0
    assert done.out.splitlines()[-1] == "2 added, 0 there before, 0 failed"
    found = listed(memsnap, "import:shop")
    assert [each["slot_ns"] for each in found] == [each["taken_ns"] for each in found]
    assert {each["reason"] for each in found} == {"import"}
    assert memsnap("diff", "store:import:shop@first", "store:import:shop@last").code == 0


def test_a_second_run_does_no_harm(filled, memsnap, files):
    memsnap("import", *files)
    done = memsnap("import", *files)

    assert done.code == 0
    assert done.out.splitlines()[-1] == "0 added, 2 there before, 0 failed"
    assert len(listed(memsnap, "import:shop")) == 2


def test_what_was_pulled_is_there_already_in_the_slot_of_its_schedule(filled, memsnap):
    memsnap("pull", "4", "-o", "a.snap")
    done = memsnap("import", "a.snap", "--target", "shop")

    assert done.out.splitlines() == [
        "1/1  a.snap  #4  shop  there before",
        "0 added, 1 there before, 0 failed",
    ]


def test_after_a_bad_file_the_others_go_on(filled, memsnap, files, tmp_path):
    bad = tmp_path / "bad.snap"
    bad.write_bytes(b"\x1f\x8bnot a profile")
    done = memsnap("import", files[0], bad, tmp_path / "none.snap", files[1])

    assert done.code == 1
    assert done.out.splitlines()[-1] == "2 added, 0 there before, 2 failed"
    assert str(bad) in done.err
    assert "none.snap" in done.err


def test_target_and_labels_may_be_given(filled, memsnap, files):
    memsnap("import", *files, "--target", "before", "--label", "env=test", "--label", "b=2")

    document = json.loads(memsnap("list", "--label", "env=test", "--json").out)
    (target,) = document["targets"]
    assert (target["key"], target["service"], target["source"]) == ("before", "shop", "import")
    assert target["labels"] == {"b": "2", "env": "test"}
    memsnap("import", *files, "--target", "before")
    (again,) = json.loads(memsnap("list", "--label", "env=test", "--json").out)["targets"]
    assert again["labels"] == target["labels"]


def test_the_labels_of_a_discovered_target_are_left_alone(filled, memsnap, files):
    done = memsnap("import", files[0], "--target", "shop", "--label", "env=test")

    assert done.code == 1
    assert "those that its discovery gives it" in done.lines[0]


def test_another_capture_of_the_same_moment_is_not_silently_left_out(filled, memsnap, tmp_path):
    one = save_capture(tmp_path / "one.snap", 10)
    other = tmp_path / "other.pb.gz"
    profile = heap(
        Row("main.f a.go:1", size=64, alloc=1, live=1),
        time_nanos=START_NS,
    )
    other.write_bytes(compress(encode(profile)))
    done = memsnap("import", one, other, "--target", "x")

    assert done.code == 1
    assert "x has another capture of this very moment" in done.lines[0]


def test_a_profile_that_does_not_say_its_time_is_refused(filled, memsnap, tmp_path):
    file = tmp_path / "a.pb.gz"
    profile = heap(Row("main.f a.go:1", size=64, alloc=1, live=1), time_nanos=0)
    file.write_bytes(compress(encode(profile)))
    done = memsnap("import", file)

    assert done.code == 1
    assert "does not say when it was taken" in done.lines[0]


def test_results_are_json_too(filled, memsnap, files, tmp_path):
    done = memsnap("import", files[0], tmp_path / "none", "--json")

    document = json.loads(done.out)
    assert document["schema"] == "memsnap.import/1"
    first, second = document["files"]
    assert (first["added"], first["failed"], first["target"]) == (True, False, "import:shop")
    assert (second["snapshot_id"], second["failed"]) == (None, True)


def test_a_new_store_is_made_where_it_is_named(tmp_path, memsnap, files, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = memsnap("import", *files, "--store", "sqlite:///new.db")

    assert done.code == 0
    assert len(listed(memsnap, "import:shop", "--store", "sqlite:///new.db")) == 2


def test_a_server_is_no_place_to_import_into(filled, memsnap, files, monkeypatch):
    monkeypatch.setenv("MEMSNAP_SERVER", "http://127.0.0.1:1")
    done = memsnap("import", files[0])

    assert done.code == 2
    assert done.lines[1] == "  try: --store URL"
