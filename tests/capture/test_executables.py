"""The executable behind a capture is found: the process's own, a file, or one of a folder."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import typed_services
from services import Service, running

from memsnap.attribution import Known
from memsnap.capture.blocking import capture
from memsnap.capture.executables import TypeSource
from memsnap.capture.target import PidTarget
from memsnap.errors import FileError, FormatError, MemsnapError, UsageError
from memsnap.gobin.buildinfo import read_build
from memsnap.pprof.reader import read
from memsnap.snapshot import Capture, Process, Snapshot, Types
from memsnap.storage.typecache import TypeCache

pytestmark = pytest.mark.go


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    """The stripped service's heap, and nothing else known of it."""
    heap = read(typed_services.recorded(*typed_services.STRIPPED).proto, name="heap.pb.gz")
    return Snapshot(name="heap.pb.gz", heap=heap, capture=Capture())


@pytest.fixture
def own_file(tmp_path: Path) -> Path:
    """A copy of the stripped service's executable, to be run, replaced or removed."""
    return Path(shutil.copy(typed_services.program(*typed_services.STRIPPED), tmp_path / "shop"))


@pytest.fixture
def running_service(own_file: Path) -> Iterator[Service]:
    with running(own_file, env=typed_services.EVERY_OBJECT) as service:
        typed_services.fill(service, 5)
        yield service


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of builds with things in it that are none."""
    builds = tmp_path / "builds"
    (builds / "v1").mkdir(parents=True)
    (builds / "v2").mkdir()
    (builds / "empty").touch()
    (builds / "notes.txt").write_text("which build is which")
    (builds / "damaged").write_bytes(b"\x7fELF\x02\x01" + b"\xff" * 200)
    os.mkfifo(builds / "pipe")
    (builds / "dangling").symlink_to("nowhere")
    return builds


def stripped() -> Path:
    return typed_services.program(*typed_services.STRIPPED)


def pie() -> Path:
    return typed_services.program(*typed_services.PIE)


def typed(snapshot: Snapshot, *, file: str | Path = "", folder: str | Path = "") -> Types:
    """Return what the types of a snapshot are from."""
    with TypeSource(file=str(file), folder=str(folder)) as source:
        found = source.attribute(snapshot).capture.types
    assert found
    return found


def known_as(snapshot: Snapshot, **process: str) -> Snapshot:
    """Return the snapshot of a process of which more is known."""
    return replace(snapshot, capture=Capture(process=Process(**process)))


def without_build_ids(snapshot: Snapshot) -> Snapshot:
    mappings = tuple(replace(mapping, build_id="") for mapping in snapshot.heap.mappings)
    return replace(snapshot, heap=replace(snapshot.heap, mappings=mappings))


def test_a_process_gives_its_own_executable(running_service: Service, own_file: Path) -> None:
    taken = typed(capture(PidTarget(pid=running_service.pid)))

    assert taken.executable == str(own_file)
    assert taken.typed_live_bytes > 0.9 * taken.live_bytes


def test_a_deleted_executable_is_read_all_the_same(
    running_service: Service, own_file: Path
) -> None:
    own_file.unlink()

    taken = typed(capture(PidTarget(pid=running_service.pid)))

    assert taken.executable == str(own_file)
    assert taken.matched_locations == taken.checked_locations


def test_the_running_build_counts_and_not_the_file_that_took_its_place(
    running_service: Service, own_file: Path
) -> None:
    shutil.copy(pie(), own_file.with_name("new"))
    own_file.with_name("new").replace(own_file)

    snapshot = capture(PidTarget(pid=running_service.pid))

    taken = typed(snapshot)
    assert taken.matched_locations == taken.checked_locations
    with pytest.raises(FormatError, match="is not the executable behind"):
        typed(snapshot, file=own_file)


def test_a_series_reads_an_executable_once_for_all_its_captures(running_service: Service) -> None:
    target = PidTarget(pid=running_service.pid)
    with TypeSource() as source:
        first = source.attribute(capture(target))
        typed_services.fill(running_service, 1)
        second = source.attribute(capture(target))

    assert first.capture.types
    assert second.capture.types
    assert first.capture.types.executable == second.capture.types.executable


def test_an_ended_process_is_an_error_that_says_so(snapshot: Snapshot) -> None:
    gone = replace(snapshot, capture=Capture(process=Process(pid=1 << 22)))

    with pytest.raises(MemsnapError, match="pid 4194304"):
        typed(gone)


def test_a_file_may_be_given(snapshot: Snapshot) -> None:
    assert typed(snapshot, file=stripped()).executable == str(stripped())


def test_a_process_elsewhere_leaves_a_note_how_to_add_types(snapshot: Snapshot) -> None:
    with TypeSource() as source:
        untyped = source.attribute_if_possible(snapshot)

    assert untyped.heap is snapshot.heap
    assert untyped.capture.types is None
    (note,) = untyped.capture.notes
    assert note.startswith("No types: the executable is on another machine")
    assert "memsnap attribute FILE.snap --exe ./service" in note


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"#!/bin/sh\nexit 0\n" * 20,
        b"\x7fELF\x02\x01\x01" + bytes(200),
    ],
    ids=["empty", "script", "headers of nothing"],
)
def test_what_is_no_go_executable_leaves_a_note_and_the_capture(
    snapshot: Snapshot, tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "service"
    file.write_bytes(content)

    with TypeSource(file=str(file)) as source:
        untyped = source.attribute_if_possible(snapshot)

    (note,) = untyped.capture.notes
    assert note.startswith("No types: ")
    assert str(file) in note
    assert "\n" not in note


def test_a_truncated_executable_leaves_a_note(snapshot: Snapshot, tmp_path: Path) -> None:
    whole = stripped().read_bytes()
    for share in (0.01, 0.3, 0.6, 0.9, 0.99):
        file = tmp_path / "service"
        file.write_bytes(whole[: int(len(whole) * share)])
        with TypeSource(file=str(file)) as source:
            result = source.attribute_if_possible(snapshot)
        assert result.capture.types or str(file) in result.capture.notes[0]


def test_an_executable_that_cannot_be_opened_leaves_a_note(
    snapshot: Snapshot, tmp_path: Path
) -> None:
    for file in (tmp_path / "nothing", tmp_path):
        with TypeSource(file=str(file)) as source:
            (note,) = source.attribute_if_possible(snapshot).capture.notes
        assert str(file) in note


def test_a_folder_is_searched_for_the_build_id_of_the_profile(
    snapshot: Snapshot, folder: Path
) -> None:
    shutil.copy(pie(), folder / "v1" / "requests")
    mine = shutil.copy(stripped(), folder / "v2" / "renamed")

    assert typed(snapshot, folder=folder).executable == str(mine)


def test_a_folder_is_searched_for_gos_build_id_of_the_process(
    snapshot: Snapshot, folder: Path
) -> None:
    shutil.copy(pie(), folder / "v1" / "renamed")
    mine = shutil.copy(stripped(), folder / "v2" / "renamed")
    build = read_build(mine)
    assert build

    elsewhere = known_as(without_build_ids(snapshot), go_build_id=build.go_build_id)

    assert typed(elsewhere, folder=folder).executable == str(mine)


def test_what_is_resolved_is_remembered_by_build(snapshot: Snapshot, tmp_path: Path) -> None:
    cache = TypeCache(tmp_path / "types")
    with TypeSource(file=str(stripped()), memory=cache) as source:
        source.attribute(snapshot)
    build = read_build(stripped())
    assert build

    known = cache.load(build.go_build_id)

    assert len(known.answers) > 50
    assert len(known.places) > 100


def test_a_build_whose_id_others_may_have_is_not_remembered(tmp_path: Path) -> None:
    recorded = typed_services.recorded("-ldflags=-buildid=redacted")
    heap = read(recorded.proto, name="heap.pb.gz")
    cache = TypeCache(tmp_path / "types")
    with TypeSource(file=str(recorded.executable), memory=cache) as source:
        source.attribute(Snapshot(name="heap.pb.gz", heap=heap, capture=Capture()))

    assert cache.load("redacted") == Known()


def test_without_build_ids_the_name_decides(snapshot: Snapshot, folder: Path) -> None:
    mine = shutil.copy(stripped(), folder / "requests")

    assert typed(without_build_ids(snapshot), folder=folder).executable == str(mine)


def test_of_several_files_of_one_name_the_one_that_fits_is_taken(
    snapshot: Snapshot, folder: Path
) -> None:
    shutil.copy(pie(), folder / "v1" / "requests")
    mine = shutil.copy(stripped(), folder / "v2" / "requests")
    (folder / "requests").write_text("not even an executable")

    assert typed(without_build_ids(snapshot), folder=folder).executable == str(mine)


def test_a_replaced_files_build_id_misleads_nobody(snapshot: Snapshot, folder: Path) -> None:
    new = read_build(shutil.copy(pie(), folder / "v2" / "requests"))
    mine = shutil.copy(stripped(), folder / "v1" / "requests")
    assert new

    misled = known_as(without_build_ids(snapshot), build_id=new.build_id)

    assert typed(misled, folder=folder).executable == str(mine)


def test_a_folder_without_the_build_says_what_was_looked_for(
    snapshot: Snapshot, folder: Path
) -> None:
    with pytest.raises(FileError, match="holds no file named requests or of build "):
        typed(snapshot, folder=folder)


def test_a_folder_of_other_builds_only_is_refused(snapshot: Snapshot, folder: Path) -> None:
    shutil.copy(pie(), folder / "v1" / "requests")
    with pytest.raises(FormatError, match=r"v1/requests is not .* \d+ of 400 places"):
        typed(snapshot, folder=folder)

    shutil.copy(pie(), folder / "v2" / "requests")
    with pytest.raises(FormatError, match="none of the 2 files"):
        typed(snapshot, folder=folder)


def test_what_is_no_folder_is_refused(snapshot: Snapshot, tmp_path: Path) -> None:
    with pytest.raises(FileError, match="is no folder"):
        typed(snapshot, folder=tmp_path / "nothing")


def test_a_file_and_a_folder_are_too_much() -> None:
    with pytest.raises(UsageError, match="either --exe FILE or --exe-dir DIR"):
        TypeSource(file="a", folder="b")


def test_of_many_executables_those_used_last_stay_open(
    tmp_path: Path, own_file: Path, snapshot: Snapshot
) -> None:
    files = [str(shutil.copy(own_file, tmp_path / f"shop-{number}")) for number in range(3)]
    with TypeSource(most_open=2) as source:
        for number in (0, 1, 0, 2):
            assert source.attribute_by(files[number], snapshot).capture.types is not None
        assert source.open_files == (files[0], files[2])
    assert source.open_files == ()
